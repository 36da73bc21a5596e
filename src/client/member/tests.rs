//! Dropped equals never happened, for every operation of the engine.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it expects")]

use openmls::{
    component::ComponentData,
    credentials::{BasicCredential, Credential},
    extensions::{
        AppDataDictionary, AppDataDictionaryExtension, Extension, ExtensionType, ExternalSender,
        RequiredCapabilitiesExtension,
    },
    framing::{MlsMessageBodyIn, MlsMessageIn, ProcessedMessageContent},
    group::Propose,
    key_packages::KeyPackage,
    messages::proposals::{AppDataUpdateOperation, Proposal, ProposalType},
    prelude::{CredentialType, OpenMlsCrypto},
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::RustCrypto;
use tls_codec::{DeserializeBytes, Serialize};

use super::*;
use crate::{client::Keys, machine::Changes};

const CS: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
/// A component that the tests write to.
const LIST: u16 = 0x0022;

/// A client with its saved records.
struct Party {
    crypto: RustCrypto,
    name: &'static str,
    public: Vec<u8>,
    keys: Keys,
    member: Option<Member>,
    records: Records,
    saved: Vec<usize>,
}

fn key() -> (Vec<u8>, Keys) {
    let pair = SignatureKeyPair::new(CS.signature_algorithm()).unwrap();
    (pair.to_public_vec(), Keys::new(pair.to_public_vec(), Box::new(pair)))
}

fn group_id() -> GroupId {
    GroupId::from_slice(b"mimi://hub.example/g/1")
}

fn extensions(list: Vec<u8>) -> Extensions<GroupContext> {
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
fn fold(
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

fn message(bytes: &[u8]) -> ProtocolMessage {
    MlsMessageIn::tls_deserialize_exact_bytes(bytes).unwrap().try_into_protocol_message().unwrap()
}

fn bytes(message: &MlsMessageOut) -> Vec<u8> {
    message.tls_serialize_detached().unwrap()
}

/// What a member answers, and what its records hold.
#[derive(Debug, PartialEq, Eq)]
struct View {
    epoch: u64,
    authenticator: Vec<u8>,
    tree: Vec<u8>,
    export: Option<Vec<u8>>,
    active: bool,
    pending_commit: bool,
    pending_proposals: usize,
}

fn view(member: &Member, crypto: &RustCrypto) -> View {
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
enum Got {
    Text(Vec<u8>, Option<Vec<u8>>),
    Merged,
    Removed,
    OwnText,
}

impl Party {
    fn new(name: &'static str) -> Self {
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

    fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: BasicCredential::new(self.name.as_bytes().to_vec()).into(),
            signature_key: self.public.as_slice().into(),
        }
    }

    fn bundle(&self) -> KeyPackageBundle {
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

    fn founded(&mut self, member: Member) {
        self.member = Some(member);
        self.save();
    }

    /// Saves and keeps what the member has written.
    fn save(&mut self) {
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

    fn restored(&self) -> Member {
        Member::restore(&self.records, group_id()).unwrap()
    }

    /// What lives answers as what is restored, and holds the same base.
    fn equals_restored(&self) {
        let (live, restored) = (self.member.as_ref().unwrap(), self.restored());
        assert_eq!(view(live, &self.crypto), view(&restored, &self.crypto));
        assert_eq!(live.store.base(), restored.store.base());
    }

    /// Does it three times: dropped, dropped by a crash after the save was lost, and for good.
    fn step<T>(&mut self, op: impl Fn(&mut Member, &RustCrypto, &Lent<'_>) -> T) -> T {
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

    fn send(&mut self, text: &[u8]) -> Vec<u8> {
        self.step(|member, crypto, signer| {
            bytes(&member.encrypt(crypto, signer, Some([7; 32]), text).unwrap())
        })
    }

    fn receive(&mut self, octets: &[u8], pending: &[QueuedProposal]) -> Got {
        self.step(|member, crypto, _| receive(member, crypto, octets, pending).unwrap())
    }

    fn commit(&mut self, plan: impl Fn() -> Plan) -> CommitMessageBundle {
        self.step(|member, crypto, signer| member.commit(crypto, signer, plan(), fold).unwrap())
    }

    fn merge_own(&mut self) {
        self.step(|member, crypto, _| member.merge_own(crypto).unwrap());
    }

    fn tree(&self) -> RatchetTreeIn {
        self.member.as_ref().unwrap().group().unwrap().export_ratchet_tree().into()
    }
}

fn receive(
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

fn welcome(bundle: &CommitMessageBundle) -> Welcome {
    let octets = bytes(&bundle.to_welcome_msg().unwrap());
    match MlsMessageIn::tls_deserialize_exact_bytes(&octets).unwrap().extract() {
        MlsMessageBodyIn::Welcome(welcome) => welcome,
        other => panic!("{other:?}"),
    }
}

fn group_info(bundle: &CommitMessageBundle) -> VerifiableGroupInfo {
    let octets = bundle.group_info().unwrap().tls_serialize_detached().unwrap();
    VerifiableGroupInfo::tls_deserialize_exact_bytes(&octets).unwrap()
}

fn set(list: &[u8]) -> Proposal {
    Proposal::AppDataUpdate(Box::new(AppDataUpdateProposal::update(LIST, list.to_vec())))
}

fn tuning(past_epochs: usize) -> Tuning {
    Tuning { past_epochs, padding: 0, skip_ahead: 1000 }
}

fn create(party: &mut Party, list: Vec<u8>, past: usize) {
    let signer = party.keys.require(&party.public).unwrap();
    let member = Member::create(
        &party.crypto,
        &signer,
        Genesis {
            credential: party.credential(),
            id: group_id(),
            ciphersuite: CS,
            lifetime: super::super::tests::LIFETIME,
            extensions: extensions(list),
        },
        tuning(past),
    )
    .unwrap();
    party.founded(member);
}

fn join(
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

#[test]
fn a_dropped_step_never_happened() {
    let [mut alice, mut bob, mut carol, mut dave] =
        ["alice", "bob", "carol", "dave"].map(Party::new);
    create(&mut alice, vec![1], 2);
    let (bobs, carols) = (bob.bundle(), carol.bundle());

    // Own commit with Adds and AppDataUpdate, given up, made again, merged.
    let plan = || Plan {
        adds: vec![bobs.key_package().clone(), carols.key_package().clone()],
        proposals: vec![set(&[1, 2, 3])],
        ..Plan::default()
    };
    alice.commit(plan);
    alice.step(|member, crypto, _| member.drop_own(crypto).unwrap());
    let commit = alice.commit(plan);
    // Sending works with an own commit pending.
    alice.send(b"still the old epoch");
    alice.merge_own();
    let tree = alice.tree();
    join(&mut bob, &bobs, &commit, tree.clone());
    join(&mut carol, &carols, &commit, tree);

    // Messages, in order and out of it.
    let texts: Vec<_> = (0..5u8).map(|n| alice.send(&[n])).collect();
    for n in [0u8, 3, 1, 4, 2] {
        assert_eq!(bob.receive(&texts[usize::from(n)], &[]), Got::Text(vec![n], Some(vec![7; 32])));
    }
    assert_eq!(alice.receive(&texts[0], &[]), Got::OwnText);

    // A refused message changes no answer, and its genuine twin is read.
    let mut forged = texts[0].clone();
    *forged.last_mut().unwrap() ^= 1;
    let member = carol.member.as_mut().unwrap();
    assert!(receive(member, &carol.crypto, &forged, &[]).is_err());
    member.rollback();
    carol.equals_restored();
    assert_eq!(carol.receive(&texts[0], &[]), Got::Text(vec![0], Some(vec![7; 32])));

    // A path commit and an AppDataUpdate, received; late messages of past epochs.
    let late = bob.send(b"late");
    let update = bob.commit(|| Plan { update: true, ..Plan::default() });
    let update = bytes(update.commit());
    for party in [&mut alice, &mut carol] {
        assert_eq!(party.receive(&update, &[]), Got::Merged);
    }
    // Our own commit's echo.
    assert_eq!(bob.receive(&update, &[]), Got::Merged);
    let renamed = carol.commit(|| Plan { proposals: vec![set(&[9])], ..Plan::default() });
    let renamed = bytes(renamed.commit());
    assert_eq!(carol.receive(&renamed, &[]), Got::Merged);
    for party in [&mut alice, &mut bob] {
        assert_eq!(party.receive(&renamed, &[]), Got::Merged);
    }
    assert_eq!(alice.receive(&late, &[]), Got::Text(b"late".to_vec(), Some(vec![7; 32])));

    // Standalone proposals: our own, received, committed by another.
    let (message, queued) = alice.step(|member, crypto, signer| {
        member
            .propose(
                crypto,
                signer,
                Propose::UpdateAppDataComponent { component_id: LIST, update: vec![5] },
            )
            .unwrap()
    });
    let heard = bob.step(|member, crypto, _| {
        let processed =
            member.process(crypto, super::tests::message(&bytes(&message)), []).unwrap();
        match processed.into_content() {
            ProcessedMessageContent::ProposalMessage(queued) => *queued,
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(heard.proposal_reference_ref(), queued.proposal_reference_ref());
    // Sending stays possible: openmls's own queue is empty between steps.
    let text = alice.send(b"while a proposal waits");
    let committed = bob.commit(|| Plan { pending: vec![heard.clone()], ..Plan::default() });
    let committed = bytes(committed.commit());
    assert_eq!(
        bob.receive(&text, &[]),
        Got::Text(b"while a proposal waits".to_vec(), Some(vec![7; 32]))
    );
    assert_eq!(bob.receive(&committed, &[]), Got::Merged);
    for party in [&mut alice, &mut carol] {
        assert_eq!(party.receive(&committed, std::slice::from_ref(&queued)), Got::Merged);
    }

    // A commit of another while our own is pending: ours goes, and is made again.
    carol.commit(|| Plan { update: true, ..Plan::default() });
    let theirs = bytes(alice.commit(|| Plan { update: true, ..Plan::default() }).commit());
    alice.merge_own();
    assert_eq!(carol.receive(&theirs, &[]), Got::Merged);
    assert!(!view(carol.member.as_ref().unwrap(), &carol.crypto).pending_commit);
    assert_eq!(bob.receive(&theirs, &[]), Got::Merged);

    // Leaving, committed by an external joiner.
    let last = alice.commit(|| Plan { update: true, ..Plan::default() });
    let octets = bytes(last.commit());
    alice.merge_own();
    assert_eq!(bob.receive(&octets, &[]), Got::Merged);
    assert_eq!(carol.receive(&octets, &[]), Got::Merged);
    let (leave, leaving) =
        carol.step(|member, crypto, signer| member.self_remove(crypto, signer).unwrap());
    let MlsMessageBodyIn::PublicMessage(leave) =
        MlsMessageIn::tls_deserialize_exact_bytes(&bytes(&leave)).unwrap().extract()
    else {
        panic!("a SelfRemove is public")
    };
    let signer = dave.keys.require(&dave.public).unwrap();
    let entrance = Entrance {
        credential: dave.credential(),
        group_info: group_info(&last),
        tree: alice.tree(),
        self_removes: vec![leave],
        update: Some(AppDataUpdateProposal::update(LIST, vec![4, 4])),
        words: leaf::Words::new(CS, &dave.crypto),
    };
    let (member, joining) =
        Member::join_external(&dave.crypto, &signer, entrance, fold, tuning(2)).unwrap();
    dave.founded(member);
    let joining = bytes(joining.commit());
    for party in [&mut alice, &mut bob] {
        assert_eq!(party.receive(&joining, std::slice::from_ref(&leaving)), Got::Merged);
    }
    assert_eq!(carol.receive(&joining, std::slice::from_ref(&leaving)), Got::Removed);
    let text = dave.send(b"hello");
    assert_eq!(alice.receive(&text, &[]), Got::Text(b"hello".to_vec(), Some(vec![7; 32])));

    // Removal of ourselves.
    let bobs_leaf = bob.member.as_ref().unwrap().group().unwrap().own_leaf_index();
    let removal = alice.commit(|| Plan { removes: vec![bobs_leaf], ..Plan::default() });
    let removal = bytes(removal.commit());
    alice.merge_own();
    assert_eq!(bob.receive(&removal, &[]), Got::Removed);
    assert_eq!(dave.receive(&removal, &[]), Got::Merged);
    let authenticators: Vec<_> = [&alice, &dave]
        .map(|party| view(party.member.as_ref().unwrap(), &party.crypto).authenticator)
        .into();
    assert_eq!(authenticators[0], authenticators[1]);
}

#[test]
fn a_ciphertext_that_leaked_from_a_dropped_step_costs_the_real_message() {
    let [mut alice, mut bob] = ["alice", "bob"].map(Party::new);
    create(&mut alice, vec![], 1);
    let bobs = bob.bundle();
    let commit =
        alice.commit(|| Plan { adds: vec![bobs.key_package().clone()], ..Plan::default() });
    alice.merge_own();
    let tree = alice.tree();
    join(&mut bob, &bobs, &commit, tree);
    let signer = alice.keys.require(&alice.public).unwrap();
    let member = alice.member.as_mut().unwrap();
    let leaked = bytes(&member.encrypt(&alice.crypto, &signer, None, b"dropped").unwrap());
    member.rollback();
    let real = alice.send(b"real");
    assert!(matches!(bob.receive(&leaked, &[]), Got::Text(..)));
    let member = bob.member.as_mut().unwrap();
    assert!(receive(member, &bob.crypto, &real, &[]).is_err(), "one key, read once");
}

#[test]
fn deleted_message_keys_are_in_no_record() {
    let [mut alice, mut bob] = ["alice", "bob"].map(Party::new);
    create(&mut alice, vec![0; 20_000], 1);
    let bobs = bob.bundle();
    let commit =
        alice.commit(|| Plan { adds: vec![bobs.key_package().clone()], ..Plan::default() });
    alice.merge_own();
    let tree = alice.tree();
    join(&mut bob, &bobs, &commit, tree);
    let text = alice.send(b"secret");
    assert!(matches!(bob.receive(&text, &[]), Got::Text(..)));
    // What is stored now cannot read it again.
    let mut restored = bob.restored();
    assert!(receive(&mut restored, &bob.crypto, &text, &[]).is_err());
    let _ = bob.crypto.supports(CS);
}

/// The figures of the module's documentation: `cargo test --release -- --ignored --nocapture octets_saved`.
#[test]
#[ignore = "a measurement: run it in release mode"]
fn octets_saved() {
    for members in [10, 100, 1000] {
        let [mut alice, mut bob] = ["alice", "bob"].map(Party::new);
        let list: Vec<u8> = (0..members)
            .flat_map(|n| {
                format!("mimi://provider{}.example/u/user-{n:05}\0\0\0\x01", n % 7).into_bytes()
            })
            .collect();
        create(&mut alice, list, 1);
        let bobs = bob.bundle();
        let others: Vec<_> = (2..members)
            .map(|n| {
                let mut other = Party::new("other");
                other.name = Box::leak(format!("mimi://p.example/u/{n}").into_boxed_str());
                other.bundle().key_package().clone()
            })
            .collect();
        let adds: Vec<_> = std::iter::once(bobs.key_package().clone()).chain(others).collect();
        let signer = alice.keys.require(&alice.public).unwrap();
        let member = alice.member.as_mut().unwrap();
        let commit =
            member.commit(&alice.crypto, &signer, Plan { adds, ..Plan::default() }, fold).unwrap();
        member.merge_own(&alice.crypto).unwrap();
        alice.save();
        let tree = alice.tree();
        join(&mut bob, &bobs, &commit, tree);
        // Past epochs fill up.
        for _ in 0..4 {
            let update = alice.commit(|| Plan { update: true, ..Plan::default() });
            let update = bytes(update.commit());
            alice.merge_own();
            println!("{members}: own path commit merged: {} octets", alice.saved.last().unwrap());
            bob.receive(&update, &[]);
            println!("{members}: others' path commit: {} octets", bob.saved.last().unwrap());
        }
        for n in 0..3u8 {
            let text = alice.send(&[n]);
            bob.receive(&text, &[]);
            println!(
                "{members}: message {n}: sent {} received {} octets, base {}",
                alice.saved.last().unwrap(),
                bob.saved.last().unwrap(),
                bob.member.as_ref().unwrap().store.octets(),
            );
            for saved in [alice.saved.last(), bob.saved.last()] {
                assert!(*saved.unwrap() <= 4096, "{saved:?}");
            }
        }
    }
}
