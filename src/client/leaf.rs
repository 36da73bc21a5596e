//! What every leaf of this library says: what it can do (E-012), and for how long it may be added; and what others' do.

use std::{borrow::Cow, collections::BTreeSet};

use openmls::{
    credentials::CredentialType,
    extensions::{
        AppDataDictionary, AppDataDictionaryExtension, Extension, ExtensionType, Extensions,
    },
    group::{GroupContext, MlsGroup},
    messages::proposals::{AppDataUpdateOperation, Proposal, ProposalType},
    prelude::{Capabilities, LeafNode, LeafNodeParameters},
};
use openmls_traits::{random::OpenMlsRand, types::Ciphersuite};
use tls_codec::Serialize as _;

use super::media::RECEIVED;
use crate::{
    codec::{Wire, decode_exact, write_vec},
    delivery,
    env::Timestamp,
    policy::{
        self, Denied,
        components::MediaTypeList,
        leaf::{Arrival, Ground},
    },
    room::{ComponentId, RoomState},
    wire::RatchetTreeSourceDomains,
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

/// Extensions that this library understands, apart from those of MLS itself. A group whose GroupContext has one takes
/// nobody who does not list it (RFC 9420, sections 7.3 and 12.1.7): the hosts of ratchet trees are one such (T-006).
const EXTENSIONS: [ExtensionType; 2] =
    [ExtensionType::AppDataDictionary, ExtensionType::Unknown(RatchetTreeSourceDomains::EXTENSION)];

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
    MediaTypeList(RECEIVED.iter().filter_map(|media_type| media_type.parse().ok()).collect())
        .encode()
}

/// Components that nobody ever defines: others have to ignore them, and by finding some everywhere keep able to
/// (RFC 9420, section 13.5; mls-extensions, section 5.1).
const GREASE: [u16; 8] = [0x0A0A, 0x1A1A, 0x2A2A, 0x3A3A, 0x4A4A, 0x5A5A, 0x6A6A, 0x7A7A];

/// What a new leaf says.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) capabilities: Capabilities,
    /// Components, Safe AAD components and media types.
    pub(super) extensions: Extensions<LeafNode>,
}

impl Words {
    /// With GREASE in every list that takes it, and as a component (E-063). Not as an extension: openmls takes it for
    /// another type than the one that the leaf lists, and refuses the leaf.
    pub(super) fn new(ciphersuite: Ciphersuite, random: &impl OpenMlsRand) -> Self {
        let of = || {
            // Without randomness the first one does: it hides nothing.
            let [drawn] = random.random_array().unwrap_or([0]);
            GREASE.get(usize::from(drawn) % GREASE.len()).copied().unwrap_or(0x0A0A)
        };
        let with = |codes: &[u16], more: u16| {
            let mut codes = [codes, &[more]].concat();
            codes.sort_unstable();
            component_list(&codes)
        };
        let component = of();
        let capabilities = Capabilities::builder()
            .ciphersuites(vec![ciphersuite])
            .extensions(EXTENSIONS.to_vec())
            .proposals(vec![
                ProposalType::AppDataUpdate,
                ProposalType::AppEphemeral,
                ProposalType::SelfRemove,
            ])
            .credentials(vec![CredentialType::Basic])
            .build()
            .with_grease(random);
        let mut dictionary = AppDataDictionary::new();
        dictionary.insert(APP_COMPONENTS, with(&COMPONENTS, component));
        dictionary.insert(SAFE_AAD, with(&[FRANK_AAD], of()));
        dictionary.insert(CONTENT_MEDIA_TYPES, media_type_list());
        dictionary.insert(component, Vec::new());
        let dictionary = Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary));
        let extensions = Extensions::single(dictionary).expect("a leaf may hold a dictionary");
        Self { capabilities, extensions }
    }

    /// What an external joiner's leaf says.
    pub(super) fn into_parameters(self) -> LeafNodeParameters {
        LeafNodeParameters::builder()
            .with_capabilities(self.capabilities)
            .with_extensions(self.extensions)
            .build()
    }
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

/// Whether a client receives every media type that the group requires (E-083, E-084, Q-28). Asked before it is added;
/// who is a member already is followed in any case, for a hub does not ask.
pub(super) fn receives(leaf: &LeafNode, group: &Extensions<GroupContext>) -> bool {
    let list = |dictionary: Option<&AppDataDictionaryExtension>| {
        MediaTypeList::decode(dictionary?.dictionary().get(&CONTENT_MEDIA_TYPES)?).ok()
    };
    let Some(required) = list(group.app_data_dictionary()) else { return true };
    let listed = list(leaf.extensions().app_data_dictionary()).unwrap_or(MediaTypeList(Vec::new()));
    required.0.iter().all(|wanted| listed.0.iter().any(|it| it.receives(wanted)))
}

/// What a leaf says, as the policy takes it.
pub(super) fn said(leaf: &LeafNode) -> Option<delivery::Leaf> {
    delivery::Leaf::decode(&leaf.tls_serialize_detached().ok()?).ok()
}

/// What stands in the leaves of a group, but for some.
pub(super) fn all<'a>(
    group: &'a MlsGroup,
    except: &'a BTreeSet<u32>,
) -> impl Iterator<Item = delivery::Leaf> + 'a {
    let members = group.members().filter(|member| !except.contains(&member.index.u32()));
    members.filter_map(|member| said(group.public_group().leaf(member.index)?))
}

/// What the group is, as the policy takes it.
pub(super) fn ground(ciphersuite: Ciphersuite, extensions: &Extensions<GroupContext>) -> Ground {
    let extensions = extensions.iter().map(|it| it.extension_type().into()).collect();
    Ground { ciphersuite: ciphersuite.into(), extensions }
}

/// Whether the room may be with the leaves of its group.
pub(super) fn stand(room: &RoomState, group: &MlsGroup) -> Result<(), Denied> {
    let ground = ground(group.ciphersuite(), group.extensions());
    policy::leaf::stand(room, &ground, all(group, &BTreeSet::new()))
}

/// What a proposal brings; none if its leaf does not decode.
pub(super) fn arrival(proposal: &Proposal) -> Option<Arrival<'_>> {
    Some(match proposal {
        Proposal::Add(add) => {
            let key_package = add.key_package();
            let extensions = key_package.extensions().iter();
            let extensions = extensions.map(|it| it.extension_type().into()).collect();
            Arrival::Added(Cow::Owned(said(key_package.leaf_node())?), extensions)
        }
        Proposal::Update(update) => Arrival::Renewed(Cow::Owned(said(update.leaf_node())?)),
        Proposal::AppDataUpdate(update) => {
            let octets = match update.operation() {
                AppDataUpdateOperation::Update(data) => Some(data.as_slice()),
                AppDataUpdateOperation::Remove => None,
            };
            Arrival::Component(ComponentId(update.component_id()), octets)
        }
        Proposal::AppEphemeral(_)
        | Proposal::Remove(_)
        | Proposal::SelfRemove
        | Proposal::GroupContextExtensions(_)
        | Proposal::ReInit(_)
        | Proposal::PreSharedKey(_)
        | Proposal::ExternalInit(_)
        | Proposal::Custom(_) => Arrival::Nothing,
    })
}

fn component_ids(list: &[u8]) -> Option<Vec<u16>> {
    decode_exact(list, |reader| reader.vec("component_ids", |reader| reader.u16("ComponentID")))
        .ok()
}

#[cfg(test)]
mod tests {
    use openmls::prelude::{BasicCredential, CredentialWithKey, KeyPackage};
    use openmls_basic_credential::SignatureKeyPair;
    use openmls_rust_crypto::OpenMlsRustCrypto;
    use openmls_traits::OpenMlsProvider as _;

    use super::*;

    const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

    fn words() -> Words {
        Words::new(SUITE, OpenMlsRustCrypto::default().rand())
    }

    /// E-063: some of it is everywhere, and not always the same.
    #[test]
    fn a_leaf_holds_grease() {
        let mut drawn = BTreeSet::new();
        for _ in 0..200 {
            let Words { capabilities, extensions } = words();
            let ours = &capabilities;
            assert_eq!(ours.ciphersuites().iter().filter(|it| it.is_grease()).count(), 1);
            assert_eq!(ours.extensions().iter().filter(|it| it.is_grease()).count(), 1);
            assert_eq!(ours.proposals().iter().filter(|it| it.is_grease()).count(), 1);
            assert_eq!(ours.credentials().iter().filter(|it| it.is_grease()).count(), 1);
            let dictionary = extensions.app_data_dictionary().unwrap().dictionary();
            assert_eq!(dictionary.entries().filter(|it| GREASE.contains(&it.id())).count(), 1);
            for list in [APP_COMPONENTS, SAFE_AAD] {
                let codes = component_ids(dictionary.get(&list).unwrap()).unwrap();
                assert!(codes.is_sorted());
                let grease: Vec<_> = codes.iter().filter(|it| GREASE.contains(it)).collect();
                assert_eq!(grease.len(), 1);
                drawn.extend(grease.into_iter().copied());
            }
        }
        assert_eq!(drawn.len(), GREASE.len());
    }

    /// E-083, E-084, Q-28: somebody who does not receive what the room requires is not added.
    #[test]
    fn whoever_is_added_receives_what_the_room_requires() {
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
        let credential = CredentialWithKey {
            credential: BasicCredential::new(b"mimi://a.example/u/alice".to_vec()).into(),
            signature_key: signer.public().into(),
        };
        let leaf = |extensions: Extensions<LeafNode>| {
            KeyPackage::builder()
                .leaf_node_capabilities(words().capabilities)
                .leaf_node_extensions(extensions)
                .build(SUITE, &OpenMlsRustCrypto::default(), &signer, credential.clone())
                .unwrap()
                .key_package()
                .leaf_node()
                .clone()
        };
        let requires = |types: &[&str]| {
            let list = MediaTypeList(types.iter().map(|it| it.parse().unwrap()).collect());
            let mut dictionary = AppDataDictionary::new();
            dictionary.insert(CONTENT_MEDIA_TYPES, list.encode());
            let dictionary = AppDataDictionaryExtension::new(dictionary);
            Extensions::from_vec(vec![Extension::AppDataDictionary(dictionary)]).unwrap()
        };
        let ours = leaf(words().extensions);
        assert!(receives(&ours, &Extensions::empty()), "nothing is required");
        for types in [
            &["application/mimi-content"][..],
            &["text/markdown;variant=GFM-MIMI", "text/plain;charset=utf-8"],
            // As the draft writes it, and as people do.
            &["text/plain;charset=UTF-8", "Text/Plain", "text/markdown"],
        ] {
            assert!(receives(&ours, &requires(types)), "{types:?}");
        }
        for types in [
            &["image/png"][..],
            &["application/mimi-content", "text/plain;charset=utf-16"],
            &["text/markdown;variant=Original"],
            &["text/html"],
        ] {
            assert!(!receives(&ours, &requires(types)), "{types:?}");
        }
        let silent = leaf(Extensions::empty());
        assert!(receives(&silent, &Extensions::empty()));
        assert!(!receives(&silent, &requires(&["application/mimi-content"])));
    }

    /// C-001, C-080, E-012, E-080: what a leaf says that its client receives, and that it says so.
    #[test]
    fn a_leaf_lists_what_its_client_receives() {
        let Words { capabilities, extensions } = words();
        let dictionary = extensions.app_data_dictionary().unwrap().dictionary();
        let list = MediaTypeList::decode(dictionary.get(&CONTENT_MEDIA_TYPES).unwrap()).unwrap();
        let types: Vec<_> = list.0.iter().map(ToString::to_string).collect();
        assert_eq!(
            types,
            [
                "application/mimi-content",
                "application/mimi-message-status",
                "text/plain;charset=utf-8",
                "text/markdown;variant=GFM-MIMI"
            ]
        );
        let components = component_ids(dictionary.get(&APP_COMPONENTS).unwrap()).unwrap();
        assert!(components.contains(&CONTENT_MEDIA_TYPES) && components.contains(&SAFE_AAD));
        assert!(components.is_sorted());
        assert!(EXTENSIONS.iter().all(|it| capabilities.extensions().contains(it)));
        for proposal in [ProposalType::AppDataUpdate, ProposalType::SelfRemove] {
            assert!(capabilities.proposals().contains(&proposal));
        }
    }
}
