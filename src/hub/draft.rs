//! What one call is about to change: collected once, for the save and for memory alike.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, abuse,
    answered::Answer,
    codes,
    log::{Cursor, Event},
    messages::Sent,
    record::{self, Head, Record},
    room::Room,
    trees,
};
use crate::{
    env::{Limits, Timestamp},
    machine::Key,
    uri::Domain,
};

/// A record that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Gone {
    Answer(u64),
    Claim(Vec<u8>),
    Joiner(Vec<u8>),
    Sent(u64),
    Reported(Vec<u8>),
    Asked(Vec<u8>),
    Code(Vec<u8>),
    Carrier(Timestamp),
    Tree(Vec<u8>),
}

/// Changes of the hub's own records. The head is a copy that is written back if it changed.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) head: Head,
    head_before: Head,
    put: Vec<Record>,
    gone: Vec<Gone>,
    cursors: BTreeMap<Domain, Cursor>,
    events: Vec<(u64, Option<Vec<u8>>)>,
    reports: Vec<(u64, Option<Vec<u8>>)>,
    trees: Vec<(Vec<u8>, Vec<u8>)>,
    notify: BTreeSet<Domain>,
}

impl Draft {
    pub(super) fn new(head: &Head) -> Self {
        Self {
            head: head.clone(),
            head_before: head.clone(),
            put: Vec::new(),
            gone: Vec::new(),
            cursors: BTreeMap::new(),
            events: Vec::new(),
            reports: Vec::new(),
            trees: Vec::new(),
            notify: BTreeSet::new(),
        }
    }

    /// The timestamp of the event that is about to be accepted: later than any before it in this room. A clock that
    /// was once ahead by more than the limit is followed back to the present.
    pub(super) fn stamp(&mut self, now: Timestamp, limits: &Limits) -> Timestamp {
        let last = self.head.last_timestamp;
        let stamp = if last > now.plus(limits.clock_ahead) {
            self.head.clock_restarts = self.head.clock_restarts.saturating_add(1);
            now
        } else {
            now.max(last.plus(1))
        };
        self.head.last_timestamp = stamp;
        stamp
    }

    /// Puts an event into the log. One that is owed to nobody is not kept.
    pub(super) fn event(&mut self, room: &Room, owed: &BTreeSet<Domain>, body: &[u8]) {
        if owed.is_empty() {
            return;
        }
        let number = self.head.next_event;
        self.head.next_event = number.saturating_add(1);
        self.events.push((number, Some(Event::write(owed, body))));
        for provider in owed {
            self.cursor(room, provider).owe(number);
        }
        self.notify.extend(owed.iter().cloned());
    }

    /// The cursor of a provider as it will be.
    pub(super) fn cursor(&mut self, room: &Room, provider: &Domain) -> &mut Cursor {
        let before = || room.log.cursors.get(provider).cloned().unwrap_or_default();
        self.cursors.entry(provider.clone()).or_insert_with(before)
    }

    /// Tells a provider again what is outstanding.
    pub(super) fn notify(&mut self, provider: &Domain) {
        self.notify.insert(provider.clone());
    }

    /// The next event carries the proposals of members that are accepted at this time.
    pub(super) fn carries(&mut self, accepted: Timestamp) {
        self.put.push(Record::Carrier(accepted, self.head.next_event));
    }

    /// A new epoch begins: nothing waits of what waited.
    pub(super) fn forget_carriers(&mut self, room: &Room) {
        self.gone.extend(room.carriers.keys().copied().map(Gone::Carrier));
    }

    pub(super) fn put(&mut self, record: Record) {
        self.put.push(record);
    }

    /// Keeps the answer to a request for when it comes again.
    pub(super) fn answer(&mut self, room: &Room, answer: Answer) {
        let limits = &room.limits;
        self.gone.extend(room.answered.expired(answer.at, limits).map(Gone::Answer));
        self.gone.extend(room.answered.surplus(limits).map(Gone::Answer));
        self.put.push(Record::Answer(room.answered.next_number(), answer));
    }

    /// Remembers a message that is accepted, and forgets others for it.
    pub(super) fn sent(&mut self, room: &Room, sent: Sent) {
        let gone = room.messages.surplus(room.oldest_epoch(), &room.limits);
        self.gone.extend(gone.map(Gone::Sent));
        self.put.push(Record::Sent(room.messages.next_number(), sent));
    }

    /// The body of a report: stored, or deleted.
    pub(super) fn report(&mut self, number: u64, body: Option<Vec<u8>>) {
        self.reports.push((number, body));
    }

    /// A ratchet tree that is served from now on, by its hash.
    pub(super) fn tree(&mut self, hash: &[u8], tree: Vec<u8>) {
        self.trees.push((hash.to_vec(), tree));
    }

    pub(super) fn forget_tree(&mut self, hash: Vec<u8>) {
        self.gone.push(Gone::Tree(hash));
    }

    pub(super) fn forget_reported(&mut self, name: Vec<u8>) {
        self.gone.push(Gone::Reported(name));
    }

    pub(super) fn forget_asked(&mut self, name: Vec<u8>) {
        self.gone.push(Gone::Asked(name));
    }

    pub(super) fn forget_claim(&mut self, reference: Vec<u8>) {
        self.gone.push(Gone::Claim(reference));
    }

    pub(super) fn forget_joiner(&mut self, signature_key: Vec<u8>) {
        self.gone.push(Gone::Joiner(signature_key));
    }

    pub(super) fn forget_code(&mut self, name: Vec<u8>) {
        self.gone.push(Gone::Code(name));
    }

    /// How many codes are put here.
    pub(super) fn codes_put(&self) -> usize {
        self.put.iter().filter(|record| matches!(record, Record::Code(..))).count()
    }

    /// Everything whose time is over goes.
    pub(super) fn expire(&mut self, room: &Room, now: Timestamp) {
        self.gone.extend(room.answered.expired(now, &room.limits).map(Gone::Answer));
        self.gone.extend(room.claims.expired(now).cloned().map(Gone::Claim));
        self.gone.extend(room.joiners.expired(now).cloned().map(Gone::Joiner));
        self.gone.extend(room.reported.expired(now).cloned().map(Gone::Reported));
        self.gone.extend(room.asked.expired(now).cloned().map(Gone::Asked));
        self.gone.extend(room.codes.expired(now).cloned().map(Gone::Code));
        self.gone.extend(room.trees.expired(now).cloned().map(Gone::Tree));
    }

    /// The bodies that nobody waits for any more go, now that cursors have moved.
    pub(super) fn drop_passed_events(&mut self, room: &Room) {
        let after = |(provider, before)| self.cursors.get(provider).unwrap_or(before);
        let outstanding = room.log.cursors.iter().map(after).filter_map(Cursor::outstanding);
        let oldest = outstanding.map(|range| range.start).min().unwrap_or(self.head.next_event);
        let passed = self.head.oldest_event..oldest.max(self.head.oldest_event);
        self.head.oldest_event = passed.end;
        self.events.extend(passed.map(|event| (event, None)));
    }

    /// What to save. The bodies of events are handed over, for memory does not keep them.
    pub(super) fn writes(&mut self) -> BTreeMap<Key, Option<Vec<u8>>> {
        let mut writes = BTreeMap::new();
        for gone in &self.gone {
            let key = match gone {
                Gone::Answer(number) => record::answer_key(*number),
                Gone::Claim(reference) => record::claim_key(reference),
                Gone::Joiner(signature_key) => record::joiner_key(signature_key),
                Gone::Sent(number) => record::sent_key(*number),
                Gone::Reported(name) => record::reported_key(name),
                Gone::Asked(name) => record::asked_key(name),
                Gone::Code(name) => record::code_key(name),
                Gone::Carrier(accepted) => record::carrier_key(*accepted),
                Gone::Tree(hash) => {
                    writes.insert(trees::key(hash), None);
                    record::tree_key(hash)
                }
            };
            writes.insert(key, None);
        }
        writes.extend(self.put.iter().map(Record::write));
        writes.extend(
            self.cursors.iter().map(|(provider, cursor)| record::write_cursor(provider, cursor)),
        );
        writes.extend(self.events.drain(..).map(|(number, body)| (Event::key(number), body)));
        writes.extend(
            self.reports.drain(..).map(|(number, body)| (abuse::Report::key(number), body)),
        );
        writes.extend(self.trees.drain(..).map(|(hash, tree)| (trees::key(&hash), Some(tree))));
        if self.head != self.head_before {
            writes.extend([record::write_head(&self.head)]);
        }
        writes
    }

    /// What to do once it is saved: everybody who is owed something new is told, whoever waits out a failure excepted.
    pub(super) fn notifications(&self) -> Vec<Action> {
        let told = self.cursors.iter().filter(|(provider, cursor)| {
            self.notify.contains(*provider) && cursor.retry_at.is_none()
        });
        let notify = |(provider, cursor): (&Domain, &Cursor)| {
            cursor.outstanding().map(|events| Action::Notify { provider: provider.clone(), events })
        };
        told.filter_map(notify).collect()
    }

    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.put.is_empty()
            && self.gone.is_empty()
            && self.cursors.is_empty()
            && self.head == self.head_before
    }

    /// Whether the room has ended, and owes nobody anything any more once this is done.
    pub(super) fn is_the_last(&self, room: &Room) -> bool {
        let ends = |record: &Record| matches!(record, Record::Tombstone(_));
        if room.tombstone.is_none() && !self.put.iter().any(ends) {
            return false;
        }
        let after = |(provider, before)| self.cursors.get(provider).unwrap_or(before);
        let cursors = room.log.cursors.iter().map(after).chain(self.cursors.values());
        let answers = |record: &Record| matches!(record, Record::Answer(..));
        let desk = self
            .put
            .iter()
            .rev()
            .find_map(|record| if let Record::Desk(desk) = record { Some(desk) } else { None });
        cursors.filter_map(Cursor::outstanding).next().is_none()
            && room.answered.numbers().all(|number| self.gone.contains(&Gone::Answer(number)))
            && !self.put.iter().any(answers)
            && desk.unwrap_or(&room.desk).is_empty()
    }

    /// When the first of what is put here is over or due.
    pub(super) fn wake_at(&self, limits: &Limits) -> Option<Timestamp> {
        let put = self.put.iter().filter_map(|record| match record {
            Record::Answer(_, answer) => Some(answer.at.plus(limits.answered_for)),
            Record::Claim(_, _, until)
            | Record::Joiner(_, _, until)
            | Record::Reported(_, until)
            | Record::Asked(_, _, until)
            | Record::Tree(_, until) => Some(*until),
            Record::Code(_, _, until) => codes::wakes(*until),
            Record::Head(_)
            | Record::Cursor(..)
            | Record::Sent(..)
            | Record::Past(_)
            | Record::Desk(_)
            | Record::Tombstone(_)
            | Record::Carrier(..) => None,
        });
        put.chain(self.cursors.values().filter_map(|cursor| cursor.retry_at)).min()
    }

    /// Makes it so in memory.
    pub(super) fn settle(self, room: &mut Room) {
        for gone in self.gone {
            match gone {
                Gone::Answer(number) => room.answered.remove(number),
                Gone::Claim(reference) => room.claims.remove(&reference),
                Gone::Joiner(signature_key) => room.joiners.remove(&signature_key),
                Gone::Sent(number) => room.messages.remove(number),
                Gone::Reported(name) => room.reported.remove(&name),
                Gone::Asked(name) => room.asked.remove(&name),
                Gone::Code(name) => room.codes.remove(&name),
                Gone::Carrier(accepted) => {
                    room.carriers.remove(&accepted);
                }
                Gone::Tree(hash) => room.trees.remove(&hash),
            }
        }
        for record in self.put {
            room.set(record);
        }
        room.log.cursors.extend(self.cursors);
        room.head = self.head;
    }
}
