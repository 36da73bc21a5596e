//! How many may be what: the constraints of roles and of the base policy, on a change as a whole.

use super::{Denied, Reason, Role};
use crate::room::{Draft, RoomState, Tally};

/// Checks that a change takes no number above its maximum or below its minimum.
///
/// Only numbers that the change moves count, and only in the direction in which it moves them: a room that was made
/// with too few or too many is not stuck.
pub(super) fn check(draft: &Draft<'_>) -> Result<(), Denied> {
    let room = draft.room();
    for (index, step) in draft.tallies() {
        let Some(role) = draft.roles().get(index) else { continue };
        let after = Tally {
            holders: i64::from(room.participants().holders(index)) + step.holders,
            active: i64::from(room.membership().active(index)) + step.active,
        };
        role_bounds(role, step, after)?;
    }
    base_policy(draft, room)
}

/// Checks the constraints of one role, whose holders change by `step` to be `after`.
pub(super) fn role_bounds(role: &Role, step: Tally, after: Tally) -> Result<(), Denied> {
    let above = |step: i64, count: i64, maximum: Option<u32>| {
        step > 0 && maximum.is_some_and(|maximum| count > i64::from(maximum))
    };
    let below = |step: i64, count: i64, minimum: u32| step < 0 && count < i64::from(minimum);
    let (rule, reason) = if above(step.holders, after.holders, role.participants.maximum) {
        ("R-122", Reason::MaxParticipants(role.index))
    } else if above(step.active, after.active, role.active.maximum) {
        ("R-014", Reason::MaxActive(role.index))
    } else if below(step.holders, after.holders, role.participants.minimum) {
        ("R-128", Reason::MinParticipants(role.index))
    } else if below(step.active, after.active, role.active.minimum) {
        ("R-129", Reason::MinActive(role.index))
    } else {
        return Ok(());
    };
    Err(Denied::new(rule, reason))
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
