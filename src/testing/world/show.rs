//! What a device shows to its user.

use super::{
    World, WorldCrypto,
    model::{Deed, Text},
    report::Invariant,
    slot::Halt,
};
use crate::{
    client::{Event, EventId},
    content,
    franking::Verdict,
};

impl<C: WorldCrypto> World<C> {
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

    pub(super) fn forget_key_package(&mut self, device: usize, room: usize) {
        let forgets = self.phones[device].room(room).and_then(|it| it.forgets().cloned());
        let Some(reference) = forgets else { return };
        let forgotten: Result<_, Halt<()>> =
            self.at_device(device, |device, _| Ok(device.forget(std::slice::from_ref(&reference))));
        if forgotten.is_ok() {
            let _ = self.at_room(device, room, |room, _| room.forgotten(&reference));
        }
    }

    /// Shows an event. Says whether the room is over for the device.
    pub(super) fn show(&mut self, device: usize, room: usize, event: &Event) -> bool {
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
                matches!(deed, Some(Deed::Join(_) | Deed::JoinByCode(..)))
            }
            Event::Removed { .. } => {
                let name = self.name_of(device);
                self.note(name.clone(), name, Some(room), "is out".into());
                true
            }
            Event::Accepted { token, .. } => {
                if !self.is_saved(device, *token) {
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
