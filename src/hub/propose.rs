//! The hub's own proposals (P-044, P-163): it cannot commit, so it asks the members, as an external sender.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Keys, Refusal, Room, UpdateRefusal, draft::Draft};
use crate::{
    codec::Wire,
    delivery::{ComponentOperation, ExternalProposal, LeafIndex, ProposalView, ProposeError},
    env::{Crypto, Env, Timestamp},
    error::Misuse,
    machine::Step,
    policy::{Denied, Reason, RoleIndex},
    room::{ComponentId, ParticipantListUpdate, RoomState},
    uri::{Domain, UserUri},
    wire::{FanoutEvent, FanoutMessage, PublicMessage},
};

/// The hub's entry of `external_senders`: the first, always.
pub(super) const HUB: u32 = 0;

/// What the hub may want of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// A user leaves the participant list, and all its clients the group: one that was deleted at its provider, or one
    /// that was banned and is to be forgotten, which lifts the ban (D-91).
    Remove(UserUri),
    /// A user is banned, and all its clients leave the group: if role 1 of the room is named "banned".
    Ban(UserUri),
    /// A client that is lost leaves the group; its user stays.
    RemoveClient(LeafIndex),
    /// A provider has left: all its users leave the participant list, and all their clients the group. As many of them
    /// as one bundle holds: propose it again after the next commit, until [`ProposeRefusal::Unknown`] says that none is
    /// left.
    RemoveProvider(Domain),
}

/// Why the hub's own proposals are not made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProposeRefusal {
    /// The user is not listed, or there is no such client.
    #[error("there is no such participant or client")]
    Unknown,
    /// The proposals cannot be made.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// They would be refused from anybody (Q-48: the hub needs a role for it).
    #[error(transparent)]
    Refused(#[from] UpdateRefusal),
    /// A key of the hub is missing.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl Room {
    /// Proposes changes as the hub. They take effect at once, and the next commit has to contain them.
    ///
    /// # Errors
    /// If the hub's role does not allow them, or they cannot stand with what waits.
    pub fn propose<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        proposals: &[Proposal],
    ) -> Result<Step<'_, Self, ()>, Refusal<ProposeRefusal>> {
        if self.tombstone().is_some() {
            return Err(self.refuse(UpdateRefusal::Ended));
        }
        let mut draft = Draft::new(&self.head);
        let accepted = draft.stamp(env.now, &self.limits);
        match self.draft_proposals(env, proposals, &mut draft, accepted) {
            Ok(change) => Ok(self.step(draft, change, ())),
            Err(reason) => Err(self.refuse(reason)),
        }
    }

    fn draft_proposals<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        proposals: &[Proposal],
        draft: &mut Draft,
        accepted: Timestamp,
    ) -> Result<super::room::Change, ProposeRefusal> {
        let mut wanted = Vec::new();
        for proposal in proposals {
            match proposal {
                Proposal::Remove(user) => {
                    wanted.push(
                        change_list(&self.committed, user, None).ok_or(ProposeRefusal::Unknown)?,
                    );
                    wanted.extend(clients(&self.leaves, user).map(ExternalProposal::Remove));
                }
                Proposal::Ban(user) => {
                    if self.committed.roles().banned().is_none() {
                        let denied = Box::new(Denied::new("R-134", Reason::NotBanned));
                        return Err(UpdateRefusal::Denied { denied, proposal: None }.into());
                    }
                    let banned = Some(RoleIndex::BANNED);
                    wanted.push(
                        change_list(&self.committed, user, banned)
                            .ok_or(ProposeRefusal::Unknown)?,
                    );
                    wanted.extend(clients(&self.leaves, user).map(ExternalProposal::Remove));
                }
                Proposal::RemoveClient(leaf) => wanted.push(ExternalProposal::Remove(*leaf)),
                Proposal::RemoveProvider(provider) => {
                    let room = self.limits.bundle.saturating_sub(wanted.len());
                    let gone = self.removal_of_provider(provider, room);
                    wanted.extend(gone.ok_or(ProposeRefusal::Unknown)?);
                }
            }
        }
        let sender = self.group.external_senders().first().ok_or(ProposeRefusal::Unknown)?;
        let signer = env.keys.require(&sender.signature_key, "the external sender")?;
        let messages = self.group.propose_as(&signer, HUB, &wanted)?;
        let octets: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let checked = self
            .group
            .check_proposals(env.crypto, env.now, &octets)
            .map_err(UpdateRefusal::from)?;
        let change = self.judge_proposals(checked, accepted)?;
        if let super::room::Change::Proposals(_, verdict) = &change {
            self.end_if_left(verdict, octets.len(), env.now, draft);
        }
        let mut messages = read_all(&octets)?.into_iter();
        if let Some(first) = messages.next() {
            let event = FanoutEvent::Proposals { first, more: messages.collect() };
            draft.event(
                self,
                &self.providers_of_leaves(),
                &FanoutMessage { timestamp: accepted, event }.encode(),
            );
        }
        Ok(change)
    }

    /// Removes as many users of a provider, with all their clients, as `limit` proposals can.
    fn removal_of_provider(
        &self,
        provider: &Domain,
        limit: usize,
    ) -> Option<Vec<ExternalProposal>> {
        let effective = self.effective();
        let mut update = ParticipantListUpdate::default();
        let mut removes = Vec::new();
        for listed in self.committed.participants().iter() {
            let Some(user) = listed.user().filter(|user| user.host() == provider.as_str()) else {
                continue;
            };
            // Who is on the way out already goes anyway.
            if effective.role(&user) == RoleIndex::NONE {
                continue;
            }
            let theirs: Vec<LeafIndex> = clients(&self.leaves, &user).collect();
            if 1 + removes.len() + theirs.len() > limit && !update.removed.is_empty() {
                break;
            }
            update.removed.push(listed.place);
            removes.extend(theirs);
        }
        if update.removed.is_empty() {
            return None;
        }
        let list = ExternalProposal::AppDataUpdate {
            component: ComponentId::PARTICIPANT_LIST.0,
            operation: ComponentOperation::Update(update.encode()),
        };
        Some(
            std::iter::once(list)
                .chain(removes.into_iter().map(ExternalProposal::Remove))
                .collect(),
        )
    }
}

/// The leaves of a user.
pub(super) fn clients<'a>(
    leaves: &'a BTreeMap<LeafIndex, UserUri>,
    user: &'a UserUri,
) -> impl Iterator<Item = LeafIndex> + use<'a> {
    leaves.iter().filter(move |(_, of)| *of == user).map(|(leaf, _)| *leaf)
}

/// The update that gives a listed user a role, or takes it off the list.
pub(super) fn change_list(
    room: &RoomState,
    user: &UserUri,
    role: Option<RoleIndex>,
) -> Option<ExternalProposal> {
    let place = room.participants().find(user)?.place;
    let update = match role {
        Some(role) => ParticipantListUpdate {
            changed: vec![(place, role)],
            ..ParticipantListUpdate::default()
        },
        None => ParticipantListUpdate { removed: vec![place], ..ParticipantListUpdate::default() },
    };
    let operation = ComponentOperation::Update(update.encode());
    Some(ExternalProposal::AppDataUpdate { component: ComponentId::PARTICIPANT_LIST.0, operation })
}

pub(super) fn view_of(proposal: &ExternalProposal) -> ProposalView {
    match proposal {
        ExternalProposal::Remove(leaf) => ProposalView::Remove(*leaf),
        ExternalProposal::AppDataUpdate { component, operation } => {
            ProposalView::AppDataUpdate { component: *component, operation: operation.clone() }
        }
        ExternalProposal::ExternalSenders(senders) => {
            let change = crate::delivery::ExtensionsChange { external_senders: senders.clone() };
            ProposalView::GroupContextExtensions(change)
        }
    }
}

pub(super) fn read_all(messages: &[&[u8]]) -> Result<Vec<PublicMessage>, UpdateRefusal> {
    messages
        .iter()
        .map(|octets| PublicMessage::decode(octets).map_err(UpdateRefusal::from))
        .collect()
}
