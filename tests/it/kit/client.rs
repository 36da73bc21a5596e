//! One client: its keys, its group, and what it has read.

use openmimi::{
    codec::{Reader, Wire, write_vec},
    env::{Peer, Timestamp},
    hub::Offer,
    policy::RoleIndex,
    room::{ComponentId, ComponentOperation, Components, ParticipantListUpdate, RoomState},
    uri::{ClientUri, GroupUri, UserUri},
    wire::{
        FanoutEvent, FanoutMessage, Frank, GroupInfo as WireGroupInfo, GroupInfoOption,
        GroupInfoRatchetTree, HandshakeBundle, PublicMessage, RatchetTreeOption,
        SubmitMessageRequest, UpdateRequest, Welcome as WireWelcome,
    },
};
use openmls::{
    ciphersuite::hash_ref::make_proposal_ref, component::ComponentData,
    extensions::SenderExtensionIndex, framing::Sender as EngineSender, group::QueuedProposal,
    messages::proposals::AppDataUpdateProposal, prelude::*, treesync::LeafNodeParameters,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use tls_codec::{Deserialize as _, DeserializeBytes as _};

use super::{SUITE, domain, user};

pub(crate) fn tls(value: &impl tls_codec::Serialize) -> Vec<u8> {
    value.tls_serialize_detached().unwrap()
}

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
    sent: Vec<Vec<u8>>,
    pending: Option<Vec<u8>>,
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

    /// Proposals that stand or fall together, as a body.
    pub(crate) fn propose(&mut self, proposals: Vec<Proposal>) -> Vec<u8> {
        let messages = proposals.into_iter().map(|proposal| self.propose_one(proposal)).collect();
        self.proposals_body(messages)
    }

    pub(crate) fn proposals_body(&mut self, messages: Vec<Vec<u8>>) -> Vec<u8> {
        self.sent.extend(messages.iter().cloned());
        let mut messages = messages.iter().map(|it| PublicMessage::decode(it).unwrap());
        let first = messages.next().unwrap();
        let bundle = HandshakeBundle::Proposals { first, more: messages.collect() };
        UpdateRequest { bundle }.encode()
    }

    pub(crate) fn propose_one(&mut self, proposal: Proposal) -> Vec<u8> {
        let Self { provider, signer, group, .. } = self;
        let group = group.as_mut().unwrap();
        let propose = match proposal {
            Proposal::SelfRemove => {
                return tls(&group.leave_group_via_self_remove(provider, signer).unwrap());
            }
            Proposal::Add(add) => Propose::Add(add.key_package().clone()),
            Proposal::Remove(remove) => Propose::Remove(remove.removed().u32()),
            Proposal::AppDataUpdate(update) => match update.operation() {
                AppDataUpdateOperation::Update(data) => Propose::UpdateAppDataComponent {
                    component_id: update.component_id(),
                    update: data.as_slice().to_vec(),
                },
                AppDataUpdateOperation::Remove => panic!("not in the kit"),
            },
            other => panic!("not in the kit: {other:?}"),
        };
        tls(&group.propose(provider, signer, propose, ProposalOrRefType::Reference).unwrap().0)
    }

    /// Whoever leaves: its own leaf by itself, its user's other ones and its entry in the list.
    pub(crate) fn leave(&mut self) -> Vec<u8> {
        let others: Vec<u32> =
            self.leaves_of(&self.user).into_iter().filter(|leaf| *leaf != self.leaf()).collect();
        let own = self.place(&self.user);
        let off = ParticipantListUpdate { removed: vec![own], ..ParticipantListUpdate::default() };
        let mut proposals = vec![Proposal::SelfRemove];
        proposals.extend(others.into_iter().map(remove));
        proposals.push(list_update(&off));
        self.propose(proposals)
    }

    pub(crate) fn forget_proposals(&mut self) {
        let Self { provider, group, .. } = self;
        group.as_mut().unwrap().clear_pending_proposals(provider.storage()).unwrap();
    }

    pub(crate) fn forget_commit(&mut self) {
        let Self { provider, group, .. } = self;
        group.as_mut().unwrap().clear_pending_commit(provider.storage()).unwrap();
        self.pending = None;
    }

    /// A commit of what is pending and of proposals by value. It is pending until it is met again or forgotten.
    pub(crate) fn commit(&mut self, proposals: Vec<Proposal>) -> Bundle {
        self.try_commit(proposals, false).unwrap()
    }

    /// A commit with an update path.
    pub(crate) fn update_path(&mut self) -> Bundle {
        self.try_commit(Vec::new(), true).unwrap()
    }

    /// A copy of the key that it signs with.
    pub(crate) fn signer_copy(&self) -> SignatureKeyPair {
        serde_json::from_slice(&serde_json::to_vec(&self.signer).unwrap()).unwrap()
    }

    /// A leaf that says of itself that it knows these components.
    pub(crate) fn leaf_that_knows(components: &[u16]) -> LeafNodeParameters {
        Says { knows: components.to_vec(), ..Says::default() }.leaf()
    }

    /// An Update to such a leaf.
    pub(crate) fn update_to(&mut self, leaf: LeafNodeParameters) -> Vec<u8> {
        let Self { provider, signer, group, .. } = self;
        let group = group.as_mut().unwrap();
        tls(&group.propose_self_update(provider, signer, leaf).unwrap().0)
    }

    /// This client under another key.
    fn under(&self, key: &SignatureKeyPair) -> CredentialWithKey {
        CredentialWithKey { signature_key: key.public().into(), ..self.credential() }
    }

    /// A commit whose path has such a leaf, of another key if there is one. It is forgotten at once.
    pub(crate) fn path_commit(
        &mut self,
        leaf: LeafNodeParameters,
        key: Option<&SignatureKeyPair>,
    ) -> Vec<u8> {
        let under = key.map(|key| (key, self.under(key)));
        let Self { provider, signer, group, .. } = self;
        let group = group.as_mut().unwrap();
        let stage = group
            .commit_builder()
            .force_self_update(true)
            .leaf_node_parameters(leaf)
            .load_psks(provider.storage())
            .unwrap();
        let (rand, crypto) = (provider.rand(), provider.crypto());
        let built = match under {
            Some((signer_of_leaf, credential_with_key)) => {
                let new = NewSignerBundle { signer: signer_of_leaf, credential_with_key };
                stage.build_with_new_signer(rand, crypto, signer, new, |_| true)
            }
            None => stage.build(rand, crypto, signer, |_| true),
        };
        let (commit, ..) = built.unwrap().stage_commit(provider).unwrap().into_contents();
        group.clear_pending_commit(provider.storage()).unwrap();
        tls(&commit)
    }

    /// An Update whose leaf has another key.
    pub(crate) fn update_with_key(&mut self, key: &SignatureKeyPair) -> Vec<u8> {
        let new = NewSignerBundle { signer: key, credential_with_key: self.under(key) };
        let leaf = LeafNodeParameters::builder().build();
        let Self { provider, signer, group, .. } = self;
        let group = group.as_mut().unwrap();
        let proposed = group.propose_self_update_with_new_signer(provider, signer, new, leaf);
        tls(&proposed.unwrap().0)
    }

    fn try_commit(&mut self, proposals: Vec<Proposal>, path: bool) -> Result<Bundle, String> {
        let room = self.room();
        let Self { provider, signer, group, .. } = self;
        let group = group.as_mut().unwrap();
        let mut stage = group
            .commit_builder()
            .force_self_update(path)
            .add_proposals(proposals)
            .load_psks(provider.storage())
            .map_err(|error| format!("{error:?}"))?;
        let mut updater = stage.app_data_dictionary_updater();
        fold_into(&room, &mut updater, stage.app_data_update_proposals())?;
        let changes = updater.changes();
        stage.with_app_data_dictionary_updates(changes);
        let made = stage
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(provider.rand(), provider.crypto(), signer, |_| true)
            .map_err(|error| format!("{error:?}"))?
            .stage_commit(provider)
            .map_err(|error| format!("{error:?}"))?;
        let (commit, welcome, info) = made.into_contents();
        let bundle = bundle(&commit, welcome.as_ref(), &info.unwrap());
        self.pending = Some(bundle.commit.clone());
        Ok(bundle)
    }

    pub(crate) fn merge_own(&mut self) {
        let Self { provider, group, pending, .. } = self;
        group.as_mut().unwrap().merge_pending_commit(provider).unwrap();
        *pending = None;
    }

    /// An external commit from what the hub has given out. With `entry` its user joins the list in that role.
    pub(crate) fn enter(
        &mut self,
        given: &GroupInfoRatchetTree,
        entry: Option<RoleIndex>,
    ) -> Bundle {
        let info = given.group_info.to_openmls();
        let RatchetTreeOption::Full(tree) = &given.ratchet_tree else { panic!("no tree") };
        let pending = given
            .pending_proposals
            .iter()
            .map(|it| match MlsMessageIn::tls_deserialize_exact(it.proposal.as_bytes()) {
                Ok(message) => match message.extract() {
                    MlsMessageBodyIn::PublicMessage(message) => message,
                    other => panic!("{other:?}"),
                },
                Err(error) => panic!("{error}"),
            })
            .collect();
        let leaf = self.says.leaf();
        let mut builder = MlsGroup::external_commit_builder()
            .with_ratchet_tree(tree.to_openmls())
            .with_proposals(pending)
            .with_config(join_config())
            .build_group(&self.provider, info, self.credential())
            .unwrap()
            .leaf_node_parameters(leaf);
        if let Some(role) = entry {
            let added = vec![(self.user.clone().into(), role)];
            let on = ParticipantListUpdate { added, ..ParticipantListUpdate::default() };
            builder = builder.add_app_data_update_proposal(AppDataUpdateProposal::update(
                ComponentId::PARTICIPANT_LIST.0,
                on.encode(),
            ));
        }
        let mut stage = builder
            .load_psks(self.provider.storage())
            .unwrap()
            .create_group_info(true)
            .use_ratchet_tree_extension(false);
        let room = room_of_group_context(given.group_info.group_context());
        let mut updater = stage.app_data_dictionary_updater();
        fold_into(&room, &mut updater, stage.app_data_update_proposals()).unwrap();
        let changes = updater.changes();
        stage.with_app_data_dictionary_updates(changes);
        let (joined, made) = stage
            .build(self.provider.rand(), self.provider.crypto(), &self.signer, |_| true)
            .unwrap()
            .finalize(&self.provider)
            .unwrap();
        self.group = Some(joined);
        let (commit, welcome, info) = made.into_contents();
        let bundle = bundle(&commit, welcome.as_ref(), &info.unwrap());
        self.sent.push(bundle.commit.clone());
        bundle
    }

    /// An application message with a franking tag, or without Safe AAD items.
    pub(crate) fn say(&mut self, text: &[u8], tag: Option<&[u8]>) -> Vec<u8> {
        let message = self.encrypt(text, tag);
        self.submit_body(&message)
    }

    pub(crate) fn encrypt(&mut self, text: &[u8], tag: Option<&[u8]>) -> Vec<u8> {
        self.encrypt_with(text, tag.map(|tag| (ComponentId::FRANK_AAD, tag)).as_slice())
    }

    /// An application message with these items in its Safe AAD.
    pub(crate) fn encrypt_with(&mut self, text: &[u8], items: &[(ComponentId, &[u8])]) -> Vec<u8> {
        let Self { provider, signer, group, .. } = self;
        let group = group.as_mut().unwrap();
        let items = items.iter().map(|(id, data)| SafeAadItem::new(id.0, data.to_vec()));
        group.set_safe_aad(items.collect()).unwrap();
        let message = tls(&group.create_message(provider, signer, text).unwrap());
        self.sent.push(message.clone());
        message
    }

    pub(crate) fn submit_body(&self, message: &[u8]) -> Vec<u8> {
        let app_message = openmimi::wire::PrivateMessage::decode(message).unwrap();
        SubmitMessageRequest { app_message, sending_uri: self.user.clone() }.encode()
    }

    /// Takes what the hub has fanned out.
    pub(crate) fn receive(&mut self, fanned: &FanoutMessage) {
        match &fanned.event {
            FanoutEvent::Welcome { welcome, ratchet_tree } => {
                if self.group.is_none() {
                    self.join(welcome, ratchet_tree);
                }
            }
            _ if !self.is_member() => {}
            FanoutEvent::Application { message, frank } => {
                self.hear(message, frank.as_ref(), fanned.timestamp);
            }
            FanoutEvent::Proposals { first, .. } if first.epoch() < self.epoch() => {}
            FanoutEvent::Proposals { first, more } => {
                std::iter::once(first).chain(more).for_each(|it| self.take(it.as_bytes()));
            }
            FanoutEvent::Commit { commit, external_proposals } => {
                if commit.epoch() < self.epoch() && !self.sent.contains(&commit.as_bytes().to_vec())
                {
                    return;
                }
                if self.pending.as_deref() == Some(commit.as_bytes()) {
                    self.merge_own();
                } else {
                    if self.pending.is_some() {
                        self.forget_commit();
                    }
                    self.take(commit.as_bytes());
                }
                if self.is_member() {
                    external_proposals.iter().for_each(|it| self.take(it.as_bytes()));
                }
            }
        }
    }

    fn join(&mut self, welcome: &WireWelcome, tree: &RatchetTreeOption) {
        let RatchetTreeOption::Full(tree) = tree else { panic!("no tree") };
        let staged = StagedWelcome::build_from_welcome(
            &self.provider,
            &join_config(),
            welcome.to_openmls().unwrap(),
        );
        // The Welcome of another client of the same provider.
        let Ok(staged) = staged else { return };
        let staged = staged.with_ratchet_tree(tree.to_openmls()).build().unwrap();
        self.group = Some(staged.into_group(&self.provider).unwrap());
    }

    fn hear(
        &mut self,
        message: &openmimi::wire::PrivateMessage,
        frank: Option<&Frank>,
        at: Timestamp,
    ) {
        if self.sent.contains(&message.as_bytes().to_vec()) {
            return;
        }
        let Self { provider, group, .. } = self;
        let group = group.as_mut().unwrap();
        let processed = group.process_message(provider, message.to_openmls()).unwrap();
        let tag = processed.safe_aad_item(ComponentId::FRANK_AAD.0).map(<[u8]>::to_vec);
        let ProcessedMessageContent::ApplicationMessage(text) = processed.into_content() else {
            panic!("no application message");
        };
        self.read.push(Read {
            text: text.into_bytes(),
            at,
            frank: frank.cloned(),
            tag,
            message: message.as_bytes().to_vec(),
        });
    }

    /// Takes a handshake message.
    pub(crate) fn take(&mut self, message: &[u8]) {
        if self.sent.iter().any(|it| it == message) {
            return;
        }
        let room = self.room();
        let Self { provider, group, .. } = self;
        let group = group.as_mut().unwrap();
        if let Some(queued) = component_update_of_a_server(provider, message) {
            group.store_pending_proposal(provider.storage(), queued).unwrap();
            return;
        }
        let protocol = MlsMessageIn::tls_deserialize_exact(message)
            .unwrap()
            .try_into_protocol_message()
            .unwrap();
        let processed = group.process_message(provider, protocol).unwrap();
        let staged = match processed.into_content() {
            ProcessedMessageContent::ProposalMessage(proposal)
            | ProcessedMessageContent::ExternalJoinProposalMessage(proposal) => {
                group.store_pending_proposal(provider.storage(), *proposal).unwrap();
                return;
            }
            ProcessedMessageContent::StagedCommitMessage(staged) => *staged,
            ProcessedMessageContent::UnresolvedAppDataCommit(open) => {
                let mut updater = group.app_data_dictionary_updater();
                fold_into(&room, &mut updater, open.app_data_update_proposals()).unwrap();
                let changes = updater.changes();
                group.stage_app_data_commit(provider, *open, changes).unwrap()
            }
            other => panic!("{other:?}"),
        };
        group.merge_staged_commit(provider, staged).unwrap();
    }
}

/// The engine takes no AppDataUpdate from an external sender, so it is queued past it (openmls 0.9.2).
fn component_update_of_a_server(
    provider: &OpenMlsRustCrypto,
    message: &[u8],
) -> Option<QueuedProposal> {
    #[derive(serde::Serialize)]
    struct Queued {
        proposal: Proposal,
        proposal_reference: openmls::ciphersuite::hash_ref::ProposalRef,
        sender: EngineSender,
        proposal_or_ref_type: ProposalOrRefType,
    }
    let mut reader = Reader::new(message);
    reader.take("version and wire format", 4).ok()?;
    reader.bytes("group_id").ok()?;
    reader.u64("epoch").ok()?;
    if reader.u8("sender_type").ok()? != 2 {
        return None;
    }
    let index = reader.u32("sender_index").ok()?;
    reader.bytes("authenticated_data").ok()?;
    if (reader.u8("content_type").ok()?, reader.u16("proposal_type").ok()?) != (2, 8) {
        return None;
    }
    let component = reader.u16("component_id").ok()?;
    assert_eq!(reader.u8("operation").ok()?, 1);
    let update = reader.bytes("update").ok()?;
    let queued = Queued {
        proposal: component_update(ComponentId(component), update),
        proposal_reference: make_proposal_ref(&message[2..], SUITE, provider.crypto()).ok()?,
        sender: EngineSender::External(SenderExtensionIndex::new(index)),
        proposal_or_ref_type: ProposalOrRefType::Reference,
    };
    postcard::from_bytes(&postcard::to_allocvec(&queued).ok()?).ok()
}

/// The room in a GroupContext, its clients left out.
fn room_of_group_context(octets: &[u8]) -> RoomState {
    let context = GroupContext::tls_deserialize_exact_bytes(octets).unwrap();
    let dictionary = context.extensions().app_data_dictionary().unwrap().dictionary();
    let mut components = Components::new();
    for entry in dictionary.entries() {
        components.insert(ComponentId(entry.id()), entry.data().to_vec());
    }
    RoomState::from_components(components, &[]).unwrap()
}

/// What members make of the updates of a commit.
fn fold_into<'a>(
    room: &RoomState,
    updater: &mut AppDataDictionaryUpdater<'_>,
    proposals: impl Iterator<Item = &'a AppDataUpdateProposal>,
) -> Result<(), String> {
    let operations: Vec<_> = proposals
        .map(|proposal| {
            let operation = match proposal.operation() {
                AppDataUpdateOperation::Update(data) => ComponentOperation::Update(data.as_slice()),
                AppDataUpdateOperation::Remove => ComponentOperation::Remove,
            };
            (ComponentId(proposal.component_id()), operation)
        })
        .collect();
    match room.fold(&operations, &[]) {
        Ok(change) => {
            for (id, data) in change.components(room) {
                match data {
                    Some(data) => updater.set(ComponentData::from_parts(id.0, data.into())),
                    None => updater.remove(&id.0),
                }
            }
        }
        // Senseless updates: what a hostile member makes of them is its own affair.
        Err(_) => {
            for (id, operation) in operations {
                match operation {
                    ComponentOperation::Update(data) => {
                        updater.set(ComponentData::from_parts(id.0, data.to_vec().into()));
                    }
                    ComponentOperation::Remove => updater.remove(&id.0),
                }
            }
        }
    }
    Ok(())
}

fn bundle(
    commit: &MlsMessageOut,
    welcome: Option<&Welcome>,
    info: &openmls::messages::group_info::GroupInfo,
) -> Bundle {
    Bundle {
        commit: tls(commit),
        welcome: welcome.map(tls),
        group_info: GroupInfoOption::Full(WireGroupInfo::decode(&tls(info)).unwrap()),
        ratchet_tree: RatchetTreeOption::DistributionService,
    }
}

fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(MIXED_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(false)
        .max_past_epochs(1)
        .build()
}

/// From 2020 to 2200.
fn lifetime() -> Lifetime {
    Lifetime::init(1_577_836_800, 7_258_118_400)
}

/// What the leaves of a client say.
#[derive(Clone)]
pub(crate) struct Says {
    /// The components that it knows.
    pub(crate) knows: Vec<u16>,
    /// The extensions that nobody has defined, and that it could do something with.
    pub(crate) lists: Vec<u16>,
    /// Those of them that its leaf holds, and its KeyPackage.
    pub(crate) holds: Vec<u16>,
    pub(crate) in_key_package: Vec<u16>,
}

impl Default for Says {
    fn default() -> Self {
        let knows = ComponentId::KNOWN.iter().map(|id| id.0).collect();
        Self { knows, lists: Vec::new(), holds: Vec::new(), in_key_package: Vec::new() }
    }
}

impl Says {
    fn capabilities(&self, suite: Ciphersuite) -> Capabilities {
        let mut extensions = vec![
            ExtensionType::AppDataDictionary,
            ExtensionType::Unknown(openmimi::wire::RatchetTreeSourceDomains::EXTENSION),
        ];
        extensions.extend(self.lists.iter().map(|kind| ExtensionType::from(*kind)));
        Capabilities::builder()
            .ciphersuites(vec![suite])
            .extensions(extensions)
            .proposals(vec![
                ProposalType::AppDataUpdate,
                ProposalType::AppEphemeral,
                ProposalType::SelfRemove,
            ])
            .credentials(vec![CredentialType::Basic])
            .build()
    }

    fn extensions(&self) -> Extensions<LeafNode> {
        let held = self.holds.iter().map(|kind| unknown(*kind));
        let all = std::iter::once(leaf_dictionary(&self.knows)).chain(held).collect();
        Extensions::from_vec(all).unwrap()
    }

    pub(crate) fn leaf(&self) -> LeafNodeParameters {
        LeafNodeParameters::builder()
            .with_capabilities(self.capabilities(SUITE))
            .with_extensions(self.extensions())
            .build()
    }
}

fn unknown(kind: u16) -> Extension {
    Extension::Unknown(kind, openmls::extensions::UnknownExtension(vec![1, 2, 3]))
}

fn components_list(ids: &[u16]) -> Vec<u8> {
    let mut out = Vec::new();
    write_vec(&mut out, ids, |id, out| out.extend_from_slice(&id.to_be_bytes()));
    out
}

fn leaf_dictionary(known: &[u16]) -> Extension {
    let mut dictionary = AppDataDictionary::new();
    dictionary.insert(ComponentId::APP_COMPONENTS.0, components_list(known));
    dictionary.insert(ComponentId::SAFE_AAD.0, components_list(&[ComponentId::FRANK_AAD.0]));
    Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary))
}

/// The extensions of the group that an offer asks for.
pub(crate) fn extensions_of(offer: &Offer) -> Vec<Extension> {
    let mut dictionary = AppDataDictionary::new();
    for (id, data) in offer.components() {
        dictionary.insert(id.0, data);
    }
    vec![
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(
            &[ExtensionType::AppDataDictionary],
            &[ProposalType::AppDataUpdate, ProposalType::SelfRemove],
            &[CredentialType::Basic],
        )),
        Extension::ExternalSenders(vec![external_sender(
            &offer.signature_key,
            offer.provider.as_bytes(),
        )]),
        Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary)),
    ]
}

pub(crate) fn external_sender(key: &[u8], identity: &[u8]) -> ExternalSender {
    ExternalSender::new(key.into(), BasicCredential::new(identity.to_vec()).into())
}

pub(crate) fn add(key_package: KeyPackage) -> Proposal {
    Proposal::Add(Box::new(AddProposal::from(key_package)))
}

pub(crate) fn remove(leaf: u32) -> Proposal {
    let remove = RemoveProposal::tls_deserialize_exact_bytes(&leaf.to_be_bytes()).unwrap();
    Proposal::Remove(Box::new(remove))
}

pub(crate) fn component_update(id: ComponentId, data: &[u8]) -> Proposal {
    Proposal::AppDataUpdate(Box::new(AppDataUpdateProposal::update(id.0, data)))
}

pub(crate) fn list_update(update: &ParticipantListUpdate) -> Proposal {
    component_update(ComponentId::PARTICIPANT_LIST, &update.encode())
}
