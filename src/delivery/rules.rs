//! What a proposal may be, whoever commits it and with whatever else.

use std::collections::BTreeSet;

use openmls_traits::{crypto::OpenMlsCrypto, types::Ciphersuite};

use super::{
    admission::{Knowledge, admit},
    context::{Context, RawExtension, extension, external_senders},
    frame::{RawLeaf, RawProposal, key_package_ref},
    ledger::Ledger,
    refusal::{Conflict, LeafFault, ProposalFault},
    roster::{Entry, Roster},
    view::{
        ComponentOperation, Credential, ExtensionsChange, KeyPackageRef, LeafIndex, ProposalView,
        Sender,
    },
};
use crate::env::Timestamp;

/// What proposals are judged against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Court<'a> {
    pub(super) context: &'a Context,
    pub(super) roster: &'a Roster,
    pub(super) now: Timestamp,
}

/// A proposal that is good in itself, and the leaf that it brings.
#[derive(Clone, Debug)]
pub(super) struct Good {
    pub(super) view: ProposalView,
    pub(super) entry: Option<Entry>,
}

impl Court<'_> {
    /// Judges a proposal on its own. Its signatures are the engine's matter.
    pub(super) fn judge(
        &self,
        crypto: &impl OpenMlsCrypto,
        sender: Sender,
        proposal: &RawProposal,
    ) -> Result<Good, ProposalFault> {
        let mut entry = None;
        let mut name = None;
        match proposal {
            RawProposal::Add { key_package, keys, leaf } => {
                if keys.version != 1 || keys.ciphersuite != self.context.ciphersuite {
                    return Err(ProposalFault::Leaf(LeafFault::Capability));
                }
                if leaf.leaf.lifetime.is_none() {
                    return Err(ProposalFault::Leaf(LeafFault::Lifetime));
                }
                entry = Some(self.admit(leaf)?);
                name = Ciphersuite::try_from(self.context.ciphersuite)
                    .ok()
                    .and_then(|ciphersuite| key_package_ref(crypto, ciphersuite, key_package));
            }
            RawProposal::Update(leaf) => {
                let Sender::Member(index) = sender else { return Err(ProposalFault::Sender) };
                let new = self.admit(leaf)?;
                self.replaces(index, &new).map_err(ProposalFault::Leaf)?;
                entry = Some(new);
            }
            RawProposal::Remove(leaf) => {
                if self.roster.get(*leaf).is_none() {
                    return Err(ProposalFault::NoSuchLeaf(*leaf));
                }
            }
            RawProposal::AppDataUpdate { component, operation } => {
                // E-022, which the engine lets pass.
                if *operation == ComponentOperation::Remove
                    && self.context.component(*component).is_none()
                {
                    return Err(ProposalFault::NoSuchComponent(*component));
                }
            }
            RawProposal::Refused(kind) => return Err(ProposalFault::Type(*kind)),
            RawProposal::SelfRemove | RawProposal::Extensions(_) | RawProposal::ExternalInit => {}
        }
        Ok(Good { view: view(self.context, proposal, name)?, entry })
    }

    fn admit(&self, leaf: &RawLeaf) -> Result<Entry, ProposalFault> {
        let entry =
            admit(self.context, self.roster, self.now, leaf).map_err(ProposalFault::Leaf)?;
        if self.roster.has_encryption_key(&leaf.encryption_key) {
            return Err(ProposalFault::Leaf(LeafFault::HpkeKey));
        }
        Ok(entry)
    }

    /// Whether `new` may take the place of the leaf at `index`: with the same identity, and a signature key that is
    /// nobody else's. The engine looks at neither.
    pub(super) fn replaces(&self, index: LeafIndex, new: &Entry) -> Result<(), LeafFault> {
        let old = self.roster.get(index).map(|old| &old.credential);
        if old.is_some_and(|old| {
            *old != new.credential
                && (old.kind == Credential::BASIC || new.credential.kind == Credential::BASIC)
        }) {
            return Err(LeafFault::Credential);
        }
        match self.roster.by_signature_key(&new.signature_key) {
            Some(other) if other != index => Err(LeafFault::SignatureKey),
            Some(_) | None => Ok(()),
        }
    }
}

/// Who may send what on its own (RFC 9420, section 12.1.8; draft-ietf-mls-extensions, sections 4.7 and 6.3). An
/// ExternalInit is a commit's own (P-118).
pub(super) fn may_send(sender: Sender, proposal: &RawProposal) -> Result<(), ProposalFault> {
    let may = match proposal {
        RawProposal::Refused(kind) => return Err(ProposalFault::Type(*kind)),
        RawProposal::ExternalInit => return Err(ProposalFault::Type(6)),
        RawProposal::Add { .. } => true,
        RawProposal::Update(_) | RawProposal::SelfRemove => matches!(sender, Sender::Member(_)),
        RawProposal::Remove(_) | RawProposal::AppDataUpdate { .. } | RawProposal::Extensions(_) => {
            matches!(sender, Sender::Member(_) | Sender::External(_))
        }
    };
    if may { Ok(()) } else { Err(ProposalFault::Sender) }
}

/// What the application sees of a proposal. `name` is that of the KeyPackage of an Add.
pub(super) fn view(
    context: &Context,
    proposal: &RawProposal,
    name: Option<KeyPackageRef>,
) -> Result<ProposalView, ProposalFault> {
    Ok(match proposal {
        RawProposal::Add { leaf, keys, .. } => ProposalView::Add {
            key_package: name.ok_or(ProposalFault::Engine)?,
            leaf: leaf.leaf.clone(),
            extensions: keys.extensions.clone(),
        },
        RawProposal::Update(leaf) => ProposalView::Update { leaf: leaf.leaf.clone() },
        RawProposal::Remove(leaf) => ProposalView::Remove(*leaf),
        RawProposal::SelfRemove => ProposalView::SelfRemove,
        RawProposal::AppDataUpdate { component, operation } => {
            ProposalView::AppDataUpdate { component: *component, operation: operation.clone() }
        }
        RawProposal::Extensions(extensions) => {
            ProposalView::GroupContextExtensions(extensions_change(context, extensions)?)
        }
        RawProposal::ExternalInit => ProposalView::ExternalInit,
        RawProposal::Refused(kind) => return Err(ProposalFault::Type(*kind)),
    })
}

/// What a GroupContextExtensions proposal changes: entries of the external senders but the first, and nothing else
///
fn extensions_change(
    context: &Context,
    extensions: &[RawExtension],
) -> Result<ExtensionsChange, ProposalFault> {
    let mut changed = None;
    let mut left = extensions.iter();
    for (kind, data) in &context.extensions {
        match left.next() {
            Some((other, new)) if other == kind && *kind == extension::EXTERNAL_SENDERS => {
                changed = Some(new);
            }
            Some((other, new)) if other == kind && new == data => {}
            Some(_) | None => return Err(ProposalFault::Extensions),
        }
    }
    let dictionary = match (left.next(), left.next()) {
        (None, None) => !context.dictionary_last,
        (Some((kind, data)), None) => {
            *kind == extension::APP_DATA_DICTIONARY && *data == context.dictionary()
        }
        (_, Some(_)) => false,
    };
    let (Some(changed), true) = (changed, dictionary) else {
        return Err(ProposalFault::Extensions);
    };
    let old = context.external_senders()?;
    let new = external_senders(changed)?;
    // The first entry is the hub's and never moves; those that stay keep their order; nobody is in it twice.
    let mut stay = new.iter().filter(|sender| old.contains(sender));
    let in_order =
        old.iter().filter(|sender| new.contains(sender)).all(|it| stay.next() == Some(it));
    let unique = new.iter().enumerate().all(|(i, it)| !new.iter().take(i).any(|other| other == it));
    if old.first() != new.first() || !in_order || !unique {
        return Err(ProposalFault::Extensions);
    }
    Ok(ExtensionsChange { external_senders: new })
}

/// A list of proposals that is being drawn up: what is pending, or what a commit holds.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    court: Court<'a>,
    ledger: Ledger<'a, usize>,
    knowledge: Knowledge,
    /// The leaves that come in, by the number of their proposal.
    entries: Vec<(usize, &'a Entry)>,
    /// Whether the keys of a leaf that a Remove of this very list takes out may come back.
    reuse_removed_keys: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        court: Court<'a>,
        mergeable: &'a BTreeSet<u16>,
        reuse_removed_keys: bool,
    ) -> Self {
        Self {
            court,
            ledger: Ledger::new(mergeable),
            knowledge: Knowledge::of(court.context),
            entries: Vec::new(),
            reuse_removed_keys,
        }
    }

    /// Enters a proposal that is good in itself, under a number. Returns the numbers of those that lapse for it.
    pub(super) fn enter(
        &mut self,
        number: usize,
        sender: Sender,
        proposal: &'a RawProposal,
        entry: Option<&'a Entry>,
    ) -> Result<Vec<usize>, ProposalFault> {
        if let (RawProposal::Add { leaf, .. }, Some(entry)) = (proposal, entry) {
            let taken = self.court.roster.by_signature_key(&leaf.leaf.signature_key);
            if taken.is_some_and(|leaf| !self.reuse_removed_keys || !self.ledger.removes(leaf)) {
                return Err(ProposalFault::Leaf(LeafFault::SignatureKey));
            }
            self.knows(entry)?;
        }
        if let (RawProposal::Update(_), Some(entry)) = (proposal, entry) {
            self.knows(entry)?;
        }
        if let RawProposal::AppDataUpdate {
            component,
            operation: ComponentOperation::Update(data),
        } = proposal
        {
            self.learn(*component, data)?;
        }
        let lapsed =
            self.ledger.enter(number, sender, proposal).map_err(ProposalFault::Conflict)?;
        self.entries.retain(|(number, _)| !lapsed.contains(number));
        self.entries.extend(entry.map(|entry| (number, entry)));
        Ok(lapsed)
    }

    fn knows(&self, entry: &Entry) -> Result<(), ProposalFault> {
        match self.knowledge.missing(entry) {
            Some(component) => Err(ProposalFault::Leaf(LeafFault::Component(component))),
            None => Ok(()),
        }
    }

    /// A component comes in, or changes: everybody has to know what it newly requires (E-087).
    fn learn(&mut self, component: u16, data: &[u8]) -> Result<(), ProposalFault> {
        let mut knowledge = self.knowledge.clone();
        knowledge.require(component, data);
        let beyond = knowledge.beyond(&self.knowledge);
        if !beyond.is_empty() {
            all_know(self.court.roster, &BTreeSet::new(), &beyond)?;
            if self.entries.iter().any(|(_, entry)| beyond.missing(entry).is_some()) {
                return Err(ProposalFault::Conflict(Conflict::Knowledge));
            }
        }
        self.knowledge = knowledge;
        Ok(())
    }
}

/// Whether all members but those `except`ed know what is required.
pub(super) fn all_know(
    roster: &Roster,
    except: &BTreeSet<LeafIndex>,
    knowledge: &Knowledge,
) -> Result<(), ProposalFault> {
    roster
        .iter()
        .filter(|(leaf, _)| !except.contains(leaf))
        .find_map(|(leaf, entry)| knowledge.missing(entry).map(|component| (leaf, component)))
        .map_or(Ok(()), |(leaf, component)| Err(ProposalFault::Unsupported { leaf, component }))
}
