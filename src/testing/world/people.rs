//! Users and their devices, with the KeyPackages that these publish, and who may claim them.

use std::collections::BTreeMap;

use super::{
    World, WorldCrypto,
    luck::Luck,
    model::{Deed, Wish},
    network::{Endpoint, Origin, Request},
    node::{DEVICE, Key, Person, Phone, SUITE, user_id},
    skewed,
    slot::{Halt, Slot},
};
use crate::{
    client,
    env::{Env, Timestamp},
    provider::{self, Stance},
    testing::MemoryStore,
    uri::{ClientUri, UserUri},
};

/// From 2020 on everything made in a world is valid, beyond its end.
pub(super) const VALID: client::Lifetime = client::Lifetime {
    not_before: Timestamp(1_577_836_800_000),
    not_after: Timestamp(7_258_118_400_000),
};

impl<C: WorldCrypto> World<C> {
    pub(super) fn new_user(&mut self, number: usize) {
        let home = number % self.providers.len();
        let provider = &mut self.providers[home];
        let uri = UserUri::new(&provider.domain, format!("u{number}")).expect("a plain name");
        let founding = provider::User::found(
            provider.limits.clone(),
            super::slot::policy(),
            uri.clone(),
            Stance::Open,
        );
        provider
            .store
            .save(user_id(number).as_bytes(), founding.changes())
            .expect("nothing goes wrong");
        provider.users.insert(number, Slot::new(founding.apply().0));
        self.people.push(Person { uri, home });
    }

    /// A user gets a further device.
    pub(super) fn new_device(&mut self, user: usize) -> bool {
        if self.phones.len() >= self.config.devices.max(self.people.len()) {
            return false;
        }
        let number = self.phones.len();
        let person = &self.people[user];
        let name = format!("{}/d{number}", person.uri.name());
        let client = ClientUri::new(&person.uri.domain(), name).expect("a plain name");
        let (signature_key, key) = Key::new(&self.crypto);
        let signer = key.clone();
        let keys = client::Keys::new(signature_key.clone(), key);
        self.phones.push(Phone {
            user,
            client,
            keys,
            signature_key,
            signer,
            limits: Self::limits(),
            store: MemoryStore::new(),
            device: Slot::default(),
            rooms: BTreeMap::new(),
            apps: BTreeMap::new(),
            on: true,
            tokens: 0,
            skew: 0,
        });
        self.found_device(number);
        let luck = std::mem::replace(&mut self.luck, Luck::GOOD);
        self.publish(number, 4);
        self.luck = luck;
        true
    }

    pub(super) fn found_device(&mut self, number: usize) {
        let phone = &mut self.phones[number];
        let founding = client::Device::new(
            self.people[phone.user].uri.clone(),
            phone.client.clone(),
            phone.signature_key.clone(),
            &phone.limits,
        );
        phone.store.save(DEVICE.as_bytes(), founding.changes()).expect("nothing goes wrong");
        phone.device = Slot::new(founding.apply().0);
    }

    /// A device makes KeyPackages and gives them to its provider.
    pub(super) fn publish(&mut self, device: usize, count: usize) -> bool {
        let token = self.phones[device].token();
        let made = self.at_device(device, |machine, env| {
            machine.make_key_packages(env, token, count, SUITE, VALID)
        });
        if made.is_err() {
            return false;
        }
        let crypto = self.crypto.clone();
        let Some(machine) = self.phones[device].device() else { return false };
        let made = machine.to_publish();
        let references: Vec<_> = made.iter().filter_map(|it| it.reference(&*crypto).ok()).collect();
        let octets: Vec<Vec<u8>> = made.iter().map(|it| it.as_bytes().to_vec()).collect();
        let (peer, user) = (self.peer_of(device), self.phones[device].user);
        let taken = self.at_user(user, |user, env| user.publish(env, &peer, &octets));
        if !matches!(taken, Some(Ok(_))) {
            return false;
        }
        let _: Result<_, Halt<()>> =
            self.at_device(device, |machine, _| Ok(machine.published(&references)));
        true
    }

    /// A device loses all it has saved but its signing key. It tells its provider, who forgets its KeyPackages.
    pub(super) fn wipe(&mut self, device: usize) -> bool {
        let rooms: Vec<usize> = self.model.keys().copied().collect();
        for room in rooms {
            let read = self.read_by(device, room);
            if let Some(model) = self.model.get_mut(&room) {
                model.deafen(device, &read);
            }
        }
        self.wiped.insert(device);
        for ((by, token), deed) in &self.deeds {
            if let Deed::Commit(Wish::Add(_, _, devices)) = deed
                && devices.contains(&device)
                && !self.done.contains(&(*by, *token))
            {
                self.stale.insert((*by, *token, device));
            }
        }
        let phone = &mut self.phones[device];
        phone.store = MemoryStore::new();
        phone.rooms.clear();
        for app in phone.apps.values_mut() {
            app.taken.clear();
            app.own = None;
        }
        self.found_device(device);
        let (user, client) = (self.phones[device].user, self.phones[device].client.clone());
        let luck = std::mem::replace(&mut self.luck, Luck::GOOD);
        self.at_user(user, |user, _| Ok::<_, ()>(user.retire(&client)));
        let home = self.people[user].home;
        let followed: Vec<usize> = self.providers[home].followers.keys().copied().collect();
        for room in followed {
            self.at_follower(home, room, |follower, env| {
                Ok::<_, ()>(follower.deleted(env, &client))
            });
        }
        self.publish(device, 4);
        self.luck = luck;
        true
    }

    /// Somebody of another provider claims KeyPackages, and uses none.
    pub(super) fn exhaust(&mut self, target: usize) -> bool {
        let Some(device) = (0..self.phones.len()).find(|it| self.phones[*it].user != target) else {
            return false;
        };
        let Some(room) = self.phones[device].rooms.keys().next().copied() else { return false };
        for _ in 0..8 {
            let uri = self.sites[room].uri.clone();
            let target_uri = self.people[target].uri.clone();
            let crypto = self.crypto.clone();
            let phone = &mut self.phones[device];
            let now = skewed(self.now, phone.skew);
            let Some(machine) = phone.device.current(DEVICE, &phone.store, &phone.limits) else {
                return false;
            };
            let env = Env { now, crypto: &*crypto, keys: &phone.keys };
            let Ok(request) = machine.request_key_material(&env, &target_uri, &uri, SUITE) else {
                return false;
            };
            let body = crate::codec::Wire::encode(&request);
            let endpoint = Endpoint::KeyMaterial(target);
            let request = Request { endpoint, body, origin: Origin::Nobody };
            self.ask(device, &request);
            self.now = self.now.plus(61_000);
        }
        true
    }
}
