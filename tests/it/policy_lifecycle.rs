//! How rooms end.

use crate::kit::*;
use openmimi::{
    env::Limits,
    hub::{Answer, By, DestroyRefusal, Ending, GroupInfoRefusal, SubmitRefusal, UpdateRefusal},
    policy::presets::Preset,
    room::ComponentId,
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
            components.insert(ComponentId::BASE_ROOM_POLICY, openmimi::codec::Wire::encode(&base));
            components
        });
        world.add("alice", "bob@b.example/phone", 2);
        all_go(&mut world);
        let ended = world.hub.room.tombstone().map(|it| it.ending.clone());
        assert_eq!(ended, (!persistent).then_some(Ending::Left));
        assert_eq!(world.hub.room.backlog().count(), 2, "everybody hears that they left");
    }
}
