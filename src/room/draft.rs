//! A room with a change that grows: what it will be, asked before it is.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Change, ChangeFault, ClientChange, ComponentId, ComponentOperation, ParticipantListUpdate,
    RoomMetadata, RoomState,
};
use crate::{
    policy::{BaseRoomPolicy, RoleIndex, Roles},
    uri::{ParticipantUri, UserUri},
};

/// A room and a change of it, update by update.
///
/// All questions cost what the change costs, whatever the size of the room.
#[derive(Clone, Debug)]
pub(crate) struct Draft<'a> {
    room: &'a RoomState,
    start: &'a RoomState,
    change: Change,
}

/// Who holds a role, and who of them has clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) holders: i64,
    pub(crate) active: i64,
}

/// One participant whom a change of the list concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) who: ParticipantUri,
    /// [`RoleIndex::NONE`] for an addition.
    pub(crate) from: RoleIndex,
    /// [`RoleIndex::NONE`] for a removal.
    pub(crate) to: RoleIndex,
}

impl<'a> Draft<'a> {
    /// No change yet of `room`; indices in updates are places in `start`, the room of the epoch's start.
    pub(crate) fn new(room: &'a RoomState, start: &'a RoomState) -> Self {
        Self { room, start, change: Change::default() }
    }

    pub(crate) const fn room(&self) -> &'a RoomState {
        self.room
    }

    pub(crate) fn update(
        &mut self,
        id: ComponentId,
        operation: ComponentOperation<'_>,
    ) -> Result<(), ChangeFault> {
        self.change.take(self.room, self.start, id, operation)
    }

    pub(crate) fn client(&mut self, client: ClientChange<'_>) {
        self.change.count(client);
    }

    /// The roles as they will be.
    pub(crate) fn roles(&self) -> &Roles {
        self.change.new_roles().unwrap_or(&self.room.roles)
    }

    /// The metadata as it will be.
    pub(crate) fn metadata(&self) -> &RoomMetadata {
        self.change.new_metadata().unwrap_or(&self.room.metadata)
    }

    /// The base policy as it will be.
    pub(crate) fn base(&self) -> &BaseRoomPolicy {
        self.change.new_base().unwrap_or(&self.room.base)
    }

    /// Everybody whom one update of the list concerns, before it is taken in.
    pub(crate) fn moves_of(&self, update: &ParticipantListUpdate) -> Vec<Move> {
        let at = |place: u32, to: RoleIndex| {
            let who = ParticipantUri::parse(self.start.participants.get(place)?.uri).ok()?;
            let from = self.role(who.as_str());
            Some(Move { who, from, to })
        };
        let changed = update.changed.iter().filter_map(|&(place, role)| at(place, role));
        let removed = update.removed.iter().filter_map(|&place| at(place, RoleIndex::NONE));
        let added = update.added.iter().map(|(who, to)| Move {
            who: who.clone(),
            from: RoleIndex::NONE,
            to: *to,
        });
        changed.chain(removed).chain(added).collect()
    }

    /// The change, checked as a whole.
    pub(crate) fn finish(self) -> Result<Change, super::ChangeError> {
        self.change.check(self.room)?;
        Ok(self.change)
    }

    pub(crate) fn check(&self) -> Result<(), super::ChangeError> {
        self.change.check(self.room)
    }

    /// The role that somebody will have.
    pub(crate) fn role(&self, uri: &str) -> RoleIndex {
        match self.room.participants.find(uri) {
            Some(listed) if self.change.removed.contains(&listed.place) => RoleIndex::NONE,
            Some(listed) => self.change.roles.get(&listed.place).copied().unwrap_or(listed.role),
            None => {
                let added = self.change.added.iter().find(|(who, _)| who.as_str() == uri);
                added.map_or(RoleIndex::NONE, |&(_, role)| role)
            }
        }
    }

    /// How many clients a user will have; below 0 if more go than there are.
    pub(crate) fn clients(&self, user: &UserUri) -> i64 {
        i64::from(self.room.clients(user)) + self.change.clients.get(user).copied().unwrap_or(0)
    }

    /// Users whose number of clients changes, and by how many.
    pub(crate) fn client_changes(&self) -> impl Iterator<Item = (&UserUri, i64)> {
        self.change.clients.iter().map(|(user, &count)| (user, count))
    }

    /// Everybody whom the change of the list concerns.
    pub(crate) fn moves(&self) -> impl Iterator<Item = Move> {
        let parsed = |uri: &str| ParticipantUri::parse(uri).ok();
        let listed = |place: &u32| self.room.participants.get(*place);
        let changed = self.change.roles.iter().filter_map(move |(place, &to)| {
            let listed = listed(place)?;
            Some(Move { who: parsed(listed.uri)?, from: listed.role, to })
        });
        let removed = self.change.removed.iter().filter_map(move |place| {
            let listed = listed(place)?;
            Some(Move { who: parsed(listed.uri)?, from: listed.role, to: RoleIndex::NONE })
        });
        let added = self.change.added.iter().map(|(who, to)| Move {
            who: who.clone(),
            from: RoleIndex::NONE,
            to: *to,
        });
        changed.chain(removed).chain(added)
    }

    /// How the holders of roles change in number.
    pub(crate) fn tallies(&self) -> BTreeMap<RoleIndex, Tally> {
        let mut tallies: BTreeMap<RoleIndex, Tally> = BTreeMap::new();
        let mut moved = BTreeSet::new();
        for Move { who, from, to } in self.moves() {
            let before = who.user().map_or(0, |user| i64::from(self.room.clients(user)));
            let after = who.user().map_or(0, |user| self.clients(user));
            for (role, step, clients) in [(from, -1, before), (to, 1, after)] {
                if role != RoleIndex::NONE {
                    let tally = tallies.entry(role).or_default();
                    tally.holders += step;
                    tally.active += if clients > 0 { step } else { 0 };
                }
            }
            if let ParticipantUri::User(user) = who {
                moved.insert(user);
            }
        }
        for (user, _) in self.client_changes().filter(|(user, _)| !moved.contains(*user)) {
            let role = self.room.role(user);
            if role != RoleIndex::NONE {
                let (before, after) = (self.room.is_active(user), self.clients(user) > 0);
                tallies.entry(role).or_default().active += i64::from(after) - i64::from(before);
            }
        }
        tallies
    }

    /// Entries that will not be banned.
    pub(crate) fn users(&self) -> i64 {
        let banned = self.room.roles.banned().map(|role| role.index);
        let counts = |role| role != RoleIndex::NONE && Some(role) != banned;
        let change: i64 = self
            .moves()
            .map(|Move { from, to, .. }| i64::from(counts(to)) - i64::from(counts(from)))
            .sum();
        i64::from(self.room.users()) + change
    }

    /// Clients that the group will have.
    pub(crate) fn total(&self) -> i64 {
        i64::from(self.room.membership.total) + self.change.clients.values().sum::<i64>()
    }
}
