//! The invariants, held against what a step has touched.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::{World, WorldCrypto, model::Frozen, report::Invariant};
use crate::{
    policy::{RoleIndex, components::JoinLinks},
    room::{ComponentId, RoomState},
};

/// What was found wrong.
type Checked = Result<(), (Invariant, String)>;

fn wrong(invariant: Invariant, found: String) -> Checked {
    Err((invariant, found))
}

/// (i): no table holds more than it may.
fn within(whose: &str, tables: &[(&'static str, usize, usize)]) -> Checked {
    match tables.iter().find(|(_, held, limit)| held > limit) {
        Some((name, held, limit)) => {
            wrong(Invariant::Bounded, format!("{whose}: {held} {name}, and at most {limit}"))
        }
        None => Ok(()),
    }
}

impl<C: WorldCrypto> World<C> {
    /// Holds the invariants against everything that was touched since the last time.
    pub(super) fn check(&mut self) {
        for room in std::mem::take(&mut self.touched) {
            let checked = self.check_hub(room);
            self.break_if(checked.err());
            self.tally.checks += 5;
        }
        for (device, room) in std::mem::take(&mut self.touched_devices) {
            let checked = self.check_device(device, room);
            self.break_if(checked.err());
            self.tally.checks += 3;
        }
        for (provider, room) in std::mem::take(&mut self.touched_followers) {
            let Some(follower) = self.providers[provider].follower(room) else { continue };
            let checked = within(&format!("follower {provider}, room {room}"), &follower.tables());
            self.break_if(checked.err());
            self.tally.checks += 1;
        }
        for user in self.touched_users.clone() {
            let Some(machine) = self.user(user) else { continue };
            let checked = within(&format!("user {user}"), &machine.tables());
            self.break_if(checked.err());
        }
        self.check_consents();
    }

    /// The participants of a room, as the model writes them.
    fn participants(&self, state: &RoomState) -> BTreeMap<usize, RoleIndex> {
        let number = |uri: &str| self.people.iter().position(|it| it.uri.as_str() == uri);
        state
            .participants()
            .iter()
            .filter_map(|listed| Some((number(listed.user()?.as_str())?, listed.role)))
            .collect()
    }

    fn check_hub(&mut self, room: usize) -> Checked {
        let site = &self.sites[room];
        let provider = site.hub;
        let owner = self.owners();
        let Some(hub) = self.providers[provider].hub(room) else {
            if self.providers[provider].tombstone(room).is_some() {
                return Ok(());
            }
            return wrong(Invariant::Durable, format!("room {room} is gone from its hub"));
        };
        let (epoch, pending, tables) = (hub.epoch(), hub.pending(), hub.tables());
        let (committed, effective) = (hub.committed().clone(), hub.effective().clone());
        let mut members: BTreeMap<String, usize> = BTreeMap::new();
        for (_, user) in hub.members() {
            *members.entry(user.to_string()).or_default() += 1;
        }
        let Some(model) = self.model.get(&room) else { return Ok(()) };

        if epoch != model.epoch {
            let found = format!("room {room}: hub in epoch {epoch}, model in {}", model.epoch);
            return wrong(Invariant::Agreement, found);
        }
        let listed = self.participants(&committed);
        if listed != model.now.listed {
            let found = format!("room {room}: hub lists {listed:?}, model {:?}", model.now.listed);
            return wrong(Invariant::Agreement, found);
        }
        self.check_policy(&committed, &model.now, &format!("room {room}"))?;
        let mut expected: BTreeMap<String, usize> = BTreeMap::new();
        for device in &model.now.members {
            let user = owner.get(*device).copied().unwrap_or_default();
            *expected.entry(self.people[user].uri.to_string()).or_default() += 1;
        }
        if members != expected {
            let found =
                format!("room {room}: members {members:?} at the hub, {expected:?} by the model");
            return wrong(Invariant::Agreement, found);
        }
        for user in members.keys() {
            if matches!(committed.role(user), RoleIndex::NONE | RoleIndex::BANNED) {
                return wrong(Invariant::MembersListed, format!("room {room}: {user} is a member"));
            }
        }
        for (user, person) in self.people.iter().enumerate() {
            let (hub, model) = (effective.role(&person.uri), model.role(user));
            if hub != model {
                let found = format!(
                    "room {room}: user {user} is in role {hub} by the hub, {model} by the model"
                );
                return wrong(Invariant::NothingLost, found);
            }
        }
        if (pending == 0) != model.waiting.is_empty() {
            let found =
                format!("room {room}: {pending} wait at the hub, {:?} by the model", model.waiting);
            return wrong(Invariant::NothingLost, found);
        }
        within(&format!("room {room}"), &tables)
    }

    /// The components that have been changed hold what they were changed to, and the links are those that came and did not
    /// go.
    fn check_policy(&self, state: &RoomState, frozen: &Frozen, whose: &str) -> Checked {
        if frozen.policies.is_empty() && frozen.links.is_empty() {
            return Ok(());
        }
        let components = state.components();
        for (id, number) in &frozen.policies {
            if components.get(ComponentId(*id)) != self.policy_numbered(*number).map(Vec::as_slice)
            {
                let found = format!("{whose}: component {id:#06x} is not number {number}");
                return wrong(Invariant::Agreement, found);
            }
        }
        let links = state.policy().map_or(Vec::new(), |JoinLinks(links)| links);
        let links: BTreeSet<&[u8]> = links.iter().map(|link| JoinLinks::code_of(link)).collect();
        let codes = frozen.links.iter().filter_map(|code| self.codes.get(*code));
        if links != codes.map(|code| code.octets.as_slice()).collect() {
            return wrong(Invariant::Agreement, format!("{whose}: it has other links"));
        }
        Ok(())
    }

    fn check_device(&mut self, device: usize, room: usize) -> Checked {
        let Some(machine) = self.phones[device].room(room) else { return Ok(()) };
        let (epoch, context) = (machine.epoch(), machine.group_context());
        let (member, forked) = (machine.is_member(), machine.is_forked());
        let committed = machine.committed().clone();
        let (events, outbox) = (machine.events().count(), machine.outbox().count());
        let tables = machine.tables();
        if forked || !member {
            return Ok(());
        }
        let Some(model) = self.model.get(&room) else { return Ok(()) };
        let at = usize::try_from(epoch).unwrap_or(usize::MAX);
        let Some(frozen @ Frozen { listed, name, .. }) = model.epochs.get(at) else {
            let found =
                format!("device {device} is in epoch {epoch} of room {room}, which is not there");
            return wrong(Invariant::Agreement, found);
        };
        let found = self.participants(&committed);
        if found != *listed {
            let found = format!(
                "device {device}, room {room}, epoch {epoch}: lists {found:?}, not {listed:?}"
            );
            return wrong(Invariant::Agreement, found);
        }
        let whose = format!("device {device}, room {room}, epoch {epoch}");
        self.check_policy(&committed, frozen, &whose)?;
        let called = committed.metadata().name.as_str();
        if *name != 0 && called != format!("name {name}") {
            let found = format!(
                "device {device}, room {room}, epoch {epoch}: called {called:?}, not {name}"
            );
            return wrong(Invariant::Agreement, found);
        }
        match self.sites[room].contexts.get(&epoch) {
            Some(known) if *known != context => {
                let found = format!(
                    "device {device} has another GroupContext in epoch {epoch} of room {room}"
                );
                return wrong(Invariant::OneHistory, found);
            }
            Some(_) | None => {}
        }
        if events > 64 || outbox > 64 {
            let found = format!("device {device}, room {room}: {events} events, {outbox} to send");
            return wrong(Invariant::Bounded, found);
        }
        within(&whose, &tables)
    }

    /// At the end, all is everywhere.
    pub(super) fn check_ending(&mut self) {
        let rooms: Vec<usize> = self.model.keys().copied().collect();
        for room in rooms {
            let checked = self.check_room_ending(room);
            self.break_if(checked.err());
        }
    }

    fn check_room_ending(&mut self, room: usize) -> Checked {
        let Some(model) = self.model.get(&room).cloned() else { return Ok(()) };
        let owner = self.owners();
        let mut able = false;
        for device in &model.now.members {
            let deaf = model.readers.get(device).is_some_and(|reader| reader.deaf);
            if deaf {
                continue;
            }
            let Some(machine) = self.phones[*device].room(room) else {
                let found = format!("device {device} is a member of room {room}, and not in it");
                return wrong(Invariant::Convergence, found);
            };
            able |= machine.is_member() && model.is_staying(*device, &owner);
            if machine.epoch() != model.epoch {
                let found = format!(
                    "device {device} is in epoch {} of room {room}, the hub in {}",
                    machine.epoch(),
                    model.epoch
                );
                return wrong(Invariant::Convergence, found);
            }
            if machine.outbox().next().is_some() {
                let found = format!("device {device} has something left to send to room {room}");
                return wrong(Invariant::Convergence, found);
            }
        }
        for device in 0..self.phones.len() {
            let read = self.read_by(device, room);
            model.check_read(device, &read, model.now.members.contains(&device))?;
            if self.phones[device].rooms.contains_key(&room) && !model.now.members.contains(&device)
            {
                let found =
                    format!("device {device} is no member of room {room}, and thinks it is");
                return wrong(Invariant::Convergence, found);
            }
        }
        // What nobody can commit lapses with commits that somebody wants to make, and not by itself.
        if model.waiting.len() > model.voids() && able && !model.ended {
            let found = format!("room {room}: {:?} waits, and nobody commits it", model.waiting);
            return wrong(Invariant::NothingLost, found);
        }
        Ok(())
    }

    /// The rooms in words.
    pub(super) fn ending(&self) -> String {
        let mut out = String::new();
        for (room, model) in &self.model {
            let _ = writeln!(
                out,
                "room {room} {}{} epoch {} listed {:?} members {:?} waiting {:?} said {}",
                self.sites[*room].preset.name(),
                if model.ended { ", ended," } else { "" },
                model.epoch,
                model.now.listed.iter().map(|(user, role)| (*user, role.0)).collect::<Vec<_>>(),
                model.now.members,
                model.waiting,
                model.said.len(),
            );
            for (device, reader) in &model.readers {
                let read = self.read_by(*device, *room);
                let deaf = if reader.deaf { ", deaf" } else { "" };
                let _ = writeln!(out, "  device {device}: read {}{deaf}", read.len());
            }
        }
        out
    }
}
