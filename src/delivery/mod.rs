//! The MLS delivery service: a group as a server sees it, with two operations, *propose* and *commit*.
//!
//! It is generic (S-53 … S-62): it knows members, proposals, commits and epochs, and nothing of rooms, users or
//! policy. An application above it (here `hub::Room`) is asked for a verdict and for the new component data, between
//! the check and the acceptance:
//!
//! ```text
//! propose   Group::check_proposals ─▶ CheckedProposals ─ the application judges ─▶ Group::stage ─▶ StagedProposals
//! commit    Group::open_commit ─▶ OpenCommit ─ the application computes components ─▶ OpenCommit::resolve ─▶ StagedCommit
//! ```
//!
//! Both end in a staged value: it shows what to save (`writes`), and is accepted without a way to fail
//! ([`Group::accept_proposals`], [`Group::accept_commit`]), or dropped, which leaves no trace. Checks are on `&self`.
//!
//! What MLS leaves to a delivery service, and its engine does not check, is checked here: the commit that everybody
//! could merge but one rule forbids, the proposal that nobody could commit, the GroupInfo that nobody could join
//! with. Proposals that exclude each other are refused or lapse when they are *queued* (Q-79), so that the next
//! commit can hold all that is pending, and has to.
//!
//! # What no server can check
//!
//! * Whether the secrets in an UpdatePath, and the `external_pub` in a GroupInfo, are what they should be (D-51, T-014).
//!   A member that cannot follow a commit says so to its user, and joins again from outside.
//! * The `membership_tag` of a member's message. Members drop a proposal with a wrong one, so their commits lack it
//!   (D-5C). A commit with a wrong one is accepted here and refused by every member (D-51): they stay in the epoch
//!   before it, and join again from outside.
//! * The same of a SelfRemove, which an external joiner has to commit: hub and joiner are then in an epoch that no
//!   member reaches (D-5D). The members join again from outside; the sender's leaf is gone, and its return refused.
//!
//! External commits and the proposals of servers are public messages, so every provider sees who joins and whom a
//! server removes (Q-57).

mod admission;
mod commit;
pub(crate) mod context;
mod engine;
pub(crate) mod external;
mod frame;
mod group_info;
mod ledger;
mod listed;
mod patch;
mod propose;
mod records;
mod refusal;
mod roster;
mod rules;
mod shelf;
mod staged;
mod view;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use openmls_traits::{crypto::OpenMlsCrypto, types::Ciphersuite};

use self::{
    admission::{Knowledge, Required, admit},
    context::{Context, extension},
    engine::Engine,
    frame::{Body, RawOrRef, RawProposal, key_package_ref, read_frame},
    group_info::Info,
    propose::Waiting,
    records::Head,
    roster::{Entry, Roster},
};
pub use self::{
    commit::{CommitBundle, GroupInfoForm, OpenCommit, TreeForm},
    group_info::welcome_refs,
    propose::{CheckedProposal, CheckedProposals, ExternalProposal, Pending, StagedProposals},
    refusal::{
        CommitRefusal, Conflict, ExternalFault, FoundRefusal, GroupInfoFault, LeafFault,
        ProposalFault, ProposalRefusal, ProposeError, RefusedProposal, WelcomeFault,
    },
    staged::StagedCommit,
    view::{
        Capabilities, CommittedProposal, Committer, ComponentOperation, Credential,
        ExtensionsChange, ExternalSender, KeyPackageRef, Leaf, LeafIndex, Member, ProposalRef,
        ProposalView, Sender,
    },
};
use crate::{codec::Reader, env::Timestamp, machine::Key};

/// What differs between the uses of a group. Not part of its records: give the same to [`Group::restore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Components whose updates accumulate: several may be pending, and stand in one commit. For all others the
    /// second one is refused (Q-79).
    pub mergeable: BTreeSet<u16>,
    /// Proposals that may be pending.
    pub pending: usize,
    /// Proposals in one bundle.
    pub bundle: usize,
}

/// Records to be put (`Some`) or deleted (`None`). All keys have a kind in [`Group::KINDS`].
pub type Writes = Vec<(Key, Option<Vec<u8>>)>;

/// A group of which this server is the delivery service.
#[derive(Debug)]
pub struct Group {
    config: Config,
    engine: Engine,
    context: Context,
    /// The octets of `context`.
    context_octets: Vec<u8>,
    /// The external senders in `context`.
    senders: Vec<ExternalSender>,
    /// The leaves of the engine's tree. A staged commit holds on to it, until it is accepted or dropped.
    roster: Arc<Roster>,
    /// The engine's queue, which it shows to nobody.
    waiting: Vec<Waiting>,
    info: Info,
    head: Head,
}

impl Group {
    /// The record kinds of a group, first and last; the machine around it uses others.
    pub const KINDS: std::ops::RangeInclusive<u8> = 0x10..=0x2F;

    /// Takes up a group that its creator has made: verifies the GroupInfo (bare, as a commit's bundle carries it)
    /// and the ratchet tree (`optional<Node> ratchet_tree<V>`).
    ///
    /// # Errors
    /// If they are not those of a valid group that this service can serve to the end.
    pub fn found(
        crypto: &impl OpenMlsCrypto,
        now: Timestamp,
        group_info: &[u8],
        ratchet_tree: &[u8],
        config: &Config,
    ) -> Result<Self, FoundRefusal> {
        let context = Context::read(&mut Reader::new(group_info))?;
        let context_octets = context.encode();
        let info = Info::of(group_info, &context_octets).map_err(|fault| match fault {
            GroupInfoFault::Malformed(error) => FoundRefusal::Malformed(error),
            GroupInfoFault::EmbeddedTree => FoundRefusal::EmbeddedTree,
            GroupInfoFault::TreePresence(_)
            | GroupInfoFault::Differs
            | GroupInfoFault::Signature => FoundRefusal::Invalid,
        })?;
        check_context(&context)?;
        let senders = context.external_senders()?;
        if senders.is_empty() {
            return Err(FoundRefusal::NoExternalSenders);
        }
        let engine =
            Engine::import(crypto, group_info, ratchet_tree).ok_or(FoundRefusal::Invalid)?;
        if engine.context() != context_octets {
            return Err(FoundRefusal::Invalid);
        }
        let roster = check_leaves(&engine, &context, now)?;
        let mut group = Self {
            config: config.clone(),
            engine,
            context,
            context_octets,
            senders,
            roster: Arc::new(roster),
            waiting: Vec::new(),
            info,
            head: Head::default(),
        };
        group.head = group.founding_head();
        Ok(group)
    }

    /// The group's identifier.
    #[must_use]
    pub fn group_id(&self) -> &[u8] {
        &self.context.group_id
    }

    /// The epoch the group is in.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.context.epoch
    }

    /// The code of the group's ciphersuite.
    #[must_use]
    pub fn ciphersuite(&self) -> u16 {
        self.context.ciphersuite
    }

    /// The GroupContext of this epoch, as every member has it.
    #[must_use]
    pub fn group_context(&self) -> &[u8] {
        &self.context_octets
    }

    /// All members, by leaf.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.roster.members()
    }

    /// The types of the extensions in the GroupContext.
    pub fn extension_types(&self) -> impl Iterator<Item = u16> {
        let dictionary = self.context.dictionary_last.then_some(extension::APP_DATA_DICTIONARY);
        self.context.extensions.iter().map(|(kind, _)| *kind).chain(dictionary)
    }

    /// What stands in each leaf. Takes time in proportion to the group: [`Group::members`] does not.
    pub fn leaves(&self) -> impl Iterator<Item = (LeafIndex, Leaf)> {
        self.engine.leaves().filter_map(|(index, raw)| Some((index, raw?.leaf)))
    }

    /// The member at a leaf.
    #[must_use]
    pub fn member(&self, leaf: LeafIndex) -> Option<Member<'_>> {
        self.roster.member(leaf)
    }

    /// The member that signs with this key.
    #[must_use]
    pub fn member_by_key(&self, signature_key: &[u8]) -> Option<Member<'_>> {
        self.member(self.roster.by_signature_key(signature_key)?)
    }

    /// A component of the GroupContext, verbatim.
    #[must_use]
    pub fn component(&self, component: u16) -> Option<&[u8]> {
        self.context.component(component)
    }

    /// All components of the GroupContext, verbatim.
    #[must_use]
    pub fn components(&self) -> &BTreeMap<u16, Vec<u8>> {
        &self.context.components
    }

    /// The data of an extension of the GroupContext, verbatim.
    #[must_use]
    pub fn extension(&self, kind: u16) -> Option<&[u8]> {
        self.context.extension(kind)
    }

    /// The servers that may propose, by index.
    #[must_use]
    pub fn external_senders(&self) -> &[ExternalSender] {
        &self.senders
    }

    /// The GroupInfo of this epoch, bare: signed by the last committer, without the ratchet tree.
    #[must_use]
    pub fn group_info(&self) -> Vec<u8> {
        self.info.encode(&self.context_octets)
    }

    /// The tree hash of this epoch.
    #[must_use]
    pub fn tree_hash(&self) -> &[u8] {
        &self.context.tree_hash
    }

    /// The ratchet tree of this epoch: `optional<Node> ratchet_tree<V>`. Takes time in proportion to the group.
    #[must_use]
    pub fn ratchet_tree(&self) -> Vec<u8> {
        self.engine.ratchet_tree()
    }

    /// Those pending Adds whose KeyPackage has expired. No commit can hold them, so none has to; let them lapse
    /// with [`Group::stage_lapse`].
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = &ProposalRef> {
        let expired = self.waiting.iter().filter(move |waiting| waiting.is_expired(now));
        expired.map(|waiting| &waiting.pending.reference)
    }

    /// The first time after `after` that a pending Add's KeyPackage has expired.
    #[must_use]
    pub fn next_expiry(&self, after: Timestamp) -> Option<Timestamp> {
        self.waiting.iter().filter_map(Waiting::expires_at).filter(|at| *at > after).min()
    }

    /// The names of the KeyPackages that a message of this group adds clients from. Nothing else of the message is
    /// looked at; of one that is no proposal or commit there are none.
    #[must_use]
    pub fn key_packages(&self, crypto: &impl OpenMlsCrypto, message: &[u8]) -> Vec<KeyPackageRef> {
        let Ok(ciphersuite) = Ciphersuite::try_from(self.context.ciphersuite) else {
            return Vec::new();
        };
        let name = |proposal: &RawProposal| match proposal {
            RawProposal::Add { key_package, .. } => {
                key_package_ref(crypto, ciphersuite, key_package)
            }
            RawProposal::Update(_)
            | RawProposal::Remove(_)
            | RawProposal::ExternalInit
            | RawProposal::Extensions(_)
            | RawProposal::AppDataUpdate { .. }
            | RawProposal::SelfRemove
            | RawProposal::Refused(_) => None,
        };
        match read_frame(message).map(|frame| frame.body) {
            Ok(Body::Proposal(proposal)) => name(&proposal).into_iter().collect(),
            Ok(Body::Commit(commit)) => commit
                .proposals
                .iter()
                .filter_map(|proposal| match proposal {
                    RawOrRef::Value(proposal) => name(proposal),
                    RawOrRef::Reference(_) => None,
                })
                .collect(),
            Ok(Body::Application) | Err(_) => Vec::new(),
        }
    }

    /// The proposals that the next commit has to contain, in the order they were accepted.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.waiting.iter().map(|waiting| &waiting.pending)
    }
}

/// Whether a group with this GroupContext can be served to the end.
fn check_context(context: &Context) -> Result<(), FoundRefusal> {
    let elsewhere = context.extension(extension::APP_DATA_DICTIONARY).is_some();
    if !context.dictionary_last || elsewhere {
        return Err(FoundRefusal::DictionaryNotLast);
    }
    let required = Required::of(context)?;
    let enough = required.extensions.contains(&extension::APP_DATA_DICTIONARY)
        && [8, 10].iter().all(|proposal| required.proposals.contains(proposal))
        && required.credentials.contains(&Credential::BASIC);
    if !enough {
        return Err(FoundRefusal::RequiredCapabilities);
    }
    let unsupported = context
        .extensions
        .iter()
        .map(|(kind, _)| *kind)
        .find(|kind| !extension::DEFAULT.contains(kind) && !required.extensions.contains(kind));
    unsupported.map_or(Ok(()), |kind| Err(FoundRefusal::ExtensionNotRequired(kind)))
}

/// Whether every leaf of a new group may stand in it: the engine has checked their signatures and keys.
fn check_leaves(
    engine: &Engine,
    context: &Context,
    now: Timestamp,
) -> Result<Roster, FoundRefusal> {
    let knowledge = Knowledge::of(context);
    let mut roster = Roster::default();
    let mut leaves = Vec::new();
    for (index, leaf) in engine.leaves() {
        let leaf = leaf.ok_or(FoundRefusal::Invalid)?;
        let fault = |fault| FoundRefusal::Leaf { leaf: index, fault };
        roster.put(index, Entry::new(&leaf).map_err(fault)?);
        leaves.push((index, leaf));
    }
    for (index, leaf) in &leaves {
        let fault = |fault| FoundRefusal::Leaf { leaf: *index, fault };
        let entry = admit(context, &roster, now, leaf).map_err(fault)?;
        if let Some(component) = knowledge.missing(&entry) {
            return Err(fault(LeafFault::Component(component)));
        }
    }
    Ok(roster)
}

#[cfg(test)]
mod tests;
