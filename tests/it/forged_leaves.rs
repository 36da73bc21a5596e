//! What the room's operational policy is against: leaves, handshakes, and rooms that do not fit
//! it themselves. The hub refuses each, and the room goes on. `client::tests::leaves` has the same for clients.

use openmimi::{
    codec::Wire,
    delivery::LeafIndex,
    env::{Limits, Peer},
    hub::{self, CreateRefusal, RefoundRefusal, Room, UpdateRefusal, Wish},
    policy::{
        Capability, Denied, Reason, RoleIndex, Roles,
        components::{ExtendedCapabilities, MediaType, MediaTypeList, OperationalParameters},
        presets::Preset,
    },
    room::{ComponentId, Components},
    uri::{RoomUri, UserUri},
};
use openmls::prelude::Proposal;

use crate::kit::*;

/// The seconds for which the kit's KeyPackages are valid.
const LIFETIME: u64 = 7_258_118_400 - 1_577_836_800;
/// An extension, or a component, that nobody has defined.
const PRIVATE: u16 = 0xF123;
/// A component that the kit's clients know, and no room here holds.
const BOTS: u16 = ComponentId::BOT_POLICY.0;

fn some(change: impl FnOnce(&mut ExtendedCapabilities)) -> ExtendedCapabilities {
    let mut some = ExtendedCapabilities::default();
    change(&mut some);
    some
}

fn mandatory(change: impl FnOnce(&mut ExtendedCapabilities)) -> OperationalParameters {
    OperationalParameters { mandatory_capabilities: some(change), ..Default::default() }
}

fn forbidden(change: impl FnOnce(&mut ExtendedCapabilities)) -> OperationalParameters {
    OperationalParameters { forbidden_capabilities: some(change), ..Default::default() }
}

/// A room with this operational policy, which its admins may change, and which outlives its group.
fn components(room: &RoomUri, creator: &UserUri, policy: &OperationalParameters) -> Components {
    let mut components = Preset::Cooperative.room(room, creator, &[]);
    components.insert(ComponentId::MLS_OPERATIONAL_POLICY, policy.encode());
    let mut roles: Vec<_> = Preset::Cooperative.roles().iter().cloned().collect();
    let admin = roles.iter_mut().find(|role| role.index == RoleIndex(4)).unwrap();
    admin.capabilities.push(Capability::CHANGE_MLS_OPERATIONAL_POLICIES);
    components.insert(ComponentId::ROLES_LIST, Roles::new(roles).unwrap().encode());
    let mut base = Preset::Cooperative.base_policy();
    base.policy_component_ids.insert(0, ComponentId::MLS_OPERATIONAL_POLICY);
    base.persistent_room = true;
    components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
    components
}

/// Alice's room.
fn alone(policy: &OperationalParameters) -> World {
    World::founded(Limits::default(), |room, creator| components(room, creator, policy))
}

/// A room of Alice and Bob.
fn room(policy: &OperationalParameters) -> World {
    let mut world = alone(policy);
    world.add("alice", "bob@b.example/phone", 2);
    world
}

/// What the hub has against it; nothing has changed.
#[track_caller]
fn denied(world: &mut World, peer: &Peer, body: &[u8]) -> Denied {
    let records = world.hub.records();
    let refusal = world.hub.update(peer, body).expect_err("the policy is against it");
    assert_eq!(world.hub.records(), records);
    let UpdateRefusal::Denied { denied, .. } = refusal else { panic!("{refusal:?}") };
    *denied
}

#[track_caller]
fn is(denied: &Denied, rule: &str, index: Option<usize>) {
    assert_eq!((denied.rule, denied.index), (rule, index), "{denied}");
}

fn without(component: u16) -> Says {
    let mut says = Says::default();
    says.knows.retain(|id| *id != component);
    says
}

/// What a leaf may break: the policy, what it says, and the rule.
fn faults() -> [(OperationalParameters, Says, &'static str); 2] {
    let holding = Says { lists: vec![PRIVATE], holds: vec![PRIVATE], ..Says::default() };
    [
        // What MLS has of every client is listed by none.
        (
            mandatory(|it| {
                it.component_ids = vec![BOTS];
                it.extensions = vec![1, 6];
                it.proposals = vec![1, 8, 10];
            }),
            without(BOTS),
            "R-160",
        ),
        (forbidden(|it| it.extensions = vec![PRIVATE]), holding, "R-162"),
    ]
}

/// Bob may not add a client of this kind, neither by a commit nor by a proposal.
#[track_caller]
fn may_not_add(policy: &OperationalParameters, says: Says, rule: &str) {
    let mut world = room(policy);
    let b = server("b.example");
    let tablet = Client::saying("bob@b.example/tablet", says);
    let bundle = world.client("bob@b.example").commit(vec![add(tablet.key_package())]);
    is(&denied(&mut world, &b, &bundle.body()), rule, Some(0));
    world.client("bob@b.example").forget_commit();
    let body = world.client("bob@b.example").propose(vec![add(tablet.key_package())]);
    is(&denied(&mut world, &b, &body), rule, Some(0));
    world.client("bob@b.example").forget_proposals();
    world.add("bob@b.example", "bob@b.example/watch", 2);
}

#[test]
fn r_160_r_162_clients_that_are_added() {
    for (policy, says, rule) in faults() {
        may_not_add(&policy, says, rule);
    }
    // An extension of the KeyPackage itself counts, such as the one that makes it a last resort.
    let says = Says { lists: vec![PRIVATE], in_key_package: vec![PRIVATE], ..Says::default() };
    may_not_add(&forbidden(|it| it.extensions = vec![PRIVATE]), says, "R-162");
}

/// Who could do what nobody may comes in.
#[test]
fn r_162_support_is_no_use() {
    let policy = forbidden(|it| {
        it.extensions = vec![PRIVATE];
        it.component_ids = vec![BOTS, PRIVATE];
        it.proposals = vec![9];
    });
    let mut world = room(&policy);
    let mut says = Says { lists: vec![PRIVATE], ..Says::default() };
    says.knows.push(PRIVATE);
    let tablet = Client::saying("bob@b.example/tablet", says);
    let bundle = world.client("bob@b.example").commit(vec![add(tablet.key_package())]);
    world.clients.push(tablet);
    world.committed("bob@b.example", &bundle);
    assert!(world.client("bob@b.example/tablet").is_member());
}

#[test]
fn r_160_r_162_leaves_of_paths_and_updates() {
    for (policy, says, rule) in faults() {
        let mut world = room(&policy);
        let b = server("b.example");
        let bob = world.client("bob@b.example");
        let honest = bob.update_path();
        bob.forget_commit();
        let forged = honest.with_commit(bob.path_commit(says.leaf(), None));
        let update = bob.update_to(says.leaf());
        let update = bob.proposals_body(vec![update]);
        is(&denied(&mut world, &b, &forged.body()), rule, None);
        is(&denied(&mut world, &b, &update), rule, Some(0));
        world.client("bob@b.example").forget_proposals();
    }
}

#[test]
fn r_160_r_162_leaves_from_outside() {
    for (policy, says, rule) in faults() {
        let mut world = room(&policy);
        let mut tablet = Client::saying("bob@b.example/tablet", says);
        let given = world.hub.group_info(&tablet).unwrap();
        let bundle = tablet.enter(&given, None);
        is(&denied(&mut world, &server("b.example"), &bundle.body()), rule, None);
    }
}

#[test]
fn r_162_handshakes() {
    // Removes and external commits.
    let mut world = room(&forbidden(|it| it.proposals = vec![3, 6]));
    let alice = world.client("alice").peer();
    let bundle = world.client("alice").commit(vec![remove(1)]);
    is(&denied(&mut world, &alice, &bundle.body()), "R-162", Some(0));
    world.client("alice").forget_commit();
    let body = world.client("alice").propose(vec![remove(1)]);
    is(&denied(&mut world, &alice, &body), "R-162", Some(0));
    world.client("alice").forget_proposals();
    // The hub keeps to it too.
    world.hub.propose(&[hub::Proposal::RemoveClient(LeafIndex(1))]).unwrap_err();
    let mut tablet = Client::new("bob@b.example/tablet");
    let given = world.hub.group_info(&tablet).unwrap();
    let bundle = tablet.enter(&given, None);
    is(&denied(&mut world, &server("b.example"), &bundle.body()), "R-162", None);
}

/// What stands beside a message may be forbidden too.
#[test]
fn r_162_safe_aad() {
    let id = ComponentId::MESSAGE_ID;
    for (policy, taken) in [
        (OperationalParameters::default(), true),
        (forbidden(|it| it.safe_aad_types = vec![id.0]), false),
    ] {
        let mut world = room(&policy);
        let bob = world.client("bob@b.example");
        let message = bob.encrypt_with(b"hello", &[(id, &[7; 32])]);
        let body = bob.submit_body(&message);
        assert_eq!(world.hub.submit(&server("b.example"), &body).is_ok(), taken);
    }
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
    is(&found, "R-171", Some(0));
    assert_eq!(found.reason, Reason::Lifetime);
}

/// Policies that no room here fits: the one that is, or everybody in it.
fn misfits() -> Vec<(OperationalParameters, &'static str)> {
    vec![
        (mandatory(|it| it.component_ids = vec![PRIVATE]), "R-160"),
        (mandatory(|it| it.extensions = vec![PRIVATE]), "R-160"),
        (mandatory(|it| it.versions = vec![2]), "R-160"),
        (mandatory(|it| it.cipher_suites = vec![7]), "R-160"),
        (mandatory(|it| it.proposals = vec![11]), "R-160"),
        (mandatory(|it| it.credentials = vec![2]), "R-160"),
        (mandatory(|it| it.wire_formats = vec![vec![6]]), "R-160"),
        (mandatory(|it| it.safe_aad_types = vec![BOTS]), "R-160"),
        (mandatory(|it| it.media_types = vec![media_type("image/png")]), "R-160"),
        (mandatory(|it| it.content_types = vec![4]), "R-160"),
        (forbidden(|it| it.versions = vec![1]), "R-162"),
        (forbidden(|it| it.cipher_suites = vec![SUITE.into()]), "R-162"),
        (forbidden(|it| it.extensions = vec![6]), "R-162"),
        (forbidden(|it| it.credentials = vec![1]), "R-162"),
        (forbidden(|it| it.wire_formats = vec![vec![9, 1]]), "R-162"),
        (forbidden(|it| it.component_ids = vec![ComponentId::ROLES_LIST.0]), "R-162"),
        (forbidden(|it| it.component_ids = vec![ComponentId::PARTICIPANT_LIST.0]), "R-162"),
        (forbidden(|it| it.safe_aad_types = vec![ComponentId::FRANK_AAD.0]), "R-162"),
        (forbidden(|it| it.content_types = vec![3]), "R-162"),
    ]
}

fn media_type(name: &str) -> MediaType {
    name.parse().unwrap()
}

fn new_policy(policy: &OperationalParameters) -> Proposal {
    component_update(ComponentId::MLS_OPERATIONAL_POLICY, &policy.encode())
}

/// A change that somebody who is there does not fit, or the group itself, is none (E-087).
#[test]
fn r_160_r_162_a_policy_that_the_room_does_not_fit() {
    let mut world = room(&OperationalParameters::default());
    let peer = world.client("alice").peer();
    for (policy, rule) in misfits() {
        let alice = world.client("alice");
        let commit = alice.commit(vec![new_policy(&policy)]).body();
        alice.forget_commit();
        let proposal = alice.propose(vec![new_policy(&policy)]);
        alice.forget_proposals();
        is(&denied(&mut world, &peer, &commit), rule, Some(0));
        is(&denied(&mut world, &peer, &proposal), rule, Some(0));
    }
    let fitting = OperationalParameters {
        mandatory_capabilities: some(|it| it.component_ids = vec![BOTS]),
        ..forbidden(|it| it.extensions = vec![PRIVATE])
    };
    let bundle = world.client("alice").commit(vec![new_policy(&fitting)]);
    world.committed("alice", &bundle);
    may_not_add(&fitting, without(BOTS), "R-160");
}

/// Whoever does not fit may be removed with the same commit.
#[test]
fn r_160_a_policy_comes_when_the_last_one_goes_who_does_not_fit_it() {
    let mut world = room(&OperationalParameters::default());
    let tablet = Client::saying("alice@a.example/tablet", without(BOTS));
    let bundle = world.client("alice").commit(vec![add(tablet.key_package())]);
    world.clients.push(tablet);
    world.committed("alice", &bundle);
    let policy = new_policy(&mandatory(|it| it.component_ids = vec![BOTS]));
    let leaf = world.client("alice@a.example/tablet").leaf();
    let alice = world.client("alice");
    let peer = alice.peer();
    let alone = alice.commit(vec![policy.clone()]).body();
    alice.forget_commit();
    is(&denied(&mut world, &peer, &alone), "R-160", Some(0));
    let both = world.client("alice").commit(vec![policy, remove(leaf)]);
    world.committed("alice", &both);
}

/// An Add or Update that waits lapses by a policy that it does not fit: nobody could commit both.
#[test]
fn q_79_what_no_longer_fits_lapses() {
    let policy = mandatory(|it| it.component_ids = vec![BOTS]);
    let mut world = room(&OperationalParameters::default());
    let tablet = Client::saying("bob@b.example/tablet", without(BOTS));
    let body = world.client("bob@b.example").propose(vec![add(tablet.key_package())]);
    world.proposed("bob@b.example", &body);
    let bob = user("bob@b.example");
    assert_eq!((world.hub.room.pending(), world.hub.room.effective().clients(&bob)), (1, 2));

    // By value it does not: the Add is obligatory, and may not be beside it.
    let peer = world.client("alice").peer();
    let both = world.client("alice").commit(vec![new_policy(&policy)]);
    assert_eq!(denied(&mut world, &peer, &both.body()).rule, "R-160");
    world.client("alice").forget_commit();

    let body = world.client("alice").propose(vec![new_policy(&policy)]);
    world.tick();
    world.hub.update(&peer, &body).unwrap();
    assert_eq!((world.hub.room.pending(), world.hub.room.effective().clients(&bob)), (1, 1));
    world.hub.restart();
    assert_eq!((world.hub.room.pending(), world.hub.room.effective().clients(&bob)), (1, 1));
}

fn required(types: &[&str]) -> Proposal {
    let list = MediaTypeList(types.iter().map(|name| media_type(name)).collect());
    component_update(ComponentId::CONTENT_MEDIA_TYPES, &list.encode())
}

/// E-087: a media type that somebody does not receive comes to be required of nobody. Whoever is added to a room that
/// requires it already is the business of who adds it (E-083).
#[test]
fn e_087_media_types_that_somebody_does_not_receive() {
    let mut world = room(&OperationalParameters::default());
    let (peer, b) = (world.client("alice").peer(), server("b.example"));
    let deaf = |name: &str| Client::saying(name, Says { receives: Vec::new(), ..Says::default() });
    let foreign = || required(&["application/mimi-content", "image/png"]);
    let commit = world.client("alice").commit(vec![foreign()]).body();
    world.client("alice").forget_commit();
    is(&denied(&mut world, &peer, &commit), "E-087", Some(0));
    let proposal = world.client("alice").propose(vec![foreign()]);
    world.client("alice").forget_proposals();
    is(&denied(&mut world, &peer, &proposal), "E-087", Some(0));

    // While it waits, nobody comes who could not stand in one commit with it; who waits already lapses by it.
    let tablet = deaf("bob@b.example/tablet");
    let [early, late] = [&tablet, &deaf("bob@b.example/watch")].map(|client| {
        let bob = world.client("bob@b.example");
        let body = bob.propose(vec![add(client.key_package())]);
        bob.forget_proposals();
        body
    });
    world.hub.update(&b, &early).unwrap();
    lose(&mut world);
    let fitting = world.client("alice").propose(vec![required(&["text/plain"])]);
    world.proposed("alice", &fitting);
    assert_eq!(world.hub.room.pending(), 1);
    let both = world.client("bob@b.example").commit(vec![add(tablet.key_package())]);
    assert_eq!(denied(&mut world, &b, &both.body()).rule, "E-087");
    world.client("bob@b.example").forget_commit();
    is(&denied(&mut world, &b, &late), "E-087", Some(0));
    let bundle = world.client("alice").commit(Vec::new());
    world.committed("alice", &bundle);

    // Now it is required, and a longer list is judged by what is new in it.
    let bundle = world.client("bob@b.example").commit(vec![add(tablet.key_package())]);
    world.clients.push(tablet);
    world.committed("bob@b.example", &bundle);
    let longer = ["text/plain", "application/mimi-content"];
    let commit = world.client("alice").commit(vec![required(&longer)]).body();
    world.client("alice").forget_commit();
    is(&denied(&mut world, &peer, &commit), "E-087", Some(0));
    let bundle = world.client("alice").commit(vec![required(&["text/plain", "text/plain"])]);
    world.committed("alice", &bundle);
}

/// Founded anew or again, a room fits its policy from its first epoch on.
#[test]
fn r_160_r_162_groups_that_do_not_fit_their_room() {
    for (policy, rule) in misfits() {
        let world = World::new();
        let alice = Client::new("alice@a.example/phone");
        let uri = RoomUri::parse("mimi://a.example/r/other").unwrap();
        let creator = alice.user.clone();
        let policy = components(&uri, &creator, &policy);
        let wish = Wish { room: uri, creator, ciphersuite: SUITE, policy };
        let env = world.hub.env();
        let offer = openmimi::hub::offer(&env, &wish).unwrap();
        let mut alice = alice;
        alice.create(&offer.group, extensions_of(&offer));
        let (info, tree) = (alice.group_info(), alice.ratchet_tree());
        let refusal = Room::create(&env, &offer, &info, &tree, &Limits::default()).unwrap_err();
        assert!(matches!(refusal, CreateRefusal::Denied(denied) if denied.rule == rule));
    }
    for (policy, says, rule) in faults() {
        let mut world = alone(&policy);
        let last = world.client("alice").propose(vec![Proposal::SelfRemove]);
        let peer = world.client("alice").peer();
        world.hub.update(&peer, &last).unwrap();
        let offer = world.hub.room.offer_again(&world.hub.env(), &user("alice@a.example"));
        let offer = offer.unwrap();
        let mut laptop = Client::saying("alice@a.example/laptop", says);
        laptop.create(&offer.group, extensions_of(&offer));
        let (info, tree) = (laptop.group_info(), laptop.ratchet_tree());
        let refused =
            world.hub.drill(|room, env| room.found_again(env, &peer, &offer, &info, &tree));
        let reason = refused.unwrap_err().reason;
        assert!(
            matches!(&reason, RefoundRefusal::Denied(denied) if denied.rule == rule),
            "{reason}"
        );
    }
}

/// E-062, E-063: what nobody knows keeps nobody out, and counts for nothing.
#[test]
fn e_062_grease_in_leaves_is_ignored() {
    let mut world = room(&mandatory(|it| it.component_ids = vec![BOTS]));
    let mut says = Says {
        lists: vec![0x0A0A, 0xEAEA, PRIVATE],
        holds: vec![PRIVATE],
        in_key_package: vec![PRIVATE],
        ..Says::default()
    };
    says.knows.push(0x1A1A);
    says.knows.sort_unstable();
    let tablet = Client::saying("bob@b.example/tablet", says);
    let bundle = world.client("bob@b.example").commit(vec![add(tablet.key_package())]);
    world.clients.push(tablet);
    world.committed("bob@b.example", &bundle);
}
