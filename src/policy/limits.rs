//! How many may be what: the constraints of roles and of the base policy, on a change as a whole.

use super::{Denied, Reason};
use crate::room::{Draft, RoomState};

/// Checks that a change takes no number above its maximum or below its minimum.
///
/// Only numbers that the change moves count, and only in the direction in which it moves them: a room that was made
/// with too few or too many is not stuck.
pub(super) fn check(draft: &Draft<'_>) -> Result<(), Denied> {
    let room = draft.room();
    for (index, tally) in draft.tallies() {
        let Some(role) = draft.roles().get(index) else { continue };
        let holders = i64::from(room.participants().holders(index)) + tally.holders;
        let active = i64::from(room.membership().active(index)) + tally.active;
        let above = |step: i64, count: i64, maximum: Option<u32>| {
            step > 0 && maximum.is_some_and(|maximum| count > i64::from(maximum))
        };
        let below = |step: i64, count: i64, minimum: u32| step < 0 && count < i64::from(minimum);
        if above(tally.holders, holders, role.participants.maximum) {
            return Err(Denied::new("R-122", Reason::MaxParticipants(index)));
        }
        if above(tally.active, active, role.active.maximum) {
            return Err(Denied::new("R-014", Reason::MaxActive(index)));
        }
        if below(tally.holders, holders, role.participants.minimum) {
            return Err(Denied::new("R-128", Reason::MinParticipants(index)));
        }
        if below(tally.active, active, role.active.minimum) {
            return Err(Denied::new("R-129", Reason::MinActive(index)));
        }
    }
    base_policy(draft, room)
}

fn base_policy(draft: &Draft<'_>, room: &RoomState) -> Result<(), Denied> {
    let above = |before: u32, after: i64, maximum: Option<u32>| {
        after > i64::from(before) && maximum.is_some_and(|maximum| after > i64::from(maximum))
    };
    let base = draft.base();
    if above(room.users(), draft.users(), base.max_users) {
        return Err(Denied::new("R-040", Reason::MaxUsers));
    }
    if above(room.membership().total(), draft.total(), base.max_clients) {
        return Err(Denied::new("R-039", Reason::MaxClients));
    }
    if !base.multi_device {
        let second =
            draft.client_changes().find(|&(user, step)| step > 0 && draft.clients(user) > 1);
        if let Some((user, _)) = second {
            return Err(Denied::new("R-038", Reason::SingleDevice(user.clone())));
        }
    }
    Ok(())
}
