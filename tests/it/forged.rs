//! Commits and proposals that are properly signed and break one rule each. The hub refuses each with the right code;
//! its records and answers are the same afterwards, restored or not (see `kit::Hub::drill`), and the room goes on.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::write_bytes,
    delivery::{CommitRefusal, ProposalFault, ProposalRefusal},
    env::Peer,
    hub::{Answer, UpdateRefusal},
    policy::{Reason, RoleIndex},
    room::ParticipantListUpdate,
    wire::UpdateOutcome,
};

use crate::kit::*;

/// What is answered to whom.
#[track_caller]
pub(crate) fn refused(world: &mut World, peer: &Peer, body: &[u8], code: u8) -> UpdateRefusal {
    let records = world.hub.records();
    let bodies = world.hub.record_count();
    let refusal = world.hub.update(peer, body).expect_err("it is forged");
    assert_eq!((world.hub.records(), world.hub.record_count()), (records, bodies));
    let Answer::Response(response) = refusal.answer() else { panic!("{refusal:?}") };
    let found = match response.outcome {
        UpdateOutcome::Success { .. } => 0,
        UpdateOutcome::WrongEpoch { .. } => 1,
        UpdateOutcome::NotAllowed => 2,
        UpdateOutcome::InvalidProposal(_) => 3,
    };
    assert_eq!(found, code, "{refusal:?}");
    refusal
}

pub(crate) const WRONG_EPOCH: u8 = 1;
pub(crate) const NOT_ALLOWED: u8 = 2;

pub(crate) const INVALID: u8 = 3;

/// The room goes on: whoever forged is where all others are.
#[track_caller]
pub(crate) fn goes_on(world: &mut World) {
    for client in world.clients.iter_mut().filter(|it| it.is_member()) {
        client.forget_commit();
    }
    let bundle = world.client("alice").commit(Vec::new());
    world.committed("alice", &bundle);
}

pub(crate) fn change(place: u32, role: u32) -> ParticipantListUpdate {
    ParticipantListUpdate { changed: vec![(place, RoleIndex(role))], ..Default::default() }
}

pub(crate) fn reason(refusal: &UpdateRefusal) -> Reason {
    match refusal {
        UpdateRefusal::Denied { denied, .. } => denied.reason.clone(),
        other => panic!("{other:?}"),
    }
}

/// A commit by Bob of these proposals by value is refused.
#[track_caller]
pub(crate) fn bob_may_not(proposals: Vec<openmls::prelude::Proposal>, code: u8) -> UpdateRefusal {
    let mut world = World::clubhouse();
    let bundle = world.client("bob@b.example").commit(proposals);
    let refusal = refused(&mut world, &server("b.example"), &bundle.body(), code);
    goes_on(&mut world);
    refusal
}

/// P-004, D-02.
#[test]
fn p_004_a_client_of_somebody_who_is_not_listed() {
    let mallory = Client::new("mallory@m.example/phone");
    let refusal = bob_may_not(vec![add(mallory.key_package())], NOT_ALLOWED);
    assert_eq!(reason(&refusal), Reason::Stranger(user("mallory@m.example")));
}

/// who is removed from the list and keeps a client.
#[test]
fn r_128_a_removed_users_client_is_kept() {
    let mut world = World::clubhouse();
    let alice = world.client("alice");
    let place = alice.place(user("bob@b.example"));
    let off = ParticipantListUpdate { removed: vec![place], ..Default::default() };
    let bundle = alice.commit(vec![list_update(&off)]);
    let peer = alice.peer();
    let refusal = refused(&mut world, &peer, &bundle.body(), NOT_ALLOWED);
    assert_eq!(reason(&refusal), Reason::ClientsLeft(user("bob@b.example")));
    goes_on(&mut world);
}

/// the same with a ban.
#[test]
fn r_134_a_banned_users_client_is_kept() {
    let mut world = World::clubhouse();
    let alice = world.client("alice");
    let place = alice.place(user("bob@b.example"));
    let bundle = alice.commit(vec![list_update(&change(place, 1))]);
    let peer = alice.peer();
    let refusal = refused(&mut world, &peer, &bundle.body(), NOT_ALLOWED);
    assert_eq!(reason(&refusal), Reason::ClientsLeft(user("bob@b.example")));
    goes_on(&mut world);
}

/// Q-79, D-83: one of the waiting proposals is left out.
#[test]
fn q_79_a_waiting_proposal_is_dropped() {
    let mut world = World::clubhouse();
    let body = world.client("cathy@c.example").leave();
    world.proposed("cathy@c.example", &body);
    let bob = world.client("bob@b.example");
    let honest = bob.commit(Vec::new());
    let names = references_of(&honest.commit);
    assert_eq!(names.len(), 2);
    let context = bob.group_context();
    for kept in 0..2 {
        let bob = world.client("bob@b.example");
        let forged = Forge::commit(bob, &context, &honest.commit, &[by_reference(&names[kept])]);
        let body = honest.with_commit(forged).body();
        let refusal = refused(&mut world, &server("b.example"), &body, NOT_ALLOWED);
        let UpdateRefusal::Commit(CommitRefusal::Missing(missing)) = refusal else { panic!() };
        assert_eq!(missing[0].0, names[1 - kept]);
    }
    // A reference to what nobody has proposed.
    let bob = world.client("bob@b.example");
    let unknown: Vec<_> =
        names.iter().map(|it| by_reference(it)).chain([by_reference(&[5; 32])]).collect();
    let forged = Forge::commit(bob, &context, &honest.commit, &unknown);
    let body = honest.with_commit(forged).body();
    let refusal = refused(&mut world, &server("b.example"), &body, INVALID);
    assert!(matches!(refusal, UpdateRefusal::Commit(CommitRefusal::UnknownReference(_))));
    world.client("bob@b.example").forget_commit();
    goes_on(&mut world);
}

/// P-113, D-82: two commits for one epoch, and one of an epoch that is over.
#[test]
fn d_82_two_commits_for_one_epoch() {
    let mut world = World::clubhouse();
    let second = world.client("bob@b.example").update_path();
    let first = world.client("alice").update_path();
    let peer = world.client("alice").peer();
    world.hub.update(&peer, &first.body()).unwrap();
    let refusal = refused(&mut world, &server("b.example"), &second.body(), WRONG_EPOCH);
    assert_eq!(refusal, UpdateRefusal::WrongEpoch { current: 3 });
    world.deliver();
    goes_on(&mut world);
    let refusal = refused(&mut world, &server("b.example"), &second.body(), WRONG_EPOCH);
    assert_eq!(refusal, UpdateRefusal::WrongEpoch { current: 4 });
    // Proposals are for one epoch too.
    let stale = world.client("bob@b.example").leave();
    goes_on_without(&mut world);
    let refusal = refused(&mut world, &server("b.example"), &stale, WRONG_EPOCH);
    assert_eq!(refusal, UpdateRefusal::WrongEpoch { current: 5 });
}

fn goes_on_without(world: &mut World) {
    let bundle = world.client("alice").update_path();
    let peer = world.client("alice").peer();
    world.hub.update(&peer, &bundle.body()).unwrap();
}

/// D-23: brought by a provider that does not answer for the sender.
#[test]
fn d_23_a_foreign_sender() {
    let mut world = World::clubhouse();
    let bundle = world.client("bob@b.example").update_path();
    let eve = Client::new("eve@a.example/phone");
    for peer in [server("c.example"), server("a.example"), eve.peer()] {
        let refusal = refused(&mut world, &peer, &bundle.body(), NOT_ALLOWED);
        assert_eq!(refusal, UpdateRefusal::Peer);
    }
    world.client("bob@b.example").forget_commit();
    let leave = world.client("bob@b.example").leave();
    for peer in [server("c.example"), server("a.example"), eve.peer()] {
        let refusal = refused(&mut world, &peer, &leave, NOT_ALLOWED);
        assert_eq!(refusal, UpdateRefusal::Peer);
    }
    // The hub's own users are no server's.
    let own = world.client("alice").update_path();
    let refusal = refused(&mut world, &server("a.example"), &own.body(), NOT_ALLOWED);
    assert_eq!(refusal, UpdateRefusal::Peer);
}

/// A GroupContextExtensions proposal that brings another dictionary.
fn extensions_with_another_list(client: &Client) -> Vec<u8> {
    with_extensions(client, |kind, mut data| {
        if kind == 6 {
            *data.last_mut().unwrap() ^= 1;
        }
        data
    })
}

/// Q-47, E-025.
#[test]
fn q_47_extensions_that_touch_the_dictionary() {
    let mut world = World::clubhouse();
    let bob = world.client("bob@b.example");
    let proposal = extensions_with_another_list(bob);
    let alone = Forge::proposal(bob, &proposal);
    let body = bob.proposals_body(vec![alone]);
    let honest = bob.update_path();
    let context = bob.group_context();
    let by_value = [vec![1], proposal].concat();
    let forged = Forge::commit(bob, &context, &honest.commit, &[by_value]);
    let refusal = refused(&mut world, &server("b.example"), &body, INVALID);
    let UpdateRefusal::Proposals(ProposalRefusal::Refused(faults)) = &refusal else { panic!() };
    assert_eq!(faults[0].fault, ProposalFault::Extensions);
    let refusal =
        refused(&mut world, &server("b.example"), &honest.with_commit(forged).body(), INVALID);
    let fault = ProposalFault::Extensions;
    assert_eq!(
        refusal,
        UpdateRefusal::Commit(CommitRefusal::Proposal { index: 0, reference: None, fault })
    );
    goes_on(&mut world);
}

/// P-119, Q-79: a PSK that only its sender has would shut everybody else out.
#[test]
fn p_119_a_psk() {
    let mut world = World::clubhouse();
    let bob = world.client("bob@b.example");
    let mut psk = vec![0, 4, 1];
    write_bytes(&mut psk, b"only mine");
    write_bytes(&mut psk, &[3; 32]);
    let alone = Forge::proposal(bob, &psk);
    let body = bob.proposals_body(vec![alone]);
    let honest = bob.update_path();
    let context = bob.group_context();
    let forged = Forge::commit(bob, &context, &honest.commit, &[[vec![1], psk].concat()]);
    let refusal = refused(&mut world, &server("b.example"), &body, INVALID);
    let UpdateRefusal::Proposals(ProposalRefusal::Refused(faults)) = &refusal else { panic!() };
    assert_eq!(faults[0].fault, ProposalFault::Type(4));
    let Answer::Response(answer) = refusal.answer() else { panic!() };
    let UpdateOutcome::InvalidProposal(names) = answer.outcome else { panic!() };
    assert_eq!(names.len(), 1, "P-115: it is named");
    let refusal =
        refused(&mut world, &server("b.example"), &honest.with_commit(forged).body(), INVALID);
    let Answer::Response(answer) = refusal.answer() else { panic!() };
    assert_eq!(answer.outcome, UpdateOutcome::InvalidProposal(Vec::new()), "Q-17: by value");
    goes_on(&mut world);
}

/// P-105, P-106: who is banned neither proposes nor commits, from inside or outside.
#[test]
fn p_105_a_banned_user_speaks() {
    let mut world = World::clubhouse();
    let mut laptop = Client::new("bob@b.example/laptop");
    let given = world.hub.group_info(&laptop).unwrap();
    let outside = laptop.enter(&given, None);
    let inside = world.client("bob@b.example").update_path();
    world.client("bob@b.example").forget_commit();
    let mallory = Client::new("bob@b.example/watch");
    let propose = world.client("bob@b.example").propose(vec![add(mallory.key_package())]);
    let bob = user("bob@b.example");
    let alice = world.client("alice");
    let mut ban = vec![list_update(&change(alice.place(&bob), 1))];
    ban.extend(alice.leaves_of(&bob).into_iter().map(remove));
    let ban = alice.propose(ban);
    let peer = alice.peer();
    world.hub.update(&peer, &ban).unwrap();
    let b = server("b.example");
    assert_eq!(refused(&mut world, &b, &propose, NOT_ALLOWED), UpdateRefusal::Blocked);
    assert_eq!(refused(&mut world, &b, &outside.body(), NOT_ALLOWED), UpdateRefusal::Blocked);
    let refusal = refused(&mut world, &b, &inside.body(), NOT_ALLOWED);
    assert!(matches!(refusal, UpdateRefusal::Commit(CommitRefusal::Missing(_))));
}

/// to give a role takes the authority for it.
#[test]
fn r_131_a_role_change_without_authority() {
    let mut world = World::clubhouse();
    let bob = world.client("bob@b.example");
    let cathys = bob.place(user("cathy@c.example"));
    let bundle = bob.commit(vec![list_update(&change(cathys, 4))]);
    let refusal = refused(&mut world, &server("b.example"), &bundle.body(), NOT_ALLOWED);
    assert!(matches!(reason(&refusal), Reason::Capability(_) | Reason::RoleChange(..)));
    world.client("bob@b.example").forget_commit();
    let bob = world.client("bob@b.example");
    let body = bob.propose(vec![list_update(&change(cathys, 4))]);
    bob.forget_proposals();
    let refusal = refused(&mut world, &server("b.example"), &body, NOT_ALLOWED);
    assert!(matches!(reason(&refusal), Reason::Capability(_) | Reason::RoleChange(..)));
    goes_on(&mut world);
}

/// nobody raises itself.
#[test]
fn r_131_a_self_promotion() {
    let mut world = World::clubhouse();
    let bob = world.client("bob@b.example");
    let own = bob.place(user("bob@b.example"));
    let bundle = bob.commit(vec![list_update(&change(own, 4))]);
    refused(&mut world, &server("b.example"), &bundle.body(), NOT_ALLOWED);
    goes_on(&mut world);
}

/// senseless updates of the list.
#[test]
fn q_41_a_list_update_that_touches_one_user_twice() {
    let mut world = World::clubhouse();
    let alice = world.client("alice");
    let (bobs, len) = (alice.place(user("bob@b.example")), alice.room().participants().len());
    let again = (user("bob@b.example").into(), RoleIndex(2));
    let updates = [
        ParticipantListUpdate { removed: vec![bobs], ..change(bobs, 3) },
        ParticipantListUpdate {
            changed: vec![(bobs, RoleIndex(3)), (bobs, RoleIndex(4))],
            ..Default::default()
        },
        ParticipantListUpdate { removed: vec![bobs, bobs], ..Default::default() },
        ParticipantListUpdate { added: vec![again], ..change(bobs, 3) },
        change(u32::try_from(len).unwrap(), 3),
        change(bobs, 77),
    ];
    for update in updates {
        let alice = world.client("alice");
        let bundle = alice.commit(vec![list_update(&update)]);
        let peer = alice.peer();
        alice.forget_commit();
        let refusal = refused(&mut world, &peer, &bundle.body(), INVALID);
        assert!(matches!(reason(&refusal), Reason::Invalid(_)), "{refusal:?}");
    }
    goes_on(&mut world);
}

/// P-276: a server's proposal with a key that is not its own.
#[test]
fn p_276_a_proposal_in_the_hubs_name() {
    let mut world = World::clubhouse();
    let bob = world.client("bob@b.example");
    let mut proposal = vec![0, 3];
    proposal.extend(0_u32.to_be_bytes());
    let forged = Forge::of_server(bob, 0, &proposal);
    let body = bob.proposals_body(vec![forged]);
    // D-29: it is not even looked at, from anybody but the hub.
    let refusal = refused(&mut world, &server("b.example"), &body, NOT_ALLOWED);
    assert_eq!(refusal, UpdateRefusal::Peer);
    let refusal = refused(&mut world, &server("a.example"), &body, INVALID);
    let UpdateRefusal::Proposals(ProposalRefusal::Refused(faults)) = &refusal else { panic!() };
    assert_eq!(faults[0].fault, ProposalFault::Signature);
    let bob = world.client("bob@b.example");
    let forged = Forge::of_server(bob, 1, &proposal);
    let body = bob.proposals_body(vec![forged]);
    let refusal = refused(&mut world, &server("b.example"), &body, INVALID);
    let UpdateRefusal::Proposals(ProposalRefusal::Refused(faults)) = &refusal else { panic!() };
    assert_eq!(faults[0].fault, ProposalFault::Sender);
}
