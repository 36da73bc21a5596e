//! What groups and messages are made of.

use std::collections::BTreeSet;

use openmls::prelude::{DeserializeBytes as _, *};
use openmls_basic_credential::SignatureKeyPair;

use super::client::Client;
use crate::{
    codec::{write_bytes, write_within},
    delivery::{self, Config, LeafIndex, ProposalRef},
    env::Timestamp,
};

pub(super) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
/// Accumulates: the new value is the old one and all updates.
pub(super) const LIST: u16 = 0x0022;
/// Is replaced by its one update.
pub(super) const NAME: u16 = 0x0023;
/// Known to all leaves, and in no GroupContext at first.
pub(super) const SPARE: u16 = 0x0030;
/// Known to nobody.
pub(super) const UNKNOWN: u16 = 0x8001;
pub(super) const NOW: Timestamp = Timestamp(1_795_000_000_000);

pub(super) fn config() -> Config {
    Config { mergeable: BTreeSet::from([LIST, 0x002A]), pending: 256, bundle: 64 }
}

pub(super) fn tls(value: &impl tls_codec::Serialize) -> Vec<u8> {
    value.tls_serialize_detached().unwrap()
}

pub(super) fn component_list(ids: &[u16]) -> Vec<u8> {
    let mut out = Vec::new();
    write_within(&mut out, |out| ids.iter().for_each(|id| out.extend(id.to_be_bytes())));
    out
}

pub(super) fn leaf_dictionary(known: &[u16]) -> Extension {
    let mut dictionary = AppDataDictionary::new();
    dictionary.insert(1, component_list(known));
    dictionary.insert(2, component_list(&[0x0020]));
    Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary))
}

pub(super) const KNOWN: [u16; 5] = [3, 0x0020, LIST, NAME, SPARE];

pub(super) fn capabilities() -> Capabilities {
    Capabilities::builder()
        .ciphersuites(vec![SUITE])
        .extensions(vec![ExtensionType::AppDataDictionary])
        .proposals(vec![
            ProposalType::AppDataUpdate,
            ProposalType::AppEphemeral,
            ProposalType::SelfRemove,
        ])
        .credentials(vec![CredentialType::Basic])
        .build()
}

/// From 2020 to 2200: the engine asks the clock of the machine.
pub(super) fn lifetime() -> Lifetime {
    Lifetime::init(1_577_836_800, 7_258_118_400)
}

/// A server's key and what the group says of it.
pub(super) fn server(name: &str) -> (SignatureKeyPair, delivery::ExternalSender) {
    let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
    let sender = delivery::ExternalSender {
        signature_key: signer.public().to_vec(),
        credential: delivery::Credential {
            kind: delivery::Credential::BASIC,
            identity: name.as_bytes().to_vec(),
        },
    };
    (signer, sender)
}

pub(super) fn by_value(proposal: &Proposal) -> Vec<u8> {
    [vec![1], tls(proposal)].concat()
}

pub(super) fn by_reference(name: &ProposalRef) -> Vec<u8> {
    let mut out = vec![2];
    write_bytes(&mut out, &name.0);
    out
}

pub(super) fn remove(leaf: LeafIndex) -> Proposal {
    let remove = RemoveProposal::tls_deserialize_exact_bytes(&leaf.0.to_be_bytes()).unwrap();
    Proposal::Remove(Box::new(remove))
}

pub(super) fn add(client: &Client) -> Proposal {
    Proposal::Add(Box::new(AddProposal::from(client.key_package())))
}

pub(super) fn update_component(component: u16, data: &[u8]) -> Proposal {
    Proposal::AppDataUpdate(Box::new(AppDataUpdateProposal::update(component, data)))
}

pub(super) fn remove_component(component: u16) -> Proposal {
    Proposal::AppDataUpdate(Box::new(AppDataUpdateProposal::remove(component)))
}

pub(super) fn dictionary(components: &[(u16, &[u8])]) -> Extension {
    let mut dictionary = AppDataDictionary::new();
    for (component, data) in components {
        dictionary.insert(*component, data.to_vec());
    }
    Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary))
}

pub(super) fn required() -> Extension {
    Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(
        &[ExtensionType::AppDataDictionary],
        &[ProposalType::AppDataUpdate, ProposalType::SelfRemove],
        &[CredentialType::Basic],
    ))
}

pub(super) fn senders(all: &[&delivery::ExternalSender]) -> Extension {
    Extension::ExternalSenders(
        all.iter()
            .map(|sender| {
                ExternalSender::new(
                    sender.signature_key.as_slice().into(),
                    BasicCredential::new(sender.credential.identity.clone()).into(),
                )
            })
            .collect(),
    )
}

pub(super) fn components() -> Vec<(u16, &'static [u8])> {
    // An empty list of Safe AAD components makes every authenticated_data a SafeAAD.
    vec![(2, &[0]), (LIST, b"alice;"), (NAME, b"a room")]
}
