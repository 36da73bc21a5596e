//! The follower of rooms: what hubs tell, what its own clients send to hubs, and what it owes to those clients.

use std::collections::BTreeMap;

use openmimi::{
    env::{Env, Limits, Peer, Timestamp},
    follower::{self, Notice},
    machine::Records,
    provider::Owner,
    uri::{ClientUri, Domain, RoomUri, UserUri},
    wire::KeyPackageRef,
};

use super::{super::shared::crash::Halt, Reply, Server};

impl Server {
    /// The hub of a room tells what happened in it.
    pub(super) fn notify(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        room: &RoomUri,
        body: &[u8],
    ) -> Option<Reply> {
        let Ok(notice) = Notice::decode(body, &self.limits) else {
            return Some(Reply::status(400));
        };
        let owner =
            |reference: &KeyPackageRef| self.users.values().find_map(|user| user.owner(reference));
        let owners: BTreeMap<KeyPackageRef, Owner> =
            notice.references().filter_map(|it| Some((it.clone(), owner(it)?))).collect();
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        let restore = |records: &Records| follower_of(records, &self.limits);
        let id = follower_id(room);
        let Some(machine) = self.followers.get_mut(room) else {
            let founding = follower::Room::welcomed(
                self.limits.clone(),
                &env,
                peer,
                room.clone(),
                &notice,
                &owners,
            );
            let founding = match founding {
                Ok(founding) => founding,
                Err(refusal) => return Some(Reply::status(refusal.fault.status())),
            };
            let (machine, outcome) = self.disk.found(&id, founding, restore);
            self.followers.extend(machine.map(|machine| (room.clone(), machine)));
            return outcome.map(|_| Reply::status(201));
        };
        match self
            .disk
            .step(&id, machine, restore, |machine| machine.notify(&env, peer, &notice, &owners))
        {
            Ok(_) => Some(Reply::status(201)),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => Some(Reply::status(refusal.fault.status())),
        }
    }

    /// A client's update, on its way to the hub.
    pub fn relay_update(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        room: &RoomUri,
        body: &[u8],
    ) -> Option<Result<Domain, Reply>> {
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        let restore = |records: &Records| follower_of(records, &self.limits);
        let id = follower_id(room);
        let Some(machine) = self.followers.get_mut(room) else {
            let founding =
                follower::Room::join(self.limits.clone(), &env, peer, room.clone(), body);
            let founding = match founding {
                Ok(founding) => founding,
                Err(refusal) => return Some(Err(Reply::status(refusal.fault.status()))),
            };
            let (machine, outcome) = self.disk.found(&id, founding, restore);
            self.followers.extend(machine.map(|machine| (room.clone(), machine)));
            return outcome.map(|outcome| Ok(outcome.reply.to));
        };
        match self.disk.step(&id, machine, restore, |machine| machine.update(&env, peer, body)) {
            Ok(outcome) => Some(Ok(outcome.reply.to)),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => Some(Err(Reply::status(refusal.fault.status()))),
        }
    }

    /// The hub's answer to a client's update has come.
    pub fn update_answered(
        &mut self,
        peer: &Peer,
        room: &RoomUri,
        request: &[u8],
        response: &[u8],
    ) -> Option<()> {
        let machine = self.followers.get_mut(room)?;
        let restore = |records: &Records| follower_of(records, &self.limits);
        let id = follower_id(room);
        match self
            .disk
            .step(&id, machine, restore, |machine| machine.answered(peer, request, response))
        {
            Ok(_) | Err(Halt::Refused(_)) => Some(()),
            Err(Halt::Crashed) => None,
        }
    }

    /// What is outstanding for a client, event by event.
    pub fn deliveries(&self, client: &ClientUri) -> Vec<(RoomUri, u64, Vec<u8>)> {
        let mut all = Vec::new();
        for (room, machine) in &self.followers {
            for event in machine.owed(client).into_iter().flatten() {
                let record =
                    self.disk.store.read(follower_id(room).as_bytes(), &follower::event_key(event));
                all.push((
                    room.clone(),
                    event,
                    record.expect("events are kept until they are delivered").to_vec(),
                ));
            }
        }
        all
    }

    /// A client has taken an event over.
    pub fn delivered(&mut self, room: &RoomUri, client: &ClientUri, through: u64) {
        let machine = self.followers.get_mut(room).expect("it was this follower's event");
        let restore = |records: &Records| follower_of(records, &self.limits);
        let _: Result<_, Halt<()>> =
            self.disk.step(&follower_id(room), machine, restore, |machine| {
                Ok(machine.acknowledged(client, through))
            });
    }

    /// A client says that it is out of a room, by what it has taken over up to this event.
    pub fn client_left(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        client: &ClientUri,
        through: u64,
    ) {
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        let Some(machine) = self.followers.get_mut(room) else { return };
        let restore = |records: &Records| follower_of(records, &self.limits);
        let id = follower_id(room);
        while let Err(Halt::Crashed) = self
            .disk
            .step(&id, machine, restore, |machine| Ok::<_, ()>(machine.left(&env, client, through)))
        {
        }
    }

    /// Follows a room of its own hub, with the client that has made it.
    pub(super) fn follow(&mut self, room: &RoomUri, client: &ClientUri, user: &UserUri) {
        while !self.followers.contains_key(room) {
            let members = [(client.clone(), user.clone())];
            let founding = follower::Room::found(self.limits.clone(), room.clone(), members);
            let restore = |records: &Records| follower_of(records, &self.limits);
            let (machine, _) = self.disk.found(&follower_id(room), founding, restore);
            self.followers.extend(machine.map(|machine| (room.clone(), machine)));
        }
    }
}

fn follower_id(room: &RoomUri) -> String {
    format!("follower {room}")
}

fn follower_of(records: &Records, limits: &Limits) -> follower::Room {
    follower::Room::restore(records, limits.clone()).expect("what a follower saved")
}
