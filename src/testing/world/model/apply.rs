//! What becomes of a room by what its hub has accepted.

use std::collections::BTreeSet;

use super::{Device, Room, Text, User, Waiting, Wish, Wrong, spares, wrong};
use crate::{
    policy::{Capability, RoleIndex},
    testing::world::report::Invariant,
};

impl Room {
    /// The hub has accepted a message of this device, made in this epoch: who has come since cannot read it.
    pub(in super::super) fn say(
        &mut self,
        device: Device,
        text: Text,
        epoch: u64,
        owner: &[User],
    ) -> Result<(), Wrong> {
        let user = owner.get(device).copied().unwrap_or_default();
        if !self.said.insert(text) {
            return wrong(Invariant::ExactlyOnce, format!("text {text} was accepted twice"));
        }
        if self.is_out(user) || !self.roles.can(self.role(user), Capability::SEND_MESSAGE) {
            return wrong(
                Invariant::Outsiders,
                format!("text {text} of user {user}, who is in role {}", self.role(user)),
            );
        }
        if !self.now.members.contains(&device) {
            return wrong(Invariant::Outsiders, format!("text {text} of device {device}"));
        }
        // A user whose last device is about to go takes no part any more (P-160).
        let active: BTreeSet<User> = self
            .now
            .members
            .iter()
            .filter(|member| self.is_inside(**member))
            .filter_map(|member| owner.get(*member).copied())
            .collect();
        for member in self.now.members.iter().copied().filter(|member| *member != device) {
            let user = owner.get(member).copied().unwrap_or_default();
            let receives = active.contains(&user)
                && !self.is_out(user)
                && self.roles.can(self.role(user), Capability::RECEIVE_MESSAGE);
            let reader = self.readers.entry(member).or_default();
            if receives && !reader.deaf && reader.since <= epoch {
                reader.expected.push(text);
            } else {
                reader.tolerated.insert(text);
            }
        }
        Ok(())
    }

    /// The hub has accepted a commit of this device.
    pub(in super::super) fn commit(
        &mut self,
        device: Device,
        wish: &Wish,
        owner: &[User],
    ) -> Result<(), Wrong> {
        let user = owner.get(device).copied().unwrap_or_default();
        if self.is_out(user) || !self.now.members.contains(&device) {
            return wrong(Invariant::Outsiders, format!("a commit of device {device}"));
        }
        if !self.may(user, wish, owner) {
            return wrong(
                Invariant::OneVerdict,
                format!("the hub took {wish:?} of user {user} in role {}", self.role(user)),
            );
        }
        self.lapse_voids(user, owner)?;
        for waiting in std::mem::take(&mut self.waiting) {
            self.settle(&waiting);
        }
        self.change(wish, owner);
        self.enter();
        Ok(())
    }

    /// what nobody can commit lapses with a commit of the second user who leaves it out, its sender not counted; or
    /// with the second one of the same user, if all others are senders, or going.
    fn lapse_voids(&mut self, user: User, owner: &[User]) -> Result<(), Wrong> {
        let senders: BTreeSet<User> = self
            .waiting
            .iter()
            .filter_map(|it| if let Waiting::Void(sender) = it { Some(*sender) } else { None })
            .collect();
        let alone = self.now.members.iter().all(|device| {
            let whose = owner.get(*device).copied().unwrap_or_default();
            whose == user || senders.contains(&whose) || !self.is_staying(*device, owner)
        });
        for sender in &senders {
            let counts = |it: User| alone || it != *sender;
            let first = self.witnesses.iter().any(|it| (*it != user || alone) && counts(*it));
            if !first || !counts(user) {
                let found = format!("user {user} left out a proposal after {:?}", self.witnesses);
                return wrong(Invariant::NothingLost, found);
            }
        }
        Ok(())
    }

    fn settle(&mut self, waiting: &Waiting) {
        match waiting {
            Waiting::SelfRemove(device) | Waiting::Out(device) => self.gone(*device),
            Waiting::List(user, role) => self.list(*user, *role),
            Waiting::In(device) => self.come(*device),
            Waiting::Name(name) => self.now.name = *name,
            Waiting::Policy(id, number) => {
                self.now.policies.insert(id.0, *number);
            }
            Waiting::Void(_) => {}
        }
    }

    fn list(&mut self, user: User, role: Option<RoleIndex>) {
        match role {
            Some(role) => self.now.listed.insert(user, role),
            None => self.now.listed.remove(&user),
        };
    }

    fn gone(&mut self, device: Device) {
        self.now.members.remove(&device);
    }

    fn come(&mut self, device: Device) {
        self.now.members.insert(device);
        let reader = self.readers.entry(device).or_default();
        (reader.deaf, reader.since) = (false, self.epoch + 1);
    }

    fn change(&mut self, wish: &Wish, owner: &[User]) {
        match wish {
            Wish::Pending | Wish::Refresh => {}
            Wish::Add(user, role, devices) => {
                self.now.listed.entry(*user).or_insert(*role);
                devices.iter().for_each(|device| self.come(*device));
            }
            Wish::Remove(user) => {
                self.now.listed.remove(user);
                self.drop_devices(*user, owner);
            }
            Wish::SetRole(user, role) => {
                self.now.listed.insert(*user, *role);
                if *role == RoleIndex::BANNED {
                    self.drop_devices(*user, owner);
                }
            }
            Wish::RemoveDevice(device) => self.gone(*device),
            Wish::Name(name) => self.now.name = *name,
            Wish::Policy(id, number) => {
                self.now.policies.insert(id.0, *number);
            }
            Wish::Link(code, true) => {
                self.now.links.insert(*code);
            }
            Wish::Link(code, false) => {
                self.now.links.remove(code);
            }
        }
    }

    fn drop_devices(&mut self, user: User, owner: &[User]) {
        let devices: Vec<Device> = self.devices(user, owner).collect();
        devices.into_iter().for_each(|device| self.gone(device));
    }

    fn enter(&mut self) {
        self.epoch += 1;
        self.witnesses.clear();
        self.epochs.push(self.now.clone());
    }

    /// The hub has accepted proposals of a device, or made its own.
    pub(in super::super) fn propose(
        &mut self,
        by: Option<Device>,
        wish: &Wish,
        owner: &[User],
    ) -> Result<(), Wrong> {
        if let Some(device) = by {
            let user = owner.get(device).copied().unwrap_or_default();
            if self.is_out(user) || !self.now.members.contains(&device) {
                return wrong(Invariant::Outsiders, format!("proposals of device {device}"));
            }
            if !self.may(user, wish, owner) {
                return wrong(
                    Invariant::OneVerdict,
                    format!("the hub queued {wish:?} of user {user} in role {}", self.role(user)),
                );
            }
        }
        match wish {
            Wish::Remove(user) => {
                self.queue_out(*user, None, owner);
                self.queue_list(*user, None, owner);
            }
            Wish::SetRole(user, RoleIndex::BANNED) => {
                self.queue_out(*user, None, owner);
                self.queue_list(*user, Some(RoleIndex::BANNED), owner);
            }
            Wish::SetRole(user, role) => self.queue_list(*user, Some(*role), owner),
            Wish::RemoveDevice(device) => self.waiting.push(Waiting::Out(*device)),
            Wish::Name(name) => self.waiting.push(Waiting::Name(*name)),
            Wish::Policy(id, number) => self.waiting.push(Waiting::Policy(*id, *number)),
            Wish::Add(user, role, devices) => {
                if !self.is_listed(*user) {
                    self.queue_list(*user, Some(*role), owner);
                }
                self.waiting.extend(devices.iter().copied().map(Waiting::In));
            }
            Wish::Pending | Wish::Refresh | Wish::Link(..) => {}
        }
        Ok(())
    }

    /// The devices of a user go, but for one, and but for those that are going.
    fn queue_out(&mut self, user: User, but: Option<Device>, owner: &[User]) {
        let going: BTreeSet<Device> = self
            .waiting
            .iter()
            .filter_map(|waiting| match waiting {
                Waiting::SelfRemove(device) | Waiting::Out(device) => Some(*device),
                Waiting::List(..)
                | Waiting::In(_)
                | Waiting::Name(_)
                | Waiting::Policy(..)
                | Waiting::Void(_) => None,
            })
            .collect();
        let devices: Vec<Device> = self.devices(user, owner).collect();
        for device in devices {
            if Some(device) != but && !going.contains(&device) {
                self.waiting.push(Waiting::Out(device));
            }
        }
    }

    /// what comes later makes weaker things of the same user lapse.
    fn queue_list(&mut self, user: User, role: Option<RoleIndex>, owner: &[User]) {
        let goes = matches!(role, None | Some(RoleIndex::BANNED));
        let before = self.waiting.len();
        self.waiting.retain(|waiting| match waiting {
            Waiting::List(who, _) => *who != user,
            Waiting::In(device) => !(goes && owner.get(*device) == Some(&user)),
            Waiting::SelfRemove(_)
            | Waiting::Out(_)
            | Waiting::Name(_)
            | Waiting::Policy(..)
            | Waiting::Void(_) => true,
        });
        if self.waiting.len() < before {
            self.lapse_unfit();
        }
        self.waiting.push(Waiting::List(user, role));
    }

    /// who goes because somebody else was to follow in a role stays, where that one is not to any more.
    fn lapse_unfit(&mut self) {
        let mut listed = self.now.listed.clone();
        self.waiting.retain(|waiting| {
            let Waiting::List(user, to) = waiting else { return true };
            let from = listed.get(user).copied();
            let fits = from == *to || from.is_none_or(|from| spares(&self.roles, &listed, from));
            match to {
                Some(to) if fits => listed.insert(*user, *to),
                None if fits => listed.remove(user),
                Some(_) | None => None,
            };
            fits
        });
    }

    /// The hub has accepted that a device's user leaves.
    pub(in super::super) fn leave(&mut self, device: Device, owner: &[User]) -> Result<(), Wrong> {
        if !self.now.members.contains(&device) {
            return wrong(Invariant::Outsiders, format!("a leave of device {device}"));
        }
        let user = owner.get(device).copied().unwrap_or_default();
        self.waiting.retain(|waiting| *waiting != Waiting::Out(device));
        self.waiting.push(Waiting::SelfRemove(device));
        self.queue_out(user, Some(device), owner);
        if self.now.listed.contains_key(&user) && !self.is_out(user) {
            self.queue_list(user, None, owner);
        }
        Ok(())
    }

    /// The hub has accepted an external commit of this device: SelfRemoves happen, removals and bans are asked for
    /// again, everything else that waited lapses.
    pub(in super::super) fn join(
        &mut self,
        device: Device,
        role: RoleIndex,
        by_code: bool,
        owner: &[User],
    ) -> Result<(), Wrong> {
        let user = owner.get(device).copied().unwrap_or_default();
        let listed = self.now.listed.contains_key(&user);
        let own = self.roles.can(self.role(user), Capability::ADD_OWN_CLIENT);
        if listed && (self.is_out(user) || !own) || !listed && !self.open && !by_code {
            return wrong(
                Invariant::Outsiders,
                format!("device {device} joined, its user in role {}", self.role(user)),
            );
        }
        let waiting = std::mem::take(&mut self.waiting);
        for it in &waiting {
            if let Waiting::SelfRemove(device) = it {
                self.gone(*device);
            }
        }
        if !listed {
            self.now.listed.insert(user, role);
        }
        self.come(device);
        self.enter();
        for it in waiting {
            match it {
                Waiting::Out(device) if self.now.members.contains(&device) => {
                    if !self.waiting.contains(&Waiting::Out(device)) {
                        self.waiting.push(Waiting::Out(device));
                    }
                }
                Waiting::List(user, role)
                    if matches!(role, None | Some(RoleIndex::BANNED))
                        && self.now.listed.get(&user).is_some_and(|from| {
                            Some(*from) == role || spares(&self.roles, &self.now.listed, *from)
                        }) =>
                {
                    self.queue_out(user, None, owner);
                    self.waiting.push(Waiting::List(user, role));
                }
                Waiting::SelfRemove(_)
                | Waiting::Out(_)
                | Waiting::List(..)
                | Waiting::In(_)
                | Waiting::Name(_)
                | Waiting::Policy(..)
                | Waiting::Void(_) => {}
            }
        }
        Ok(())
    }
}
