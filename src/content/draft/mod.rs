//! A message to be sent.

mod compose;
mod encode;
mod part;

use std::borrow::Cow;

pub use compose::Compose;
pub use part::{DraftBody, DraftExternal, DraftPart};

use super::{Expiration, ExtensionKey, Message, MessageBuf, MessageId, Rule, Salt, cbor::ItemBuf};

/// A message to be sent. [`Compose`] makes the usual ones; the fields are open for all others.
///
/// [`build`](Self::build) encodes it with a fresh [`Salt`] and keeps every rule that a receiver checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft<'a> {
    /// The sender's URI. A message without it cannot be franked (P-136).
    pub sender: Option<Cow<'a, str>>,
    /// The room's URI. A message without it cannot be franked (P-136).
    pub room: Option<Cow<'a, str>>,
    /// The first version of the message that this one edits, deletes or unlikes.
    pub replaces: Option<MessageId>,
    /// The topic it belongs to; empty for none.
    pub topic: Cow<'a, [u8]>,
    /// When it goes away.
    pub expires: Option<Expiration>,
    /// The message it replies or reacts to.
    pub in_reply_to: Option<MessageId>,
    /// The root part.
    pub body: DraftPart<'a>,
    /// Sorted by key; without 1 and 2.
    extensions: Vec<(Key<'a>, ItemBuf)>,
}

/// The key of an extension, with its own text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key<'a> {
    Number(i64),
    Text(Cow<'a, str>),
}

impl Key<'_> {
    fn as_key(&self) -> ExtensionKey<'_> {
        match self {
            Self::Number(number) => ExtensionKey::Number(*number),
            Self::Text(text) => ExtensionKey::Text(text),
        }
    }
}

impl<'a> Draft<'a> {
    /// A message with this body and nothing else.
    #[must_use]
    pub fn new(
        sender: impl Into<Cow<'a, str>>,
        room: impl Into<Cow<'a, str>>,
        body: DraftPart<'a>,
    ) -> Self {
        Self {
            sender: Some(sender.into()),
            room: Some(room.into()),
            replaces: None,
            topic: Cow::Borrowed(&[]),
            expires: None,
            in_reply_to: None,
            body,
            extensions: Vec::new(),
        }
    }

    /// The same message in a topic. A new topic needs a unique name; the ID of its first message will do (C-061).
    #[must_use]
    pub fn topic(mut self, topic: impl Into<Cow<'a, [u8]>>) -> Self {
        self.topic = topic.into();
        self
    }

    /// The same message, to go away so many seconds after it was read, or at a time.
    #[must_use]
    pub const fn expires(mut self, expires: Expiration) -> Self {
        self.expires = Some(expires);
        self
    }

    /// The same message as a reply. Refer to the version that the user sees now (C-021).
    #[must_use]
    pub const fn reply_to(mut self, message: MessageId) -> Self {
        self.in_reply_to = Some(message);
        self
    }

    /// The same message with one more extension, or another value for one.
    ///
    /// # Errors
    /// [`Rule::KeyRange`], [`Rule::KeyLength`]; [`Rule::KeyTwice`] for 1 and 2, which are fields.
    pub fn extension(mut self, key: ExtensionKey<'a>, value: ItemBuf) -> Result<Self, Rule> {
        key.check().map_err(super::Invalid::rule)?;
        if key == ExtensionKey::SENDER_URI || key == ExtensionKey::ROOM_URI {
            return Err(Rule::KeyTwice);
        }
        self.put(key, value);
        Ok(self)
    }

    fn put(&mut self, key: ExtensionKey<'a>, value: ItemBuf) {
        let owned = match key {
            ExtensionKey::Number(number) => Key::Number(number),
            ExtensionKey::Text(text) => Key::Text(Cow::Borrowed(text)),
        };
        match self.extensions.binary_search_by(|(found, _)| found.as_key().cmp(&key)) {
            Ok(at) => self.extensions.splice(at..=at, [(owned, value)]).for_each(drop),
            Err(at) => self.extensions.insert(at, (owned, value)),
        }
    }

    /// The message, encoded and checked.
    ///
    /// # Errors
    /// The rule that it would break.
    pub fn build(&self, salt: Salt) -> Result<MessageBuf, Rule> {
        MessageBuf::decode(self.encode(salt)?).map_err(super::Invalid::rule)
    }

    /// The same message with its own bytes.
    #[must_use]
    pub fn into_owned(self) -> Draft<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Draft {
            sender: self.sender.map(own),
            room: self.room.map(own),
            replaces: self.replaces,
            topic: Cow::Owned(self.topic.into_owned()),
            expires: self.expires,
            in_reply_to: self.in_reply_to,
            body: self.body.into_owned(),
            extensions: self
                .extensions
                .into_iter()
                .map(|(key, value)| {
                    let key = match key {
                        Key::Number(number) => Key::Number(number),
                        Key::Text(text) => Key::Text(own(text)),
                    };
                    (key, value)
                })
                .collect(),
        }
    }
}

impl<'a> From<Message<'a>> for Draft<'a> {
    /// The message as something to change. Encoded with the same salt it has the same bytes.
    fn from(message: Message<'a>) -> Self {
        let mut draft = Self {
            sender: message.sender().map(Cow::Borrowed),
            room: message.room().map(Cow::Borrowed),
            replaces: message.replaces(),
            topic: Cow::Borrowed(message.topic()),
            expires: message.expires(),
            in_reply_to: message.in_reply_to(),
            body: message.body().into(),
            extensions: Vec::with_capacity(message.extensions().len()),
        };
        for (key, value) in message.extensions().iter() {
            if key != ExtensionKey::SENDER_URI && key != ExtensionKey::ROOM_URI {
                draft.put(key, value.into());
            }
        }
        draft
    }
}
