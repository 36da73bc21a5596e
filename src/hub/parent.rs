//! Rooms that depend on another one at the same hub (room-policy, section 5; R-034 … R-036).
//!
//! A room is a machine of its own and knows nothing of others. Whoever holds both tells a dependent one who takes part in
//! its parent ([`Room::know_parent`]), after a restore and whenever the parent's list has changed, and has it let go
//! those who have left the parent ([`Room::orphans`]).

use super::Room;
use crate::{room::ParticipantList, uri::UserUri};

impl Room {
    /// Tells who takes part in the room that this one depends on: the effective list of that room. It is no part of
    /// the records. As long as nobody has told, nobody is added here.
    pub fn know_parent(&mut self, participants: &ParticipantList) {
        self.parent = Some(participants.clone());
    }

    /// The participants of this room who are not, or no longer, in its parent. Have the hub
    /// [propose](Room::propose) their removal. One owner of a room proposes at a time, and what waits in it is
    /// bounded, so a parent that empties at once floods nobody (D-99): propose the rest after the next commit.
    #[must_use]
    pub fn orphans(&self) -> Vec<UserUri> {
        let Some(parent) = &self.parent else { return Vec::new() };
        let room = self.effective();
        let listed = room.participants().iter();
        let users = listed.filter(|it| !room.roles().is_banned(it.role)).filter_map(|it| it.user());
        users.filter(|user| parent.find(user).is_none()).collect()
    }

    /// Whether a verdict would need the participants of the parent, and nobody has told them: claims of basic
    /// credentials are known, so nothing else is left open at a hub.
    pub(super) const fn lacks_parent(&self, unverified: bool) -> bool {
        unverified && self.parent.is_none()
    }
}
