//! Proposals of servers, and of what only they may change.

use openmls::prelude::*;
use openmls_rust_crypto::OpenMlsRustCrypto;

use super::{
    parts::*,
    proposals::{conflict, fault},
    room::*,
};
use crate::delivery::{
    ComponentOperation, Conflict, ExternalProposal, LeafIndex, ProposalFault, Sender,
};

/// B1: an AppDataUpdate of the server, which the engine refuses in server and client, goes all the way.
#[test]
fn a_server_updates_a_component() {
    let mut room = Room::new(3);
    let wanted = ExternalProposal::AppDataUpdate {
        component: LIST,
        operation: ComponentOperation::Update(b"hub;".to_vec()),
    };
    let messages = room.group.propose_as(&room.hub, 0, &[wanted]).unwrap();
    assert!(!room.bare_engine_queues(&messages[0]));
    room.propose(&[&messages[0]]).unwrap();
    let it = room.group.pending().next().unwrap();
    assert_eq!((it.sender, it.accepted_at), (Sender::External(0), NOW));
    room.deliver(&messages[0], None);
    let made = room.clients[2].commit(vec![]);
    room.accept(2, &made);
    assert_eq!(room.group.component(LIST), Some(&b"alice;hub;"[..]));
}

/// B2, E-050: the engine frames its own external proposals with an `authenticated_data` that is no SafeAAD, and so
/// refuses them itself.
#[test]
fn a_server_removes_a_member() {
    let mut room = Room::new(3);
    let group = room.clients[0].mls();
    let (id, epoch) = (group.group_id().clone(), group.epoch());
    let index = SenderExtensionIndex::new(0);
    let engines = ExternalProposal::Remove(LeafIndex(1));
    let bare: MlsMessageOut =
        openmls::messages::external_proposals::ExternalProposal::new_remove::<OpenMlsRustCrypto>(
            LeafNodeIndex::new(1),
            id,
            epoch,
            &room.hub,
            index,
        )
        .unwrap();
    let bare = tls(&bare);
    assert!(!room.bare_engine_queues(&bare));
    assert_eq!(fault(room.propose(&[&bare])), ProposalFault::SafeAad);
    let messages = room.group.propose_as(&room.hub, 0, &[engines]).unwrap();
    assert!(room.bare_engine_queues(&messages[0]));
    room.propose(&[&messages[0]]).unwrap();
    room.deliver(&messages[0], None);
    let made = room.clients[2].commit(vec![]);
    room.accept(2, &made);
    assert!(room.group.member(LeafIndex(1)).is_none());
}

/// the list of external senders changes, and nothing else.
#[test]
fn a_server_changes_the_external_senders() {
    let mut room = Room::new(2);
    let (other, other_sender) = server("mimi://other.example");
    let wanted =
        ExternalProposal::ExternalSenders(vec![room.hub_sender.clone(), other_sender.clone()]);
    let messages = room.group.propose_as(&room.hub, 0, &[wanted]).unwrap();
    room.propose(&[&messages[0]]).unwrap();
    room.deliver(&messages[0], None);
    let made = room.clients[1].commit(vec![update_component(NAME, b"x")]);
    room.accept(1, &made);
    assert_eq!(room.group.external_senders(), [room.hub_sender.clone(), other_sender]);
    // The one that is gone cannot propose any more; the one that took its place can.
    let remove = [ExternalProposal::Remove(LeafIndex(1))];
    let old = room.group.propose_as(&room.follower, 1, &remove).unwrap();
    assert_eq!(fault(room.propose(&[&old[0]])), ProposalFault::Signature);
    let new = room.group.propose_as(&other, 1, &remove).unwrap();
    room.propose(&[&new[0]]).unwrap();
    assert!(room.group.propose_as(&other, 2, &remove).is_err());
}

#[test]
fn extensions_are_left_alone_but_for_the_senders() {
    let mut room = Room::new(2);
    let change = |extensions: Vec<Extension>| {
        let proposal = Extensions::<GroupContext>::from_vec(extensions).unwrap();
        let mut octets = vec![0, 7];
        octets.extend(tls(&proposal));
        room.clients[1].forge_proposal(&[0], &octets)
    };
    let all = components();
    let cases = [
        // Another component.
        vec![required(), senders(&[&room.hub_sender]), dictionary(&[(2, &[0]), (NAME, b"x")])],
        // No dictionary, no requirements, another order.
        vec![required(), senders(&[&room.hub_sender])],
        vec![senders(&[&room.hub_sender]), dictionary(&all)],
        vec![senders(&[&room.hub_sender]), required(), dictionary(&all)],
        // The first entry is the hub's; nobody is there twice; nobody changes places.
        vec![required(), senders(&[&room.follower_sender]), dictionary(&all)],
        vec![required(), senders(&[]), dictionary(&all)],
        vec![required(), senders(&[&room.follower_sender, &room.hub_sender]), dictionary(&all)],
        vec![required(), senders(&[&room.hub_sender, &room.hub_sender]), dictionary(&all)],
    ];
    let messages: Vec<_> = cases.into_iter().map(change).collect();
    let good = change(vec![required(), senders(&[&room.hub_sender]), dictionary(&all)]);
    for message in messages {
        assert!(room.bare_engine_queues(&message));
        assert_eq!(fault(room.propose(&[&message])), ProposalFault::Extensions);
    }
    room.propose(&[&good]).unwrap();
    let messages = room
        .group
        .propose_as(
            &room.hub,
            0,
            &[ExternalProposal::ExternalSenders(vec![room.hub_sender.clone()])],
        )
        .unwrap();
    assert_eq!(conflict(room.propose(&[&messages[0]])), Conflict::Extensions);
}
