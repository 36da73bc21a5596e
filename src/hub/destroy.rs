//! The end of a room: destroyed, or left by everybody (room-policy, sections 2 and 8.6; Q-113).
//!
//! Every later request is refused; requests that were answered before get their first answer again, what is still owed to
//! providers goes out, and messages can be reported. The step after which nothing of that is left to do
//! ([`Room::is_over`]) deletes all records of the room but its [`Tombstone`], which stays as long as the caller wants
//! people to be told ([`Tombstone::of`]).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Keys, Refusal, Room,
    draft::Draft,
    record::{self, Record},
    room::Change,
    trees,
};
use crate::{
    env::{Crypto, Env, Peer, Timestamp},
    error::RestoreError,
    machine::{Key, Records, Step},
    policy::{Accepted, Capability, Denied, rules},
    uri::UserUri,
};

/// What is left of a room that is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub ending: Ending,
}

impl Tombstone {
    /// The tombstone of a room that [`Room::restore`] does not bring back, because nothing else is left of it. Answer
    /// requests for it as the room did: each endpoint's refusal has an `Ended`.
    ///
    /// # Errors
    /// If it does not decode.
    pub fn of(records: &Records) -> Result<Option<Self>, RestoreError> {
        record::tombstone(records)
    }
}

/// How a room ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// A participant destroyed it.
    Destroyed(UserUri),
    /// The hub's operator closed it.
    Closed,
    /// Its last client has left, and it was not to outlive its group.
    Left,
}

/// Who wants a room to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'a> {
    /// A participant, for whom this peer speaks. It needs `canDestroyRoom`, and no client in the group.
    User(&'a Peer, &'a UserUri),
    /// The hub's operator, who may always.
    Operator,
}

/// Why a room is not destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DestroyRefusal {
    /// It is no more.
    #[error("the room is no more")]
    Ended,
    /// Whoever asks does not speak for the user.
    #[error("the user is of another provider or client")]
    Peer,
    /// The user has been removed or banned.
    #[error("the user has been removed or banned")]
    Blocked,
    /// The user's role does not allow it.
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl Room {
    /// Ends the room for good. No event tells the members: mimi-protocol has none. Whoever comes next hears that the
    /// room is no more.
    ///
    /// # Errors
    /// If whoever wants it may not, or the room has ended already.
    pub fn destroy<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        by: By<'_>,
    ) -> Result<Step<'_, Self, ()>, Refusal<DestroyRefusal>> {
        let ending = self.may_destroy(by).map_err(|reason| self.refuse(reason))?;
        let mut draft = Draft::new(&self.head);
        draft.end(self, env.now, ending);
        Ok(self.step(draft, Change::None, ()))
    }

    fn may_destroy(&self, by: By<'_>) -> Result<Ending, DestroyRefusal> {
        if self.tombstone.is_some() {
            return Err(DestroyRefusal::Ended);
        }
        let (peer, user) = match by {
            By::Operator => return Ok(Ending::Closed),
            By::User(peer, user) => (peer, user),
        };
        if !self.speaks_for(peer, user) {
            return Err(DestroyRefusal::Peer);
        }
        if self.is_blocked(user) {
            return Err(DestroyRefusal::Blocked);
        }
        let room = self.effective();
        let role = room.role(user);
        if room.roles().is_outside(role) {
            return Err(Denied::new("P-106", crate::policy::Reason::Outsider).into());
        }
        rules::can(room.roles(), role, Capability::DESTROY_ROOM, "R-209")?;
        Ok(Ending::Destroyed(user.clone()))
    }

    /// What is left of the room, if it has ended.
    #[must_use]
    pub const fn tombstone(&self) -> Option<&Tombstone> {
        self.tombstone.as_ref()
    }

    /// Whether the room has ended and owes nobody anything any more, be it an event, the repetition of an answer, or a
    /// look at a report of abuse. Only its tombstone is stored then, and [`Room::restore`] says so: drop the room.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.tombstone.is_some()
            && self.backlog().next().is_none()
            && self.reports().next().is_none()
            && self.answered.is_empty()
    }

    /// Deletes all records but the tombstone.
    pub(super) fn bury(&self, writes: &mut BTreeMap<Key, Option<Vec<u8>>>) {
        let tombstone = record::tombstone_key();
        let own = writes.keys().cloned().chain(self.keys());
        let gone: BTreeSet<Key> = own.filter(|key| *key != tombstone).collect();
        writes.extend(gone.into_iter().map(|key| (key, None)));
    }

    /// The keys of all records but the tombstone, and but the bodies of events and reports.
    fn keys(&self) -> impl Iterator<Item = Key> {
        let cursors = self.log.cursors.keys().map(record::cursor_key);
        let answers = self.answered.numbers().map(record::answer_key);
        let sent = self.messages.numbers().map(record::sent_key);
        let claims = self.claims.iter().map(|(name, _)| record::claim_key(name));
        let joiners = self.joiners.iter().map(|(name, _)| record::joiner_key(name));
        let codes = self.codes.iter().map(|(name, _)| record::code_key(name));
        let reported = self.reported.iter().map(|(name, ())| record::reported_key(name));
        let asked = self.asked.iter().map(|(name, _)| record::asked_key(name));
        let carriers = self.carriers.keys().map(|accepted| record::carrier_key(*accepted));
        let trees =
            self.trees.iter().flat_map(|(hash, ())| [record::tree_key(hash), trees::key(hash)]);
        record::single_keys()
            .into_iter()
            .chain(self.group.keys())
            .chain(cursors)
            .chain(answers)
            .chain(sent)
            .chain(claims)
            .chain(joiners)
            .chain(codes)
            .chain(reported)
            .chain(asked)
            .chain(carriers)
            .chain(trees)
    }

    /// Ends a temporary room that accepted proposals leave without a client: nobody is left who could commit them, and
    /// nobody is to start anew. A persistent one waits for somebody who joins from outside.
    pub(super) fn end_if_left(
        &self,
        accepted: &Accepted,
        bundle: usize,
        now: Timestamp,
        draft: &mut Draft,
    ) {
        let room = self.effective();
        if room.base_policy().persistent_room || room.membership().total() as usize > bundle {
            return;
        }
        let mut next = room.clone();
        accepted.clone().apply(&mut next);
        if next.membership().total() == 0 {
            draft.end(self, now, Ending::Left);
        }
    }
}

impl Draft {
    /// The room ends: nobody joins it any more, by whatever way.
    fn end(&mut self, room: &Room, at: Timestamp, ending: Ending) {
        room.claims.iter().for_each(|(reference, _)| self.forget_claim(reference.clone()));
        room.joiners.iter().for_each(|(key, _)| self.forget_joiner(key.clone()));
        room.codes.iter().for_each(|(name, _)| self.forget_code(name.clone()));
        room.trees.iter().for_each(|(hash, ())| self.forget_tree(hash.clone()));
        self.put(Record::Tombstone(Tombstone { at, ending }));
    }
}
