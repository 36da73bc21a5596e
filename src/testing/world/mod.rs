//! A world: providers, people with devices, rooms, links and disks, in which everything goes wrong that can.
//!
//! Run it in your own tests, or as `cargo run --release --example simulate`. It drives the machines of this crate as an
//! embedder would: octets between them, [`MemoryStore`]s below them, and the loop of
//! check, save, apply around each step.
//!
//! ```
//! use std::sync::Arc;
//! use openmimi::testing::world::{Config, World, steps};
//!
//! let steps = steps(7, 40);
//! let report = World::new(Arc::new(openmls_rust_crypto::RustCrypto::default()), 7, Config::default()).play(&steps);
//! assert_eq!(report.violation, None);
//! ```
//!
//! # One seed
//!
//! A seed gives a list of [`Step`]s: what happens ([`Transition`]), and with what luck. A transition is plain data whose
//! numbers choose among what there is, modulo its count; so every list means something, and a list that breaks an
//! invariant is [shrunk](shrink) by leaving steps out. All that is left to chance during a step, which requests
//! get lost, which saves fail, who gets to work, is drawn from the step's own luck; so leaving a step out changes nothing
//! about the luck of others. Good luck is 0. The choices may as well come from a fuzzer: [`Choices`].
//!
//! The same seed gives the same transitions, faults, verdicts and final states. Octets may differ, for openmls takes
//! the randomness of HPKE from the operating system and orders removals by a random hash; so nothing here branches on
//! them. openmls also looks at the wall clock. The world's clock starts in 2100, and what it makes is valid from 2020 to
//! 2200, so that only the checks of this crate see the world's time.
//!
//! # What goes wrong
//!
//! * Links lose requests and answers, deliver twice, or deliver when nobody waits any more; providers cannot reach each
//!   other; devices are off.
//! * Saves fail before anything is written, get lost, or land with nobody knowing; processes die before a step is applied
//!   and before anything is sent. All machines are evicted and restored.
//! * A second process of a provider works on the same store with what it read some time ago.
//! * Clocks jump.
//!
//! One thing does not happen: a hub never gets a second user's commit that lacks the same proposal, after which it would
//! let that lapse as one that nobody can accept. A hub that has refused the first one is restarted, and forgets it.
//!
//! # What has to hold
//!
//! A model of plain sets and maps follows what the hubs save, without MLS and without octets. After each step it is held
//! against the machines that the step has touched; each [`Invariant`] says what for. What did not hold is a
//! [`Violation`], a value. At the end the faults stop, and everything has to arrive within a bounded number of rounds.

mod act;
mod attack;
mod check;
mod choices;
mod luck;
mod model;
mod network;
mod node;
mod phone;
mod pump;
mod report;
mod server;
mod shrink;
mod slot;
#[cfg(test)]
mod tests;
mod transition;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use self::{
    choices::{Choices, Octets, Seed},
    report::{Exchange, Invariant, Report, Tally, Violation, listed},
    shrink::shrink,
    transition::{Step, Transition, steps},
};
use self::{
    luck::Luck,
    model::{Deed, Text},
    network::Network,
    node::{DEVICE, Key, Person, Phone, Provider, SUITE, Site, user_id},
    slot::Slot,
};
use super::MemoryStore;
use crate::{
    client::{self, Token},
    content::MessageId,
    env::{Crypto, Env, Limits, Timestamp},
    hub,
    provider::{self, Stance},
    uri::{ClientUri, Domain, UserUri},
};

/// The first day of 2100.
pub const START: Timestamp = Timestamp(4_102_444_800_000);

/// Cryptography that a world can share among its nodes.
pub trait WorldCrypto: Crypto + Send + Sync + 'static {}

impl<C: Crypto + Send + Sync + 'static> WorldCrypto for C {}

/// How large a world is, and what goes wrong in it.
#[derive(Clone, Debug)]
pub struct Config {
    /// Providers, at least one.
    pub providers: usize,
    /// Users of each provider at the start.
    pub users: usize,
    /// Devices, at most.
    pub devices: usize,
    /// Rooms, at most.
    pub rooms: usize,
    /// Whether anything goes wrong.
    pub faults: bool,
    /// Whether there are adversaries.
    pub adversaries: bool,
    /// A mistake to make on purpose, which the world has to find.
    pub sabotage: Sabotage,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            providers: 3,
            users: 2,
            devices: 12,
            rooms: 3,
            faults: true,
            adversaries: true,
            sabotage: Sabotage::None,
        }
    }
}

/// A mistake in how the machines are driven, to see that the world finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// None.
    None,
    /// Hubs send replies before their steps are saved.
    SendBeforeSave,
    /// Hubs forget at once what they have answered.
    ForgetAnswers,
    /// Followers forget at once what they were notified of.
    ForgetNotifications,
}

impl Sabotage {
    const fn sends_first(self) -> bool {
        matches!(self, Self::SendBeforeSave)
    }
}

/// A world. [`World::play`] plays it from beginning to end.
pub struct World<C> {
    crypto: Arc<C>,
    config: Config,
    seed: u64,
    now: Timestamp,
    step: usize,
    luck: Luck,
    providers: Vec<Provider>,
    people: Vec<Person>,
    phones: Vec<Phone>,
    sites: Vec<Site>,
    network: Network,
    model: BTreeMap<usize, model::Room>,
    /// What devices have asked their hubs for.
    deeds: BTreeMap<(usize, Token), Deed>,
    /// What of that hubs have saved.
    done: BTreeSet<(usize, Token)>,
    /// Additions under way, with devices that have lost the keys for them in the meantime.
    stale: BTreeSet<(usize, Token, usize)>,
    /// The events that followers had for their clients: provider, room and octets, with the event's number.
    told: BTreeMap<(usize, usize, Vec<u8>), u64>,
    texts: BTreeMap<MessageId, Text>,
    said: u32,
    names: u32,
    /// Devices that have lost keys at least once.
    wiped: BTreeSet<usize>,
    /// Whether a clock has jumped: then the hub's time may go back, which clients flag.
    clocks_jumped: bool,
    /// Rooms and devices' rooms that the step has touched.
    touched: BTreeSet<usize>,
    touched_devices: BTreeSet<(usize, usize)>,
    tally: Tally,
    exchanges: Vec<Exchange>,
    violation: Option<Violation>,
}

/// A clock that is ahead, or behind.
fn skewed(now: Timestamp, skew: i64) -> Timestamp {
    Timestamp(now.0.saturating_add_signed(skew))
}

impl<C: WorldCrypto> World<C> {
    /// A world in which nothing has happened yet: providers, users with a device each, KeyPackages published, and a room.
    #[must_use]
    pub fn new(crypto: Arc<C>, seed: u64, config: Config) -> Self {
        let mut world = Self {
            crypto,
            config,
            seed,
            now: START,
            step: 0,
            luck: Luck::GOOD,
            providers: Vec::new(),
            people: Vec::new(),
            phones: Vec::new(),
            sites: Vec::new(),
            network: Network::default(),
            model: BTreeMap::new(),
            deeds: BTreeMap::new(),
            done: BTreeSet::new(),
            stale: BTreeSet::new(),
            told: BTreeMap::new(),
            texts: BTreeMap::new(),
            said: 0,
            names: 0,
            wiped: BTreeSet::new(),
            clocks_jumped: false,
            touched: BTreeSet::new(),
            touched_devices: BTreeSet::new(),
            tally: Tally::default(),
            exchanges: Vec::new(),
            violation: None,
        };
        for number in 0..world.config.providers.max(1) {
            world.provider(number);
        }
        for number in 0..world.config.providers.max(1) * world.config.users.max(1) {
            world.user(number);
            world.new_device(number);
        }
        world.create(0, u8::try_from(seed % 6).unwrap_or(0));
        world
    }

    fn provider(&mut self, number: usize) {
        let domain = Domain::parse(format!("p{number}.example")).expect("a plain name");
        let (public, key) = Key::new(&self.crypto);
        let mut limits = Self::limits();
        match self.config.sabotage {
            Sabotage::ForgetAnswers => (limits.answered, limits.answered_for) = (0, 0),
            Sabotage::ForgetNotifications => limits.notified = 0,
            Sabotage::None | Sabotage::SendBeforeSave => {}
        }
        self.providers.push(Provider {
            domain,
            keys: hub::Keys::new(public, key, [7; 32]),
            limits,
            store: MemoryStore::new(),
            hubs: BTreeMap::new(),
            followers: BTreeMap::new(),
            users: BTreeMap::new(),
            skew: 0,
        });
    }

    /// Small where that changes nothing but when they are reached; large where a world would have to wait.
    fn limits() -> Limits {
        Limits {
            answered: 4_096,
            answered_for: 365 * 24 * 60 * 60 * 1_000,
            notified: 4_096,
            pending_proposals: 24,
            claims_by_requester: 4_096,
            claims_by_peer: 4_096,
            key_packages: 40,
            ..Limits::default()
        }
    }

    fn user(&mut self, number: usize) {
        let home = number % self.providers.len();
        let provider = &mut self.providers[home];
        let uri = UserUri::new(&provider.domain, format!("u{number}")).expect("a plain name");
        let founding = provider::User::found(
            provider.limits.clone(),
            slot::policy(),
            uri.clone(),
            Stance::Open,
        );
        provider
            .store
            .save(user_id(number).as_bytes(), founding.changes())
            .expect("nothing goes wrong");
        provider.users.insert(number, Slot::new(founding.apply().0));
        self.people.push(Person { uri, home });
    }

    /// A user gets a further device.
    fn new_device(&mut self, user: usize) -> bool {
        if self.phones.len() >= self.config.devices.max(self.people.len()) {
            return false;
        }
        let number = self.phones.len();
        let person = &self.people[user];
        let name = format!("{}/d{number}", person.uri.name());
        let client = ClientUri::new(&person.uri.domain(), name).expect("a plain name");
        let (signature_key, key) = Key::new(&self.crypto);
        let signer = key.clone();
        let keys = client::Keys::new(signature_key.clone(), key);
        self.phones.push(Phone {
            user,
            client,
            keys,
            signature_key,
            signer,
            limits: Self::limits(),
            store: MemoryStore::new(),
            device: Slot::default(),
            rooms: BTreeMap::new(),
            apps: BTreeMap::new(),
            on: true,
            tokens: 0,
            skew: 0,
        });
        self.found_device(number);
        let luck = std::mem::replace(&mut self.luck, Luck::GOOD);
        self.publish(number, 4);
        self.luck = luck;
        true
    }

    fn found_device(&mut self, number: usize) {
        let phone = &mut self.phones[number];
        let founding = client::Device::new(
            self.people[phone.user].uri.clone(),
            phone.client.clone(),
            phone.signature_key.clone(),
            &phone.limits,
        );
        phone.store.save(DEVICE.as_bytes(), founding.changes()).expect("nothing goes wrong");
        phone.device = Slot::new(founding.apply().0);
    }

    /// A device makes KeyPackages and gives them to its provider.
    fn publish(&mut self, device: usize, count: usize) -> bool {
        let token = self.phones[device].token();
        let made = self.at_device(device, |machine, env| {
            machine.make_key_packages(env, token, count, SUITE, act::VALID)
        });
        if made.is_err() {
            return false;
        }
        let crypto = self.crypto.clone();
        let Some(machine) = self.phones[device].device() else { return false };
        let made = machine.to_publish();
        let references: Vec<_> = made.iter().filter_map(|it| it.reference(&*crypto).ok()).collect();
        let octets: Vec<Vec<u8>> = made.iter().map(|it| it.as_bytes().to_vec()).collect();
        let (peer, user) = (self.peer_of(device), self.phones[device].user);
        let taken = self.at_user(user, |user, env| user.publish(env, &peer, &octets));
        if !matches!(taken, Some(Ok(_))) {
            return false;
        }
        let _: Result<_, slot::Halt<()>> =
            self.at_device(device, |machine, _| Ok(machine.published(&references)));
        true
    }

    /// A device loses all it has saved but its signing key. It tells its provider, who forgets its KeyPackages.
    fn wipe(&mut self, device: usize) -> bool {
        let rooms: Vec<usize> = self.model.keys().copied().collect();
        for room in rooms {
            let read = self.read_by(device, room);
            if let Some(model) = self.model.get_mut(&room) {
                model.deafen(device, &read);
            }
        }
        self.wiped.insert(device);
        for ((by, token), deed) in &self.deeds {
            if let Deed::Commit(model::Wish::Add(_, _, devices)) = deed
                && devices.contains(&device)
                && !self.done.contains(&(*by, *token))
            {
                self.stale.insert((*by, *token, device));
            }
        }
        let phone = &mut self.phones[device];
        phone.store = MemoryStore::new();
        phone.rooms.clear();
        for app in phone.apps.values_mut() {
            app.taken.clear();
            app.own = None;
        }
        self.found_device(device);
        let (user, client) = (self.phones[device].user, self.phones[device].client.clone());
        let luck = std::mem::replace(&mut self.luck, Luck::GOOD);
        self.at_user(user, |user, _| Ok::<_, ()>(user.retire(&client)));
        let home = self.people[user].home;
        let followed: Vec<usize> = self.providers[home].followers.keys().copied().collect();
        for room in followed {
            self.at_follower(home, room, |follower, _| Ok::<_, ()>(follower.left(&client)));
        }
        self.publish(device, 4);
        self.luck = luck;
        true
    }

    fn owners(&self) -> Vec<usize> {
        self.phones.iter().map(|phone| phone.user).collect()
    }

    /// The first thing that does not hold is what a world tells.
    fn break_if(&mut self, broken: Option<(Invariant, String)>) {
        if let (None, Some((invariant, found))) = (&self.violation, broken) {
            self.violation = Some(Violation { invariant, seed: self.seed, step: self.step, found });
        }
    }

    /// Plays some steps, then lets the faults stop and everything arrive. Stops at the first violation.
    #[must_use]
    pub fn play(mut self, steps: &[Step]) -> Report {
        for (number, step) in steps.iter().enumerate() {
            self.step = number;
            self.luck = Luck::new(step.luck, self.config.faults);
            let done = self.happen(step.transition);
            let counts = self.tally.transitions.entry(step.transition.name()).or_default();
            counts.0 += 1;
            counts.1 += u64::from(done);
            self.pump();
            self.check();
            if self.violation.is_some() {
                return self.report(number + 1);
            }
        }
        self.step = steps.len();
        self.converge();
        self.report(steps.len())
    }

    fn report(self, steps: usize) -> Report {
        Report {
            seed: self.seed,
            steps,
            ending: self.ending(),
            tally: self.tally,
            exchanges: self.exchanges,
            violation: self.violation,
        }
    }

    /// Something happens. Says whether it could.
    fn happen(&mut self, transition: Transition) -> bool {
        let member = |world: &Self, by, room| {
            let room = world.some_room(room)?;
            Some((world.some_member(by, room)?, room))
        };
        match transition {
            Transition::Create { device, preset } => {
                self.some_device(device).is_some_and(|device| self.create(device, preset))
            }
            Transition::Add { by, user, room } => {
                match (member(self, by, room), self.some_candidate(user, room)) {
                    (Some((by, room)), Some(user)) => self.add(by, user, room),
                    _ => false,
                }
            }
            Transition::Remove { by, user, room } => {
                match (member(self, by, room), self.some_participant(user, room)) {
                    (Some((by, room)), Some(user)) => self.remove(by, user, room),
                    _ => false,
                }
            }
            Transition::SetRole { by, user, room, role } => {
                match (member(self, by, room), self.some_participant(user, room)) {
                    (Some((by, room)), Some(user)) => self.set_role(by, user, room, role),
                    _ => false,
                }
            }
            Transition::Rename { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.rename(by, room))
            }
            Transition::Refresh { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.refresh(by, room))
            }
            Transition::Commit { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.commit(by, room))
            }
            Transition::Propose { by, user, room, what } => {
                match (member(self, by, room), self.some_participant(user, room)) {
                    (Some((by, room)), Some(user)) => self.propose(by, user, room, what),
                    _ => false,
                }
            }
            Transition::RemoveClient { by, device, room } => {
                match (member(self, by, room), self.some_device(device)) {
                    (Some((by, room)), Some(device)) => self.remove_client(by, device, room),
                    _ => false,
                }
            }
            Transition::Leave { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.leave(by, room))
            }
            Transition::Join { device, room } => {
                match (self.some_joiner(device, room), self.some_room(room)) {
                    (Some(device), Some(room)) => self.join(device, room),
                    _ => false,
                }
            }
            Transition::Send { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.say(by, room))
            }
            Transition::React { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.react(by, room))
            }
            Transition::Edit { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.edit(by, room))
            }
            Transition::HubProposes { room, user, what } => {
                match (self.some_room(room), self.some_participant(user, room)) {
                    (Some(room), Some(user)) => self.hub_proposes(room, user, what),
                    _ => false,
                }
            }
            Transition::Report { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.report_abuse(by, room))
            }
            Transition::Destroy { by, room } => {
                member(self, by, room).is_some_and(|(by, room)| self.destroy(by, room))
            }
            Transition::NewDevice { user } => {
                self.some_user(user).is_some_and(|user| self.new_device(user))
            }
            Transition::Wipe { device } => {
                self.some_device(device).is_some_and(|device| self.wipe(device))
            }
            Transition::Publish { device, count } => self
                .some_device(device)
                .is_some_and(|device| self.publish(device, usize::from(count % 4) + 1)),
            Transition::Exhaust { user } => {
                self.some_user(user).is_some_and(|user| self.exhaust(user))
            }
            Transition::Consent { user, requester, given } => {
                match (self.some_user(user), self.some_user(requester)) {
                    (Some(user), Some(requester)) => self.consent(user, requester, given),
                    _ => false,
                }
            }
            Transition::Power { device, on } => self
                .some_device(device)
                .is_some_and(|device| std::mem::replace(&mut self.phones[device].on, on) != on),
            Transition::Crash { node } => self.crash(node),
            Transition::Evict { provider } => {
                let provider = usize::from(provider) % self.providers.len();
                self.providers[provider].evict();
                true
            }
            Transition::Twin { provider } => {
                let provider = usize::from(provider) % self.providers.len();
                self.providers[provider].wake_twin();
                true
            }
            Transition::Partition { one, other } => {
                let count = self.providers.len();
                let (one, other) = (usize::from(one) % count, usize::from(other) % count);
                one != other && self.network.cut.insert((one.min(other), one.max(other)))
            }
            Transition::Heal => !std::mem::take(&mut self.network.cut).is_empty(),
            Transition::Skew { node, seconds } => self.skew(node, seconds),
            Transition::Wait { seconds } => {
                self.now = self.now.plus(u64::from(seconds) * 1_000);
                true
            }
            Transition::Settle => {
                self.settle(12);
                true
            }
            Transition::Attack { attack, room, by } => {
                self.config.adversaries
                    && member(self, by, room)
                        .is_some_and(|(by, room)| self.attack(attack, by, room))
            }
        }
    }

    fn crash(&mut self, node: u8) -> bool {
        let node = usize::from(node) % (self.providers.len() + self.phones.len());
        self.tally.fault("crash");
        match node.checked_sub(self.providers.len()) {
            None => self.providers[node].evict(),
            Some(device) => self.phones[device].evict(),
        }
        true
    }

    fn skew(&mut self, node: u8, seconds: u8) -> bool {
        let node = usize::from(node) % (self.providers.len() + self.phones.len());
        let skew = (i64::from(seconds) - 128) * 1_000;
        self.clocks_jumped = true;
        match node.checked_sub(self.providers.len()) {
            None => self.providers[node].skew = skew,
            Some(device) => self.phones[device].skew = skew,
        }
        true
    }

    /// Somebody of another provider claims KeyPackages, and uses none.
    fn exhaust(&mut self, target: usize) -> bool {
        let Some(device) = (0..self.phones.len()).find(|it| self.phones[*it].user != target) else {
            return false;
        };
        let Some(room) = self.phones[device].rooms.keys().next().copied() else { return false };
        for _ in 0..8 {
            let uri = self.sites[room].uri.clone();
            let target_uri = self.people[target].uri.clone();
            let crypto = self.crypto.clone();
            let phone = &mut self.phones[device];
            let now = skewed(self.now, phone.skew);
            let Some(machine) = phone.device.current(DEVICE, &phone.store, &phone.limits) else {
                return false;
            };
            let env = Env { now, crypto: &*crypto, keys: &phone.keys };
            let Ok(request) = machine.request_key_material(&env, &target_uri, &uri, SUITE) else {
                return false;
            };
            let body = crate::codec::Wire::encode(&request);
            let endpoint = network::Endpoint::KeyMaterial(target);
            let request = network::Request { endpoint, body, origin: network::Origin::Nobody };
            self.ask(device, &request);
            self.now = self.now.plus(61_000);
        }
        true
    }
}
