//! The end of a room: destroyed, or left by everybody (room-policy, sections 2 and 8.6; Q-113).
//!
//! What is left is a [`Tombstone`]. Every later request is refused by it; requests that were answered before get their
//! first answer again, and what is still owed to providers goes out. Once [`Room::is_over`] nothing of that is left to
//! do: keep the tombstone as long as people are to be told, and delete all the rest.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Keys, Refusal, Room, draft::Draft, record::Record, room::Change};
use crate::{
    env::{Crypto, Env, Peer, Timestamp},
    machine::Step,
    policy::{Accepted, Capability, Denied, RoleIndex, rules},
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
        let outside = role == RoleIndex::NONE
            || room.roles().banned().is_some_and(|banned| banned.index == role);
        if outside {
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
    /// look at a report of abuse. Its records may be deleted then, all but the tombstone if people are to be told.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.tombstone.is_some()
            && self.backlog().next().is_none()
            && self.reports().next().is_none()
            && self.answered.is_empty()
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
        self.put(Record::Tombstone(Tombstone { at, ending }));
    }
}
