//! The hub's own proposals (P-044, P-163): it cannot commit, so it asks the members, as an external sender.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::{
    Keys, Refusal, Room, UpdateRefusal,
    draft::Draft,
    proposed::{Owned, People},
    senders,
    update::next_leaves,
};
use crate::{
    codec::Wire,
    delivery::{
        ComponentOperation, ExternalProposal, LeafIndex, ProposalView, ProposeError, StagedCommit,
    },
    env::{Crypto, Env, Timestamp},
    error::Misuse,
    machine::Step,
    policy::{self, Proposed, Queue, RoleIndex, View},
    room::{ComponentId, ParticipantListUpdate, RoomState},
    uri::{Domain, UserUri},
    wire::{FanoutEvent, FanoutMessage, PublicMessage},
};

/// The hub's entry of `external_senders`: the first, always.
const HUB: u32 = 0;

/// What the hub may want of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// A user leaves the participant list, and all its clients the group: one that was deleted at its provider, or one
    /// that was banned and is to be forgotten, which lifts the ban (D-91).
    Remove(UserUri),
    /// A user is banned, and all its clients leave the group.
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

    /// What the hub proposes for the epoch that a commit leads to: the list of external senders, if another one is due
    /// and first of all; then, if the commit makes void what waits, the removals among that.
    #[expect(clippy::too_many_arguments, reason = "the parts of one commit")]
    pub(super) fn follow_up<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        staged: &mut StagedCommit,
        leaves: &BTreeMap<LeafIndex, Option<UserUri>>,
        verdict: &policy::Verdict,
        voids: bool,
        draft: &mut Draft,
        accepted: Timestamp,
    ) -> Result<Reissued, UpdateRefusal> {
        let servers = staged.external_senders().to_vec();
        if !voids && servers.len() < 2 && !env.keys.knows_peers() {
            return Ok(Reissued::default());
        }
        let mut next = self.committed.clone();
        verdict.clone().apply(&mut next);
        let leaves = next_leaves(&self.leaves, leaves);
        let mut reissued = Reissued::default();
        if let Some(due) = senders::due(env.keys, &self.domain(), &servers, &next) {
            let people = People { leaves: &leaves, servers: &servers };
            let wanted = [ExternalProposal::ExternalSenders(due)];
            let view = View::new(&next, &next);
            match self.propose_again(env, staged, &people, view, &wanted, accepted) {
                Ok((messages, verdict)) => reissued.add(messages, verdict, &next),
                Err(UpdateRefusal::Misuse(misuse)) => return Err(misuse.into()),
                // The room lets no server propose. Who is gone is refused all the same (D-31).
                Err(_) => {}
            }
        }
        if voids {
            self.reissue(env, staged, &leaves, &next, draft, accepted, &mut reissued)?;
        }
        Ok(reissued)
    }

    /// After an external commit, whose epoch knows none of what waited: the removals and bans are proposed again by
    /// the hub, stapled to the commit (P-164, P-165, Q-46). Everything else lapses, and leaves the effective state.
    ///
    /// A removal that the hub may not make keeps the external commit off for a while, so that a member can commit it
    /// first; after that whoever was to leave the list or be banned stays blocked, until a commit says so too.
    #[expect(clippy::too_many_arguments, reason = "the parts of one commit")]
    fn reissue<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        staged: &mut StagedCommit,
        leaves: &BTreeMap<LeafIndex, UserUri>,
        next: &RoomState,
        draft: &mut Draft,
        accepted: Timestamp,
        reissued: &mut Reissued,
    ) -> Result<(), UpdateRefusal> {
        let servers = staged.external_senders().to_vec();
        for (user, fate) in self.waiting_removals(next, leaves) {
            let wanted = fate.proposals(next, leaves, &user);
            if wanted.is_empty() {
                continue;
            }
            let people = People { leaves, servers: &servers };
            let view = View::new(next, reissued.effective.as_ref().unwrap_or(next));
            match self.propose_again(env, staged, &people, view, &wanted, accepted) {
                Ok((messages, verdict)) => reissued.add(messages, verdict, next),
                Err(UpdateRefusal::Misuse(misuse)) => return Err(misuse.into()),
                Err(_) if env.now < fate.accepted_at.plus(self.limits.removal_waits) => {
                    return Err(UpdateRefusal::RemovalWaits);
                }
                // A client that was to go while its user stays: nobody is to be kept silent for it.
                Err(_) if fate.role.is_none() => {}
                Err(_) => {
                    draft.head.blocked.insert(user.into());
                }
            }
        }
        Ok(())
    }

    /// A block ends with the commit that does what it stood for: the user is off the list or banned, and has no client
    /// left.
    pub(super) fn unblock(
        &self,
        verdict: &policy::Verdict,
        leaves: &BTreeMap<LeafIndex, Option<UserUri>>,
        draft: &mut Draft,
    ) {
        if draft.head.blocked.is_empty() {
            return;
        }
        let mut next = self.committed.clone();
        verdict.clone().apply(&mut next);
        let leaves = next_leaves(&self.leaves, leaves);
        draft.head.blocked.retain(|blocked| {
            let listed = !matches!(next.role(blocked), RoleIndex::NONE | RoleIndex::BANNED);
            listed || leaves.values().any(|user| user.as_str() == blocked.as_str())
        });
    }

    fn propose_again<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        staged: &mut StagedCommit,
        people: &People<'_>,
        view: View<'_>,
        wanted: &[ExternalProposal],
        accepted: Timestamp,
    ) -> Result<(Vec<PublicMessage>, policy::Accepted), UpdateRefusal> {
        let sender = people.servers.first().ok_or(Misuse::MissingKey("the external sender"))?;
        let signer = env.keys.require(&sender.signature_key, "the external sender")?;
        let views: Vec<ProposalView> = wanted.iter().map(view_of).collect();
        let sender = crate::delivery::Sender::External(HUB);
        let owned: Vec<Owned<'_>> =
            views.iter().map(|content| people.read(sender, content)).collect::<Result<_, _>>()?;
        let bundle: Vec<Proposed<'_>> = owned.iter().map(Owned::borrow).collect();
        let queue = Queue { waiting: &[], rebuild: false };
        let verdict = policy::judge_proposals(view, queue, &bundle)
            .map_err(|denied| UpdateRefusal::Denied { denied: Box::new(denied), proposal: None })?;
        let pending = staged
            .propose_as(env.crypto, &signer, HUB, wanted, accepted)
            .map_err(|_| Misuse::Crypto("the hub's proposal cannot be made"))?;
        let octets: Vec<&[u8]> = pending.iter().map(|pending| pending.message.as_slice()).collect();
        Ok((read_all(&octets)?, verdict))
    }

    /// Which users wait to be removed, banned, or rid of clients.
    fn waiting_removals(
        &self,
        next: &RoomState,
        leaves: &BTreeMap<LeafIndex, UserUri>,
    ) -> BTreeMap<UserUri, Fate> {
        let mut fates: BTreeMap<UserUri, Fate> = BTreeMap::new();
        for pending in self.group.pending() {
            let accepted_at = pending.accepted_at;
            match &pending.content {
                ProposalView::Remove(leaf) => {
                    if let Some(user) =
                        self.leaves.get(leaf).filter(|user| leaves.get(leaf) == Some(user))
                    {
                        fates
                            .entry(user.clone())
                            .or_insert_with(|| Fate::new(accepted_at))
                            .clients
                            .insert(*leaf);
                    }
                }
                ProposalView::AppDataUpdate {
                    component,
                    operation: ComponentOperation::Update(data),
                } if *component == ComponentId::PARTICIPANT_LIST.0 => {
                    let Ok(update) = ParticipantListUpdate::decode(data) else { continue };
                    let bans = update.changed.iter().filter(|(_, role)| *role == RoleIndex::BANNED);
                    let gone = update.removed.iter().map(|place| (*place, None));
                    for (place, role) in bans.map(|(place, role)| (*place, Some(*role))).chain(gone)
                    {
                        let listed = self
                            .committed
                            .participants()
                            .get(place)
                            .and_then(|listed| listed.user());
                        if let Some(user) =
                            listed.filter(|user| next.participants().find(user).is_some())
                        {
                            fates.entry(user).or_insert_with(|| Fate::new(accepted_at)).role =
                                Some(role);
                        }
                    }
                }
                ProposalView::AppDataUpdate { .. }
                | ProposalView::Add { .. }
                | ProposalView::Update { .. }
                | ProposalView::SelfRemove
                | ProposalView::GroupContextExtensions(_)
                | ProposalView::ExternalInit => {}
            }
        }
        fates
    }
}

/// What is proposed again after an external commit.
#[derive(Debug, Default)]
pub(super) struct Reissued {
    /// The messages to staple.
    pub(super) messages: Vec<PublicMessage>,
    /// The effective state with them, if there are any.
    pub(super) effective: Option<RoomState>,
}

impl Reissued {
    fn add(&mut self, messages: Vec<PublicMessage>, verdict: policy::Accepted, next: &RoomState) {
        self.messages.extend(messages);
        verdict.apply(self.effective.get_or_insert_with(|| next.clone()));
    }
}

/// What waits to happen to a user.
#[derive(Debug)]
struct Fate {
    accepted_at: Timestamp,
    /// Off the list, or another role.
    role: Option<Option<RoleIndex>>,
    clients: BTreeSet<LeafIndex>,
}

impl Fate {
    fn new(accepted_at: Timestamp) -> Self {
        Self { accepted_at, role: None, clients: BTreeSet::new() }
    }

    /// The same in an epoch with this list and these leaves. Who is removed or banned loses all clients there.
    fn proposals(
        &self,
        room: &RoomState,
        leaves: &BTreeMap<LeafIndex, UserUri>,
        user: &UserUri,
    ) -> Vec<ExternalProposal> {
        match self.role.and_then(|role| change_list(room, user, role)) {
            Some(change) => std::iter::once(change)
                .chain(clients(leaves, user).map(ExternalProposal::Remove))
                .collect(),
            None => self.clients.iter().copied().map(ExternalProposal::Remove).collect(),
        }
    }
}

/// The leaves of a user.
fn clients<'a>(
    leaves: &'a BTreeMap<LeafIndex, UserUri>,
    user: &'a UserUri,
) -> impl Iterator<Item = LeafIndex> + use<'a> {
    leaves.iter().filter(move |(_, of)| *of == user).map(|(leaf, _)| *leaf)
}

/// The update that gives a listed user a role, or takes it off the list.
fn change_list(
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

fn view_of(proposal: &ExternalProposal) -> ProposalView {
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

fn read_all(messages: &[&[u8]]) -> Result<Vec<PublicMessage>, UpdateRefusal> {
    messages
        .iter()
        .map(|octets| PublicMessage::decode(octets).map_err(UpdateRefusal::from))
        .collect()
}
