//! What HTTP costs beside the requests in it, what one more provider costs a hub, and what a full pool costs a claim.
//!
//! The last lines are the figures to watch. `cargo bench --bench http`; `cargo test --benches` uses small numbers.

#![allow(clippy::unwrap_used, reason = "what is not expected ends the benchmark")]

use std::{hint::black_box, time::Duration};

use criterion::Criterion;
use openmimi::{
    codec::Wire,
    env::{Env, Limits, Peer},
    http::{Call, Server, request, respond},
    hub::{Event, Room},
    policy::presets::Preset,
    provider::{
        Policy, Stance, User,
        directory::{Directory, Route, Routes},
        peering::{Access, Peering},
    },
    uri::{Domain, UserUri},
    wire::SubmitMessageResponse,
};

#[path = "../tests/it/kit/mod.rs"]
mod kit;
mod measure;
#[path = "../tests/it/provider/support.rs"]
#[allow(dead_code, unused_imports, reason = "the benchmark uses a part of it")]
mod support;

use kit::{Client, World, add};
use measure::{median, ratio, timed};

fn main() {
    let test = std::env::args().any(|arg| arg == "--test");
    let mut criterion = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let mut report = vec![submit(if test { 4 } else { 1_000 })];
    let sizes: &[usize] = if test { &[3, 5] } else { &[3, 30, 300] };
    report.push(fan_out(&mut criterion, sizes, if test { 4 } else { 100 }));
    let pools: &[usize] = if test { &[10, 20] } else { &[10, 10_000] };
    report.push(claims(&mut criterion, pools, if test { 4 } else { 400 }));
    criterion.final_summary();
    println!("\n{}", report.join("\n"));
}

/// Nobody writes as fast as a benchmark.
fn unhurried() -> Limits {
    let mut limits = Limits::default();
    limits.requests_by_user = u32::MAX;
    limits.requests_by_peer = u32::MAX;
    limits
}

/// a.example, which knows b.example.
fn server() -> Server {
    let a = kit::domain("a.example");
    Server {
        routes: Routes::new(Directory::standard(a, "mimi.a.example").unwrap()).unwrap(),
        peering: Peering::default().with(kit::domain("b.example"), Access::ALL),
        policy: Policy::default(),
        limits: Limits::default(),
    }
}

/// submitMessage as an HTTP request: read, made out, handled and answered, beside the handling alone.
fn submit(messages: usize) -> String {
    let mut world = World::with(unhurried(), Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    let tag = openmimi::franking::tag(b"salt", b"text");
    let bob = world.client("bob@b.example");
    let bodies: Vec<Vec<u8>> =
        (0..2 * messages).map(|_| bob.say(&[7; 200], Some(&tag.0))).collect();
    let (server, b) = (server(), [kit::domain("b.example")]);
    let peer = Peer::Server(b[0].clone());
    let route = Route::SubmitMessage(world.hub.room.uri().clone());
    let hub = &mut world.hub;
    let env = Env { now: hub.now, crypto: &hub.crypto, keys: &hub.keys };
    let room = &mut hub.room;
    let (mut alone, mut over) = (Vec::new(), Vec::new());
    for pair in bodies.chunks_exact(2) {
        alone.push(timed(|| room.submit_message(&env, &peer, &pair[0]).unwrap().apply().reply).0);
        let sent = request(&b[0], server.routes.directory(), &route, pair[1].clone()).unwrap();
        let (time, response) = timed(|| {
            let incoming = server.accept(&env, &sent, &b).unwrap();
            let Call::SubmitMessage(_) = incoming.call else { panic!("another endpoint") };
            let step = room.submit_message(&env, &incoming.peer, incoming.body).unwrap();
            respond(&step.apply().reply)
        });
        assert!(SubmitMessageResponse::decode(response.body()).is_ok());
        over.push(time);
    }
    let (alone, over) = (median(&mut alone), median(&mut over));
    format!(
        "submitMessage over http: {over:?}, {:.2} times the request alone ({alone:?})",
        ratio(over, alone)
    )
}

/// A room with one user at each of so many providers.
fn spread(providers: usize) -> (World, Vec<Domain>) {
    let domains: Vec<Domain> =
        (1..=providers).map(|place| kit::domain(&format!("p{place}.example"))).collect();
    let names: Vec<String> = domains.iter().map(|domain| format!("bob@{domain}")).collect();
    let users: Vec<UserUri> = names.iter().map(|name| kit::user(name)).collect();
    let mut world = World::listing(unhurried(), Preset::Cooperative, &users);
    let fresh = names.iter().map(|name| Client::new(&format!("{name}/phone")));
    let fresh: Vec<Client> = fresh.collect();
    let bundle =
        world.clients[0].commit(fresh.iter().map(|client| add(client.key_package())).collect());
    let (peer, body) = (world.clients[0].peer(), bundle.body());
    world.tick();
    world.hub.play(|room, env| room.update(env, &peer, &body)).unwrap();
    world.clients[0].merge_own();
    (world, domains)
}

/// One message, accepted and made into a request for each provider.
fn fan_out(criterion: &mut Criterion, sizes: &[usize], messages: usize) -> String {
    let mut lines = Vec::new();
    for providers in sizes {
        let (mut world, domains) = spread(*providers);
        let directories: Vec<Directory> = domains
            .iter()
            .map(|it| Directory::standard(it.clone(), &format!("mimi.{it}")).unwrap())
            .collect();
        let tag = openmimi::franking::tag(b"salt", b"text");
        let alice = &mut world.clients[0];
        let bodies: Vec<Vec<u8>> =
            (0..messages).map(|_| alice.say(&[7; 4_000], Some(&tag.0))).collect();
        let (peer, a) = (alice.peer(), kit::domain("a.example"));
        let hub = &mut world.hub;
        let route = Route::Notify(hub.room.uri().clone());
        let env = Env { now: hub.now, crypto: &hub.crypto, keys: &hub.keys };
        let (mut accepted, mut sent, mut saved) = (Vec::new(), Vec::new(), 0);
        for body in &bodies {
            let room: &mut Room = &mut hub.room;
            let (time, step) = timed(|| room.submit_message(&env, &peer, body).unwrap());
            accepted.push(time);
            saved = step.changes().octets();
            let writes = &step.changes().writes;
            let record = writes.iter().find(|(key, _)| key.is_body()).unwrap().1.clone().unwrap();
            let _ = step.apply();
            // The record is read once; every request borrows the same octets.
            let (time, ()) = timed(|| {
                let event = Event::read(&record).unwrap();
                for directory in &directories {
                    assert!(event.is_owed_to(directory.provider()));
                    black_box(request(&a, directory, &route, event.body()).unwrap());
                }
            });
            sent.push(time);
        }
        criterion.bench_function(&format!("fan-out to {providers}"), |bencher| {
            let body = &bodies[0];
            let room = &mut hub.restored();
            bencher.iter(|| drop(black_box(room.submit_message(&env, &peer, body).unwrap())));
        });
        let each = median(&mut sent) / u32::try_from(*providers).unwrap();
        lines.push(format!(
            "fan-out to {providers}: accepted in {:?}, {saved} octets saved, {each:?} for each request",
            median(&mut accepted),
        ));
    }
    lines.join("\n")
}

/// A claim of one KeyPackage from pools of these sizes.
fn claims(criterion: &mut Criterion, pools: &[usize], claims: usize) -> String {
    let crypto = openmls_rust_crypto::RustCrypto::default();
    let env = support::env(&crypto, support::NOW);
    let alice = support::Device::new("alice@a.example", "1");
    let bob = support::user("bob@b.example");
    let bodies: Vec<Vec<u8>> =
        (0..claims).map(|nonce| alice.request(&bob, None, u16::try_from(nonce).unwrap())).collect();
    let peer = support::server("a.example");
    let mut lines = Vec::new();
    let mut first = None;
    for pool in pools {
        let mut limits = Limits::default();
        limits.key_packages = *pool;
        limits.claimed = 2 * pool;
        let founding = User::found(limits, Policy::default(), bob.clone(), Stance::Open);
        let (mut user, _) = founding.apply();
        let phone = support::Device::new("bob@b.example", "phone");
        let packages = phone.key_packages(*pool);
        let _ = user.publish(&env, &phone.peer(), &packages).unwrap().apply();
        let mut times: Vec<Duration> = bodies
            .iter()
            .map(|body| timed(|| drop(black_box(user.claim(&env, &peer, body).unwrap()))).0)
            .collect();
        criterion.bench_function(&format!("claim from {pool}"), |bencher| {
            bencher.iter(|| drop(black_box(user.claim(&env, &peer, &bodies[0]).unwrap())));
        });
        let time = median(&mut times);
        let to = *first.get_or_insert(time);
        lines.push(format!("claim from {pool}: {time:?}, {:.2} times the first", ratio(time, to)));
    }
    lines.join("\n")
}
