//! The draft's own example (draft-ietf-mimi-protocol-06, sections 3.1 to 3.6), and then a ban.

use std::{cell::RefCell, rc::Rc};

use openmimi::{
    client::Intent,
    hub::Wish,
    policy::{RoleIndex, presets::Preset},
    provider::Stance,
    uri::{Domain, RoomUri, UserUri},
    wire::{ClientMaterial, GroupInfoAnswer},
};

use super::{
    shared::{
        crash::Plan,
        phone::SUITE,
        stage::{self, Broken, Scene, promise},
        trace::Trace,
    },
    world::World,
};

pub const ALICE: &str = "mimi://a.example/u/alice";
pub const BOB: &str = "mimi://b.example/u/bob";
pub const CATHY: &str = "mimi://c.example/u/cathy";

/// Somebody in an ordinary role of the cooperative room.
const ORDINARY: RoleIndex = Preset::Cooperative.ordinary();

pub struct Story {
    pub world: World,
    pub room: RoomUri,
    alice: usize,
    bob: usize,
    cathy: [usize; 2],
    third: Option<usize>,
}

fn user(uri: &str) -> UserUri {
    UserUri::parse(uri).expect("a user")
}

fn domain(of: &str) -> Domain {
    user(of).domain()
}

impl stage::Story for Story {
    const NAME: &'static str = "clubhouse";

    const SCENES: &'static [(&'static str, Scene<Self>)] = &[
        ("Alice creates the room", Self::create),
        ("Alice adds Bob", Self::add_bob),
        ("Bob adds Cathy, through the hub", Self::add_cathy),
        ("Cathy sends a message", Self::cathy_speaks),
        ("Cathy's third device joins, with nobody online", Self::third_device),
        ("Alice bans Bob", Self::ban),
        ("The next commit removes his client; his return is refused", Self::after_the_ban),
        ("Cathy leaves", Self::leave),
    ];

    fn begin() -> Self {
        Self::new()
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
        stage::parties(self.world.servers.keys(), &self.world.phones)
    }

    fn summary(&self) -> String {
        stage::summary(self.hub(), &self.world.phones, |line| line)
    }
}

impl Story {
    /// Three providers, three users with four devices.
    fn new() -> Self {
        let mut world = World::new(&["a.example", "b.example", "c.example"]);
        for (uri, stance) in [(ALICE, Stance::Closed), (BOB, Stance::Open), (CATHY, Stance::Open)] {
            world.server(&domain(uri)).register(&user(uri), stance);
        }
        let alice = world.phone("Alice", ALICE, "mimi://a.example/d/alice/ClientA1");
        let bob = world.phone("Bob", BOB, "mimi://b.example/d/bob/ClientB1");
        let cathy = [
            world.phone("Cathy", CATHY, "mimi://c.example/d/cathy/ClientC1"),
            world.phone("Cathy2", CATHY, "mimi://c.example/d/cathy/ClientC2"),
        ];
        let room = RoomUri::parse("mimi://a.example/r/clubhouse").expect("a room");
        Self { world, room, alice, bob, cathy, third: None }
    }

    /// Section 3.1: what the hub offers, the creator builds.
    fn create(&mut self) -> Result<(), Broken> {
        let now = self.world.now;
        let creator = user(ALICE);
        let wish = Wish {
            room: self.room.clone(),
            creator: creator.clone(),
            ciphersuite: SUITE,
            policy: Preset::Cooperative.room(&self.room, &creator, &[]),
        };
        let hub = self.room.domain();
        let offer = self.world.server(&hub).offer(now, &wish);
        let created = self.world.phones[self.alice].create(now, &offer);
        let peer = self.world.phones[self.alice].peer();
        self.world.server(&hub).create(now, &peer, &offer, &created);
        self.world.trace.note("Alice", format!("creates {} from the hub's offer", self.room));
        self.expect(0, &[ALICE], &[ALICE])
    }

    /// Section 3.2.
    fn add_bob(&mut self) -> Result<(), Broken> {
        self.add(self.alice, BOB, 1)?;
        self.expect(1, &[ALICE, BOB], &[ALICE, BOB])
    }

    /// Section 3.3.
    fn add_cathy(&mut self) -> Result<(), Broken> {
        self.add(self.bob, CATHY, 2)?;
        self.expect(2, &[ALICE, BOB, CATHY], &[ALICE, BOB, CATHY, CATHY])
    }

    fn add(&mut self, by: usize, whom: &str, clients: usize) -> Result<(), Broken> {
        let material = self.world.key_material(by, &self.room, &user(whom))?;
        let has = |material: &ClientMaterial| matches!(material, ClientMaterial::KeyPackage(_));
        let found = material.clients.iter().filter(|client| has(&client.material)).count();
        promise(found == clients, || format!("{whom}: {found} KeyPackages instead of {clients}"))?;
        self.world
            .act(by, &self.room, |room, env, token| room.add(env, token, ORDINARY, &material))?;
        self.world.settle();
        Ok(())
    }

    /// Section 3.4, with franking.
    fn cathy_speaks(&mut self) -> Result<(), Broken> {
        self.world.say(self.cathy[0], &self.room, "Hello, clubhouse!")?;
        self.world.settle();
        for reader in [self.alice, self.bob, self.cathy[1]] {
            self.has_read(reader, "cathy: Hello, clubhouse! [Valid]")?;
        }
        Ok(())
    }

    /// Section 3.6.
    fn third_device(&mut self) -> Result<(), Broken> {
        let third = self.world.phone("Cathy3", CATHY, "mimi://c.example/d/cathy/ClientC3");
        self.third = Some(third);
        for phone in [self.alice, self.bob, self.cathy[0], self.cathy[1]] {
            self.world.phones[phone].online = false;
        }
        let (request, response) = self.world.group_info(third, &self.room);
        promise(matches!(response.answer, GroupInfoAnswer::Success(_)), || {
            "no GroupInfo for Cathy".into()
        })?;
        self.world.join_external(third, &request, &response);
        self.world.settle();
        self.world.say(third, &self.room, "My tablet is here too.")?;
        self.world.settle();
        for phone in [self.alice, self.bob, self.cathy[0], self.cathy[1]] {
            self.world.phones[phone].online = true;
        }
        self.world.settle();
        for reader in [self.alice, self.bob, self.cathy[0], self.cathy[1]] {
            self.has_read(reader, "cathy: My tablet is here too. [Valid]")?;
        }
        self.expect(3, &[ALICE, BOB, CATHY], &[ALICE, BOB, CATHY, CATHY, CATHY])
    }

    /// A ban by a bundle of proposals: it takes effect when the hub accepts it.
    fn ban(&mut self) -> Result<(), Broken> {
        // Bob's message is on its way when the ban comes.
        self.world.say(self.bob, &self.room, "You cannot silence me!")?;
        let bob = user(BOB);
        let intent =
            Intent { roles: vec![(bob.clone().into(), RoleIndex::BANNED)], ..Intent::default() };
        self.world
            .act(self.alice, &self.room, |room, env, token| room.propose(env, token, &intent))?;
        self.world.send_outbox(self.alice);
        self.world.send_outbox(self.bob);
        self.world.settle();
        self.has_read(self.bob, "failed: NotAllowed")?;
        for reader in [self.alice, self.cathy[0]] {
            let heard =
                self.world.phones[reader].read.values().any(|line| line.contains("silence"));
            promise(!heard, || "a banned user was heard".into())?;
        }
        let banned = self.hub().effective().role(&bob);
        promise(banned == RoleIndex::BANNED, || "the ban is not in effect".into())?;
        // Not committed yet: his client is a member still.
        self.expect(3, &[ALICE, BOB, CATHY], &[ALICE, BOB, CATHY, CATHY, CATHY])
    }

    fn after_the_ban(&mut self) -> Result<(), Broken> {
        let room = self.room.clone();
        self.world.act(self.cathy[0], &room, |room, env, token| room.commit_pending(env, token))?;
        self.world.settle();
        self.expect(4, &[ALICE, BOB, CATHY], &[ALICE, CATHY, CATHY, CATHY])?;
        promise(!self.world.phones[self.bob].rooms.contains_key(&room), || {
            "Bob does not know that he is out".into()
        })?;
        let (_, response) = self.world.group_info(self.bob, &room);
        promise(response.answer == GroupInfoAnswer::NotAuthorized, || "Bob may come back".into())
    }

    /// Section 3.5: proposals that wait, a commit without them, and one with them.
    fn leave(&mut self) -> Result<(), Broken> {
        let room = self.room.clone();
        self.world.act(self.cathy[0], &room, |room, env, token| room.leave(env, token))?;
        self.world.send_outbox(self.cathy[0]);
        let third = self.third.ok_or("Cathy's third device is not there")?;
        // Alice has not heard of it: her commit lacks the proposals. When she has, she makes it again with them.
        self.world.act(self.alice, &room, |room, env, token| room.update_self(env, token))?;
        self.world.send_outbox(self.alice);
        promise(self.hub().epoch() == 4, || {
            "a commit without the waiting proposals was accepted".into()
        })?;
        self.world.wait(1_000);
        self.world.settle();
        for phone in [self.cathy[0], self.cathy[1], third] {
            promise(!self.world.phones[phone].rooms.contains_key(&room), || {
                "a device of Cathy is still in".into()
            })?;
        }
        self.expect(5, &[ALICE, BOB], &[ALICE])
    }

    fn hub(&self) -> &openmimi::hub::Room {
        self.world
            .servers
            .get(&self.room.domain())
            .and_then(|server| server.hubs.get(&self.room))
            .expect("created")
    }

    fn has_read(&self, phone: usize, line: &str) -> Result<(), Broken> {
        let phone = &self.world.phones[phone];
        let times = phone.read.values().filter(|read| *read == line).count();
        promise(times == 1, || {
            format!("{} has read {line:?} {times} times: {:?}", phone.name, phone.read)
        })
    }

    /// The room at the hub, and at every client that is in it.
    fn expect(&self, epoch: u64, participants: &[&str], members: &[&str]) -> Result<(), Broken> {
        let hub = self.hub();
        promise(hub.epoch() == epoch, || {
            format!("the hub is in epoch {} instead of {epoch}", hub.epoch())
        })?;
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
        for phone in &self.world.phones {
            let Some(room) = phone.rooms.get(&self.room) else { continue };
            promise(room.epoch() == epoch, || {
                format!("{} is in epoch {}", phone.name, room.epoch())
            })?;
            promise(room.committed() == hub.committed(), || {
                format!("{} sees another room", phone.name)
            })?;
        }
        Ok(())
    }
}
