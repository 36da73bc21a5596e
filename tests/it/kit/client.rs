//! One client: its keys, its group, and what it has read.

use openmimi::{
    codec::Wire,
    env::{Peer, Timestamp},
    room::{ComponentId, Components, RoomState},
    uri::{ClientUri, GroupUri, UserUri},
    wire::{
        Frank, GroupInfoOption, HandshakeBundle, PublicMessage, RatchetTreeOption, UpdateRequest,
        Welcome as WireWelcome,
    },
};
use openmls::prelude::*;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;

use super::{
    SUITE, domain,
    parts::*,
    says::{Says, unknown},
    user,
};

/// What a committer sends, to be spoiled before it is a body.
#[derive(Clone)]
pub(crate) struct Bundle {
    pub(crate) commit: Vec<u8>,
    pub(crate) welcome: Option<Vec<u8>>,
    pub(crate) group_info: GroupInfoOption,
    pub(crate) ratchet_tree: RatchetTreeOption,
}

impl Bundle {
    pub(crate) fn body(&self) -> Vec<u8> {
        let commit = PublicMessage::decode(&self.commit).unwrap();
        let welcome = self.welcome.as_deref().map(|it| WireWelcome::decode(it).unwrap());
        let (group_info, ratchet_tree) = (self.group_info.clone(), self.ratchet_tree.clone());
        let bundle = HandshakeBundle::Commit { commit, welcome, group_info, ratchet_tree };
        UpdateRequest { bundle }.encode()
    }

    /// The same with another commit.
    pub(crate) fn with_commit(&self, commit: Vec<u8>) -> Self {
        Self { commit, ..self.clone() }
    }
}

/// An application message as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) text: Vec<u8>,
    pub(crate) at: Timestamp,
    pub(crate) frank: Option<Frank>,
    pub(crate) tag: Option<Vec<u8>>,
    pub(crate) message: Vec<u8>,
}

pub(crate) struct Client {
    pub(crate) user: UserUri,
    pub(crate) uri: ClientUri,
    pub(crate) provider: OpenMlsRustCrypto,
    pub(crate) signer: SignatureKeyPair,
    pub(crate) group: Option<MlsGroup>,
    /// What its credential says, if not its user.
    pub(crate) identity: Option<Vec<u8>>,
    /// What its leaves say.
    pub(crate) says: Says,
    pub(crate) read: Vec<Read>,
    /// Handshakes of its own: their echoes are no news.
    pub(super) sent: Vec<Vec<u8>>,
    pub(super) pending: Option<Vec<u8>>,
}

impl Client {
    /// `alice@a.example/phone`.
    pub(crate) fn new(name: &str) -> Self {
        let (name, device) = name.split_once('/').unwrap();
        let user = user(name);
        let uri = ClientUri::new(&user.domain(), format!("{}-{device}", user.name())).unwrap();
        let provider = OpenMlsRustCrypto::default();
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
        signer.store(provider.storage()).unwrap();
        Self {
            user,
            uri,
            provider,
            signer,
            group: None,
            identity: None,
            says: Says::default(),
            read: Vec::new(),
            sent: Vec::new(),
            pending: None,
        }
    }

    /// The same whose leaves say something else.
    pub(crate) fn saying(name: &str, says: Says) -> Self {
        Self { says, ..Self::new(name) }
    }

    /// Who stands behind its requests at the hub `a.example`.
    pub(crate) fn peer(&self) -> Peer {
        if self.user.domain() == domain("a.example") {
            Peer::Client(self.uri.clone(), self.user.clone())
        } else {
            Peer::Server(self.user.domain())
        }
    }

    pub(crate) fn credential(&self) -> CredentialWithKey {
        let identity = self.identity.as_deref().unwrap_or(self.user.as_bytes());
        CredentialWithKey {
            credential: BasicCredential::new(identity.to_vec()).into(),
            signature_key: self.signer.public().into(),
        }
    }

    pub(crate) fn mls(&self) -> &MlsGroup {
        self.group.as_ref().unwrap()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.mls().epoch().as_u64()
    }

    pub(crate) fn is_member(&self) -> bool {
        self.group.as_ref().is_some_and(MlsGroup::is_active)
    }

    pub(crate) fn leaf(&self) -> u32 {
        self.mls().own_leaf_index().u32()
    }

    pub(crate) fn key_package(&self) -> KeyPackage {
        let held = self.says.in_key_package.iter().map(|kind| unknown(*kind)).collect();
        KeyPackage::builder()
            .leaf_node_capabilities(self.says.capabilities(SUITE))
            .leaf_node_extensions(self.says.extensions())
            .key_package_extensions(Extensions::from_vec(held).unwrap())
            .key_package_lifetime(lifetime())
            .build(SUITE, &self.provider, &self.signer, self.credential())
            .unwrap()
            .key_package()
            .clone()
    }

    pub(crate) fn key_package_that_knows(&self, components: &[u16]) -> KeyPackage {
        let says = Says { knows: components.to_vec(), ..self.says.clone() };
        let Self { provider, signer, .. } = self;
        KeyPackage::builder()
            .leaf_node_capabilities(says.capabilities(SUITE))
            .leaf_node_extensions(says.extensions())
            .key_package_lifetime(lifetime())
            .build(SUITE, provider, signer, self.credential())
            .unwrap()
            .key_package()
            .clone()
    }

    /// Makes the group that a hub has offered, or another one.
    pub(crate) fn create(&mut self, group: &GroupUri, extensions: Vec<Extension>) {
        self.create_in(SUITE, group.as_bytes(), extensions);
    }

    pub(crate) fn create_in(&mut self, suite: Ciphersuite, id: &[u8], extensions: Vec<Extension>) {
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(suite)
            .capabilities(self.says.capabilities(suite))
            .with_leaf_node_extensions(self.says.extensions())
            .unwrap()
            .with_group_context_extensions(Extensions::from_vec(extensions).unwrap())
            .wire_format_policy(MIXED_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .max_past_epochs(1)
            .lifetime(lifetime())
            .build();
        let id = GroupId::from_slice(id);
        let credential = self.credential();
        let group =
            MlsGroup::new_with_group_id(&self.provider, &self.signer, &config, id, credential);
        self.group = Some(group.unwrap());
    }

    pub(crate) fn group_info(&self) -> Vec<u8> {
        let info = self.mls().export_group_info(self.provider.crypto(), &self.signer, false);
        tls(&info.unwrap())[4..].to_vec()
    }

    pub(crate) fn ratchet_tree(&self) -> Vec<u8> {
        tls(&self.mls().export_ratchet_tree())
    }

    pub(crate) fn group_context(&self) -> Vec<u8> {
        tls(self.mls().public_group().group_context())
    }

    /// The room as its group has it.
    pub(crate) fn room(&self) -> RoomState {
        let group = self.mls();
        let dictionary = group.extensions().app_data_dictionary().unwrap().dictionary();
        let mut components = Components::new();
        for entry in dictionary.entries() {
            components.insert(ComponentId(entry.id()), entry.data().to_vec());
        }
        let users: Vec<UserUri> = group
            .members()
            .map(|member| UserUri::parse(member.credential.serialized_content()).unwrap())
            .collect();
        RoomState::from_components(components, &users).unwrap()
    }

    /// The place of a participant in the list of this epoch.
    pub(crate) fn place(&self, participant: impl AsRef<str>) -> u32 {
        self.room().participants().find(participant).unwrap().place
    }

    /// The leaves of a user.
    pub(crate) fn leaves_of(&self, user: &UserUri) -> Vec<u32> {
        self.mls()
            .members()
            .filter(|member| member.credential.serialized_content() == user.as_bytes())
            .map(|member| member.index.u32())
            .collect()
    }
}
