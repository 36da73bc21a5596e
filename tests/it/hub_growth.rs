//! What must not cost more in a large room than in a small one does not: counted in octets asked of the allocator and in
//! octets saved, at the hub, without a drill. A follower knows no members, so nothing of it can grow with them.
//!
//! An update, a GroupInfo and the hub's own proposals do grow, with the tree and with the GroupContext: MLS hashes the one
//! for each commit, and signs the other with each handshake.

use allocation_counter::measure;
use openmimi::{
    codec::Wire,
    env::{Env, Limits},
    hub::{Keys, Proposal, Room},
    machine::Step,
    policy::presets::Preset,
    wire::SubmitMessageRequest,
};
use openmls_rust_crypto::RustCrypto;

use crate::{hub::key_material, kit::*};

/// A room in which Alice has added so many others, all of them clients of b.example and listed.
fn grown(members: usize) -> World {
    let names: Vec<String> = (1..members).map(|it| format!("user{it:04}@b.example")).collect();
    let users: Vec<_> = names.iter().map(|name| user(name)).collect();
    let mut world = World::listing(Limits::default(), Preset::Cooperative, &users);
    let others: Vec<Client> =
        names.iter().map(|name| Client::new(&format!("{name}/phone"))).collect();
    let adds = others.iter().map(|client| add(client.key_package())).collect();
    let bundle = world.client("alice").commit(adds);
    let peer = world.client("alice").peer();
    world.tick();
    world.hub.play(|room, env| room.update(env, &peer, &bundle.body())).unwrap();
    world.client("alice").merge_own();
    for provider in ["a.example", "b.example"].map(domain) {
        let (_, through) = world.hub.notification(&provider).unwrap();
        done(&mut world, |room, env| room.acknowledged(env, &provider, through));
    }
    assert_eq!(world.hub.room.members().count(), members);
    world
}

fn done<R>(
    world: &mut World,
    step: impl for<'m> FnOnce(&'m mut Room, &Env<'_, RustCrypto, Keys>) -> Step<'m, Room, R>,
) {
    let played: Result<_, ()> = world.hub.play(|room, env| Ok(step(room, env)));
    drop(played.unwrap());
}

/// Octets that a step asks for, from the call to its end, and those that it saves.
fn cost<R>(
    world: &mut World,
    step: impl for<'m> FnOnce(&'m mut Room, &Env<'_, RustCrypto, Keys>) -> Step<'m, Room, R>,
) -> (u64, usize) {
    let hub = &mut world.hub;
    let env = Env { now: hub.now, crypto: &hub.crypto, keys: &hub.keys };
    let mut changes = None;
    let used = measure(|| {
        let step = step(&mut hub.room, &env);
        changes = Some(step.changes().clone());
        drop(step.apply());
    });
    let changes = changes.unwrap();
    hub.store.save(b"clubhouse", &changes).unwrap();
    (used.bytes_total, changes.octets())
}

/// Of each call its name and its cost; of the last ones the memory less what the GroupContext takes.
fn costs(members: usize) -> Vec<(&'static str, u64, usize)> {
    let mut world = grown(members);
    let peer = world.client("alice").peer();
    let b = domain("b.example");
    let bodies: Vec<Vec<u8>> =
        (0..3).map(|_| world.client("alice").say(&[7; 100], Some(&[1; 32]))).collect();
    let mut costs = Vec::new();
    // Who is to get messages is found out once after each change.
    done(&mut world, |room, env| room.submit_message(env, &peer, &bodies[0]).unwrap());
    let mut note = |name, (octets, saved): (u64, usize)| costs.push((name, octets, saved));
    note(
        "submit_message",
        cost(&mut world, |room, env| room.submit_message(env, &peer, &bodies[1]).unwrap()),
    );
    note(
        "submit_message, again",
        cost(&mut world, |room, env| room.submit_message(env, &peer, &bodies[1]).unwrap()),
    );
    let mut stale = SubmitMessageRequest::decode(&bodies[2]).unwrap();
    stale.sending_uri = user("user0001@b.example");
    let stale = stale.encode();
    let refused = measure(|| {
        let env = Env { now: world.hub.now, crypto: &world.hub.crypto, keys: &world.hub.keys };
        assert!(world.hub.room.submit_message(&env, &peer, &stale).is_err());
    });
    note("a refusal", (refused.bytes_total, 0));
    note("notify_failed", cost(&mut world, |room, env| room.notify_failed(env, &b, None)));
    note("timeout", cost(&mut world, |room, env| room.timeout(env)));
    note("notify_unknown", cost(&mut world, |room, env| room.notify_unknown(env, &b)));
    note("acknowledged", cost(&mut world, |room, env| room.acknowledged(env, &b, u64::MAX)));
    let dora = Client::new("dora@d.example/phone");
    let (d, response) = (domain("d.example"), key_material(&dora, &[tls(&dora.key_package())]));
    note(
        "keys_claimed",
        cost(&mut world, |room, env| room.keys_claimed(env, &d, &response).unwrap()),
    );
    // One who is known to the hub by its key.
    let key = world.client("alice").signer.to_public_vec();
    let found = measure(|| assert!(world.hub.room.leaf_of(&key).is_some()));
    note("leaf_of", (found.bytes_total, 0));
    costs
}

/// Nothing of it costs more with 90 members than with 10, but for a digit in a length or a URI.
#[test]
fn what_does_no_more_work_in_a_large_room_costs_no_more() {
    let small = costs(10);
    for ((name, few, saved), (_, many, saved_too)) in small.into_iter().zip(costs(90)) {
        assert!(many <= few + 256, "{name}: {few} octets of memory, and {many} in a large room");
        assert!(saved_too <= saved + 8, "{name}: {saved} octets saved, and {saved_too}");
    }
}

/// What the hub proposes is signed over the GroupContext and judged with the list beside it: a few times these octets is
/// what it takes, and no more than that of it is saved in a large room.
#[test]
fn what_the_hub_proposes_costs_what_the_group_context_does() {
    let cost = |members: usize| {
        let mut world = grown(members);
        let context = world.hub.room.group_context().len();
        let gone = [Proposal::Remove(user("user0001@b.example"))];
        let (octets, saved) = cost(&mut world, |room, env| room.propose(env, &gone).unwrap());
        (octets, saved, u64::try_from(context).unwrap())
    };
    let ((few, saved, small), (many, saved_too, large)) = (cost(10), cost(90));
    assert!(saved_too <= saved + 64, "{saved} octets saved, and {saved_too}");
    let growth = (many - few) / (large - small);
    assert!(growth <= 24, "{growth} octets of memory for each of the GroupContext");
}
