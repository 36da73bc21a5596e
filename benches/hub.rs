//! What a hub costs beside the cryptography and the engine that it cannot do without.
//!
//! The last lines are the figures to watch: ratios to the bare minimum on the same bytes, and octets saved.
//! `cargo bench --bench hub` takes some minutes, `MEMBERS=3000 cargo bench --bench hub` measures rooms of that size only;
//! `cargo test --benches` uses small rooms.
//!
//! Participants are listed and members. Not all of them have committed: [`FILLED`] have, spread evenly, and one in each
//! subtree beside the path of the committer, so that its commits encrypt to one node a level, as they do where all have
//! committed. All other parents are blank, which spares hub and bare engine the same work.
//!
//! The commits of a run are too few for a snapshot of the group to fall due, so what one costs is counted for each of
//! the commits between two.

#![allow(clippy::unwrap_used, reason = "what is not expected ends the benchmark")]

use std::{hint::black_box, time::Duration};

use criterion::Criterion;
use hmac::{Hmac, Mac as _};
use openmimi::{
    codec::{Reader, Wire},
    env::{Env, Limits},
    hub::Room,
    machine::Changes,
    policy::presets::Preset,
    uri::UserUri,
    wire::{GroupInfoOption, RatchetTreeOption, labelled, notify},
};
use openmls::{
    group::{ProposalStore, PublicGroup, StagedCommit},
    messages::group_info::VerifiableGroupInfo,
    prelude::{MlsMessageIn, ProcessedMessageContent},
};
use openmls_traits::{
    public_storage::PublicStorageProvider,
    signatures::Signer as _,
    storage::{CURRENT_VERSION, traits},
};
use sha2::Sha256;
use tls_codec::Deserialize as _;

#[path = "../tests/it/kit/mod.rs"]
mod kit;
mod measure;

use kit::{Client, SUITE, World, add, tls};
use measure::{median, ratio, timed};

/// How many members have committed, beside those that fill the committer's copath.
const FILLED: usize = 16;
/// The delivery service takes a snapshot when its redo records have more octets than this and than half of the last one.
const SMALL: usize = 64 << 10;
/// Commits that are measured at each size.
const COMMITS: usize = 15;

fn main() {
    let test = std::env::args().any(|arg| arg == "--test");
    let mut criterion = Criterion::default()
        .sample_size(10)
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut report = vec![submit(&mut criterion, if test { 3 } else { 400 })];
    let sizes = match std::env::var("MEMBERS") {
        Ok(members) => vec![members.parse().unwrap()],
        Err(_) if test => vec![4, 10],
        Err(_) => vec![10, 100, 1_000, 3_000],
    };
    for members in sizes {
        report.push(update(&mut criterion, members, if test { 2 } else { COMMITS }));
    }
    criterion.final_summary();
    println!("\n{}", report.join("\n"));
}

/// Limits under which one user may ask as often as the benchmark does.
fn busy() -> Limits {
    let mut limits = Limits::default();
    (limits.requests_by_user, limits.requests_by_peer) = (u32::MAX, u32::MAX);
    limits
}

/// A message with a frank, owed to three followers, beside one signature and two HMACs.
fn submit(criterion: &mut Criterion, messages: usize) -> String {
    let mut world = World::with(busy(), Preset::Cooperative);
    for (by, name) in [
        ("alice", "bob@b.example/phone"),
        ("alice", "cathy@c.example/phone"),
        ("alice", "dave@d.example/phone"),
    ] {
        world.add(by, name, 2);
    }
    let tag = openmimi::franking::tag(b"salt", b"text");
    let bob = world.client("bob@b.example");
    let bodies: Vec<Vec<u8>> = (0..messages).map(|_| bob.say(&[7; 200], Some(&tag.0))).collect();
    let peer = bob.peer();
    let env = Env { now: world.hub.now, crypto: &world.hub.crypto, keys: &world.hub.keys };
    let mut hub = Vec::new();
    for body in &bodies {
        let room = &mut world.hub.room;
        hub.push(timed(|| room.submit_message(&env, &peer, body).unwrap().apply().reply).0);
    }
    let signer =
        openmls_basic_credential::SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
    let context = [7_u8; 100];
    let floor: Vec<Duration> =
        (0..messages).map(|_| timed(|| crypto_of_a_frank(&signer, &context)).0).collect();
    criterion.bench_function("submit, three followers", |bencher| {
        let body = &bodies[0];
        let room = &mut world.hub.restored();
        bencher.iter(|| drop(black_box(room.submit_message(&env, &peer, body).unwrap())));
    });
    let (hub, floor) = (median(hub), median(floor));
    format!(
        "submit with a frank, three followers: {hub:?}, {:.2} times one signature and two HMACs ({floor:?})",
        ratio(hub, floor)
    )
}

fn crypto_of_a_frank(
    signer: &openmls_basic_credential::SignatureKeyPair,
    context: &[u8],
) -> Vec<u8> {
    for key in [[1_u8; 32], [2; 32]] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(context);
        black_box(mac.finalize());
    }
    signer.sign(context).unwrap()
}

/// A room of many members, each a participant.
fn grown(members: usize) -> World {
    let mut limits = busy();
    limits.body = 64 << 20;
    let names: Vec<String> = (1..members).map(|i| format!("user{i}@b.example/phone")).collect();
    let users: Vec<UserUri> =
        names.iter().map(|name| kit::user(name.split_once('/').unwrap().0)).collect();
    let mut world = World::listing(limits, Preset::Cooperative, &users);
    let fresh: Vec<Client> = names.iter().map(|name| Client::new(name)).collect();
    let adds = fresh.iter().map(|client| add(client.key_package())).collect();
    let bundle = world.clients[0].commit(adds);
    let peer = world.clients[0].peer();
    commit(&mut world, &peer, &bundle.body());
    let every = fresh.len().div_ceil(FILLED);
    // Alice has leaf 0; beside its path stand the subtrees from leaf 1, 2, 4 and so on.
    let commits = |leaf: usize| leaf % every == 1 % every || leaf.is_power_of_two();
    let fresh = fresh.into_iter().zip(1..).filter(|(_, leaf)| commits(*leaf));
    world.clients.extend(fresh.map(|(client, _)| client));
    deliver(&mut world);
    for index in 1..world.clients.len() {
        let bundle = world.clients[index].update_path();
        let peer = world.clients[index].peer();
        commit(&mut world, &peer, &bundle.body());
        deliver(&mut world);
    }
    assert_eq!(world.hub.room.members().count(), members);
    world
}

fn commit(world: &mut World, peer: &openmimi::env::Peer, body: &[u8]) -> Changes {
    world.tick();
    world.hub.play(|room, env| room.update(env, peer, body)).unwrap().1
}

/// What is owed, without a drill.
fn deliver(world: &mut World) {
    for provider in ["a.example", "b.example"].map(kit::domain) {
        let Some((body, through)) = world.hub.notification(&provider) else { continue };
        for message in notify::decode_all(&body).unwrap() {
            for client in world.clients.iter_mut().filter(|it| it.user.domain() == provider) {
                client.receive(&message);
            }
        }
        let acknowledged: Result<_, ()> =
            world.hub.play(|room, env| Ok(room.acknowledged(env, &provider, through)));
        acknowledged.unwrap();
    }
}

/// Commits with an update path, beside what the engine needs for them; a restore; and what is saved.
fn update(criterion: &mut Criterion, members: usize, commits: usize) -> String {
    let mut world = grown(members);
    let joiner = Client::new("alice@a.example/bench");
    let (request, private) = world.hub.group_info_request(&joiner);
    let (peer, body) = (joiner.peer(), request.encode());
    let (response, _) = world.hub.play(|room, env| room.group_info(env, &peer, &body)).unwrap();
    let given = world.hub.open(response, &private);
    let RatchetTreeOption::Full(tree) = &given.ratchet_tree else { panic!("no tree") };
    let (mut bare, _) = PublicGroup::from_external(
        &world.hub.crypto,
        &Drop,
        tree.to_openmls(),
        given.group_info.to_openmls().unwrap(),
        ProposalStore::new(),
    )
    .unwrap();

    // The bare engine's tree was read in one go: so is the hub's, to lie in memory alike.
    world.hub.restart();

    let (mut hub, mut floor, mut saved) = (Vec::new(), Vec::new(), 0);
    for turn in 0..commits {
        let alice = &mut world.clients[0];
        let bundle = alice.update_path();
        let (peer, body) = (alice.peer(), bundle.body());
        alice.merge_own();
        world.tick();
        let env = Env { now: world.hub.now, crypto: &world.hub.crypto, keys: &world.hub.keys };
        if turn + 1 == commits {
            criterion.bench_function(&format!("update, {members} members"), |bencher| {
                let room = &mut world.hub.room;
                bencher.iter(|| drop(black_box(room.update(&env, &peer, &body).unwrap())));
            });
        }
        let key = world.clients[0].signer.to_public_vec();
        let crypto = &world.hub.crypto;
        // Each is rehearsed, so that neither pays for cold caches: to make the commit was other work.
        let judged =
            |bare: &PublicGroup| judge(crypto, bare, &bundle.commit, &bundle.group_info, &key);
        drop(judged(&bare));
        let (spent, ()) = timed(|| {
            let staged = judged(&bare);
            bare.merge_commit(&Drop, staged).unwrap();
        });
        floor.push(spent);
        let room = &mut world.hub.room;
        drop(room.update(&env, &peer, &body).unwrap());
        let (decided, step) = timed(|| room.update(&env, &peer, &body).unwrap());
        let changes = step.changes().clone();
        let (applied, _) = timed(|| black_box(step.apply().reply));
        hub.push(decided + applied);
        saved += octets_beside_the_event(&changes);
        world.hub.store.save(b"clubhouse", &changes).unwrap();
    }
    let records = world.hub.records();
    let limits = &world.hub.limits;
    criterion.bench_function(&format!("restore, {members} members"), |bencher| {
        bencher.iter(|| black_box(Room::restore(&records, limits).unwrap()));
    });
    let restore = median([(); 5].map(|()| timed(|| Room::restore(&records, limits)).0));
    let (hub, floor) = (median(hub), median(floor));
    let saved = saved / commits;
    let snapshot = records.values.values().map(Vec::len).max().unwrap_or(0);
    let between = SMALL.max(snapshot / 2) / saved.max(1);
    format!(
        "update at {members} members: {hub:?}, {:.2} times the bare engine and GroupInfo ({floor:?}); \
         {saved} octets saved a commit, and {} more for the snapshot of {snapshot} every {between} commits; \
         restore {restore:?}",
        ratio(hub, floor),
        snapshot / between.max(1)
    )
}

fn octets_beside_the_event(changes: &Changes) -> usize {
    let records = changes.writes.iter().filter(|(key, _)| !key.is_body());
    records.map(|(key, value)| key.as_bytes().len() + value.as_ref().map_or(0, Vec::len)).sum()
}

/// The bare engine judges a commit, and its GroupInfo is read, compared and verified.
fn judge(
    crypto: &openmls_rust_crypto::RustCrypto,
    group: &PublicGroup,
    commit: &[u8],
    group_info: &GroupInfoOption,
    key: &[u8],
) -> StagedCommit {
    let message = MlsMessageIn::tls_deserialize_exact(commit).unwrap();
    let message = message.try_into_protocol_message().unwrap();
    let processed = group.process_message(crypto, message).unwrap();
    let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
        panic!("no commit");
    };

    let GroupInfoOption::Full(given) = group_info else { panic!("partial") };
    VerifiableGroupInfo::tls_deserialize_exact(given.as_bytes()).unwrap();
    let context = tls(staged.group_context());
    let mut reader = Reader::new(given.as_bytes());
    assert_eq!(reader.take("GroupContext", context.len()).unwrap(), context);
    reader.bytes("extensions").unwrap();
    reader.bytes("confirmation_tag").unwrap();
    reader.u32("signer").unwrap();
    let tbs = &given.as_bytes()[..reader.offset()];
    let signature = reader.bytes("signature").unwrap();
    assert!(labelled::verify(crypto, SUITE, "GroupInfoTBS", tbs, key, signature));
    *staged
}

/// A store that drops what it is given.
struct Drop;

const V: u16 = CURRENT_VERSION;

/// Every write succeeds, and nothing is there.
macro_rules! nothing {
    ($($name:ident [$($bound:ident: $trait:ident),*] ($($field:ty),*);)*) => {
        $(fn $name<G: traits::GroupId<V>, $($bound: traits::$trait<V>),*>(
            &self, _: &G, $(_: &$field),*
        ) -> Result<(), std::convert::Infallible> {
            Ok(())
        })*
    };
}

impl PublicStorageProvider<V> for Drop {
    type PublicError = std::convert::Infallible;

    nothing! {
        write_tree[T: TreeSync](T);
        write_interim_transcript_hash[T: InterimTranscriptHash](T);
        write_context[T: GroupContext](T);
        write_confirmation_tag[T: ConfirmationTag](T);
        queue_proposal[R: ProposalRef, T: QueuedProposal](R, T);
        delete_tree[]();
        delete_confirmation_tag[]();
        delete_context[]();
        delete_interim_transcript_hash[]();
        remove_proposal[R: ProposalRef](R);
        clear_proposal_queue[R: ProposalRef]();
    }

    fn queued_proposals<
        G: traits::GroupId<V>,
        R: traits::ProposalRef<V>,
        T: traits::QueuedProposal<V>,
    >(
        &self,
        _: &G,
    ) -> Result<Vec<(R, T)>, Self::PublicError> {
        Ok(Vec::new())
    }

    fn tree<G: traits::GroupId<V>, T: traits::TreeSync<V>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::PublicError> {
        Ok(None)
    }

    fn group_context<G: traits::GroupId<V>, T: traits::GroupContext<V>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::PublicError> {
        Ok(None)
    }

    fn interim_transcript_hash<G: traits::GroupId<V>, T: traits::InterimTranscriptHash<V>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::PublicError> {
        Ok(None)
    }

    fn confirmation_tag<G: traits::GroupId<V>, T: traits::ConfirmationTag<V>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Self::PublicError> {
        Ok(None)
    }
}
