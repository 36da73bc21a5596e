//! Changes of the room: proposals that wait, and commits (protocol, section 5.3).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Keys, Refusal, Room, UpdateRefusal,
    answered::{self, Answer, Endpoint},
    draft::Draft,
    floods::Door,
    omitted::Opened,
    propose::Reissued,
    proposed::{self, Owned, Who},
    record::Record,
    room::{self, Change},
};
use crate::{
    codec::Wire,
    delivery::{
        CheckedProposals, CommitBundle, Committer, GroupInfoForm, KeyPackageRef, LeafIndex,
        OpenCommit, ProposalRef, ProposalView, Sender, StagedCommit, TreeForm,
    },
    env::{Crypto, Env, Peer, Timestamp},
    machine::Step,
    policy::{self, Claims, JoinCode, Proposed, RoleIndex, View},
    uri::{Domain, ProviderUri, UserUri},
    wire::{
        self, ErrorDescription, FanoutEvent, FanoutMessage, GroupInfoOption, HandshakeBundle,
        HttpsUrl, PublicMessage, RatchetTree, RatchetTreeOption, RatchetTreeSourceDomains,
        UpdateOutcome, UpdateRequest, UpdateRoomResponse, Welcome,
    },
};

/// A commit's bundle as it came.
struct CommitParts {
    commit: PublicMessage,
    welcome: Option<Welcome>,
    group_info: GroupInfoOption,
    ratchet_tree: RatchetTreeOption,
}

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

    fn authenticate(&self, peer: &Peer, user: &UserUri) -> Result<(), UpdateRefusal> {
        if self.speaks_for(peer, user) { Ok(()) } else { Err(UpdateRefusal::Peer) }
    }

    /// P-105, P-106: whoever was removed or banned may only leave.
    pub(super) fn unless_blocked(&self, user: &UserUri) -> Result<(), UpdateRefusal> {
        let role = self.effective().role(user);
        let removed = role == RoleIndex::NONE && self.committed.role(user) != RoleIndex::NONE;
        if removed || role == RoleIndex::BANNED || self.is_blocked(user) {
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
        for pending in
            self.group.pending().filter(|pending| !checked.lapsed().contains(&pending.reference))
        {
            waiting_names.push(pending.reference.clone());
            waiting.push(people.read(pending.sender, &pending.content)?);
        }
        let waiting: Vec<Proposed<'_>> = waiting.iter().map(Owned::borrow).collect();
        let queue = room::queue(&waiting, !checked.lapsed().is_empty());
        let verdict = policy::judge_proposals(self.view(), queue, &bundle).map_err(|denied| {
            let proposal = denied.index.and_then(|index| names.get(index)).cloned();
            UpdateRefusal::Denied { denied: Box::new(denied), proposal }
        })?;
        if self.lacks_parent(verdict.unverified) {
            return Err(UpdateRefusal::Parent);
        }
        let contents = checked.proposals().iter().map(|proposal| &proposal.content);
        self.proposals_within_envelope(contents, &verdict)?;
        let lapsed: Vec<ProposalRef> =
            verdict.lapsed.iter().filter_map(|place| waiting_names.get(*place)).cloned().collect();
        let staged = self.group.stage(checked, &lapsed, accepted);
        Ok(Change::Proposals(Box::new(staged), Box::new(verdict)))
    }

    fn take_commit<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        draft: &mut Draft,
        accepted: Timestamp,
        opened: Opened,
        parts: CommitParts,
    ) -> Result<Change, UpdateRefusal> {
        let Opened { commit: open, effective } = opened;
        let committer = self.committer(env, peer, &open)?;
        let view = View::new(&self.committed, effective.as_ref().unwrap_or(self.effective()));
        let (verdict, code) = self.judge_commit_with_code(env, &open, &committer, view)?;
        if self.lacks_parent(verdict.unverified) {
            return Err(UpdateRefusal::Parent);
        }
        self.commit_within_envelope(&open, &verdict)?;

        let changes = verdict.components(&self.committed);
        self.commit_fits(&changes)?;
        let changes = changes.into_iter().map(|(id, data)| (id.0, data)).collect();
        if let RatchetTreeOption::HttpsUri(url) = &parts.ratchet_tree {
            self.may_fetch_tree(url)?;
        }
        let partial_group_info = match &parts.group_info {
            GroupInfoOption::Full(_) => Vec::new(),
            GroupInfoOption::Partial(partial) => partial.encode(),
        };
        let bundle = CommitBundle {
            welcome: parts.welcome.as_ref().map(Welcome::as_bytes),
            group_info: match &parts.group_info {
                GroupInfoOption::Full(group_info) => GroupInfoForm::Full(group_info.as_bytes()),
                GroupInfoOption::Partial(_) => GroupInfoForm::Partial(&partial_group_info),
            },
            ratchet_tree: match &parts.ratchet_tree {
                RatchetTreeOption::Full(tree) => TreeForm::Full(tree.as_bytes()),
                RatchetTreeOption::HttpsUri(url) => TreeForm::HttpsUri(url.as_str().as_bytes()),
                RatchetTreeOption::OutOfBand => TreeForm::OutOfBand,
                RatchetTreeOption::DistributionService => TreeForm::DistributionService,
            },
        };
        let mut staged = open.resolve(&self.group, env.crypto, changes, &bundle)?;
        let leaves = leaves(&staged)?;
        let welcomed = self.welcomed(env, &staged, draft)?;
        self.unblock(&verdict, &leaves, draft);
        let past = self.past_epochs(&staged);
        if past != self.past {
            draft.put(Record::Past(past));
        }
        draft.follow_links(self, &verdict, env.now);
        if let Some(code) = code {
            draft.use_code(self, &code, env.now);
        }

        let joins = matches!(committer, Who::Joiner(_));
        let voids = joins || effective.is_some();
        let Reissued { messages, effective } =
            self.follow_up(env, &mut staged, &leaves, &verdict, voids, draft, accepted)?;
        let (stapled, apart) = if joins { (messages, Vec::new()) } else { (Vec::new(), messages) };

        let mut audience = self.providers_of_leaves();
        if let Committer::Joiner { node, .. } = staged.committer() {
            draft.forget_joiner(node.signature_key.clone());
            audience.insert(proposed::user(&node.credential)?.domain());
        }
        let ratchet_tree = parts.welcome.is_some().then(|| staged.ratchet_tree(&self.group));
        let event = FanoutEvent::Commit { commit: parts.commit, external_proposals: stapled };
        draft.event(self, &audience, &FanoutMessage { timestamp: accepted, event }.encode());
        if let (Some(welcome), Some(tree)) = (parts.welcome, ratchet_tree) {
            let ratchet_tree = RatchetTreeOption::Full(RatchetTree::decode(&tree)?);
            let event = FanoutEvent::Welcome { welcome, ratchet_tree };
            draft.event(self, &welcomed, &FanoutMessage { timestamp: accepted, event }.encode());
        }
        let mut apart = apart.into_iter();
        if let Some(first) = apart.next() {
            let event = FanoutEvent::Proposals { first, more: apart.collect() };
            let members = next_leaves(&self.leaves, &leaves);
            let audience = members.values().map(UserUri::domain).collect();
            draft.event(self, &audience, &FanoutMessage { timestamp: accepted, event }.encode());
        }
        Ok(Change::Commit(Box::new(staged), Box::new(verdict), leaves, effective.map(Box::new)))
    }

    /// T-006, D-27: where the group says which domains have its ratchet tree, no other is named. The hub does not fetch
    /// it: it has its own, and gives that to whoever joins.
    fn may_fetch_tree(&self, url: &HttpsUrl) -> Result<(), UpdateRefusal> {
        let Some(data) = self.group.extension(RatchetTreeSourceDomains::EXTENSION) else {
            return Ok(());
        };
        match RatchetTreeSourceDomains::decode(data) {
            Ok(domains) if domains.allows(url) => Ok(()),
            Ok(_) | Err(_) => Err(UpdateRefusal::TreeSource),
        }
    }

    /// Who commits, if this peer speaks for them, and they may still speak.
    fn committer<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        open: &OpenCommit,
    ) -> Result<Who, UpdateRefusal> {
        match open.committer() {
            Committer::Member(leaf) => {
                let user = self.people().leaf(*leaf)?.clone();
                self.authenticate(peer, &user)?;
                self.unless_blocked(&user)?;
                Ok(Who::User(user))
            }
            Committer::Joiner { node, .. } => {
                let user = proposed::user(&node.credential)?;
                self.authenticate(peer, &user)?;
                self.unless_blocked(&user)?;
                let asked = self.joiners.find(&node.signature_key, env.now);
                if asked.is_none_or(|joiner| joiner.user != user) {
                    return Err(UpdateRefusal::UnknownJoiner);
                }
                Ok(Who::Joiner(user))
            }
        }
    }

    pub(super) fn judge_commit(
        &self,
        open: &OpenCommit,
        committer: &Who,
        view: View<'_>,
        code: JoinCode,
    ) -> Result<policy::Verdict, UpdateRefusal> {
        let people = self.people();
        let external = matches!(committer, Who::Joiner(_));
        let mut resync = false;
        let mut proposals = Vec::new();
        for proposal in open.proposals() {
            let owned = match (&proposal.reference, &proposal.content) {
                (Some(_), content) => people.read(proposal.sender, content)?,
                (None, ProposalView::ExternalInit) if external => continue,
                (None, ProposalView::Remove(_)) if external => {
                    resync = true;
                    continue;
                }
                (None, content) => people.read_as(committer.clone(), content)?,
            };
            proposals.push((owned, proposal.reference.clone()));
        }
        let committed: Vec<_> =
            proposals.iter().map(|(owned, name)| owned.committed(name.is_some())).collect();
        let by = match committer {
            Who::Joiner(user) => policy::Committer::Joiner {
                user,
                claims: Claims::BASIC,
                pseudonym: false,
                resync,
                code,
            },
            Who::User(user) => policy::Committer::Member { user, pseudonym: false },
            Who::Server(_) => return Err(UpdateRefusal::Peer),
        };
        policy::judge_commit(view, by, &committed).map_err(|denied| {
            let proposal = denied
                .index
                .and_then(|index| proposals.get(index))
                .and_then(|(_, name)| name.clone());
            UpdateRefusal::Denied { denied: Box::new(denied), proposal }
        })
    }

    /// The providers that get the Welcome: those of the KeyPackages that the commit adds (P-010, P-162, Q-29).
    fn welcomed<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        staged: &StagedCommit,
        draft: &mut Draft,
    ) -> Result<BTreeSet<Domain>, UpdateRefusal> {
        let mut providers = BTreeSet::new();
        for (key_package, _, leaf) in staged.added() {
            match self.claims.find(&key_package.0, env.now) {
                Some(claim) => {
                    draft.forget_claim(key_package.0.clone());
                    providers.insert(claim.provider.clone());
                }
                None => {
                    providers.insert(proposed::user(&leaf.credential)?.domain());
                }
            }
        }
        Ok(providers)
    }
}

/// The messages of a bundle.
fn messages(bundle: &HandshakeBundle) -> Vec<&PublicMessage> {
    match bundle {
        HandshakeBundle::Proposals { first, more } => std::iter::once(first).chain(more).collect(),
        HandshakeBundle::Commit { commit, .. } => vec![commit],
    }
}

/// What becomes of the leaves by a commit: `None` goes.
fn leaves(staged: &StagedCommit) -> Result<BTreeMap<LeafIndex, Option<UserUri>>, UpdateRefusal> {
    let mut leaves: BTreeMap<LeafIndex, Option<UserUri>> =
        staged.removed().iter().map(|(leaf, _)| (*leaf, None)).collect();
    for (_, leaf, node) in staged.added() {
        leaves.insert(leaf, Some(proposed::user(&node.credential)?));
    }
    if let Committer::Joiner { leaf, node } = staged.committer() {
        leaves.insert(*leaf, Some(proposed::user(&node.credential)?));
    }
    Ok(leaves)
}

/// Whom the leaves of the next epoch belong to.
pub(super) fn next_leaves(
    now: &BTreeMap<LeafIndex, UserUri>,
    change: &BTreeMap<LeafIndex, Option<UserUri>>,
) -> BTreeMap<LeafIndex, UserUri> {
    let mut next = now.clone();
    for (leaf, user) in change {
        match user {
            Some(user) => next.insert(*leaf, user.clone()),
            None => next.remove(leaf),
        };
    }
    next
}

impl From<crate::delivery::CommitRefusal> for UpdateRefusal {
    fn from(refusal: crate::delivery::CommitRefusal) -> Self {
        if let crate::delivery::CommitRefusal::WrongEpoch { current } = refusal {
            Self::WrongEpoch { current }
        } else {
            Self::Commit(refusal)
        }
    }
}
