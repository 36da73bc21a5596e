//! Clients with real keys, and what crashes at every save.

use openmimi::{
    codec::Wire,
    env::{Env, Peer, Timestamp},
    machine::{Machine, Outcome, Records, Step},
    room::ComponentId,
    testing::{Fate, MemoryStore, SaveError},
    uri::{ClientUri, Domain, RoomUri, UserUri},
    wire::{
        CipherSuite, ClientMaterial, KeyMaterialHead, KeyMaterialMls10, KeyMaterialRequest,
        KeyMaterialResponse, KeyPackage, KeyPackageRef, RequiredCapabilities,
    },
};
use openmls::{
    credentials::{BasicCredential, CredentialWithKey},
    extensions::{
        AppDataDictionary, AppDataDictionaryExtension, Extension, Extensions, LastResortExtension,
    },
    key_packages::Lifetime,
    prelude::{Capabilities, CredentialType, ExtensionType, ProposalType},
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::{OpenMlsRustCrypto, RustCrypto};
use openmls_traits::{OpenMlsProvider, types::Ciphersuite};
use tls_codec::Serialize as _;

pub(crate) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
pub(crate) const P256: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;

/// 2026-01-01.
pub(crate) const NOW: Timestamp = Timestamp(1_767_225_600_000);
/// KeyPackages here last from 2020 on.
pub(crate) const NOT_BEFORE: u64 = 1_577_836_800;
/// KeyPackages here last until 2200.
pub(crate) const NOT_AFTER: u64 = 7_258_118_400;

pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub(crate) fn user(name: &str) -> UserUri {
    let (name, host) = name.split_once('@').unwrap();
    UserUri::new(&domain(host), name).unwrap()
}

pub(crate) fn room(uri: &str) -> RoomUri {
    RoomUri::parse(uri).unwrap()
}

pub(crate) fn server(name: &str) -> Peer {
    Peer::Server(domain(name))
}

pub(crate) fn env(crypto: &RustCrypto, now: Timestamp) -> Env<'_, RustCrypto, ()> {
    Env { now, crypto, keys: &() }
}

/// One client with its keys.
pub(crate) struct Device {
    pub(crate) client: ClientUri,
    pub(crate) user: UserUri,
    pub(crate) provider: OpenMlsRustCrypto,
    pub(crate) signer: SignatureKeyPair,
    pub(crate) suite: Ciphersuite,
}

impl Device {
    pub(crate) fn new(name: &str, device: &str) -> Self {
        Self::with_suite(name, device, SUITE)
    }

    pub(crate) fn with_suite(name: &str, device: &str, suite: Ciphersuite) -> Self {
        let user = user(name);
        let client = ClientUri::new(&user.domain(), format!("{}/{device}", user.name())).unwrap();
        let signer = SignatureKeyPair::new(suite.signature_algorithm()).unwrap();
        let provider = OpenMlsRustCrypto::default();
        signer.store(provider.storage()).unwrap();
        Self { client, user, provider, signer, suite }
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer::Client(self.client.clone(), self.user.clone())
    }

    pub(crate) fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(self.user.as_bytes().to_vec()).into(),
            signature_key: self.signer.to_public_vec().into(),
        }
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        Capabilities::builder()
            .ciphersuites(vec![self.suite])
            .extensions(vec![ExtensionType::AppDataDictionary, ExtensionType::LastResort])
            .proposals(vec![ProposalType::AppDataUpdate, ProposalType::SelfRemove])
            .credentials(vec![CredentialType::Basic])
            .build()
    }

    fn build(&self, capabilities: Capabilities, lifetime: Lifetime, last_resort: bool) -> Vec<u8> {
        let extensions = if last_resort {
            Extensions::single(Extension::LastResort(LastResortExtension::default())).unwrap()
        } else {
            Extensions::empty()
        };
        openmls::key_packages::KeyPackage::builder()
            .leaf_node_capabilities(capabilities)
            .key_package_lifetime(lifetime)
            .key_package_extensions(extensions)
            .build(self.suite, &self.provider, &self.signer, self.credential())
            .unwrap()
            .key_package()
            .tls_serialize_detached()
            .unwrap()
    }

    pub(crate) fn key_package(&self) -> Vec<u8> {
        self.lasting(NOT_BEFORE, NOT_AFTER)
    }

    pub(crate) fn lasting(&self, not_before: u64, not_after: u64) -> Vec<u8> {
        self.build(self.capabilities(), Lifetime::init(not_before, not_after), false)
    }

    pub(crate) fn able(&self, capabilities: Capabilities) -> Vec<u8> {
        self.build(capabilities, Lifetime::init(NOT_BEFORE, NOT_AFTER), false)
    }

    pub(crate) fn last_resort(&self) -> Vec<u8> {
        self.build(self.capabilities(), Lifetime::init(NOT_BEFORE, NOT_AFTER), true)
    }

    /// One of last resort, as the component says it, with this data.
    pub(crate) fn last_resort_by_component(&self, data: &[u8]) -> Vec<u8> {
        let mut dictionary = AppDataDictionary::new();
        dictionary.insert(ComponentId::LAST_RESORT_KEY_PACKAGE.0, data.to_vec());
        let dictionary = AppDataDictionaryExtension::new(dictionary);
        openmls::key_packages::KeyPackage::builder()
            .leaf_node_capabilities(self.capabilities())
            .key_package_lifetime(Lifetime::init(NOT_BEFORE, NOT_AFTER))
            .key_package_extensions(
                Extensions::single(Extension::AppDataDictionary(dictionary)).unwrap(),
            )
            .build(self.suite, &self.provider, &self.signer, self.credential())
            .unwrap()
            .key_package()
            .tls_serialize_detached()
            .unwrap()
    }

    pub(crate) fn key_packages(&self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.key_package()).collect()
    }

    /// A request for another's key material, not signed yet.
    pub(crate) fn unsigned(&self, target: &UserUri, room: Option<&RoomUri>) -> KeyMaterialMls10 {
        KeyMaterialMls10 {
            head: KeyMaterialHead {
                requesting_user: self.user.clone(),
                target_user: target.clone(),
                room: room.cloned(),
            },
            acceptable_ciphersuites: vec![self.suite.into()],
            required_capabilities: RequiredCapabilities::default(),
            requester_signature_key: self.signer.to_public_vec(),
            requester_credential: self.credential().credential,
            signature: Vec::new(),
        }
    }

    pub(crate) fn signed(&self, mut request: KeyMaterialMls10) -> Vec<u8> {
        request.sign(&self.signer).unwrap();
        KeyMaterialRequest::Mls10(request).encode()
    }

    /// A request for another's key material. `nonce` makes it differ from others.
    pub(crate) fn request(&self, target: &UserUri, room: Option<&RoomUri>, nonce: u16) -> Vec<u8> {
        let mut request = self.unsigned(target, room);
        request.acceptable_ciphersuites.push(CipherSuite(0xF000 + nonce));
        self.signed(request)
    }
}

pub(crate) fn reference(key_package: &[u8], crypto: &RustCrypto) -> KeyPackageRef {
    KeyPackage::decode(key_package).unwrap().reference(crypto).unwrap()
}

/// The KeyPackages in an answer.
pub(crate) fn handed_out(answer: &[u8]) -> Vec<Vec<u8>> {
    let response = KeyMaterialResponse::decode(answer).unwrap();
    let clients = response.clients.into_iter();
    clients
        .filter_map(|it| match it.material {
            ClientMaterial::KeyPackage(key_package) => Some(key_package.as_bytes().to_vec()),
            ClientMaterial::Exhausted | ClientMaterial::NothingCompatible(_) => None,
        })
        .collect()
}

/// Applies a step as if it had been saved.
pub(crate) fn settle<M: Machine, R>(step: Step<'_, M, R>) -> R {
    step.apply().reply
}

/// Plays one step with a crash at each point of its save, then for good.
///
/// Dropped before the save, refused by the store, lost with an unknown outcome: it never happened. Landed with an
/// unknown outcome, or saved and not applied: what is restored is what would be live. Each time restored equals live.
pub(crate) fn play<M, R>(
    store: &mut MemoryStore,
    id: &[u8],
    machine: &mut M,
    restore: &dyn Fn(&Records) -> M,
    step: &dyn for<'m> Fn(&'m mut M) -> Step<'m, M, R>,
) -> (R, Vec<M::Action>)
where
    M: Machine + Clone + PartialEq + std::fmt::Debug,
{
    let stored = |store: &MemoryStore| restore(&store.load(id).unwrap());
    let before = machine.clone();
    assert_eq!(stored(store), before, "restored equals live before the step");

    drop(step(machine));
    assert_eq!(*machine, before, "a dropped step never happened");

    for (fate, outcome) in
        [(Fate::Fails, SaveError::Failed), (Fate::LostUnknown, SaveError::Unknown)]
    {
        let tried = step(machine);
        if !tried.changes().is_empty() {
            store.set_fate(fate);
            assert_eq!(store.save(id, tried.changes()), Err(outcome));
        }
        drop(tried);
        assert_eq!(*machine, before);
        assert_eq!(stored(store), before, "nothing landed");
    }

    let mut live = before;
    let tried = step(&mut live);
    let changes = tried.changes().clone();
    if changes.is_empty() {
        assert_eq!(changes.base, changes.next);
    } else {
        store.set_fate(Fate::LandsUnknown);
        assert_eq!(store.save(id, &changes), Err(SaveError::Unknown));
        // A second owner that decided on the same state loses.
        assert!(matches!(store.save(id, &changes), Err(SaveError::Stale { .. })));
    }
    let Outcome { reply, actions } = tried.apply();
    *machine = stored(store);
    assert_eq!(*machine, live, "saved and not applied: restored equals live");
    (reply, actions)
}
