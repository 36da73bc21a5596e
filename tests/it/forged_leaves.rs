//! Leaves that the room's operational policy does not let in: the hub refuses each, and the room
//! goes on.

use openmimi::{
    codec::Wire,
    env::{Limits, Peer},
    hub::UpdateRefusal,
    policy::{
        Denied, Reason,
        components::{ExtendedCapabilities, OperationalParameters},
        presets::Preset,
    },
    room::ComponentId,
};

use crate::kit::*;

/// The seconds for which the kit's KeyPackages are valid.
const LIFETIME: u64 = 7_258_118_400 - 1_577_836_800;

/// A room of Alice with this operational policy.
fn alone(policy: &OperationalParameters) -> World {
    World::founded(Limits::default(), |room, creator| {
        let mut components = Preset::Cooperative.room(room, creator, &[]);
        components.insert(ComponentId::MLS_OPERATIONAL_POLICY, policy.encode());
        let mut base = Preset::Cooperative.base_policy();
        base.policy_component_ids.insert(0, ComponentId::MLS_OPERATIONAL_POLICY);
        components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
        components
    })
}

/// A room of Alice and Bob with this operational policy.
fn room(policy: &OperationalParameters) -> World {
    let mut world = alone(policy);
    world.add("alice", "bob@b.example/phone", 2);
    world
}

#[track_caller]
fn denied(world: &mut World, peer: &Peer, body: &[u8]) -> Denied {
    let records = world.hub.records();
    let refusal = world.hub.update(peer, body).expect_err("the policy is against it");
    assert_eq!(world.hub.records(), records);
    let UpdateRefusal::Denied { denied, .. } = refusal else { panic!("{refusal:?}") };
    *denied
}

fn known(change: impl FnOnce(&mut Vec<u16>)) -> Vec<u16> {
    let mut known = ComponentId::KNOWN.iter().map(|id| id.0).collect();
    change(&mut known);
    known
}

fn components(ids: &[u16]) -> ExtendedCapabilities {
    ExtendedCapabilities { component_ids: ids.to_vec(), ..ExtendedCapabilities::default() }
}

/// Bob may add a client from a KeyPackage that knows these components, alone and by a commit, or not.
#[track_caller]
fn brings(policy: &OperationalParameters, components: &[u16], rule: &str, reason: &Reason) {
    let mut world = room(policy);
    let b = server("b.example");
    let tablet = Client::new("bob@b.example/tablet");
    let key_package = tablet.key_package_that_knows(components);
    let bob = world.client("bob@b.example");
    let bundle = bob.commit(vec![add(key_package.clone())]);
    let found = denied(&mut world, &b, &bundle.body());
    assert_eq!((found.rule, &found.reason, found.index), (rule, reason, Some(0)));
    let bob = world.client("bob@b.example");
    bob.forget_commit();
    let body = bob.propose(vec![add(key_package)]);
    let found = denied(&mut world, &b, &body);
    assert_eq!((found.rule, &found.reason, found.index), (rule, reason, Some(0)));
    world.client("bob@b.example").forget_proposals();
    world.add("bob@b.example", "bob@b.example/watch", 2);
}

#[test]
fn r_160_a_leaf_has_what_is_mandatory() {
    let mandatory_capabilities = ExtendedCapabilities {
        // What MLS has of every client is listed by none.
        extensions: vec![1, 6],
        proposals: vec![1, 8, 10],
        ..components(&[ComponentId::FRANK_AAD.0])
    };
    let policy = OperationalParameters { mandatory_capabilities, ..Default::default() };
    let without = known(|it| it.retain(|id| *id != ComponentId::FRANK_AAD.0));
    brings(&policy, &without, "R-160", &Reason::Lacks);
}

#[test]
fn r_162_a_leaf_has_nothing_that_is_forbidden() {
    let forbidden_capabilities = components(&[0xF123]);
    let policy = OperationalParameters { forbidden_capabilities, ..Default::default() };
    brings(&policy, &known(|it| it.push(0xF123)), "R-162", &Reason::Forbidden);
}

#[test]
fn r_162_a_forbidden_proposal() {
    let forbidden_capabilities =
        ExtendedCapabilities { proposals: vec![3], ..ExtendedCapabilities::default() };
    let policy = OperationalParameters { forbidden_capabilities, ..Default::default() };
    let mut world = room(&policy);
    let bundle = world.client("alice").commit(vec![remove(1)]);
    let alice = world.client("alice").peer();
    let found = denied(&mut world, &alice, &bundle.body());
    assert_eq!((found.rule, found.reason), ("R-162", Reason::Forbidden));
}

#[test]
fn r_171_a_key_package_is_not_valid_for_too_long() {
    // 0 is "not set", and as long as allowed is not too long.
    for max_kp_lifetime in [0, LIFETIME] {
        room(&OperationalParameters { max_kp_lifetime, ..Default::default() });
    }
    let policy = OperationalParameters { max_kp_lifetime: LIFETIME - 1, ..Default::default() };
    let mut world = alone(&policy);
    let laptop = Client::new("alice@a.example/laptop");
    let alice = world.client("alice");
    let (peer, bundle) = (alice.peer(), alice.commit(vec![add(laptop.key_package())]));
    let found = denied(&mut world, &peer, &bundle.body());
    assert_eq!((found.rule, found.reason, found.index), ("R-171", Reason::Lifetime, Some(0)));
}
