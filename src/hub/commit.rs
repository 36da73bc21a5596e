//! Commits: who makes one, whether it may be, and what follows from it (protocol, section 5.3).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Keys, Room, UpdateRefusal,
    draft::Draft,
    follow_up::Reissued,
    omitted::Opened,
    proposed::{self, Who},
    record::Record,
    room::Change,
};
use crate::{
    codec::Wire,
    delivery::{
        CommitBundle, Committer, GroupInfoForm, LeafIndex, OpenCommit, ProposalView, StagedCommit,
        TreeForm,
    },
    env::{Crypto, Env, Peer, Timestamp},
    policy::{self, Claims, JoinCode, View},
    uri::{Domain, UserUri},
    wire::{
        FanoutEvent, FanoutMessage, GroupInfoOption, PublicMessage, RatchetTreeOption, Welcome,
    },
};

/// A commit's bundle as it came.
pub(super) struct CommitParts {
    pub(super) commit: PublicMessage,
    pub(super) welcome: Option<Welcome>,
    pub(super) group_info: GroupInfoOption,
    pub(super) ratchet_tree: RatchetTreeOption,
}

impl Room {
    /// Takes an open commit.
    pub(super) fn take_commit<C: Crypto>(
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
        let view =
            View { effective: effective.as_ref().unwrap_or(self.effective()), ..self.view() };
        let (verdict, code) = self.judge_commit_with_code(env, &open, &committer, view)?;
        if self.lacks_parent(verdict.unverified) {
            return Err(UpdateRefusal::Parent);
        }
        self.leaves_of_commit_fit(&open, view)?;
        self.commit_within_envelope(&open, &verdict)?;

        let changes = verdict.components(&self.committed);
        self.commit_fits(&changes)?;
        let changes = changes.into_iter().map(|(id, data)| (id.0, data)).collect();
        // The hub does not fetch it: it has its own, and gives that to whoever joins.
        if let RatchetTreeOption::HttpsUri(url) = &parts.ratchet_tree
            && !self.may_have_tree_at(url)
        {
            return Err(UpdateRefusal::TreeSource);
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
        let event = FanoutEvent::Commit { commit: parts.commit, external_proposals: stapled };
        draft.event(self, &audience, &FanoutMessage { timestamp: accepted, event }.encode());
        if let Some(welcome) = parts.welcome {
            let tree = || staged.ratchet_tree(&self.group);
            let ratchet_tree = self.convey_tree(env.now, staged.tree_hash(), tree, draft);
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
