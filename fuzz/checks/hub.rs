//! What holds for any requests to a hub with a room behind it: each is a drill with a crash at every save, a refusal
//! leaves no trace, and the restored room answers as the live one.

use std::cell::RefCell;

use openmimi::{
    codec::{Wire, write_bytes},
    delivery::LeafIndex,
    env::{Limits, Peer},
    follower::Notice,
    hub::Proposal,
    policy::RoleIndex,
    room::{ComponentId, ParticipantListUpdate},
    testing::MemoryStore,
    wire::{
        ClientKeyMaterial, ClientMaterial, KeyMaterialResponse, KeyMaterialUserCode, KeyPackage,
        PublicMessage,
    },
};

use super::edit::{Script, UNEDITED};
use crate::kit::{
    self, Bundle, Client, Forge, Hub, World, add, by_value, component_update, list_update, remove,
    tls,
};

/// Steps of one script: enough for some to build on others.
const STEPS: usize = 10;

/// Sends what the script says to a room of three.
pub fn check(input: &[u8]) {
    thread_local! {
        static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
    }
    STAGE.with_borrow_mut(|stage| stage.get_or_insert_with(Stage::new).play(input));
}

/// One script for each kind of step, and for each request that is valid; and some in a row.
pub fn scripts() -> Vec<Vec<u8>> {
    let request = |number| [&[SEND, number, 0xff][..], UNEDITED].concat();
    let mut scripts: Vec<Vec<u8>> = (0..REQUESTS).map(request).collect();
    scripts.extend((0..KINDS).map(|kind| vec![kind, 1, 0, 0, 1, 0, 0, 0]));
    scripts.push((0..REQUESTS).flat_map(request).collect());
    scripts.push((0..REQUESTS).rev().flat_map(request).collect());
    scripts.push((0..KINDS).flat_map(|kind| [kind, 0, 0, 0, 0]).collect());
    // A list update of each kind, signed by Alice: removed, added and changed are vectors.
    for update in [&[4, 0, 0, 0, 1, 0, 0][..], &[0, 8, 0, 0, 0, 1, 0, 0, 0, 1, 0]] {
        let data = [&[0, 8, 0, 0x22, 1, u8::try_from(update.len()).unwrap()], update].concat();
        let length = u8::try_from(data.len()).unwrap();
        scripts.push([&[PROPOSE, 0, 0, length][..], &data, &request(0)].concat());
    }
    scripts
}

const SEND: u8 = 0;
const PROPOSE: u8 = 4;
const REQUESTS: u8 = 9;
const KINDS: u8 = 14;

/// Where a request goes.
#[derive(Clone, Copy)]
enum Endpoint {
    Update,
    Submit,
    GroupInfo,
}

/// A request that is valid as it is.
struct Request {
    endpoint: Endpoint,
    peer: Peer,
    body: Vec<u8>,
}

/// A room of Alice, Bob and Cathy, and what can be sent to its hub.
struct Stage {
    world: World,
    store: MemoryStore,
    requests: Vec<Request>,
    commit: Bundle,
    key_material: Vec<u8>,
    peers: Vec<Peer>,
}

impl Stage {
    fn new() -> Self {
        let mut world = World::clubhouse();
        let (dave, mut tablet) =
            (Client::new("dave@d.example/phone"), Client::new("bob@b.example/tablet"));
        let mut requests = Vec::new();
        let mut push = |endpoint, peer: Peer, body| requests.push(Request { endpoint, peer, body });

        // Another client of Bob's asks for the group, and enters it.
        let given = world.hub.group_info(&tablet).unwrap();
        world.tick();
        let (asked, _) = world.hub.group_info_request(&tablet);
        push(Endpoint::GroupInfo, tablet.peer(), asked.encode());
        push(Endpoint::Update, tablet.peer(), tablet.enter(&given, None).body());

        let said = world.client("bob@b.example").say(b"hello", Some(&[7; 32]));
        push(Endpoint::Submit, kit::server("b.example"), said);
        let said = world.client("cathy@c.example").say(b"hello", None);
        push(Endpoint::Submit, kit::server("c.example"), said);

        let alice = world.client("alice@a.example");
        let peer = alice.peer();
        let added = vec![(dave.user.clone().into(), RoleIndex(2))];
        let on = list_update(&ParticipantListUpdate { added, ..Default::default() });
        let new = vec![on, add(dave.key_package())];
        push(Endpoint::Update, peer.clone(), alice.propose(new.clone()));
        alice.forget_proposals();
        let commit = alice.commit(new);
        push(Endpoint::Update, peer.clone(), commit.body());
        alice.forget_commit();
        let places =
            [alice.place(kit::user("bob@b.example")), alice.place(kit::user("cathy@c.example"))];
        let changed = places.map(|place| (place, RoleIndex(3))).to_vec();
        let role = list_update(&ParticipantListUpdate { changed, ..Default::default() });
        push(Endpoint::Update, peer.clone(), alice.propose(vec![role]));
        alice.forget_proposals();
        let commit = alice.update_path();
        push(Endpoint::Update, peer.clone(), commit.body());
        alice.forget_commit();
        let cathy = world.client("cathy@c.example");
        let leaves = cathy.leave();
        push(Endpoint::Update, kit::server("c.example"), leaves);
        cathy.forget_proposals();
        assert_eq!(requests.len(), usize::from(REQUESTS));
        for Request { endpoint, peer, body } in &requests {
            let mut room = world.hub.restored();
            let env = world.hub.env();
            // As it is, each is accepted.
            match endpoint {
                Endpoint::Update => drop(room.update(&env, peer, body).unwrap()),
                Endpoint::Submit => drop(room.submit_message(&env, peer, body).unwrap()),
                Endpoint::GroupInfo => drop(room.group_info(&env, peer, body).unwrap()),
            }
        }

        let key_package = KeyPackage::decode(&tls(&dave.key_package())).unwrap();
        let key_material = KeyMaterialResponse {
            protocol: openmimi::wire::PROTOCOL_MLS10,
            user_status: KeyMaterialUserCode::Success,
            user: dave.user.clone(),
            clients: vec![ClientKeyMaterial {
                client: dave.uri.clone(),
                material: ClientMaterial::KeyPackage(key_package),
            }],
        };
        let servers = ["a.example", "b.example", "c.example", "d.example"].map(kit::server);
        let clients = world
            .clients
            .iter()
            .chain([&dave, &tablet])
            .map(|client| Peer::Client(client.uri.clone(), client.user.clone()));
        Self {
            peers: servers.into_iter().chain(clients).collect(),
            store: world.hub.store.clone(),
            key_material: key_material.encode(),
            requests,
            commit,
            world,
        }
    }

    fn play(&mut self, input: &[u8]) {
        let hub = &mut self.world.hub;
        hub.store = self.store.clone();
        hub.now = kit::START.plus(1_000_000);
        hub.restart();
        let mut script = Script::new(input);
        for _ in 0..STEPS {
            if script.is_over() {
                break;
            }
            self.step(&mut script);
            self.world.hub.check();
            holds(&self.world.hub);
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.u8() % KINDS {
            SEND => {
                let request = script.one_of(&self.requests);
                let (endpoint, mut peer, mut body) =
                    (request.endpoint, request.peer.clone(), request.body.clone());
                if let Some(other) = self.peers.get(usize::from(script.u8())) {
                    peer = other.clone();
                }
                script.edit(&mut body);
                send(&mut self.world.hub, endpoint, &peer, &body);
            }
            kind @ 1..=3 => {
                let endpoints = [Endpoint::Update, Endpoint::Submit, Endpoint::GroupInfo];
                let peer = script.one_of(&self.peers).clone();
                let endpoint = endpoints[usize::from(kind - 1)];
                send(&mut self.world.hub, endpoint, &peer, script.string());
            }
            PROPOSE => self.forge(script, |_, proposal| proposal.to_vec()),
            5 => self.forge(script, |id, data| tls(&component_update(ComponentId(id), data))),
            6 => self.forge(script, |leaf, _| tls(&remove(leaf.into()))),
            7 => {
                // Alice's commit with more proposals than it had.
                let (id, count) = (script.u16(), script.u8() % 4);
                let mut proposals = Vec::new();
                for _ in 0..count {
                    let data = script.string();
                    proposals.push(match script.u8() % 3 {
                        0 => [&[1], data].concat(),
                        1 => by_value(&component_update(ComponentId(id), data)),
                        _ => by_value(&remove(id.into())),
                    });
                }
                let alice = &self.world.clients[0];
                let context = alice.group_context();
                let commit = Forge::commit(alice, &context, &self.commit.commit, &proposals);
                self.handshake(0, &commit, true);
            }
            8 => {
                let client = usize::from(script.u8()) % self.world.clients.len();
                let index = u32::from(script.u8() % 3);
                let message = Forge::of_server(&self.world.clients[client], index, script.string());
                self.handshake(client, &message, false);
            }
            9 => {
                let names =
                    ["alice@a.example", "bob@b.example", "cathy@c.example", "eve@e.example"];
                let name: &&str = script.one_of(&names);
                let user = kit::user(name);
                let leaf = LeafIndex(script.u8().into());
                let kinds = [
                    Proposal::Remove(user.clone()),
                    Proposal::Ban(user),
                    Proposal::RemoveClient(leaf),
                ];
                let count = usize::from(script.u8() % 4);
                let proposals: Vec<Proposal> =
                    (0..count).map(|_| script.one_of(&kinds).clone()).collect();
                let _ = self.world.hub.propose(&proposals);
            }
            10 => {
                let domain = script.one_of(&self.peers[..4]).domain();
                let number = u64::from(script.u8());
                let done: Result<(), ()> = match script.u8() % 4 {
                    0 => self.world.hub.drill(|room, env| {
                        Ok(room.notify_failed(env, &domain, Some(number << 10)))
                    }),
                    1 => self.world.hub.drill(|room, env| Ok(room.abandon(env, &domain))),
                    2 => self
                        .world
                        .hub
                        .drill(|room, env| Ok(room.acknowledged(env, &domain, u64::MAX - number))),
                    _ => {
                        self.world.hub.acknowledge(&domain, number);
                        Ok(())
                    }
                };
                done.unwrap();
            }
            11 => {
                // From a second to a thousand years.
                let hub = &mut self.world.hub;
                hub.now = hub.now.plus(1_000 << (script.u8() % 35));
                hub.timeout();
            }
            12 => {
                let mut body = self.key_material.clone();
                script.edit(&mut body);
                if let Ok(response) = KeyMaterialResponse::decode(&body) {
                    let domain = script.one_of(&self.peers[..4]).domain();
                    let hub = &mut self.world.hub;
                    let _ = hub.drill(|room, env| room.keys_claimed(env, &domain, &response));
                }
            }
            _ => self.world.hub.restart(),
        }
    }

    /// A proposal of a member, signed as it should be, whatever it is.
    fn forge(&mut self, script: &mut Script<'_>, proposal: impl Fn(u16, &[u8]) -> Vec<u8>) {
        let client = usize::from(script.u8()) % self.world.clients.len();
        let data = script.string();
        let proposal = proposal(script.u16(), data);
        let message = Forge::proposal(&self.world.clients[client], &proposal);
        self.handshake(client, &message, false);
    }

    /// Sends a handshake message alone, or a commit with what belongs to it.
    fn handshake(&mut self, client: usize, message: &[u8], commit: bool) {
        let peer = self.world.clients[client].peer();
        let body = if commit {
            if PublicMessage::decode(message).is_err() {
                return;
            }
            self.commit.with_commit(message.to_vec()).body()
        } else {
            let mut body = message.to_vec();
            write_bytes(&mut body, &[]);
            body
        };
        send(&mut self.world.hub, Endpoint::Update, &peer, &body);
    }
}

/// Sends a request, with a crash at each save of it; then again.
fn send(hub: &mut Hub, endpoint: Endpoint, peer: &Peer, body: &[u8]) {
    match endpoint {
        Endpoint::Update => drop(hub.update(peer, body)),
        Endpoint::Submit => drop(hub.submit(peer, body)),
        Endpoint::GroupInfo => {
            let _ = hub.drill(|room, env| room.group_info(env, peer, body));
        }
    }
}

/// What holds in every room.
fn holds(hub: &Hub) {
    let room = &hub.room;
    for (leaf, user) in room.members() {
        let listed = room.committed().participants().find(user).is_some();
        assert!(listed, "the user of {leaf:?} is a participant");
    }
    assert!(room.pending() <= hub.limits.pending_proposals);
    assert!(room.committed().components().octets() <= hub.limits.components);
    // What is owed can be read by whoever gets it.
    for (provider, _) in room.backlog() {
        let (body, _) = hub.notification(provider).unwrap();
        if !body.is_empty() {
            Notice::decode(&body, &Limits::default()).unwrap();
        }
    }
}
