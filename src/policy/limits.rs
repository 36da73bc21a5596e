//! How many may be what: the constraints of roles and of the base policy, on a change as a whole.

use super::{Denied, Reason, Role, RoleIndex};
use crate::room::{Draft, RoomState, Tally};

/// Checks that a change takes no number above its maximum or below its minimum.
///
/// Only numbers that the change moves count, and only in the direction in which it moves them, and maxima that it
/// lowers: a room that was made with too few is not stuck.
pub(super) fn check(draft: &Draft<'_>) -> Result<(), Denied> {
    let room = draft.room();
    let tallies = draft.tallies();
    let after = |index, step: Tally| Tally {
        holders: i64::from(room.participants().holders(index)) + step.holders,
        active: i64::from(room.membership().active(index)) + step.active,
    };
    for (&index, &step) in &tallies {
        let Some(role) = draft.roles().get(index) else { continue };
        role_bounds(role, step, after(index, step))?;
    }
    if !std::ptr::eq(draft.roles(), room.roles()) {
        for (index, _) in room.participants().held() {
            let step = tallies.get(&index).copied().unwrap_or_default();
            lowered(draft, index, after(index, step))?;
        }
    }
    base_policy(draft, room)
}

/// Checks the maxima of a role that gets new constraints, or becomes that of the banned.
fn lowered(draft: &Draft<'_>, index: RoleIndex, count: Tally) -> Result<(), Denied> {
    let (Some(old), Some(new)) = (draft.room().roles().get(index), draft.roles().get(index)) else {
        return Ok(());
    };
    let above = |old: Option<u32>, new: Option<u32>, count: i64| {
        falls(old, new) && new.is_some_and(|maximum| count > i64::from(maximum))
    };
    let banned = draft.roles().is_banned(index);
    if above(old.participants.maximum, new.participants.maximum, count.holders) {
        Err(Denied::new("R-122", Reason::MaxParticipants(index)))
    } else if above(old.active.maximum, new.active.maximum, count.active) {
        Err(Denied::new("R-014", Reason::MaxActive(index)))
    } else if banned && count.active > 0 {
        Err(Denied::new("R-134", Reason::MaxActive(index)))
    } else {
        Ok(())
    }
}

/// Whether a maximum becomes smaller; none is the largest.
fn falls(old: Option<u32>, new: Option<u32>) -> bool {
    match (old, new) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(old), Some(new)) => new < old,
    }
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
    let (old, base) = (room.base_policy(), draft.base());
    let above = |moved: bool, after: i64, maximum: Option<u32>| {
        moved && maximum.is_some_and(|maximum| after > i64::from(maximum))
    };
    let users = draft.users();
    let more = users > i64::from(room.users()) || falls(old.max_users, base.max_users);
    if above(more, users, base.max_users) {
        return Err(Denied::new("R-040", Reason::MaxUsers));
    }
    let total = draft.total();
    let more =
        total > i64::from(room.membership().total()) || falls(old.max_clients, base.max_clients);
    if above(more, total, base.max_clients) {
        return Err(Denied::new("R-039", Reason::MaxClients));
    }
    if base.multi_device {
        return Ok(());
    }
    let changed =
        draft.client_changes().filter(|(_, step)| *step > 0).map(|(user, _)| user.clone());
    // Where the room comes to allow one only, everybody is asked: such changes are rare.
    let everybody = room.participants().iter().take(if old.multi_device { usize::MAX } else { 0 });
    let mut users = changed.chain(everybody.filter_map(|listed| listed.user()));
    match users.find(|user| draft.clients(user) > 1) {
        Some(user) => Err(Denied::new("R-038", Reason::SingleDevice(user))),
        None => Ok(()),
    }
}
