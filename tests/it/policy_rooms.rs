//! Scenarios of whole rooms at a hub, with what the hub answers: what takes messages of MLS to show. The others are in
//! `policy`. `UPDATE_GOLDEN=1` writes the answers anew.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::Wire,
    env::{Env, Limits},
    hub::{Answer, Ending, Proposal as Wanted, UpdateRefusal},
    policy::{RoleIndex, presets::Preset},
    room::{ComponentId, ParticipantList, ParticipantListUpdate},
    uri::{RoomUri, UserUri},
    wire::{GroupInfo, GroupInfoOption},
};
use openmls::prelude::Proposal;

use crate::kit::*;

const SCENARIOS: &str = include_str!("policy/rooms.txt");

#[test]
fn golden_rooms() {
    let played = play(SCENARIOS);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/policy/rooms.txt");
        std::fs::write(file, &played).unwrap();
    } else {
        assert_eq!(played, SCENARIOS);
    }
}

fn play(scenarios: &str) -> String {
    let mut world = World::new();
    let mut played = String::new();
    let keep =
        |line: &&str| line.is_empty() || line.starts_with(['#', '>']) || line.starts_with("room ");
    for line in scenarios.lines().filter(keep) {
        played += line;
        played += "\n";
        if let Some(kind) = line.strip_prefix("room ") {
            world = room(kind);
        }
        if let Some(deed) = line.strip_prefix("> ") {
            let answer = answer(&mut world, &deed.split(' ').collect::<Vec<_>>());
            played += &answer;
            played += "\n";
        }
    }
    played
}

/// Alice of the hub's provider and Bob of another one, in a room.
fn room(kind: &str) -> World {
    let mut base = Preset::Cooperative.base_policy();
    let all = list(&["alice", "bob", "cathy", "dave"]);
    let parent = match kind {
        "temporary" => None,
        "persistent" => {
            base.persistent_room = true;
            None
        }
        "dependent" => {
            base.parent = Some(RoomUri::parse("mimi://a.example/r/parent").unwrap());
            Some(&all)
        }
        other => panic!("{other}"),
    };
    let components = |room: &RoomUri, creator: &UserUri| {
        let mut components = Preset::Cooperative.room(room, creator, &[person("bob")]);
        components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
        components
    };
    let mut world = World::founded_within(Limits::default(), components, extensions_of, parent);
    // The kit restarts a room at each step, which then knows no parent.
    if parent.is_none() {
        world.add("alice", "bob@b.example/phone", 2);
    }
    world
}

fn person(name: &str) -> UserUri {
    user(&format!("{name}@{}.example", &name[..1]))
}

fn list(names: &[&str]) -> ParticipantList {
    ParticipantList::of(names.iter().map(|name| (person(name).into(), RoleIndex(2)))).unwrap()
}

fn names(people: &[UserUri]) -> String {
    let names: Vec<_> = people.iter().map(|it| it.name().to_string()).collect();
    if names.is_empty() { "nobody".into() } else { names.join(" ") }
}

fn refused(refusal: &UpdateRefusal) -> String {
    match refusal.answer() {
        Answer::Response(response) => format!("{:?}: {refusal}", response.outcome),
        Answer::Status(status) => format!("{status}"),
        other => panic!("{other:?}"),
    }
}

fn answer(world: &mut World, deed: &[&str]) -> String {
    match deed {
        ["bob", "leaves"] => {
            let body = world.client("bob@b.example").leave();
            update(world, "bob", &body)
        }
        ["alice", "takes", "her", "client", "away"] => {
            let body = world.client("alice").propose(vec![Proposal::SelfRemove]);
            update(world, "alice", &body)
        }
        [who, "begins", "again"] => {
            match world.hub.room.offer_again(&world.hub.env(), &person(who)) {
                Ok(_) => "may".into(),
                Err(refusal) => refusal.reason.to_string(),
            }
        }
        ["alice", "founds", "another", "group"] => {
            let offer = world.hub.room.offer_again(&world.hub.env(), &person("alice")).unwrap();
            let mut laptop = Client::new("alice@a.example/laptop");
            laptop.create(&offer.group, extensions_of(&offer));
            let (info, tree) = (laptop.group_info(), laptop.ratchet_tree());
            let peer = laptop.peer();
            let founded =
                world.hub.drill(|room, env| room.found_again(env, &peer, &offer, &info, &tree));
            founded.unwrap();
            let room = &world.hub.room;
            let people = room.committed().participants().iter().filter_map(|it| it.user());
            format!("epoch {}, with {}", room.epoch(), names(&people.collect::<Vec<_>>()))
        }
        ["bob", "commits", how @ ..] => {
            let bob = world.client("bob@b.example");
            let (old, bundle) = (bob.group_info(), bob.update_path());
            bob.forget_commit();
            let with = |info: &[u8]| {
                let group_info = GroupInfoOption::Full(GroupInfo::decode(info).unwrap());
                Bundle { group_info, ..bundle.clone() }.body()
            };
            let GroupInfoOption::Full(right) = &bundle.group_info else { panic!() };
            let body = match how {
                ["with", "a", "GroupInfo"] => bundle.body(),
                ["with", "the", "last", "GroupInfo"] => with(&old),
                ["with", "a", "GroupInfo", "that", "nobody", "signed"] => {
                    let mut unsigned = right.as_bytes().to_vec();
                    *unsigned.last_mut().unwrap() ^= 1;
                    with(&unsigned)
                }
                ["without", "GroupInfo"] => {
                    let mut body = bundle.body();
                    body.truncate(bundle.commit.len() + 1);
                    body
                }
                ["in", "a", "PrivateMessage"] => {
                    let mut body = bob.encrypt(b"a commit", Some(&[1; 32]));
                    body.extend_from_slice(&bundle.body()[bundle.commit.len()..]);
                    body
                }
                other => panic!("{other:?}"),
            };
            update(world, "bob", &body)
        }
        ["the", "hub", "restarts"] => {
            world.hub.restart();
            "orphans: ".to_string() + &names(&world.hub.room.orphans())
        }
        ["parent:", people @ ..] => {
            world.hub.room.know_parent(&list(people));
            "orphans: ".to_string() + &names(&world.hub.room.orphans())
        }
        ["the", "hub", "lets", "orphans", "go"] => {
            let gone: Vec<_> = world.hub.room.orphans().into_iter().map(Wanted::Remove).collect();
            // Not by the kit: it would restart the room, which then knows no parent.
            let env = Env { now: world.hub.now, crypto: &world.hub.crypto, keys: &world.hub.keys };
            drop(world.hub.room.propose(&env, &gone).unwrap().apply());
            "orphans: ".to_string() + &names(&world.hub.room.orphans())
        }
        ["alice", "adds", who] => {
            let alice = world.client("alice");
            let added = vec![(person(who).into(), RoleIndex(2))];
            let update = ParticipantListUpdate { added, ..ParticipantListUpdate::default() };
            let peer = alice.peer();
            let body = alice.commit(vec![list_update(&update)]).body();
            alice.forget_commit();
            let env = Env { now: world.hub.now, crypto: &world.hub.crypto, keys: &world.hub.keys };
            match world.hub.room.update(&env, &peer, &body) {
                Ok(_) => "allow".into(),
                Err(refusal) => refused(&refusal.reason),
            }
        }
        other => panic!("{other:?}"),
    }
}

/// Sends an update and tells what became of the room.
fn update(world: &mut World, who: &str, body: &[u8]) -> String {
    world.tick();
    let peer = if who == "alice" { world.client("alice").peer() } else { server("b.example") };
    if let Err(refusal) = world.hub.update(&peer, body) {
        return refused(&refusal);
    }
    match world.hub.room.tombstone().map(|it| &it.ending) {
        None => "allow".into(),
        Some(Ending::Left) => "allow: the room is over".into(),
        Some(other) => panic!("{other:?}"),
    }
}
