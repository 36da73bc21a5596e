//! What the story has people do, and what their phones ask their providers for.

use openmimi::{
    client::{self, JoinRequest, Keys, Refusal, Token},
    codec::Wire,
    env::Env,
    machine::Step,
    uri::{RoomUri, UserUri},
    wire::{GroupInfoResponse, KeyMaterialResponse},
};
use openmls_rust_crypto::RustCrypto;

use super::{
    server::{Endpoint, Reply},
    shared::phone::Phone,
    world::World,
};

impl World {
    /// A phone of somebody who has an account.
    pub fn phone(&mut self, name: &str, user: &str, client: &str) -> usize {
        let mut phone = Phone::new(name, user, client, &self.crypto, &self.plan);
        let now = self.now;
        let (domain, peer) = (phone.user.domain(), phone.peer());
        let key_packages = phone.make_key_packages(now, 5);
        while self
            .server(&domain)
            .publish(now, &peer, &key_packages)
            .is_none_or(|reply| reply.status != 201)
        {}
        phone.published(now);
        self.phones.push(phone);
        self.phones.len() - 1
    }

    /// Something a phone does in a room, which may be refused by the phone itself.
    pub fn act<R>(
        &mut self,
        phone: usize,
        room: &RoomUri,
        call: impl for<'a> Fn(
            &'a mut client::Room,
            &Env<'_, RustCrypto, Keys>,
            Token,
        ) -> Result<Step<'a, client::Room, R>, Refusal>,
    ) -> Result<R, String> {
        self.phones[phone].act(self.now, room, call)
    }

    /// Sends a text.
    pub fn say(&mut self, phone: usize, room: &RoomUri, text: &str) -> Result<(), String> {
        self.phones[phone].send(self.now, room, |compose| compose.text(text.to_owned()))
    }

    /// Asks for a user's KeyPackages through the room's hub.
    pub fn key_material(
        &mut self,
        phone: usize,
        room: &RoomUri,
        target: &UserUri,
    ) -> Result<KeyMaterialResponse, String> {
        let request = self.phones[phone].key_material_request(self.now, room, target);
        let endpoint = Endpoint::KeyMaterial(target.clone());
        let reply = self.ask_until_answered(phone, &endpoint, &request);
        KeyMaterialResponse::decode(&reply.body)
            .map_err(|error| format!("{}: {error}", reply.status))
    }

    /// Asks the hub for what an external commit needs.
    pub fn group_info(&mut self, phone: usize, room: &RoomUri) -> (JoinRequest, GroupInfoResponse) {
        let request = self.phones[phone].join_request(self.now, room, None);
        let body = request.request().encode();
        let reply = self.ask_until_answered(phone, &Endpoint::GroupInfo(room.clone()), &body);
        (request, GroupInfoResponse::decode(&reply.body).expect("the hub's octets"))
    }

    /// Joins from outside.
    pub fn join_external(
        &mut self,
        phone: usize,
        request: &JoinRequest,
        response: &GroupInfoResponse,
    ) {
        let now = self.now;
        self.phones[phone].join_external(now, request, response);
    }

    /// Asks again, the same octets, until there is an answer.
    fn ask_until_answered(&mut self, phone: usize, endpoint: &Endpoint, body: &[u8]) -> Reply {
        let asker = &self.phones[phone];
        let (client, user, name) = (asker.client.clone(), asker.user.clone(), asker.name.clone());
        loop {
            if let Some(reply) = self.ask(&client, &user, &name, endpoint, body) {
                return reply;
            }
        }
    }

    /// Sends what a phone has to send. Says whether that changed anything.
    pub fn send_outbox(&mut self, phone: usize) -> bool {
        let rooms: Vec<RoomUri> = self.phones[phone].rooms.keys().cloned().collect();
        let mut busy = false;
        for room in rooms {
            let outgoing = self.phones[phone].outgoing(&room);
            for sent in &outgoing {
                self.send(phone, &room, sent);
            }
            busy |= self.phones[phone].outgoing(&room) != outgoing;
        }
        busy
    }

    fn send(&mut self, phone: usize, room: &RoomUri, outgoing: &client::Outgoing) {
        let endpoint = match outgoing.endpoint {
            client::Endpoint::Update => Endpoint::Update(room.clone()),
            client::Endpoint::SubmitMessage => Endpoint::SubmitMessage(room.clone()),
        };
        let reply = self.ask_until_answered(phone, &endpoint, &outgoing.body);
        self.phones[phone].answered(self.now, room, outgoing, &reply.body);
    }

    /// Takes what a phone's provider has for it. Says whether there was anything.
    pub fn receive_all(&mut self, phone: usize) -> bool {
        let now = self.now;
        if !self.phones[phone].online {
            return false;
        }
        let (client, domain) =
            (self.phones[phone].client.clone(), self.phones[phone].user.domain());
        let deliveries = self.server(&domain).deliveries(&client);
        for (room, event, body) in &deliveries {
            self.phones[phone].receive(now, room, body);
            self.server(&domain).delivered(room, &client, *event);
            if !self.phones[phone].rooms.contains_key(room) {
                self.server(&domain).client_left(now, room, &client, *event);
            }
        }
        !deliveries.is_empty()
    }
}
