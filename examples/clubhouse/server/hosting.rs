//! The hub of rooms: what is asked of it, what it owes to the providers, and how a room begins.

use openmimi::{
    client::Created,
    codec::Wire,
    env::{Env, Limits, Peer, Timestamp},
    hub::{self, Answer, Event},
    machine::{self, Records},
    uri::{Domain, RoomUri},
    wire::{KeyMaterialRequest, KeyMaterialResponse},
};
use openmls_rust_crypto::RustCrypto;

use super::{super::shared::crash::Halt, Reply, Server};

impl Server {
    /// A call of a room at its hub, with the answer to a refusal.
    pub(super) fn at_hub<R: Wire, F>(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        call: impl for<'a> FnOnce(
            &'a mut hub::Room,
            &Env<'_, RustCrypto, hub::Keys>,
        ) -> Result<machine::Step<'a, hub::Room, R>, hub::Refusal<F>>,
        answer: impl FnOnce(&F) -> Answer<R>,
    ) -> Option<Reply> {
        let Some(machine) = self.hubs.get_mut(room) else { return Some(Reply::status(404)) };
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        let restore = |records: &Records| hub_of(records, &self.limits);
        match self.disk.step(&hub_id(room), machine, restore, |machine| call(machine, &env)) {
            Ok(outcome) => Some(Reply::ok(outcome.reply.encode())),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => Some(Reply::of(answer(&refusal.reason))),
        }
    }

    /// Key material has come back for a request that was sent on: the hub takes note of it.
    pub fn key_material_passed(
        &mut self,
        now: Timestamp,
        from: &Domain,
        request: &[u8],
        reply: Reply,
    ) -> Option<Reply> {
        let (Ok(request), Ok(response)) =
            (KeyMaterialRequest::decode(request), KeyMaterialResponse::decode(&reply.body))
        else {
            return Some(reply);
        };
        let room = request.head().room.clone().expect("only requests for a room are sent on");
        let machine = self.hubs.get_mut(&room).expect("only the hub sends on");
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        let restore = |records: &Records| hub_of(records, &self.limits);
        let done = self.disk.step(&hub_id(&room), machine, restore, |machine| {
            machine.keys_claimed(&env, from, &response)
        });
        match done {
            Ok(_) => Some(reply),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(_)) => Some(Reply::status(502)),
        }
    }

    /// What is outstanding for other providers and for its own: the room, whom, up to which event, and the body.
    pub fn outstanding(&self) -> Vec<(RoomUri, Domain, u64, Vec<u8>)> {
        let mut all = Vec::new();
        for (room, machine) in &self.hubs {
            for (provider, events) in machine.backlog() {
                let through = events.end - 1;
                let records: Vec<&[u8]> = events
                    .filter_map(|event| {
                        self.disk.store.read(hub_id(room).as_bytes(), &Event::key(event))
                    })
                    .collect();
                let body = Event::notification(provider, records).expect("the hub's own records");
                all.push((room.clone(), provider.clone(), through, body));
            }
        }
        all
    }

    /// A provider has taken events over.
    pub fn acknowledged(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        provider: &Domain,
        through: u64,
    ) {
        let machine = self.hubs.get_mut(room).expect("it was this hub's event");
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        let restore = |records: &Records| hub_of(records, &self.limits);
        let _: Result<_, Halt<()>> = self.disk.step(&hub_id(room), machine, restore, |machine| {
            Ok(machine.acknowledged(&env, provider, through))
        });
    }

    /// The hub's part of a new room: what it has to look like.
    pub fn offer(&self, now: Timestamp, wish: &hub::Wish) -> hub::Offer {
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        hub::offer(&env, wish).expect("a wish for this hub")
    }

    /// Takes up the room that a client has made, with that client in it.
    pub fn create(&mut self, now: Timestamp, peer: &Peer, offer: &hub::Offer, created: &Created) {
        let Peer::Client(client, user) = peer else { return };
        let room = &offer.room;
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        while !self.hubs.contains_key(room) {
            let (info, tree) = (&created.group_info, &created.ratchet_tree);
            let founding = hub::Room::create(&env, offer, info, tree, &self.limits)
                .expect("the room that was offered");
            let (machine, _) =
                self.disk.found(&hub_id(room), founding, |records| hub_of(records, &self.limits));
            self.hubs.extend(machine.map(|machine| (room.clone(), machine)));
        }
        self.follow(room, client, user);
    }
}

/// The ID under which a hub's room is stored.
fn hub_id(room: &RoomUri) -> String {
    format!("hub {room}")
}

fn hub_of(records: &Records, limits: &Limits) -> hub::Room {
    hub::Room::restore(records, limits).expect("what a hub saved")
}
