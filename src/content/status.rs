//! Status reports: delivered, read, expired (draft-mahy-mimi-message-status).
//!
//! A report is what one member claims about messages of one room. It travels as the only part of a MIMI content
//! message ([`Compose::status`]), or alone where the framing of the application message names its media type.
//! Never report on a message that is itself a report ([`is_report`]), or two clients answer each other for ever.
//!
//! Some statuses concern nobody but the user's own devices: send a report that a message was hidden, deleted or marked
//! unread to a room that only these are in, and what others may know, to the room of the message (M-007). Messages of
//! other formats may be reported on too, if their IDs are unique and have 32 octets (M-014).

use super::{
    Body, Compose, Disposition, Draft, DraftPart, Invalid, Message, MessageId, Rule,
    cbor::{
        read::Reader,
        write::{Writer, head_size, string_size},
    },
    media,
};

/// What became of a message at one member. Those from 7 on are unknown and kept.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Status(pub u8);

impl Status {
    /// Not read, or marked so again.
    pub const UNREAD: Self = Self(0);
    /// Received by a client.
    pub const DELIVERED: Self = Self(1);
    /// Read.
    pub const READ: Self = Self(2);
    /// Expired. If the expiry was absolute, that says nothing about whether it was read (M-006).
    pub const EXPIRED: Self = Self(3);
    /// Deleted, here or by someone with the power to.
    pub const DELETED: Self = Self(4);
    /// Hidden by the client.
    pub const HIDDEN: Self = Self(5);
    /// Known by its ID, but not received well.
    pub const ERROR: Self = Self(6);

    /// Whether a report of this status makes sense after `before` (M-005): what is deleted stays so, what has
    /// expired can only be deleted, and what was read is not delivered any more.
    #[must_use]
    pub const fn may_follow(self, before: Self) -> bool {
        match before {
            Self::DELETED => false,
            Self::EXPIRED => matches!(self, Self::DELETED),
            Self::READ | Self::HIDDEN => !matches!(self, Self::DELIVERED | Self::ERROR),
            Self::UNREAD => !matches!(self, Self::DELIVERED),
            _ => true,
        }
    }
}

/// One message and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportEntry {
    /// Which message. Other formats may be reported on too, so any first octet is taken (M-014).
    pub id: MessageId,
    /// What became of it.
    pub status: Status,
}

/// The octets of an entry with the smallest status.
const ENTRY_OCTETS: usize = 1 + string_size(MessageId::LENGTH) + 1;

/// A status report: entries about messages of one room. Of two about one message the later counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of the report.
    pub entries: Vec<ReportEntry>,
}

impl Report {
    /// Decodes a report that takes up all of `bytes`, in the deterministic encoding, as for content (M-008).
    ///
    /// # Errors
    /// The first rule that is broken, and where.
    pub fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let mut reader = Reader::new(bytes)?;
        let count = reader.array(Rule::Report)?;
        // No more than the input can hold.
        let mut entries = Vec::with_capacity(count.min(reader.left() / ENTRY_OCTETS));
        for _ in 0..count {
            let start = reader.at();
            reader.array_of(2, Rule::ReportEntry)?;
            let id = MessageId::from_slice(reader.bytes(Rule::ReportEntry)?)
                .ok_or_else(|| Invalid::at(start, Rule::ReportEntry))?;
            entries.push(ReportEntry { id, status: Status(reader.u8(Rule::Status)?) });
        }
        reader.finish()?;
        Ok(Self { entries })
    }

    /// The bytes of the report.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let size = head_size(self.entries.len() as u64) + self.entries.len() * (ENTRY_OCTETS + 1);
        let mut bytes = Vec::with_capacity(size);
        let out = &mut Writer(&mut bytes);
        out.array(self.entries.len());
        for entry in &self.entries {
            out.array(2);
            out.bytes(&entry.id.0);
            out.unsigned(u64::from(entry.status.0));
        }
        bytes
    }

    /// The report that a message carries, if it carries one.
    ///
    /// # Errors
    /// That it does, but the report is not well formed. Offsets count from the start of the report.
    pub fn in_message(message: &Message<'_>) -> Result<Option<Self>, Invalid> {
        content(message).map(Self::decode).transpose()
    }
}

fn content<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    match message.body().body() {
        Body::Single(single) if media::same(single.content_type(), media::STATUS) => {
            Some(single.content())
        }
        Body::Single(_) | Body::Null | Body::External(_) | Body::Multi(_) => None,
    }
}

/// Whether a message carries a report, well formed or not. It deserves none itself (M-013).
#[must_use]
pub fn is_report(message: &Message<'_>) -> bool {
    content(message).is_some()
}

impl<'a> Compose<'a> {
    /// A status report. Send none that the room's policy forbids: ask [`Optionality::decide`] (M-010).
    ///
    /// [`Optionality::decide`]: crate::policy::components::Optionality::decide
    #[must_use]
    pub fn status(&self, report: &Report) -> Draft<'a> {
        self.message(
            DraftPart::single(media::STATUS, report.encode()).disposition(Disposition::UNSPECIFIED),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Salt;

    fn report() -> Report {
        let entry =
            |octet, status| ReportEntry { id: MessageId([octet; 32]), status: Status(status) };
        Report { entries: vec![entry(1, 2), entry(1, 0), entry(9, 255)] }
    }

    #[test]
    fn a_report_round_trips_and_may_not_be_cut() {
        let bytes = report().encode();
        assert_eq!(Report::decode(&bytes), Ok(report()));
        for end in 0..bytes.len() {
            assert_eq!(Report::decode(&bytes[..end]), Err(Invalid::at(end, Rule::Truncated)));
        }
        assert_eq!(Report::decode(&[0x80]), Ok(Report::default()));
        assert_eq!(Report::decode(&[0x80, 0]), Err(Invalid::at(1, Rule::Trailing)));
    }

    #[test]
    fn a_report_is_strict() {
        let refused = |bytes: &[u8], rule| {
            assert_eq!(Report::decode(bytes).map_err(Invalid::rule), Err(rule), "{bytes:02x?}");
        };
        refused(&[0x9f, 0xff], Rule::Indefinite);
        refused(&[0xa0], Rule::Report);
        refused(&[0x81, 0x81, 0], Rule::ReportEntry);
        refused(&[&[0x81, 0x82, 0x58, 31][..], &[1; 31], &[0]].concat(), Rule::ReportEntry);
        // 256. M-009.
        refused(&[&[0x81, 0x82, 0x58, 32][..], &[1; 32], &[0x19, 1, 0]].concat(), Rule::Status);
        // A length that would take gigabytes.
        refused(&[0x9a, 0x7f, 0xff, 0xff, 0xff, 0x82], Rule::Truncated);
    }

    #[test]
    fn a_report_travels_in_a_message() {
        let draft = Compose::new("a", "b").status(&report());
        let message = draft.build(Salt([0; 16])).unwrap();
        let message = message.as_message();
        assert_eq!(message.body().disposition(), Disposition::UNSPECIFIED);
        assert_eq!(message.in_reply_to(), None);
        assert_eq!(Report::in_message(&message), Ok(Some(report())));
        assert!(is_report(&message));
        let text = Compose::new("a", "b").text("hi").build(Salt([0; 16])).unwrap();
        assert_eq!(Report::in_message(&text.as_message()), Ok(None));
    }

    #[test]
    fn what_is_deleted_is_not_delivered_again() {
        assert!(!Status::DELIVERED.may_follow(Status::DELETED));
        assert!(!Status::DELIVERED.may_follow(Status::READ));
        assert!(!Status::READ.may_follow(Status::EXPIRED));
        assert!(Status::UNREAD.may_follow(Status::READ));
        assert!(Status::READ.may_follow(Status::UNREAD));
        assert!(Status::DELETED.may_follow(Status::EXPIRED));
        assert!(Status(77).may_follow(Status::READ));
    }
}
