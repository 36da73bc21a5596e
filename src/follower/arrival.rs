//! What becomes of a notification: seen before, routed, held back, or passed on in its turn.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    draft::Draft,
    notice::{Event, Kind, Notice},
    refusal::Fault,
    state::{Audience, Edit, Hash, Held, Place},
};
use crate::{env::Timestamp, provider::Owner, uri::ClientUri, wire::KeyPackageRef};

impl Draft<'_> {
    /// Takes in all events of a notification, or refuses it whole.
    pub(super) fn notify(
        &mut self,
        now: Timestamp,
        notice: &Notice,
        owners: &BTreeMap<KeyPackageRef, Owner>,
    ) -> Result<(), Fault> {
        if !self.is_new(notice.hash()) {
            return Ok(());
        }
        for event in notice.events() {
            // A hub may put events that it has sent before into a new body.
            if notice.events().len() > 1 && !self.is_new(event.hash) {
                continue;
            }
            match &event.kind {
                Kind::Welcome(references) => self.welcome(event, references, owners),
                Kind::Application(place) | Kind::Proposal(place) | Kind::Commit(place, _) => {
                    let here = self.head.place.as_ref();
                    // For nobody nothing is held back, and the hub gets its 201.
                    if self.is_used() && here.is_some_and(|here| here.is_before(place)) {
                        self.hold(now, event, place)?;
                    } else {
                        // A handshake is of the current epoch: now it is known what may go before it.
                        if !matches!(event.kind, Kind::Application(_)) {
                            self.advance(place.clone());
                            self.release();
                        }
                        self.pass_on(event);
                        self.release();
                    }
                }
            }
        }
        self.forget_seen();
        Ok(())
    }

    /// Marks something as seen, unless it was.
    fn is_new(&mut self, hash: Hash) -> bool {
        if self.room.state.has_seen(&hash) || !self.seen.insert(hash) {
            return false;
        }
        self.edits.push(Edit::Seen(self.head.next_seen, Some(hash)));
        self.head.next_seen += 1;
        true
    }

    /// Keeps what is remembered within bounds, oldest out first.
    fn forget_seen(&mut self) {
        let excess = (self.room.state.seen.len() + self.seen.len())
            .saturating_sub(self.room.limits.notified);
        let old = self.room.state.seen.keys().take(excess);
        self.edits.extend(old.map(|number| Edit::Seen(*number, None)));
    }

    /// Routes a Welcome to the clients whose KeyPackages it names, and to nobody else (P-009, P-092). A KeyPackage
    /// that was claimed for another room leads nowhere (P-071, D-68).
    fn welcome(
        &mut self,
        event: &Event,
        references: &[KeyPackageRef],
        owners: &BTreeMap<KeyPackageRef, Owner>,
    ) {
        let room = &self.room.state.head.room;
        let routed = references.iter().filter_map(|reference| {
            let owner = owners.get(reference)?;
            let here = owner.room.as_ref().is_none_or(|it| it == room);
            here.then(|| (reference.clone(), owner.clone()))
        });
        let routed: Vec<(KeyPackageRef, Owner)> = routed.collect();
        if routed.is_empty() {
            return;
        }
        let mut members = BTreeSet::new();
        let mut routes = Vec::new();
        for (reference, owner) in routed {
            members.insert(self.join(owner.client, owner.user));
            routes.push(reference);
        }
        self.append(&event.bytes, Some(Audience::Only(members, routes)));
        // It does not say of which epoch it is. Where its commit was passed on, that one did; else the next handshake
        // does, for the commits before it may never come here.
        if self.committed().is_none_or(|at| at < event.timestamp) {
            self.head.place = None;
        }
    }

    /// Puts an event of a later epoch aside, within bounds.
    fn hold(&mut self, now: Timestamp, event: &Event, place: &Place) -> Result<(), Fault> {
        let limits = &self.room.limits;
        let octets: usize = self.held().map(|(_, it)| it.bytes.len()).sum();
        if self.held().count() >= limits.early
            || octets.saturating_add(event.bytes.len()) > limits.held
        {
            return Err(Fault::TooEarly);
        }
        let until = now.plus(limits.held_for);
        let held = Held { place: place.clone(), until, bytes: event.bytes.clone() };
        self.held.insert(self.head.next_held, Some(held));
        self.head.next_held += 1;
        Ok(())
    }

    /// Gives an event that is in its turn, or late, to the members.
    fn pass_on(&mut self, event: &Event) {
        let bytes = &event.bytes;
        match &event.kind {
            Kind::Welcome(_) => {}
            Kind::Application(_) => {
                let withheld = self.members().filter(|(_, it)| self.is_blocked(&it.user));
                let withheld: BTreeSet<u64> = withheld.map(|(number, _)| number).collect();
                let audience = (!withheld.is_empty()).then_some(Audience::Without(withheld));
                self.append(bytes, audience);
            }
            Kind::Proposal(_) => self.append(bytes, None),
            Kind::Commit(place, commit) => {
                // The joiner gets its own commit: it needs what is stapled to it.
                self.admit(commit);
                self.append(bytes, None);
                self.advance(place.next());
                self.committed_at(event.timestamp);
            }
        }
    }

    /// The group is known to be here, unless it is known to be further.
    pub(super) fn advance(&mut self, place: Place) {
        let further = |here: &Place| here.group == place.group && place.epoch <= here.epoch;
        if !self.head.place.as_ref().is_some_and(further) {
            self.head.place = Some(place);
        }
    }

    /// Passes on what was held back, as far as it is its turn: by epoch, then as it came.
    pub(super) fn release(&mut self) {
        while let Some(number) = self.next_in_turn() {
            let held = self.held().find(|(it, _)| **it == number).map(|(_, held)| held.clone());
            self.held.insert(number, None);
            // What is held was read before it was put aside.
            if let Some(event) = held.and_then(|held| Event::read(&held.bytes)) {
                self.pass_on(&event);
            }
        }
    }

    fn next_in_turn(&self) -> Option<u64> {
        let here = self.head.place.as_ref()?;
        self.held()
            .filter(|(_, it)| it.place.group == here.group && it.place.epoch <= here.epoch)
            .min_by_key(|(number, it)| (it.place.epoch, **number))
            .map(|(number, _)| *number)
    }

    pub(super) fn timeout(&mut self, now: Timestamp) {
        let stale = self.joining().filter(|(_, it)| it.until <= now);
        let stale: Vec<ClientUri> = stale.map(|(client, _)| client.clone()).collect();
        stale.into_iter().for_each(|client| self.stop_joining(&client));
        self.forget_empty(now);
        self.trim();
        loop {
            let late = self.held().filter(|(_, it)| it.until <= now);
            let first = late.min_by_key(|(number, it)| (it.place.epoch, **number));
            let Some((_, held)) = first else { break };
            let place = held.place.clone();
            if let Some(here) = self.head.place.as_ref().filter(|it| it.group == place.group) {
                self.missing.push(here.epoch..place.epoch);
            }
            self.head.place = Some(place);
            self.release();
        }
    }
}
