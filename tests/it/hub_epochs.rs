//! Time at the hub: its timestamps, and messages of epochs that are over. Every step is a crash drill, see
//! `kit::Hub::drill`.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::Wire,
    env::{Limits, Timestamp},
    franking::{FrankingAgentData, Tag},
    hub::{Proposal, SubmitRefusal},
    policy::{
        components::{AppMessagePolicy, OperationalParameters},
        presets::Preset,
    },
    room::ComponentId,
    wire::SubmitMessageResponse,
};

use crate::kit::*;

/// accepted timestamps strictly increase, whatever the clock does.
#[test]
fn q_53_timestamps_increase_and_a_clock_that_ran_ahead_is_followed_back() {
    let mut world = World::clubhouse();
    let start = world.hub.now;
    let mut last = Timestamp(0);
    for (ahead, text) in [(0_u64, b"1"), (0, b"2"), (59_000, b"3")] {
        world.hub.now = start.plus(ahead);
        let (at, _) = accepted(&say(&mut world, "bob@b.example", text));
        assert!(at > last);
        last = at;
    }
    assert_eq!(last, start.plus(59_000));
    // The clock goes back by no more than a minute: on from the last one.
    world.hub.now = start;
    let (at, _) = accepted(&say(&mut world, "bob@b.example", b"4"));
    assert_eq!(at, last.plus(1));
    // Exactly the limit ahead is still followed; a millisecond more is not.
    world.hub.now = Timestamp(at.0 - 60_000);
    let (at, _) = accepted(&say(&mut world, "bob@b.example", b"5"));
    assert_eq!(at, last.plus(2));
    world.hub.now = Timestamp(at.0 - 60_001);
    let (restarted, _) = accepted(&say(&mut world, "bob@b.example", b"6"));
    assert_eq!(restarted, world.hub.now, "it restarts from the present");
}

/// A room whose operational policy takes messages of so many past epochs.
fn tolerant(epochs: u8) -> World {
    let mut world = World::founded(Limits::default(), |room, creator| {
        let mut components = Preset::Cooperative.room(room, creator, &[]);
        let policy = OperationalParameters {
            app_message_policy: AppMessagePolicy { epoch_tolerance: epochs, ..Default::default() },
            ..OperationalParameters::default()
        };
        components.insert(ComponentId::MLS_OPERATIONAL_POLICY, policy.encode());
        let mut base = Preset::Cooperative.base_policy();
        base.policy_component_ids.insert(0, ComponentId::MLS_OPERATIONAL_POLICY);
        components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
        components
    });
    world.add("alice", "bob@b.example/phone", 2);
    world.add("bob@b.example", "cathy@c.example/phone", 2);
    world
}

/// Q-111, P-124: messages of as many past epochs are taken as the room's policy says, franked as in their epoch, and
/// none from before a removal.
#[test]
fn q_111_messages_of_past_epochs() {
    for tolerance in [0, 1, 2] {
        let mut world = tolerant(tolerance);
        let b = server("b.example");
        let [one, two, three] =
            [b"1", b"2", b"3"].map(|text| world.client("bob@b.example").say(text, Some(&[1; 32])));
        let step = |world: &mut World| {
            let bundle = world.client("alice").update_path();
            world.committed("alice", &bundle);
            world.hub.room.epoch()
        };
        let mut results = Vec::new();
        for body in [&one, &two, &three] {
            let current = step(&mut world);
            match world.hub.submit(&b, body) {
                Ok(SubmitMessageResponse::Accepted { frank, .. }) => {
                    assert!(frank.is_some(), "by the agent of its epoch");
                    lose(&mut world);
                    results.push(true);
                }
                Err(refusal) => {
                    assert_eq!(refusal, SubmitRefusal::EpochTooOld { current });
                    results.push(false);
                }
                other => panic!("{other:?}"),
            }
        }
        let taken = (0..3).map(|age| age < tolerance).collect::<Vec<_>>();
        assert_eq!(results, taken, "tolerance {tolerance}");
    }
    // Never across a commit that removes a leaf (D-8D).
    let mut world = tolerant(2);
    let text = world.client("bob@b.example").say(b"before", Some(&[1; 32]));
    world.hub.propose(&[Proposal::Remove(user("cathy@c.example"))]).unwrap();
    world.deliver();
    committed(&mut world, "alice");
    let refusal = world.hub.submit(&server("b.example"), &text).unwrap_err();
    assert_eq!(refusal, SubmitRefusal::EpochTooOld { current: world.hub.room.epoch() });
    // And the sender has to be one who may send now, whatever it was then.
    let mut world = tolerant(1);
    let text = world.client("bob@b.example").say(b"before", Some(&[1; 32]));
    let bundle = world.client("alice").update_path();
    world.committed("alice", &bundle);
    world.hub.propose(&[Proposal::Ban(user("bob@b.example"))]).unwrap();
    let refusal = world.hub.submit(&server("b.example"), &text).unwrap_err();
    assert_eq!(refusal, SubmitRefusal::Denied);
}

/// Q-111, P-140: the agent of the message's own epoch is what franks it.
#[test]
fn q_111_a_past_message_is_franked_by_the_agent_of_its_epoch() {
    let mut world = tolerant(1);
    let text = world.client("bob@b.example").say(b"before", Some(&[1; 32]));
    let bundle = world.client("alice").update_path();
    world.committed("alice", &bundle);
    world.hub.restart();
    let response = world.hub.submit(&server("b.example"), &text).unwrap();
    let SubmitMessageResponse::Accepted { accepted_timestamp, frank: Some(frank) } = response
    else {
        panic!()
    };
    let agent = world.hub.room.committed().component(ComponentId::FRANKING_AGENT).unwrap();
    let agent = FrankingAgentData::decode(&agent).unwrap();
    let evidence = openmimi::franking::Evidence {
        frank: frank.clone(),
        sender: user("bob@b.example"),
        room: world.hub.room.uri().clone(),
        accepted: accepted_timestamp,
    };
    assert!(evidence.is_signed_by(&world.hub.crypto, &agent.signature_key));
    let secrets = world.hub.keys.franking_secrets();
    let tag = Tag([1; 32]);
    let context = evidence.context();
    assert!(openmimi::franking::recognise(secrets, &tag, &context, &frank.server_frank));
}
