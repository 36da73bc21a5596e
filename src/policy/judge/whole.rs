//! What must hold for a bundle or commit as a whole, whoever made its parts.

use super::{Action, Denied, Proposed, Reason};
use crate::{
    policy::{RoleIndex, limits},
    room::{ClientChange, Draft, ParticipantList},
};

/// Takes a proposal into a draft.
pub(super) fn take(draft: &mut Draft<'_>, proposed: &Proposed<'_>) -> Result<(), Denied> {
    use super::Proposer::{Joiner, Server, User};
    match proposed.what {
        Action::AddClient { user, .. } => draft.client(ClientChange::Joins(user)),
        Action::RemoveClient { user } => draft.client(ClientChange::Leaves(user)),
        Action::SelfRemove => match proposed.by {
            User(user) => draft.client(ClientChange::Leaves(user)),
            Joiner(_) | Server(_) => return Err(Denied::new("E-070", Reason::Never)),
        },
        Action::Component { id, operation } => draft.update(id, operation).map_err(|fault| {
            let error = crate::room::ChangeError { component: id, index: None, fault };
            Denied::from(error)
        })?,
        Action::UpdateLeaf { .. }
        | Action::Ephemeral { .. }
        | Action::ExternalSenders { .. }
        | Action::Extensions
        | Action::ReInit
        | Action::Unsupported => {}
    }
    Ok(())
}

/// Judges a draft as a whole. Tells whether something could not be checked here.
pub(super) fn judge(draft: &Draft<'_>, parent: Option<&ParticipantList>) -> Result<bool, Denied> {
    draft.check()?;
    nobody_left_behind(draft)?;
    limits::check(draft)?;
    within_parent(draft, parent)
}

/// Whoever is removed or banned has no client afterwards, and whoever has one is a participant (P-004).
fn nobody_left_behind(draft: &Draft<'_>) -> Result<(), Denied> {
    let outside = |role| draft.roles().is_outside(role);
    for change in draft.moves().filter(|change| outside(change.to)) {
        if let Some(user) = change.who.user().filter(|user| draft.clients(user) > 0) {
            let rule = if change.to == RoleIndex::NONE { "R-128" } else { "R-134" };
            return Err(Denied::new(rule, Reason::ClientsLeft(user.clone())));
        }
    }
    for (user, step) in draft.client_changes() {
        if draft.clients(user) < 0 {
            return Err(Denied::new("P-119", Reason::NoClient(user.clone())));
        }
        if step > 0 && outside(draft.role(user.as_str())) {
            return Err(Denied::new("P-004", Reason::Stranger(user.clone())));
        }
    }
    Ok(())
}

/// The participants of a room that depends on another are a strict subset of that one's.
fn within_parent(draft: &Draft<'_>, parent: Option<&ParticipantList>) -> Result<bool, Denied> {
    let mut joins = draft.moves().filter(|it| it.from == RoleIndex::NONE).peekable();
    if draft.base().parent.is_none() || joins.peek().is_none() {
        return Ok(false);
    }
    let Some(parent) = parent else { return Ok(true) };
    let strange = joins.any(|it| it.who.user().is_some_and(|user| parent.find(user).is_none()));
    let users = |list: &ParticipantList| list.len() as u64 - u64::from(list.providers());
    let step: i64 = draft
        .moves()
        .filter(|it| it.who.user().is_some())
        .map(|it| i64::from(it.to != RoleIndex::NONE) - i64::from(it.from != RoleIndex::NONE))
        .sum();
    let after = users(draft.room().participants()).saturating_add_signed(step);
    if strange || after >= users(parent) {
        return Err(Denied::new("R-034", Reason::Parent));
    }
    Ok(false)
}
