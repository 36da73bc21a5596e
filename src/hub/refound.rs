//! A new group for a room whose group has no client left (room-policy, sections 2 and 5; ).
//!
//! A persistent room is a sequence of MLS groups, one at a time. Whoever left its group last could not commit that, and
//! nobody else can. Somebody may join from outside as long as the old group will do; or a participant's client makes
//! another group of the room as it stands, with everything in force that was accepted: [`Room::offer_again`] says how it
//! has to look, [`Room::found_again`] takes it up. The others join it from outside.

use thiserror::Error;

use super::{
    CreateRefusal, Keys, Offer, Refusal, Room, Wish, create,
    draft::Draft,
    leaves, offer, proposed,
    record::Record,
    restore::{AssembleError, delivery_config},
    room::Change,
};
use crate::{
    delivery::Group,
    env::{Crypto, Env, Peer},
    error::Misuse,
    machine::Step,
    policy::{self, Denied, Reason, rules},
    room::{ComponentId, RoomState},
    uri::UserUri,
};

/// Why a room gets no new group.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RefoundRefusal {
    /// The room is no more.
    #[error("the room is no more")]
    Ended,
    /// The room does not outlive its group.
    #[error("the room does not outlive its group")]
    Temporary,
    /// The room's group has clients, who can do without another one.
    #[error("the room's group has clients")]
    Alive,
    /// Whoever asks does not speak for the user.
    #[error("the user is of another provider or client")]
    Peer,
    /// The user has been removed or banned.
    #[error("the user has been removed or banned")]
    Blocked,
    /// The user may not bring a client.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The room has changed since the offer. Ask for another one.
    #[error("the room has changed since the offer")]
    Stale,
    /// The group is not the one offered.
    #[error(transparent)]
    Create(#[from] CreateRefusal),
    /// The offer cannot be made.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl Room {
    /// How the next group of this room has to look, for the client of a participant of the hub's own provider. Nothing in
    /// it is open: the room stays as it is.
    ///
    /// # Errors
    /// If the room needs no other group, or this participant may not found it.
    pub fn offer_again<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        creator: &UserUri,
    ) -> Result<Offer, Refusal<RefoundRefusal>> {
        self.make_offer(env, creator).map_err(|reason| self.refuse(reason))
    }

    fn make_offer<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        creator: &UserUri,
    ) -> Result<Offer, RefoundRefusal> {
        self.may_found_again(creator)?;
        let mut policy = self.effective().components();
        for own in [ComponentId::APP_COMPONENTS, ComponentId::SAFE_AAD, ComponentId::FRANKING_AGENT]
        {
            policy.remove(own);
        }
        let suite = self.group.ciphersuite().try_into();
        let wish = Wish {
            room: self.head.room.clone(),
            creator: creator.clone(),
            ciphersuite: suite.map_err(|_| Misuse::Crypto("the ciphersuite is not known"))?,
            policy,
        };
        let mut offer = offer::offer(env, &wish)?;
        offer.fixed.append(&mut offer.open);
        Ok(offer)
    }

    fn may_found_again(&self, creator: &UserUri) -> Result<(), RefoundRefusal> {
        let room = self.effective();
        if self.tombstone().is_some() {
            return Err(RefoundRefusal::Ended);
        }
        if !room.base_policy().persistent_room {
            return Err(RefoundRefusal::Temporary);
        }
        if room.membership().total() > 0 {
            return Err(RefoundRefusal::Alive);
        }
        if self.is_blocked(creator) {
            return Err(RefoundRefusal::Blocked);
        }
        let role = room.role(creator);
        rules::add_own_client(room.roles(), role)?;
        if !room.roles().get(role).is_some_and(policy::Role::may_be_active) {
            return Err(Denied::new("R-014", Reason::MaxActive(role)).into());
        }
        Ok(())
    }

    /// Takes up the group that a participant's client has made from an offer. An answer that got lost is given again.
    ///
    /// # Errors
    /// If the room needs no other group by now, or this is not the one offered.
    pub fn found_again<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        offer: &Offer,
        group_info: &[u8],
        ratchet_tree: &[u8],
    ) -> Result<Step<'_, Self, ()>, Refusal<RefoundRefusal>> {
        if self.group.group_id() == offer.group.as_bytes() {
            return Ok(self.unchanged(()));
        }
        match self.next_group(env, peer, offer, group_info, ratchet_tree) {
            Ok((group, state)) => {
                let mut draft = Draft::new(&self.head);
                self.joiners.iter().for_each(|(key, _)| draft.forget_joiner(key.clone()));
                if !self.past.is_empty() {
                    draft.put(Record::Past(Vec::new()));
                }
                let change = Change::Refounded(Box::new(group), Box::new(state));
                Ok(self.step(draft, change, ()))
            }
            Err(reason) => Err(self.refuse(reason)),
        }
    }

    fn next_group<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        offer: &Offer,
        group_info: &[u8],
        ratchet_tree: &[u8],
    ) -> Result<(Group, RoomState), RefoundRefusal> {
        if !self.speaks_for(peer, &offer.creator) {
            return Err(RefoundRefusal::Peer);
        }
        let now = self.make_offer(env, &offer.creator)?;
        if now.fixed != offer.fixed || now.room != offer.room || !offer.open.is_empty() {
            return Err(RefoundRefusal::Stale);
        }
        let config = delivery_config(&self.limits);
        let group = Group::found(env.crypto, env.now, group_info, ratchet_tree, &config)
            .map_err(CreateRefusal::from)?;
        create::check(offer, &group)?;
        for member in group.members() {
            let user = proposed::user(member.credential).map_err(CreateRefusal::from)?;
            if user != offer.creator {
                return Err(CreateRefusal::Stranger.into());
            }
        }
        let assembled = Self::assemble(self.head.clone(), group, &self.limits)
            .map_err(|error: AssembleError| CreateRefusal::from(error))?;
        policy::sound(&assembled.committed)?;
        leaves::stand(&assembled.committed, &assembled.group)?;
        Ok((assembled.group, assembled.committed))
    }
}
