//! A message, decoded: checked once, then read in place.

use super::{
    Invalid, Rule,
    cbor::read::{NULL, Reader},
    extensions::{self, Extensions},
    id::{MessageId, Salt, UriTooLong},
    part::{self, AllParts, Part},
};

/// Octets of the longest topic (content, section 9.1).
pub const TOPIC_OCTETS: usize = 4096;

/// When a message goes away. Only a hint from its sender (C-017).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expiration {
    /// So many seconds after it was read.
    Relative(u32),
    /// At this second since the Unix epoch, read or not.
    Absolute(u32),
}

/// A message that was decoded, over borrowed bytes.
///
/// [`decode`](Self::decode) checks every rule of encoding and structure in one walk and allocates nothing. What is
/// accepted has one encoding only, so to encode it again is to copy [`as_bytes`](Self::as_bytes). Everything else is
/// read in place when it is asked for. [`MessageBuf`] owns its bytes.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    outline: Outline,
}

/// Where the fields of a checked message are. Bytes and outline always belong together.
#[derive(Clone, Copy)]
struct Outline {
    salt: Salt,
    replaces: Place,
    topic: Place,
    expires: Option<Expiration>,
    in_reply_to: Place,
    extensions: Place,
    extension_count: u32,
    sender: Option<Place>,
    room: Option<Place>,
    body: u32,
    parts: u32,
}

/// Where something is. At the very start there is nothing but the head of the message, so that means nothing.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Place {
    start: u32,
    end: u32,
}

impl Place {
    const NONE: Self = Self { start: 0, end: 0 };

    /// Places of a message, of which [`Reader`] takes no more than `u32::MAX` octets.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the reader refuses longer inputs")]
    pub(super) const fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub(super) const fn start(self) -> u32 {
        self.start
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    fn text(self, bytes: &[u8]) -> &str {
        part::Text(self.of(bytes)).get()
    }

    fn id(self, bytes: &[u8]) -> Option<MessageId> {
        MessageId::from_slice(self.of(bytes))
    }
}

impl<'a> Message<'a> {
    /// Decodes a message that takes up all of `bytes`.
    ///
    /// # Errors
    /// The first rule that is broken, and where. Rules that need more than the bytes are in
    /// [`check`](super::check).
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Invalid> {
        Ok(Self { bytes, outline: Outline::read(bytes)? })
    }

    /// The message as it was received: what its ID and its franking tag are computed from.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its salt, which is the key of its franking tag too.
    #[must_use]
    pub const fn salt(&self) -> Salt {
        self.outline.salt
    }

    /// The first version of the message that this one edits, deletes or unlikes.
    #[must_use]
    pub fn replaces(&self) -> Option<MessageId> {
        self.outline.replaces.id(self.bytes)
    }

    /// The topic it belongs to; empty for none.
    #[must_use]
    pub fn topic(&self) -> &'a [u8] {
        self.outline.topic.of(self.bytes)
    }

    /// When it goes away; `None` for never.
    #[must_use]
    pub const fn expires(&self) -> Option<Expiration> {
        self.outline.expires
    }

    /// The message it replies or reacts to.
    #[must_use]
    pub fn in_reply_to(&self) -> Option<MessageId> {
        self.outline.in_reply_to.id(self.bytes)
    }

    /// Its extensions, known and unknown.
    #[must_use]
    pub fn extensions(&self) -> Extensions<'a> {
        let Outline { extensions, extension_count, .. } = self.outline;
        Extensions::new(extensions.of(self.bytes), extension_count as usize)
    }

    /// The sender's URI, as extension 1 claims it. Must equal what MLS authenticated.
    #[must_use]
    pub fn sender(&self) -> Option<&'a str> {
        self.outline.sender.map(|place| place.text(self.bytes))
    }

    /// The room's URI, as extension 2 claims it. Must equal the room it was received in.
    #[must_use]
    pub fn room(&self) -> Option<&'a str> {
        self.outline.room.map(|place| place.text(self.bytes))
    }

    /// The root part.
    #[must_use]
    pub fn body(&self) -> Part<'a> {
        let mut root = self.parts_reader();
        Part::read(&mut root, 0).expect("decoding has read it")
    }

    /// The root part as it is encoded.
    pub(crate) fn body_bytes(&self) -> &'a [u8] {
        self.bytes.get(self.outline.body as usize..).unwrap_or_default()
    }

    /// All parts, depth first, each with its index.
    #[must_use]
    pub fn parts(&self) -> AllParts<'a> {
        AllParts::new(self.parts_reader(), self.outline.parts as usize)
    }

    /// The part with this index.
    #[must_use]
    pub fn part(&self, index: usize) -> Option<Part<'a>> {
        self.parts().nth(index)
    }

    fn parts_reader(&self) -> Reader<'a> {
        Reader::from(self.bytes, self.outline.body as usize).expect("decoding has begun with it")
    }

    /// Its message ID, given the URIs that MLS authenticated (C-004, Q-81).
    ///
    /// # Errors
    /// If a URI has more than 65,535 octets.
    pub fn id(&self, sender: &str, room: &str) -> Result<MessageId, UriTooLong> {
        MessageId::of(sender, room, self.bytes, self.salt())
    }

    /// Its message ID, if the URIs that it claims are right. `None` if it lacks one, or one is too long.
    #[must_use]
    pub fn claimed_id(&self) -> Option<MessageId> {
        self.id(self.sender()?, self.room()?).ok()
    }

    /// The same message with its own bytes.
    #[must_use]
    pub fn to_buf(&self) -> MessageBuf {
        MessageBuf { bytes: self.bytes.to_vec(), outline: self.outline }
    }
}

impl PartialEq for Message<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Message<'_> {}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("salt", &self.salt())
            .field("replaces", &self.replaces())
            .field("topic", &self.topic())
            .field("expires", &self.expires())
            .field("in_reply_to", &self.in_reply_to())
            .field("extensions", &self.extensions())
            .field("body", &self.body())
            .finish()
    }
}

/// A message that was decoded or built, and owns its bytes. [`as_message`](Self::as_message) has the accessors.
#[derive(Clone)]
pub struct MessageBuf {
    bytes: Vec<u8>,
    outline: Outline,
}

impl MessageBuf {
    /// Decodes a message that takes up all of `bytes`, which are kept, not copied.
    ///
    /// # Errors
    /// As [`Message::decode`].
    pub fn decode(bytes: Vec<u8>) -> Result<Self, Invalid> {
        let outline = Outline::read(&bytes)?;
        Ok(Self { bytes, outline })
    }

    /// The message, to be read.
    #[must_use]
    pub fn as_message(&self) -> Message<'_> {
        Message { bytes: &self.bytes, outline: self.outline }
    }

    /// The encoded message.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The encoded message.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl PartialEq for MessageBuf {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for MessageBuf {}

impl std::fmt::Debug for MessageBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_message().fmt(f)
    }
}

impl<'a> TryFrom<&'a [u8]> for Message<'a> {
    type Error = Invalid;

    fn try_from(bytes: &'a [u8]) -> Result<Self, Invalid> {
        Self::decode(bytes)
    }
}

impl TryFrom<Vec<u8>> for MessageBuf {
    type Error = Invalid;

    fn try_from(bytes: Vec<u8>) -> Result<Self, Invalid> {
        Self::decode(bytes)
    }
}

impl Outline {
    fn read(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut reader = Reader::new(bytes)?;
        reader.array_of(7, Rule::Message)?;
        let salt = salt(&mut reader)?;
        let replaces = id_or_null(&mut reader, Rule::Replaces)?;
        let topic = topic(&mut reader)?;
        let expires = expires(&mut reader)?;
        let in_reply_to = id_or_null(&mut reader, Rule::InReplyTo)?;
        let extensions = extensions::walk(&mut reader)?;
        let body = Place::new(reader.at(), 0).start();
        let parts = part::walk(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            salt,
            replaces,
            topic,
            expires,
            in_reply_to,
            extensions: extensions.entries,
            extension_count: extensions.count,
            sender: extensions.sender,
            room: extensions.room,
            body,
            parts: Place::new(parts, 0).start(),
        })
    }
}

fn salt(reader: &mut Reader<'_>) -> Result<Salt, Invalid> {
    let start = reader.at();
    let salt = reader.bytes(Rule::Salt)?.try_into();
    salt.map(Salt).map_err(|_| Invalid::at(start, Rule::Salt))
}

#[inline]
fn id_or_null(reader: &mut Reader<'_>, rule: Rule) -> Result<Place, Invalid> {
    if reader.take_if(NULL) {
        return Ok(Place::NONE);
    }
    let start = reader.at();
    let id = reader.bytes(rule)?;
    let Some(id) = MessageId::from_slice(id) else {
        return Err(Invalid::at(start, rule));
    };
    let end = reader.at();
    let start = end - MessageId::LENGTH;
    if !id.is_known() {
        return Err(Invalid::at(start, Rule::HashAlgorithm));
    }
    Ok(Place::new(start, end))
}

#[inline]
fn topic(reader: &mut Reader<'_>) -> Result<Place, Invalid> {
    let start = reader.at();
    let length = reader.bytes(Rule::Topic)?.len();
    if length > TOPIC_OCTETS {
        return Err(Invalid::at(start, Rule::TopicLength));
    }
    Ok(Place::new(reader.at() - length, reader.at()))
}

#[inline]
fn expires(reader: &mut Reader<'_>) -> Result<Option<Expiration>, Invalid> {
    if reader.take_if(NULL) {
        return Ok(None);
    }
    reader.array_of(2, Rule::Expires)?;
    let relative = reader.bool(Rule::Expires)?;
    let time = reader.u32(Rule::Expires)?;
    Ok(Some(if relative { Expiration::Relative(time) } else { Expiration::Absolute(time) }))
}
