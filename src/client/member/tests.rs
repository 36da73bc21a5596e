//! Dropped equals never happened, for every operation of the engine.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it expects")]

mod party;

use openmls::{
    framing::{MlsMessageBodyIn, MlsMessageIn, ProcessedMessageContent},
    group::Propose,
    prelude::OpenMlsCrypto,
};
use openmls_rust_crypto::RustCrypto;
use tls_codec::DeserializeBytes;

use self::party::*;
use super::*;

impl Member {
    /// An application message with anything beside it.
    pub(in crate::client) fn encrypt_beside(
        &mut self,
        crypto: &RustCrypto,
        signer: &Lent<'_>,
        items: &[(u16, &[u8])],
        content: &[u8],
    ) -> MlsMessageOut {
        let (group, provider) = self.parts(crypto).unwrap();
        let items = items.iter().map(|(id, data)| SafeAadItem::new(*id, data.to_vec()));
        group.set_safe_aad(items.collect()).unwrap();
        group.create_message(&provider, signer, content).unwrap()
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
        let processed = member.process(crypto, party::message(&bytes(&message)), []).unwrap();
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
