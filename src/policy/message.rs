//! What a message may say: capabilities on messages and assets (room-policy, sections 8.3 and 8.4), which only clients can
//! enforce, for a hub reads nothing.
//!
//! [`judge`] is the one call: the sender's client makes it before it sends, the receivers' before they show. Each rule
//! is a function of its own beside it. What a message *does* decides which capabilities it takes:
//!
//! | the message | takes |
//! | --- | --- |
//! | any | `canSendMessage` |
//! | replies, without a topic | `canReplyToMessage` |
//! | replies, in the topic of what it replies to | `canReplyInTopic` |
//! | replies, in another topic | `canReplyToMessage` and `canStartTopic` |
//! | has a topic and replies to nothing | `canStartTopic` |
//! | reacts: `inReplyTo` with disposition `reaction` | `canReactToMessage` |
//! | replaces one's own reaction, message, topic | `canEditReaction`, `canEditOwnMessage`, `canEditOwnTopic` |
//! | replaces one's own reaction, message by nothing | `canDeleteOwnReaction`, `canDeleteOwnMessage` |
//! | replaces another's reaction, message by nothing | `canDeleteOtherReaction`, `canDeleteOtherMessage` |
//! | replaces another's message by the same in another topic | `canEditOtherTopic` |
//! | replaces another's message by anything else | nobody may (Q-92) |
//! | has a link, a preview of one | `canSendLink`, `canSendLinkPreview` |
//! | has an image, a video, audio, by its media type | `canUploadImage`, `canUploadVideo`, `canUploadAudio` |
//! | has an attachment, by its disposition, or another file | `canUploadAttachment` |
//!
//! Beside the capabilities count the components about what is sent: `asset_policy`, `message_expiration_policy`,
//! `status_notification_policy` and `link_preview_policy`, and which media types `mls_operational_policy` forbids.
//!
//! To copy, report, download, open a link or take part in a call is no message: ask [`may`](super::may), and
//! [`download`] for a part.

mod assets;
mod changes;

pub use self::{
    assets::{asset, download, upload_capability},
    changes::{capability_of, may_act},
};
use super::{
    Capability, Denied, Reason, Role, RoleIndex,
    components::{LinkPreviewPolicy, MessageExpiration, Optionality, StatusNotificationPolicy},
    leaf,
};
use crate::{
    content::{
        Body, Disposition, Expiration, Message, MessageId, link, media,
        status::{self, Report, Status},
    },
    env::Timestamp,
    room::RoomState,
    uri::UserUri,
};

/// A message, and what is known around it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The message.
    pub message: &'a Message<'a>,
    /// Who sends it, as MLS authenticated.
    pub sender: &'a UserUri,
    /// When the hub accepted it; the present for one that is yet to be sent.
    pub accepted_at: Timestamp,
    /// Whether its text has an inline link that is no mention of a participant: [`has_link`].
    pub has_link: bool,
}

/// An earlier message that another one refers to: its newest version.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// Who sent it.
    pub sender: &'a str,
    /// The message.
    pub message: Message<'a>,
}

impl Earlier<'_> {
    pub(super) fn is_reaction(&self) -> bool {
        reacts(&self.message)
    }
}

/// A message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// It refers to a message that is not at hand, so there are several things that it may be doing, and the sender may do
    /// one of them at least. Judge it again when that message is there; a
    /// [`Timeline`](crate::content::timeline::Timeline) does, with [`may_act`].
    pub waits: bool,
}

/// May this message be sent, or shown? Asked of the room of its epoch; `earlier` finds the messages that it refers
/// to.
///
/// # Errors
/// The first rule that it breaks.
pub fn judge<'e>(
    room: &RoomState,
    sent: &Sent<'_>,
    earlier: impl Fn(&MessageId) -> Option<Earlier<'e>>,
) -> Result<Allowed, Denied> {
    let who = Sender::of(room, sent.sender)?;
    send(&who)?;
    let message = sent.message;
    media_types(room, message)?;
    if status::is_report(message) {
        receipts(room, message)?;
        return Ok(Allowed { waits: false });
    }
    let mut waits = false;
    if let Some(replaced) = message.replaces() {
        waits |= changes::change(&who, sent, earlier(&replaced).as_ref())?;
    } else if !matches!(message.body().body(), Body::Null) {
        let to = message.in_reply_to().map(|id| earlier(&id));
        waits |= refer(&who, message, to.as_ref().map(Option::as_ref))?;
        expires(room, message, sent.accepted_at)?;
    }
    link(&who, sent)?;
    preview(room, &who, message)?;
    for part in message.parts() {
        asset(room, &who, &part)?;
    }
    Ok(Allowed { waits })
}

/// The sender and its role.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    pub(super) user: &'a UserUri,
    role: Option<&'a Role>,
    index: RoleIndex,
}

impl<'a> Sender<'a> {
    /// The sender of a message to a room. Whoever is not listed, or banned, sends nothing (P-121).
    ///
    /// # Errors
    /// If it is no participant.
    pub fn of(room: &'a RoomState, user: &'a UserUri) -> Result<Self, Denied> {
        let index = room.role(user);
        if room.roles().is_outside(index) {
            return Err(Denied::new("P-121", Reason::Outsider));
        }
        Ok(Self { user, role: room.roles().get(index), index })
    }

    /// Its role.
    #[must_use]
    pub const fn role(&self) -> RoleIndex {
        self.index
    }

    pub(super) fn can(&self, capability: Capability) -> bool {
        self.role.is_some_and(|role| role.can(capability))
    }

    pub(super) fn needs(&self, capability: Capability, rule: &'static str) -> Result<(), Denied> {
        if self.can(capability) {
            return Ok(());
        }
        Err(Denied::new(rule, Reason::Capability(capability)))
    }

    /// One of several will do, where it cannot be told which one it takes; the first is the one to tell.
    pub(super) fn needs_one(&self, ways: &[(Capability, &'static str)]) -> Result<(), Denied> {
        match ways {
            [] => Ok(()),
            _ if ways.iter().any(|(capability, _)| self.can(*capability)) => Ok(()),
            [(capability, rule), ..] => Err(Denied::new(rule, Reason::Capability(*capability))),
        }
    }
}

/// Whether a message is a reaction to another (C-022).
fn reacts(message: &Message<'_>) -> bool {
    message.body().disposition() == Disposition::REACTION && message.in_reply_to().is_some()
}

/// Send anything at all. The hub asks the same, see [`may_send`](super::may_send).
///
/// # Errors
/// If the sender may not.
pub fn send(who: &Sender<'_>) -> Result<(), Denied> {
    who.needs(Capability::SEND_MESSAGE, "R-180")
}

/// Have parts of these media types.
///
/// # Errors
/// If the room forbids one.
pub fn media_types(room: &RoomState, message: &Message<'_>) -> Result<(), Denied> {
    let types = message.parts().filter_map(|part| part.content_type());
    let mut types = types.filter(|it| !it.is_empty()).map(assets::media_type);
    if types.any(|it| leaf::forbids_media_type(room, &it)) {
        return Err(Denied::new("R-162", Reason::Forbidden));
    }
    Ok(())
}

/// Reply, react, or write in a topic. `to` is the message that it refers to: none if it
/// refers to none, and `Some(None)` if that is not at hand. Tells whether it has to be judged again then.
///
/// # Errors
/// If the sender may not.
pub fn refer(
    who: &Sender<'_>,
    message: &Message<'_>,
    to: Option<Option<&Earlier<'_>>>,
) -> Result<bool, Denied> {
    let topic = message.topic();
    let Some(to) = to else {
        if !topic.is_empty() {
            who.needs(Capability::START_TOPIC, "R-192")?;
        }
        return Ok(false);
    };
    let same = to.map(|to| to.message.topic() == topic);
    if reacts(message) {
        who.needs(Capability::REACT_TO_MESSAGE, "R-185")?;
        // A reaction stands where its message stands, and starts no topic of its own.
        if !topic.is_empty() && same == Some(false) {
            who.needs(Capability::START_TOPIC, "R-192")?;
        }
        return Ok(!topic.is_empty() && same.is_none());
    }
    match same {
        _ if topic.is_empty() => who.needs(Capability::REPLY_TO_MESSAGE, "R-184").map(|()| false),
        Some(true) => who.needs(Capability::REPLY_IN_TOPIC, "R-193").map(|()| false),
        Some(false) => {
            who.needs(Capability::REPLY_TO_MESSAGE, "R-184")?;
            who.needs(Capability::START_TOPIC, "R-192").map(|()| false)
        }
        None => who
            .needs_one(&[(Capability::REPLY_IN_TOPIC, "R-193"), (Capability::START_TOPIC, "R-192")])
            .map(|()| true),
    }
}

/// Send a link.
///
/// # Errors
/// If there is one and the sender may not.
pub fn link(who: &Sender<'_>, sent: &Sent<'_>) -> Result<(), Denied> {
    if sent.has_link { who.needs(Capability::SEND_LINK, "R-196") } else { Ok(()) }
}

/// Send a preview of a link.
///
/// # Errors
/// If there is one and the sender, or anybody in this room, may not.
pub fn preview(room: &RoomState, who: &Sender<'_>, message: &Message<'_>) -> Result<(), Denied> {
    if !message.parts().any(|part| part.disposition() == Disposition::PREVIEW) {
        return Ok(());
    }
    let policy: Option<LinkPreviewPolicy> = room.policy();
    if policy.is_some_and(|policy| policy.send_link_previews == Optionality::Forbidden) {
        return Err(Denied::new("R-072", Reason::Preview));
    }
    who.needs(Capability::SEND_LINK_PREVIEW, "R-197")
}

/// A message goes when the room's messages go. What only changes another message keeps that one's time.
///
/// # Errors
/// If it has to have an expiry and has none, may have none and has one, or one out of bounds.
pub fn expires(
    room: &RoomState,
    message: &Message<'_>,
    accepted_at: Timestamp,
) -> Result<(), Denied> {
    let Some(policy) = room.policy::<MessageExpiration>() else { return Ok(()) };
    let seconds = message.expires().map(|expires| match expires {
        Expiration::Relative(seconds) => u64::from(seconds),
        Expiration::Absolute(second) => u64::from(second).saturating_sub(accepted_at.seconds()),
    });
    if policy.allows(seconds) { Ok(()) } else { Err(Denied::new("R-105", Reason::Expiration)) }
}

/// Tell others what has arrived and what was read.
///
/// # Errors
/// If the room forbids what the report tells.
pub fn receipts(room: &RoomState, message: &Message<'_>) -> Result<(), Denied> {
    // A report that cannot be read tells nothing.
    match Report::in_message(message) {
        Ok(Some(told)) => report(room, &told),
        Ok(None) | Err(_) => Ok(()),
    }
}

/// The same of a report that travels alone.
///
/// # Errors
/// If the room forbids what the report tells.
pub fn report(room: &RoomState, report: &Report) -> Result<(), Denied> {
    let Some(policy) = room.policy::<StatusNotificationPolicy>() else { return Ok(()) };
    let forbidden = |status: Status| match status {
        Status::DELIVERED => policy.delivery_notifications == Optionality::Forbidden,
        Status::READ | Status::UNREAD => policy.read_receipts == Optionality::Forbidden,
        _ => false,
    };
    if report.entries.iter().any(|entry| forbidden(entry.status)) {
        return Err(Denied::new("R-050", Reason::Receipt));
    }
    Ok(())
}

/// Whether the text of a message has an inline link that is no mention of a participant: in markdown whatever a parser may
/// take for one ([`link::targets`]), in HTML an `href`. Bare addresses are no links.
///
/// No feature of the crate changes the answer, so that all clients give the same one.
#[must_use]
pub fn has_link(room: &RoomState, message: &Message<'_>) -> bool {
    message.parts().any(|part| {
        let Body::Single(single) = part.body() else { return false };
        let Ok(text) = std::str::from_utf8(single.content()) else { return false };
        text_has_link(room, single.content_type(), text)
    })
}

/// The same of a text that travels alone.
#[must_use]
pub fn text_has_link(room: &RoomState, media_type: &str, text: &str) -> bool {
    let kind = media::essence(media_type);
    if kind.eq_ignore_ascii_case("text/markdown") {
        link::targets(text).any(|target| room.participants().find(target).is_none())
    } else {
        kind.eq_ignore_ascii_case("text/html") && text.to_ascii_lowercase().contains("href")
    }
}
