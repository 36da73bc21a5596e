//! A script in the fuzzer's octets: numbers, strings, and edits of something that is valid as it is.

/// Reads a script. What is not there any more reads as nothing.
pub(super) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u8(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from(self.u8()) << 8 | u16::from(self.u8())
    }

    /// One of several.
    pub(super) fn one_of<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[usize::from(self.u8()) % things.len()]
    }

    /// As many octets as are left, up to `length`.
    pub(super) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(length.min(self.0.len()));
        self.0 = left;
        taken
    }

    /// A string behind two octets of length.
    pub(super) fn string(&mut self) -> &'a [u8] {
        let length = self.u16();
        self.take(length.into())
    }

    /// A few edits of octets, as the script says: none, if it is to stay as it is.
    pub(super) fn edit(&mut self, octets: &mut Vec<u8>) {
        for _ in 0..self.u8() % 8 {
            let at = usize::from(self.u16()) % (octets.len() + 1);
            match self.u8() % 5 {
                0 if at < octets.len() => octets[at] = self.u8(),
                1 if at < octets.len() => octets[at] ^= 1 << (self.u8() % 8),
                2 => drop(octets.splice(at..at, self.string().iter().copied())),
                3 => {
                    let end = octets.len().min(at + usize::from(self.u8()));
                    octets.drain(at..end);
                }
                4 => octets.truncate(at),
                _ => {}
            }
        }
    }
}

/// The script that edits nothing.
pub(super) const UNEDITED: &[u8] = &[0];
