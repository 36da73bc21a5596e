//! Rules that need more than the bytes: who sent a message, where, when, and what came before it (content, section
//! 9.1).
//!
//! [`Message::decode`] refuses what is malformed. [`Checks::check`] tells whether a well-formed message is nonsense
//! that most likely is malicious, and has to be logged and discarded. It is no sign of malice if a message refers to
//! an unknown one, or has an unknown disposition, media type or language (C-100); nothing here looks at those.

use super::{Expiration, Message, MessageId, UriTooLong};
use crate::env::Timestamp;

/// Milliseconds in five minutes: how far a hub's clock may be ahead.
const FIVE_MINUTES: u64 = 5 * 60 * 1000;

/// 2022-01-01, before which nobody sent MIMI content. The draft's own examples are of February 2022.
const FORMAT_PUBLISHED: Timestamp = Timestamp(1_640_995_200_000);

/// Seconds in a year.
const YEAR: u64 = 365 * 24 * 60 * 60;

/// What is known of a message besides the message, all of it authenticated.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The user URI of the sender's credential.
    pub sender: &'a str,
    /// The room it was received in.
    pub room: &'a str,
    /// Whether the sender was a member of the group in the epoch it was sent in. MLS sees to that for messages that it
    /// decrypted.
    pub sender_is_member: bool,
    /// When the hub says that it accepted it.
    pub accepted_at: Timestamp,
    /// When the room was created, if known.
    pub room_created_at: Option<Timestamp>,
    /// The ID in its Safe AAD, if there is one (component 0x0040).
    pub id_in_aad: Option<&'a [u8]>,
    /// The time now.
    pub now: Timestamp,
}

/// Which rules apply. The default is the draft's; `None` and `false` switch a rule off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one rule that can be switched")]
pub struct Checks {
    /// The sender is a member of the group (C-090).
    pub member: bool,
    /// The sender URI in the message, if there is one, is the authenticated one (Q-81, D-41).
    pub sender: bool,
    /// The room URI in the message, if there is one, is the room's (Q-81, D-41).
    pub room: bool,
    /// Both URIs are in the message. Off: the draft leaves them out of its "must" (franking needs them, P-136).
    pub uris_present: bool,
    /// The ID in the Safe AAD, if there is one, is the message's (MA-001).
    pub id_in_aad: bool,
    /// The ID is not that of an earlier message (C-091).
    pub duplicate: bool,
    /// Milliseconds that the hub's timestamp may be ahead of the clock (C-092).
    pub future: Option<u64>,
    /// The time before which nothing can have been accepted (C-093).
    pub format_published: Option<Timestamp>,
    /// Nothing is accepted in a room before it was created (C-094).
    pub room_created: bool,
    /// Seconds that an absolute expiry may be past (C-096).
    pub expired: Option<u64>,
    /// Seconds that an expiry may be ahead (C-096).
    pub expires: Option<u64>,
    /// Octets of the longest message (C-098: local policy).
    pub octets: Option<usize>,
    /// Octets of the longest value of an extension (Q-84: local policy).
    pub extension_octets: Option<usize>,
}

impl Checks {
    /// No rule at all, to switch on what is wanted.
    pub const NONE: Self = Self {
        member: false,
        sender: false,
        room: false,
        uris_present: false,
        id_in_aad: false,
        duplicate: false,
        future: None,
        format_published: None,
        room_created: false,
        expired: None,
        expires: None,
        octets: None,
        extension_octets: None,
    };
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            member: true,
            sender: true,
            room: true,
            uris_present: false,
            id_in_aad: true,
            duplicate: true,
            future: Some(FIVE_MINUTES),
            format_published: Some(FORMAT_PUBLISHED),
            room_created: true,
            expired: Some(YEAR),
            expires: Some(YEAR),
            octets: Some(1 << 20),
            extension_octets: Some(64 << 10),
        }
    }
}

/// Why a well-formed message has to be logged and discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    /// The sender is not a member of the group.
    #[error("the sender is not a member of the group")]
    NotMember,
    /// The message names another sender than MLS authenticated.
    #[error("the message names another sender")]
    OtherSender,
    /// The message names another room than the one it came in.
    #[error("the message names another room")]
    OtherRoom,
    /// The message does not name its sender and its room.
    #[error("the message does not name its sender and room")]
    NoUris,
    /// There is no ID for a message with such a URI.
    #[error("a URI has more than 65,535 octets")]
    UriTooLong,
    /// The ID sent in the clear is not the message's.
    #[error("the ID in the Safe AAD is another one")]
    OtherIdInAad,
    /// There was a message with this ID before.
    #[error("the ID is that of an earlier message")]
    Duplicate,
    /// Accepted in the future.
    #[error("accepted in the future")]
    Future,
    /// Accepted before there was a format to send it in.
    #[error("accepted before the format was published")]
    BeforeFormat,
    /// Accepted before there was a room to send it to.
    #[error("accepted before the room was created")]
    BeforeRoom,
    /// Its expiry is too long past.
    #[error("expired too long ago")]
    Expired,
    /// Its expiry is too far ahead.
    #[error("expires too far in the future")]
    Expires,
    /// The message is too long.
    #[error("the message is too long")]
    TooLong,
    /// The value of an extension is too long.
    #[error("an extension is too long")]
    ExtensionTooLong,
}

impl From<UriTooLong> for Nonsense {
    fn from(UriTooLong: UriTooLong) -> Self {
        Self::UriTooLong
    }
}

impl Checks {
    /// Checks a message and gives its ID. `seen` tells whether there was a message with an ID before.
    ///
    /// # Errors
    /// The first rule that is broken: discard the message, and log it.
    pub fn check(
        &self,
        message: &Message<'_>,
        context: &Context<'_>,
        seen: impl FnOnce(&MessageId) -> bool,
    ) -> Result<MessageId, Nonsense> {
        let found = |broken: bool, nonsense| if broken { Err(nonsense) } else { Ok(()) };
        let over = |length: usize, most: Option<usize>| most.is_some_and(|most| length > most);
        let (sender, room) = (message.sender(), message.room());
        found(over(message.as_bytes().len(), self.octets), Nonsense::TooLong)?;
        if self.extension_octets.is_some() {
            let mut values = message.extensions().iter().map(|(_, value)| value.as_bytes().len());
            let long = values.any(|length| over(length, self.extension_octets));
            found(long, Nonsense::ExtensionTooLong)?;
        }
        found(self.member && !context.sender_is_member, Nonsense::NotMember)?;
        found(self.uris_present && (sender.is_none() || room.is_none()), Nonsense::NoUris)?;
        found(self.sender && sender.is_some_and(|it| it != context.sender), Nonsense::OtherSender)?;
        found(self.room && room.is_some_and(|it| it != context.room), Nonsense::OtherRoom)?;
        self.check_times(message, context)?;
        let id = message.id(context.sender, context.room)?;
        let aad = context.id_in_aad.filter(|_| self.id_in_aad);
        found(aad.is_some_and(|aad| aad != id.0), Nonsense::OtherIdInAad)?;
        found(self.duplicate && seen(&id), Nonsense::Duplicate)?;
        Ok(id)
    }

    fn check_times(&self, message: &Message<'_>, context: &Context<'_>) -> Result<(), Nonsense> {
        let &Context { accepted_at, now, .. } = context;
        if self.future.is_some_and(|ahead| accepted_at > now.plus(ahead)) {
            return Err(Nonsense::Future);
        }
        if self.format_published.is_some_and(|published| accepted_at < published) {
            return Err(Nonsense::BeforeFormat);
        }
        if self.room_created && context.room_created_at.is_some_and(|created| accepted_at < created)
        {
            return Err(Nonsense::BeforeRoom);
        }
        let (past, ahead) = match message.expires() {
            None => return Ok(()),
            Some(Expiration::Relative(seconds)) => (0, u64::from(seconds)),
            Some(Expiration::Absolute(time)) => {
                let (time, now) = (u64::from(time), now.seconds());
                (now.saturating_sub(time), time.saturating_sub(now))
            }
        };
        if self.expired.is_some_and(|most| past > most) {
            return Err(Nonsense::Expired);
        }
        if self.expires.is_some_and(|most| ahead > most) {
            return Err(Nonsense::Expires);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Compose, Draft, ExtensionKey, Salt, cbor::ItemBuf};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    const NOW_SECONDS: u32 = 1_700_000_000;

    fn context<'a>() -> Context<'a> {
        Context {
            sender: "alice",
            room: "room",
            sender_is_member: true,
            accepted_at: NOW,
            room_created_at: None,
            id_in_aad: None,
            now: NOW,
        }
    }

    fn draft() -> Draft<'static> {
        Compose::new("alice", "room").text("hi")
    }

    /// The verdict with all rules, which must be no fault without the one rule.
    fn verdict(
        draft: &Draft<'_>,
        context: &Context<'_>,
        seen: bool,
        off: impl FnOnce(&mut Checks),
    ) -> Result<MessageId, Nonsense> {
        let message = draft.build(Salt([1; 16])).unwrap();
        let mut checks = Checks::default();
        let verdict = checks.check(&message.as_message(), context, |_| seen);
        off(&mut checks);
        let without = checks.check(&message.as_message(), context, |_| seen);
        assert!(without.is_ok(), "{without:?}");
        verdict
    }

    #[test]
    fn a_good_message_has_its_id() {
        let message = draft().build(Salt([1; 16])).unwrap();
        let id = message.as_message().id("alice", "room").unwrap();
        assert_eq!(verdict(&draft(), &context(), false, |_| ()), Ok(id));
        let aad = Context { id_in_aad: Some(&id.0), ..context() };
        assert_eq!(verdict(&draft(), &aad, false, |_| ()), Ok(id));
    }

    #[test]
    fn each_rule_is_broken_by_one_thing_and_can_be_switched_off() {
        let draft = draft();
        for (context, seen, off, expected) in [
            (
                Context { sender: "bob", ..context() },
                false,
                (|checks| checks.sender = false) as fn(&mut Checks),
                Nonsense::OtherSender,
            ),
            (
                Context { room: "other", ..context() },
                false,
                |checks| checks.room = false,
                Nonsense::OtherRoom,
            ),
            (
                Context { sender_is_member: false, ..context() },
                false,
                |checks| checks.member = false,
                Nonsense::NotMember,
            ),
            (context(), true, |checks| checks.duplicate = false, Nonsense::Duplicate),
            (
                Context { id_in_aad: Some(&[0; 32]), ..context() },
                false,
                |checks| checks.id_in_aad = false,
                Nonsense::OtherIdInAad,
            ),
            (
                Context { accepted_at: NOW.plus(FIVE_MINUTES + 1), ..context() },
                false,
                |checks| checks.future = None,
                Nonsense::Future,
            ),
            (
                Context { accepted_at: Timestamp(FORMAT_PUBLISHED.0 - 1), ..context() },
                false,
                |checks| checks.format_published = None,
                Nonsense::BeforeFormat,
            ),
            (
                Context { room_created_at: Some(NOW.plus(1)), ..context() },
                false,
                |checks| checks.room_created = false,
                Nonsense::BeforeRoom,
            ),
        ] {
            assert_eq!(verdict(&draft, &context, seen, off), Err(expected));
        }
    }

    #[test]
    fn bounds_themselves_are_allowed() {
        for accepted_at in [NOW.plus(FIVE_MINUTES), FORMAT_PUBLISHED] {
            let context = Context { accepted_at, ..context() };
            assert!(verdict(&draft(), &context, false, |_| ()).is_ok());
        }
        let created = Context { room_created_at: Some(NOW), ..context() };
        assert!(verdict(&draft(), &created, false, |_| ()).is_ok());
    }

    #[test]
    fn an_expiry_is_within_a_year() {
        let year = u32::try_from(YEAR).unwrap();
        let expiring = |expires| {
            let draft = draft().expires(expires);
            verdict(&draft, &context(), false, |checks| {
                checks.expired = None;
                checks.expires = None;
            })
        };
        for good in [
            Expiration::Relative(year),
            Expiration::Absolute(NOW_SECONDS + year),
            Expiration::Absolute(NOW_SECONDS - year),
        ] {
            assert!(expiring(good).is_ok(), "{good:?}");
        }
        assert_eq!(expiring(Expiration::Relative(year + 1)), Err(Nonsense::Expires));
        assert_eq!(expiring(Expiration::Absolute(NOW_SECONDS + year + 1)), Err(Nonsense::Expires));
        assert_eq!(expiring(Expiration::Absolute(NOW_SECONDS - year - 1)), Err(Nonsense::Expired));
    }

    #[test]
    fn what_is_too_long_is_by_local_policy() {
        let big = |length| {
            draft().extension(ExtensionKey::Number(-1), ItemBuf::bytes(&vec![0; length])).unwrap()
        };
        let most = Checks::default().extension_octets.unwrap();
        let off = |checks: &mut Checks| checks.extension_octets = None;
        // The head of the byte string counts.
        assert!(verdict(&big(most - 5), &context(), false, off).is_ok());
        let verdict_of = verdict(&big(most - 2), &context(), false, off);
        assert_eq!(verdict_of, Err(Nonsense::ExtensionTooLong));
        let long = Compose::new("alice", "room").text("x".repeat(1 << 20));
        let verdict_of = verdict(&long, &context(), false, |checks| checks.octets = None);
        assert_eq!(verdict_of, Err(Nonsense::TooLong));
    }

    #[test]
    fn a_message_without_uris_passes_unless_asked() {
        let mut draft = draft();
        draft.room = None;
        assert!(verdict(&draft, &context(), false, |_| ()).is_ok());
        let message = draft.build(Salt([1; 16])).unwrap();
        let checks = Checks { uris_present: true, ..Checks::NONE };
        let verdict = checks.check(&message.as_message(), &context(), |_| false);
        assert_eq!(verdict, Err(Nonsense::NoUris));
    }
}
