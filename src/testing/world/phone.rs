//! What a device does: it sends, takes in, shows, and joins.

use super::{
    World, WorldCrypto,
    model::{Deed, Text},
    network::{Endpoint, Late, Origin, Reply, Request},
    node::{DEVICE, follower_id, room_id},
    report::Invariant,
    slot::{Halt, Shelf, found},
};
use crate::{
    client::{self, Device, Event, EventId, Keys, Outgoing, OutgoingId, Refusal},
    codec::Wire,
    content,
    env::Env,
    follower,
    franking::Verdict,
    machine::{Founding, Outcome, Step},
    wire::{FanoutEvent, FanoutMessage, SubmitMessageResponse, UpdateRoomResponse},
};

/// How an event from the provider was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// It need not come again.
    Yes,
    /// The device died over it: it has to come again.
    No,
}

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
        let now = super::skewed(self.now, phone.skew);
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
        let now = super::skewed(self.now, phone.skew);
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
        let now = super::skewed(self.now, phone.skew);
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
            Endpoint::KeyMaterial(_) | Endpoint::GroupInfo(_) | Endpoint::Notify(_) => return,
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

    /// Takes what the device's provider has for it. Says whether there was anything.
    pub(super) fn receive_owed(&mut self, device: usize) -> bool {
        let home = self.people[self.phones[device].user].home;
        let client = self.phones[device].client.clone();
        let rooms: Vec<usize> = self.providers[home].followers.keys().copied().collect();
        let mut busy = false;
        for room in rooms {
            let Some(machine) = self.providers[home].follower(room) else { continue };
            let owed: Vec<u64> = machine.owed(&client).into_iter().flatten().collect();
            let inside = machine.clients().any(|it| *it == client);
            let mut all = true;
            for event in &owed {
                busy = true;
                let key = follower::event_key(*event);
                let id = follower_id(room);
                let Some(body) = self.providers[home].store.read(id.as_bytes(), &key) else {
                    let found = format!("event {event} of room {room} is owed, and not there");
                    self.break_if(Some((Invariant::Durable, found)));
                    return false;
                };
                let body = body.to_vec();
                let before = self.told.entry((home, room, body.clone())).or_insert(*event);
                if *before != *event {
                    let found = format!("events {before} and {event} of room {room} are the same");
                    self.break_if(Some((Invariant::ExactlyOnce, found)));
                }
                if self.luck.one_in(24) {
                    self.tally.fault("delivery lost");
                    all = false;
                    break;
                }
                if self.receive(device, room, &body) == Taken::No {
                    all = false;
                    break;
                }
                if self.luck.one_in(24) {
                    // It comes again.
                    self.tally.fault("delivery not acknowledged");
                    all = false;
                    continue;
                }
                if all {
                    self.at_follower(home, room, |follower, _| {
                        Ok::<_, ()>(follower.acknowledged(&client, *event))
                    });
                }
            }
            self.say_who_is_out(device, room, home);
            if all && inside && !self.phones[device].rooms.contains_key(&room) {
                self.at_follower(home, room, |follower, env| {
                    let through = follower.taken(&client).unwrap_or_default();
                    Ok::<_, ()>(follower.left(env, &client, through))
                });
            }
        }
        busy
    }

    /// A provider learns from its clients whom to withhold messages from (P-178), from those that are behind too.
    fn say_who_is_out(&mut self, device: usize, room: usize, home: usize) {
        let client = self.phones[device].client.clone();
        let follower = self.providers[home].follower(room);
        let Some(as_of) = follower.and_then(|it| it.taken(&client)) else { return };
        let Some(machine) = self.phones[device].room(room) else { return };
        if !machine.is_member() {
            return;
        }
        let state = machine.effective().clone();
        let users: Vec<_> = self
            .people
            .iter()
            .filter(|person| person.home == home)
            .map(|person| person.uri.clone())
            .collect();
        for user in users {
            let role = state.role(&user);
            let out =
                matches!(role, crate::policy::RoleIndex::NONE | crate::policy::RoleIndex::BANNED);
            self.at_follower(home, room, |follower, _| {
                Ok::<_, ()>(match out {
                    true => follower.block(&user, as_of),
                    false => follower.unblock(&user, as_of),
                })
            });
        }
    }

    /// Takes one event from its provider.
    fn receive(&mut self, device: usize, room: usize, body: &[u8]) -> Taken {
        let Ok(message) = FanoutMessage::decode(body) else {
            self.break_if(Some((Invariant::Agreement, "a delivery does not decode".into())));
            return Taken::Yes;
        };
        if self.phones[device].rooms.contains_key(&room) && !self.read_events(device, room) {
            return Taken::No;
        }
        if self.is_welcomed_while_joining(device, room, &message) {
            // Which of the two leaves will be there, the hub has to say first.
            return Taken::No;
        }
        if !self.phones[device].rooms.contains_key(&room) {
            return self.welcome(device, room, &message);
        }
        match self.at_room(device, room, |room, env| room.receive(env, &message)) {
            Ok(_) => {}
            Err(Halt::Crashed) => return Taken::No,
            Err(Halt::Refused(refusal)) => self.refused(device, room, &message, &refusal),
        }
        if self.read_events(device, room) { Taken::Yes } else { Taken::No }
    }

    /// Somebody has added this device while its own external commit is under way.
    fn is_welcomed_while_joining(
        &mut self,
        device: usize,
        room: usize,
        message: &FanoutMessage,
    ) -> bool {
        let FanoutEvent::Welcome { welcome, .. } = &message.event else { return false };
        let joining = self.phones[device].room(room).is_some_and(|machine| {
            let tokens: Vec<_> = machine.outbox().map(|outgoing| outgoing.token).collect();
            !machine.is_member()
                && tokens
                    .iter()
                    .any(|token| matches!(self.deeds.get(&(device, *token)), Some(Deed::Join(_))))
        });
        joining && self.phones[device].device().is_some_and(|it| it.lend(welcome).is_some())
    }

    /// What an honest hub and an honest follower bring is taken.
    fn refused(&mut self, device: usize, room: usize, message: &FanoutMessage, refusal: &Refusal) {
        self.tally.fault("not taken");
        let (what, epoch) = match &message.event {
            FanoutEvent::Application { message, .. } => ("a message", message.epoch()),
            FanoutEvent::Proposals { first, .. } => ("proposals", first.epoch()),
            FanoutEvent::Commit { commit, .. } => ("a commit", commit.epoch()),
            FanoutEvent::Welcome { .. } => ("a Welcome", 0),
        };
        let since = self.phones[device].apps.get(&room).map_or(0, |app| app.since);
        let name = self.name_of(device);
        self.note(name.clone(), name, Some(room), format!("does not take {what}: {refusal}"));
        // It was added once, and came from outside before it saw that; or it is none of the room any more.
        let tolerated = matches!(refusal, Refusal::Closed)
            || epoch < since
            || self.model.get(&room).is_some_and(|model| {
                !model.now.members.contains(&device)
                    || model.readers.get(&device).is_some_and(|reader| reader.deaf)
            });
        if !tolerated {
            let found = format!("device {device} does not take {what}: {refusal}");
            self.break_if(Some((Invariant::Convergence, found)));
        }
    }

    /// Joins by a Welcome that has come.
    fn welcome(&mut self, device: usize, room: usize, message: &FanoutMessage) -> Taken {
        let FanoutEvent::Welcome { welcome, .. } = &message.event else { return Taken::Yes };
        let uri = self.sites[room].uri.clone();
        let limits = self.phones[device].limits.clone();
        let Some(lent) = self.phones[device].device().and_then(|it| it.lend(welcome)) else {
            if self.wiped.contains(&device) {
                let read = self.read_by(device, room);
                if let Some(model) = self.model.get_mut(&room) {
                    model.deafen(device, &read);
                }
            } else if self.is_for(device, welcome.new_members()) {
                let found = format!("device {device} has lost the KeyPackage of its Welcome");
                self.break_if(Some((Invariant::Durable, found)));
            }
            return Taken::Yes;
        };
        let entered =
            self.enter(device, room, |env| client::Room::join(env, &lent, &uri, message, &limits));
        match entered {
            Ok(_) if self.phones[device].rooms.contains_key(&room) => {
                self.read_events(device, room);
                Taken::Yes
            }
            Ok(_) => Taken::No,
            Err(refusal) => {
                let found = format!("device {device} does not take its Welcome: {refusal}");
                self.break_if(Some((Invariant::Convergence, found)));
                Taken::Yes
            }
        }
    }

    /// Whether one of these KeyPackages was handed out for this device.
    fn is_for(&mut self, device: usize, references: &[crate::wire::KeyPackageRef]) -> bool {
        let phone = &self.phones[device];
        let (user, client) = (phone.user, phone.client.clone());
        let provider = &mut self.providers[self.people[user].home];
        let slot = provider.users.get_mut(&user);
        let machine = slot.and_then(|slot| {
            slot.current(&super::node::user_id(user), &provider.store, &provider.limits)
        });
        machine.is_some_and(|machine| {
            references.iter().filter_map(|it| machine.owner(it)).any(|owner| owner.client == client)
        })
    }

    pub(super) fn read_by(&self, device: usize, room: usize) -> Vec<Text> {
        self.phones[device].apps.get(&room).map(|app| app.read.clone()).unwrap_or_default()
    }

    /// Shows what has happened in a room, and takes it over. Says whether it came through.
    pub(super) fn read_events(&mut self, device: usize, room: usize) -> bool {
        let Some(machine) = self.phones[device].room(room) else { return true };
        let events: Vec<(EventId, Event)> =
            machine.events().map(|(id, event)| (id, event.clone())).collect();
        let mut over = false;
        for (id, event) in &events {
            let app = self.phones[device].apps.entry(room).or_default();
            if app.taken.insert(*id) {
                over |= self.show(device, room, event);
            } else {
                over |= matches!(event, Event::Removed { .. });
            }
        }
        if over {
            self.forget_room(device, room);
            return true;
        }
        let ids: Vec<EventId> = events.iter().map(|(id, _)| *id).collect();
        if !ids.is_empty() && self.at_room(device, room, |room, _| room.acknowledge(&ids)).is_err()
        {
            return false;
        }
        self.forget_key_package(device, room);
        true
    }

    fn forget_key_package(&mut self, device: usize, room: usize) {
        let forgets = self.phones[device].room(room).and_then(|it| it.forgets().cloned());
        let Some(reference) = forgets else { return };
        let forgotten: Result<_, Halt<()>> =
            self.at_device(device, |device, _| Ok(device.forget(std::slice::from_ref(&reference))));
        if forgotten.is_ok() {
            let _ = self.at_room(device, room, |room, _| room.forgotten(&reference));
        }
    }

    /// Shows an event. Says whether the room is over for the device.
    fn show(&mut self, device: usize, room: usize, event: &Event) -> bool {
        let broken = |world: &mut Self, invariant, what: String| {
            world.break_if(Some((invariant, format!("device {device}, room {room}: {what}"))));
        };
        match event {
            Event::Message(message) => {
                let Some(text) = self.texts.get(&message.id).copied() else {
                    broken(self, Invariant::Outsiders, "a message that nobody sent".into());
                    return false;
                };
                let jumped = self.clocks_jumped && matches!(message.franking, Verdict::Suspect(_));
                if message.franking != Verdict::Valid && !jumped {
                    let found = format!("text {text} is franked {:?}", message.franking);
                    broken(self, Invariant::Agreement, found);
                }
                self.tally.read += 1;
                let decoded = content::Message::decode(&message.content);
                if decoded.is_err() {
                    broken(self, Invariant::Agreement, format!("text {text} does not decode"));
                }
                let app = self.phones[device].apps.entry(room).or_default();
                app.read.push(text);
                app.newest = Some((message.id, message.content.clone()));
                let read = app.read.clone();
                let checked =
                    self.model.get(&room).map_or(Ok(()), |it| it.check_read(device, &read, false));
                self.break_if(checked.err());
                false
            }
            Event::Discarded { sender, reason, .. } => {
                broken(
                    self,
                    Invariant::ExactlyOnce,
                    format!("discarded of {sender:?}: {reason:?}"),
                );
                false
            }
            Event::Forked { evidence, .. } => {
                broken(self, Invariant::OneHistory, format!("forked: {evidence:?}"));
                false
            }
            Event::Forbidden { rule } => {
                broken(self, Invariant::OneVerdict, format!("the hub let in what {rule} forbids"));
                false
            }
            Event::Omitted { proposals, .. } => {
                broken(self, Invariant::NothingLost, format!("{proposals} proposals left out"));
                false
            }
            Event::Failed { token, reason } => {
                let deed = self.deeds.get(&(device, *token)).cloned();
                let name = self.name_of(device);
                self.note(name.clone(), name, Some(room), format!("{deed:?} failed: {reason:?}"));
                matches!(deed, Some(Deed::Join(_)))
            }
            Event::Removed { .. } => {
                let name = self.name_of(device);
                self.note(name.clone(), name, Some(room), "is out".into());
                true
            }
            Event::Accepted { token, .. } => {
                if !self.done.contains(&(device, *token)) {
                    let found = format!("{token:?} was accepted, and is not saved");
                    broken(self, Invariant::Durable, found);
                }
                false
            }
            Event::Changed { .. }
            | Event::Proposed { .. }
            | Event::Status { .. }
            | Event::Text { .. } => false,
        }
    }
}
