//! What a device takes from its provider.

use super::{
    World, WorldCrypto,
    model::Deed,
    node::{follower_id, user_id},
    report::Invariant,
    slot::Halt,
};
use crate::{
    client,
    client::Refusal,
    codec::Wire,
    follower,
    wire::{FanoutEvent, FanoutMessage},
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
            if !owed.is_empty() && !self.follow_up(home, room) {
                // That KeyPackages are spent has to be known before their Welcome is out.
                busy = true;
                continue;
            }
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
    pub(super) fn say_who_is_out(&mut self, device: usize, room: usize, home: usize) {
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
    pub(super) fn is_welcomed_while_joining(
        &mut self,
        device: usize,
        room: usize,
        message: &FanoutMessage,
    ) -> bool {
        let FanoutEvent::Welcome { welcome, .. } = &message.event else { return false };
        let joining = self.phones[device].room(room).is_some_and(|machine| {
            let tokens: Vec<_> = machine.outbox().map(|outgoing| outgoing.token).collect();
            !machine.is_member()
                && tokens.iter().any(|token| {
                    matches!(
                        self.deeds.get(&(device, *token)),
                        Some(Deed::Join(_) | Deed::JoinByCode(..))
                    )
                })
        });
        joining && self.phones[device].device().is_some_and(|it| it.lend(welcome).is_some())
    }

    /// What an honest hub and an honest follower bring is taken.
    pub(super) fn refused(
        &mut self,
        device: usize,
        room: usize,
        message: &FanoutMessage,
        refusal: &Refusal,
    ) {
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
        let poison = match &message.event {
            FanoutEvent::Proposals { first, .. } => self.poison.contains(first.as_bytes()),
            FanoutEvent::Application { .. }
            | FanoutEvent::Commit { .. }
            | FanoutEvent::Welcome { .. } => false,
        };
        if poison {
            self.tally.attack("client proposes what nobody can accept", "dropped by a client");
        }
        let tolerated = poison
            || matches!(refusal, Refusal::Closed)
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
    pub(super) fn is_for(
        &mut self,
        device: usize,
        references: &[crate::wire::KeyPackageRef],
    ) -> bool {
        let phone = &self.phones[device];
        let (user, client) = (phone.user, phone.client.clone());
        let provider = &mut self.providers[self.people[user].home];
        let slot = provider.users.get_mut(&user);
        let machine =
            slot.and_then(|slot| slot.current(&user_id(user), &provider.store, &provider.limits));
        machine.is_some_and(|machine| {
            references.iter().filter_map(|it| machine.owner(it)).any(|owner| owner.client == client)
        })
    }
}
