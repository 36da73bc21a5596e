//! Rules of rooms at their hub that no other file shows: P-171, P-180, R-140, R-181.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use crate::kit::*;
use openmimi::{
    codec::Wire,
    env::Limits,
    policy::{Capability, RoleIndex, Roles, may, presets::Preset},
    room::{ComponentId, ParticipantListUpdate, RoomState},
    uri::{RoomUri, UserUri},
    wire::{FanoutEvent, PublicMessage, RatchetTreeOption, notify},
};

/// The roles of the cooperative room, changed.
fn roles(change: impl FnOnce(&mut Vec<openmimi::policy::Role>)) -> Vec<u8> {
    let mut roles: Vec<_> = Preset::Cooperative.roles().iter().cloned().collect();
    change(&mut roles);
    Roles::new(roles).unwrap().encode()
}

/// P-171, P-116: what is fanned out of a bundle is what came, octet for octet and in its order.
#[test]
fn p_171_a_bundle_is_handed_on_as_it_came() {
    let mut world = World::clubhouse();
    let alice = world.client("alice");
    let gone = user("cathy@c.example");
    let off = ParticipantListUpdate { removed: vec![alice.place(&gone)], ..Default::default() };
    let mut proposals = vec![alice.propose_one(list_update(&off))];
    proposals
        .extend(alice.leaves_of(&gone).into_iter().map(|leaf| alice.propose_one(remove(leaf))));
    let body = alice.proposals_body(proposals.clone());
    let peer = alice.peer();
    world.tick();
    world.hub.update(&peer, &body).unwrap();
    for (provider, messages) in world.deliver() {
        let [fanned] = &messages[..] else { panic!("{provider}: one event") };
        let FanoutEvent::Proposals { first, more } = &fanned.event else { panic!("proposals") };
        let handed_on: Vec<_> =
            std::iter::once(first).chain(more).map(PublicMessage::as_bytes).collect();
        assert_eq!(handed_on, proposals, "{provider}");
    }
}

/// P-180 (b), A-011, A-012: somebody is added without KeyPackages, and comes in by itself in the role it was given.
#[test]
fn p_180_a_participant_without_key_packages_comes_in_by_itself() {
    let mut world = World::clubhouse();
    let dave = user("dave@d.example");
    let added = vec![(dave.clone().into(), RoleIndex(3))];
    let on = ParticipantListUpdate { added, ..Default::default() };
    let bundle = world.client("alice").commit(vec![list_update(&on)]);
    world.committed("alice", &bundle);
    assert!(!world.hub.room.committed().is_active(&dave));
    assert!(world.hub.room.backlog().all(|(provider, _)| *provider != domain("d.example")));
    let mut phone = Client::new("dave@d.example/phone");
    let given = world.hub.group_info(&phone).unwrap();
    let bundle = phone.enter(&given, None);
    world.clients.push(phone);
    world.committed("dave@d.example/phone", &bundle);
    assert!(world.hub.room.committed().is_active(&dave));
    assert_eq!(world.hub.room.committed().role(&dave), RoleIndex(3));
}

/// where a role may not receive, its users' provider is sent no application message, and is sent every
/// handshake.
#[test]
fn r_181_who_may_not_receive_is_sent_nothing() {
    let mut world = World::founded(Limits::default(), |room, creator| {
        let mut components = Preset::Cooperative.room(room, creator, &[]);
        let deaf = roles(|roles| {
            roles[3].capabilities.retain(|it| *it != Capability::RECEIVE_MESSAGE);
        });
        components.insert(ComponentId::ROLES_LIST, deaf);
        components
    });
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "cathy@c.example/phone", 3);
    let alice = world.client("alice");
    let (peer, body) = (alice.peer(), alice.say(b"for bob alone", None));
    world.hub.submit(&peer, &body).unwrap();
    let told: Vec<_> = world.deliver().into_iter().map(|(provider, _)| provider).collect();
    assert_eq!(told, ["a.example", "b.example"].map(domain));
    let bundle = world.client("bob@b.example").commit(Vec::new());
    world.tick();
    world.hub.update(&server("b.example"), &bundle.body()).unwrap();
    let told: Vec<_> = world.deliver().into_iter().map(|(provider, _)| provider).collect();
    assert_eq!(told, ["a.example", "b.example", "c.example"].map(domain));
}

/// what servers cannot see, an app asks before it offers it. Every
/// capability of the registry is a question of its own, answered by the user's role and by nothing else.
#[test]
fn r_140_every_capability_can_be_asked_about() {
    let room = RoomUri::parse("mimi://a.example/r/club").unwrap();
    let [alice, bob, eve] =
        ["mimi://a.example/u/alice", "mimi://b.example/u/bob", "mimi://e.example/u/eve"]
            .map(|uri| UserUri::parse(uri).unwrap());
    // On role 0 only, or of a meaning of its own where rooms are made.
    let elsewhere = [Capability::OPEN_JOIN];
    for &capability in Capability::REGISTRY {
        if elsewhere.contains(&capability) {
            continue;
        }
        let mut components = Preset::Cooperative.room(&room, &alice, std::slice::from_ref(&bob));
        let only = roles(|roles| {
            roles.iter_mut().for_each(|role| role.capabilities.clear());
            roles[4].capabilities.push(capability);
        });
        components.insert(ComponentId::ROLES_LIST, only);
        let state = RoomState::from_components(components, [&alice, &bob]).unwrap();
        assert_eq!((state.role(&alice), state.role(&bob)), (RoleIndex(4), RoleIndex(2)));
        for &asked in Capability::REGISTRY {
            assert_eq!(may(&state, &alice, asked), asked == capability, "{asked:?}");
            assert!(!may(&state, &bob, asked) && !may(&state, &eve, asked), "{asked:?}");
        }
    }
}

/// D-88, DS-002, P-177, P-179: a Welcome that comes late has the tree of its epoch with it, and whoever was removed in
/// the meantime gets the commit that says so, and nothing after it.
#[test]
fn d_88_a_late_welcome_shows_that_one_is_out() {
    let mut world = World::clubhouse();
    let dave = Client::new("dave@d.example/phone");
    let on = ParticipantListUpdate {
        added: vec![(dave.user.clone().into(), RoleIndex(2))],
        ..Default::default()
    };
    let bobs = server("b.example");
    let bob = world.client("bob@b.example");
    let bundle = bob.commit(vec![list_update(&on), add(dave.key_package())]);
    world.tick();
    world.hub.update(&bobs, &bundle.body()).unwrap();
    let bob = world.client("bob@b.example");
    bob.merge_own();
    let off = ParticipantListUpdate { removed: vec![bob.place(&dave.user)], ..Default::default() };
    let leaves = bob.leaves_of(&dave.user);
    let out = bob
        .commit(std::iter::once(list_update(&off)).chain(leaves.into_iter().map(remove)).collect());
    world.tick();
    world.hub.update(&bobs, &out.body()).unwrap();
    let bob = world.client("bob@b.example");
    bob.merge_own();
    let text = bob.say(b"not for dave", None);
    world.hub.submit(&bobs, &text).unwrap();

    let (body, _) = world.hub.notification(&domain("d.example")).unwrap();
    let messages = notify::decode_all(&body).unwrap();
    let [welcome, commit] = &messages[..] else { panic!("{} messages", messages.len()) };
    assert!(matches!(
        &welcome.event,
        FanoutEvent::Welcome { ratchet_tree: RatchetTreeOption::Full(_), .. }
    ));
    let mut dave = dave;
    dave.receive(welcome);
    assert!(dave.is_member());
    dave.receive(commit);
    assert!(!dave.is_member());
}
