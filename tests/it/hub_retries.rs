//! What comes again: requests, ciphertexts, message IDs (Q-31, Q-115, S-40). Every step is a crash drill, see
//! `kit::Hub::drill`.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::Wire,
    env::{Limits, Timestamp},
    hub::{Answer, GroupInfoRefusal, SubmitRefusal},
    policy::presets::Preset,
    room::ComponentId,
    wire::{GroupInfoAnswer, SubmitMessageRequest, SubmitMessageResponse, UpdateOutcome},
};

use crate::kit::*;

/// answers are kept by peer and body, up to a count and an age.
#[test]
fn q_115_the_first_answer_again_to_the_same_peer_only() {
    let mut limits = Limits::default();
    limits.answered = 4;
    let mut world = World::with(limits, Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "eve@b.example/phone", 2);
    let bob = world.client("bob@b.example");
    let body = bob.say(b"mine", Some(&[1; 32]));
    let message = {
        let request = openmimi::wire::SubmitMessageRequest::decode(&body).unwrap();
        request.app_message.as_bytes().to_vec()
    };
    let first = world.hub.submit(&server("b.example"), &body).unwrap();
    let records = world.hub.records();
    world.tick();
    assert_eq!(world.hub.submit(&server("b.example"), &body), Ok(first.clone()));
    assert_eq!(world.hub.records(), records, "nothing is written");

    // Another peer has no share in the answer; another sender none in the ciphertext (D-21).
    let refusal = world.hub.submit(&server("c.example"), &body).unwrap_err();
    assert_eq!(refusal, openmimi::hub::SubmitRefusal::Peer);
    let stolen = world.client("eve@b.example").submit_body(&message);
    let refusal = world.hub.submit(&server("b.example"), &stolen).unwrap_err();
    assert_eq!(refusal, openmimi::hub::SubmitRefusal::Resubmitted);
    assert_eq!(world.hub.records(), records);

    // By count: four later answers push it out. Its ciphertext is then new, though not its peer.
    for text in [b"a", b"b", b"c", b"d"] {
        say(&mut world, "bob@b.example", text);
    }
    let again = world.hub.submit(&server("b.example"), &body).unwrap();
    assert_ne!(again, first, "forgotten, and accepted anew");

    // By age.
    let records = world.hub.record_count();
    world.hub.now = world.hub.now.plus(Limits::default().answered_for);
    assert_eq!(world.hub.store.due(world.hub.now).len(), 1, "the hub is woken for it");
    world.hub.timeout();
    assert_eq!(world.hub.record_count(), records - 4);
    assert_eq!(world.hub.store.due(Timestamp(u64::MAX)), Vec::<Vec<u8>>::new());
}

/// Q-115, D-8A: an update whose reply was lost gets `success`, not `wrongEpoch`, from its own peer only.
#[test]
fn q_115_a_commit_that_comes_again_is_a_success() {
    let mut world = World::clubhouse();
    let bundle = world.client("bob@b.example").update_path();
    world.committed("bob@b.example", &bundle);
    let again = world.hub.update(&server("b.example"), &bundle.body()).unwrap();
    assert!(matches!(again.outcome, UpdateOutcome::Success { .. }));
    let other = world.hub.update(&server("c.example"), &bundle.body()).unwrap_err();
    let openmimi::hub::Answer::Response(answer) = other.answer() else { panic!() };
    assert_eq!(answer.outcome, UpdateOutcome::WrongEpoch { current_epoch: 3 });
}

/// S-40, MA-003: the same message ID in the clear is not taken twice, of whomever; the same message may come again.
#[test]
fn s_40_a_message_id_is_taken_once() {
    let mut world = World::clubhouse();
    let say = |world: &mut World, name: &str, text: &[u8], id: &[u8]| {
        let client = world.client(name);
        let items = [(ComponentId::FRANK_AAD, &[1; 32][..]), (ComponentId::MESSAGE_ID, id)];
        let message = client.encrypt_with(text, &items);
        let (peer, body) = (client.peer(), client.submit_body(&message));
        world.hub.submit(&peer, &body)
    };
    let (one, two) = ([1; 32], [2; 32]);
    say(&mut world, "bob@b.example", b"one", &one).unwrap();
    let refusal = say(&mut world, "bob@b.example", b"again", &one).unwrap_err();
    assert_eq!(refusal, SubmitRefusal::DuplicateId);
    assert_eq!(refusal.answer(), Answer::Response(SubmitMessageResponse::NotAllowed));
    let refusal = say(&mut world, "cathy@c.example", b"mine", &one).unwrap_err();
    assert_eq!(refusal, SubmitRefusal::DuplicateId);
    say(&mut world, "cathy@c.example", b"mine", &two).unwrap();
    assert_eq!(say(&mut world, "bob@b.example", b"x", b"short"), Err(SubmitRefusal::SafeAad));
    world.hub.restart();
    assert_eq!(say(&mut world, "bob@b.example", b"x", &two), Err(SubmitRefusal::DuplicateId));
}

/// a ciphertext is remembered for as long as its epoch may be written in, whatever becomes of its answer.
#[test]
fn q_115_a_ciphertext_is_remembered_while_its_epoch_lasts() {
    let mut limits = Limits::default();
    limits.answered = 1;
    limits.messages = 3;
    let mut world = World::with(limits, Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "eve@b.example/phone", 2);
    let b = server("b.example");
    let say = |world: &mut World, text: &[u8]| {
        let body = world.client("bob@b.example").say(text, Some(&[1; 32]));
        world.hub.submit(&b, &body).unwrap();
        SubmitMessageRequest::decode(&body).unwrap().app_message.as_bytes().to_vec()
    };
    let first = say(&mut world, b"one");
    let steal = |world: &mut World, message: &[u8]| {
        let stolen = world.client("eve@b.example").submit_body(message);
        world.hub.submit(&b, &stolen)
    };
    say(&mut world, b"two");
    assert_eq!(steal(&mut world, &first), Err(SubmitRefusal::Resubmitted), "its answer is gone");
    let records = world.hub.record_count();
    say(&mut world, b"three");
    let bundle = world.client("alice").update_path();
    world.committed("alice", &bundle);
    // In the next epoch those of the last one are forgotten, little by little.
    say(&mut world, b"four");
    assert!(world.hub.record_count() <= records);
    let again = steal(&mut world, &first);
    assert!(matches!(again, Err(SubmitRefusal::EpochTooOld { .. })));
}

/// Q-31, D-24: a GroupInfo request that comes again gets an answer while its joiner is waited for, which buys no time;
/// later it is a replay, and looks like every other refusal.
#[test]
fn q_31_a_group_info_request_is_not_replayed() {
    let mut world = World::clubhouse();
    let tablet = Client::new("cathy@c.example/tablet");
    let (request, _) = world.hub.group_info_request(&tablet);
    let (c, body) = (server("c.example"), request.encode());
    let ask = |world: &mut World| {
        let asked = world.hub.drill(|room, env| room.group_info(env, &c, &body));
        asked.map(drop).map_err(|refusal| refusal.reason)
    };
    let asked_at = world.hub.now;
    ask(&mut world).unwrap();
    let records = world.hub.record_count();
    world.hub.now = asked_at.plus(world.hub.limits.joiner_for - 1);
    ask(&mut world).unwrap();
    assert_eq!(world.hub.record_count(), records);
    assert_eq!(world.hub.store.due(asked_at.plus(world.hub.limits.joiner_for)).len(), 1);
    world.hub.now = asked_at.plus(world.hub.limits.joiner_for);
    let refusal = ask(&mut world).unwrap_err();
    assert_eq!(refusal, GroupInfoRefusal::Replayed);
    let Answer::Response(response) = refusal.answer(world.hub.room.uri()) else { panic!() };
    assert_eq!(response.answer, GroupInfoAnswer::NotAuthorized, "P-188");
    world.hub.timeout();
    world.hub.restart();
    assert_eq!(ask(&mut world), Err(GroupInfoRefusal::Replayed));
    // A new request of the same client is welcome.
    world.hub.group_info(&tablet).unwrap();
    // What is remembered goes by time, and by count.
    world.hub.now = asked_at.plus(world.hub.limits.replays_for);
    world.hub.timeout();
    ask(&mut world).unwrap();
}
