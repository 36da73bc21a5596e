//! What is left of a room that has ended, and of the hub's own place in one that goes on.

use openmimi::{
    codec::Wire,
    env::Limits,
    error::RestoreError,
    hub::{By, ReportRefusal, Room, Tombstone, UpdateRefusal},
    machine::Records,
    policy::{BaseRoomPolicy, EnvelopeRule, RoleChange, RoleIndex, Roles, presets::Preset},
    room::{ComponentId, ParticipantListUpdate},
    wire::{AbuseReport, AppDataDictionary},
};

use crate::kit::*;

fn report() -> Vec<u8> {
    let report = AbuseReport {
        reporting_user: Some(user("bob@b.example")),
        alleged_abuser: user("alice@a.example"),
        reason_code: 0,
        note: "rude".into(),
        messages: Vec::new(),
        extensions: AppDataDictionary::default(),
    };
    report.encode()
}

/// whatever the hub has kept of a room goes with the last thing that it owes; the tombstone stays. Each of what
/// it may owe is the last one once.
#[test]
fn q_113_a_room_that_is_over_leaves_its_tombstone() {
    let (b, number) = (server("b.example"), 0);
    for last in ["an event", "an answer", "a report"] {
        let mut world = World::clubhouse();
        let [text, late] =
            [b"last", b"word"].map(|text| world.client("bob@b.example").say(text, Some(&[1; 32])));
        world.hub.submit(&b, &text).unwrap();
        let leave = world.client("cathy@c.example").leave();
        world.proposed("cathy@c.example", &leave);
        world.hub.group_info(&Client::new("bob@b.example/tablet")).unwrap();
        world.hub.submit(&b, &late).unwrap();
        world.hub.drill(|room, env| room.report_abuse(env, &b, &report())).unwrap();
        world.hub.drill(|room, env| room.destroy(env, By::Operator)).unwrap();

        let owed = ["an event", "an answer", "a report"];
        for what in owed.into_iter().filter(|what| *what != last).chain([last]) {
            assert!(!world.hub.room.is_over(), "{what} is owed");
            assert!(world.hub.record_count() > 10);
            match what {
                "an event" => drop(world.deliver()),
                "an answer" => {
                    world.hub.now = world.hub.now.plus(world.hub.limits.answered_for);
                    world.hub.timeout();
                }
                _ => {
                    let done: Result<(), ()> =
                        world.hub.drill(|room, env| Ok(room.reviewed(env, number)));
                    done.unwrap();
                }
            }
        }
        assert!(world.hub.room.is_over(), "{last} was the last");
        assert_eq!(world.hub.record_count(), 1, "bodies too");
        assert_eq!(world.hub.store.due(world.hub.now.plus(u64::MAX)), Vec::<Vec<u8>>::new());
        // Nothing comes after it, not even for who still holds the room.
        let (_, changes) = world.hub.play::<_, ()>(|room, env| Ok(room.timeout(env))).unwrap();
        assert!(changes.writes.values().all(Option::is_none));
        let refused = world.hub.play(|room, env| room.report_abuse(env, &b, &report()));
        let refused = refused.map(drop).unwrap_err().reason;
        assert_eq!((refused.status(), refused), (404, ReportRefusal::Ended));
    }
}

/// A room that owes nothing is over at once; other records without a room are no tombstone.
#[test]
fn q_113_a_room_that_owes_nothing_is_over_at_once() {
    let mut world = World::new();
    world.hub.drill(|room, env| room.destroy(env, By::Operator)).unwrap();
    assert!(world.hub.room.is_over());
    let none = Records::default();
    assert_eq!(Tombstone::of(&none), Ok(None));
    let missing = Room::restore(&none, &Limits::default()).map(drop);
    assert!(matches!(missing, Err(RestoreError::Missing(_))));
    let mut torn = world.hub.records();
    torn.values.values_mut().for_each(|value| value.truncate(1));
    assert!(matches!(Tombstone::of(&torn), Err(RestoreError::Corrupt(_))));
}

/// A room whose super admins may take the hub off the list, or give it another role.
fn loose(enforces: bool) -> World {
    let mut limits = Limits::default();
    limits.envelope.hub_enforces = enforces;
    let mut world = World::founded(limits, |room, creator| {
        let mut roles: Vec<_> = Preset::Cooperative.roles().iter().cloned().collect();
        roles[5].participants.minimum = 0;
        let targets = vec![RoleIndex(0), RoleIndex(2)];
        roles[4].changes.push(RoleChange { from: RoleIndex(5), targets });
        let mut components = Preset::Cooperative.room(room, creator, &[]);
        components.insert(ComponentId::ROLES_LIST, Roles::new(roles).unwrap().encode());
        components
    });
    world.add("alice", "bob@b.example/phone", 2);
    world
}

/// where the operator wants the hub to enforce the policy, nobody takes it off the list or out of its role,
/// by proposal or by commit. Other changes of the list are none of the operator's business, nor is a room that was
/// without its hub before.
#[test]
fn q_48_the_hub_keeps_its_role_where_the_operator_says_so() {
    let update = |place, role: Option<u32>| match role {
        Some(role) => {
            let changed = vec![(place, RoleIndex(role))];
            ParticipantListUpdate { changed, ..Default::default() }
        }
        None => ParticipantListUpdate { removed: vec![place], ..Default::default() },
    };
    let mut without = None;
    for (enforces, role, by_value) in [false, true].into_iter().flat_map(|enforces| {
        [None, Some(2)].into_iter().flat_map(move |role| {
            [false, true].into_iter().map(move |by_value| (enforces, role, by_value))
        })
    }) {
        let mut world = loose(enforces);
        let alice = world.client("alice");
        let proposal = list_update(&update(alice.place("mimi://a.example"), role));
        let (peer, body) = match by_value {
            true => (alice.peer(), alice.commit(vec![proposal]).body()),
            false => (alice.peer(), alice.propose(vec![proposal])),
        };
        match world.hub.update(&peer, &body) {
            Ok(_) => {
                assert!(!enforces, "{role:?} {by_value}");
                without = Some(world);
            }
            Err(UpdateRefusal::Outside(outside)) => {
                assert!(enforces, "{role:?} {by_value}");
                assert_eq!(outside.rule, EnvelopeRule::Hub);
            }
            Err(other) => panic!("{other}"),
        }
        if enforces {
            let mut world = loose(enforces);
            let bob = user("bob@b.example");
            let other = list_update(&update(world.client("alice").place(&bob), Some(3)));
            let body = world.client("alice").propose(vec![other]);
            world.proposed("alice", &body);
        }
    }
    // The operator changes its mind: the room goes on without its hub.
    let mut world = without.unwrap();
    world.deliver();
    world.hub.limits.envelope.hub_enforces = true;
    world.hub.restart();
    world.add("alice", "cathy@c.example/phone", 2);
    let base = BaseRoomPolicy { discoverable: true, ..Preset::Cooperative.base_policy() };
    let base = component_update(ComponentId::BASE_ROOM_POLICY, &base.encode());
    let bundle = world.client("alice").commit(vec![base]);
    world.committed("alice", &bundle);
}
