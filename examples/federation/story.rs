//! Who takes part, what happens, and what is true of the room whenever everything has arrived.

use std::{cell::RefCell, rc::Rc};

use openmimi::{
    hub,
    policy::presets::Preset,
    provider::{
        Stance,
        directory::Endpoint,
        peering::{Access, Peering},
        query::Searchable,
    },
    uri::{Domain, RoomUri, UserUri},
};

use super::{
    net::{World, domain, user},
    shared::{
        crash::Plan,
        stage::{self, Broken, Scene, promise},
        trace::Trace,
    },
};

pub const ALICE: &str = "mimi://a.example/u/alice";
pub const BOB: &str = "mimi://b.example/u/bob";
pub const CATHY: &str = "mimi://c.example/u/cathy";
pub const ERIN: &str = "mimi://c.example/u/erin";
pub const DAVE: &str = "mimi://d.example/u/dave";
/// Bob's colleague, whom nobody finds.
pub const ZOE: &str = "mimi://b.example/u/zoe";

/// Administrators add others, and there are joining codes.
pub const PRESET: Preset = Preset::Strict;

pub struct Story {
    pub world: World,
    pub room: RoomUri,
    pub alice: usize,
    pub bob: usize,
    pub laptop: usize,
    pub cathy: usize,
    pub dave: usize,
    pub tablet: Option<usize>,
    pub erin: Option<usize>,
    /// The joining code of the link.
    pub code: String,
}

impl stage::Story for Story {
    const NAME: &'static str = "federation";

    const SCENES: &'static [(&'static str, Scene<Self>)] = &[
        ("Alice looks for Bob", Self::search),
        ("Alice adds Bob, once he has consented", Self::consent),
        ("Bob, an administrator now, adds Cathy through the hub", Self::add_cathy),
        ("Dave joins with a link", Self::join_link),
        ("Cathy shows a picture, fetched through the hub", Self::picture),
        ("Cathy is away for ten epochs and comes back with a new tablet", Self::away),
        ("Dave insults Bob, who reports it", Self::report),
        ("Bob's laptop is lost; Erin joins from outside meanwhile", Self::lost_device),
        ("d.example is down for an hour", Self::outage),
        ("Dave leaves, the last one at d.example", Self::last_one_leaves),
    ];

    /// Four providers, seven devices. Each provider has agreed with each other one, but d.example may not search the
    /// users of b.example.
    fn begin() -> Self {
        let mut world = World::new();
        let domains = ["a.example", "b.example", "c.example", "d.example"].map(domain);
        world.found_providers(&domains, |own| {
            domains.iter().filter(|it| *it != own).fold(Peering::default(), |peering, peer| {
                let shy = own.as_str() == "b.example" && peer.as_str() == "d.example";
                let access =
                    if shy { Access::ALL.without(Endpoint::IdentifierQuery) } else { Access::ALL };
                peering.with(peer.clone(), access)
            })
        });
        for (uri, stance, searchable) in [
            (ALICE, Stance::Closed, Searchable::Exactly),
            (BOB, Stance::Closed, Searchable::Exactly),
            (ZOE, Stance::Closed, Searchable::No),
            (CATHY, Stance::Open, Searchable::Exactly),
            (ERIN, Stance::Closed, Searchable::No),
            (DAVE, Stance::Closed, Searchable::No),
        ] {
            world.register(&user(uri), stance, searchable);
        }
        let alice = world.phone("Alice", &user(ALICE));
        let bob = world.phone("Bob", &user(BOB));
        let laptop = world.phone("Laptop", &user(BOB));
        let cathy = world.phone("Cathy", &user(CATHY));
        let dave = world.phone("Dave", &user(DAVE));
        let room = RoomUri::parse("mimi://a.example/r/club").expect("a room");
        let code = String::new();
        Self { world, room, alice, bob, laptop, cathy, dave, tablet: None, erin: None, code }
    }

    fn trace(&self) -> &Trace {
        &self.world.trace
    }

    fn plan(&self) -> &Rc<RefCell<Plan>> {
        &self.world.plan
    }

    fn curtain(&mut self, title: &str) {
        self.world.trace.scene(title);
    }

    fn pause(&mut self) {
        self.world.wait(60_000);
    }

    fn parties(&self) -> Vec<String> {
        let mut parties = stage::parties(self.world.providers.keys(), &self.world.phones);
        parties.extend(self.world.addresses.keys().map(Domain::to_string));
        parties
    }

    fn summary(&self) -> String {
        // Each of the messages has a valid frank: the scenes look at that.
        stage::summary(self.hub(), &self.world.phones, |line| line.trim_end_matches(" [Valid]"))
    }
}

impl Story {
    pub fn hub(&self) -> &hub::Room {
        self.world
            .providers
            .get(&self.room.domain())
            .and_then(|provider| provider.hubs.get(self.room.as_str()))
            .expect("created in the second scene")
    }

    /// Whether a provider may propose in the room: it is among the external senders of the group.
    pub fn may_propose(&self, provider: &str) -> bool {
        self.hub().external_senders().any(|(sender, _)| sender.domain().as_str() == provider)
    }

    /// How often somebody has read a line.
    pub fn times(&self, phone: usize, line: &str) -> usize {
        self.world.phones[phone].read.values().filter(|read| *read == line).count()
    }

    /// Who has read a line, once; and nobody else has.
    pub fn only_read_by(&self, line: &str, readers: &[usize]) -> Result<(), Broken> {
        for phone in 0..self.world.phones.len() {
            let (times, name) = (self.times(phone, line), &self.world.phones[phone].name);
            let expected = usize::from(readers.contains(&phone));
            promise(times == expected, || {
                format!("{name} has read {line:?} {times} times, not {expected}")
            })?;
        }
        Ok(())
    }

    /// Whether a device is in the room.
    pub fn is_in(&self, phone: usize) -> bool {
        self.world.phones[phone].rooms.contains_key(&self.room)
    }

    /// The room at the hub: its participants but for the hub itself, and the users of its clients. Every device that is
    /// in it and online sees the same.
    pub fn expect(&self, participants: &[&str], members: &[&str]) -> Result<(), Broken> {
        let hub = self.hub();
        let listed: Vec<&str> = hub
            .committed()
            .participants()
            .iter()
            .filter(|it| !it.is_provider())
            .map(|it| it.uri)
            .collect();
        promise(listed == participants, || {
            format!("participants {listed:?} instead of {participants:?}")
        })?;
        let mut leaves: Vec<&str> = hub.members().map(|(_, user)| user.as_str()).collect();
        leaves.sort_unstable();
        promise(leaves == members, || format!("members {leaves:?} instead of {members:?}"))?;
        for phone in self.world.phones.iter().filter(|phone| phone.online) {
            let Some(room) = phone.rooms.get(&self.room) else { continue };
            promise(room.epoch() == hub.epoch(), || {
                format!("{} is in epoch {}, the hub in {}", phone.name, room.epoch(), hub.epoch())
            })?;
            promise(room.committed() == hub.committed(), || {
                format!("{} sees another room", phone.name)
            })?;
        }
        Ok(())
    }

    /// Whose device it is.
    pub fn owner(&self, phone: usize) -> UserUri {
        self.world.phones[phone].user.clone()
    }
}
