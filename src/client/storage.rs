//! The store that openmls writes to: the records last saved, and over them what the open step has written.
//!
//! openmls changes a group in memory and writes what changed at once. Here those writes only gather in an overlay:
//! [`Store::delta`] gives them as records, [`Store::keep`] makes them the new base, [`Store::discard`] forgets them,
//! after which the group is loaded again from the base. Reads see the overlay first, since openmls reads back in
//! mid-operation what it has just written.
//!
//! Values are postcard, except for one constant record: `MlsGroupJoinConfig` holds an untagged enum, which only a
//! self-describing format can read, so that one is JSON. Values are cut into [`Pieces`].

use std::{cell::RefCell, collections::BTreeMap};

use openmls_traits::storage::{CURRENT_VERSION, Entity, Key as StorageKey, StorageProvider, traits};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{
    error::RestoreError,
    machine::{Key, Records},
    pieces::Pieces,
};

/// A record that openmls cannot have: our records are damaged, or its formats have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum StoreError {
    /// It cannot be written in the format of records.
    #[error("a value of MLS state does not encode")]
    Encode,
    /// It cannot be read.
    #[error("a record of MLS state does not decode")]
    Decode,
}

/// Which value of a group a record holds. The codes are part of the record format.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Value {
    JoinConfig = 1,
    OwnLeafNode = 2,
    Proposal = 3,
    Tree = 4,
    InterimTranscriptHash = 5,
    Context = 6,
    ConfirmationTag = 7,
    GroupState = 8,
    MessageSecrets = 9,
    ResumptionPsks = 10,
    OwnLeafIndex = 11,
    EpochSecrets = 12,
    ExportTree = 13,
    SignatureKeyPair = 14,
    EncryptionKeyPair = 15,
    EpochKeyPairs = 16,
    KeyPackage = 17,
    Psk = 18,
}

/// The name of a value: its code, then what tells it from others of its code.
type Name = Vec<u8>;

fn name(value: Value) -> Name {
    vec![value as u8]
}

fn named(value: Value, field: &impl Serialize) -> Result<Name, StoreError> {
    postcard::to_extend(field, name(value)).map_err(|_| StoreError::Encode)
}

fn numbered(value: Value, number: u64) -> Name {
    let mut name = name(value);
    name.extend_from_slice(&number.to_be_bytes());
    name
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(value).map_err(|_| StoreError::Encode)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|_| StoreError::Decode)
}

/// What the open step did to a value.
#[derive(Debug)]
enum Written {
    /// Written, and not yet compared with what is saved.
    Bytes(Vec<u8>),
    /// Written, and cut into pieces for the save.
    Cut(Pieces),
    /// Deleted.
    Gone,
}

/// The MLS state of one group: saved, and as the open step sees it.
#[derive(Debug, Default)]
pub(super) struct Store {
    base: BTreeMap<Name, Pieces>,
    overlay: RefCell<BTreeMap<Name, Written>>,
}

impl Store {
    /// The kind of the records that hold MLS state. Their key goes on with the value's name and, in the last eight
    /// octets, the position of the piece.
    pub(super) const KIND: u8 = 0x40;

    fn key(name: &[u8], position: u64) -> Key {
        Key::new(Self::KIND).bytes(name).u64(position)
    }

    /// The state that records hold.
    pub(super) fn restore(records: &Records) -> Result<Self, RestoreError> {
        let mut base = BTreeMap::<Name, Pieces>::new();
        for (key, piece) in records.kind(Self::KIND) {
            let (name, position) =
                key.fields().split_last_chunk().ok_or(RestoreError::Corrupt("MLS state"))?;
            base.entry(name.to_vec()).or_default().push(u64::from_be_bytes(*position), piece);
        }
        Ok(Self { base, overlay: RefCell::default() })
    }

    /// Whether the open step has written anything.
    pub(super) fn is_touched(&self) -> bool {
        !self.overlay.borrow().is_empty()
    }

    /// What the open step writes, in records. Values that are as they were saved are not among them.
    pub(super) fn delta(&mut self) -> BTreeMap<Key, Option<Vec<u8>>> {
        let mut writes = BTreeMap::new();
        let base = &self.base;
        self.overlay.get_mut().retain(|name, written| {
            let none = Pieces::default();
            let saved = base.get(name);
            match written {
                Written::Bytes(bytes) => {
                    if saved.is_some_and(|saved| saved.bytes() == bytes.as_slice()) {
                        return false;
                    }
                    let (pieces, changed) =
                        saved.unwrap_or(&none).replaced(std::mem::take(bytes));
                    writes.extend(
                        changed.into_iter().map(|(at, piece)| (Self::key(name, at), piece)),
                    );
                    *written = Written::Cut(pieces);
                    true
                }
                Written::Cut(_) => true,
                Written::Gone => {
                    let Some(saved) = saved else { return false };
                    writes.extend(saved.positions().map(|at| (Self::key(name, at), None)));
                    true
                }
            }
        });
        writes
    }

    /// Makes what the step wrote the saved state.
    pub(super) fn keep(&mut self) {
        for (name, written) in std::mem::take(self.overlay.get_mut()) {
            match written {
                Written::Cut(pieces) => self.base.insert(name, pieces),
                Written::Bytes(bytes) => {
                    let pieces = self.base.get(&name).unwrap_or(&Pieces::default()).replaced(bytes).0;
                    self.base.insert(name, pieces)
                }
                Written::Gone => self.base.remove(&name),
            };
        }
    }

    /// Forgets what the step wrote.
    pub(super) fn discard(&mut self) {
        self.overlay.get_mut().clear();
    }

    /// Octets of the saved state.
    #[cfg(test)]
    pub(super) fn octets(&self) -> usize {
        self.base.values().map(|pieces| pieces.bytes().len()).sum()
    }

    fn write(&self, name: Name, bytes: Vec<u8>) {
        self.overlay.borrow_mut().insert(name, Written::Bytes(bytes));
    }

    fn put(&self, name: Name, value: &impl Serialize) -> Result<(), StoreError> {
        self.write(name, encode(value)?);
        Ok(())
    }

    fn delete(&self, name: Name) -> Result<(), StoreError> {
        let mut overlay = self.overlay.borrow_mut();
        if self.base.contains_key(&name) {
            overlay.insert(name, Written::Gone);
        } else {
            overlay.remove(&name);
        }
        Ok(())
    }

    fn read<T>(
        &self,
        name: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self.overlay.borrow().get(name) {
            Some(Written::Bytes(bytes)) => read(bytes).map(Some),
            Some(Written::Cut(pieces)) => read(pieces.bytes()).map(Some),
            Some(Written::Gone) => Ok(None),
            None => self.base.get(name).map(|pieces| read(pieces.bytes())).transpose(),
        }
    }

    fn get<T: DeserializeOwned>(&self, name: &[u8]) -> Result<Option<T>, StoreError> {
        self.read(name, decode)
    }

    /// The names of all values with one code, in order.
    fn names(&self, value: Value) -> Vec<Name> {
        let mine = |name: &&Name| name.first() == Some(&(value as u8));
        let overlay = self.overlay.borrow();
        let mut names: Vec<Name> = self
            .base
            .keys()
            .filter(mine)
            .filter(|name| !overlay.contains_key(*name))
            .chain(overlay.iter().filter(|(_, w)| !matches!(w, Written::Gone)).map(|(n, _)| n).filter(mine))
            .cloned()
            .collect();
        names.sort_unstable();
        names
    }

    /// The name for one more value in a list.
    fn next(&self, value: Value) -> Name {
        let last = self.names(value).pop();
        let number = last
            .as_deref()
            .and_then(|name| name.split_last_chunk())
            .map_or(0, |(_, number)| u64::from_be_bytes(*number).wrapping_add(1));
        numbered(value, number)
    }

    fn list<T: DeserializeOwned>(&self, value: Value) -> Result<Vec<T>, StoreError> {
        self.names(value).iter().filter_map(|name| self.get(name).transpose()).collect()
    }

    fn clear(&self, value: Value) -> Result<(), StoreError> {
        self.names(value).into_iter().try_for_each(|name| self.delete(name))
    }
}

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

    fn psk<
        PskBundle: traits::PskBundle<CURRENT_VERSION>,
        PskId: traits::PskId<CURRENT_VERSION>,
    >(
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

    fn delete_signature_key_pair<SignaturePublicKey: traits::SignaturePublicKey<CURRENT_VERSION>>(
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
