//! What the hub proposes because of a commit: the list of external senders, and what the commit has made void.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Keys, Room, UpdateRefusal,
    commit::next_leaves,
    draft::Draft,
    propose::{HUB, change_list, clients, read_all, view_of},
    proposed::{Owned, People},
    senders,
};
use crate::{
    codec::Wire,
    delivery::{
        Committer, ComponentOperation, ExternalProposal, LeafIndex, ProposalView, StagedCommit,
    },
    env::{Crypto, Env, Timestamp},
    error::Misuse,
    policy::{self, Proposed, Queue, RoleIndex, View},
    room::{ComponentId, ParticipantListUpdate, RoomState},
    uri::UserUri,
    wire::PublicMessage,
};

impl Room {
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
        let due = senders::due(env.keys, &self.domain(), &servers, &next);
        let mut reissued = Reissued::default();
        if !voids && due.is_none() {
            return Ok(reissued);
        }
        let leaves = next_leaves(&self.leaves, leaves);
        if let Some(due) = due {
            let people = People { leaves: &leaves, servers: &servers };
            let wanted = [ExternalProposal::ExternalSenders(due)];
            let view = View { committed: &next, effective: &next, ..self.view() };
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
        for (user, fate) in self.waiting_removals(next, leaves, staged.committer()) {
            let wanted = fate.proposals(next, leaves, &user);
            if wanted.is_empty() {
                continue;
            }
            let people = People { leaves, servers: &servers };
            let effective = reissued.effective.as_ref().unwrap_or(next);
            let view = View { committed: next, effective, ..self.view() };
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
            let inside = !next.roles().is_outside(next.role(blocked));
            inside || leaves.values().any(|user| user.as_str() == blocked.as_str())
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

    /// Which users wait to be removed, banned, or rid of clients. A client that has come back by this commit is wanted out
    /// as before, at whichever leaf it is now.
    fn waiting_removals(
        &self,
        next: &RoomState,
        leaves: &BTreeMap<LeafIndex, UserUri>,
        committer: &Committer,
    ) -> BTreeMap<UserUri, Fate> {
        let back = if let Committer::Joiner { leaf, node } = committer {
            self.leaf_of(&node.signature_key).map(|before| (before, leaf))
        } else {
            None
        };
        let mut fates: BTreeMap<UserUri, Fate> = BTreeMap::new();
        for pending in self.group.pending() {
            let accepted_at = pending.accepted_at;
            match &pending.content {
                ProposalView::Remove(before) => {
                    let leaf = back.filter(|(was, _)| was == before).map_or(before, |(_, is)| is);
                    if let Some(user) =
                        self.leaves.get(before).filter(|user| leaves.get(leaf) == Some(user))
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
                    let roles = self.committed.roles();
                    let bans = update.changed.iter().filter(|(_, role)| roles.is_banned(*role));
                    let gone = update.removed.iter().map(|place| (*place, None));
                    for (place, role) in bans.map(|(place, role)| (*place, Some(*role))).chain(gone)
                    {
                        let listed = self
                            .committed
                            .participants()
                            .get(place)
                            .and_then(|listed| listed.user());
                        // What the commit itself has done is not asked for again.
                        let due = |user: &UserUri| {
                            next.participants().find(user).is_some()
                                && role.is_none_or(|role| next.role(user) != role)
                        };
                        if let Some(user) = listed.filter(due) {
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
