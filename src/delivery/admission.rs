//! Whether a leaf node may stand in the tree, and what that depends on (RFC 9420, section 7.3; E-012, E-061, E-087).

use std::collections::BTreeSet;

use super::{
    context::{Context, component, extension, read_component_ids},
    frame::RawLeaf,
    refusal::LeafFault,
    roster::{Entry, Roster},
    view::Capabilities,
};
use crate::{codec::decode_exact, env::Timestamp, error::DecodeError};

/// What the group requires in its `required_capabilities` (RFC 9420, section 11.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Required {
    pub(super) extensions: Vec<u16>,
    pub(super) proposals: Vec<u16>,
    pub(super) credentials: Vec<u16>,
}

impl Required {
    pub(super) fn of(context: &Context) -> Result<Self, DecodeError> {
        let Some(data) = context.extension(extension::REQUIRED_CAPABILITIES) else {
            return Ok(Self::default());
        };
        decode_exact(data, |reader| {
            let mut codes =
                || reader.vec("RequiredCapabilities", |r| r.u16("RequiredCapabilities"));
            Ok(Self { extensions: codes()?, proposals: codes()?, credentials: codes()? })
        })
    }
}

/// What every leaf has to know, by what is in the GroupContext, or will be once what is pending is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Knowledge {
    known: BTreeSet<u16>,
    safe_aad: BTreeSet<u16>,
}

impl Knowledge {
    pub(super) fn of(context: &Context) -> Self {
        let mut knowledge = Self::default();
        for (component, data) in &context.components {
            knowledge.require(*component, data);
        }
        knowledge
    }

    /// Every leaf has to know `component`, and what its `data` requires if it is one of the two lists.
    pub(super) fn require(&mut self, component: u16, data: &[u8]) {
        match component {
            // Whoever supports the dictionary knows these two (E-012): no leaf has to say so.
            component::APP_COMPONENTS => {
                self.known.extend(read_component_ids(data).unwrap_or_default());
            }
            component::SAFE_AAD => {
                self.safe_aad.extend(read_component_ids(data).unwrap_or_default());
            }
            other => {
                self.known.insert(other);
            }
        }
    }

    /// What `entry` does not know of it.
    pub(super) fn missing(&self, entry: &Entry) -> Option<u16> {
        self.known
            .iter()
            .find(|component| !entry.known.contains(component))
            .or_else(|| self.safe_aad.iter().find(|item| !entry.safe_aad.contains(item)))
            .copied()
    }

    /// What is in this and not in `other`.
    pub(super) fn beyond(&self, other: &Self) -> Self {
        Self {
            known: self.known.difference(&other.known).copied().collect(),
            safe_aad: self.safe_aad.difference(&other.safe_aad).copied().collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.safe_aad.is_empty()
    }
}

/// Checks what a leaf says of itself against the group it is to stand in. Its signature, and whether its keys are
/// unique, are not looked at.
pub(super) fn admit(
    context: &Context,
    roster: &Roster,
    now: Timestamp,
    leaf: &RawLeaf,
) -> Result<Entry, LeafFault> {
    if let Some((first, last)) = leaf.leaf.lifetime
        && !(first..=last).contains(&now.seconds())
    {
        return Err(LeafFault::Lifetime);
    }
    let entry = Entry::new(leaf)?;
    if !is_capable(context, roster, leaf) {
        return Err(LeafFault::Capability);
    }
    Ok(entry)
}

fn is_capable(context: &Context, roster: &Roster, leaf: &RawLeaf) -> bool {
    let Ok(required) = Required::of(context) else { return false };
    let Capabilities { versions, ciphersuites, extensions, proposals, credentials } =
        &leaf.leaf.capabilities;
    let kind = leaf.leaf.credential.kind;
    let supports =
        |wanted: &u16| extension::DEFAULT.contains(wanted) || extensions.contains(wanted);
    versions.contains(&1)
        && ciphersuites.contains(&context.ciphersuite)
        && required.extensions.iter().all(supports)
        && context.extensions.iter().all(|(kind, _)| supports(kind))
        && (!context.dictionary_last || extensions.contains(&extension::APP_DATA_DICTIONARY))
        && leaf.leaf.extensions.iter().all(supports)
        && required.proposals.iter().all(|wanted| (1..=7).contains(wanted) || proposals.contains(wanted))
        && required.credentials.iter().all(|wanted| credentials.contains(wanted))
        && credentials.contains(&kind)
        && roster.credential_types().all(|used| credentials.contains(&used))
        // Every member supports the types that are required; for another one they have to be asked.
        && (required.credentials.contains(&kind)
            || roster.iter().all(|(_, entry)| entry.credentials.contains(&kind)))
}
