//! What rooms should be: plain sets and maps. No MLS, no octets; obviously right, or it is wrong.

mod apply;
mod reading;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::{policies::capability, report::Invariant};
use crate::{
    policy::{Capability, RoleIndex, Roles},
    room::ComponentId,
};

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
    /// A component of the policy gets the content of this number.
    Policy(ComponentId, usize),
    /// The link that ends in this code comes, or goes.
    Link(usize, bool),
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
    /// The same with a joining code, by number.
    JoinByCode(RoleIndex, usize),
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
    /// A component of the policy changes.
    Policy(ComponentId, usize),
    /// What nobody but this user can accept, for its membership tag is wrong: nobody commits it.
    Void(User),
}

/// A room in one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frozen {
    pub(super) listed: BTreeMap<User, RoleIndex>,
    pub(super) members: BTreeSet<Device>,
    pub(super) name: u32,
    /// Components of the policy that have changed, by the numbers of their contents.
    pub(super) policies: BTreeMap<u16, usize>,
    /// The codes of the join links, in any order.
    pub(super) links: BTreeSet<usize>,
}

/// What one device should have read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reader {
    /// In this order, each once.
    pub(super) expected: Vec<Text>,
    /// It may have got these too: its provider could not know yet that its user was out.
    pub(super) tolerated: BTreeSet<Text>,
    /// The epoch in which it came last.
    pub(super) since: u64,
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
    /// Whose commits have lacked nothing but what nobody can commit, in this epoch.
    pub(super) witnesses: BTreeSet<User>,
}

/// Something that should not be.
pub(super) type Wrong = (Invariant, String);

fn wrong(invariant: Invariant, what: String) -> Result<(), Wrong> {
    Err((invariant, what))
}

impl Room {
    pub(super) fn new(roles: Roles, creator: User, role: RoleIndex, device: Device) -> Self {
        let now = Frozen {
            listed: [(creator, role)].into(),
            members: [device].into(),
            ..Frozen::default()
        };
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
            witnesses: BTreeSet::new(),
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
            | Waiting::Name(_)
            | Waiting::Policy(..)
            | Waiting::Void(_) => None,
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
    pub(super) fn is_inside(&self, device: Device) -> bool {
        let going = |waiting: &Waiting| match waiting {
            Waiting::SelfRemove(it) | Waiting::Out(it) => *it == device,
            Waiting::List(..)
            | Waiting::In(_)
            | Waiting::Name(_)
            | Waiting::Policy(..)
            | Waiting::Void(_) => false,
        };
        self.now.members.contains(&device) && !self.waiting.iter().any(going)
    }

    pub(super) fn is_out(&self, user: User) -> bool {
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
            Wish::Policy(id, _) => can(capability(*id)),
            Wish::Link(..) => can(Capability::CHANGE_OTHER_POLICY_ATTRIBUTE),
        }
    }

    /// Whether the room has the link of a code, and nothing that waits changes that: no link does.
    pub(super) fn has_link(&self, code: usize) -> bool {
        self.now.links.contains(&code)
    }

    /// How many proposals wait that nobody can commit.
    pub(super) fn voids(&self) -> usize {
        self.waiting.iter().filter(|it| matches!(it, Waiting::Void(_))).count()
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
            | Wish::Name(_)
            | Wish::Policy(..)
            | Wish::Link(..) => return true,
        };
        let from = self.role(user);
        from == to || spares(&self.roles, &self.now.listed, from)
    }
}

/// Whether a role has more holders than it needs.
fn spares(roles: &Roles, listed: &BTreeMap<User, RoleIndex>, from: RoleIndex) -> bool {
    let holders = listed.values().filter(|role| **role == from).count();
    let least = roles.get(from).map_or(0, |role| role.participants.minimum);
    holders > usize::try_from(least).unwrap_or(usize::MAX)
}
