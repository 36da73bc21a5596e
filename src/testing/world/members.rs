//! What members do in a room. Each says whether it could be done.

use std::collections::BTreeSet;

use super::{
    World, WorldCrypto,
    model::{Deed, Wish},
    network::{Endpoint, Origin, Request},
    node::{DEVICE, SUITE},
    report::Invariant,
    skewed,
    slot::Halt,
};
use crate::{
    client,
    client::{Intent, Refusal, Token},
    codec::Wire,
    env::Env,
    policy::RoleIndex,
    room::{ComponentId, RoomMetadata},
    wire::{ClientMaterial, KeyMaterialResponse},
};

impl<C: WorldCrypto> World<C> {
    /// A member does something in a room. The verdict is the model's, where both know the same.
    pub(super) fn member_does<R>(
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
            Deed::Say(_)
            | Deed::Propose(_)
            | Deed::Leave
            | Deed::Join(_)
            | Deed::JoinByCode(..) => None,
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
        let (now, limits) = (skewed(self.now, phone.skew), phone.limits.clone());
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

    pub(super) fn named(&mut self, room: usize) -> (u32, Vec<u8>) {
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
}
