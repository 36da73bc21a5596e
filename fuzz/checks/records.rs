//! What holds for any records that a machine is restored from: an error, or a machine that can be asked everything.

use std::{cell::OnceCell, fmt::Debug};

use openmimi::{
    client,
    env::{Env, Limits, Timestamp},
    error::RestoreError,
    follower, hub,
    machine::{Key, Machine, Records, Revision, Step},
    provider,
    room::Components,
    testing::MemoryStore,
    uri::ClientUri,
};
use openmls_rust_crypto::RustCrypto;

use super::{
    Check,
    edit::{Script, UNEDITED},
};
use crate::kit::{self, START, SUITE, World};

pub const TABLE: &[(&str, Check)] = &[
    ("hub", |script| restored(HUB, script, hub)),
    ("follower", |script| restored(FOLLOWER, script, follower)),
    ("client", |script| restored(CLIENT, script, client)),
    ("device", |script| restored(DEVICE, script, device)),
    ("user", |script| restored(USER, script, user)),
];

pub fn check(input: &[u8]) {
    super::pick(TABLE, input);
}

pub fn input_for(name: &str, script: &[u8]) -> Vec<u8> {
    super::input_for(TABLE, name, script)
}

/// Scripts that change nothing, that leave each record out, and that change the head of each.
pub fn scripts() -> Vec<Vec<u8>> {
    let spoil = |record| [&[0, 1, record, 0][..], &[1, 0, 3, 1, 4], UNEDITED].concat();
    let mut scripts = vec![vec![0, 0], vec![1, 1, 1, 0, 0, 1, 0]];
    scripts.extend((0..8).map(|record| vec![0, 1, record, 1]));
    scripts.extend((0..8).map(spoil));
    scripts
}

const HUB: usize = 0;
const FOLLOWER: usize = 1;
const CLIENT: usize = 2;
const DEVICE: usize = 3;
const USER: usize = 4;

thread_local! {
    /// The records of one machine of each kind.
    static LIVE: OnceCell<[Records; 5]> = const { OnceCell::new() };
}

/// A machine of each kind with something in every record.
fn live() -> [Records; 5] {
    let mut world = World::clubhouse();
    let room = world.hub.room.uri().clone();
    // A follower with two clients of which one has gone ahead, and an event too early.
    let bob = world.client("bob@b.example").peer();
    let members = [("bob", "phone"), ("ben", "laptop")].map(|(name, device)| {
        let user = kit::user(&format!("{name}@b.example"));
        (ClientUri::new(&user.domain(), format!("{name}-{device}")).unwrap(), user)
    });
    let limits = Limits::default();
    let mut store = MemoryStore::new();
    let founding = follower::Room::found(limits.clone(), room.clone(), members.clone());
    store.save(b"follower", founding.changes()).unwrap();
    let mut follower = founding.apply().0;
    let crypto = RustCrypto::default();
    let env = Env { now: START, crypto: &crypto, keys: &() };
    let said = world.client("bob@b.example").say(b"hello", Some(&[7; 32]));
    let _ = world.hub.submit(&bob, &said);
    let update = world.client("alice@a.example").update_path();
    world.committed("alice@a.example", &update);
    let early = world.client("alice@a.example").say(b"early", None);
    let _ = world.hub.submit(&world.clients[0].peer(), &early);
    if let Some((body, _)) = world.hub.notification(&kit::domain("b.example")) {
        let notice = follower::Notice::decode(&body, &limits).unwrap();
        let peer = kit::server("a.example");
        let step = follower.notify(&env, &peer, &notice, &Default::default()).unwrap();
        store.save(b"follower", step.changes()).unwrap();
        drop(step.apply());
    }
    save(&mut store, b"follower", follower.acknowledged(&members[0].0, 0));
    save(&mut store, b"follower", follower.block(&members[1].1, 1));

    // A device with KeyPackages, and a room of its own.
    let (public, signer) = kit::signing_key();
    let keys = client::Keys::new(public.clone(), signer);
    let env = Env { now: START, crypto: &crypto, keys: &keys };
    let (uri, alice) = (world.clients[0].uri.clone(), world.clients[0].user.clone());
    let founding = client::Device::new(alice.clone(), uri.clone(), public.clone(), &limits);
    store.save(b"device", founding.changes()).unwrap();
    let mut device = founding.apply().0;
    let lifetime = client::Lifetime {
        not_before: Timestamp(1_577_836_800_000),
        not_after: Timestamp(7_258_118_400_000),
    };
    let step = device.make_key_packages(&env, client::Token(1), 2, SUITE, lifetime).unwrap();
    save(&mut store, b"device", step);
    let offer = &world.hub.offer;
    let founding =
        client::Room::create(&env, offer, &public, lifetime, Components::new(), &limits).unwrap();
    store.save(b"client", founding.changes()).unwrap();
    let mut client = founding.apply().0;
    let step = client.update_self(&env, client::Token(2)).unwrap();
    save(&mut store, b"client", step);

    // A user with a client.
    let founding = provider::User::found(
        limits.clone(),
        provider::Policy::default(),
        alice.clone(),
        provider::Stance::default(),
    );
    store.save(b"user", founding.changes()).unwrap();
    let mut user = founding.apply().0;
    let packages: Vec<Vec<u8>> =
        (0..2).map(|_| kit::tls(&world.clients[0].key_package())).collect();
    if let Ok(step) = user.publish(&env, &world.clients[0].peer(), &packages) {
        save(&mut store, b"user", step);
    }
    world.hub.now = world.hub.now.plus(1_000);
    let records = |name: &[u8]| store.load(name).unwrap();
    let hub = world.hub.records();
    [hub, records(b"follower"), records(b"client"), records(b"device"), records(b"user")]
}

fn save<M: Machine, R>(store: &mut MemoryStore, name: &[u8], step: Step<'_, M, R>) {
    store.save(name, step.changes()).unwrap();
    drop(step.apply());
}

/// Records as a script has them: those of a live machine with some changed, or some of its own.
fn records(live: &Records, script: &mut Script<'_>) -> Records {
    let mut records = live.clone();
    if script.u8() % 2 == 1 {
        records = Records { revision: Revision(1), ..Records::default() };
    }
    for _ in 0..script.u8() % 16 {
        let place = usize::from(script.u8());
        let length = records.values.len();
        let key = records.values.keys().nth(place % length.max(1)).cloned();
        match (script.u8() % 6, key) {
            (0, Some(key)) => {
                let value = records.values.get_mut(&key).unwrap();
                script.edit(value);
            }
            (1, Some(key)) => drop(records.values.remove(&key)),
            (2, Some(key)) => {
                let value = records.values.remove(&key).unwrap();
                let mut key = key.as_bytes().to_vec();
                script.edit(&mut key);
                records.values.insert(Key::from_bytes(&key), value);
            }
            (3, Some(key)) => {
                let value = records.values[&key].clone();
                let mut key = key.as_bytes().to_vec();
                script.edit(&mut key);
                records.values.insert(Key::from_bytes(&key), value);
            }
            (4, Some(key)) => {
                // The octets of another record of the live machine.
                let other = live.values.values().nth(usize::from(script.u8()) % live.values.len());
                records.values.insert(key, other.unwrap().clone());
            }
            _ => {
                let length = usize::from(script.u8() % 64);
                let key = Key::from_bytes(script.take(length));
                records.values.insert(key, script.string().to_vec());
            }
        }
    }
    records
}

fn restored(
    which: usize,
    script: &[u8],
    check: impl Fn(&Records, bool) -> Result<(), RestoreError>,
) {
    LIVE.with(|machines| {
        let live = &machines.get_or_init(live)[which];
        let records = records(live, &mut Script::new(script));
        let unchanged = records == *live;
        let found = check(&records, unchanged);
        assert_eq!(found, check(&records, unchanged), "a restore depends on nothing else");
        assert!(found.is_ok() || !unchanged, "{found:?}");
    });
}

/// All that a machine is, in words; sorted, since the engine tells the nodes of a tree in any order.
fn told<M: Debug>(machine: &M) -> Vec<String> {
    let told = format!("{machine:?}");
    let words = told.split(|it: char| !it.is_alphanumeric());
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    words.sort_unstable();
    words
}

/// Two machines from the same records say the same, and a step that is dropped leaves no trace.
fn alike<M: Debug>(machine: &M, again: &M) {
    assert!(told(machine) == told(again), "the same records, the same machine");
}

fn hub(records: &Records, _: bool) -> Result<(), RestoreError> {
    let limits = Limits::default();
    let mut room = hub::Room::restore(records, &limits)?;
    let again = hub::Room::restore(records, &limits)?;
    alike(&room, &again);
    assert_eq!(room.revision(), records.revision);
    let _ = (room.uri(), room.epoch(), room.group_context().len(), room.pending());
    let _ = (room.members().count(), room.backlog().count(), room.lagging().count());
    let _ = (room.committed().components(), room.effective().components());
    WORKPLACE.with(|(crypto, keys)| {
        let env = Env { now: START.plus(1 << 40), crypto, keys };
        let before = told(&room);
        drop(room.timeout(&env));
        drop(room.acknowledged(&env, &kit::domain("b.example"), u64::MAX));
        assert!(told(&room) == before, "dropped steps");
        let _ = room.timeout(&env).apply();
    });
    Ok(())
}

thread_local! {
    static WORKPLACE: (RustCrypto, hub::Keys) = {
        let (public, signer) = kit::signing_key();
        (RustCrypto::default(), hub::Keys::new(public, signer, [42; 32]))
    };
}

fn follower(records: &Records, _: bool) -> Result<(), RestoreError> {
    let mut room = follower::Room::restore(records, Limits::default())?;
    let again = follower::Room::restore(records, Limits::default())?;
    alike(&room, &again);
    let clients: Vec<ClientUri> = room.clients().take(8).cloned().collect();
    let _ = (room.hub(), room.is_idle(), room.lagging().count(), room.backlog().len());
    for client in &clients {
        let _ = room.owed(client);
    }
    let crypto = RustCrypto::default();
    let env = Env { now: START.plus(1 << 40), crypto: &crypto, keys: &() };
    let before = told(&room);
    drop(room.timeout(&env));
    if let Some(client) = clients.first() {
        drop(room.acknowledged(client, u64::MAX));
        drop(room.left(&env, client, u64::MAX - 1));
        drop(room.deleted(&env, client));
    }
    assert!(told(&room) == before, "dropped steps");
    let _ = room.timeout(&env).apply();
    Ok(())
}

fn client(records: &Records, _: bool) -> Result<(), RestoreError> {
    let limits = Limits::default();
    let mut room = client::Room::restore(records, &limits)?;
    let again = client::Room::restore(records, &limits)?;
    alike(&room, &again);
    let _ = (room.events().count(), room.outbox().count());
    if let Ok(step) = room.acknowledge(&[]) {
        drop(step);
    }
    Ok(())
}

fn device(records: &Records, _: bool) -> Result<(), RestoreError> {
    let limits = Limits::default();
    let device = client::Device::restore(records, &limits)?;
    alike(&device, &client::Device::restore(records, &limits)?);
    Ok(())
}

fn user(records: &Records, _: bool) -> Result<(), RestoreError> {
    let restore =
        || provider::User::restore(records, Limits::default(), provider::Policy::default());
    let mut user = restore()?;
    alike(&user, &restore()?);
    let clients: Vec<ClientUri> = user.clients().cloned().collect();
    for client in &clients {
        let _ = user.left(client);
    }
    let _ = (user.backlog().len(), user.asked().count(), user.requests().count());
    let crypto = RustCrypto::default();
    let env = Env { now: START.plus(1 << 40), crypto: &crypto, keys: &() };
    let before = told(&user);
    drop(user.timeout(&env));
    drop(user.delete());
    assert!(told(&user) == before, "dropped steps");
    let _ = user.timeout(&env).apply();
    Ok(())
}
