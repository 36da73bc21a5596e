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
//! * Adversaries try what nobody may do: see the table in `attack`.
//!
//! Two things do not happen. A good proposal does not lapse because two users' devices commit without having fetched it
//! (Q-79): a hub that has refused the first one is restarted, and forgets it. What nobody can accept does lapse, with the
//! second user's commit. And a letter of consent is never late, for nothing in it tells it from a newer one.
//!
//! # What has to hold
//!
//! A model of plain sets and maps follows what the hubs and the users' providers save, without MLS and without octets.
//! After each step it is held against the machines that the step has touched; each [`Invariant`] says what for. What did
//! not hold is a [`Violation`], a value. At the end the faults stop, and everything has to arrive within a bounded
//! number of rounds.

mod at_hub;
mod attack;
mod check;
mod choices;
mod choose;
mod codes;
mod follow;

mod letters;
mod luck;
mod members;
mod model;
mod network;
mod node;
mod people;
mod phone;
mod play;
mod policies;
mod pump;
mod receive;
mod report;
mod rooms;
mod server;
mod show;
mod shrink;
mod slot;
mod step;
mod talk;
#[cfg(test)]
mod tests;
mod transition;
mod users;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use self::{
    choices::{Choices, Octets, Seed},
    report::{Exchange, Invariant, Report, Tally, Violation, listed},
    shrink::shrink,
    step::{Step, steps},
    transition::Transition,
};
use self::{
    luck::Luck,
    model::{Deed, Text},
    network::Network,
    node::{Key, Person, Phone, Provider, Site},
};
use super::MemoryStore;
use crate::{
    client::Token,
    content::MessageId,
    env::{Crypto, Limits, Timestamp},
    hub,
    uri::Domain,
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
    /// All joining codes and links there have been.
    codes: Vec<codes::Code>,
    /// The contents that components of policies were given; none takes one away.
    policies: Vec<Option<Vec<u8>>>,
    consents: letters::Consents,
    /// Whether somebody has said yes, as somebody was told last: requester, target and room.
    heard: BTreeMap<(usize, usize, Option<usize>), bool>,
    /// Proposals that nobody can accept, and what else clients are right to turn down.
    poison: BTreeSet<Vec<u8>>,
    said: u32,
    names: u32,
    /// Devices that have lost keys at least once.
    wiped: BTreeSet<usize>,
    /// Whether a clock has jumped: then the hub's time may go back, which clients flag.
    clocks_jumped: bool,
    /// Rooms and devices' rooms that the step has touched.
    touched: BTreeSet<usize>,
    touched_devices: BTreeSet<(usize, usize)>,
    touched_users: BTreeSet<usize>,
    touched_followers: BTreeSet<(usize, usize)>,
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
            codes: Vec::new(),
            policies: Vec::new(),
            consents: letters::Consents::default(),
            heard: BTreeMap::new(),
            poison: BTreeSet::new(),
            said: 0,
            names: 0,
            wiped: BTreeSet::new(),
            clocks_jumped: false,
            touched: BTreeSet::new(),
            touched_devices: BTreeSet::new(),
            touched_users: BTreeSet::new(),
            touched_followers: BTreeSet::new(),
            tally: Tally::default(),
            exchanges: Vec::new(),
            violation: None,
        };
        for number in 0..world.config.providers.max(1) {
            world.provider(number);
        }
        for number in 0..world.config.providers.max(1) * world.config.users.max(1) {
            world.new_user(number);
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
            messages: 48,
            franks: 16,
            evidence: 8,
            past_epochs: 3,
            joiners: 24,
            replays: 48,
            reports_waiting: 6,
            reports: 12,
            codes: 8,
            consents: 40,
            consents_told: 8,
            ..Limits::default()
        }
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
}
