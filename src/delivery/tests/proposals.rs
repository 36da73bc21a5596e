//! Proposals: who may send what, what excludes what, and what lapses for what.

use openmls::prelude::*;
use openmls_rust_crypto::OpenMlsRustCrypto;

use super::{client::*, parts::*, room::*};
use crate::{
    delivery::{
        self, Conflict, ExternalProposal, FoundRefusal, LeafFault, LeafIndex, ProposalFault,
        ProposalRef, ProposalRefusal, ProposalView,
    },
    env::Timestamp,
};

/// What is wrong with the only proposal that is refused.
pub(super) fn fault(refused: Result<Vec<ProposalRef>, ProposalRefusal>) -> ProposalFault {
    match refused.unwrap_err() {
        ProposalRefusal::Refused(mut refused) if refused.len() == 1 => refused.remove(0).fault,
        other => panic!("{other:?}"),
    }
}

pub(super) fn conflict(refused: Result<Vec<ProposalRef>, ProposalRefusal>) -> Conflict {
    match fault(refused) {
        ProposalFault::Conflict(conflict) => conflict,
        other => panic!("{other:?}"),
    }
}

pub(super) fn update(client: &mut Client, component: u16) -> Vec<u8> {
    client.propose(Propose::UpdateAppDataComponent { component_id: component, update: vec![b'x'] })
}

pub(super) fn pending(room: &Room) -> Vec<ProposalRef> {
    room.group.pending().map(|it| it.reference.clone()).collect()
}

/// B5, the last row of the table: the engine queues what nobody can commit, and the room would be stuck.
#[test]
fn what_nobody_can_commit_is_not_queued() {
    let mut room = Room::new(2);
    let mut psk = vec![0, 4, 1, 1, b'k', 32];
    psk.extend([3; 32]);
    let kem = [vec![0, 6, 32], vec![5; 32]].concat();
    let cases = [
        (tls(&remove(LeafIndex(99))), ProposalFault::NoSuchLeaf(LeafIndex(99))),
        (kem, ProposalFault::Type(6)),
        (tls(&remove_component(SPARE)), ProposalFault::NoSuchComponent(SPARE)),
        (vec![0, 5, 1, b'g', 0, 1, 0, 1, 0], ProposalFault::Type(5)),
        (psk, ProposalFault::Type(4)),
        (vec![0, 9, 0, 0x22, 1, b'x'], ProposalFault::Type(9)),
        (
            tls(&update_component(UNKNOWN, b"x")),
            ProposalFault::Unsupported { leaf: LeafIndex(0), component: UNKNOWN },
        ),
    ];
    for (proposal, expected) in cases {
        let message = room.clients[1].forge_proposal(&[0], &proposal);
        assert!(room.bare_engine_queues(&message), "{expected:?}");
        assert_eq!(fault(room.propose(&[&message])), expected);
    }
    assert_eq!(room.group.pending().count(), 0);
}

/// E-050, E-051: the whole `authenticated_data` is a SafeAAD. The engine is content if one stands in front.
#[test]
fn authenticated_data_is_safe_aad_and_nothing_else() {
    let mut room = Room::new(2);
    let proposal = tls(&remove(LeafIndex(0)));
    let two_items = [6, 0, 0x20, 0, 0, 0x40, 0];
    let cases: [(&[u8], bool); 6] = [
        (&[0], true),
        (&two_items, true),
        (&[], false),
        (&[0, 1], false),
        (&[6, 0, 0x40, 0, 0, 0x20, 0], false),
        (&[6, 0, 0x20, 0, 0, 0x20, 0], false),
    ];
    let messages = cases.map(|(aad, good)| (room.clients[1].forge_proposal(aad, &proposal), good));
    let tail = &messages[3].0;
    assert!(room.bare_engine_queues(tail));
    for (message, good) in messages {
        let crypto = OpenMlsRustCrypto::default();
        let checked = room.group.check_proposals(crypto.crypto(), NOW, &[&message]);
        match good {
            true => assert!(checked.is_ok()),
            false => {
                let refused = checked.map(|_| Vec::new());
                assert_eq!(fault(refused), ProposalFault::SafeAad);
            }
        }
    }
    let _ = room.propose(&[]);
}

#[test]
fn a_leaf_leaves_once_and_older_proposals_lapse() {
    let mut room = Room::new(5);
    // E-076: the second SelfRemove of a member, which the engine queues.
    let leave = room.clients[2].leave();
    let again = room.clients[2].forge_proposal(&[2, 0, 0x20], &[0, 10]);
    assert!(!delivery::frame::is_safe_aad(&[2, 0, 0x20]));
    let again_safe = room.clients[2].forge_proposal(&[3, 0, 0x20, 0], &[0, 10]);
    drop(again);
    room.propose(&[&leave]).unwrap();
    assert!(room.bare_engine_queues(&again_safe));
    assert_eq!(conflict(room.propose(&[&again_safe])), Conflict::Leaving);
    // The same message once more.
    assert_eq!(conflict(room.propose(&[&leave])), Conflict::Repeated);
    // Nothing may touch the leaf now.
    let remove = room.clients[1].forge_proposal(&[0], &tls(&remove(LeafIndex(2))));
    assert_eq!(conflict(room.propose(&[&remove])), Conflict::Leaving);

    // Remove over Update, SelfRemove over Remove; a second Remove is refused, from whomever.
    let update = room.clients[3].propose(Propose::Update(LeafNodeParameters::default()));
    let names = room.propose(&[&update]).unwrap();
    let remove = room.clients[1].propose(Propose::Remove(3));
    let removal = room.propose(&[&remove]).unwrap();
    assert!(!pending(&room).contains(&names[0]));
    let messages = room
        .group
        .propose_as(&room.follower, 1, &[ExternalProposal::Remove(LeafIndex(3))])
        .unwrap();
    assert_eq!(conflict(room.propose(&[&messages[0]])), Conflict::Leaving);
    assert_eq!(conflict(room.propose(&[&update])), Conflict::Leaving);
    let leave = room.clients[3].forge_proposal(&[0], &[0, 10]);
    room.propose(&[&leave]).unwrap();
    assert!(!pending(&room).contains(&removal[0]));

    // SelfRemove over Update.
    let update = room.clients[4].propose(Propose::Update(LeafNodeParameters::default()));
    let names = room.propose(&[&update]).unwrap();
    let leave = room.clients[4].forge_proposal(&[0], &[0, 10]);
    room.propose(&[&leave]).unwrap();
    assert!(!pending(&room).contains(&names[0]));
    assert_eq!(room.group.pending().count(), 3);
}

/// P-116, P-115: a bundle is all or nothing, and the refusal names those that are wrong, and only those.
#[test]
fn one_bad_proposal_refuses_the_bundle() {
    let mut room = Room::new(3);
    let good = update(&mut room.clients[1], NAME);
    let bad = room.clients[1].forge_proposal(&[0], &tls(&remove(LeafIndex(7))));
    let leave = room.clients[1].forge_proposal(&[0], &[0, 10]);
    match room.propose(&[&good, &bad, &leave]).unwrap_err() {
        ProposalRefusal::Refused(refused) => {
            assert_eq!(refused.len(), 1);
            assert_eq!(refused[0].index, 1);
            assert!(refused[0].reference.is_some());
            assert!(!refused[0].fault.is_conflict());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(room.group.pending().count(), 0);
    assert_eq!(room.propose(&[]).unwrap_err(), ProposalRefusal::Empty);
    let many = vec![good.as_slice(); 65];
    assert_eq!(room.propose(&many).unwrap_err(), ProposalRefusal::TooMany { limit: 64 });
    // a user leaves with all its devices, in one bundle.
    let others = room.clients[1].forge_proposal(&[0], &tls(&remove(LeafIndex(2))));
    assert_eq!(room.propose(&[&leave, &others, &good]).unwrap().len(), 3);
    // Within a bundle nothing lapses.
    let mut room = Room::new(3);
    let remove = room.clients[1].forge_proposal(&[0], &tls(&remove(LeafIndex(2))));
    let leave = room.clients[2].leave();
    assert_eq!(conflict(room.propose(&[&remove, &leave])), Conflict::Leaving);
    assert_eq!(conflict(room.propose(&[&leave, &remove])), Conflict::Leaving);
}

/// components.
#[test]
fn a_component_is_changed_once_unless_its_updates_accumulate() {
    let mut room = Room::new(2);
    let name = update(&mut room.clients[0], NAME);
    let list = update(&mut room.clients[0], LIST);
    room.propose(&[&name, &list]).unwrap();
    let name = update(&mut room.clients[1], NAME);
    let list = update(&mut room.clients[1], LIST);
    assert_eq!(conflict(room.propose(&[&name])), Conflict::Component);
    room.propose(&[&list]).unwrap();
    for component in [NAME, LIST] {
        let message = room.clients[1].forge_proposal(&[0], &tls(&remove_component(component)));
        assert_eq!(conflict(room.propose(&[&message])), Conflict::ComponentRemoval);
    }
}

/// a client is added once.
#[test]
fn a_client_is_added_once() {
    let mut room = Room::new(2);
    let carol = Client::new("mimi://b.example/u/carol");
    let add =
        |room: &Room, from: usize| room.clients[from].forge_proposal(&[0], &tls(&add(&carol)));
    let first = add(&room, 0);
    room.propose(&[&first]).unwrap();
    // Another KeyPackage with the same signature key.
    let second = add(&room, 1);
    assert!(room.bare_engine_queues(&second));
    assert_eq!(conflict(room.propose(&[&second])), Conflict::Adding);
    // A member's signature key.
    let own = room.clients[1].key_package();
    let own = Proposal::Add(Box::new(AddProposal::from(own)));
    let message = room.clients[0].forge_proposal(&[0], &tls(&own));
    assert!(room.bare_engine_queues(&message));
    assert_eq!(fault(room.propose(&[&message])), ProposalFault::Leaf(LeafFault::SignatureKey));
}

/// B4: times are judged by the caller's clock. The engine asks the machine's.
#[test]
fn lifetimes_are_judged_by_the_callers_clock() {
    let mut room = Room::new(2);
    let crypto = OpenMlsRustCrypto::default();
    let carol = Client::new("mimi://b.example/u/carol");
    let message = room.clients[1].forge_proposal(&[0], &tls(&add(&carol)));
    assert!(room.bare_engine_queues(&message));
    for now in [Timestamp(0), Timestamp(7_258_118_401_000)] {
        let refused = room.group.check_proposals(crypto.crypto(), now, &[&message]);
        let fault = fault(refused.map(|_| Vec::new()));
        assert_eq!(fault, ProposalFault::Leaf(LeafFault::Lifetime));
        let made = room.clients[1].commit(vec![add(&carol)]);
        room.clients[1].forget_commit();
        let refused = room.group.open_commit(crypto.crypto(), now, &made.commit).unwrap_err();
        assert!(matches!(
            refused,
            delivery::CommitRefusal::Proposal {
                fault: ProposalFault::Leaf(LeafFault::Lifetime),
                ..
            }
        ));
        let tree = room.group.ratchet_tree();
        let info = room.group.group_info();
        let refused = delivery::Group::found(crypto.crypto(), now, &info, &tree, &config());
        assert!(matches!(
            refused.unwrap_err(),
            FoundRefusal::Leaf { fault: LeafFault::Lifetime, .. }
        ));
    }
}

/// E-012, Q-50, E-061: a leaf that comes in knows what the group uses, and what it is about to use.
#[test]
fn a_new_leaf_knows_all_components() {
    let mut room = Room::new(2);
    let carol = Client::new("mimi://b.example/u/carol");
    let add = |known: &[u16]| {
        let key_package =
            carol.key_package_with(known, Lifetime::init(1_577_836_800, 7_258_118_400));
        tls(&Proposal::Add(Box::new(AddProposal::from(key_package))))
    };
    let message = room.clients[1].forge_proposal(&[0], &add(&[LIST]));
    assert!(room.bare_engine_queues(&message));
    let component = LeafFault::Component(NAME);
    assert_eq!(fault(room.propose(&[&message])), ProposalFault::Leaf(component));
    // It would do today, but not with what is pending.
    let spare = update(&mut room.clients[0], SPARE);
    room.propose(&[&spare]).unwrap();
    let message = room.clients[1].forge_proposal(&[0], &add(&[LIST, NAME]));
    let component = LeafFault::Component(SPARE);
    assert_eq!(fault(room.propose(&[&message])), ProposalFault::Leaf(component));
    // And the other way round.
    let mut room = Room::new(2);
    let message = room.clients[1].forge_proposal(&[0], &add(&[LIST, NAME]));
    room.propose(&[&message]).unwrap();
    let spare = update(&mut room.clients[0], SPARE);
    assert_eq!(conflict(room.propose(&[&spare])), Conflict::Knowledge);
}

/// Framing, group, epoch, sender, signature.
#[test]
fn a_proposal_is_framed_for_this_epoch_by_a_sender_that_is_there() {
    let mut room = Room::new(2);
    let message = update(&mut room.clients[1], NAME);
    for length in 0..message.len() {
        let fault = fault(room.propose(&[&message[..length]]));
        assert!(matches!(fault, ProposalFault::Malformed(_)), "{length}");
    }
    let mut other = message.clone();
    other[3] = 2;
    assert_eq!(fault(room.propose(&[&other])), ProposalFault::WireFormat);
    let mut other = message.clone();
    other[6] ^= 1;
    assert_eq!(fault(room.propose(&[&other])), ProposalFault::WrongGroup);
    // The sender's leaf, after the group and the epoch.
    let at = 4 + 1 + 22 + 8 + 1 + 3;
    let mut other = message.clone();
    other[at] = 0;
    assert_eq!(fault(room.propose(&[&other])), ProposalFault::Signature);
    other[at] = 9;
    assert_eq!(fault(room.propose(&[&other])), ProposalFault::Sender);
    let made = room.clients[0].update_path();
    assert_eq!(fault(room.propose(&[&made.commit])), ProposalFault::ContentType);
    room.accept(0, &made);
    let refused = room.propose(&[&message]).unwrap_err();
    assert_eq!(refused, ProposalRefusal::WrongEpoch { current: 2 });
    // An external sender that is not there, or has another key.
    let wanted = [ExternalProposal::Remove(LeafIndex(1))];
    let stolen = room.group.propose_as(&room.follower, 0, &wanted).unwrap();
    assert_eq!(fault(room.propose(&[&stolen[0]])), ProposalFault::Signature);
    let mut nobody = stolen[0].clone();
    nobody[at] = 7;
    assert_eq!(fault(room.propose(&[&nobody])), ProposalFault::Sender);
}

/// A client that asks to be added (RFC 9420, section 12.1.8).
#[test]
fn a_new_member_may_ask_to_be_added() {
    let mut room = Room::new(2);
    let carol = Client::new("mimi://b.example/u/carol");
    let group = room.clients[0].mls();
    let (id, epoch) = (group.group_id().clone(), group.epoch());
    let asks = JoinProposal::new::<<OpenMlsRustCrypto as OpenMlsProvider>::StorageProvider>(
        carol.key_package(),
        id,
        epoch,
        &carol.signer,
    );
    // B2 once more: the engine's own has no SafeAAD.
    let message = tls(&asks.unwrap());
    assert!(!room.bare_engine_queues(&message));
    assert_eq!(fault(room.propose(&[&message])), ProposalFault::SafeAad);
}

/// The application takes pending proposals back by its own rules (Q-79: a ban over other changes of a user).
#[test]
fn the_application_lets_proposals_lapse() {
    let mut room = Room::new(3);
    let first = update(&mut room.clients[0], NAME);
    let names = room.propose(&[&first]).unwrap();
    let staged = room.group.stage_lapse(&names);
    save(&mut room.records, staged.writes());
    room.group.accept_proposals(staged);
    room.check();
    assert_eq!(room.group.pending().count(), 0);
    // It may come again, and be gone for another one in the same step.
    room.propose(&[&first]).unwrap();
    let second = update(&mut room.clients[1], LIST);
    let crypto = OpenMlsRustCrypto::default();
    let checked = room.group.check_proposals(crypto.crypto(), NOW, &[&second]).unwrap();
    assert!(matches!(
        checked.proposals()[0].content,
        ProposalView::AppDataUpdate { component: LIST, .. }
    ));
    let staged = room.group.stage(checked, &names, NOW);
    assert_eq!(staged.added().count(), 1);
    save(&mut room.records, staged.writes());
    room.group.accept_proposals(staged);
    assert_eq!(room.group.pending().count(), 1);
    room.check();
    // A commit that references what lapsed is refused.
    room.clients[2].receive(&first);
    room.clients[2].receive(&second);
    let made = room.clients[2].commit(vec![]);
    let refused = room.judge(&made).unwrap_err();
    assert_eq!(refused, delivery::CommitRefusal::UnknownReference(names));
}
