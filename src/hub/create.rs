//! Taking up a new room (P-006): the group that a client has made from an offer.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::{
    Keys, Offer, Room, codes,
    envelope::may_be_created,
    leaves,
    proposed::{self, Nobody},
    record::{Head, Record},
    restore::{AssembleError, delivery_config},
    sizes,
};
use crate::{
    delivery::{FoundRefusal, Group},
    env::{Crypto, Env, Limits, Timestamp},
    error::Misuse,
    machine::{Changes, Founding, Outcome, Revision},
    policy::{Denied, Outside},
    room::{ComponentId, ParticipantList, StateError},
};

/// A group that is not the one offered. The creator's client has to build it anew.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CreateRefusal {
    /// It is not a group that the delivery service can serve.
    #[error(transparent)]
    Group(#[from] FoundRefusal),
    /// It is another group, of another ciphersuite, or no longer in its first epoch.
    #[error("not the group that was offered: {0}")]
    Differs(&'static str),
    /// A component is not as offered.
    #[error("{0} is not as offered")]
    Component(ComponentId),
    /// A leaf is nobody's.
    #[error(transparent)]
    Nobody(#[from] Nobody),
    /// A leaf is somebody else's than the creator's.
    #[error("a leaf is not the creator's")]
    Stranger,
    /// A component is larger than it may be, or all together are (D-55).
    #[error("{0} is too large")]
    TooLarge(ComponentId),
    /// The components do not make a room.
    #[error("the components do not make a room: {0}")]
    State(#[from] StateError),
    /// A room may not be like this, here or anywhere.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The hub's operator does not let a room be like this.
    #[error(transparent)]
    Outside(Outside),
    /// The name in the room's metadata is not the room's.
    #[error("the metadata name another room")]
    Metadata,
    /// A key of the hub is missing.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl Room {
    /// Takes up the room of `offer`, whose group the creator's client has made: `group_info` is bare, `ratchet_tree`
    /// the content of the extension. The room is judged as a whole, by its own rules and by the operator's
    /// ([`Limits::envelope`]).
    ///
    /// # Errors
    /// If the group is another one than offered, or not sound, or makes a room that may not be.
    pub fn create<C: Crypto>(
        env: &Env<'_, C, Keys>,
        offer: &Offer,
        group_info: &[u8],
        ratchet_tree: &[u8],
        limits: &Limits,
    ) -> Result<Founding<Self, ()>, CreateRefusal> {
        Self::create_within(env, offer, group_info, ratchet_tree, None, limits)
    }

    /// The same for a room that depends on another one, of which these are the participants: those of the room are a
    /// strict subset of them.
    ///
    /// # Errors
    /// As [`Room::create`].
    pub fn create_within<C: Crypto>(
        env: &Env<'_, C, Keys>,
        offer: &Offer,
        group_info: &[u8],
        ratchet_tree: &[u8],
        parent: Option<&ParticipantList>,
        limits: &Limits,
    ) -> Result<Founding<Self, ()>, CreateRefusal> {
        env.keys.require(&offer.signature_key, "the external sender")?;
        let group =
            Group::found(env.crypto, env.now, group_info, ratchet_tree, &delivery_config(limits))?;
        check(offer, &group)?;
        let lengths = group.components().iter().map(|(id, data)| (*id, data.len())).collect();
        sizes::check(limits, &BTreeMap::new(), &lengths).map_err(CreateRefusal::TooLarge)?;
        for member in group.members() {
            if proposed::user(member.credential)? != offer.creator {
                return Err(CreateRefusal::Stranger);
            }
        }

        let head = Head {
            room: offer.room.clone(),
            last_timestamp: env.now,
            clock_restarts: 0,
            next_event: 0,
            oldest_event: 0,
            blocked: BTreeSet::new(),
        };
        let mut writes: std::collections::BTreeMap<_, _> = group.writes().into_iter().collect();
        writes.extend([Record::Head(head.clone()).write()]);
        let mut room = Self::assemble(head, group, limits)?;
        if room.committed.metadata().room_uri != offer.room {
            return Err(CreateRefusal::Metadata);
        }
        may_be_created(&room.committed, &offer.creator, parent, limits)?;
        leaves::stand(&room.committed, &room.group)?;
        room.parent = parent.cloned();
        for record in
            codes::of_links(&room.committed, env.now, limits.codes, limits.codes_remembered)
        {
            writes.extend([record.write()]);
            room.set(record);
        }
        let wake_at = room.wake_after(Timestamp(0));
        let changes =
            Changes { base: Revision::NONE, next: Revision::NONE.next(), writes, wake_at };
        room.revision = changes.next;
        Ok(Founding::new(room, changes, Outcome { reply: (), actions: Vec::new() }))
    }
}

impl From<AssembleError> for CreateRefusal {
    fn from(error: AssembleError) -> Self {
        match error {
            AssembleError::Nobody(nobody) => Self::Nobody(nobody),
            AssembleError::State(error) => Self::State(error),
        }
    }
}

/// Whether a group is the one that was offered.
pub(super) fn check(offer: &Offer, group: &Group) -> Result<(), CreateRefusal> {
    use CreateRefusal::{Component, Differs};
    if group.group_id() != offer.group.as_bytes() {
        return Err(Differs("its ID"));
    }
    if group.ciphersuite() != offer.ciphersuite {
        return Err(Differs("its ciphersuite"));
    }
    if group.epoch() != 0 {
        return Err(Differs("its epoch"));
    }
    let [sender] = group.external_senders() else {
        return Err(Differs("its external senders"));
    };
    let ours = sender.signature_key == offer.signature_key;
    if !ours || proposed::provider(&sender.credential).as_ref() != Ok(&offer.provider) {
        return Err(Differs("its external senders"));
    }
    for (id, data) in &offer.fixed {
        if group.component(id.0) != Some(data) {
            return Err(Component(*id));
        }
    }
    let known = |id: &u16| {
        offer.fixed.contains_key(&ComponentId(*id)) || offer.open.contains_key(&ComponentId(*id))
    };
    match group.components().keys().find(|id| !known(id)) {
        Some(id) => Err(Component(ComponentId(*id))),
        None => Ok(()),
    }
}
