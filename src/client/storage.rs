//! openmls's storage trait over a [`Store`], method by method.

use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};
use serde::Serialize;

use super::store::{Name, Store, StoreError, Value, decode, encode, name, named};

fn epoch_name(epoch: &impl Serialize, leaf_index: u32) -> Result<Name, StoreError> {
    named(Value::EpochKeyPairs, &(epoch, leaf_index))
}

/// One store holds one group, so the group's ID is in no name.
impl StorageProvider<CURRENT_VERSION> for Store {
    type Error = StoreError;

    fn write_mls_join_config<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        MlsGroupJoinConfig: traits::MlsGroupJoinConfig<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        config: &MlsGroupJoinConfig,
    ) -> Result<(), StoreError> {
        let json = serde_json::to_vec(config).map_err(|_| StoreError::Encode)?;
        self.write(name(Value::JoinConfig), json);
        Ok(())
    }

    fn append_own_leaf_node<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        LeafNode: traits::LeafNode<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        leaf_node: &LeafNode,
    ) -> Result<(), StoreError> {
        self.put(self.next(Value::OwnLeafNode), leaf_node)
    }

    fn queue_proposal<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
        QueuedProposal: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        proposal_ref: &ProposalRef,
        proposal: &QueuedProposal,
    ) -> Result<(), StoreError> {
        self.put(self.next(Value::Proposal), &(encode(proposal_ref)?, encode(proposal)?))
    }

    fn write_tree<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        TreeSync: traits::TreeSync<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        value: &TreeSync,
    ) -> Result<(), StoreError> {
        self.put(name(Value::Tree), value)
    }

    fn write_interim_transcript_hash<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        InterimTranscriptHash: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        value: &InterimTranscriptHash,
    ) -> Result<(), StoreError> {
        self.put(name(Value::InterimTranscriptHash), value)
    }

    fn write_context<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        GroupContext: traits::GroupContext<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        value: &GroupContext,
    ) -> Result<(), StoreError> {
        self.put(name(Value::Context), value)
    }

    fn write_confirmation_tag<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ConfirmationTag: traits::ConfirmationTag<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        value: &ConfirmationTag,
    ) -> Result<(), StoreError> {
        self.put(name(Value::ConfirmationTag), value)
    }

    fn write_group_state<
        GroupState: traits::GroupState<CURRENT_VERSION>,
        GroupId: traits::GroupId<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        value: &GroupState,
    ) -> Result<(), StoreError> {
        self.put(name(Value::GroupState), value)
    }

    fn write_message_secrets<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        MessageSecrets: traits::MessageSecrets<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        value: &MessageSecrets,
    ) -> Result<(), StoreError> {
        self.put(name(Value::MessageSecrets), value)
    }

    fn write_resumption_psk_store<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ResumptionPskStore: traits::ResumptionPskStore<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        value: &ResumptionPskStore,
    ) -> Result<(), StoreError> {
        self.put(name(Value::ResumptionPsks), value)
    }

    fn write_own_leaf_index<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        LeafNodeIndex: traits::LeafNodeIndex<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        value: &LeafNodeIndex,
    ) -> Result<(), StoreError> {
        self.put(name(Value::OwnLeafIndex), value)
    }

    fn write_group_epoch_secrets<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        GroupEpochSecrets: traits::GroupEpochSecrets<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        value: &GroupEpochSecrets,
    ) -> Result<(), StoreError> {
        self.put(name(Value::EpochSecrets), value)
    }

    fn write_application_export_tree<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ApplicationExportTree: traits::ApplicationExportTree<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        value: &ApplicationExportTree,
    ) -> Result<(), StoreError> {
        self.put(name(Value::ExportTree), value)
    }

    fn write_signature_key_pair<
        SignaturePublicKey: traits::SignaturePublicKey<CURRENT_VERSION>,
        SignatureKeyPair: traits::SignatureKeyPair<CURRENT_VERSION>,
    >(
        &self,
        key: &SignaturePublicKey,
        value: &SignatureKeyPair,
    ) -> Result<(), StoreError> {
        self.put(named(Value::SignatureKeyPair, key)?, value)
    }

    fn write_encryption_key_pair<
        EncryptionKey: traits::EncryptionKey<CURRENT_VERSION>,
        HpkeKeyPair: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        key: &EncryptionKey,
        value: &HpkeKeyPair,
    ) -> Result<(), StoreError> {
        self.put(named(Value::EncryptionKeyPair, key)?, value)
    }

    fn write_encryption_epoch_key_pairs<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        EpochKey: traits::EpochKey<CURRENT_VERSION>,
        HpkeKeyPair: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        epoch: &EpochKey,
        leaf_index: u32,
        key_pairs: &[HpkeKeyPair],
    ) -> Result<(), StoreError> {
        self.put(epoch_name(epoch, leaf_index)?, &key_pairs)
    }

    fn write_key_package<
        HashReference: traits::HashReference<CURRENT_VERSION>,
        KeyPackage: traits::KeyPackage<CURRENT_VERSION>,
    >(
        &self,
        key: &HashReference,
        value: &KeyPackage,
    ) -> Result<(), StoreError> {
        self.put(named(Value::KeyPackage, key)?, value)
    }

    fn write_psk<
        PskId: traits::PskId<CURRENT_VERSION>,
        PskBundle: traits::PskBundle<CURRENT_VERSION>,
    >(
        &self,
        key: &PskId,
        value: &PskBundle,
    ) -> Result<(), StoreError> {
        self.put(named(Value::Psk, key)?, value)
    }

    fn mls_group_join_config<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        MlsGroupJoinConfig: traits::MlsGroupJoinConfig<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<MlsGroupJoinConfig>, StoreError> {
        self.read(&name(Value::JoinConfig), |json| {
            serde_json::from_slice(json).map_err(|_| StoreError::Decode)
        })
    }

    fn own_leaf_nodes<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        LeafNode: traits::LeafNode<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Vec<LeafNode>, StoreError> {
        self.list(Value::OwnLeafNode)
    }

    fn queued_proposal_refs<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Vec<ProposalRef>, StoreError> {
        let queued: Vec<(Vec<u8>, Vec<u8>)> = self.list(Value::Proposal)?;
        queued.iter().map(|(proposal_ref, _)| decode(proposal_ref)).collect()
    }

    fn queued_proposals<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
        QueuedProposal: traits::QueuedProposal<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Vec<(ProposalRef, QueuedProposal)>, StoreError> {
        let queued: Vec<(Vec<u8>, Vec<u8>)> = self.list(Value::Proposal)?;
        queued
            .iter()
            .map(|(proposal_ref, proposal)| Ok((decode(proposal_ref)?, decode(proposal)?)))
            .collect()
    }

    fn tree<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        TreeSync: traits::TreeSync<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<TreeSync>, StoreError> {
        self.get(&name(Value::Tree))
    }

    fn group_context<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        GroupContext: traits::GroupContext<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<GroupContext>, StoreError> {
        self.get(&name(Value::Context))
    }

    fn interim_transcript_hash<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        InterimTranscriptHash: traits::InterimTranscriptHash<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<InterimTranscriptHash>, StoreError> {
        self.get(&name(Value::InterimTranscriptHash))
    }

    fn confirmation_tag<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ConfirmationTag: traits::ConfirmationTag<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<ConfirmationTag>, StoreError> {
        self.get(&name(Value::ConfirmationTag))
    }

    fn group_state<
        GroupState: traits::GroupState<CURRENT_VERSION>,
        GroupId: traits::GroupId<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<GroupState>, StoreError> {
        self.get(&name(Value::GroupState))
    }

    fn message_secrets<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        MessageSecrets: traits::MessageSecrets<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<MessageSecrets>, StoreError> {
        self.get(&name(Value::MessageSecrets))
    }

    fn resumption_psk_store<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ResumptionPskStore: traits::ResumptionPskStore<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<ResumptionPskStore>, StoreError> {
        self.get(&name(Value::ResumptionPsks))
    }

    fn own_leaf_index<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        LeafNodeIndex: traits::LeafNodeIndex<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<LeafNodeIndex>, StoreError> {
        self.get(&name(Value::OwnLeafIndex))
    }

    fn group_epoch_secrets<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        GroupEpochSecrets: traits::GroupEpochSecrets<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<GroupEpochSecrets>, StoreError> {
        self.get(&name(Value::EpochSecrets))
    }

    fn application_export_tree<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ApplicationExportTree: traits::ApplicationExportTree<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<Option<ApplicationExportTree>, StoreError> {
        self.get(&name(Value::ExportTree))
    }

    fn signature_key_pair<
        SignaturePublicKey: traits::SignaturePublicKey<CURRENT_VERSION>,
        SignatureKeyPair: traits::SignatureKeyPair<CURRENT_VERSION>,
    >(
        &self,
        key: &SignaturePublicKey,
    ) -> Result<Option<SignatureKeyPair>, StoreError> {
        self.get(&named(Value::SignatureKeyPair, key)?)
    }

    fn encryption_key_pair<
        HpkeKeyPair: traits::HpkeKeyPair<CURRENT_VERSION>,
        EncryptionKey: traits::EncryptionKey<CURRENT_VERSION>,
    >(
        &self,
        key: &EncryptionKey,
    ) -> Result<Option<HpkeKeyPair>, StoreError> {
        self.get(&named(Value::EncryptionKeyPair, key)?)
    }

    fn encryption_epoch_key_pairs<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        EpochKey: traits::EpochKey<CURRENT_VERSION>,
        HpkeKeyPair: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        epoch: &EpochKey,
        leaf_index: u32,
    ) -> Result<Vec<HpkeKeyPair>, StoreError> {
        Ok(self.get(&epoch_name(epoch, leaf_index)?)?.unwrap_or_default())
    }

    fn key_package<
        KeyPackageRef: traits::HashReference<CURRENT_VERSION>,
        KeyPackage: traits::KeyPackage<CURRENT_VERSION>,
    >(
        &self,
        key: &KeyPackageRef,
    ) -> Result<Option<KeyPackage>, StoreError> {
        self.get(&named(Value::KeyPackage, key)?)
    }

    fn psk<PskBundle: traits::PskBundle<CURRENT_VERSION>, PskId: traits::PskId<CURRENT_VERSION>>(
        &self,
        key: &PskId,
    ) -> Result<Option<PskBundle>, StoreError> {
        self.get(&named(Value::Psk, key)?)
    }

    fn remove_proposal<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        proposal_ref: &ProposalRef,
    ) -> Result<(), StoreError> {
        let wanted = encode(proposal_ref)?;
        for name in self.names(Value::Proposal) {
            let queued: Option<(Vec<u8>, Vec<u8>)> = self.get(&name)?;
            if queued.is_some_and(|(proposal_ref, _)| proposal_ref == wanted) {
                self.delete(name)?;
            }
        }
        Ok(())
    }

    fn delete_own_leaf_nodes<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.clear(Value::OwnLeafNode)
    }

    fn delete_group_config<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.delete(name(Value::JoinConfig))
    }

    fn delete_tree<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.delete(name(Value::Tree))
    }

    fn delete_confirmation_tag<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.delete(name(Value::ConfirmationTag))
    }

    fn delete_group_state<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.delete(name(Value::GroupState))
    }

    fn delete_context<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.delete(name(Value::Context))
    }

    fn delete_interim_transcript_hash<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.delete(name(Value::InterimTranscriptHash))
    }

    fn delete_message_secrets<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.delete(name(Value::MessageSecrets))
    }

    fn delete_all_resumption_psk_secrets<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.delete(name(Value::ResumptionPsks))
    }

    fn delete_own_leaf_index<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.delete(name(Value::OwnLeafIndex))
    }

    fn delete_group_epoch_secrets<GroupId: traits::GroupId<CURRENT_VERSION>>(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.delete(name(Value::EpochSecrets))
    }

    fn clear_proposal_queue<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ProposalRef: traits::ProposalRef<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.clear(Value::Proposal)
    }

    fn delete_signature_key_pair<
        SignaturePublicKey: traits::SignaturePublicKey<CURRENT_VERSION>,
    >(
        &self,
        key: &SignaturePublicKey,
    ) -> Result<(), StoreError> {
        self.delete(named(Value::SignatureKeyPair, key)?)
    }

    fn delete_encryption_key_pair<EncryptionKey: traits::EncryptionKey<CURRENT_VERSION>>(
        &self,
        key: &EncryptionKey,
    ) -> Result<(), StoreError> {
        self.delete(named(Value::EncryptionKeyPair, key)?)
    }

    fn delete_encryption_epoch_key_pairs<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        EpochKey: traits::EpochKey<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
        epoch: &EpochKey,
        leaf_index: u32,
    ) -> Result<(), StoreError> {
        self.delete(epoch_name(epoch, leaf_index)?)
    }

    fn delete_key_package<KeyPackageRef: traits::HashReference<CURRENT_VERSION>>(
        &self,
        key: &KeyPackageRef,
    ) -> Result<(), StoreError> {
        self.delete(named(Value::KeyPackage, key)?)
    }

    fn delete_psk<PskId: traits::PskId<CURRENT_VERSION>>(
        &self,
        key: &PskId,
    ) -> Result<(), StoreError> {
        self.delete(named(Value::Psk, key)?)
    }

    fn delete_application_export_tree<
        GroupId: traits::GroupId<CURRENT_VERSION>,
        ApplicationExportTree: traits::ApplicationExportTree<CURRENT_VERSION>,
    >(
        &self,
        _: &GroupId,
    ) -> Result<(), StoreError> {
        self.delete(name(Value::ExportTree))
    }
}
