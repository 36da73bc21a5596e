//! How rooms end.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use crate::kit::*;
use openmimi::{
    codec::Wire,
    env::{Env, Limits},
    hub::{
        Answer, By, CreateRefusal, DestroyRefusal, Ending, GroupInfoRefusal, Keys, RefoundRefusal,
        Room, SubmitRefusal, UpdateRefusal, Wish,
    },
    policy::{BaseRoomPolicy, EnvelopeRule, RoleIndex, Roles, presets::Preset},
    room::{ComponentId, Components, ParticipantList},
    uri::RoomUri,
    wire::UpdateOutcome,
};
use openmls::prelude::Proposal;

/// only those whose role says so destroy a room, each for itself.
#[test]
fn r_209_who_may_destroy() {
    let mut world = World::clubhouse();
    let [alice, bob] = ["alice@a.example", "bob@b.example"].map(user);
    let (a, b) = (world.client("alice").peer(), server("b.example"));
    let mut refused = |peer, user| {
        let by = By::User(peer, user);
        world.hub.drill(|room, env| room.destroy(env, by)).unwrap_err().reason
    };
    assert!(matches!(refused(&b, &bob), DestroyRefusal::Denied(denied) if denied.rule == "R-209"));
    assert_eq!(refused(&b, &alice), DestroyRefusal::Peer);
    let eve = user("eve@b.example");
    assert!(matches!(refused(&b, &eve), DestroyRefusal::Denied(denied) if denied.rule == "P-106"));
    world.hub.drill(|room, env| room.destroy(env, By::User(&a, &alice))).unwrap();
    assert_eq!(world.hub.room.tombstone().unwrap().ending, Ending::Destroyed(alice));
}

/// after the end everything is refused, first answers are given again, and what is owed goes out.
#[test]
fn q_113_a_tombstone_answers_for_a_room() {
    let mut world = World::clubhouse();
    let text = world.client("bob@b.example").say(b"last words", None);
    let bobs = server("b.example");
    let first = world.hub.submit(&bobs, &text).unwrap();
    let tablet = Client::new("bob@b.example/tablet");
    world.hub.group_info(&tablet).unwrap();
    world.hub.drill(|room, env| room.destroy(env, By::Operator)).unwrap();

    assert_eq!(world.hub.submit(&bobs, &text), Ok(first), "a retry gets the first answer");
    let more = world.client("bob@b.example").say(b"too late", None);
    assert_eq!(world.hub.submit(&bobs, &more), Err(SubmitRefusal::Ended));
    assert_eq!(world.hub.group_info(&tablet).unwrap_err(), GroupInfoRefusal::Ended);
    let name = world.client("alice").commit(Vec::new());
    let alice = world.client("alice").peer();
    let refusal = world.hub.update(&alice, &name.body()).unwrap_err();
    assert_eq!(refusal, UpdateRefusal::Ended);
    let Answer::Response(response) = refusal.answer() else { panic!("a response") };
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed);
    assert_eq!(response.error_description.as_str(), "the room is no more");
    assert!(world.hub.propose(&[]).is_err());
    let again = world.hub.drill(|room, env| room.destroy(env, By::Operator)).unwrap_err();
    assert_eq!(again.reason, DestroyRefusal::Ended);

    // The last message still reaches everybody.
    assert!(!world.hub.room.is_over());
    let delivered: Vec<_> = world.deliver().into_iter().map(|(provider, _)| provider).collect();
    assert_eq!(delivered, ["a.example", "b.example", "c.example"].map(domain));
    assert_eq!(world.client("alice").read[0].text, b"last words");
    world.hub.now = world.hub.now.plus(world.hub.limits.answered_for);
    world.hub.timeout();
    assert!(world.hub.room.is_over());
}

/// Bob leaves, and Alice takes her last client away: nobody is left to commit it.
fn all_go(world: &mut World) {
    let bob = world.client("bob@b.example");
    let (bobs, leave) = (bob.peer(), bob.leave());
    let alice = world.client("alice");
    let (alices, last) = (alice.peer(), alice.propose(vec![Proposal::SelfRemove]));
    world.tick();
    world.hub.update(&bobs, &leave).unwrap();
    assert_eq!(world.hub.room.tombstone(), None);
    world.hub.update(&alices, &last).unwrap();
}

/// a temporary room ends with its last client, a persistent one waits.
#[test]
fn r_042_a_temporary_room_ends_with_its_last_client() {
    for persistent in [false, true] {
        let mut world = World::founded(Limits::default(), |room, creator| {
            let mut components = Preset::Cooperative.room(room, creator, &[]);
            let mut base = Preset::Cooperative.base_policy();
            base.persistent_room = persistent;
            components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
            components
        });
        world.add("alice", "bob@b.example/phone", 2);
        all_go(&mut world);
        let ended = world.hub.room.tombstone().map(|it| it.ending.clone());
        assert_eq!(ended, (!persistent).then_some(Ending::Left));
        assert_eq!(world.hub.room.backlog().count(), 2, "everybody hears that they left");
    }
}

/// A cooperative room that outlives its group, Alice's phone the last client to leave it.
fn left_behind() -> World {
    let mut world = World::founded(Limits::default(), |room, creator| {
        let mut components = Preset::Cooperative.room(room, creator, &[]);
        let mut base = Preset::Cooperative.base_policy();
        base.persistent_room = true;
        components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
        components
    });
    world.add("alice", "bob@b.example/phone", 2);
    world
}

/// a persistent room goes on with another group, as it stood when the last client left.
#[test]
fn r_003_a_persistent_room_gets_another_group() {
    let mut world = left_behind();
    let alice = user("alice@a.example");
    let offer = |world: &World, who: &str| world.hub.room.offer_again(&world.hub.env(), &user(who));
    assert_eq!(offer(&world, "alice@a.example").unwrap_err().reason, RefoundRefusal::Alive);
    all_go(&mut world);
    world.deliver();

    // Bob has left the list, and Eve was never on it.
    for stranger in ["bob@b.example", "eve@a.example"] {
        let refusal = offer(&world, stranger).unwrap_err().reason;
        assert!(matches!(&refusal, RefoundRefusal::Denied(denied) if denied.rule == "R-123"));
    }
    let offer = offer(&world, "alice@a.example").unwrap();
    assert!(offer.open.is_empty() && offer.group != world.hub.offer.group);
    let mut laptop = Client::new("alice@a.example/laptop");
    laptop.create(&offer.group, extensions_of(&offer));
    let (info, tree) = (laptop.group_info(), laptop.ratchet_tree());
    let peer = laptop.peer();

    let elsewhere = server("b.example");
    let refused =
        world.hub.drill(|room, env| room.found_again(env, &elsewhere, &offer, &info, &tree));
    assert_eq!(refused.unwrap_err().reason, RefoundRefusal::Peer);
    let mut other = offer.clone();
    other.fixed.remove(&ComponentId::ROLES_LIST);
    let refused = world.hub.drill(|room, env| room.found_again(env, &peer, &other, &info, &tree));
    assert_eq!(refused.unwrap_err().reason, RefoundRefusal::Stale);
    let refused = world.hub.drill(|room, env| room.found_again(env, &peer, &offer, &tree, &tree));
    assert!(matches!(refused.unwrap_err().reason, RefoundRefusal::Create(_)));

    let records = world.hub.record_count();
    world.hub.drill(|room, env| room.found_again(env, &peer, &offer, &info, &tree)).unwrap();
    assert!(world.hub.record_count() < records, "the old group is deleted");
    assert_eq!((world.hub.room.epoch(), world.hub.room.pending()), (0, 0));
    assert_eq!(world.hub.room.committed().role(user("bob@b.example")), RoleIndex::NONE);
    assert_eq!(world.hub.room.committed().clients(&alice), 1);
    // An answer that got lost is given again; a second group is one too many.
    world.hub.drill(|room, env| room.found_again(env, &peer, &offer, &info, &tree)).unwrap();
    assert_eq!(
        world.hub.room.offer_again(&world.hub.env(), &alice).unwrap_err().reason,
        RefoundRefusal::Alive
    );

    // It is a room like any other.
    world.clients.clear();
    world.clients.push(laptop);
    world.add("alice@a.example/laptop", "cathy@c.example/phone", 2);
    let text = world.client("cathy@c.example").say(b"here again", None);
    world.hub.submit(&server("c.example"), &text).unwrap();
    world.deliver();
    assert_eq!(world.client("alice@a.example/laptop").read[0].text, b"here again");
}

/// Only a room that is to outlive its group does.
#[test]
fn r_042_a_temporary_room_gets_no_other_group() {
    let world = World::new();
    let alice = user("alice@a.example");
    let refusal = world.hub.room.offer_again(&world.hub.env(), &alice).unwrap_err();
    assert_eq!(refusal.reason, RefoundRefusal::Temporary);
}

fn found(
    limits: &Limits,
    parent: Option<&ParticipantList>,
    change: impl FnOnce(&mut Components, &mut BaseRoomPolicy),
) -> Result<(), CreateRefusal> {
    founded(limits, parent, change).map(drop)
}

fn founded(
    limits: &Limits,
    parent: Option<&ParticipantList>,
    change: impl FnOnce(&mut Components, &mut BaseRoomPolicy),
) -> Result<Room, CreateRefusal> {
    let (public, signer) = signing_key();
    let keys = Keys::new(public, signer, [42; 32]);
    let crypto = openmls_rust_crypto::RustCrypto::default();
    let env = Env { now: START, crypto: &crypto, keys: &keys };
    let mut alice = Client::new("alice@a.example/phone");
    let room = RoomUri::parse("mimi://a.example/r/clubhouse").unwrap();
    let mut policy = Preset::Cooperative.room(&room, &alice.user, &[user("bob@b.example")]);
    let mut base = Preset::Cooperative.base_policy();
    change(&mut policy, &mut base);
    policy.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
    let wish = Wish { room, creator: alice.user.clone(), ciphersuite: SUITE, policy };
    let judged = wish.judge(parent, limits);
    let offer = openmimi::hub::offer(&env, &wish).unwrap();
    alice.create(&offer.group, extensions_of(&offer));
    let (info, tree) = (alice.group_info(), alice.ratchet_tree());
    let created = Room::create_within(&env, &offer, &info, &tree, parent, limits);
    assert_eq!(
        judged.as_ref().err(),
        created.as_ref().err(),
        "what is refused is refused before a client builds the group"
    );
    created.map(|founding| founding.apply().0)
}

/// Creation is checked whole: every component beside the others, maxima, and who is there (Q-73: not minima).
#[test]
fn a_room_is_created_whole_or_not_at_all() {
    let limits = Limits::default();
    let rule = |change: fn(&mut Components, &mut BaseRoomPolicy)| match found(&limits, None, change)
    {
        Ok(()) => "created",
        Err(CreateRefusal::Denied(denied)) => denied.rule,
        Err(CreateRefusal::State(_)) => "no room",
        Err(other) => panic!("{other}"),
    };
    assert_eq!(rule(|_, _| {}), "created", "Q-73: with nobody in role 3, which wants one");
    assert_eq!(rule(|_, base| base.max_users = Some(3)), "created");
    assert_eq!(rule(|_, base| base.max_users = Some(2)), "R-040");
    assert_eq!(rule(|_, base| base.max_clients = Some(0)), "R-039");
    let bound = |components: &mut Components, active: bool| {
        let mut roles: Vec<_> = Preset::Cooperative.roles().iter().cloned().collect();
        let bounds = if active { &mut roles[4].active } else { &mut roles[2].participants };
        bounds.maximum = Some(0);
        components.insert(ComponentId::ROLES_LIST, Roles::new(roles).unwrap().encode());
    };
    assert_eq!(rule(|_, base| base.fixed_membership = true), "no room", "R-031");
    let most = |active| {
        let change =
            |components: &mut Components, _: &mut BaseRoomPolicy| bound(components, active);
        match found(&limits, None, change) {
            Err(CreateRefusal::Denied(denied)) => denied.rule,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((most(false), most(true)), ("R-122", "R-014"));
}

/// within the parent, at the same hub; R-035: whoever leaves the parent has to go.
#[test]
fn r_034_a_room_depends_on_another() {
    let limits = Limits::default();
    let list = |names: &[&str]| {
        let users = names.iter().map(|name| (user(name).into(), RoleIndex(2)));
        ParticipantList::of(users).unwrap()
    };
    let depends = |on: &'static str, parent: Option<&ParticipantList>| {
        found(&limits, parent, |_, base| base.parent = Some(RoomUri::parse(on).unwrap()))
    };
    let denied = |created: Result<(), CreateRefusal>| match created {
        Err(CreateRefusal::Denied(denied)) => denied.rule,
        other => panic!("{other:?}"),
    };
    let [here, there] = ["mimi://a.example/r/parent", "mimi://b.example/r/parent"];
    let three = list(&["alice@a.example", "bob@b.example", "cathy@c.example"]);
    assert_eq!(depends(here, Some(&three)), Ok(()));
    assert_eq!(denied(depends(there, Some(&three))), "R-036");
    assert_eq!(denied(depends(here, None)), "R-034");
    let same = list(&["alice@a.example", "bob@b.example"]);
    assert_eq!(denied(depends(here, Some(&same))), "R-034");
    let others = list(&["alice@a.example", "cathy@c.example", "dave@d.example"]);
    assert_eq!(denied(depends(here, Some(&others))), "R-034");

    // Bob leaves the parent, so he has to leave here.
    let parent = RoomUri::parse(here).unwrap();
    let room = founded(&limits, Some(&three), |_, base| base.parent = Some(parent));
    let mut room = room.unwrap();
    assert_eq!(room.orphans(), []);
    room.know_parent(&others);
    assert_eq!(room.orphans(), [user("bob@b.example")]);
}

/// the operator's envelope, at the creation.
#[test]
fn a_006_the_envelope_holds_at_the_creation() {
    let mut limits = Limits::default();
    limits.envelope.discoverable = false;
    assert_eq!(found(&limits, None, |_, _| {}), Ok(()));
    let outside = found(&limits, None, |_, base| base.discoverable = true).unwrap_err();
    let CreateRefusal::Outside(outside) = outside else { panic!("{outside}") };
    assert_eq!(
        (outside.component, outside.rule),
        (ComponentId::BASE_ROOM_POLICY, EnvelopeRule::Discoverable)
    );
    assert_eq!(
        outside.to_string(),
        "base_room_policy: rooms of this hub are not searched for (A-006)"
    );
}

/// … and at every change, by proposal or commit; a room that was outside before is not stuck.
#[test]
fn a_006_the_envelope_holds_at_every_change() {
    let mut limits = Limits::default();
    limits.envelope.discoverable = false;
    let mut world = World::with(limits, Preset::Cooperative);
    let component = |change: fn(&mut BaseRoomPolicy)| {
        let mut base = Preset::Cooperative.base_policy();
        change(&mut base);
        component_update(ComponentId::BASE_ROOM_POLICY, &base.encode())
    };
    let searched = component(|base| base.discoverable = true);
    let alice = world.client("alice");
    let (peer, proposal) = (alice.peer(), alice.propose(vec![searched.clone()]));
    let refusal = world.hub.update(&peer, &proposal).unwrap_err();
    let Answer::Response(response) = refusal.answer() else { panic!("a response") };
    assert_eq!(response.outcome, UpdateOutcome::NotAllowed);
    assert!(response.error_description.as_str().contains("not searched for (A-006)"));
    world.client("alice").forget_proposals();
    let commit = world.client("alice").commit(vec![searched]);
    let refusal = world.hub.update(&peer, &commit.body()).unwrap_err();
    assert!(matches!(refusal, UpdateRefusal::Outside(_)), "{refusal}");

    // Another field may change; and the operator's new mind stops no commit of what it accepted before.
    let mut world = World::with(Limits::default(), Preset::Cooperative);
    let alice = world.client("alice");
    let body = alice.propose(vec![component(|base| base.discoverable = true)]);
    world.proposed("alice", &body);
    world.hub.limits.envelope.discoverable = false;
    world.hub.restart();
    let commit = world.client("alice").commit(Vec::new());
    world.committed("alice", &commit);
    assert!(world.hub.room.committed().base_policy().discoverable);
    let still = component(|base| (base.discoverable, base.max_users) = (true, Some(9)));
    let commit = world.client("alice").commit(vec![still]);
    let refusal = world.hub.update(&peer, &commit.body()).unwrap_err();
    assert!(matches!(refusal, UpdateRefusal::Outside(_)), "{refusal}");
}
