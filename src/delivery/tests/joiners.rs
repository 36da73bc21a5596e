//! External commits, and the leaf of a path.

use openmls::prelude::*;
use openmls_rust_crypto::OpenMlsRustCrypto;

use super::{client::*, commits::refused, parts::*, room::*};
use crate::delivery::{
    CommitRefusal, Committer, ExternalFault, LeafFault, LeafIndex, ProposalView,
};

/// P-118, Q-46: the SelfRemoves are in an external commit, and nothing else that is pending.
#[test]
fn a_joiner_enters_from_outside() {
    let mut room = Room::new(4);
    let update = room.clients[1]
        .propose(Propose::UpdateAppDataComponent { component_id: NAME, update: b"x".to_vec() });
    room.propose(&[&update]).unwrap();
    let leave = room.clients[2].leave();
    let names = room.propose(&[&leave]).unwrap();
    for (message, from) in [(&update, 1), (&leave, 2)] {
        room.deliver(message, Some(from));
    }
    let mut eve = Client::new("mimi://c.example/u/eve");
    let made =
        eve.enter(&room.group, vec![AppDataUpdateProposal::update(LIST, b"eve;".as_slice())]);
    let mut staged = room.judge(&made).unwrap();
    match staged.committer() {
        Committer::Joiner { leaf, node } => {
            assert_eq!(*leaf, LeafIndex(2));
            assert_eq!(node.credential.identity, b"mimi://c.example/u/eve");
        }
        other => panic!("{other:?}"),
    }
    let references: Vec<_> =
        staged.proposals().iter().filter_map(|it| it.reference.as_ref()).collect();
    assert_eq!(references, [&names[0]]);
    assert!(staged.proposals().iter().any(|it| it.content == ProposalView::ExternalInit));
    // In the same step the server re-issues what lapsed, for the new epoch.
    let again = [crate::delivery::ExternalProposal::AppDataUpdate {
        component: NAME,
        operation: crate::delivery::ComponentOperation::Update(b"x".to_vec()),
    }];
    let crypto = OpenMlsRustCrypto::default();
    let stapled = staged.propose_as(crypto.crypto(), &room.hub, 0, &again, NOW).unwrap();
    assert_eq!(stapled.len(), 1);
    let twice = staged.propose_as(crypto.crypto(), &room.hub, 0, &again, NOW);
    assert!(twice.is_err(), "it is pending already");
    room.settle(staged);
    for i in [0, 1, 2, 3] {
        room.clients[i].receive(&made.commit);
    }
    room.clients.push(eve);
    room.check();
    assert_eq!(room.group.pending().count(), 1);
    for i in [0, 1, 3, 4] {
        room.clients[i].receive(&stapled[0].message);
    }
    room.clients.remove(2);
    let made = room.clients[3].commit(vec![]);
    room.accept(3, &made);
    assert_eq!(room.group.component(NAME), Some(&b"x"[..]));
}

/// E-073.
#[test]
fn a_joiner_takes_the_self_removes_along() {
    let mut room = Room::new(3);
    let mut eve = Client::new("mimi://c.example/u/eve");
    let early = eve.enter(&room.group, vec![]);
    let leave = room.clients[2].leave();
    let names = room.propose(&[&leave]).unwrap();
    assert!(room.bare_engine_accepts(&early.commit));
    assert_eq!(room.judge(&early).unwrap_err(), CommitRefusal::Missing(names));
}

/// Q-38, D-5E: with the signature key of a member's leaf, the engine removes that leaf for the joiner. It does not ask
/// whose it is.
#[test]
fn a_joiner_removes_no_leaf_but_its_own() {
    let room = Room::new(3);
    // The same user, come back with its key: a resync.
    let mut back = Client::new("mimi://hub.example/u/user1");
    back.signer = clone_signer(&room.clients[1]);
    back.credential.signature_key = room.clients[1].credential.signature_key.clone();
    let made = back.enter(&room.group, vec![]);
    let staged = room.judge(&made).unwrap();
    assert_eq!(staged.removed()[0].0, LeafIndex(1));
    assert!(matches!(staged.committer(), Committer::Joiner { leaf: LeafIndex(1), .. }));
    // Somebody else with that key.
    let mut mallory = Client::new("mimi://c.example/u/mallory");
    mallory.signer = clone_signer(&room.clients[1]);
    mallory.credential.signature_key = room.clients[1].credential.signature_key.clone();
    let made = mallory.enter(&room.group, vec![]);
    assert!(room.bare_engine_accepts(&made.commit));
    let refusal = room.judge(&made).unwrap_err();
    assert_eq!(refusal, CommitRefusal::External(ExternalFault::RemovesOther));
}

fn clone_signer(client: &Client) -> openmls_basic_credential::SignatureKeyPair {
    let octets = serde_json::to_vec(&client.signer).unwrap();
    serde_json::from_slice(&octets).unwrap()
}

/// A member keeps its identity, and its signature key is its own: the engine looks at neither.
#[test]
fn a_path_brings_no_other_identity_and_no_key_of_another() {
    let mut room = Room::new(3);
    let with = |room: &mut Room, credential: CredentialWithKey| {
        let Client { provider, signer, group, .. } = &mut room.clients[1];
        let signer = clone_pair(signer);
        let leaf = LeafNodeParameters::builder().with_credential_with_key(credential).build();
        let group = group.as_mut().unwrap();
        let bundle = group.self_update(provider, &signer, leaf).unwrap();
        let commit = tls(bundle.commit());
        group.clear_pending_commit(provider.storage()).unwrap();
        commit
    };
    let mut credential = room.clients[1].credential.clone();
    credential.credential = BasicCredential::new(b"mimi://hub.example/u/user0".to_vec()).into();
    let commit = with(&mut room, credential);
    assert!(room.bare_engine_accepts(&commit));
    assert_eq!(refused(&room, &commit), CommitRefusal::Path(LeafFault::Credential));
}

fn clone_pair(
    pair: &openmls_basic_credential::SignatureKeyPair,
) -> openmls_basic_credential::SignatureKeyPair {
    serde_json::from_slice(&serde_json::to_vec(pair).unwrap()).unwrap()
}
