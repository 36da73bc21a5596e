//! What a follower or a client sends to a hub or to another provider beside commits and messages: on copies of machines.

use super::{Ended, World, WorldCrypto, forge::Author};
use crate::{
    client::{self, JoinRequest},
    codec::Wire,
    env::{Env, Peer, Timestamp},
    policy::RoleIndex,
    testing::world::{letters, node::SUITE, slot::Kept as _},
    wire::{GroupInfoAnswer, HandshakeBundle, KeyMaterialResponse, UpdateRequest},
};

impl<C: WorldCrypto> World<C> {
    /// D-24, Q-31: a request for the GroupInfo comes again when its joiner is no longer expected.
    pub(super) fn replayed_request(&mut self, by: usize, room: usize) -> Option<Ended> {
        let mut hub = self.copy_of_hub(room)?;
        let phone = &self.phones[by];
        let user = self.people[phone.user].uri.clone();
        let uri = self.sites[room].uri.clone();
        let token = client::Token(u64::MAX);
        let key = phone.signature_key.clone();
        let asked =
            JoinRequest::new(&self.phone_env(by), token, &user, &key, &uri, SUITE, None).ok()?;
        let (peer, body) = (self.peer_at_hub(by, room), asked.request().encode());
        let env = self.hub_env(room);
        drop(hub.group_info(&env, &peer, &body).ok()?.apply());
        let later = Timestamp(env.now.0 + self.providers[0].limits.joiner_for);
        let env = Env { now: later, ..env };
        Some(match hub.group_info(&env, &peer, &body) {
            Err(_) => Ok("refused"),
            Ok(_) => Err("a replayed request is answered".into()),
        })
    }

    /// D-90, D-92: somebody who is banned asks for the GroupInfo.
    pub(super) fn banned_asks(&mut self, room: usize) -> Option<Ended> {
        let model = self.model.get(&room)?;
        let banned = |device: &usize| model.role(self.phones[*device].user) == RoleIndex::BANNED;
        let device = (0..self.phones.len()).find(banned)?;
        let phone = &self.phones[device];
        let user = self.people[phone.user].uri.clone();
        let uri = self.sites[room].uri.clone();
        let key = phone.signature_key.clone();
        let token = client::Token(u64::MAX);
        let code = self.codes.iter().find(|code| code.room == room).map(|it| it.octets.clone());
        let asked =
            JoinRequest::new(&self.phone_env(device), token, &user, &key, &uri, SUITE, code);
        let body = asked.ok()?.request().encode();
        let mut hub = self.copy_of_hub(room)?;
        let peer = self.peer_at_hub(device, room);
        Some(match hub.group_info(&self.hub_env(room), &peer, &body) {
            Err(_) => Ok("refused"),
            Ok(step) => match step.apply().reply.answer {
                GroupInfoAnswer::Success(_) => Err("a banned user gets the GroupInfo".into()),
                GroupInfoAnswer::NotAuthorized | GroupInfoAnswer::NoSuchRoom => Ok("refused"),
            },
        })
    }

    /// D-29: a provider proposes under the hub's entry among the external senders, signed by itself.
    pub(super) fn foreign_index(&mut self, by: usize, room: usize) -> Option<Ended> {
        let copy = self.copy_of_room(by, room)?;
        let removal = [&3u16.to_be_bytes()[..], &0u32.to_be_bytes()].concat();
        let message = Author::stranger(&self.crypto)?.of_server(&copy, 0, &removal)?;
        let bundle = HandshakeBundle::Proposals { first: message, more: Vec::new() };
        let body = UpdateRequest { bundle }.encode();
        let hub = self.sites[room].hub;
        let stranger = (0..self.providers.len()).find(|it| *it != hub)?;
        let peer = Peer::Server(self.providers[stranger].domain.clone());
        let mut hub = self.copy_of_hub(room)?;
        Some(match hub.update(&self.hub_env(room), &peer, &body) {
            Err(_) => Ok("refused"),
            Ok(_) => Err("a provider proposes in the hub's name".into()),
        })
    }

    /// D-97: a member reports words that nobody has said.
    pub(super) fn forged_report(&mut self, by: usize, room: usize) -> Option<Ended> {
        let newest = self.phones[by].apps.get(&room).and_then(|app| app.newest.clone());
        let (id, content) = newest?;
        let copy = self.copy_of_room(by, room)?;
        if !copy.is_reportable(&id) {
            return None;
        }
        let about = self.people[(self.phones[by].user + 1) % self.people.len()].uri.clone();
        let complaint = client::Complaint {
            about,
            reason: 0,
            note: String::new(),
            messages: vec![content],
            anonymous: false,
        };
        let mut report = copy.report(&complaint).ok()?;
        for message in &mut report.messages {
            message.frank.server_frank[0] ^= 1;
        }
        let (peer, body) = (self.peer_at_hub(by, room), report.encode());
        let mut hub = self.copy_of_hub(room)?;
        Some(match hub.report_abuse(&self.hub_env(room), &peer, &body) {
            Err(_) => Ok("refused"),
            Ok(_) => Err("a forged report is taken for a genuine one".into()),
        })
    }

    /// D-68: a grant in the name of a user of another provider.
    pub(super) fn forged_grant(&mut self, by: usize) -> Option<Ended> {
        let requester = self.phones[by].user;
        let home = self.people[requester].home;
        let target = (0..self.people.len()).find(|it| self.people[*it].home != home)?;
        let liar = (0..self.providers.len()).find(|it| *it != self.people[target].home)?;
        let body = letters::grant(&self.people[requester].uri, &self.people[target].uri);
        let peer = Peer::Server(self.providers[liar].domain.clone());
        let id = super::super::node::user_id(requester);
        let provider = &self.providers[home];
        let records = provider.store.load(id.as_bytes())?;
        let mut user = crate::provider::User::restored(&records, &provider.limits).ok()?;
        let env = Env { now: self.now, crypto: &*self.crypto, keys: &() };
        Some(match user.consent_updated(&env, &peer, &body) {
            Err(refusal) if refusal.status == 403 => Ok("refused: status"),
            Err(refusal) => Err(format!("a forged grant is answered {}", refusal.status)),
            Ok(_) => Err("a forged grant is taken".into()),
        })
    }

    /// D-25, D-26: a provider answers a claim with KeyPackages of somebody else, or with one twice.
    pub(super) fn wrong_keys(&mut self, by: usize, room: usize, twice: bool) -> Option<Ended> {
        let token = client::Token(u64::MAX);
        let maker =
            (0..self.phones.len()).find(|it| self.phones[*it].user != self.phones[by].user)?;
        let phone = &self.phones[maker];
        let records = phone.store.load(super::super::node::DEVICE.as_bytes())?;
        let mut device = client::Device::restored(&records, &phone.limits).ok()?;
        let env = self.phone_env(maker);
        let made = device.make_key_packages(&env, token, 1, SUITE, super::super::people::VALID);
        drop(made.ok()?.apply());
        let key_package = device.to_publish().pop()?;
        let whose = if twice { phone.user } else { self.phones[by].user };
        let response =
            letters::material(&self.people[whose].uri, &phone.client, &key_package, twice);
        let decoded = KeyMaterialResponse::decode(&response.encode());
        let Ok(response) = decoded else { return Some(Ok("does not decode")) };
        let mut copy = self.copy_of_room(by, room)?;
        let role = self.sites[room].preset.ordinary();
        let env = self.phone_env(by);
        Some(match copy.add(&env, token, role, &response) {
            Err(_) => Ok("refused"),
            Ok(_) if twice => Err("one KeyPackage is taken twice".into()),
            Ok(_) => Err("another user's KeyPackage is taken".into()),
        })
    }
}
