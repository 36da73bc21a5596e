//! Handshakes that a client makes.

use openmimi::{
    codec::Wire,
    policy::RoleIndex,
    room::{ComponentId, ParticipantListUpdate},
    wire::{
        GroupInfoRatchetTree, HandshakeBundle, PublicMessage, RatchetTreeOption, UpdateRequest,
    },
};
use openmls::{
    messages::proposals::AppDataUpdateProposal, prelude::*, treesync::LeafNodeParameters,
};
use openmls_basic_credential::SignatureKeyPair;
use tls_codec::Deserialize as _;

use super::{
    client::{Bundle, Client},
    parts::*,
    says::Says,
};

impl Client {
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
        let info = given.group_info.to_openmls().unwrap();
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
}
