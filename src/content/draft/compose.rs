//! The usual messages.

use std::borrow::Cow;

use super::{Draft, DraftExternal, DraftPart};
use crate::content::{Disposition, Message, MessageId, Semantics};

/// Makes messages from one user to one room.
///
/// Both URIs are the ones that MLS authenticates, octet for octet: they go into the message and into its ID.
///
/// ```
/// use openmimi::content::{Compose, DraftPart, Expiration, Salt};
///
/// let compose = Compose::new("mimi://example.com/u/alice", "mimi://example.com/r/team");
/// let draft = compose.message(DraftPart::text("Lunch?")).expires(Expiration::Relative(3600));
/// let message = draft.build(Salt([7; 16]))?; // In earnest: Salt::random.
/// assert_eq!(message.as_message().sender(), Some("mimi://example.com/u/alice"));
/// # Ok::<(), openmimi::content::Rule>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compose<'a> {
    sender: Cow<'a, str>,
    room: Cow<'a, str>,
}

impl<'a> Compose<'a> {
    /// Messages from `sender` to `room`, two URIs.
    #[must_use]
    pub fn new(sender: impl Into<Cow<'a, str>>, room: impl Into<Cow<'a, str>>) -> Self {
        Self { sender: sender.into(), room: room.into() }
    }

    /// A message with this body.
    #[must_use]
    pub fn message(&self, body: DraftPart<'a>) -> Draft<'a> {
        Draft::new(self.sender.clone(), self.room.clone(), body)
    }

    /// Plain text.
    #[must_use]
    pub fn text(&self, text: impl Into<Cow<'a, str>>) -> Draft<'a> {
        self.message(DraftPart::text(text))
    }

    /// A reply to `message`: the version that the user sees now (C-021), in the topic it is in.
    #[must_use]
    pub fn reply(&self, message: MessageId, to: &Message<'a>, body: DraftPart<'a>) -> Draft<'a> {
        self.message(body).reply_to(message).topic(to.topic())
    }

    /// A reaction to `message`, usually one emoji.
    #[must_use]
    pub fn reaction(&self, message: MessageId, reaction: impl Into<Cow<'a, str>>) -> Draft<'a> {
        self.message(react(reaction)).reply_to(message)
    }

    /// Several reactions to `message`, each a part of its own: one text must not hold several (C-051). A single
    /// one is sent as such.
    #[must_use]
    pub fn reactions<R: Into<Cow<'a, str>>>(
        &self,
        message: MessageId,
        reactions: impl IntoIterator<Item = R>,
    ) -> Draft<'a> {
        let mut parts: Vec<_> = reactions.into_iter().map(react).collect();
        let body = match (parts.pop(), parts.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                parts.extend(last);
                DraftPart::multi(Semantics::ProcessAll, parts).disposition(Disposition::REACTION)
            }
        };
        self.message(body).reply_to(message)
    }

    /// Another body for `original`, a message of the same sender whose ID is `id`.
    ///
    /// Give the first version or any later one: the edit refers to the first (C-055), and keeps its topic, its
    /// expiry and what it replies to, which an edit must not change (C-104).
    #[must_use]
    pub fn edit(&self, id: MessageId, original: &Message<'a>, body: DraftPart<'a>) -> Draft<'a> {
        let mut draft = self.message(body).topic(original.topic());
        draft.replaces = Some(original.replaces().unwrap_or(id));
        draft.in_reply_to = original.in_reply_to();
        draft.expires = original.expires();
        draft
    }

    /// Takes `original` back, as [`edit`](Self::edit) with nothing in it.
    #[must_use]
    pub fn delete(&self, id: MessageId, original: &Message<'a>) -> Draft<'a> {
        self.edit(id, original, DraftPart::null(Disposition::RENDER))
    }

    /// Takes `reaction` back, whose ID is `id`.
    #[must_use]
    pub fn unlike(&self, id: MessageId, reaction: &Message<'a>) -> Draft<'a> {
        self.edit(id, reaction, DraftPart::null(Disposition::REACTION))
    }

    /// A file to be downloaded. Private files are encrypted first, with [`asset`](crate::content::asset).
    #[must_use]
    pub fn attachment(&self, file: DraftExternal<'a>) -> Draft<'a> {
        self.message(file.part(Disposition::ATTACHMENT))
    }

    /// Something stored elsewhere, to be shown in the conversation.
    #[must_use]
    pub fn inline(&self, image: DraftExternal<'a>) -> Draft<'a> {
        self.message(image.part(Disposition::INLINE))
    }

    /// A text and an image that it may show as `cid:2@local.invalid`, both in the message.
    ///
    /// The parts have the indices 1 and 2.
    #[must_use]
    pub fn text_with_image(
        &self,
        text: DraftPart<'a>,
        content_type: impl Into<Cow<'a, str>>,
        image: impl Into<Cow<'a, [u8]>>,
    ) -> Draft<'a> {
        let image = DraftPart::single(content_type, image).disposition(Disposition::INLINE);
        self.message(DraftPart::multi(Semantics::ProcessAll, [text, image]))
    }

    /// A link to a conference.
    #[must_use]
    pub fn conference(
        &self,
        url: impl Into<Cow<'a, str>>,
        description: impl Into<Cow<'a, str>>,
    ) -> Draft<'a> {
        self.message(DraftExternal::open(url, description).part(Disposition::SESSION))
    }
}

fn react<'a>(reaction: impl Into<Cow<'a, str>>) -> DraftPart<'a> {
    DraftPart::text(reaction).disposition(Disposition::REACTION)
}
