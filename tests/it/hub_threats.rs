//! Threats that the policy answers, carried out against a hub by real clients: D-56, D-5A, D-8B, D-8E, D-98. Every step is
//! a crash drill (see `kit::Hub::drill`).

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::{Reader, Wire},
    env::Limits,
    hub::{Answer, Proposal, ProposeRefusal, UpdateRefusal},
    policy::{Capability, Role, RoleChange, RoleIndex, presets::Preset},
    room::{ComponentId, ParticipantListUpdate},
    wire::{HandshakeBundle, UpdateOutcome, UpdateRequest},
};

use crate::kit::*;

/// The rule that an update breaks, and that it is answered as one that is not allowed or invalid.
fn rule(world: &mut World, name: &str, body: &[u8]) -> Result<(), &'static str> {
    let peer = world.client(name).peer();
    let refusal = match world.hub.update(&peer, body) {
        Ok(_) => return Ok(()),
        Err(refusal) => refusal,
    };
    let Answer::Response(response) = refusal.answer() else { panic!("{refusal}") };
    let outcome = response.outcome;
    assert!(
        matches!(outcome, UpdateOutcome::NotAllowed | UpdateOutcome::InvalidProposal(_)),
        "{outcome:?}"
    );
    let UpdateRefusal::Denied { denied, .. } = refusal else { panic!("{refusal}") };
    Err(denied.rule)
}

/// What somebody's commit of one proposal by value comes to; it is forgotten if it is refused.
fn commit(
    world: &mut World,
    name: &str,
    proposal: openmls::prelude::Proposal,
) -> Result<(), &'static str> {
    let body = world.client(name).commit(vec![proposal]).body();
    let came = rule(world, name, &body);
    match came {
        Ok(()) => drop(world.deliver()),
        Err(_) => world.client(name).forget_commit(),
    }
    came
}

/// What somebody's proposal comes to; it is forgotten.
fn propose(
    world: &mut World,
    name: &str,
    proposal: openmls::prelude::Proposal,
) -> Result<(), &'static str> {
    let body = world.client(name).propose(vec![proposal]);
    let came = rule(world, name, &body);
    world.client(name).forget_proposals();
    came
}

fn list(update: ParticipantListUpdate) -> openmls::prelude::Proposal {
    list_update(&update)
}

fn moved(place: u32, role: u32) -> openmls::prelude::Proposal {
    let changed = vec![(place, RoleIndex(role))];
    list(ParticipantListUpdate { changed, ..Default::default() })
}

/// A channel, whose admin may define roles, with its first subscriber.
fn channel() -> World {
    let mut world = World::with(Limits::default(), Preset::Announcement);
    world.add("alice", "bob@b.example/phone", 2);
    world
}

/// The roles of a channel, changed, as they would be written.
fn roles(change: impl FnOnce(&mut Vec<Role>)) -> Vec<u8> {
    let mut roles: Vec<Role> = Preset::Announcement.roles().iter().cloned().collect();
    change(&mut roles);
    let mut octets = Vec::new();
    openmimi::codec::write_vec(&mut octets, &roles, |role, out| role.write(out));
    octets
}

/// D-56, R-011, R-125, R-134: a table of roles by which somebody could rise is refused, in whatever way it does it, and a
/// sound one is taken; nobody raises itself by hand either.
#[test]
fn d_56_no_table_of_roles_lets_somebody_rise() {
    let mut world = channel();
    let mut update = |change: &dyn Fn(&mut Vec<Role>)| {
        let octets = roles(change);
        commit(&mut world, "alice", component_update(ComponentId::ROLES_LIST, &octets))
    };
    type Change = dyn Fn(&mut Vec<Role>);
    let bad: [(&str, &Change); 6] = [
        ("a role twice", &|roles| roles.push(roles[2].clone())),
        ("canOpenJoin in a role that one has", &|roles| {
            roles[2].capabilities.push(Capability::OPEN_JOIN);
        }),
        ("a change to a role that is none", &|roles| {
            roles[4].changes[3].targets.push(RoleIndex(9));
        }),
        ("two changes from one role", &|roles| {
            roles[4].changes.push(RoleChange { from: RoleIndex(3), targets: vec![RoleIndex(2)] });
        }),
        ("a change from a role to itself", &|roles| {
            roles[2].changes[0].targets.push(RoleIndex(2));
        }),
        ("a role that is held is gone", &|roles| drop(roles.remove(2))),
    ];
    let passed: Vec<_> = bad
        .into_iter()
        .filter(|(_, change)| update(*change).is_ok())
        .map(|(what, _)| what)
        .collect();
    assert_eq!(passed, [""; 0]);
    // Who is no admin changes nothing.
    let rename = roles(|roles| roles[3].name = "writer".into());
    let rename = component_update(ComponentId::ROLES_LIST, &rename);
    assert_eq!(commit(&mut world, "bob@b.example", rename.clone()), Err("R-207"));
    let place = world.client("bob@b.example").place(user("bob@b.example"));
    assert_eq!(propose(&mut world, "bob@b.example", moved(place, 4)), Err("R-133"));
    assert_eq!(commit(&mut world, "bob@b.example", moved(place, 4)), Err("R-133"));
    assert_eq!(commit(&mut world, "alice", rename), Ok(()));
    assert_eq!(world.hub.room.committed().roles().get(RoleIndex(3)).unwrap().name, "writer");
}

/// D-5A: what could be read in two ways is refused, and what is taken goes out octet for octet.
#[test]
fn d_5a_one_way_to_read_a_handshake() {
    let mut world = World::clubhouse();
    let honest = world.client("alice").update_path();
    let peer = world.client("alice").peer();
    // The group ID behind a length in two octets, where one is enough.
    let mut reader = Reader::new(&honest.commit);
    reader.take("version and wire format", 4).unwrap();
    let group = reader.bytes("group_id").unwrap();
    assert!(group.len() < 64);
    let mut commit = honest.commit[..4].to_vec();
    commit.extend([0x40, u8::try_from(group.len()).unwrap()]);
    commit.extend_from_slice(group);
    commit.extend_from_slice(reader.rest());
    let body = honest.body();
    let place = body.windows(honest.commit.len()).position(|it| it == honest.commit).unwrap();
    let two_ways = [&body[..place], &commit, &body[place + honest.commit.len()..]].concat();
    let refusal = world.hub.update(&peer, &two_ways).unwrap_err();
    assert!(matches!(refusal, UpdateRefusal::Malformed(_)), "{refusal}");
    assert_eq!(refusal.answer(), Answer::Status(400));
    // The same in what the engine does not read: that no proposal follows the first one.
    let bob = world.client("bob@b.example");
    let (bobs, mut proposal) = (bob.peer(), bob.propose(vec![remove(0)]));
    bob.forget_proposals();
    assert_eq!(proposal.pop(), Some(0));
    proposal.extend([0x40, 0]);
    let refusal = world.hub.update(&bobs, &proposal).unwrap_err();
    assert!(matches!(refusal, UpdateRefusal::Malformed(_)), "{refusal}");
    let mut trailing = body.clone();
    trailing.push(0);
    assert_eq!(world.hub.update(&peer, &trailing).unwrap_err().answer(), Answer::Status(400));

    world.hub.update(&peer, &body).unwrap();
    for name in ["a.example", "b.example", "c.example"] {
        let (fanned, _) = world.hub.notification(&domain(name)).unwrap();
        let found = fanned.windows(honest.commit.len()).filter(|it| *it == honest.commit).count();
        assert_eq!(found, 1, "{name} gets the very octets");
    }
}

/// D-8B, Q-44: an external commit has to be valid in both views: of two who come for the last place, and where a place is
/// free only once what waits is committed.
#[test]
fn d_8b_an_external_commit_is_valid_in_both_views() {
    let full = |users: u32| {
        World::founded(Limits::default(), |room, creator| {
            let mut components = Preset::Announcement.room(room, creator, &[]);
            let mut base = Preset::Announcement.base_policy();
            base.max_users = Some(users);
            components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
            components
        })
    };
    let enter = |world: &mut World| {
        let mut dora = Client::new("dora@d.example/phone");
        let given = world.hub.group_info(&dora).unwrap();
        let bundle = dora.enter(&given, Some(RoleIndex(2)));
        world.clients.push(dora);
        let came = rule(world, "dora@d.example", &bundle.body());
        world.clients.pop();
        came
    };
    // The hub counts as one, and Alice. One place is left, and waits for Eve: in the view of the members it is free.
    let mut world = full(3);
    let added = vec![(user("eve@e.example").into(), RoleIndex(2))];
    let on = list(ParticipantListUpdate { added, ..Default::default() });
    let body = world.client("alice").propose(vec![on]);
    world.proposed("alice", &body);
    assert_eq!(enter(&mut world), Err("R-040"));

    // The room is full; Bob is on his way out: in effect there is a place, in the view of the members there is none.
    let mut world = full(3);
    world.add("alice", "bob@b.example/phone", 2);
    world.hub.propose(&[Proposal::Remove(user("bob@b.example"))]).unwrap();
    world.deliver();
    assert_eq!(enter(&mut world), Err("R-040"));
    let bundle = world.client("alice").commit(Vec::new());
    world.committed("alice", &bundle);
    assert_eq!(enter(&mut world), Ok(()));
}

/// D-8E, Q-78: a change of roles never waits, so it keeps no ban and no leave off; nor does it come in beside one.
#[test]
fn d_8e_a_change_of_roles_keeps_off_no_ban_and_no_leave() {
    let mut world = channel();
    world.add("alice", "cathy@c.example/phone", 2);
    let rename = roles(|roles| roles[3].name = "writer".into());
    let rename = component_update(ComponentId::ROLES_LIST, &rename);
    assert_eq!(propose(&mut world, "alice", rename.clone()), Err("R-017"), "by value only");
    assert_eq!(world.hub.room.pending(), 0);
    let leave = world.client("bob@b.example").leave();
    world.proposed("bob@b.example", &leave);
    world.hub.propose(&[Proposal::Ban(user("cathy@c.example"))]).unwrap();
    world.deliver();
    // A commit holds what waits, so a change of roles has to wait itself.
    assert_eq!(commit(&mut world, "alice", rename.clone()), Err("R-017"));
    let bundle = world.client("alice").commit(Vec::new());
    world.committed("alice", &bundle);
    assert_eq!(world.hub.room.committed().role(user("bob@b.example")), RoleIndex::NONE);
    assert_eq!(world.hub.room.committed().role(user("cathy@c.example")), RoleIndex::BANNED);
    assert_eq!(commit(&mut world, "alice", rename), Ok(()));
}

/// D-98, R-128 … R-130: the last admin stays, and keeps its role, until there is another.
#[test]
fn d_98_the_last_admin_stays() {
    let mut world = channel();
    let leave = world.client("alice").leave();
    assert_eq!(rule(&mut world, "alice", &leave), Err("R-128"));
    world.client("alice").forget_proposals();
    let [alices, bobs] =
        ["alice@a.example", "bob@b.example"].map(|name| world.client("alice").place(user(name)));
    assert_eq!(propose(&mut world, "alice", moved(alices, 2)), Err("R-133"));
    let by_hub = world.hub.propose(&[Proposal::Remove(user("alice@a.example"))]).unwrap_err();
    let ProposeRefusal::Refused(UpdateRefusal::Denied { denied, .. }) = by_hub else {
        panic!("{by_hub}")
    };
    assert_eq!(denied.rule, "R-128", "nor does the hub take the last one out");
    let body = world.client("alice").propose(vec![moved(bobs, 4)]);
    world.proposed("alice", &body);
    let bundle = world.client("alice").commit(Vec::new());
    world.committed("alice", &bundle);
    let leave = world.client("alice").leave();
    world.proposed("alice", &leave);
    assert_eq!(world.hub.room.effective().role(user("alice@a.example")), RoleIndex::NONE);
    let request = UpdateRequest::decode(&leave).unwrap();
    assert!(matches!(request.bundle, HandshakeBundle::Proposals { .. }));
}
