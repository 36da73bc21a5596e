//! Changes of the room: proposals that wait, and commits (protocol, section 5.3).

use std::collections::BTreeSet;

use super::{
    Keys, Refusal, Room, UpdateRefusal,
    answered::{self, Answer, Endpoint},
    commit::CommitParts,
    draft::Draft,
    floods::Door,
    proposed::{self, Owned},
    room::{self, Change},
};
use crate::{
    codec::Wire,
    delivery::{CheckedProposals, KeyPackageRef, LeafIndex, ProposalRef, ProposalView, Sender},
    env::{Crypto, Env, Peer, Timestamp},
    machine::Step,
    policy::{self, Proposed, RoleIndex},
    uri::{ProviderUri, UserUri},
    wire::{
        self, ErrorDescription, FanoutEvent, FanoutMessage, HandshakeBundle, PublicMessage,
        UpdateOutcome, UpdateRequest, UpdateRoomResponse,
    },
};

impl Room {
    /// Takes proposals or a commit from a provider or a client of this hub's own.
    ///
    /// Accepted proposals take effect at once (P-272) and wait for a commit; an accepted commit takes the room to its
    /// next epoch. Either is fanned out. The same bytes from the same peer get the first answer again.
    ///
    /// # Errors
    /// If a rule forbids it; [`UpdateRefusal::answer`] is what to reply.
    pub fn update<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Step<'_, Self, UpdateRoomResponse>, Refusal<UpdateRefusal>> {
        self.update_knowing(env, peer, body, &BTreeSet::new())
    }

    /// [`Room::update`], where it is known of some KeyPackages that they were claimed for other rooms of this hub: a
    /// client is not added from one of those (P-071, Q-29).
    ///
    /// A room knows only the claims that passed through it. A hub that wants to see to this keeps an index of what
    /// [`Room::keys_claimed`] replies in all its rooms, asks [`Room::unclaimed`] before an update, and gives what its index
    /// has under another room, and not under this one too.
    ///
    /// # Errors
    /// If a rule forbids it; [`UpdateRefusal::answer`] is what to reply.
    pub fn update_knowing<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        body: &[u8],
        claimed_elsewhere: &BTreeSet<KeyPackageRef>,
    ) -> Result<Step<'_, Self, UpdateRoomResponse>, Refusal<UpdateRefusal>> {
        if body.len() > self.limits.body {
            return Err(self.refuse(UpdateRefusal::TooLarge(self.limits.body)));
        }
        let name = answered::request(Endpoint::Update, peer.as_str(), body);
        let first =
            self.answered.find(&name).map(|answer| UpdateRoomResponse::decode(&answer.reply));
        if let Some(Ok(first)) = first {
            return Ok(self.unchanged(first));
        }
        if self.tombstone().is_some() {
            return Err(self.refuse(UpdateRefusal::Ended));
        }
        let request = UpdateRequest::decode(body).map_err(|error| self.refuse(error))?;
        self.may_knock(env.now, peer, &request.bundle).map_err(|reason| self.refuse(reason))?;
        if !claimed_elsewhere.is_empty() {
            let adds = self.key_packages(env.crypto, &request.bundle);
            if let Some(name) = adds.into_iter().find(|name| claimed_elsewhere.contains(name)) {
                return Err(self.refuse(UpdateRefusal::ClaimedElsewhere(name)));
            }
        }
        let mut draft = Draft::new(&self.head);
        let accepted = draft.stamp(env.now, &self.limits);
        let change = match request.bundle {
            HandshakeBundle::Proposals { first, more } => {
                self.take_proposals(env, peer, &mut draft, accepted, first, more)
            }
            HandshakeBundle::Commit { commit, welcome, group_info, ratchet_tree } => {
                let parts = CommitParts { commit, welcome, group_info, ratchet_tree };
                match self.open(env, peer, &parts.commit) {
                    Ok(open) => self.take_commit(env, peer, &mut draft, accepted, open, parts),
                    Err(refusal) => Err(refusal),
                }
            }
        };
        let change = change.map_err(|reason| self.refuse(reason))?;
        let response = UpdateRoomResponse {
            error_description: ErrorDescription::default(),
            outcome: UpdateOutcome::Success { accepted_timestamp: accepted },
        };
        draft.answer(self, Answer { at: env.now, request: name, reply: response.encode() });
        Ok(self.step(draft, change, response))
    }

    /// The KeyPackages that an update adds clients from and whose claim did not pass through for this room: see
    /// [`Room::update_knowing`]. Nothing of the update is verified; of one that does not decode there are none.
    #[must_use]
    pub fn unclaimed<C: Crypto>(&self, env: &Env<'_, C, Keys>, body: &[u8]) -> Vec<KeyPackageRef> {
        let request = match body.len() {
            length if length > self.limits.body => return Vec::new(),
            _ => UpdateRequest::decode(body),
        };
        let mut adds = request
            .map(|request| self.key_packages(env.crypto, &request.bundle))
            .unwrap_or_default();
        adds.retain(|name| self.claims.find(&name.0, env.now).is_none());
        adds
    }

    fn key_packages(&self, crypto: &impl Crypto, bundle: &HandshakeBundle) -> Vec<KeyPackageRef> {
        let messages = messages(bundle);
        messages.iter().flat_map(|it| self.group.key_packages(crypto, it.as_bytes())).collect()
    }

    /// What can be told before a signature is verified: whether this peer may bring messages of these senders (D-23),
    /// and whether it, or a sender, has asked too often (D-96).
    fn may_knock(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        bundle: &HandshakeBundle,
    ) -> Result<(), UpdateRefusal> {
        let mut user = None;
        let mut known = Ok(());
        // Of other epochs nobody knows whose leaves they are.
        for message in messages(bundle).iter().filter(|it| it.epoch() == self.group.epoch()) {
            match message.sender() {
                wire::Sender::Member(leaf) => {
                    if let Some(sender) = self.leaves.get(&LeafIndex(leaf)) {
                        known = known.and(self.authenticate(peer, sender));
                        user = Some(sender.clone());
                    }
                }
                wire::Sender::External(index) => {
                    if let Ok(provider) = self.people().server(index) {
                        known = known.and(self.may_propose_as(peer, &provider));
                    }
                }
                wire::Sender::NewMemberProposal | wire::Sender::NewMemberCommit => {}
            }
        }
        self.admit(now, Door::Update, peer, user.as_ref())
            .map_err(|retry_after| UpdateRefusal::TooMany { retry_after })?;
        known
    }

    fn take_proposals<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        draft: &mut Draft,
        accepted: Timestamp,
        first: PublicMessage,
        more: Vec<PublicMessage>,
    ) -> Result<Change, UpdateRefusal> {
        let messages: Vec<&[u8]> =
            std::iter::once(&first).chain(&more).map(PublicMessage::as_bytes).collect();
        let checked = self.group.check_proposals(env.crypto, env.now, &messages)?;
        for proposal in checked.proposals() {
            self.may_propose(peer, proposal.sender, &proposal.content)?;
        }
        let change = self.judge_proposals(checked, accepted)?;
        if let Change::Proposals(_, verdict) = &change {
            self.end_if_left(verdict, messages.len(), env.now, draft);
        }
        let event = FanoutEvent::Proposals { first, more };
        draft.carries(accepted);
        draft.event(
            self,
            &self.providers_of_leaves(),
            &FanoutMessage { timestamp: accepted, event }.encode(),
        );
        Ok(change)
    }

    /// Whether this peer may bring a proposal of this sender, and whether that one may still speak (P-106).
    fn may_propose(
        &self,
        peer: &Peer,
        sender: Sender,
        content: &ProposalView,
    ) -> Result<(), UpdateRefusal> {
        let people = self.people();
        match sender {
            Sender::Member(leaf) => {
                let user = people.leaf(leaf)?;
                self.authenticate(peer, user)?;
                let leaves = match content {
                    ProposalView::SelfRemove => true,
                    ProposalView::Remove(target) => people.leaf(*target)? == user,
                    ProposalView::Add { .. }
                    | ProposalView::Update { .. }
                    | ProposalView::AppDataUpdate { .. }
                    | ProposalView::GroupContextExtensions(_)
                    | ProposalView::ExternalInit => false,
                };
                if leaves { Ok(()) } else { self.unless_blocked(user) }
            }
            Sender::External(index) => self.may_propose_as(peer, &people.server(index)?),
            Sender::NewMember => match content {
                ProposalView::Add { leaf, .. } => {
                    let user = proposed::user(&leaf.credential)?;
                    self.authenticate(peer, &user)?;
                    self.unless_blocked(&user)
                }
                ProposalView::Update { .. }
                | ProposalView::Remove(_)
                | ProposalView::SelfRemove
                | ProposalView::AppDataUpdate { .. }
                | ProposalView::GroupContextExtensions(_)
                | ProposalView::ExternalInit => Err(UpdateRefusal::Peer),
            },
        }
    }

    /// A server proposes by itself (D-29), and as long as it takes part (P-281).
    fn may_propose_as(&self, peer: &Peer, provider: &ProviderUri) -> Result<(), UpdateRefusal> {
        match peer {
            Peer::Server(domain) if *domain != provider.domain() => Err(UpdateRefusal::Peer),
            Peer::Client(..) => Err(UpdateRefusal::Peer),
            Peer::Server(_) if self.takes_part(provider) => Ok(()),
            Peer::Server(_) => Err(UpdateRefusal::Blocked),
        }
    }

    pub(super) fn authenticate(&self, peer: &Peer, user: &UserUri) -> Result<(), UpdateRefusal> {
        if self.speaks_for(peer, user) { Ok(()) } else { Err(UpdateRefusal::Peer) }
    }

    /// P-105, P-106: whoever was removed or banned may only leave.
    pub(super) fn unless_blocked(&self, user: &UserUri) -> Result<(), UpdateRefusal> {
        let room = self.effective();
        let role = room.role(user);
        let removed = role == RoleIndex::NONE && self.committed.role(user) != RoleIndex::NONE;
        if removed || room.roles().is_banned(role) || self.is_blocked(user) {
            return Err(UpdateRefusal::Blocked);
        }
        Ok(())
    }

    /// Asks the policy about a checked bundle, and readies it. The hub's own proposals come this way too.
    pub(super) fn judge_proposals(
        &self,
        checked: CheckedProposals,
        accepted: Timestamp,
    ) -> Result<Change, UpdateRefusal> {
        self.proposals_fit(checked.proposals())?;
        let outgrown = self.leaves_fit(&checked)?;
        let goes = |name| checked.lapsed().contains(name) || outgrown.contains(name);
        let people = self.people();
        let names: Vec<ProposalRef> =
            checked.proposals().iter().map(|proposal| proposal.reference.clone()).collect();
        let bundle: Vec<Owned<'_>> = checked
            .proposals()
            .iter()
            .map(|proposal| people.read(proposal.sender, &proposal.content))
            .collect::<Result<_, _>>()?;
        let bundle: Vec<Proposed<'_>> = bundle.iter().map(Owned::borrow).collect();

        let mut waiting_names = Vec::new();
        let mut waiting = Vec::new();
        for pending in self.group.pending().filter(|pending| !goes(&pending.reference)) {
            waiting_names.push(pending.reference.clone());
            waiting.push(people.read(pending.sender, &pending.content)?);
        }
        let waiting: Vec<Proposed<'_>> = waiting.iter().map(Owned::borrow).collect();
        let queue = room::queue(&waiting, !(checked.lapsed().is_empty() && outgrown.is_empty()));
        let verdict = policy::judge_proposals(self.view(), queue, &bundle).map_err(|denied| {
            let proposal = denied.index.and_then(|index| names.get(index)).cloned();
            UpdateRefusal::Denied { denied: Box::new(denied), proposal }
        })?;
        if self.lacks_parent(verdict.unverified) {
            return Err(UpdateRefusal::Parent);
        }
        let contents = checked.proposals().iter().map(|proposal| &proposal.content);
        self.proposals_within_envelope(contents, &verdict)?;
        let mut lapsed: Vec<ProposalRef> =
            verdict.lapsed.iter().filter_map(|place| waiting_names.get(*place)).cloned().collect();
        lapsed.extend(outgrown);
        let staged = self.group.stage(checked, &lapsed, accepted);
        Ok(Change::Proposals(Box::new(staged), Box::new(verdict)))
    }
}

/// The messages of a bundle.
fn messages(bundle: &HandshakeBundle) -> Vec<&PublicMessage> {
    match bundle {
        HandshakeBundle::Proposals { first, more } => std::iter::once(first).chain(more).collect(),
        HandshakeBundle::Commit { commit, .. } => vec![commit],
    }
}
