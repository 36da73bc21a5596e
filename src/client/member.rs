//! A member of an MLS group whose every change can be taken back: openmls's group over a [`Store`] of ours.
//!
//! openmls ratchets secrets in place. So an operation works on the live group, its writes gather in the store's
//! overlay, and the step ends in one of two ways: [`Member::keep`] makes the overlay the saved state, or
//! [`Member::rollback`] forgets it and loads the group again from what is saved. Loading is complete and needs neither
//! cryptography, key nor clock, so it can run when a step is dropped.
//!
//! # Why a dropped message may be encrypted again
//!
//! A dropped send is made again at the same generation: same key, same base nonce, a fresh random reuse guard. AEAD
//! security is lost only to one who sees *two* ciphertexts of one key and nonce. The ciphertext of a step is private
//! until the step is applied, so of all ciphertexts of a generation at most one is ever visible: the applied one.
//! After a crash between save and apply the restored records hold that one in the outbox, and the ratchet past it. A
//! ciphertext that leaked from a dropped step and was delivered first would make every receiver refuse the real
//! message: the privacy of a step's outputs is load-bearing. Two owners of one room could each make such a
//! ciphertext; the compare-and-swap on the revision lets only one of them be saved.
//!
//! Proposals are *not* kept in openmls's own queue between steps, where they would forbid sending, fix the order of a
//! commit and let lapsed ones in. The room keeps them and lends them to the operation that needs them.

use openmls::{
    ciphersuite::hash_ref::KeyPackageRef,
    credentials::CredentialWithKey,
    extensions::Extensions,
    framing::{MlsMessageOut, ProcessedMessage, ProtocolMessage, SafeAadItem},
    group::{
        AppDataDictionaryUpdater, AppDataUpdates, CommitMessageBundle, GroupContext, GroupId,
        MIXED_PLAINTEXT_WIRE_FORMAT_POLICY, MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig,
        ProcessedWelcome, QueuedProposal, StagedCommit, StagedWelcome, UnresolvedAppDataCommit,
    },
    key_packages::KeyPackageBundle,
    messages::{Welcome, group_info::VerifiableGroupInfo, proposals::AppDataUpdateProposal},
    prelude::{ProcessMessageError, PublicMessageIn, RatchetTreeIn, SenderRatchetConfiguration},
};
use openmls_traits::{OpenMlsProvider, storage::StorageProvider, types::Ciphersuite};
use thiserror::Error;
use tls_codec::SecretVLBytes;

use super::{
    Lifetime,
    keys::Lent,
    leaf::{self, Words},
    secrets,
    store::{Store, StoreError, Value, name},
};
use crate::{
    env::Crypto,
    error::RestoreError,
    franking::Witness,
    machine::{Key, Records},
    wire::PrivateMessage,
};

mod make;

pub(super) use make::Plan;
use make::fold_into;

/// Why the engine did not do it. Nothing was changed.
#[derive(Debug, Error)]
pub(super) enum MemberError {
    /// The group cannot be used: its records did not load after a rollback.
    #[error("the group's records do not load")]
    Poisoned,
    /// What a peer sent does not stand up to MLS's checks.
    #[error("refused by MLS: {0}")]
    Peer(&'static str),
    /// A received message does not stand up to MLS's checks.
    #[error(transparent)]
    Message(#[from] ProcessMessageError<StoreError>),
    /// The engine could not make what we asked for.
    #[error("MLS cannot make this: {0}")]
    Ours(&'static str),
}

/// openmls's provider for one call.
pub(super) struct Provider<'a, C> {
    pub(super) crypto: &'a C,
    pub(super) store: &'a Store,
}

impl<C: Crypto> OpenMlsProvider for Provider<'_, C> {
    type CryptoProvider = C;
    type RandProvider = C;
    type StorageProvider = Store;

    fn storage(&self) -> &Store {
        self.store
    }

    fn crypto(&self) -> &C {
        self.crypto
    }

    fn rand(&self) -> &C {
        self.crypto
    }
}

/// What a room's policy or this library sets of the engine (R-168 … R-170).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tuning {
    /// Epochs that are over whose messages can still be read.
    pub(super) past_epochs: usize,
    /// Messages are padded to a multiple of so many octets; 0 pads nothing.
    pub(super) padding: usize,
    /// How many messages of one sender may be lost before a later one is read.
    pub(super) skip_ahead: u32,
}

impl Tuning {
    /// Plaintext handshakes, no tree in messages, and the rest as it is set.
    fn config(&self) -> MlsGroupJoinConfig {
        MlsGroupJoinConfig::builder()
            .wire_format_policy(MIXED_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .max_past_epochs(self.past_epochs)
            .padding_size(self.padding)
            .sender_ratchet_configuration(self.ratchets())
            .build()
    }

    fn ratchets(&self) -> SenderRatchetConfiguration {
        SenderRatchetConfiguration::new(OUT_OF_ORDER, self.skip_ahead)
    }
}

/// How many messages of one sender may be overtaken by a later one and still be read.
const OUT_OF_ORDER: u32 = 32;

/// What a group begins with.
pub(super) struct Genesis {
    pub(super) credential: CredentialWithKey,
    pub(super) id: GroupId,
    pub(super) ciphersuite: Ciphersuite,
    pub(super) lifetime: Lifetime,
    pub(super) extensions: Extensions<GroupContext>,
}

/// What an external commit is made of.
pub(super) struct Entrance {
    pub(super) credential: CredentialWithKey,
    pub(super) group_info: VerifiableGroupInfo,
    pub(super) tree: RatchetTreeIn,
    /// The SelfRemoves that wait.
    pub(super) self_removes: Vec<PublicMessageIn>,
    /// The joiner's own entry in the participant list, if it has none.
    pub(super) update: Option<AppDataUpdateProposal>,
    /// What its leaf says.
    pub(super) words: Words,
}

/// One client in one MLS group.
#[derive(Debug)]
pub(super) struct Member {
    store: Store,
    id: GroupId,
    /// `None` once a rollback could not load it.
    group: Option<MlsGroup>,
    /// The secret of sender data of the epoch that was asked for last: read once, it is in a large record.
    sender_data: Option<(u64, SecretVLBytes)>,
}

impl Member {
    /// The first member of a new group.
    pub(super) fn create<C: Crypto>(
        crypto: &C,
        signer: &Lent<'_>,
        genesis: Genesis,
        tuning: Tuning,
    ) -> Result<Self, MemberError> {
        let Genesis { credential, id, ciphersuite, lifetime, extensions } = genesis;
        let store = Store::default();
        let words = Words::new(ciphersuite, crypto);
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(ciphersuite)
            .lifetime(lifetime.to_openmls())
            .capabilities(words.capabilities)
            .with_leaf_node_extensions(words.extensions)
            .map_err(|_| MemberError::Ours("the leaf"))?
            .with_group_context_extensions(extensions)
            .wire_format_policy(MIXED_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .max_past_epochs(tuning.past_epochs)
            .padding_size(tuning.padding)
            .sender_ratchet_configuration(tuning.ratchets())
            .build();
        let provider = Provider { crypto, store: &store };
        let group = MlsGroup::new_with_group_id(&provider, signer, &config, id.clone(), credential)
            .map_err(|_| MemberError::Ours("a group"))?;
        Ok(Self::new(store, id, Some(group)))
    }

    fn new(store: Store, id: GroupId, group: Option<MlsGroup>) -> Self {
        Self { store, id, group, sender_data: None }
    }

    /// A member added by somebody else. `bundle` is lent: it is in no record of this store.
    pub(super) fn join<C: Crypto>(
        crypto: &C,
        bundle: &KeyPackageBundle,
        welcome: Welcome,
        tree: RatchetTreeIn,
        tuning: Tuning,
    ) -> Result<Self, MemberError> {
        let (store, reference) = lend(crypto, bundle)?;
        let provider = Provider { crypto, store: &store };
        let joined = StagedWelcome::build_from_welcome(&provider, &tuning.config(), welcome)
            .and_then(|builder| builder.with_ratchet_tree(tree).skip_lifetime_validation().build())
            .and_then(|staged| staged.into_group(&provider));
        let group = joined.map_err(|_| MemberError::Peer("the Welcome"))?;
        // A last-resort KeyPackage would stay otherwise.
        store.delete_key_package(&reference).map_err(|_| MemberError::Ours("a record"))?;
        let id = group.group_id().clone();
        Ok(Self::new(store, id, Some(group)))
    }

    /// The group that a Welcome is for, as its GroupInfo has it. Nothing of it is verified: that takes the tree.
    pub(super) fn invited<C: Crypto>(
        crypto: &C,
        bundle: &KeyPackageBundle,
        welcome: Welcome,
    ) -> Result<GroupContext, MemberError> {
        let (store, _) = lend(crypto, bundle)?;
        let provider = Provider { crypto, store: &store };
        let config = super::create::untuned().config();
        ProcessedWelcome::new_from_welcome(&provider, &config, welcome)
            .map(|invited| invited.unverified_group_info().group_context().clone())
            .map_err(|_| MemberError::Peer("the Welcome"))
    }

    /// A member that adds itself, with the commit that does it; it is in the new epoch already.
    pub(super) fn join_external<C: Crypto>(
        crypto: &C,
        signer: &Lent<'_>,
        entrance: Entrance,
        fold: impl FnOnce(
            &[AppDataUpdateProposal],
            AppDataDictionaryUpdater<'_>,
        ) -> Option<AppDataUpdates>,
        tuning: Tuning,
    ) -> Result<(Self, CommitMessageBundle), MemberError> {
        let Entrance { credential, group_info, tree, self_removes, update, words } = entrance;
        let store = Store::default();
        let provider = Provider { crypto, store: &store };
        let mut builder = MlsGroup::external_commit_builder()
            .with_ratchet_tree(tree)
            .with_proposals(self_removes)
            .with_config(tuning.config())
            .skip_lifetime_validation()
            .build_group(&provider, group_info, credential)
            .map_err(|_| MemberError::Peer("the GroupInfo"))?
            .leaf_node_parameters(words.into_parameters());
        if let Some(update) = update {
            builder = builder.add_app_data_update_proposal(update);
        }
        let mut builder = builder
            .load_psks(&store)
            .map_err(|_| MemberError::Ours("an external commit"))?
            .create_group_info(true)
            .use_ratchet_tree_extension(false);
        fold_into(&mut builder, fold);
        let (group, bundle) = builder
            .build(crypto, crypto, signer, |_| true)
            .map_err(|_| MemberError::Peer("the group"))?
            .finalize(&provider)
            .map_err(|_| MemberError::Ours("an external commit"))?;
        let id = group.group_id().clone();
        Ok((Self::new(store, id, Some(group)), bundle))
    }

    /// The member that records hold.
    pub(super) fn restore(records: &Records, id: GroupId) -> Result<Self, RestoreError> {
        let mut member = Self::new(Store::restore(records)?, id, None);
        member.load();
        if member.group.is_none() {
            return Err(RestoreError::Corrupt("MLS state"));
        }
        Ok(member)
    }

    fn load(&mut self) {
        self.group = MlsGroup::load(&self.store, &self.id).ok().flatten();
    }

    /// What the open step writes.
    pub(super) fn delta(&mut self) -> std::collections::BTreeMap<Key, Option<Vec<u8>>> {
        self.store.delta()
    }

    /// The open step is saved and applied.
    pub(super) fn keep(&mut self) {
        self.store.keep();
    }

    /// The open step never happened. One that wrote nothing changed no answer, and needs no loading: a refused
    /// message may have derived ratchets in memory, which the genuine one derives alike.
    pub(super) fn rollback(&mut self) {
        self.sender_data = None;
        if self.store.is_touched() {
            self.store.discard();
            self.load();
        } else if let Some(group) = &mut self.group {
            group.set_aad(Vec::new());
            group.set_safe_aad(Vec::new()).expect("no items are in order");
        }
    }

    /// Deletes the records of the saved state, for another member that takes its place.
    pub(super) fn erasure(&self) -> std::collections::BTreeMap<Key, Option<Vec<u8>>> {
        self.store.erasure()
    }

    /// Sets what the room's policy sets, if it is not set so already.
    pub(super) fn tune<C: Crypto>(
        &mut self,
        crypto: &C,
        tuning: &Tuning,
    ) -> Result<(), MemberError> {
        let (group, provider) = self.parts(crypto)?;
        let config = tuning.config();
        if *group.configuration() == config {
            return Ok(());
        }
        group
            .set_configuration(provider.storage(), &config)
            .map_err(|_| MemberError::Ours("a record"))
    }

    /// Which message of its leaf and epoch it is: one that has decrypted.
    pub(super) fn generation<C: Crypto>(
        &mut self,
        crypto: &C,
        message: &PrivateMessage,
    ) -> Option<u32> {
        let group = self.group.as_ref()?;
        let (epoch, current) = (message.epoch(), group.epoch().as_u64());
        if self.sender_data.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let found = |record: &[u8]| Ok(secrets::sender_data(record, epoch, current));
            let secret = self.store.read(&name(Value::MessageSecrets), found).ok()??;
            self.sender_data = secret.map(|secret| (epoch, secret));
        }
        let (_, secret) = self.sender_data.as_ref()?;
        secrets::generation(crypto, group.ciphersuite(), secret.as_slice(), message)
    }

    /// The key of membership tags.
    #[cfg(test)]
    pub(super) fn membership_key(&self) -> Option<Vec<u8>> {
        let found = |record: &[u8]| Ok(secrets::membership(record));
        self.store.read(&name(Value::MessageSecrets), found).ok()??
    }

    /// Keeps the franks that were seen beside the group.
    pub(super) fn remember(&self, witness: &Witness) -> Result<(), MemberError> {
        self.store.put(name(Value::Witness), witness).map_err(|_| MemberError::Ours("a record"))
    }

    /// The franks that were seen.
    pub(super) fn remembered(&self) -> Result<Witness, RestoreError> {
        let witness = self.store.get(&name(Value::Witness));
        Ok(witness.map_err(|_| RestoreError::Corrupt("the franks"))?.unwrap_or_default())
    }

    /// The group.
    pub(super) fn group(&self) -> Result<&MlsGroup, MemberError> {
        self.group.as_ref().ok_or(MemberError::Poisoned)
    }

    fn parts<'a, C>(
        &'a mut self,
        crypto: &'a C,
    ) -> Result<(&'a mut MlsGroup, Provider<'a, C>), MemberError> {
        let group = self.group.as_mut().ok_or(MemberError::Poisoned)?;
        Ok((group, Provider { crypto, store: &self.store }))
    }

    /// An application message with a franking tag beside it.
    pub(super) fn encrypt<C: Crypto>(
        &mut self,
        crypto: &C,
        signer: &Lent<'_>,
        tag: Option<[u8; 32]>,
        content: &[u8],
    ) -> Result<MlsMessageOut, MemberError> {
        let (group, provider) = self.parts(crypto)?;
        let items = tag.map(|tag| SafeAadItem::new(leaf::FRANK_AAD, tag.to_vec()));
        group
            .set_safe_aad(items.into_iter().collect())
            .map_err(|_| MemberError::Ours("Safe AAD"))?;
        group
            .create_message(&provider, signer, content)
            .map_err(|_| MemberError::Ours("an application message"))
    }

    /// A received message, decrypted and verified. `pending` are the proposals that a commit may refer to.
    pub(super) fn process<C: Crypto>(
        &mut self,
        crypto: &C,
        message: impl Into<ProtocolMessage>,
        pending: impl IntoIterator<Item = QueuedProposal>,
    ) -> Result<ProcessedMessage, MemberError> {
        self.lend(crypto, pending)?;
        let (group, provider) = self.parts(crypto)?;
        Ok(group.process_message(&provider, message)?)
    }

    /// Puts proposals where openmls looks for them.
    fn lend<C: Crypto>(
        &mut self,
        crypto: &C,
        pending: impl IntoIterator<Item = QueuedProposal>,
    ) -> Result<(), MemberError> {
        let (group, provider) = self.parts(crypto)?;
        for proposal in pending {
            group
                .store_pending_proposal(provider.storage(), proposal)
                .map_err(|_| MemberError::Ours("a record"))?;
        }
        Ok(())
    }

    /// Takes lent proposals back.
    pub(super) fn reclaim<C: Crypto>(&mut self, crypto: &C) -> Result<(), MemberError> {
        let (group, provider) = self.parts(crypto)?;
        group.clear_pending_proposals(provider.storage()).map_err(|_| MemberError::Ours("a record"))
    }

    /// The commit staged, with what its AppDataUpdates make of the dictionary.
    pub(super) fn stage<C: Crypto>(
        &self,
        crypto: &C,
        commit: UnresolvedAppDataCommit,
        updates: Option<AppDataUpdates>,
    ) -> Result<StagedCommit, MemberError> {
        let provider = Provider { crypto, store: &self.store };
        self.group()?
            .stage_app_data_commit(&provider, commit, updates)
            .map_err(|_| MemberError::Peer("the commit"))
    }

    /// Enters the epoch of somebody else's commit. Lent proposals and an own pending commit go.
    pub(super) fn merge<C: Crypto>(
        &mut self,
        crypto: &C,
        commit: StagedCommit,
    ) -> Result<(), MemberError> {
        let (group, provider) = self.parts(crypto)?;
        group
            .merge_staged_commit(&provider, commit)
            .map_err(|_| MemberError::Ours("a merged commit"))
    }

    /// Enters the epoch of our own commit.
    pub(super) fn merge_own<C: Crypto>(&mut self, crypto: &C) -> Result<(), MemberError> {
        let (group, provider) = self.parts(crypto)?;
        group.merge_pending_commit(&provider).map_err(|_| MemberError::Ours("a merged commit"))
    }

    /// Gives our own commit up.
    pub(super) fn drop_own<C: Crypto>(&mut self, crypto: &C) -> Result<(), MemberError> {
        let (group, provider) = self.parts(crypto)?;
        group.clear_pending_commit(provider.storage()).map_err(|_| MemberError::Ours("a record"))
    }
}

/// A store that the engine finds a lent KeyPackage in, by its name.
fn lend(
    crypto: &impl Crypto,
    bundle: &KeyPackageBundle,
) -> Result<(Store, KeyPackageRef), MemberError> {
    let store = Store::default();
    let reference = bundle.key_package().hash_ref(crypto);
    let reference = reference.map_err(|_| MemberError::Ours("a KeyPackageRef"))?;
    store.write_key_package(&reference, bundle).map_err(|_| MemberError::Ours("a record"))?;
    Ok((store, reference))
}

#[cfg(test)]
mod tests;
