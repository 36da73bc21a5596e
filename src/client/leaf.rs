//! What every leaf of this library says: what it can do (E-012), and for how long it may be added.

use openmls::{
    credentials::CredentialType,
    extensions::{
        AppDataDictionary, AppDataDictionaryExtension, Extension, ExtensionType, Extensions,
    },
    group::GroupContext,
    messages::proposals::ProposalType,
    prelude::{Capabilities, LeafNode, LeafNodeParameters},
};
use openmls_traits::types::Ciphersuite;

use super::media::RECEIVED;
use crate::{
    codec::{decode_exact, write_bytes, write_vec},
    env::Timestamp,
};

/// When a leaf may be added to a group: the lifetime of a KeyPackage, and of the leaf that a room begins with
/// (RFC 9420, section 7.2).
///
/// MLS counts whole seconds. A member checks it by its own clock, and openmls by the clock of the machine: give a time
/// of validity that both lie in. A leaf that has taken new keys since has none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The first moment.
    pub not_before: Timestamp,
    /// The last one. Nobody takes a leaf for longer than it should live: a few months are usual.
    pub not_after: Timestamp,
}

impl Lifetime {
    /// Whether it has begun and is not over.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    pub(super) fn to_openmls(self) -> openmls::key_packages::Lifetime {
        openmls::key_packages::Lifetime::init(self.not_before.seconds(), self.not_after.seconds())
    }
}

/// Components that this library understands in a GroupContext or beside a message.
const COMPONENTS: [u16; 20] = [
    0x0001, 0x0002, 0x0003, 0x0020, 0x0021, 0x0022, 0x0023, 0x0024, 0x0025, 0x0026, 0x0027, 0x0028,
    0x0029, 0x002A, 0x002B, 0x002C, 0x002D, 0x002E, 0x002F, 0x0030,
];

/// The component that lists components.
const APP_COMPONENTS: u16 = 0x0001;
/// The component that lists what stands beside messages.
const SAFE_AAD: u16 = 0x0002;
/// The component that lists media types.
pub(super) const CONTENT_MEDIA_TYPES: u16 = 0x0003;

/// The component that holds the franking tag beside a message.
pub(super) const FRANK_AAD: u16 = 0x0020;

fn component_list(components: &[u16]) -> Vec<u8> {
    let mut list = Vec::new();
    write_vec(&mut list, components, |id, out| out.extend_from_slice(&id.to_be_bytes()));
    list
}

fn media_type_list() -> Vec<u8> {
    let mut list = Vec::new();
    write_vec(&mut list, &RECEIVED, |media_type, out| {
        write_bytes(out, media_type.as_bytes());
        // No parameters.
        write_bytes(out, &[]);
    });
    list
}

/// The capabilities of a leaf.
pub(super) fn capabilities(ciphersuite: Ciphersuite) -> Capabilities {
    Capabilities::builder()
        .ciphersuites(vec![ciphersuite])
        .extensions(vec![ExtensionType::AppDataDictionary])
        .proposals(vec![
            ProposalType::AppDataUpdate,
            ProposalType::AppEphemeral,
            ProposalType::SelfRemove,
        ])
        .credentials(vec![CredentialType::Basic])
        .build()
}

/// The extensions of a leaf: components, Safe AAD components and media types.
pub(super) fn extensions() -> Extensions<LeafNode> {
    let mut dictionary = AppDataDictionary::new();
    dictionary.insert(APP_COMPONENTS, component_list(&COMPONENTS));
    dictionary.insert(SAFE_AAD, component_list(&[FRANK_AAD]));
    dictionary.insert(CONTENT_MEDIA_TYPES, media_type_list());
    Extensions::from_vec(vec![Extension::AppDataDictionary(AppDataDictionaryExtension::new(
        dictionary,
    ))])
    .expect("a leaf may hold a dictionary")
}

/// What an external joiner's leaf says.
pub(super) fn parameters(ciphersuite: Ciphersuite) -> LeafNodeParameters {
    LeafNodeParameters::builder()
        .with_capabilities(capabilities(ciphersuite))
        .with_extensions(extensions())
        .build()
}

/// Whether a leaf lists every component of the GroupContext, and every one that Safe AAD needs there.
pub(super) fn understands(leaf: &LeafNode, group: &Extensions<GroupContext>) -> bool {
    let listed = |list: u16| -> Option<Vec<u16>> {
        let dictionary = leaf.extensions().app_data_dictionary()?.dictionary();
        component_ids(dictionary.get(&list)?)
    };
    let Some(group) = group.app_data_dictionary().map(AppDataDictionaryExtension::dictionary)
    else {
        return true;
    };
    let Some(known) = listed(APP_COMPONENTS) else { return false };
    let needed = match group.get(&SAFE_AAD).map(component_ids) {
        None => Vec::new(),
        Some(Some(needed)) => needed,
        Some(None) => return false,
    };
    let aad = if needed.is_empty() { Vec::new() } else { listed(SAFE_AAD).unwrap_or_default() };
    group.entries().all(|entry| known.contains(&entry.id()))
        && needed.iter().all(|id| aad.contains(id))
}

fn component_ids(list: &[u8]) -> Option<Vec<u16>> {
    decode_exact(list, |reader| reader.vec("component_ids", |reader| reader.u16("ComponentID")))
        .ok()
}
