//! Items and messages that nobody has thought of: generated, with a mistake here and there.

use cbor_core::Value as Oracle;

/// A generator of numbers that needs nothing but its seed (SplitMix64).
pub(super) struct Luck(u64);

impl Luck {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.next()).unwrap() % choices.len()]
    }
}

/// Writes CBOR, now and then not as it should be.
pub(super) struct Author {
    pub(super) luck: Luck,
    out: Vec<u8>,
    /// One mistake in so many chances; 0 for none.
    careless: u64,
}

impl Author {
    pub(super) fn new(seed: u64) -> Self {
        let mut luck = Luck(seed);
        let careless = luck.of(&[0, 20, 60]);
        Self { luck, out: Vec::new(), careless }
    }

    fn slips(&mut self) -> bool {
        self.careless > 0 && self.luck.one_in(self.careless)
    }

    fn head(&mut self, major: u8, argument: u64) {
        let width: u8 = match argument {
            0..24 => 0,
            24..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        let width = if self.slips() { self.luck.of(&[1, 2, 4, 8]).max(width) } else { width };
        let info = match width {
            0 => u8::try_from(argument).unwrap(),
            1 => 24,
            2 => 25,
            4 => 26,
            _ => 27,
        };
        let info = if self.slips() { self.luck.of(&[28, 29, 30, 31]) } else { info };
        self.out.push(major << 5 | info);
        self.out.extend(&argument.to_be_bytes()[8 - usize::from(width)..]);
    }

    fn number(&mut self) -> u64 {
        let edges = [
            0,
            1,
            23,
            24,
            255,
            256,
            65_535,
            65_536,
            u64::from(u32::MAX),
            1 << 32,
            (1 << 53) - 2,
            (1 << 53) - 1,
            1 << 53,
            u64::MAX,
        ];
        if self.luck.one_in(3) { self.luck.of(&edges) } else { self.luck.below(400) }
    }

    fn octets(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.luck.below(256)).unwrap()).collect()
    }

    fn bytes(&mut self, length: u64) {
        let octets = self.octets(length);
        self.head(2, length);
        self.out.extend(octets);
    }

    fn text_of(&mut self, text: &[u8]) {
        self.head(3, text.len() as u64);
        self.out.extend(text);
    }

    fn text(&mut self) {
        let length = self.luck.of(&[0, 1, 2, 5, 24, 255, 256]);
        let mut text: Vec<u8> = (b'a'..=b'z').cycle().take(length).collect();
        if self.luck.one_in(4) {
            text.extend("\u{e9}\u{20ac}\u{1f44d}".as_bytes());
        }
        if self.slips() {
            // Cut characters, surrogates, overlong forms, beyond Unicode.
            let bad: [&[u8]; 5] =
                [&[0xc3], &[0xed, 0xa0, 0x80], &[0xc0, 0xaf], &[0xf4, 0x90, 0x80, 0x80], &[0xff]];
            text.extend(self.luck.of(&bad));
        }
        self.text_of(&text);
    }

    fn float(&mut self) {
        let float = match self.luck.below(6) {
            0 => f64::from_bits(self.luck.next()),
            1 => f64::from(f32::from_bits(u32::try_from(self.luck.next() >> 32).unwrap())),
            // Halves and their neighbours, normal and subnormal.
            2 => {
                let exponent = i32::try_from(self.luck.below(44)).unwrap() - 27;
                let mantissa =
                    1.0 + f64::from(u32::try_from(self.luck.below(2048)).unwrap()) / 1024.0;
                mantissa * 2_f64.powi(exponent)
            }
            3 => self.luck.of(&[0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 65_504.0]),
            4 => self.luck.of(&[f64::MIN_POSITIVE, f64::MAX, f64::from(f32::MAX), 5.0e-324]),
            _ => f64::from(u32::try_from(self.luck.below(100_000)).unwrap()) / 4.0,
        };
        // The witness writes the shortest form; a slip takes a longer one.
        match self.luck.below(if self.careless > 0 { 12 } else { 1 }) {
            1 => {
                self.out.push(0xfb);
                self.out.extend(float.to_be_bytes());
            }
            #[expect(clippy::cast_possible_truncation, reason = "another number will do")]
            2 => {
                self.out.push(0xfa);
                self.out.extend((float as f32).to_be_bytes());
            }
            3 => {
                self.out.push(0xf9);
                self.out.extend(self.luck.next().to_be_bytes().iter().take(2));
            }
            _ if float.is_nan() => self.out.extend([0xf9, 0x7e, 0]),
            _ => self.out.extend(Oracle::from(float).encode()),
        }
    }

    fn simple(&mut self) {
        match self.luck.below(8) {
            0 => self.out.push(0xe0 | u8::try_from(self.luck.below(20)).unwrap()),
            1 => {
                let number =
                    if self.slips() { self.luck.below(256) } else { 32 + self.luck.below(224) };
                self.out.extend([0xf8, u8::try_from(number).unwrap()]);
            }
            _ => self.out.push(self.luck.of(&[0xf4, 0xf5, 0xf6, 0xf7])),
        }
    }

    fn integer_key(&mut self) {
        let number = if self.slips() { self.number() } else { self.luck.below(1 << 53) };
        let number = if self.luck.one_in(3) { self.luck.of(&[0, 3, 23, 24, 300]) } else { number };
        let major = self.luck.of(&[0, 1]);
        // −1 − number, so that the last one is out of range.
        self.head(major, if major == 1 { number.saturating_sub(1) } else { number });
    }

    fn key(&mut self) {
        match self.luck.below(5) {
            0 | 1 => self.integer_key(),
            2 => self.text(),
            3 => {
                let length = self.luck.of(&[0, 1, 4]);
                self.bytes(length);
            }
            _ if self.slips() => self.item(1),
            _ => self.integer_key(),
        }
    }

    /// Something written apart, for it to be put in its place.
    fn apart(&mut self, write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let before = std::mem::take(&mut self.out);
        write(self);
        std::mem::replace(&mut self.out, before)
    }

    /// A map of these entries, sorted and each key once, or not.
    fn map(&mut self, mut entries: Vec<(Vec<u8>, Vec<u8>)>) {
        if self.slips() && !entries.is_empty() {
            entries.push(entries[0].clone());
        } else {
            entries.sort();
            entries.dedup_by(|one, other| one.0 == other.0);
        }
        if !self.slips() {
            entries.sort();
        } else if self.luck.one_in(2) {
            // The order of RFC 7049 (C-064).
            entries.sort_by_key(|(key, _)| (key.len(), key.clone()));
        } else {
            entries.reverse();
        }
        self.head(5, entries.len() as u64);
        for (key, value) in entries {
            self.out.extend(key);
            self.out.extend(value);
        }
    }

    /// Any item, with about so many levels within.
    pub(super) fn item(&mut self, levels: u64) {
        let containers = if levels > 0 { 4 } else { 0 };
        match self.luck.below(10 + containers) {
            0 | 1 => {
                let number = self.number();
                self.head(0, number);
            }
            2 => {
                let number = self.number();
                self.head(1, number);
            }
            3 => {
                let length = self.luck.of(&[0, 1, 8, 9, 23, 24, 255, 256]);
                self.bytes(length);
            }
            4 | 5 => self.text(),
            6 | 7 => self.float(),
            8 => self.simple(),
            9 => {
                // A big integer, at the edge of being one. Shorter than nine octets is a mistake.
                let tag = self.luck.of(&[2, 3]);
                self.head(6, tag);
                let length = if self.slips() { self.luck.below(9) } else { 9 + self.luck.below(4) };
                let mut octets = self.octets(length);
                if let Some(first) = octets.first_mut().filter(|first| **first == 0) {
                    *first = 1;
                }
                if self.slips() {
                    octets.insert(0, 0);
                }
                if self.slips() {
                    self.text_of(b"big")
                } else {
                    self.head(2, octets.len() as u64);
                    self.out.extend(octets);
                }
            }
            10 | 11 => {
                let count = self.luck.below(4);
                self.head(4, count);
                (0..count).for_each(|_| self.item(levels - 1));
            }
            12 => {
                let entries = (0..self.luck.below(4))
                    .map(|_| (self.apart(Self::key), self.apart(|author| author.item(levels - 1))))
                    .collect();
                self.map(entries);
            }
            _ => {
                let tag = self.luck.of(&[0, 1, 4, 32, 80, 1001, 65_536, u64::MAX]);
                self.head(6, tag);
                self.item(levels - 1);
            }
        }
    }

    /// What is written, with an octet changed, put in or taken out, now and then.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.careless > 0 && self.luck.one_in(6) && !self.out.is_empty() {
            let at = usize::try_from(self.luck.below(self.out.len() as u64)).unwrap();
            let octet = u8::try_from(self.luck.below(256)).unwrap();
            match self.luck.below(4) {
                0 => self.out[at] = octet,
                1 => self.out.insert(at, octet),
                2 => self.out.truncate(at),
                _ => drop(self.out.remove(at)),
            }
        }
        self.out
    }
}

/// A message's own fields.
impl Author {
    fn fault<T: Copy>(&mut self, good: T, bad: &[T]) -> T {
        if self.slips() { self.luck.of(bad) } else { good }
    }

    fn id_or_null(&mut self) {
        if self.luck.one_in(2) {
            return self.out.push(0xf6);
        }
        let length = self.fault(32, &[31, 33, 0]);
        let mut id = self.octets(length);
        if let Some(first) = id.first_mut() {
            *first = self.fault(1, &[0, 2]);
        }
        self.head(2, length);
        self.out.extend(id);
    }

    pub(super) fn message(&mut self) {
        let count = self.fault(7, &[6, 8]);
        self.head(4, count);
        let salt = self.fault(16, &[0, 15, 17]);
        self.bytes(salt);
        self.id_or_null();
        let topic = self.luck.of(&[0, 0, 5, 32]);
        let topic = self.fault(topic, &[4096, 4097]);
        self.bytes(topic);
        match self.luck.below(3) {
            0 => {
                let count = self.fault(2, &[1, 3]);
                self.head(4, count);
                let relative = self.luck.of(&[0xf4, 0xf5]);
                let relative = self.fault(relative, &[0, 1, 0xf6]);
                self.out.push(relative);
                let time = self.luck.of(&[0, 60, 1 << 31, u64::from(u32::MAX)]);
                let time = self.fault(time, &[1 << 32, u64::MAX]);
                self.head(0, time);
            }
            _ => self.out.push(0xf6),
        }
        self.id_or_null();
        self.extensions();
        self.part(4);
        if self.slips() {
            self.out.push(0);
        }
    }

    fn extensions(&mut self) {
        let mut entries = Vec::new();
        for key in [1_u8, 2] {
            if !self.luck.one_in(4) {
                let value = if self.slips() {
                    self.apart(|author| author.item(1))
                } else {
                    self.apart(Self::text)
                };
                entries.push((vec![key], value));
            }
        }
        for _ in 0..self.luck.below(3) {
            let key =
                if self.slips() { self.apart(Self::key) } else { self.apart(Self::integer_key) };
            if key != [1] && key != [2] {
                let levels = self.fault(3, &[4, 5]);
                entries.push((key, self.apart(|author| author.item(levels))));
            }
        }
        self.map(entries);
    }

    /// A part of at most so many levels, now and then of more.
    fn part(&mut self, levels: u64) {
        let kinds = if levels > 1 || self.slips() { 6 } else { 3 };
        let kind = self.luck.below(kinds).min(3);
        let arity = [3, 5, 15, 5][usize::try_from(kind).unwrap()];
        let arity = self.fault(arity, &[3, 4, 5, 6, 15]);
        self.head(4, arity);
        let disposition = self.luck.of(&[0, 1, 2, 8, 9, 255]);
        let disposition = self.fault(disposition, &[256, u64::MAX]);
        self.head(0, disposition);
        self.text_of(b"en");
        let cardinality = self.fault(kind, &[0, 1, 2, 3, 4]);
        self.head(0, cardinality);
        match kind {
            0 => {}
            1 => {
                self.text();
                self.bytes(9);
            }
            2 => {
                self.text();
                self.text_of(b"https://a.example");
                let numbers = [u64::from(u32::MAX), u64::MAX];
                for most in numbers {
                    let number = self.number().min(most);
                    let number = self.fault(number, &[u64::from(u32::MAX) + 1]);
                    self.head(0, number);
                }
                let algorithm = self.luck.of(&[0, 1, 65_535]);
                let algorithm = self.fault(algorithm, &[65_536]);
                self.head(0, algorithm);
                for _ in 0..3 {
                    let length = if algorithm == 0 { self.fault(0, &[1]) } else { 12 };
                    self.bytes(length);
                }
                let hash = self.fault(1, &[255, 256]);
                self.head(0, hash);
                self.bytes(32);
                self.text();
                self.text();
            }
            _ => {
                let semantics = self.luck.below(3);
                let semantics = self.fault(semantics, &[3]);
                self.head(0, semantics);
                let count = self.luck.of(&[2, 3]);
                let count = self.fault(count, &[0, 1]);
                self.head(4, count);
                (0..count).for_each(|_| self.part(levels.saturating_sub(1)));
            }
        }
    }
}
