//! What the policy costs in rooms of 10 to 100,000 participants.
//!
//! Everything but a removal and a decode takes the same steps at every size; only the caches hold less of a larger
//! room. To show it, two look-ups stand beside: `linear`, which others do (compare every entry until it is found), and
//! `in a map`, the standard library's. All are asked of users all over the room, whose names are at hand as those of a
//! request are. Beside the decode stands what it costs to copy the list's octets and hash its names into a map.

#![allow(clippy::unwrap_used, reason = "what is not expected ends the benchmark")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark measures time and others' maps"
)]

use std::{
    collections::HashMap,
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_main};
use openmimi::{
    codec::Wire,
    policy::{
        self, Action, Claims, Committed, Committer, Proposed, Proposer, RoleIndex, View,
        judge_commit, presets::Preset, rules,
    },
    room::{ComponentId, ComponentOperation, ParticipantList, ParticipantListUpdate, RoomState},
    uri::{RoomUri, UserUri},
};

const SIZES: [u32; 4] = [10, 1_000, 10_000, 100_000];

fn user(number: u32) -> UserUri {
    UserUri::parse(format!("mimi://provider{}.example/u/user{number}", number % 7)).unwrap()
}

/// A cooperative room: an administrator, and ordinary users with one client each.
fn room(size: u32) -> RoomState {
    let id = RoomUri::parse("mimi://hub.example/r/room").unwrap();
    let users: Vec<UserUri> = (1..size).map(user).collect();
    let components = Preset::Cooperative.room(&id, &user(0), &users);
    RoomState::from_components(components, users.iter().chain([&user(0)])).unwrap()
}

/// Changes a clone of a room over and over, made anew now and then. Only `change` is timed, and not the first one: it
/// may find vectors without room to grow.
fn on_clones(
    room: &RoomState,
    rounds: u64,
    mut change: impl FnMut(&mut RoomState, u32),
) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = u32::try_from(rounds).unwrap();
    while left > 0 {
        let mut clone = room.clone();
        change(&mut clone, 0);
        let now = left.min(4);
        let start = Instant::now();
        for step in 1..=now {
            change(&mut clone, step);
        }
        spent += start.elapsed();
        left -= now;
    }
    spent
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("policy");
    group
        .sample_size(20)
        .measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300));
    for size in SIZES {
        let room = room(size);
        let admin = user(0);
        let users: Vec<UserUri> = (1..size).map(user).collect();
        let id = |name: &str| BenchmarkId::new(name, size);
        let mut next = 0;
        let mut any = || {
            next = (next + 7919) % users.len();
            users[next].clone()
        };

        // So few that their names are still in the caches when they are asked about.
        let few = BatchSize::NumIterations(64);
        group.bench_function(id("may this user send"), |b| {
            b.iter_batched_ref(&mut any, |user| policy::may_send(black_box(&room), user), few);
        });
        let may_ban = |user: &mut UserUri| {
            let (actor, target) = (room.role(&admin), room.role(&*user));
            rules::ban(room.roles(), actor, target).is_ok()
        };
        group.bench_function(id("may this user be banned"), |b| {
            b.iter_batched_ref(&mut any, may_ban, few);
        });
        let names: Vec<&str> = room.participants().iter().map(|it| it.uri).collect();
        let map: HashMap<String, u32> =
            names.iter().zip(0..).map(|(name, place)| ((*name).to_owned(), place)).collect();
        group.bench_function(id("find this user in a map"), |b| {
            b.iter_batched_ref(&mut any, |user| map.get(user.as_str()).copied(), few);
        });
        group.bench_function(id("find this user, linear"), |b| {
            let find = |user: &mut UserUri| names.iter().position(|name| *name == user.as_str());
            b.iter_batched_ref(&mut any, find, few);
        });

        let place = room.participants().find(&users[users.len() / 2]).unwrap().place;
        let update = |changed: &[(u32, RoleIndex)], removed: &[u32], added| {
            ParticipantListUpdate { changed: changed.to_vec(), removed: removed.to_vec(), added }
                .encode()
        };
        let promotion = update(&[(place, RoleIndex(3))], &[], Vec::new());
        let list = ComponentId::PARTICIPANT_LIST;
        group.bench_function(id("judge the commit of a role change"), |b| {
            b.iter(|| {
                let proposed = Proposed {
                    by: Proposer::User(&admin),
                    claims: Claims::BASIC,
                    what: Action::Component {
                        id: list,
                        operation: ComponentOperation::Update(&promotion),
                    },
                };
                let view = View::new(&room, &room);
                let committer = Committer::Member { user: &admin, pseudonym: false };
                judge_commit(view, committer, &[Committed { proposed, by_reference: false }])
                    .is_ok()
            });
        });
        let apply = |octets: &[u8], room: &mut RoomState| {
            let change = room.fold(&[(list, ComponentOperation::Update(octets))], &[]).unwrap();
            room.apply(change);
        };
        let roles: Vec<Vec<u8>> = (0..5)
            .map(|step| update(&[(place, RoleIndex(2 + step % 2))], &[], Vec::new()))
            .collect();
        group.bench_function(id("change a role"), |b| {
            b.iter_custom(|rounds| {
                on_clones(&room, rounds, |room, step| apply(&roles[step as usize], room))
            });
        });
        let additions: Vec<Vec<u8>> = (0..5)
            .map(|step| update(&[], &[], vec![(user(1_000_000 + step).into(), RoleIndex(2))]))
            .collect();
        group.bench_function(id("add a participant"), |b| {
            b.iter_custom(|rounds| {
                on_clones(&room, rounds, |room, step| apply(&additions[step as usize], room))
            });
        });
        let removal = update(&[], &[1], Vec::new());
        group.bench_function(id("remove a participant"), |b| {
            b.iter_custom(|rounds| on_clones(&room, rounds, |room, _| apply(&removal, room)));
        });
        let octets = room.participants().encode();
        group.bench_function(id("memcpy of the list"), |b| b.iter(|| black_box(&octets).clone()));
        group.bench_function(id("decode the list"), |b| {
            b.iter(|| ParticipantList::decode(black_box(&octets)).unwrap());
        });
        group.bench_function(id("copy and hash the list into a map"), |b| {
            b.iter(|| {
                let copy = black_box(&octets).clone();
                let map: HashMap<String, u32> = names
                    .iter()
                    .zip(0..)
                    .map(|(name, place)| ((*name).to_owned(), place))
                    .collect();
                (copy, map)
            });
        });
    }
    group.finish();
}

/// The group that `criterion_main` runs.
mod group {
    #![allow(missing_docs, reason = "made by a macro")]
    criterion::criterion_group!(policy, super::benches);
}
criterion_main!(group::policy);
