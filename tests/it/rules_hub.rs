//! Rules of rooms at their hub that no other file shows: P-171, P-180, R-140, R-181.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use crate::kit::*;
use openmimi::{
    codec::Wire,
    env::{Env, Limits},
    hub::{By, CodeTerms, Keys, Proposal, Room, Wish},
    policy::{Capability, RoleIndex, Roles, fixed_participants, may, presets::Preset},
    room::{ComponentId, ParticipantList, ParticipantListUpdate, RoomState},
    uri::{ClientUri, RoomUri, UserUri},
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

/// P-144, P-130, D-69, A-021: what goes to other providers tells neither who has sent a message nor what it says.
#[test]
fn p_144_no_provider_learns_who_has_spoken() {
    let mut world = World::clubhouse();
    let text = b"between us";
    let tag = openmimi::franking::tag(b"salt", text);
    let cathy = world.client("cathy@c.example");
    let (peer, body) = (cathy.peer(), cathy.say(text, Some(&tag.0)));
    world.hub.submit(&peer, &body).unwrap();
    let has = |octets: &[u8], part: &[u8]| octets.windows(part.len()).any(|it| it == part);
    assert!(has(&body, b"mimi://c.example/u/cathy"), "the hub is told");
    for provider in ["a.example", "b.example", "c.example"].map(domain) {
        let (body, _) = world.hub.notification(&provider).unwrap();
        for secret in [&b"cathy"[..], b"c.example", text] {
            assert!(!has(&body, secret), "{provider}: {}", String::from_utf8_lossy(secret));
        }
    }
}

/// PS-001 (a link out of band), PS-002, PS-003: somebody under a pseudonym comes in by a link that Alice gave it, says
/// inside who it is, and the room is destroyed. Its provider and the hub have seen the pseudonym alone.
#[test]
fn ps_001_a_pseudonym_comes_by_a_link_and_the_room_goes() {
    let mut world = World::with(Limits::default(), Preset::Strict);
    let code = world.hub.play(|room, env| room.make_code(env, &CodeTerms::default())).unwrap().0;
    let mut bob = Client::new("bob@b.example/phone");
    bob.user = UserUri::parse("mimi://b.example/p/7f3c9d1e").unwrap();
    bob.uri = ClientUri::parse("mimi://b.example/d/7f3c9d1e/1").unwrap();
    let given = world.hub.group_info_by(&bob, Some(&code)).unwrap();
    let bundle = bob.enter(&given, Some(RoleIndex(2)));
    world.clients.push(bob);
    world.tick();
    world.hub.update(&server("b.example"), &bundle.body()).unwrap();
    world.deliver();
    let bob = world.clients.last_mut().unwrap();
    let secret = b"I am mimi://b.example/u/bob";
    let body = bob.say(secret, None);
    world.hub.submit(&server("b.example"), &body).unwrap();
    world.deliver();
    assert_eq!(world.client("alice").read[0].text, secret);
    for (key, record) in &world.hub.records().values {
        let told = record.windows(5).any(|it| it == b"u/bob");
        assert!(!told, "{key:?}");
    }
    // The link was for one, and there is no way back.
    let again = Client::new("eve@e.example/phone");
    assert!(world.hub.group_info_by(&again, Some(&code)).is_err());
    let alice = world.client("alice");
    let (peer, user) = (alice.peer(), alice.user.clone());
    world.hub.drill(|room, env| room.destroy(env, By::User(&peer, &user))).unwrap();
    assert!(world.hub.room.tombstone().is_some());
}

/// R-035, D-99: who leaves the room that this one depends on is named, and goes by the hub's own proposal, which is
/// judged and bounded like every other.
#[test]
fn r_035_who_leaves_the_parent_leaves_its_dependents() {
    let (public, signer) = signing_key();
    let keys = Keys::new(public, signer, [42; 32]);
    let crypto = openmls_rust_crypto::RustCrypto::default();
    let env = Env { now: START, crypto: &crypto, keys: &keys };
    let mut alice = Client::new("alice@a.example/phone");
    let bob = user("bob@b.example");
    let uri = RoomUri::parse("mimi://a.example/r/clubhouse").unwrap();
    let mut policy = Preset::Cooperative.room(&uri, &alice.user, std::slice::from_ref(&bob));
    let mut base = Preset::Cooperative.base_policy();
    base.parent = Some(RoomUri::parse("mimi://a.example/r/parent").unwrap());
    policy.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
    let wish = Wish { room: uri, creator: alice.user.clone(), ciphersuite: SUITE, policy };
    let offer = openmimi::hub::offer(&env, &wish).unwrap();
    alice.create(&offer.group, extensions_of(&offer));
    let parent = |names: &[&str]| {
        let users = names.iter().map(|name| (user(name).into(), RoleIndex(2)));
        ParticipantList::of(users).unwrap()
    };
    let all = parent(&["alice@a.example", "bob@b.example", "cathy@c.example"]);
    let (info, tree) = (alice.group_info(), alice.ratchet_tree());
    let founding =
        Room::create_within(&env, &offer, &info, &tree, Some(&all), &Limits::default()).unwrap();
    let mut room = founding.apply().0;
    assert!(room.orphans().is_empty());
    room.know_parent(&parent(&["alice@a.example", "cathy@c.example", "dave@d.example"]));
    assert_eq!(room.orphans(), std::slice::from_ref(&bob));
    let gone: Vec<_> = room.orphans().into_iter().map(Proposal::Remove).collect();
    let told = room.propose(&env, &gone).unwrap().apply().actions;
    assert!(!told.is_empty(), "the members hear of it");
    assert!(room.orphans().is_empty(), "in effect at once");
    assert_eq!(
        (room.committed().role(&bob), room.effective().role(&bob)),
        (RoleIndex(2), RoleIndex::NONE)
    );
}

/// R-033, GC-001: a room of fixed members has one name for the set of them.
#[test]
fn r_033_fixed_rooms_are_named_by_their_members() {
    let room = RoomUri::parse("mimi://a.example/r/club").unwrap();
    let other = RoomUri::parse("mimi://a.example/r/other").unwrap();
    let [alice, bob, eve] = ["alice@a.example", "bob@b.example", "eve@e.example"].map(user);
    let name = |room: &RoomUri, creator: &UserUri, others: &[UserUri]| {
        let components = Preset::DirectMessage.room(room, creator, others);
        fixed_participants(&RoomState::from_components(components, [creator]).unwrap()).unwrap()
    };
    let ours = name(&room, &alice, std::slice::from_ref(&bob));
    assert_eq!(name(&other, &bob, std::slice::from_ref(&alice)), ours, "whoever made it, wherever");
    assert_ne!(name(&room, &alice, std::slice::from_ref(&eve)), ours);
    assert_ne!(name(&room, &alice, &[bob.clone(), eve]), ours);
    let open = Preset::Cooperative.room(&room, &alice, &[bob]);
    assert_eq!(fixed_participants(&RoomState::from_components(open, [&alice]).unwrap()), None);
}
