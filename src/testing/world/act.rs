//! What people and operators do. Each says whether it could be done.

use std::collections::BTreeSet;

use super::{
    World, WorldCrypto,
    model::{Deed, Wish},
    network::{Endpoint, Origin, Request},
    node::{DEVICE, SUITE, Site, room_id},
    report::Invariant,
    slot::Halt,
};
use crate::{
    client::{self, Intent, JoinRequest, Refusal, Token},
    codec::Wire,
    content::{Compose, Message, Salt},
    env::{Env, Timestamp},
    hub,
    policy::{RoleIndex, presets::Preset},
    provider::Contact,
    room::{ComponentId, Components, RoomMetadata},
    uri::{ParticipantUri, RoomUri},
    wire::{ClientMaterial, GroupInfoResponse, KeyMaterialResponse},
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

/// From 2020 on everything made in a world is valid, beyond its end.
pub(super) const VALID: client::Lifetime = client::Lifetime {
    not_before: Timestamp(1_577_836_800_000),
    not_after: Timestamp(7_258_118_400_000),
};

fn pick<T: Copy>(from: &[T], choice: u8) -> Option<T> {
    from.get(usize::from(choice).checked_rem(from.len())?).copied()
}

impl<C: WorldCrypto> World<C> {
    /// The room of a number, among those that there are.
    pub(super) fn some_room(&self, choice: u8) -> Option<usize> {
        pick(&(0..self.sites.len()).collect::<Vec<_>>(), choice)
    }

    /// A device that is on and holds the room; every other time one whose user has the most to say there.
    pub(super) fn some_member(&self, choice: u8, room: usize) -> Option<usize> {
        let inside = |device: &usize| {
            let phone = &self.phones[*device];
            phone.on && phone.rooms.contains_key(&room)
        };
        let inside: Vec<usize> = (0..self.phones.len()).filter(inside).collect();
        let role = |device: &usize| {
            self.model.get(&room).map(|model| model.role(self.phones[*device].user))
        };
        let most = inside.iter().map(role).max().filter(|_| choice.is_multiple_of(2));
        let able: Vec<usize> = match most {
            Some(most) => inside.into_iter().filter(|device| role(device) == most).collect(),
            None => inside,
        };
        pick(&able, choice / 2)
    }

    pub(super) fn some_user(&self, choice: u8) -> Option<usize> {
        pick(&(0..self.people.len()).collect::<Vec<_>>(), choice)
    }

    /// A user on the list of a room, mostly.
    pub(super) fn some_participant(&self, choice: u8, room: u8) -> Option<usize> {
        let room = self.some_room(room)?;
        if choice % 8 == 7 {
            return self.some_user(choice / 8);
        }
        let model = self.model.get(&room)?;
        pick(&model.now.listed.keys().copied().collect::<Vec<_>>(), choice / 8)
    }

    /// A user who has a device outside of a room, mostly.
    pub(super) fn some_candidate(&self, choice: u8, room: u8) -> Option<usize> {
        let room = self.some_room(room)?;
        let model = self.model.get(&room)?;
        let outside: Vec<usize> = (0..self.phones.len())
            .filter(|device| !model.now.members.contains(device))
            .map(|device| self.phones[device].user)
            .collect();
        pick(&outside, choice)
    }

    /// A device that may well join a room from outside, mostly.
    pub(super) fn some_joiner(&self, choice: u8, room: u8) -> Option<usize> {
        let room = self.some_room(room)?;
        if choice % 8 == 7 {
            return self.some_device(choice / 8);
        }
        let model = self.model.get(&room)?;
        let outside: Vec<usize> = (0..self.phones.len())
            .filter(|device| !self.phones[*device].rooms.contains_key(&room))
            .filter(|device| model.open || model.is_listed(self.phones[*device].user))
            .collect();
        pick(&outside, choice / 8)
    }

    pub(super) fn some_device(&self, choice: u8) -> Option<usize> {
        pick(&(0..self.phones.len()).collect::<Vec<_>>(), choice)
    }

    fn participant(&self, user: usize) -> ParticipantUri {
        self.people[user].uri.clone().into()
    }

    /// A device creates a room at its own provider. Nothing goes wrong.
    pub(super) fn create(&mut self, device: usize, preset: u8) -> bool {
        if self.sites.len() >= self.config.rooms || !self.phones[device].on {
            return false;
        }
        let luck = std::mem::replace(&mut self.luck, super::luck::Luck::GOOD);
        let created = self.create_room(device, preset);
        self.luck = luck;
        created
    }

    fn create_room(&mut self, device: usize, preset: u8) -> bool {
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
            policy: preset.room(&uri, &creator, &[]),
        };
        let provider = &self.providers[home];
        let now = super::skewed(self.now, provider.skew);
        let env = Env { now, crypto: &*crypto, keys: &provider.keys };
        let Ok(offer) = hub::offer(&env, &wish) else { return false };
        let limits = self.phones[device].limits.clone();
        let key = self.phones[device].signature_key.clone();
        self.sites.push(Site {
            uri: uri.clone(),
            hub: home,
            preset,
            contexts: std::collections::BTreeMap::new(),
        });
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
        let id = super::node::hub_id(room);
        provider.store.save(id.as_bytes(), founding.changes()).expect("nothing goes wrong");
        provider.hubs.insert(room, super::slot::Slot::new(founding.apply().0));
        let members = [(self.phones[device].client.clone(), creator)];
        let founding = crate::follower::Room::found(provider.limits.clone(), uri, members);
        let id = super::node::follower_id(room);
        provider.store.save(id.as_bytes(), founding.changes()).expect("nothing goes wrong");
        provider.followers.insert(room, super::slot::Slot::new(founding.apply().0));
        let model = super::model::Room::new(preset.roles(), user, preset.creator(), device);
        self.model.insert(room, model);
        self.keep_context(room);
        self.touched.insert(room);
        true
    }

    /// A member does something in a room. The verdict is the model's, where both know the same.
    fn member_does<R>(
        &mut self,
        by: usize,
        room: usize,
        deed: Deed,
        call: impl for<'a> Fn(
            &'a mut client::Room,
            &Env<'_, C, client::Keys>,
            Token,
        ) -> Result<crate::machine::Step<'a, client::Room, R>, Refusal>,
    ) -> Option<R> {
        let token = self.phones[by].token();
        let wish = match &deed {
            Deed::Commit(wish) => Some(wish.clone()),
            Deed::Say(_) | Deed::Propose(_) | Deed::Leave | Deed::Join(_) => None,
        };
        let level = self.is_level(by, room);
        let what = format!("{deed:?}");
        self.deeds.insert((by, token), deed);
        let done = self.at_room(by, room, |room, env| call(room, env, token));
        if let Err(Halt::Refused(refusal)) = &done {
            let name = self.name_of(by);
            self.note(name.clone(), name, Some(room), format!("may not {what}: {refusal}"));
        }
        if let Some(wish) = wish.filter(|_| level) {
            let user = self.phones[by].user;
            let owner = self.owners();
            let may = self
                .model
                .get(&room)
                .is_some_and(|model| model.may(user, &wish, &owner) && model.keeps_minima(&wish));
            let verdict = match &done {
                Ok(_) => Some(true),
                Err(Halt::Refused(Refusal::Denied(_))) => Some(false),
                Err(_) => None,
            };
            self.tally.checks += 1;
            if verdict.is_some_and(|verdict| verdict != may) {
                let found = format!(
                    "device {by} in room {room}: {wish:?} is {} by the model, {:?} by the client",
                    may,
                    done.as_ref().err()
                );
                self.break_if(Some((Invariant::OneVerdict, found)));
            }
        }
        done.ok().map(|outcome| outcome.reply)
    }

    /// Whether a device knows all that the model knows of a room, and nothing of its own waits.
    pub(super) fn is_level(&mut self, device: usize, room: usize) -> bool {
        let Some(model) = self.model.get(&room) else { return false };
        let (epoch, quiet) = (model.epoch, model.waiting.is_empty());
        let inside = model.now.members.contains(&device);
        let Some(machine) = self.phones[device].room(room) else { return false };
        quiet
            && inside
            && machine.epoch() == epoch
            && machine.is_member()
            && machine.outbox().next().is_none()
            && !machine.owes_commit()
    }

    /// A member adds a user, or the clients of a participant that are not inside.
    pub(super) fn add(&mut self, by: usize, user: usize, room: usize) -> bool {
        let uri = self.sites[room].uri.clone();
        let target = self.people[user].uri.clone();
        let crypto = self.crypto.clone();
        let phone = &mut self.phones[by];
        let (now, limits) = (super::skewed(self.now, phone.skew), phone.limits.clone());
        let Some(device) = phone.device.current(DEVICE, &phone.store, &limits) else {
            return false;
        };
        let env = Env { now, crypto: &*crypto, keys: &phone.keys };
        let Ok(request) = device.request_key_material(&env, &target, &uri, SUITE) else {
            return false;
        };
        let request = Request {
            endpoint: Endpoint::KeyMaterial(user),
            body: request.encode(),
            origin: Origin::Nobody,
        };
        let Some(reply) = self.ask(by, &request).filter(|reply| reply.status == 200) else {
            return false;
        };
        let Ok(mut material) = KeyMaterialResponse::decode(&reply.body) else { return false };
        let Some(model) = self.model.get(&room) else { return false };
        let mut devices = BTreeSet::new();
        material.clients.retain(|client| {
            let device = self.phones.iter().position(|phone| phone.client == client.client);
            let has = matches!(client.material, ClientMaterial::KeyPackage(_));
            let new = device.filter(|device| has && !model.now.members.contains(device));
            devices.extend(new);
            new.is_some()
        });
        if devices.is_empty() {
            return false;
        }
        let role = self.sites[room].preset.ordinary();
        let deed = Deed::Commit(Wish::Add(user, role, devices));
        self.member_does(by, room, deed, |room, env, token| room.add(env, token, role, &material))
            .is_some()
    }

    pub(super) fn remove(&mut self, by: usize, user: usize, room: usize) -> bool {
        if self.phones[by].user == user {
            return false;
        }
        let target = self.participant(user);
        let deed = Deed::Commit(Wish::Remove(user));
        self.member_does(by, room, deed, |room, env, token| room.remove(env, token, &target))
            .is_some()
    }

    /// The role of a number, among those of the room that people may have.
    fn some_role(&self, room: usize, choice: u8) -> Option<RoleIndex> {
        let enforcer = self.sites[room].preset.enforcer();
        let roles: Vec<RoleIndex> = self
            .model
            .get(&room)?
            .roles
            .iter()
            .map(|role| role.index)
            .filter(|role| *role != RoleIndex::NONE && *role != enforcer)
            .collect();
        pick(&roles, choice)
    }

    pub(super) fn set_role(&mut self, by: usize, user: usize, room: usize, role: u8) -> bool {
        let Some(role) = self.some_role(room, role) else { return false };
        if self.phones[by].user == user {
            return false;
        }
        let target = self.participant(user);
        let deed = Deed::Commit(Wish::SetRole(user, role));
        self.member_does(by, room, deed, |room, env, token| {
            room.set_role(env, token, &target, role)
        })
        .is_some()
    }

    fn named(&mut self, room: usize) -> (u32, Vec<u8>) {
        self.names += 1;
        let name = self.names;
        let mut metadata = RoomMetadata::new(self.sites[room].uri.clone());
        metadata.name = format!("name {name}");
        (name, metadata.encode())
    }

    pub(super) fn rename(&mut self, by: usize, room: usize) -> bool {
        let (name, data) = self.named(room);
        let deed = Deed::Commit(Wish::Name(name));
        self.member_does(by, room, deed, |room, env, token| {
            room.set_component(env, token, ComponentId::ROOM_METADATA, Some(data.clone()))
        })
        .is_some()
    }

    pub(super) fn refresh(&mut self, by: usize, room: usize) -> bool {
        let deed = Deed::Commit(Wish::Refresh);
        self.member_does(by, room, deed, |room, env, token| room.update_self(env, token)).is_some()
    }

    pub(super) fn commit(&mut self, by: usize, room: usize) -> bool {
        let deed = Deed::Commit(Wish::Pending);
        self.member_does(by, room, deed, |room, env, token| room.commit_pending(env, token))
            .is_some()
    }

    pub(super) fn remove_client(&mut self, by: usize, device: usize, room: usize) -> bool {
        let inside = self.model.get(&room).is_some_and(|it| it.now.members.contains(&device));
        if by == device || !inside {
            return false;
        }
        let key = self.phones[device].signature_key.clone();
        let intent = Intent { remove_clients: vec![key], ..Intent::default() };
        let deed = Deed::Commit(Wish::RemoveDevice(device));
        self.member_does(by, room, deed, |room, env, token| room.commit(env, token, &intent))
            .is_some()
    }

    pub(super) fn propose(&mut self, by: usize, user: usize, room: usize, what: u8) -> bool {
        let target = self.participant(user);
        if self.phones[by].user == user && what % 4 < 3 {
            return false;
        }
        let (wish, intent) = match what % 4 {
            0 => (Wish::Remove(user), Intent { remove: vec![target], ..Intent::default() }),
            1 => (
                Wish::SetRole(user, RoleIndex::BANNED),
                Intent { roles: vec![(target, RoleIndex::BANNED)], ..Intent::default() },
            ),
            2 => {
                let Some(role) = self.some_role(room, what / 4) else { return false };
                (
                    Wish::SetRole(user, role),
                    Intent { roles: vec![(target, role)], ..Intent::default() },
                )
            }
            _ => {
                let (name, data) = self.named(room);
                let components = [(ComponentId::ROOM_METADATA, Some(data))].into();
                (Wish::Name(name), Intent { components, ..Intent::default() })
            }
        };
        self.member_does(by, room, Deed::Propose(wish), |room, env, token| {
            room.propose(env, token, &intent)
        })
        .is_some()
    }

    pub(super) fn leave(&mut self, by: usize, room: usize) -> bool {
        self.member_does(by, room, Deed::Leave, |room, env, token| room.leave(env, token)).is_some()
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
        let (user, key, limits) = (phone.user, phone.signature_key.clone(), phone.limits.clone());
        let env =
            Env { now: super::skewed(self.now, phone.skew), crypto: &*crypto, keys: &phone.keys };
        let user_uri = self.people[user].uri.clone();
        let Ok(request) = JoinRequest::new(&env, token, &user_uri, &key, &uri, SUITE, None) else {
            return false;
        };
        let ask = Request {
            endpoint: Endpoint::GroupInfo(room),
            body: request.request().encode(),
            origin: Origin::Nobody,
        };
        let Some(reply) = self.ask(device, &ask).filter(|reply| reply.status == 200) else {
            return false;
        };
        let Ok(response) = GroupInfoResponse::decode(&reply.body) else { return false };
        let role = self.sites[room].preset.ordinary();
        self.deeds.insert((device, token), Deed::Join(role));
        self.phones[device].store.forget(room_id(room).as_bytes());
        let entered = self.enter(device, room, |env| {
            client::Room::join_external(env, &request, &response, role, None, &limits)
        });
        matches!(entered, Ok(Some(())))
    }

    fn compose(&mut self, by: usize, room: usize) -> (Compose<'static>, Salt, u32) {
        self.said += 1;
        let text = self.said;
        let user = self.people[self.phones[by].user].uri.to_string();
        let mut salt = [0; 16];
        salt[..4].copy_from_slice(&text.to_be_bytes());
        salt[4..12].copy_from_slice(&self.seed.to_be_bytes());
        (Compose::new(user, self.sites[room].uri.to_string()), Salt(salt), text)
    }

    fn post_content(&mut self, by: usize, room: usize, text: u32, content: Vec<u8>) -> bool {
        let said = self.member_does(by, room, Deed::Say(text), |room, env, token| {
            room.send(env, token, &content)
        });
        // The ID is that of the content: it is the same whether or not anybody knows that it was saved.
        let user = self.people[self.phones[by].user].uri.to_string();
        let uri = self.sites[room].uri.to_string();
        if let Ok(id) =
            Message::decode(&content).map_or(Err(()), |it| it.id(&user, &uri).map_err(|_| ()))
        {
            self.texts.insert(id, text);
            if said.is_some() {
                self.phones[by].apps.entry(room).or_default().own = Some((id, content));
            }
        }
        said.is_some()
    }

    pub(super) fn say(&mut self, by: usize, room: usize) -> bool {
        let (compose, salt, text) = self.compose(by, room);
        match compose.text(format!("text {text}")).encode(salt) {
            Ok(content) => self.post_content(by, room, text, content),
            Err(_) => false,
        }
    }

    pub(super) fn react(&mut self, by: usize, room: usize) -> bool {
        let newest = self.phones[by].apps.get(&room).and_then(|app| app.newest.clone());
        let Some((id, _)) = newest else { return false };
        let (compose, salt, text) = self.compose(by, room);
        match compose.reaction(id, "❤").encode(salt) {
            Ok(content) => self.post_content(by, room, text, content),
            Err(_) => false,
        }
    }

    pub(super) fn edit(&mut self, by: usize, room: usize) -> bool {
        let own = self.phones[by].apps.get(&room).and_then(|app| app.own.clone());
        let Some((id, original)) = own else { return false };
        let (compose, salt, text) = self.compose(by, room);
        let Ok(original) = Message::decode(&original) else { return false };
        let body = crate::content::DraftPart::text(format!("text {text}, better"));
        match compose.edit(id, &original, body).encode(salt) {
            Ok(content) => self.post_content(by, room, text, content),
            Err(_) => false,
        }
    }

    /// A member reports the newest message that it has read; the hub finds it genuine.
    pub(super) fn report_abuse(&mut self, by: usize, room: usize) -> bool {
        let newest = self.phones[by].apps.get(&room).and_then(|app| app.newest.clone());
        let Some((id, content)) = newest else { return false };
        let Ok(message) = Message::decode(&content) else { return false };
        let about = message.sender().and_then(|uri| crate::uri::UserUri::parse(uri).ok());
        let (Some(about), Some(machine)) = (about, self.phones[by].room(room)) else {
            return false;
        };
        if !machine.is_reportable(&id) {
            return false;
        }
        let complaint = client::Complaint {
            about,
            reason: 0,
            note: String::new(),
            messages: vec![content.clone()],
            anonymous: false,
        };
        let Ok(report) = machine.report(&complaint) else { return false };
        let (peer, body) = (self.peer_at_hub(by, room), report.encode());
        let done =
            self.at_hub(room, &Origin::Nobody, |hub, env| hub.report_abuse(env, &peer, &body));
        if let Err(Halt::Refused(refusal)) = &done {
            let found = format!("a genuine report is refused: {}", refusal.reason);
            self.break_if(Some((Invariant::OneVerdict, found)));
        }
        done.is_ok()
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

    /// A user says whether another one may add it.
    pub(super) fn consent(&mut self, user: usize, requester: usize, given: bool) -> bool {
        if user == requester {
            return false;
        }
        let contact = Contact { user: self.people[requester].uri.clone(), room: None };
        if given {
            self.at_user(user, |user, env| user.grant(env, &contact, &[])).is_some()
        } else {
            self.at_user(user, |user, _| user.revoke(&contact)).is_some()
        }
    }
}
