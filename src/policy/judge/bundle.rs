//! Standalone proposals: judged when they are accepted, and never again.

use std::collections::BTreeSet;

use super::{
    Action, Denied, Proposed, Proposer, Reason, View, authority::Court, lapse, lapse::is_deferred,
    whole,
};
use crate::{
    policy::{JoinCode, components::OperationalParameters, leaf},
    room::{Change, ChangeError, ComponentId, Draft, RoomState},
};

/// Judges a bundle on the effective room, and gives what it does to that.
pub(super) fn judge(
    view: View<'_>,
    waiting: &[Proposed<'_>],
    gone: &BTreeSet<usize>,
    bundle: &[Proposed<'_>],
) -> Result<(Change, bool), Denied> {
    let before = Draft::new(view.effective, view.committed);
    let (mut after, mut apart) = (before.clone(), before.clone());
    for (index, proposed) in bundle.iter().enumerate() {
        if is_deferred(proposed) {
            deferred(view, waiting, gone, bundle, proposed).map_err(|denied| denied.at(index))?;
            whole::take(&mut apart, proposed).map_err(|denied| denied.at(index))?;
        } else {
            whole::take(&mut after, proposed).map_err(|denied| denied.at(index))?;
        }
    }
    let court = Court { before: &before, after: &after, set: bundle, code: JoinCode::None };
    let mut unverified = false;
    for (index, proposed) in bundle.iter().enumerate() {
        standalone(proposed)
            .and_then(|()| from_outside(view.effective, proposed.by))
            .and_then(|()| unless_forbidden(view, &proposed.what))
            .and_then(|()| court.judge(proposed))
            .map(|unsure| unverified |= unsure)
            .map_err(|denied| denied.at(index))?;
    }
    unverified |= whole::judge(&after, view.parent)?;
    Ok((after.finish()?, unverified))
}

/// Members change roles and preauthorisation in a commit of their own only.
fn standalone(proposed: &Proposed<'_>) -> Result<(), Denied> {
    let Action::Component { id, .. } = proposed.what else { return Ok(()) };
    let by_value = matches!(id, ComponentId::ROLES_LIST | ComponentId::PREAUTH_LIST);
    if by_value && !is_deferred(proposed) {
        return Err(Denied::new("R-017", Reason::ByValue(id)));
    }
    Ok(())
}

/// Servers and those who are no members propose only where the room lets them.
fn from_outside(room: &RoomState, by: Proposer<'_>) -> Result<(), Denied> {
    if matches!(by, Proposer::User(_)) {
        return Ok(());
    }
    match room.policy::<OperationalParameters>() {
        Some(parameters) if !parameters.external_proposal_allowed => {
            Err(Denied::new("R-164", Reason::External))
        }
        Some(_) | None => Ok(()),
    }
}

/// no proposal of a type that the room forbids, now or once what waits is committed.
pub(super) fn unless_forbidden(view: View<'_>, what: &Action<'_>) -> Result<(), Denied> {
    let kind = match what {
        Action::AddClient { .. } => 1,
        Action::UpdateLeaf { .. } => 2,
        Action::RemoveClient { .. } => 3,
        Action::ReInit => 5,
        Action::ExternalSenders { .. } | Action::Extensions => 7,
        Action::Component { .. } => 8,
        Action::Ephemeral { .. } => 9,
        Action::SelfRemove => 10,
        Action::Unsupported => return Ok(()),
    };
    unless_type_forbidden(view, kind)
}

/// The same for a type.
pub(super) fn unless_type_forbidden(view: View<'_>, kind: u16) -> Result<(), Denied> {
    if [view.committed, view.effective].iter().any(|room| leaf::forbids_proposals(room, kind)) {
        return Err(Denied::new("R-162", Reason::Forbidden));
    }
    Ok(())
}

/// The hub's own update of roles or preauthorisation: valid by itself, and with no list change waiting.
fn deferred(
    view: View<'_>,
    waiting: &[Proposed<'_>],
    gone: &BTreeSet<usize>,
    bundle: &[Proposed<'_>],
    proposed: &Proposed<'_>,
) -> Result<(), Denied> {
    fits(view.effective, view.committed, proposed)?;
    let roles = matches!(proposed.what, Action::Component { id: ComponentId::ROLES_LIST, .. });
    let start = Draft::new(view.committed, view.committed);
    let survivors = waiting.iter().enumerate().filter(|(place, _)| !gone.contains(place));
    let in_the_way = survivors
        .map(|(_, it)| it)
        .chain(bundle)
        .flat_map(|it| lapse::moves(&start, &it.what))
        .any(|it| roles || it.to != crate::policy::RoleIndex::NONE);
    if in_the_way {
        return Err(Denied::new("R-017", Reason::Waiting(ComponentId::PARTICIPANT_LIST)));
    }
    Ok(())
}

/// Whether a deferred update could be committed in a room as it is.
fn fits(room: &RoomState, committed: &RoomState, proposed: &Proposed<'_>) -> Result<(), Denied> {
    let mut alone = Draft::new(room, committed);
    whole::take(&mut alone, proposed)?;
    alone.check()?;
    crate::policy::limits::check(&alone)
}

/// The deferred updates that wait and no longer fit the effective room: whoever had to commit one could not.
pub(super) fn outgrown(
    effective: &RoomState,
    committed: &RoomState,
    waiting: &[Proposed<'_>],
) -> BTreeSet<usize> {
    let waiting = waiting.iter().enumerate().filter(|(_, proposed)| is_deferred(proposed));
    let outgrown = waiting.filter(|(_, proposed)| fits(effective, committed, proposed).is_err());
    outgrown.map(|(place, _)| place).collect()
}

/// Makes the effective room anew without those that are `gone`, and adds those that no longer fit.
///
/// Clients that go, go in any case and first: a Remove or SelfRemove was judged when it came, and stays wise whatever
/// lapses around it, and a removal or ban is only whole without them. Adds come last, for the change of the list that
/// they need may stand behind them in their bundle.
pub(super) fn replay(
    view: View<'_>,
    waiting: &[Proposed<'_>],
    gone: &mut BTreeSet<usize>,
) -> RoomState {
    let mut room = view.committed.clone();
    for turn in [Turn::Goes, Turn::Changes, Turn::Comes] {
        for (place, proposed) in waiting.iter().enumerate() {
            if Turn::of(proposed) != turn || gone.contains(&place) || is_deferred(proposed) {
                continue;
            }
            match again(&room, view, proposed) {
                Ok(change) => room.apply(change),
                Err(_) => {
                    gone.insert(place);
                }
            }
        }
    }
    room
}

/// When a proposal is taken up again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Goes,
    Changes,
    Comes,
}

impl Turn {
    fn of(proposed: &Proposed<'_>) -> Self {
        match proposed.what {
            Action::RemoveClient { .. } | Action::SelfRemove => Self::Goes,
            Action::AddClient { .. } => Self::Comes,
            Action::Component { .. }
            | Action::UpdateLeaf { .. }
            | Action::Ephemeral { .. }
            | Action::ExternalSenders { .. }
            | Action::Extensions
            | Action::ReInit
            | Action::Unsupported => Self::Changes,
        }
    }
}

/// The effective room of proposals that all were accepted: nothing is judged.
pub(super) fn assume(committed: &RoomState, waiting: &[Proposed<'_>]) -> RoomState {
    let mut room = committed.clone();
    for proposed in waiting.iter().filter(|it| !is_deferred(it)) {
        let mut draft = Draft::new(&room, committed);
        let change = whole::take(&mut draft, proposed).and_then(|()| Ok(draft.finish()?));
        if let Ok(change) = change {
            room.apply(change);
        }
    }
    room
}

fn again(room: &RoomState, view: View<'_>, proposed: &Proposed<'_>) -> Result<Change, Denied> {
    let before = Draft::new(room, view.committed);
    let mut after = before.clone();
    whole::take(&mut after, proposed)?;
    if matches!(proposed.what, Action::AddClient { .. } | Action::Component { .. }) {
        let set = std::slice::from_ref(proposed);
        Court { before: &before, after: &after, set, code: JoinCode::None }.judge(proposed)?;
        crate::policy::limits::check(&after)?;
    }
    after.finish().map_err(|error: ChangeError| error.into())
}
