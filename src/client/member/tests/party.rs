//! A client of the engine alone, with its saved records.

use openmls::{
    component::ComponentData,
    credentials::{BasicCredential, Credential},
    extensions::{
        AppDataDictionary, AppDataDictionaryExtension, Extension, ExtensionType, ExternalSender,
        RequiredCapabilitiesExtension,
    },
    framing::{MlsMessageBodyIn, MlsMessageIn, ProcessedMessageContent},
    key_packages::KeyPackage,
    messages::proposals::{AppDataUpdateOperation, Proposal, ProposalType},
    prelude::CredentialType,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::RustCrypto;
use tls_codec::{DeserializeBytes, Serialize};

use super::super::*;
use crate::{client::Keys, machine::Changes};

pub(super) const CS: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
/// A component that the tests write to.
pub(super) const LIST: u16 = 0x0022;

/// A client with its saved records.
pub(super) struct Party {
    pub(super) crypto: RustCrypto,
    pub(super) name: &'static str,
    pub(super) public: Vec<u8>,
    pub(super) keys: Keys,
    pub(super) member: Option<Member>,
    pub(super) records: Records,
    pub(super) saved: Vec<usize>,
}

pub(super) fn key() -> (Vec<u8>, Keys) {
    let pair = SignatureKeyPair::new(CS.signature_algorithm()).unwrap();
    (pair.to_public_vec(), Keys::new(pair.to_public_vec(), Box::new(pair)))
}

pub(super) fn group_id() -> GroupId {
    GroupId::from_slice(b"mimi://hub.example/g/1")
}

pub(super) fn extensions(list: Vec<u8>) -> Extensions<GroupContext> {
    let mut dictionary = AppDataDictionary::new();
    dictionary.insert(0x0002, vec![2, 0, 0x20]);
    dictionary.insert(LIST, list);
    let hub = Credential::from(BasicCredential::new(b"mimi://hub.example".to_vec()));
    Extensions::from_vec(vec![
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(
            &[ExtensionType::AppDataDictionary],
            &[ProposalType::AppDataUpdate, ProposalType::SelfRemove],
            &[CredentialType::Basic],
        )),
        Extension::ExternalSenders(vec![ExternalSender::new(key().0.into(), hub)]),
        Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary)),
    ])
    .unwrap()
}

/// Each update replaces its component.
pub(super) fn fold(
    proposals: &[AppDataUpdateProposal],
    mut updater: AppDataDictionaryUpdater<'_>,
) -> Option<AppDataUpdates> {
    for proposal in proposals {
        match proposal.operation() {
            AppDataUpdateOperation::Update(value) => updater.set(ComponentData::from_parts(
                proposal.component_id(),
                value.as_slice().to_vec().into(),
            )),
            AppDataUpdateOperation::Remove => updater.remove(&proposal.component_id()),
        }
    }
    updater.changes()
}

pub(super) fn message(bytes: &[u8]) -> ProtocolMessage {
    MlsMessageIn::tls_deserialize_exact_bytes(bytes).unwrap().try_into_protocol_message().unwrap()
}

pub(super) fn bytes(message: &MlsMessageOut) -> Vec<u8> {
    message.tls_serialize_detached().unwrap()
}

/// What a member answers, and what its records hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct View {
    pub(super) epoch: u64,
    pub(super) authenticator: Vec<u8>,
    pub(super) tree: Vec<u8>,
    pub(super) export: Option<Vec<u8>>,
    pub(super) active: bool,
    pub(super) pending_commit: bool,
    pub(super) pending_proposals: usize,
}

pub(super) fn view(member: &Member, crypto: &RustCrypto) -> View {
    let group = member.group().unwrap();
    View {
        epoch: group.epoch().as_u64(),
        authenticator: group.epoch_authenticator().as_slice().to_vec(),
        tree: group.export_ratchet_tree().tls_serialize_detached().unwrap(),
        export: group.export_secret(crypto, "test", b"", 32).ok(),
        active: group.is_active(),
        pending_commit: group.pending_commit().is_some(),
        pending_proposals: group.pending_proposals().count(),
    }
}

/// What a processed message was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    Text(Vec<u8>, Option<Vec<u8>>),
    Merged,
    Removed,
    OwnText,
}

impl Party {
    pub(super) fn new(name: &'static str) -> Self {
        let (public, keys) = key();
        Self {
            crypto: RustCrypto::default(),
            name,
            public,
            keys,
            member: None,
            records: Records::default(),
            saved: Vec::new(),
        }
    }

    pub(super) fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(self.name.as_bytes().to_vec()).into(),
            signature_key: self.public.as_slice().into(),
        }
    }

    pub(super) fn bundle(&self) -> KeyPackageBundle {
        let store = Store::default();
        let words = leaf::Words::new(CS, &self.crypto);
        KeyPackage::builder()
            .leaf_node_capabilities(words.capabilities)
            .leaf_node_extensions(words.extensions)
            .build(
                CS,
                &Provider { crypto: &self.crypto, store: &store },
                &self.keys.require(&self.public).unwrap(),
                self.credential(),
            )
            .unwrap()
    }

    pub(super) fn founded(&mut self, member: Member) {
        self.member = Some(member);
        self.save();
    }

    /// Saves and keeps what the member has written.
    pub(super) fn save(&mut self) {
        let member = self.member.as_mut().unwrap();
        let changes = Changes {
            base: self.records.revision,
            next: self.records.revision.next(),
            writes: member.delta(),
            wake_at: None,
        };
        self.saved.push(changes.octets());
        assert!(self.records.save(&changes));
        member.keep();
        assert!(member.delta().is_empty());
        self.equals_restored();
    }

    pub(super) fn restored(&self) -> Member {
        Member::restore(&self.records, group_id()).unwrap()
    }

    /// What lives answers as what is restored, and holds the same base.
    pub(super) fn equals_restored(&self) {
        let (live, restored) = (self.member.as_ref().unwrap(), self.restored());
        assert_eq!(view(live, &self.crypto), view(&restored, &self.crypto));
        assert_eq!(live.store.base(), restored.store.base());
    }

    /// Does it three times: dropped, dropped by a crash after the save was lost, and for good.
    pub(super) fn step<T>(&mut self, op: impl Fn(&mut Member, &RustCrypto, &Lent<'_>) -> T) -> T {
        let before = view(self.member.as_ref().unwrap(), &self.crypto);
        let saved = self.records.clone();
        let signer = self.keys.require(&self.public).unwrap();
        let member = self.member.as_mut().unwrap();
        drop(op(member, &self.crypto, &signer));
        let _ = member.delta();
        member.rollback();
        assert!(member.delta().is_empty());
        assert_eq!(view(member, &self.crypto), before, "a dropped step left a trace");
        self.equals_restored();

        let mut crashed = Member::restore(&saved, group_id()).unwrap();
        drop(op(&mut crashed, &self.crypto, &signer));

        let outcome = op(self.member.as_mut().unwrap(), &self.crypto, &signer);
        self.save();
        outcome
    }

    pub(super) fn send(&mut self, text: &[u8]) -> Vec<u8> {
        self.step(|member, crypto, signer| {
            bytes(&member.encrypt(crypto, signer, Some([7; 32]), text).unwrap())
        })
    }

    pub(super) fn receive(&mut self, octets: &[u8], pending: &[QueuedProposal]) -> Got {
        self.step(|member, crypto, _| receive(member, crypto, octets, pending).unwrap())
    }

    pub(super) fn commit(&mut self, plan: impl Fn() -> Plan) -> CommitMessageBundle {
        self.step(|member, crypto, signer| member.commit(crypto, signer, plan(), fold).unwrap())
    }

    pub(super) fn merge_own(&mut self) {
        self.step(|member, crypto, _| member.merge_own(crypto).unwrap());
    }

    pub(super) fn tree(&self) -> RatchetTreeIn {
        self.member.as_ref().unwrap().group().unwrap().export_ratchet_tree().into()
    }
}

pub(super) fn receive(
    member: &mut Member,
    crypto: &RustCrypto,
    octets: &[u8],
    pending: &[QueuedProposal],
) -> Result<Got, MemberError> {
    let processed = member.process(crypto, message(octets), pending.to_vec())?;
    let tag = processed.safe_aad_item(leaf::FRANK_AAD).map(<[u8]>::to_vec);
    let staged = match processed.into_content() {
        ProcessedMessageContent::ApplicationMessage(text) => {
            return Ok(Got::Text(text.into_bytes(), tag));
        }
        ProcessedMessageContent::OwnPrivateMessage => return Ok(Got::OwnText),
        ProcessedMessageContent::OwnPendingCommit => {
            member.merge_own(crypto)?;
            return Ok(Got::Merged);
        }
        ProcessedMessageContent::StagedCommitMessage(staged) => *staged,
        ProcessedMessageContent::UnresolvedAppDataCommit(commit) => {
            let proposals: Vec<_> = commit.app_data_update_proposals().cloned().collect();
            let updates = fold(&proposals, member.group()?.app_data_dictionary_updater());
            member.stage(crypto, *commit, updates)?
        }
        other => panic!("{other:?}"),
    };
    let removed = staged.self_removed();
    member.merge(crypto, staged)?;
    Ok(if removed { Got::Removed } else { Got::Merged })
}

pub(super) fn welcome(bundle: &CommitMessageBundle) -> Welcome {
    let octets = bytes(&bundle.to_welcome_msg().unwrap());
    match MlsMessageIn::tls_deserialize_exact_bytes(&octets).unwrap().extract() {
        MlsMessageBodyIn::Welcome(welcome) => welcome,
        other => panic!("{other:?}"),
    }
}

pub(super) fn group_info(bundle: &CommitMessageBundle) -> VerifiableGroupInfo {
    let octets = bundle.group_info().unwrap().tls_serialize_detached().unwrap();
    VerifiableGroupInfo::tls_deserialize_exact_bytes(&octets).unwrap()
}

pub(super) fn set(list: &[u8]) -> Proposal {
    Proposal::AppDataUpdate(Box::new(AppDataUpdateProposal::update(LIST, list.to_vec())))
}

pub(super) fn tuning(past_epochs: usize) -> Tuning {
    Tuning { past_epochs, padding: 0, skip_ahead: 1000 }
}

pub(super) fn create(party: &mut Party, list: Vec<u8>, past: usize) {
    let signer = party.keys.require(&party.public).unwrap();
    let member = Member::create(
        &party.crypto,
        &signer,
        Genesis {
            credential: party.credential(),
            id: group_id(),
            ciphersuite: CS,
            lifetime: crate::client::tests::LIFETIME,
            extensions: extensions(list),
        },
        tuning(past),
    )
    .unwrap();
    party.founded(member);
}

pub(super) fn join(
    party: &mut Party,
    bundle: &KeyPackageBundle,
    by: &CommitMessageBundle,
    tree: RatchetTreeIn,
) {
    let member = Member::join(&party.crypto, bundle, welcome(by), tree, tuning(1)).unwrap();
    party.founded(member);
    let secret = bundle.init_private_key();
    let secret: &[u8] = secret;
    for value in party.records.values.values() {
        assert!(
            !value.windows(secret.len()).any(|window| window == secret),
            "the init key is lent"
        );
    }
}
