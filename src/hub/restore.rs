//! How the room comes back from its records, and how a new one is put together around a group.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Room,
    abuse::Desk,
    answered::Answered,
    expiring::Expiring,
    floods::Floods,
    log::Log,
    messages::Messages,
    omitted::Omitted,
    proposed::{self, Nobody},
    record::{Head, Record},
};
use crate::{
    delivery::{self, Group, LeafIndex},
    env::Limits,
    error::RestoreError,
    machine::{Records, Revision},
    policy::{self, Proposed},
    room::{ComponentId, RoomState, StateError},
    uri::{Domain, UserUri},
};

/// Why a group is not one of a room.
#[derive(Debug)]
pub(super) enum AssembleError {
    Nobody(Nobody),
    State(StateError),
}

impl From<Nobody> for AssembleError {
    fn from(nobody: Nobody) -> Self {
        Self::Nobody(nobody)
    }
}

impl From<StateError> for AssembleError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// How the delivery service is to treat this room's components.
pub(super) fn delivery_config(limits: &Limits) -> delivery::Config {
    delivery::Config {
        mergeable: BTreeSet::from([ComponentId::PARTICIPANT_LIST.0, ComponentId::JOIN_LINKS.0]),
        pending: limits.pending_proposals,
        bundle: limits.bundle,
    }
}

impl Room {
    /// The room that was saved. Verifies no signature and asks no clock. Records of events need not be among
    /// `records`.
    ///
    /// # Errors
    /// If the records are not those of a room, or only the tombstone of one is left.
    pub fn restore(records: &Records, limits: &Limits) -> Result<Self, RestoreError> {
        let loaded = Record::load(records)?;
        let group = Group::restore(records, &delivery_config(limits))?;
        let head = loaded.iter().find_map(|record| match record {
            Record::Head(head) => Some(head.clone()),
            Record::Answer(..)
            | Record::Claim(..)
            | Record::Joiner(..)
            | Record::Cursor(..)
            | Record::Sent(..)
            | Record::Past(_)
            | Record::Desk(_)
            | Record::Reported(..)
            | Record::Asked(..)
            | Record::Code(..)
            | Record::Tree(..)
            | Record::Tombstone(_)
            | Record::Carrier(..) => None,
        });
        let head = head.ok_or(RestoreError::Missing("the room"))?;
        let mut room =
            Self::assemble(head, group, limits).map_err(|_| RestoreError::Corrupt("the group"))?;
        room.revision = records.revision;
        for record in loaded {
            room.set(record);
        }
        Ok(room)
    }

    /// A room around a group, with the effective state derived from what waits in it.
    pub(super) fn assemble(
        head: Head,
        group: Group,
        limits: &Limits,
    ) -> Result<Self, AssembleError> {
        let mut leaves = BTreeMap::new();
        for member in group.members() {
            leaves.insert(member.leaf, proposed::user(member.credential)?);
        }
        let components =
            group.components().iter().map(|(id, data)| (ComponentId(*id), data.clone())).collect();
        let committed = RoomState::from_components(components, leaves.values())?;
        let providers = providers(&leaves);
        let mut room = Self {
            limits: limits.clone(),
            revision: Revision::NONE,
            head,
            group,
            leaves,
            providers,
            committed,
            effective: None,
            answered: Answered::default(),
            claims: Expiring::default(),
            joiners: Expiring::default(),
            codes: Expiring::default(),
            tombstone: None,
            log: Log::default(),
            messages: Messages::default(),
            past: Vec::new(),
            desk: Desk::default(),
            reported: Expiring::default(),
            asked: Expiring::default(),
            carriers: BTreeMap::new(),
            trees: Expiring::default(),
            audience: None,
            parent: None,
            floods: Floods::default(),
            omitted: Omitted::default(),
            trees_at: None,
        };
        room.effective = room.with_all_that_waits();
        Ok(room)
    }

    /// Takes a record of the hub's own over.
    pub(super) fn set(&mut self, record: Record) {
        match record {
            Record::Head(head) => self.head = head,
            Record::Answer(number, answer) => self.answered.insert(number, answer),
            Record::Claim(reference, claim, until) => self.claims.insert(reference, claim, until),
            Record::Joiner(signature_key, joiner, until) => {
                self.joiners.insert(signature_key, joiner, until)
            }
            Record::Cursor(provider, cursor) => {
                self.log.cursors.insert(provider, cursor);
            }
            Record::Sent(number, sent) => self.messages.insert(number, sent),
            Record::Past(past) => self.past = past,
            Record::Desk(desk) => self.desk = desk,
            Record::Reported(name, until) => self.reported.insert(name, (), until),
            Record::Asked(name, asked, until) => self.asked.insert(name, asked, until),
            Record::Code(name, code, until) => self.codes.insert(name, code, until),
            Record::Tree(hash, until) => self.trees.insert(hash, (), until),
            Record::Tombstone(tombstone) => self.tombstone = Some(tombstone),
            Record::Carrier(accepted, event) => {
                self.carriers.insert(accepted, event);
            }
        }
    }

    /// The effective state, from what was accepted and waits.
    fn with_all_that_waits(&self) -> Option<RoomState> {
        let people = self.people();
        let waiting: Vec<_> = self
            .group
            .pending()
            .filter_map(|pending| people.read(pending.sender, &pending.content).ok())
            .collect();
        if waiting.is_empty() {
            return None;
        }
        let waiting: Vec<Proposed<'_>> = waiting.iter().map(proposed::Owned::borrow).collect();
        Some(policy::assume(&self.committed, &waiting))
    }
}

/// The providers of users, with how many leaves each has.
pub(super) fn providers(leaves: &BTreeMap<LeafIndex, UserUri>) -> BTreeMap<Domain, u32> {
    let mut hosts: BTreeMap<&str, u32> = BTreeMap::new();
    leaves.values().for_each(|user| *hosts.entry(user.host()).or_default() += 1);
    let domain = |(host, leaves)| Some((Domain::parse(host).ok()?, leaves));
    hosts.into_iter().filter_map(domain).collect()
}
