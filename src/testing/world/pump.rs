//! Background work: what nodes do by themselves, some of it after each step, all of it when things settle.

use super::{
    World, WorldCrypto,
    luck::Luck,
    model::{Deed, Wish},
    network::{Endpoint, Origin, Request},
    node::{follower_id, hub_id, room_id},
    report::Invariant,
    slot::Halt,
};
use crate::{
    env::Peer,
    follower,
    hub::{self, Event},
    provider,
};

/// In so many rounds everything has to arrive once the faults have stopped.
const ROUNDS: usize = 60;

impl<C: WorldCrypto> World<C> {
    /// Some nodes get to work.
    pub(super) fn pump(&mut self) {
        self.now = self.now.plus(50 + 25 * self.luck.below(64) as u64);
        self.late_ones();
        for provider in 0..self.providers.len() {
            if self.luck.but_one_in(3) {
                self.work_provider(provider);
            }
        }
        for device in 0..self.phones.len() {
            if self.phones[device].on && self.luck.but_one_in(3) {
                self.work_device(device);
            }
        }
    }

    fn due(store: &crate::testing::MemoryStore, id: &str, now: crate::env::Timestamp) -> bool {
        store.due(now).iter().any(|due| due.as_slice() == id.as_bytes())
    }

    /// Says whether there was anything to do.
    fn work_provider(&mut self, provider: usize) -> bool {
        let mut busy = false;
        let rooms: Vec<usize> = self.providers[provider].hubs.keys().copied().collect();
        for room in rooms {
            let now = super::skewed(self.now, self.providers[provider].skew);
            if Self::due(&self.providers[provider].store, &hub_id(room), now) {
                let _ =
                    self.at_hub::<(), ()>(room, &Origin::Nobody, |hub, env| Ok(hub.timeout(env)));
            }
            busy |= self.fan_out(provider, room);
        }
        let rooms: Vec<usize> = self.providers[provider].followers.keys().copied().collect();
        for room in rooms {
            let now = super::skewed(self.now, self.providers[provider].skew);
            if Self::due(&self.providers[provider].store, &follower_id(room), now) {
                self.at_follower(provider, room, |follower, env| {
                    Ok::<_, ()>(follower.timeout(env))
                });
            }
            self.follow_up(provider, room);
        }
        let users: Vec<usize> = self.providers[provider].users.keys().copied().collect();
        for user in users {
            if self.luck.but_one_in(3) {
                busy |= self.work_letters(user);
            }
        }
        busy
    }

    /// Sends what a hub owes to providers.
    fn fan_out(&mut self, provider: usize, room: usize) -> bool {
        let Some(hub) = self.providers[provider].hub(room) else { return false };
        let backlog: Vec<_> =
            hub.backlog().map(|(domain, events)| (domain.clone(), events)).collect();
        let mut busy = false;
        for (domain, events) in backlog {
            if self.luck.one_in(4) {
                continue;
            }
            busy = true;
            let id = hub_id(room);
            // As much as one request is to hold; the rest follows.
            let last = events.end - 1;
            let through =
                if self.luck.one_in(3) { events.start + self.luck.below(4) as u64 } else { last };
            let through = through.min(last);
            let store = &self.providers[provider].store;
            let records: Vec<&[u8]> = (events.start..=through)
                .filter_map(|event| store.read(id.as_bytes(), &Event::key(event)))
                .collect();
            let Ok(body) = Event::notification(&domain, records) else { continue };
            let to = self.provider_at(&domain);
            let peer = Peer::Server(self.providers[provider].domain.clone());
            let arrived = if body.is_empty() {
                true
            } else {
                let endpoint = Endpoint::Notify(room);
                let request = Request { endpoint, body, origin: Origin::Nobody };
                let reply = if to == provider {
                    self.post(&peer, to, &request)
                } else {
                    self.send(&peer, provider, to, &request)
                };
                match reply {
                    Some(reply) if reply.status == 201 => true,
                    Some(reply) if matches!(reply.status, 404 | 503) => {
                        let unknown = reply.status == 404;
                        self.tally.fault(if unknown { "room unknown" } else { "too early" });
                        unknown
                    }
                    Some(reply) => {
                        let found = format!("{domain} answers {} to notify", reply.status);
                        self.break_if(Some((Invariant::ExactlyOnce, found)));
                        false
                    }
                    None => false,
                }
            };
            let _ = self.at_hub::<(), ()>(room, &Origin::Nobody, |hub, env| {
                Ok(if arrived {
                    hub.acknowledged(env, &domain, through)
                } else {
                    hub.notify_failed(env, &domain, None)
                })
            });
        }
        busy
    }

    /// What a follower owes to the users of its provider. Says whether all of them know.
    pub(super) fn follow_up(&mut self, provider: usize, room: usize) -> bool {
        let Some(machine) = self.providers[provider].follower(room) else { return true };
        let mut told = true;
        for action in machine.backlog() {
            let follower::Action::Welcomed { user, references } = action else { continue };
            let Some(user) = self.people.iter().position(|person| person.uri == user) else {
                continue;
            };
            let done = self.at_user(user, |user, _| Ok::<_, ()>(user.welcomed(&references)));
            told &= done.is_some();
        }
        told
    }

    /// Says whether there was anything to do.
    fn work_device(&mut self, device: usize) -> bool {
        let mut busy = false;
        let rooms: Vec<usize> = self.phones[device].rooms.keys().copied().collect();
        let now = super::skewed(self.now, self.phones[device].skew);
        for room in rooms {
            if Self::due(&self.phones[device].store, &room_id(room), now) {
                let _ = self.at_room(device, room, |room, env| room.timeout(env.now));
                self.read_events(device, room);
            }
            if self.luck.but_one_in(4) {
                busy |= self.send_outbox(device, room);
            }
        }
        if self.luck.but_one_in(3) {
            busy |= self.receive_owed(device);
        }
        let rooms: Vec<usize> = self.phones[device].rooms.keys().copied().collect();
        for room in rooms {
            busy |= self.commit_what_waits(device, room);
        }
        self.replenish(device);
        busy
    }

    /// Whoever sees that proposals wait commits them, sooner or later.
    fn commit_what_waits(&mut self, device: usize, room: usize) -> bool {
        if !self.luck.is_good() && !self.luck.one_in(4) {
            return false;
        }
        // The hub says in words that a room is no more, and an app stops trying.
        if self.model.get(&room).is_some_and(|model| model.ended) {
            return false;
        }
        let Some(machine) = self.phones[device].room(room) else { return false };
        if !machine.owes_commit() || !machine.is_member() {
            return false;
        }
        let token = self.phones[device].token();
        self.deeds.insert((device, token), Deed::Commit(Wish::Pending));
        match self.at_room(device, room, |room, env| room.commit_pending(env, token)) {
            Ok(_) => true,
            Err(Halt::Crashed | Halt::Refused(_)) => false,
        }
    }

    /// A device gives its provider KeyPackages when it has none left.
    fn replenish(&mut self, device: usize) {
        let (user, client) = (self.phones[device].user, self.phones[device].client.clone());
        let provider = &mut self.providers[self.people[user].home];
        let Some(slot) = provider.users.get_mut(&user) else { return };
        let id = super::node::user_id(user);
        let Some(machine) = slot.current(&id, &provider.store, &provider.limits) else { return };
        let low = machine.backlog().into_iter().any(|action| {
            matches!(action, provider::Action::Replenish { client: low, .. } if low == client)
        });
        if low && self.luck.but_one_in(3) {
            self.publish(device, 3);
        }
    }

    /// Nothing goes wrong for so many rounds, or until nothing is left to do. Says whether that came about.
    pub(super) fn settle(&mut self, rounds: usize) -> bool {
        let luck = std::mem::replace(&mut self.luck, Luck::GOOD);
        let mut quiet = 0;
        for _ in 0..rounds {
            self.now = self.now.plus(5_000);
            self.late_ones();
            let mut busy = !self.network.limbo.is_empty();
            for device in 0..self.phones.len() {
                if self.phones[device].on {
                    busy |= self.work_device(device);
                }
            }
            for provider in 0..self.providers.len() {
                busy |= self.work_provider(provider);
            }
            quiet = if busy { 0 } else { quiet + 1 };
            // What is parked gives up after half a minute.
            if quiet > 8 || self.violation.is_some() {
                break;
            }
        }
        self.luck = luck;
        quiet > 8
    }

    /// Where a proposal waits that nobody can accept, somebody who never commits may be needed as a witness: hubs
    /// propose that clients go which have lost the room.
    fn clear_lost(&mut self) {
        let stuck: Vec<usize> = self
            .model
            .iter()
            .filter(|(_, it)| it.voids() > 0 && !it.ended)
            .map(|it| *it.0)
            .collect();
        for room in stuck {
            let members = self.model.get(&room).map(|it| it.now.members.clone());
            for device in members.unwrap_or_default() {
                let model = self.model.get(&room).filter(|it| it.is_inside(device));
                let deaf = model.and_then(|it| it.readers.get(&device)).is_some_and(|it| it.deaf);
                if !deaf || self.phones[device].rooms.contains_key(&room) {
                    continue;
                }
                let key = self.phones[device].signature_key.clone();
                let hub = self.providers[self.sites[room].hub].hub(room);
                let Some(leaf) = hub.and_then(|hub| hub.leaf_of(&key)) else { continue };
                let origin = Origin::Hub(Wish::RemoveDevice(device));
                let lost = [hub::Proposal::RemoveClient(leaf)];
                let _ = self.at_hub(room, &origin, |hub, env| hub.propose(env, &lost));
            }
        }
    }

    /// (j): the faults stop, everybody is there, and everything arrives.
    pub(super) fn converge(&mut self) {
        self.luck = Luck::GOOD;
        self.network.cut.clear();
        for phone in &mut self.phones {
            phone.on = true;
            phone.skew = 0;
        }
        for provider in &mut self.providers {
            provider.skew = 0;
        }
        self.clear_lost();
        if !self.settle(ROUNDS) {
            let mut found = format!("there is still something to do after {ROUNDS} rounds:");
            for device in 0..self.phones.len() {
                let rooms: Vec<usize> = self.phones[device].rooms.keys().copied().collect();
                for room in rooms {
                    let sent = self.phones[device].room(room).map_or(0, |it| it.outbox().count());
                    if sent > 0 {
                        found.push_str(&format!(
                            " device {device} has {sent} to send to room {room},"
                        ));
                    }
                }
            }
            self.break_if(Some((Invariant::Convergence, found)));
        }
        self.touched.extend(0..self.sites.len());
        for device in 0..self.phones.len() {
            self.touched_devices
                .extend(self.phones[device].rooms.keys().map(|room| (device, *room)));
        }
        self.check();
        self.check_heard();
        self.check_ending();
    }
}
