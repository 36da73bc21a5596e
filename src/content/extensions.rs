//! The extensions of a message (content, section 4.3).

use std::{cmp::Ordering, fmt};

use super::{
    Invalid, Rule,
    cbor::{
        Entries, Item,
        read::{Reader, major},
        walk,
        write::Writer,
    },
    message::Place,
};

/// Octets of the longest text key.
pub const KEY_OCTETS: usize = 255;

/// The key of an extension.
///
/// Ordered as extensions stand in a message: numbers from 0 up, then from −1 down, then text, the shorter first.
/// Positive numbers are registered with IANA; 0 is reserved; negative numbers and text are for private use.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExtensionKey<'a> {
    /// A number within ±(2^53−1).
    Number(i64),
    /// Text of 1 to 255 octets.
    Text(&'a str),
}

impl<'a> ExtensionKey<'a> {
    /// Who sent the message: text.
    pub const SENDER_URI: Self = Self::Number(1);
    /// The room it was sent to: text.
    pub const ROOM_URI: Self = Self::Number(2);
    /// When its sender says that it was sent; see [`known`](super::known).
    pub const SENDER_TIMESTAMP: Self = Self::Number(3);
    /// Its ID in another messaging system; see [`known`](super::known).
    pub const EXTERNAL_MESSAGE_ID: Self = Self::Number(4);
    /// Its subject: text; see [`known`](super::known).
    pub const SUBJECT: Self = Self::Number(5);
    /// What its sender had seen last; see [`known`](super::known).
    pub const LAST_SEEN: Self = Self::Number(256);

    /// Whether it may be the key of an extension that is sent. A received 0 is ignored.
    ///
    /// # Errors
    /// [`Rule::KeyRange`] for 0 and numbers out of range, [`Rule::KeyLength`] for text.
    pub fn check(self) -> Result<(), Invalid> {
        let rule = match self {
            Self::Number(number) if (1..=walk::KEY_RANGE).contains(&number.unsigned_abs()) => {
                return Ok(());
            }
            Self::Text(text) if (1..=KEY_OCTETS).contains(&text.len()) => return Ok(()),
            Self::Number(_) => Rule::KeyRange,
            Self::Text(_) => Rule::KeyLength,
        };
        Err(Invalid::at(0, rule))
    }

    pub(super) fn write(self, out: &mut Writer<'_>) {
        match self {
            Self::Number(number) => out.integer(number),
            Self::Text(text) => out.text(text),
        }
    }

    fn from_item(item: Item<'a>) -> Option<Self> {
        let key = item.value();
        key.text().map(Self::Text).or_else(|| key.integer().map(Self::Number))
    }
}

impl Ord for ExtensionKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // As the encodings compare, octet by octet.
        let rank = |key: &Self| match *key {
            Self::Number(number) => (u8::from(number < 0), number.unsigned_abs()),
            Self::Text(text) => (2, text.len() as u64),
        };
        rank(self).cmp(&rank(other)).then_with(|| match (self, other) {
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            _ => Ordering::Equal,
        })
    }
}

impl PartialOrd for ExtensionKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for ExtensionKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// The extensions of a message, in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extensions<'a>(Entries<'a>);

impl<'a> Extensions<'a> {
    pub(super) const fn new(entries: &'a [u8], count: usize) -> Self {
        Self(Entries::checked(entries, count))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in their order in the message.
    pub fn iter(&self) -> impl Iterator<Item = (ExtensionKey<'a>, Item<'a>)> + use<'a> {
        self.0.filter_map(|(key, value)| Some((ExtensionKey::from_item(key)?, value)))
    }

    /// The value of one.
    #[must_use]
    pub fn get(&self, key: ExtensionKey<'_>) -> Option<Item<'a>> {
        self.iter().find_map(|(found, value)| (found == key).then_some(value))
    }
}

impl fmt::Debug for Extensions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// What the walk over the extensions has found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) entries: Place,
    pub(super) count: u32,
    pub(super) sender: Option<Place>,
    pub(super) room: Option<Place>,
}

/// The octets of the keys 1 and 2.
const SENDER: u8 = 1;
const ROOM: u8 = 2;

/// Walks over the map of extensions.
pub(super) fn walk(reader: &mut Reader<'_>) -> Result<Found, Invalid> {
    let mut left = reader.map(Rule::Extensions)?;
    let count = Place::new(left, 0).start();
    let start = reader.at();
    let mut before = None;
    let mut sender = None;
    let mut room = None;
    // The keys that nearly every message has, without the general walk. They sort first, but for the reserved 0.
    if left > 0 && reader.take_if(SENDER) {
        before = Some((reader.at() - 1, reader.at()));
        sender = Some(text(reader, Rule::SenderUri)?);
        left -= 1;
    }
    if left > 0 && reader.take_if(ROOM) {
        before = Some((reader.at() - 1, reader.at()));
        room = Some(text(reader, Rule::RoomUri)?);
        left -= 1;
    }
    for _ in 0..left {
        let key = key(reader, before)?;
        before = Some(key);
        match reader.between(key.0, key.1) {
            [SENDER] => sender = Some(text(reader, Rule::SenderUri)?),
            [ROOM] => room = Some(text(reader, Rule::RoomUri)?),
            _ => walk::skip(reader, walk::LEVELS - 1)?,
        }
    }
    Ok(Found { entries: Place::new(start, reader.at()), count, sender, room })
}

/// Reads the key of an extension: as any key, but no byte string, and text of 1 to 255 octets.
pub(super) fn key(
    reader: &mut Reader<'_>,
    before: Option<(usize, usize)>,
) -> Result<(usize, usize), Invalid> {
    let start = reader.at();
    let first = reader.peek()?;
    let key = walk::key(reader, before)?;
    match first >> 5 {
        major::BYTES => Err(Invalid::at(start, Rule::KeyType)),
        // The head takes one octet up to 23 octets of text, and two up to 255.
        major::TEXT if first == 0x60 || key.1 - key.0 > KEY_OCTETS + 2 => {
            Err(Invalid::at(start, Rule::KeyLength))
        }
        _ => Ok(key),
    }
}

#[inline]
fn text(reader: &mut Reader<'_>, rule: Rule) -> Result<Place, Invalid> {
    let length = reader.skip_text(rule)?.len();
    Ok(Place::new(reader.at() - length, reader.at()))
}
