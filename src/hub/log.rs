//! The event log: every accepted event once, and how far each provider has got.
//!
//! An event's body is a record of its own that the hub writes and deletes but never reads back. Whom it is owed to is
//! fixed when it is accepted: a provider that a commit removes still gets that commit, and nothing after (P-177).

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use serde::{Deserialize, Serialize};

use crate::{
    codec::{Reader, write_bytes, write_vec},
    env::{Limits, Timestamp},
    error::{DecodeError, Fault},
    machine::Key,
    uri::Domain,
};

/// How far one provider has got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Events before this one have been received, or were never owed.
    pub(super) next: u64,
    /// One past the newest event that is owed.
    pub(super) owed: u64,
    /// Attempts that failed since the last one that did not.
    failures: u32,
    /// When to try again, if the last attempt failed.
    pub(super) retry_at: Option<Timestamp>,
}

impl Cursor {
    /// What is outstanding: a range of events, of which some may be owed to others only.
    pub(super) fn outstanding(&self) -> Option<Range<u64>> {
        (self.next < self.owed).then_some(self.next..self.owed)
    }

    pub(super) fn owe(&mut self, event: u64) {
        if self.outstanding().is_none() {
            self.next = event;
        }
        self.owed = event.saturating_add(1);
    }

    pub(super) fn received(&mut self, through: u64) {
        self.next = self.next.max(through.saturating_add(1)).min(self.owed);
        self.failures = 0;
        self.retry_at = None;
    }

    pub(super) fn failed(&mut self, now: Timestamp, retry_after: Option<u64>, limits: &Limits) {
        let wait = limits.notify_wait.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let wait = wait.max(retry_after.unwrap_or(0)).min(limits.notify_wait_longest);
        self.retry_at = Some(now.plus(wait));
    }
}

/// The log as the hub holds it in memory: no bodies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) cursors: BTreeMap<Domain, Cursor>,
}

impl Log {
    /// The first time after `after` that a failed notification is to be tried again.
    pub(super) fn next_retry(&self, after: Timestamp) -> Option<Timestamp> {
        self.cursors.values().filter_map(|cursor| cursor.retry_at).filter(|at| *at > after).min()
    }
}

/// A notification that is not too large.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Its body. Empty if none of the events is the provider's: there is nothing to send then, only to
    /// [acknowledge](super::Room::acknowledged).
    pub body: Vec<u8>,
    /// The number of the last event in it: what to acknowledge once the provider has it.
    pub through: u64,
}

/// An event as its record holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    owed: Vec<&'a str>,
    body: &'a [u8],
}

impl<'a> Event<'a> {
    /// The kind octet of events' keys.
    pub(super) const KIND: u8 = Key::BODIES;

    /// The key of an event's record.
    #[must_use]
    pub fn key(event: u64) -> Key {
        Key::new(Self::KIND).u64(event)
    }

    /// Reads the record of an event.
    ///
    /// # Errors
    /// If it is not one.
    pub fn read(record: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(record);
        let format = reader.u8("format")?;
        if format != crate::machine::record::FORMAT {
            return Err(reader.error("format", Fault::Code(format.into())));
        }
        let owed = reader.vec("owed", |reader| reader.text("provider"))?;
        Ok(Self { owed, body: reader.rest() })
    }

    pub(super) fn write(owed: &BTreeSet<Domain>, body: &[u8]) -> Vec<u8> {
        let mut record = Vec::with_capacity(body.len() + 64);
        record.push(crate::machine::record::FORMAT);
        let owed: Vec<&Domain> = owed.iter().collect();
        write_vec(&mut record, &owed, |domain, out| write_bytes(out, domain.as_str().as_bytes()));
        record.extend_from_slice(body);
        record
    }

    /// Whether a provider is to get it.
    #[must_use]
    pub fn is_owed_to(&self, provider: &Domain) -> bool {
        self.owed.contains(&provider.as_str())
    }

    /// The FanoutMessage to send.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The first notification out of what a provider is owed: `records` are events with their numbers, from where
    /// its [backlog](super::Room::backlog) begins. It ends where one more event would be more than
    /// [`Limits::notify_events`] or [`Limits::notify_octets`], so give the records as an iterator that reads them one by
    /// one. The next one begins after [`Batch::through`]. `None` if there are no records.
    ///
    /// # Errors
    /// If a record is not an event.
    pub fn batch(
        provider: &Domain,
        limits: &Limits,
        records: impl IntoIterator<Item = (u64, &'a [u8])>,
    ) -> Result<Option<Batch>, DecodeError> {
        let mut batch: Option<Batch> = None;
        let mut events = 0;
        for (number, record) in records {
            let event = Self::read(record)?;
            let body = if event.is_owed_to(provider) { event.body } else { &[] };
            let octets = batch.as_ref().map_or(0, |batch| batch.body.len()) + body.len();
            let full = events >= limits.notify_events.max(1) || octets > limits.notify_octets;
            if events > 0 && !body.is_empty() && full {
                break;
            }
            events += usize::from(!body.is_empty());
            let batch = batch.get_or_insert_default();
            batch.body.extend_from_slice(body);
            batch.through = number;
        }
        Ok(batch)
    }

    /// The body of a notification: the FanoutMessages among these records that `provider` is to get, one after the
    /// other (P-166, Q-10). Empty if none is. [`Event::batch`] keeps within bounds.
    ///
    /// # Errors
    /// If a record is not an event.
    pub fn notification(
        provider: &Domain,
        records: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<u8>, DecodeError> {
        let mut body = Vec::new();
        for record in records {
            let event = Self::read(record)?;
            if event.is_owed_to(provider) {
                body.extend_from_slice(event.body);
            }
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_starts_where_something_is_owed() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.outstanding(), None);
        cursor.owe(7);
        cursor.owe(9);
        assert_eq!(cursor.outstanding(), Some(7..10));
        cursor.received(7);
        assert_eq!(cursor.outstanding(), Some(8..10));
        cursor.received(6);
        assert_eq!(cursor.outstanding(), Some(8..10), "an old acknowledgement takes nothing back");
        cursor.received(u64::MAX);
        assert_eq!(cursor.outstanding(), None);
        cursor.owe(20);
        assert_eq!(
            cursor.outstanding(),
            Some(20..21),
            "events of others in between are not outstanding"
        );
    }

    #[test]
    fn p_174_attempts_back_off_and_heed_retry_after_within_bounds() {
        let mut cursor = Cursor::default();
        cursor.owe(0);
        let waits = [None, None, Some(30_000), Some(u64::MAX)].map(|retry_after| {
            cursor.failed(Timestamp(0), retry_after, &Limits::default());
            cursor.retry_at.map(|at| at.0)
        });
        let longest = Limits::default().notify_wait_longest;
        assert_eq!(waits, [Some(1_000), Some(2_000), Some(30_000), Some(longest)]);
        cursor.received(0);
        assert_eq!(cursor.retry_at, None);
    }

    #[test]
    fn p_166_a_notification_is_cut_by_count_and_by_octets() {
        let [a, b] = ["a.example", "b.example"].map(|domain| Domain::parse(domain).expect("valid"));
        let both = |body: &[u8]| Event::write(&[a.clone(), b.clone()].into(), body);
        let records = [
            both(b"one"),
            Event::write(&[b.clone()].into(), b"for b only"),
            both(b"two"),
            both(b"three"),
        ];
        let batch = |whom, from: usize, notify_events, notify_octets| {
            let limits = Limits { notify_events, notify_octets, ..Limits::default() };
            let numbered = (7_u64..).zip(records.iter().map(Vec::as_slice)).skip(from);
            let batch = Event::batch(whom, &limits, numbered).expect("events");
            batch.map(|batch| (batch.body, batch.through))
        };
        assert_eq!(batch(&a, 0, 256, 1000), Some((b"onetwothree".to_vec(), 10)));
        assert_eq!(batch(&a, 0, 2, 1000), Some((b"onetwo".to_vec(), 9)), "by count");
        assert_eq!(batch(&a, 0, 256, 6), Some((b"onetwo".to_vec(), 9)), "by octets");
        assert_eq!(batch(&a, 0, 256, 5), Some((b"one".to_vec(), 8)), "what is not owed is passed");
        assert_eq!(batch(&b, 1, 1, 1), Some((b"for b only".to_vec(), 8)), "one is never too large");
        assert_eq!(batch(&a, 3, 0, 0), Some((b"three".to_vec(), 10)));
        let c = Domain::parse("c.example").expect("valid");
        assert_eq!(batch(&c, 0, 1, 1), Some((vec![], 10)));
        assert_eq!(batch(&a, 4, 256, 1000), None);
    }

    #[test]
    fn an_event_is_read_as_it_was_written_and_only_for_whom_it_is_owed() {
        let [a, b] = ["a.example", "b.example"].map(|domain| Domain::parse(domain).expect("valid"));
        let first = Event::write(&[a.clone(), b.clone()].into(), b"first");
        let second = Event::write(&[b.clone()].into(), b"second");
        let records = [first.as_slice(), second.as_slice()];
        assert_eq!(Event::notification(&a, records).expect("events"), b"first");
        assert_eq!(Event::notification(&b, records).expect("events"), b"firstsecond");
        for end in 0..first.len() - b"first".len() {
            assert!(Event::read(&first[..end]).is_err(), "cut at {end}");
        }
    }
}
