//! A commit that is accepted but for the saving.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use openmls_traits::{crypto::OpenMlsCrypto, signatures::Signer, types::Ciphersuite};

use super::{
    Group, Writes,
    admission::Knowledge,
    commit::{CommitBundle, OpenCommit, Outcome, TreeForm},
    context::{Context, RawExtension, extension, write_external_senders},
    engine::{Diff, Engine, EngineFault},
    external,
    frame::{Body, FrameSender, read_frame},
    group_info::{Expected, Info, check_welcome},
    propose::{CheckedProposal, ExternalProposal, Pending, Queued, Waiting},
    records::{self, Head},
    refusal::{CommitRefusal, Conflict, ProposalFault, ProposeError},
    roster::{Roster, RosterChange},
    rules::{Court, Draft},
    view::{
        CommittedProposal, Committer, ComponentOperation, Credential, ExternalSender,
        KeyPackageRef, Leaf, LeafIndex, ProposalView, Sender,
    },
};
use crate::env::Timestamp;

/// A commit ready to be accepted, in memory and on disk.
#[derive(Debug)]
#[must_use = "the group stays in its epoch until this is saved and accepted"]
pub struct StagedCommit {
    from_epoch: u64,
    committer: Committer,
    proposals: Vec<CommittedProposal>,
    path: Option<Leaf>,
    outcome: Outcome,
    diff: Diff,
    /// The members of the old epoch.
    roster: Arc<Roster>,
    mergeable: BTreeSet<u16>,
    context: Context,
    context_octets: Vec<u8>,
    senders: Vec<ExternalSender>,
    info: Info,
    group_info: Vec<u8>,
    tree: OnceCell<Vec<u8>>,
    /// Proposals of this server that wait in the new epoch, and what they look like from outside.
    waiting: Vec<Waiting>,
    head: Head,
    writes: Writes,
}

/// What [`OpenCommit::resolve`] does.
pub(super) fn stage(
    open: OpenCommit,
    group: &Group,
    crypto: &impl OpenMlsCrypto,
    changes: &BTreeMap<u16, Option<Vec<u8>>>,
    bundle: &CommitBundle<'_>,
) -> Result<StagedCommit, CommitRefusal> {
    if open.epoch != group.context.epoch {
        return Err(CommitRefusal::WrongEpoch { current: group.context.epoch });
    }
    check_changes(&open, changes)?;
    let OpenCommit { epoch, committer, proposals, path, opened, outcome, confirmation_tag } = open;
    let added = outcome.added.iter().map(|(name, ..)| name);
    check_welcome(bundle.welcome, group.context.ciphersuite, added)
        .map_err(CommitRefusal::Welcome)?;
    let mut diff = group.engine.stage(crypto, opened, changes).map_err(|fault| match fault {
        EngineFault::Signature => CommitRefusal::Signature,
        EngineFault::Other => CommitRefusal::Engine,
    })?;
    diff.forget_proposals();
    let context_octets = diff.context();
    let context = Context::decode(&context_octets)?;
    if !leads_to(&group.context, &proposals, changes, &context) {
        return Err(CommitRefusal::Engine);
    }
    check_knowledge(group, &outcome, &context)?;
    let ciphersuite =
        Ciphersuite::try_from(context.ciphersuite).map_err(|_| CommitRefusal::Engine)?;
    let expected = Expected {
        context: &context_octets,
        confirmation_tag: &confirmation_tag,
        signer: outcome.signer,
        signature_key: &outcome.signature_key,
    };
    let info = Info::rebuild(crypto, ciphersuite, bundle.group_info, &expected)
        .map_err(CommitRefusal::GroupInfo)?;
    let senders = context.external_senders()?;
    let (writes, head) = group.commit_writes(&diff, &context, &info);
    let staged = StagedCommit {
        from_epoch: epoch,
        committer,
        proposals,
        path,
        outcome,
        diff,
        roster: Arc::clone(&group.roster),
        mergeable: group.config.mergeable.clone(),
        group_info: info.encode(&context_octets),
        context,
        context_octets,
        senders,
        info,
        tree: OnceCell::new(),
        waiting: Vec::new(),
        head,
        writes,
    };
    if let TreeForm::Full(tree) = bundle.ratchet_tree
        && tree != staged.tree(group)
    {
        return Err(CommitRefusal::Tree);
    }
    Ok(staged)
}

/// The application has to compute exactly the components that the commit updates, and to remove those it removes.
fn check_changes(
    open: &OpenCommit,
    changes: &BTreeMap<u16, Option<Vec<u8>>>,
) -> Result<(), CommitRefusal> {
    let mut updated = BTreeSet::new();
    for (component, operation, _) in open.component_updates() {
        let computed = match (operation, changes.get(&component)) {
            (ComponentOperation::Update(_), Some(Some(_)))
            | (ComponentOperation::Remove, Some(None)) => true,
            (ComponentOperation::Update(_) | ComponentOperation::Remove, _) => false,
        };
        if !computed {
            return Err(CommitRefusal::Components(component));
        }
        updated.insert(component);
    }
    match changes.keys().find(|component| !updated.contains(component)) {
        Some(component) => Err(CommitRefusal::Components(*component)),
        None => Ok(()),
    }
}

/// Whether `new` is what the proposals make of `old`: the engine's own answer, counted again.
fn leads_to(
    old: &Context,
    proposals: &[CommittedProposal],
    changes: &BTreeMap<u16, Option<Vec<u8>>>,
    new: &Context,
) -> bool {
    let changed = proposals.iter().find_map(|it| match &it.content {
        ProposalView::GroupContextExtensions(change) => Some(change),
        ProposalView::Add { .. }
        | ProposalView::Update { .. }
        | ProposalView::Remove(_)
        | ProposalView::SelfRemove
        | ProposalView::AppDataUpdate { .. }
        | ProposalView::ExternalInit => None,
    });
    let senders = changed.map(|change| {
        let mut octets = Vec::new();
        write_external_senders(&change.external_senders, &mut octets);
        octets
    });
    let same_extension = |(old, new): (&RawExtension, &RawExtension)| match &senders {
        Some(senders) if old.0 == extension::EXTERNAL_SENDERS => {
            new.0 == old.0 && new.1 == *senders
        }
        Some(_) | None => old == new,
    };
    let component = |component: &u16| match changes.get(component) {
        Some(change) => change.as_deref(),
        None => old.component(*component),
    };
    let same_components = old
        .components
        .keys()
        .chain(changes.keys())
        .chain(new.components.keys())
        .all(|it| component(it) == new.component(*it));
    old.epoch.checked_add(1) == Some(new.epoch)
        && old.group_id == new.group_id
        && old.ciphersuite == new.ciphersuite
        && old.dictionary_last == new.dictionary_last
        && old.extensions.len() == new.extensions.len()
        && old.extensions.iter().zip(&new.extensions).all(same_extension)
        && same_components
}

/// Whoever is in the new tree knows what the new components require: all members what is newly required, and those
/// whose leaf is new all of it (E-012, E-061, E-087).
fn check_knowledge(
    group: &Group,
    outcome: &Outcome,
    context: &Context,
) -> Result<(), CommitRefusal> {
    let knowledge = Knowledge::of(context);
    let RosterChange { removed, put } = &outcome.change;
    let beyond = knowledge.beyond(&Knowledge::of(&group.context));
    let stays = |leaf: &LeafIndex| !removed.contains(leaf) && !put.contains_key(leaf);
    // Most commits require nothing new: nobody's leaf is looked at then.
    let old = (!beyond.is_empty()).then(|| group.roster.iter()).into_iter().flatten();
    let old = old.filter(|(leaf, _)| stays(leaf));
    let missing = put
        .iter()
        .map(|(leaf, entry)| (*leaf, knowledge.missing(entry)))
        .chain(old.map(|(leaf, entry)| (leaf, beyond.missing(entry))))
        .find_map(|(leaf, component)| component.map(|component| (leaf, component)));
    match missing {
        Some((leaf, component)) => Err(CommitRefusal::Unsupported { leaf, component }),
        None => Ok(()),
    }
}

impl StagedCommit {
    /// The epoch that it leads to.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.context.epoch
    }

    /// Who made it.
    #[must_use]
    pub fn committer(&self) -> &Committer {
        &self.committer
    }

    /// Its proposals, in its order.
    #[must_use]
    pub fn proposals(&self) -> &[CommittedProposal] {
        &self.proposals
    }

    /// The clients that it adds, with their KeyPackages' names and the leaves they get.
    pub fn added(&self) -> impl Iterator<Item = (&KeyPackageRef, LeafIndex, &Leaf)> {
        self.outcome.added.iter().map(|(name, index, leaf)| (name, *index, leaf))
    }

    /// The members that it removes, with the credentials they had.
    #[must_use]
    pub fn removed(&self) -> &[(LeafIndex, Credential)] {
        &self.outcome.removed
    }

    /// The leaf of the update path, if it has one.
    #[must_use]
    pub fn path(&self) -> Option<&Leaf> {
        self.path.as_ref()
    }

    /// The components of the GroupContext that it leads to.
    #[must_use]
    pub fn components(&self) -> &BTreeMap<u16, Vec<u8>> {
        &self.context.components
    }

    /// The external senders of the new epoch.
    #[must_use]
    pub fn external_senders(&self) -> &[ExternalSender] {
        &self.senders
    }

    /// The GroupContext that it leads to.
    #[must_use]
    pub fn group_context(&self) -> &[u8] {
        &self.context_octets
    }

    /// The bare GroupInfo of the new epoch.
    #[must_use]
    pub fn group_info(&self) -> &[u8] {
        &self.group_info
    }

    /// The tree hash of the new epoch.
    #[must_use]
    pub fn tree_hash(&self) -> &[u8] {
        &self.context.tree_hash
    }

    /// The ratchet tree of the new epoch, for those that the Welcome is for. Takes time in proportion to the group.
    #[must_use]
    pub fn ratchet_tree(&self, group: &Group) -> Vec<u8> {
        self.tree(group).to_vec()
    }

    fn tree(&self, group: &Group) -> &[u8] {
        self.tree.get_or_init(|| {
            let (at, rest) = self.diff.encode();
            let copy = Engine::load(&group.context.group_id, group.engine.parts())
                .zip(Diff::decode(at, &rest, &self.context_octets));
            let (mut engine, diff) = copy.expect("the engine reads what it has written");
            engine.merge(diff);
            engine.ratchet_tree()
        })
    }

    /// Makes proposals of this server itself for the *new* epoch, and queues them there in the same acceptance
    /// . Returns them, in order.
    ///
    /// # Errors
    /// If the signer is not the external sender at `sender` of the new epoch, fails, or a proposal could not be
    /// committed. Nothing is queued then.
    pub fn propose_as(
        &mut self,
        crypto: &impl OpenMlsCrypto,
        signer: &impl Signer,
        sender: u32,
        proposals: &[ExternalProposal],
        accepted_at: Timestamp,
    ) -> Result<Vec<Pending>, ProposeError> {
        if usize::try_from(sender).map_or(true, |sender| sender >= self.senders.len()) {
            return Err(ProposeError::NotASender(sender));
        }
        let mut roster = Roster::clone(&self.roster);
        roster.apply(self.outcome.change.clone());
        let court = Court { context: &self.context, roster: &roster, now: accepted_at };
        let mut waiting = self.waiting.clone();
        for (index, proposal) in proposals.iter().enumerate() {
            let message = external::frame(&self.context, signer, sender, proposal)?;
            let number = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
            self.check_own(crypto, court, message)
                .and_then(|(checked, queued)| {
                    waiting.push(Waiting::new(number, checked, queued, accepted_at));
                    check_together(court, &self.mergeable, &waiting)
                })
                .map_err(|fault| ProposeError::Refused { index, fault })?;
        }
        let fresh = waiting.split_off(self.waiting.len());
        for waiting in &fresh {
            let (key, record) = records::pending(waiting);
            // A proposal of the old epoch may be deleted under the same key.
            match self.writes.iter_mut().find(|(other, _)| *other == key) {
                Some((_, old)) => *old = record,
                None => self.writes.push((key, record)),
            }
        }
        let pending = fresh.iter().map(|waiting| waiting.pending.clone()).collect();
        self.waiting.extend(fresh);
        Ok(pending)
    }

    /// Checks a proposal of this server as it would be checked if it came from outside, in the new epoch.
    fn check_own(
        &self,
        crypto: &impl OpenMlsCrypto,
        court: Court<'_>,
        message: Vec<u8>,
    ) -> Result<(CheckedProposal, Queued), ProposalFault> {
        let frame = read_frame(&message)?;
        let (FrameSender::External(sender), Body::Proposal(raw)) = (frame.sender, &frame.body)
        else {
            return Err(ProposalFault::Sender);
        };
        let sender = Sender::External(sender);
        let good = court.judge(crypto, sender, raw)?;
        let verified = Engine::verify_external(crypto, &self.context, &frame)?;
        let checked =
            CheckedProposal { reference: verified.reference(), sender, content: good.view };
        let queued = Queued { raw: raw.clone(), entry: good.entry, verified, message };
        Ok((checked, queued))
    }

    /// What will be pending in the new epoch: the proposals of [`StagedCommit::propose_as`].
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.waiting.iter().map(|waiting| &waiting.pending)
    }

    /// What to save before it is accepted.
    #[must_use]
    pub fn writes(&self) -> &Writes {
        &self.writes
    }
}

/// Whether proposals can stand in one commit, none of them lapsing.
fn check_together(
    court: Court<'_>,
    mergeable: &BTreeSet<u16>,
    waiting: &[Waiting],
) -> Result<(), ProposalFault> {
    let mut draft = Draft::new(court, mergeable, false);
    for (number, it) in waiting.iter().enumerate() {
        let lapsed = draft.enter(number, it.pending.sender, &it.raw, it.entry.as_ref())?;
        if !lapsed.is_empty() {
            return Err(ProposalFault::Conflict(Conflict::Leaving));
        }
    }
    Ok(())
}

impl Group {
    /// Takes the group into its next epoch. Cannot fail.
    ///
    /// # Panics
    /// If the commit was staged in another epoch: a fault of our caller that would fork the group.
    pub fn accept_commit(&mut self, staged: StagedCommit) {
        assert_eq!(
            staged.from_epoch, self.context.epoch,
            "a commit is accepted where it was staged"
        );
        self.engine.merge(staged.diff);
        self.context = staged.context;
        self.context_octets = staged.context_octets;
        self.senders = staged.senders;
        drop(staged.roster);
        Arc::make_mut(&mut self.roster).apply(staged.outcome.change);
        self.info = staged.info;
        self.head = staged.head;
        self.waiting.clear();
        self.enqueue(staged.waiting);
    }
}
