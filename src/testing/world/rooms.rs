//! Rooms come into being, are entered from outside, and end; and what hubs want of them.

use std::collections::BTreeMap;

use super::{
    World, WorldCrypto,
    choose::pick,
    luck::Luck,
    model::{Deed, Wish},
    network::Reply,
    network::{Endpoint, Origin, Request},
    node::{SUITE, Site, follower_id, hub_id, room_id},
    people::VALID,
    policies,
    report::Invariant,
    skewed,
    slot::{Halt, Slot},
};
use crate::{
    client, client::JoinRequest, client::Token, codec::Wire, env::Env, hub, policy::RoleIndex,
    policy::presets::Preset, room::Components, uri::RoomUri, wire::GroupInfoResponse,
};

/// The rooms of a world are of these kinds, the first one most often.
const PRESETS: [Preset; 6] = [
    Preset::Cooperative,
    Preset::Cooperative,
    Preset::Announcement,
    Preset::Strict,
    Preset::Cooperative,
    Preset::Moderated,
];

impl<C: WorldCrypto> World<C> {
    /// A device creates a room at its own provider. Nothing goes wrong.
    pub(super) fn create(&mut self, device: usize, preset: u8) -> bool {
        if self.sites.len() >= self.config.rooms || !self.phones[device].on {
            return false;
        }
        let luck = std::mem::replace(&mut self.luck, Luck::GOOD);
        let created = self.create_room(device, preset);
        self.luck = luck;
        created
    }

    pub(super) fn create_room(&mut self, device: usize, preset: u8) -> bool {
        let preset = pick(&PRESETS, preset).unwrap_or(Preset::Cooperative);
        let room = self.sites.len();
        let (user, crypto) = (self.phones[device].user, self.crypto.clone());
        let home = self.people[user].home;
        let creator = self.people[user].uri.clone();
        let uri = RoomUri::new(&self.providers[home].domain, format!("room{room}"))
            .expect("a name without anything special");
        let wish = hub::Wish {
            room: uri.clone(),
            creator: creator.clone(),
            ciphersuite: SUITE,
            policy: policies::with_policies(preset, preset.room(&uri, &creator, &[])),
        };
        let provider = &self.providers[home];
        let now = skewed(self.now, provider.skew);
        let env = Env { now, crypto: &*crypto, keys: &provider.keys };
        let Ok(offer) = hub::offer(&env, &wish) else { return false };
        let limits = self.phones[device].limits.clone();
        let key = self.phones[device].signature_key.clone();
        self.sites.push(Site { uri: uri.clone(), hub: home, preset, contexts: BTreeMap::new() });
        let entered = self.enter(device, room, |env| {
            client::Room::create(env, &offer, &key, VALID, Components::default(), &limits)
        });
        let Ok(Some(created)) = entered else {
            let found = format!("device {device} cannot create a room");
            self.break_if(Some((Invariant::OneVerdict, found)));
            return false;
        };
        let provider = &mut self.providers[home];
        let env = Env { now, crypto: &*crypto, keys: &provider.keys };
        let founding = hub::Room::create(
            &env,
            &offer,
            &created.group_info,
            &created.ratchet_tree,
            &provider.limits,
        );
        let founding = match founding {
            Ok(founding) => founding,
            Err(refusal) => {
                let found = format!("the hub refuses the room it offered: {refusal}");
                self.break_if(Some((Invariant::OneVerdict, found)));
                return false;
            }
        };
        let id = hub_id(room);
        provider.store.save(id.as_bytes(), founding.changes()).expect("nothing goes wrong");
        provider.hubs.insert(room, Slot::new(founding.apply().0));
        let members = [(self.phones[device].client.clone(), creator)];
        let founding = crate::follower::Room::found(provider.limits.clone(), uri, members);
        let id = follower_id(room);
        provider.store.save(id.as_bytes(), founding.changes()).expect("nothing goes wrong");
        provider.followers.insert(room, Slot::new(founding.apply().0));
        let model =
            super::model::Room::new(policies::roles(preset), user, preset.creator(), device);
        self.model.insert(room, model);
        self.keep_context(room);
        self.touched.insert(room);
        true
    }

    /// A device joins from outside.
    pub(super) fn join(&mut self, device: usize, room: usize) -> bool {
        if self.phones[device].rooms.contains_key(&room) || !self.phones[device].on {
            return false;
        }
        let crypto = self.crypto.clone();
        let uri = self.sites[room].uri.clone();
        let phone = &mut self.phones[device];
        let token = phone.token();
        let (user, key) = (phone.user, phone.signature_key.clone());
        let env = Env { now: skewed(self.now, phone.skew), crypto: &*crypto, keys: &phone.keys };
        let user_uri = self.people[user].uri.clone();
        let Ok(request) = JoinRequest::new(&env, token, &user_uri, &key, &uri, SUITE, None) else {
            return false;
        };
        let Some(reply) = self.ask_for_group_info(device, room, &request) else { return false };
        let role = self.sites[room].preset.ordinary();
        self.enter_from_outside(device, room, token, &request, &reply, Deed::Join(role))
    }

    /// A device asks for the GroupInfo.
    pub(super) fn ask_for_group_info(
        &mut self,
        device: usize,
        room: usize,
        request: &JoinRequest,
    ) -> Option<Reply> {
        let ask = Request {
            endpoint: Endpoint::GroupInfo(room),
            body: request.request().encode(),
            origin: Origin::Nobody,
        };
        self.ask(device, &ask).filter(|reply| reply.status == 200)
    }

    /// With the GroupInfo a device makes its external commit.
    pub(super) fn enter_from_outside(
        &mut self,
        device: usize,
        room: usize,
        token: Token,
        request: &JoinRequest,
        reply: &Reply,
        deed: Deed,
    ) -> bool {
        let Ok(response) = GroupInfoResponse::decode(&reply.body) else { return false };
        let (Deed::Join(role) | Deed::JoinByCode(role, _)) = deed else { return false };
        let limits = self.phones[device].limits.clone();
        self.deeds.insert((device, token), deed);
        self.phones[device].store.forget(room_id(room).as_bytes());
        let entered = self.enter(device, room, |env| {
            client::Room::join_external(env, request, &response, role, None, &limits)
        });
        matches!(entered, Ok(Some(())))
    }

    /// A member has the hub destroy the room.
    pub(super) fn destroy(&mut self, by: usize, room: usize) -> bool {
        let (peer, user) = (self.peer_at_hub(by, room), self.phones[by].user);
        let uri = self.people[user].uri.clone();
        let before = self.model.get(&room).is_some_and(|it| it.may_destroy(user) && !it.ended);
        let done = self
            .at_hub(room, &Origin::Nobody, |hub, env| hub.destroy(env, hub::By::User(&peer, &uri)));
        if before && matches!(done, Err(Halt::Refused(_))) {
            let found = format!("user {user} may destroy room {room}, and the hub refuses");
            self.break_if(Some((Invariant::OneVerdict, found)));
        }
        done.is_ok()
    }

    /// The hub proposes that a user goes, is banned, or loses its only client.
    pub(super) fn hub_proposes(&mut self, room: usize, user: usize, what: u8) -> bool {
        let uri = self.people[user].uri.clone();
        let owner = self.owners();
        let Some(model) = self.model.get(&room) else { return false };
        let devices: Vec<usize> = model
            .now
            .members
            .iter()
            .copied()
            .filter(|device| owner.get(*device) == Some(&user))
            .collect();
        let (wish, proposal) = match (what % 3, devices.as_slice()) {
            (0, _) => (Wish::Remove(user), hub::Proposal::Remove(uri)),
            (1, _) => (Wish::SetRole(user, RoleIndex::BANNED), hub::Proposal::Ban(uri)),
            (_, [only]) => {
                let hub = self.providers[self.sites[room].hub].hub(room);
                let leaf = hub.and_then(|hub| {
                    hub.members().find(|(_, member)| **member == uri).map(|(leaf, _)| leaf)
                });
                let Some(leaf) = leaf else { return false };
                (Wish::RemoveDevice(*only), hub::Proposal::RemoveClient(leaf))
            }
            _ => return false,
        };
        let done = self.at_hub(room, &Origin::Hub(wish), |room, env| {
            room.propose(env, std::slice::from_ref(&proposal))
        });
        done.is_ok()
    }
}
