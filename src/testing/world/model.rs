//! What rooms should be: plain sets and maps. No MLS, no octets; obviously right, or it is wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::report::Invariant;
use crate::policy::{Capability, RoleIndex, Roles};

/// A user, by number.
pub(super) type User = usize;
/// A device, by number.
pub(super) type Device = usize;
/// An application message, by number.
pub(super) type Text = u32;

/// What a member wants of the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing but what waits.
    Pending,
    /// New keys.
    Refresh,
    /// A user comes with these devices; listed already, only the devices do.
    Add(User, RoleIndex, BTreeSet<Device>),
    /// A user goes, with all devices.
    Remove(User),
    /// A user gets another role; the banned lose their devices.
    SetRole(User, RoleIndex),
    /// A device goes.
    RemoveDevice(Device),
    /// The room is called so.
    Name(u32),
}

/// What a device has asked its room's hub for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// To pass a message on.
    Say(Text),
    /// A commit.
    Commit(Wish),
    /// Proposals.
    Propose(Wish),
    /// Its user goes.
    Leave,
    /// It joins from outside, in this role if its user is not listed.
    Join(RoleIndex),
}

/// A proposal that waits for a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// A device goes by its own will.
    SelfRemove(Device),
    /// A device goes.
    Out(Device),
    /// A user's place on the list changes.
    List(User, Option<RoleIndex>),
    /// A device comes.
    In(Device),
    /// Another name.
    Name(u32),
}

/// A room in one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frozen {
    pub(super) listed: BTreeMap<User, RoleIndex>,
    pub(super) members: BTreeSet<Device>,
    pub(super) name: u32,
}

/// What one device should have read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reader {
    /// In this order, each once.
    pub(super) expected: Vec<Text>,
    /// It may have got these too: its provider could not know yet that its user was out.
    pub(super) tolerated: BTreeSet<Text>,
    /// It has lost its keys, and reads nothing until it joins again.
    pub(super) deaf: bool,
}

/// A room.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) roles: Roles,
    pub(super) open: bool,
    /// Whether the room is no more.
    pub(super) ended: bool,
    pub(super) epoch: u64,
    pub(super) now: Frozen,
    pub(super) waiting: Vec<Waiting>,
    /// The room of each epoch.
    pub(super) epochs: Vec<Frozen>,
    pub(super) readers: BTreeMap<Device, Reader>,
    /// All messages that were accepted.
    pub(super) said: BTreeSet<Text>,
}

/// Something that should not be.
pub(super) type Wrong = (Invariant, String);

fn wrong(invariant: Invariant, what: String) -> Result<(), Wrong> {
    Err((invariant, what))
}

impl Room {
    pub(super) fn new(roles: Roles, creator: User, role: RoleIndex, device: Device) -> Self {
        let now = Frozen { listed: [(creator, role)].into(), members: [device].into(), name: 0 };
        let open = roles.can(RoleIndex::NONE, Capability::OPEN_JOIN);
        Self {
            roles,
            open,
            ended: false,
            epoch: 0,
            epochs: vec![now.clone()],
            now,
            waiting: Vec::new(),
            readers: [(device, Reader::default())].into(),
            said: BTreeSet::new(),
        }
    }

    /// A user's role once all that waits is committed.
    pub(super) fn role(&self, user: User) -> RoleIndex {
        let changed = self.waiting.iter().rev().find_map(|waiting| match waiting {
            Waiting::List(who, role) if *who == user => Some(role.unwrap_or(RoleIndex::NONE)),
            Waiting::List(..)
            | Waiting::SelfRemove(_)
            | Waiting::Out(_)
            | Waiting::In(_)
            | Waiting::Name(_) => None,
        });
        changed.or_else(|| self.now.listed.get(&user).copied()).unwrap_or(RoleIndex::NONE)
    }

    /// Whether a user is listed, banned or not.
    pub(super) fn is_listed(&self, user: User) -> bool {
        self.role(user) != RoleIndex::NONE
    }

    /// Whether a device is not about to go: others cannot commit.
    pub(super) fn is_staying(&self, device: Device, owner: &[User]) -> bool {
        let user = owner.get(device).copied().unwrap_or_default();
        !self.is_out(user) && self.is_inside(device)
    }

    /// Whether a device is a member, and no removal of it waits.
    fn is_inside(&self, device: Device) -> bool {
        let going = |waiting: &Waiting| match waiting {
            Waiting::SelfRemove(it) | Waiting::Out(it) => *it == device,
            Waiting::List(..) | Waiting::In(_) | Waiting::Name(_) => false,
        };
        self.now.members.contains(&device) && !self.waiting.iter().any(going)
    }

    fn is_out(&self, user: User) -> bool {
        matches!(self.role(user), RoleIndex::NONE | RoleIndex::BANNED)
    }

    fn devices<'a>(
        &'a self,
        user: User,
        owner: &'a [User],
    ) -> impl Iterator<Item = Device> + use<'a> {
        self.now.members.iter().copied().filter(move |device| owner.get(*device) == Some(&user))
    }

    /// Whether somebody in `actor`'s role may do this, by the room's roles alone.
    pub(super) fn may(&self, actor: User, wish: &Wish, owner: &[User]) -> bool {
        let role = self.role(actor);
        let can = |capability| self.roles.can(role, capability);
        let moves = |from, to| self.roles.get(role).is_some_and(|it| it.may_move(from, to));
        let none = RoleIndex::NONE;
        match wish {
            Wish::Pending | Wish::Refresh => true,
            Wish::Add(user, to, _)
                if !self
                    .roles
                    .get(if self.is_listed(*user) { self.role(*user) } else { *to })
                    .is_some_and(|role| role.may_be_active()) =>
            {
                false
            }
            Wish::Add(user, _, _) if *user == actor => can(Capability::ADD_OWN_CLIENT),
            Wish::Add(user, to, _) => {
                let to = if self.is_listed(*user) { self.role(*user) } else { *to };
                can(Capability::ADD_PARTICIPANT) && moves(none, to)
            }
            Wish::Remove(user) if *user == actor => {
                can(Capability::REMOVE_SELF) && moves(role, none)
            }
            Wish::Remove(user) => {
                can(Capability::REMOVE_PARTICIPANT) && moves(self.role(*user), none)
            }
            Wish::SetRole(user, to) => {
                let from = self.role(*user);
                let plain = can(Capability::CHANGE_USER_ROLE) && from != *to;
                let capable = match (from, *to) {
                    (_, RoleIndex::BANNED) => can(Capability::BAN) || plain,
                    (RoleIndex::BANNED, _) => can(Capability::UNBAN) || plain,
                    _ => plain,
                };
                *user != actor && capable && moves(from, *to)
            }
            // It is going already, or gone: nothing is asked for.
            Wish::RemoveDevice(device) if !self.is_inside(*device) => true,
            Wish::RemoveDevice(device) => {
                if owner.get(*device) == Some(&actor) {
                    can(Capability::REMOVE_OWN_CLIENT)
                } else {
                    can(Capability::KICK)
                }
            }
            Wish::Name(_) => can(Capability::CHANGE_ROOM_NAME),
        }
    }

    /// Whether a user may have the room destroyed.
    pub(super) fn may_destroy(&self, user: User) -> bool {
        !self.is_out(user) && self.roles.can(self.role(user), Capability::DESTROY_ROOM)
    }

    /// Whether the roles keep as many holders as they need.
    pub(super) fn keeps_minima(&self, wish: &Wish) -> bool {
        let (user, to) = match wish {
            Wish::Remove(user) => (*user, RoleIndex::NONE),
            Wish::SetRole(user, to) => (*user, *to),
            Wish::Pending
            | Wish::Refresh
            | Wish::Add(..)
            | Wish::RemoveDevice(_)
            | Wish::Name(_) => return true,
        };
        let from = self.role(user);
        let holders = self.now.listed.values().filter(|role| **role == from).count();
        let least = self.roles.get(from).map_or(0, |role| role.participants.minimum);
        from == to || holders > usize::try_from(least).unwrap_or(usize::MAX)
    }

    /// The hub has accepted a message of this device.
    pub(super) fn say(&mut self, device: Device, text: Text, owner: &[User]) -> Result<(), Wrong> {
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
        let roles: BTreeMap<Device, RoleIndex> = self
            .now
            .members
            .iter()
            .filter(|member| **member != device)
            .map(|member| (*member, self.role(owner.get(*member).copied().unwrap_or_default())))
            .collect();
        for (member, role) in roles {
            let reader = self.readers.entry(member).or_default();
            let out = matches!(role, RoleIndex::NONE | RoleIndex::BANNED);
            if out || reader.deaf || !self.roles.can(role, Capability::RECEIVE_MESSAGE) {
                reader.tolerated.insert(text);
            } else {
                reader.expected.push(text);
            }
        }
        Ok(())
    }

    /// The hub has accepted a commit of this device.
    pub(super) fn commit(
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
        for waiting in std::mem::take(&mut self.waiting) {
            self.settle(&waiting);
        }
        self.change(wish, owner);
        self.enter();
        Ok(())
    }

    fn settle(&mut self, waiting: &Waiting) {
        match waiting {
            Waiting::SelfRemove(device) | Waiting::Out(device) => self.gone(*device),
            Waiting::List(user, role) => self.list(*user, *role),
            Waiting::In(device) => self.come(*device),
            Waiting::Name(name) => self.now.name = *name,
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
        self.readers.entry(device).or_default().deaf = false;
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
        }
    }

    fn drop_devices(&mut self, user: User, owner: &[User]) {
        let devices: Vec<Device> = self.devices(user, owner).collect();
        devices.into_iter().for_each(|device| self.gone(device));
    }

    fn enter(&mut self) {
        self.epoch += 1;
        self.epochs.push(self.now.clone());
    }

    /// The hub has accepted proposals of a device, or made its own.
    pub(super) fn propose(
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
            Wish::Add(user, role, devices) => {
                if !self.is_listed(*user) {
                    self.queue_list(*user, Some(*role), owner);
                }
                self.waiting.extend(devices.iter().copied().map(Waiting::In));
            }
            Wish::Pending | Wish::Refresh => {}
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
                Waiting::List(..) | Waiting::In(_) | Waiting::Name(_) => None,
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
        self.waiting.retain(|waiting| match waiting {
            Waiting::List(who, _) => *who != user,
            Waiting::In(device) => !(goes && owner.get(*device) == Some(&user)),
            Waiting::SelfRemove(_) | Waiting::Out(_) | Waiting::Name(_) => true,
        });
        self.waiting.push(Waiting::List(user, role));
    }

    /// The hub has accepted that a device's user leaves.
    pub(super) fn leave(&mut self, device: Device, owner: &[User]) -> Result<(), Wrong> {
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
    pub(super) fn join(
        &mut self,
        device: Device,
        role: RoleIndex,
        owner: &[User],
    ) -> Result<(), Wrong> {
        let user = owner.get(device).copied().unwrap_or_default();
        let listed = self.now.listed.contains_key(&user);
        let own = self.roles.can(self.role(user), Capability::ADD_OWN_CLIENT);
        if listed && (self.is_out(user) || !own) || !listed && !self.open {
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
                        && self.now.listed.contains_key(&user) =>
                {
                    self.queue_out(user, None, owner);
                    self.waiting.push(Waiting::List(user, role));
                }
                Waiting::SelfRemove(_)
                | Waiting::Out(_)
                | Waiting::List(..)
                | Waiting::In(_)
                | Waiting::Name(_) => {}
            }
        }
        Ok(())
    }

    /// A device has lost what it needs to read.
    pub(super) fn deafen(&mut self, device: Device, read: &[Text]) {
        let reader = self.readers.entry(device).or_default();
        reader.deaf = true;
        let missed = reader.expected.split_off(read.len().min(reader.expected.len()));
        reader.tolerated.extend(missed);
    }

    /// What a device has read, against what it should have.
    pub(super) fn check_read(&self, device: Device, read: &[Text], all: bool) -> Result<(), Wrong> {
        let nobody = Reader::default();
        let reader = self.readers.get(&device).unwrap_or(&nobody);
        let mut expected = reader.expected.iter();
        for (place, text) in read.iter().enumerate() {
            if reader.tolerated.contains(text) {
                continue;
            }
            match expected.next() {
                Some(next) if next == text => {}
                _ if !reader.expected.contains(text) => {
                    return wrong(
                        Invariant::Outsiders,
                        format!("device {device} has read text {text}, which was not for it"),
                    );
                }
                other => {
                    let what = if read.get(..place).is_some_and(|before| before.contains(text)) {
                        "twice"
                    } else {
                        "too early"
                    };
                    return wrong(
                        Invariant::ExactlyOnce,
                        format!("device {device} has read text {text} {what}, not {other:?}"),
                    );
                }
            }
        }
        match expected.next() {
            Some(missing) if all && !reader.deaf => wrong(
                Invariant::ExactlyOnce,
                format!("device {device} has never read text {missing}; it read {read:?}"),
            ),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::presets::Preset;

    const OWNER: [User; 4] = [0, 1, 1, 2];

    fn room() -> Room {
        let mut room = Room::new(Preset::Cooperative.roles(), 0, RoleIndex(4), 0);
        let add = Wish::Add(1, RoleIndex(2), [1, 2].into());
        room.commit(0, &add, &OWNER).expect("an admin adds");
        room
    }

    #[test]
    fn a_message_is_expected_by_all_others_once() {
        let mut room = room();
        room.say(1, 7, &OWNER).expect("a member speaks");
        assert!(room.say(1, 7, &OWNER).is_err(), "twice");
        assert!(room.say(3, 8, &OWNER).is_err(), "a stranger");
        assert!(room.check_read(0, &[7], true).is_ok());
        assert!(room.check_read(2, &[], false).is_ok(), "not yet");
        assert!(room.check_read(2, &[], true).is_err(), "never");
        assert!(room.check_read(2, &[7, 7], false).is_err(), "twice");
        assert!(room.check_read(3, &[7], false).is_err(), "not for it");
    }

    #[test]
    fn who_leaves_is_silent_at_once_and_gone_with_the_next_commit() {
        let mut room = room();
        room.leave(1, &OWNER).expect("a member leaves");
        assert!(room.say(2, 1, &OWNER).is_err(), "its other device is silent");
        room.commit(0, &Wish::Pending, &OWNER).expect("somebody commits");
        assert_eq!(room.now.members, [0].into());
        assert_eq!(room.role(1), RoleIndex::NONE);
    }

    #[test]
    fn bans_outlive_an_external_commit() {
        let mut room = room();
        room.propose(Some(0), &Wish::SetRole(1, RoleIndex::BANNED), &OWNER).expect("a ban");
        room.join(0, RoleIndex::NONE, &OWNER).expect("the admin comes back");
        assert_eq!(room.now.members, [0, 1, 2].into());
        assert_eq!(room.role(1), RoleIndex::BANNED);
        room.commit(0, &Wish::Pending, &OWNER).expect("it commits");
        assert_eq!(room.now.members, [0].into());
    }
}
