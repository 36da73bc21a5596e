//! The machines of a device, and what it sends.

use super::{
    World, WorldCrypto,
    network::{Endpoint, Late, Origin, Reply, Request},
    node::{DEVICE, room_id},
    report::Invariant,
    skewed,
    slot::{Halt, Shelf, found},
};
use crate::{
    client,
    client::{Device, Keys, Outgoing, OutgoingId, Refusal},
    codec::Wire,
    env::Env,
    machine::{Founding, Outcome, Step},
    wire::{SubmitMessageResponse, UpdateRoomResponse},
};

impl<C: WorldCrypto> World<C> {
    /// A call of a room on a device.
    pub(super) fn at_room<R>(
        &mut self,
        device: usize,
        room: usize,
        call: impl for<'a> Fn(
            &'a mut client::Room,
            &Env<'_, C, Keys>,
        ) -> Result<Step<'a, client::Room, R>, Refusal>,
    ) -> Result<Outcome<R, client::Action>, Halt<Refusal>> {
        let crypto = self.crypto.clone();
        let phone = &mut self.phones[device];
        let now = skewed(self.now, phone.skew);
        let env = Env { now, crypto: &*crypto, keys: &phone.keys };
        let Some(slot) = phone.rooms.get_mut(&room) else { return Err(Halt::Crashed) };
        let shelf = Shelf {
            store: &mut phone.store,
            limits: &phone.limits,
            luck: &mut self.luck,
            tally: &mut self.tally,
            sends_first: false,
        };
        let done = slot.step(shelf, &room_id(room), |machine| call(machine, &env));
        self.touched_devices.insert((device, room));
        self.break_if(done.broken);
        done.result
    }

    /// A call of a device.
    pub(super) fn at_device<R, E>(
        &mut self,
        device: usize,
        call: impl for<'a> Fn(&'a mut Device, &Env<'_, C, Keys>) -> Result<Step<'a, Device, R>, E>,
    ) -> Result<Outcome<R, client::DeviceAction>, Halt<E>> {
        let crypto = self.crypto.clone();
        let phone = &mut self.phones[device];
        let now = skewed(self.now, phone.skew);
        let env = Env { now, crypto: &*crypto, keys: &phone.keys };
        let shelf = Shelf {
            store: &mut phone.store,
            limits: &phone.limits,
            luck: &mut self.luck,
            tally: &mut self.tally,
            sends_first: false,
        };
        let done = phone.device.step(shelf, DEVICE, |machine| call(machine, &env));
        self.break_if(done.broken);
        done.result
    }

    /// A room comes into being on a device.
    pub(super) fn enter<R>(
        &mut self,
        device: usize,
        room: usize,
        call: impl FnOnce(&Env<'_, C, Keys>) -> Result<Founding<client::Room, R>, Refusal>,
    ) -> Result<Option<R>, Refusal> {
        let crypto = self.crypto.clone();
        let phone = &mut self.phones[device];
        let now = skewed(self.now, phone.skew);
        let env = Env { now, crypto: &*crypto, keys: &phone.keys };
        let founding = call(&env)?;
        let shelf = Shelf {
            store: &mut phone.store,
            limits: &phone.limits,
            luck: &mut self.luck,
            tally: &mut self.tally,
            sends_first: false,
        };
        let founded = found(shelf, &room_id(room), founding);
        if let Some(slot) = founded.slot {
            phone.rooms.insert(room, slot);
            let app = phone.apps.entry(room).or_default();
            app.entries += 1;
            app.taken.clear();
            self.touched_devices.insert((device, room));
            let (uri, group, epoch) = match self.phones[device].room(room) {
                Some(machine) => (machine.uri().clone(), machine.group().clone(), machine.epoch()),
                None => return Ok(None),
            };
            self.phones[device].apps.entry(room).or_default().since = epoch;
            let _: Result<_, Halt<()>> =
                self.at_device(device, |device, _| Ok(device.entered(&uri, &group)));
        }
        Ok(founded.outcome.map(|outcome| outcome.reply))
    }

    /// A room is over for a device: its records go.
    pub(super) fn forget_room(&mut self, device: usize, room: usize) {
        let phone = &mut self.phones[device];
        phone.rooms.remove(&room);
        phone.store.forget(room_id(room).as_bytes());
        let uri = self.sites[room].uri.clone();
        let _: Result<_, Halt<()>> = self.at_device(device, |device, _| Ok(device.left(&uri)));
    }

    /// Sends what waits in the outbox of a room.
    pub(super) fn send_outbox(&mut self, device: usize, room: usize) -> bool {
        let Some(machine) = self.phones[device].room(room) else { return false };
        let outgoing: Vec<Outgoing> = machine.outbox().collect();
        let mut busy = false;
        let mut waits = false;
        for Outgoing { id, token, endpoint, body } in outgoing {
            // A message goes when the one before it is answered, or receivers see them out of order.
            if waits && endpoint == client::Endpoint::SubmitMessage {
                continue;
            }
            let endpoint = match endpoint {
                client::Endpoint::Update => Endpoint::Update(room),
                client::Endpoint::SubmitMessage => Endpoint::Submit(room),
            };
            let origin = Origin::Device(device, token);
            busy = true;
            let Some(reply) = self.ask(device, &Request { endpoint, body, origin }) else {
                waits |= matches!(endpoint, Endpoint::Submit(_));
                continue;
            };
            if self.luck.one_in(24) {
                self.tally.fault("answer late");
                let due = self.now.plus(500 + 200 * self.luck.below(32) as u64);
                self.network.limbo.push((due, Late::Answer(device, room, id, endpoint, reply)));
            } else {
                self.answer(device, room, id, endpoint, &reply);
            }
        }
        busy
    }

    /// A device takes the hub's answer.
    pub(super) fn answer(
        &mut self,
        device: usize,
        room: usize,
        id: OutgoingId,
        endpoint: Endpoint,
        reply: &Reply,
    ) {
        if reply.status != 200 {
            self.tally.fault("not an answer");
            return;
        }
        let body = &reply.body;
        let taken = match endpoint {
            Endpoint::Update(_) => UpdateRoomResponse::decode(body).ok().map(|response| {
                self.at_room(device, room, |room, env| room.answer_update(env, id, &response))
            }),
            Endpoint::Submit(_) => SubmitMessageResponse::decode(body).ok().map(|response| {
                self.at_room(device, room, |room, env| room.answer_submit(env, id, &response))
            }),
            Endpoint::KeyMaterial(_)
            | Endpoint::GroupInfo(_)
            | Endpoint::Notify(_)
            | Endpoint::RequestConsent(_)
            | Endpoint::UpdateConsent(_)
            | Endpoint::Query => return,
        };
        match taken {
            None => self.break_if(Some((Invariant::Agreement, "an answer does not decode".into()))),
            Some(Err(Halt::Refused(refusal))) => {
                let found = format!("device {device} does not take an answer: {refusal}");
                self.break_if(Some((Invariant::Convergence, found)));
            }
            Some(Ok(_) | Err(Halt::Crashed)) => {}
        }
        self.read_events(device, room);
    }
}
