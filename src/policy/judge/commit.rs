//! Commits: the whole set at once, in both views.

use super::{
    Action, Committed, Committer, Denied, JoinCode, Proposed, Proposer, Reason, Verdict, View,
    authority::Court,
    bundle::{unless_forbidden, unless_type_forbidden},
    whole,
};
use crate::{
    policy::ask::external_commit_allowed,
    room::{ClientChange, ComponentId, Draft, RoomState},
    uri::UserUri,
};

/// The proposal type of an ExternalInit, which every external commit holds, and of the Remove of an old leaf.
const EXTERNAL_INIT: u16 = 6;
const REMOVE: u16 = 3;

pub(super) fn judge(
    view: View<'_>,
    committer: Committer<'_>,
    proposals: &[Committed<'_>],
) -> Result<Verdict, Denied> {
    match committer {
        Committer::Member { user, pseudonym } => {
            standing(view.effective, user)?;
            whole_name(view.effective, pseudonym)?;
        }
        Committer::Joiner { pseudonym, resync, .. } => {
            unless_type_forbidden(view, EXTERNAL_INIT)?;
            if resync {
                unless_type_forbidden(view, REMOVE)?;
            }
            if !external_commit_allowed(view.effective) {
                return Err(Denied::new("R-165", Reason::External));
            }
            whole_name(view.effective, pseudonym)?;
            for (index, proposal) in proposals.iter().enumerate() {
                external(proposal).map_err(|denied| denied.at(index))?;
            }
        }
    }
    once(proposals)?;
    for (index, it) in proposals.iter().enumerate().filter(|(_, it)| !it.by_reference) {
        unless_forbidden(view, &it.proposed.what).map_err(|denied| denied.at(index))?;
    }
    let (by_value, places): (Vec<_>, Vec<_>) = proposals
        .iter()
        .enumerate()
        .filter(|(_, it)| !it.by_reference)
        .map(|(place, it)| (it.proposed, place))
        .unzip();

    // The effective room holds what stands in the commit by reference already.
    let effective = Draft::new(view.effective, view.committed);
    let (_, unsure) = judge_in(view, effective, committer, &by_value, &places)?;

    let mut committed = Draft::new(view.committed, view.committed);
    for (index, proposal) in proposals.iter().enumerate().filter(|(_, it)| it.by_reference) {
        whole::take(&mut committed, &proposal.proposed).map_err(|denied| denied.at(index))?;
    }
    let (after, unsure_too) = judge_in(view, committed, committer, &by_value, &places)?;
    Ok(Verdict { unverified: unsure || unsure_too, change: after.finish()? })
}

/// Judges what is by value, and what the committer brings itself, on one of the views.
fn judge_in<'a>(
    view: View<'_>,
    before: Draft<'a>,
    committer: Committer<'_>,
    by_value: &[Proposed<'_>],
    places: &[usize],
) -> Result<(Draft<'a>, bool), Denied> {
    let at = |denied: Denied, index: usize| match places.get(index) {
        Some(&place) => denied.at(place),
        None => denied,
    };
    let mut after = before.clone();
    for (index, proposed) in by_value.iter().enumerate() {
        whole::take(&mut after, proposed).map_err(|denied| at(denied, index))?;
    }
    let mut code = JoinCode::None;
    let mut unverified = false;
    if let Committer::Joiner { user, claims, resync, pseudonym, code: known } = committer {
        code = known;
        let leaf = Proposed {
            by: Proposer::Joiner(user),
            claims,
            what: Action::AddClient { user, pseudonym },
        };
        after.client(ClientChange::Joins(user));
        if resync {
            after.client(ClientChange::Leaves(user));
        }
        let court = Court { before: &before, after: &after, set: by_value, code };
        unverified |= court.judge(&leaf)?;
    }
    let court = Court { before: &before, after: &after, set: by_value, code };
    for (index, proposed) in by_value.iter().enumerate() {
        unverified |= court.judge(proposed).map_err(|denied| at(denied, index))?;
    }
    unverified |= whole::judge(&after, view.parent)?;
    Ok((after, unverified))
}

/// Whoever is removed or banned, be it only accepted and not committed yet, commits nothing (P-105).
fn standing(room: &RoomState, user: &UserUri) -> Result<(), Denied> {
    let role = room.role(user);
    if room.roles().is_outside(role) {
        return Err(Denied::new("P-105", Reason::Outsider));
    }
    Ok(())
}

fn whole_name(room: &RoomState, pseudonym: bool) -> Result<(), Denied> {
    if pseudonym && !room.base_policy().pseudonyms_allowed {
        return Err(Denied::new("R-041", Reason::Pseudonym));
    }
    Ok(())
}

/// What an external commit may hold beside its own leaf: SelfRemoves by reference, the joiner's own entry by value
/// (P-118).
fn external(proposal: &Committed<'_>) -> Result<(), Denied> {
    let fits = match proposal.proposed.what {
        Action::SelfRemove => proposal.by_reference,
        Action::Component { id: ComponentId::PARTICIPANT_LIST, .. } => !proposal.by_reference,
        Action::AddClient { .. }
        | Action::RemoveClient { .. }
        | Action::UpdateLeaf { .. }
        | Action::Component { .. }
        | Action::Ephemeral { .. }
        | Action::ExternalSenders { .. }
        | Action::Extensions
        | Action::ReInit
        | Action::Unsupported => false,
    };
    if fits { Ok(()) } else { Err(Denied::new("P-118", Reason::ExternalCommit)) }
}

/// At most one change of `external_senders` in a commit (P-119).
fn once(proposals: &[Committed<'_>]) -> Result<(), Denied> {
    let changes = |it: &Committed<'_>| matches!(it.proposed.what, Action::ExternalSenders { .. });
    match proposals.iter().enumerate().filter(|(_, it)| changes(it)).nth(1) {
        Some((index, _)) => Err(Denied::new("P-119", Reason::Never).at(index)),
        None => Ok(()),
    }
}
