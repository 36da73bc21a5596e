//! Whom and what the numbers of a transition mean at that moment.

use super::{World, WorldCrypto};
use crate::{policy::RoleIndex, uri::ParticipantUri};

pub(super) fn pick<T: Copy>(from: &[T], choice: u8) -> Option<T> {
    from.get(usize::from(choice).checked_rem(from.len())?).copied()
}

impl<C: WorldCrypto> World<C> {
    /// The room of a number, among those that there are.
    pub(super) fn some_room(&self, choice: u8) -> Option<usize> {
        pick(&(0..self.sites.len()).collect::<Vec<_>>(), choice)
    }

    /// A device that is on and holds the room; every other time one whose user has the most to say there.
    pub(super) fn some_member(&self, choice: u8, room: usize) -> Option<usize> {
        let inside = |device: &usize| {
            let phone = &self.phones[*device];
            phone.on && phone.rooms.contains_key(&room)
        };
        let inside: Vec<usize> = (0..self.phones.len()).filter(inside).collect();
        let role = |device: &usize| {
            self.model.get(&room).map(|model| model.role(self.phones[*device].user))
        };
        let most = inside.iter().map(role).max().filter(|_| choice.is_multiple_of(2));
        let able: Vec<usize> = match most {
            Some(most) => inside.into_iter().filter(|device| role(device) == most).collect(),
            None => inside,
        };
        pick(&able, choice / 2)
    }

    pub(super) fn some_user(&self, choice: u8) -> Option<usize> {
        pick(&(0..self.people.len()).collect::<Vec<_>>(), choice)
    }

    /// A user on the list of a room, mostly.
    pub(super) fn some_participant(&self, choice: u8, room: u8) -> Option<usize> {
        let room = self.some_room(room)?;
        if choice % 8 == 7 {
            return self.some_user(choice / 8);
        }
        let model = self.model.get(&room)?;
        pick(&model.now.listed.keys().copied().collect::<Vec<_>>(), choice / 8)
    }

    /// A user who has a device outside of a room, mostly.
    pub(super) fn some_candidate(&self, choice: u8, room: u8) -> Option<usize> {
        let room = self.some_room(room)?;
        let model = self.model.get(&room)?;
        let outside: Vec<usize> = (0..self.phones.len())
            .filter(|device| !model.now.members.contains(device))
            .map(|device| self.phones[device].user)
            .collect();
        pick(&outside, choice)
    }

    /// A device that may well join a room from outside, mostly.
    pub(super) fn some_joiner(&self, choice: u8, room: u8) -> Option<usize> {
        let room = self.some_room(room)?;
        if choice % 8 == 7 {
            return self.some_device(choice / 8);
        }
        let model = self.model.get(&room)?;
        let outside: Vec<usize> = (0..self.phones.len())
            .filter(|device| !self.phones[*device].rooms.contains_key(&room))
            .filter(|device| model.open || model.is_listed(self.phones[*device].user))
            .collect();
        pick(&outside, choice / 8)
    }

    /// A device of a user who is not on the list of a room.
    pub(super) fn some_stranger(&self, choice: u8, room: usize) -> Option<usize> {
        let model = self.model.get(&room)?;
        let outside: Vec<usize> = (0..self.phones.len())
            .filter(|device| !model.is_listed(self.phones[*device].user))
            .collect();
        pick(&outside, choice)
    }

    /// A room that people may join with a code, mostly.
    pub(super) fn some_room_by_code(&self, choice: u8) -> Option<usize> {
        let by_code = |room: &usize| {
            self.model.get(room).is_some_and(|it| it.code_role(Some(RoleIndex(2))).is_some())
        };
        let rooms: Vec<usize> = (0..self.sites.len()).filter(by_code).collect();
        pick(&rooms, choice / 8).filter(|_| choice % 8 < 7).or_else(|| self.some_room(choice / 8))
    }

    /// A room, or none in every other case.
    pub(super) fn room_or_any(&self, choice: u8) -> Option<usize> {
        if choice.is_multiple_of(2) { None } else { self.some_room(choice / 2) }
    }

    pub(super) fn some_device(&self, choice: u8) -> Option<usize> {
        pick(&(0..self.phones.len()).collect::<Vec<_>>(), choice)
    }

    /// The role of a number, among those of the room that people may have.
    pub(super) fn some_role(&self, room: usize, choice: u8) -> Option<RoleIndex> {
        let enforcer = self.sites[room].preset.enforcer();
        let roles: Vec<RoleIndex> = self
            .model
            .get(&room)?
            .roles
            .iter()
            .map(|role| role.index)
            .filter(|role| *role != RoleIndex::NONE && *role != enforcer)
            .collect();
        pick(&roles, choice)
    }

    pub(super) fn participant(&self, user: usize) -> ParticipantUri {
        self.people[user].uri.clone().into()
    }
}
