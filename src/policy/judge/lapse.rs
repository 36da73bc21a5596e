//! Which waiting proposals a new bundle makes lapse, and which stand in its way.

use std::collections::BTreeSet;

use super::{Action, Denied, Proposed, Proposer, Reason};
use crate::{
    codec::Wire,
    policy::{RoleIndex, components::JoinLinksUpdate},
    room::{ComponentId, ComponentOperation, Draft, Move, ParticipantListUpdate, RoomState},
};

/// What a change of the list is to the one whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ban,
    Removal,
    RoleChange,
    Addition,
}

/// Everybody whom a proposal concerns by a change of the list; nobody if it is no such change, or malformed.
pub(super) fn moves(room: &Draft<'_>, what: &Action<'_>) -> Vec<Move> {
    let Action::Component {
        id: ComponentId::PARTICIPANT_LIST,
        operation: ComponentOperation::Update(octets),
    } = what
    else {
        return Vec::new();
    };
    ParticipantListUpdate::decode(octets).map(|update| room.moves_of(&update)).unwrap_or_default()
}

/// Whether it is an update that the hub queues and that counts only once it is committed.
pub(super) fn is_deferred(proposed: &Proposed<'_>) -> bool {
    matches!(proposed.by, Proposer::Server(_))
        && matches!(
            proposed.what,
            Action::Component { id: ComponentId::ROLES_LIST | ComponentId::PREAUTH_LIST, .. }
        )
}

/// The waiting proposals that lapse when a bundle is accepted.
///
/// A ban is stronger than any other change of the same participant, a removal or leave than a change of role; both
/// are stronger than Adds of that user. The hub's own waiting update of roles or preauthorisation gives way to
/// changes of the list.
///
/// # Errors
/// If a waiting change of the same participant, or component, is not weaker.
pub(super) fn by(
    committed: &RoomState,
    waiting: &[Proposed<'_>],
    bundle: &[Proposed<'_>],
) -> Result<BTreeSet<usize>, Denied> {
    let start = Draft::new(committed, committed);
    let kind = |it: &Move| match it.to {
        to if committed.roles().is_banned(to) => Kind::Ban,
        RoleIndex::NONE => Kind::Removal,
        _ if it.from == RoleIndex::NONE => Kind::Addition,
        _ => Kind::RoleChange,
    };
    let mut lapsed = BTreeSet::new();
    let mut touched = None;
    for (index, proposed) in bundle.iter().enumerate() {
        single(waiting, proposed).map_err(|denied| denied.at(index))?;
        for new in moves(&start, &proposed.what) {
            // Most bundles change no list: what the waiting ones touch is found out when it is asked for.
            let touched: &Vec<Vec<Move>> = touched
                .get_or_insert_with(|| waiting.iter().map(|it| moves(&start, &it.what)).collect());
            let stronger = kind(&new);
            for (place, old) in touched.iter().enumerate() {
                for old in old.iter().filter(|old| old.who == new.who) {
                    match (stronger, kind(old)) {
                        (Kind::Ban, Kind::Removal | Kind::RoleChange | Kind::Addition)
                        | (Kind::Removal, Kind::RoleChange) => lapsed.insert(place),
                        (Kind::Ban, Kind::Ban)
                        | (Kind::Removal, Kind::Ban | Kind::Removal | Kind::Addition)
                        | (Kind::RoleChange | Kind::Addition, _) => {
                            let reason = Reason::Touched(new.who.clone());
                            return Err(Denied::new("P-288", reason).at(index));
                        }
                    };
                }
            }
            for (place, old) in waiting.iter().enumerate() {
                let goes = match old.what {
                    Action::AddClient { user, .. } => {
                        matches!(stronger, Kind::Ban | Kind::Removal)
                            && new.who.user() == Some(user)
                    }
                    Action::Component { id: ComponentId::PREAUTH_LIST, .. } => {
                        stronger != Kind::Removal
                    }
                    Action::Component { id, .. } => id == ComponentId::ROLES_LIST,
                    Action::RemoveClient { .. }
                    | Action::SelfRemove
                    | Action::UpdateLeaf { .. }
                    | Action::Ephemeral { .. }
                    | Action::ExternalSenders { .. }
                    | Action::Extensions
                    | Action::ReInit
                    | Action::Unsupported => false,
                };
                if goes {
                    lapsed.insert(place);
                }
            }
        }
    }
    Ok(lapsed)
}

/// Components that are replaced whole take one change at a time (P-292, Q-79), and each join link goes once.
fn single(waiting: &[Proposed<'_>], new: &Proposed<'_>) -> Result<(), Denied> {
    let Action::Component { id, operation } = new.what else { return Ok(()) };
    if id == ComponentId::PARTICIPANT_LIST {
        return Ok(());
    }
    let goes = links_gone(operation);
    for old in waiting {
        let Action::Component { id: other, operation: before } = old.what else { continue };
        if other != id {
            continue;
        }
        // Changes of the links stand beside each other, unless one takes all of them, or both the same.
        let apart = match (id, &goes, links_gone(before)) {
            (ComponentId::JOIN_LINKS, Some(these), Some(those)) => {
                !these.iter().any(|place| those.contains(place))
            }
            _ => false,
        };
        if !apart {
            let rule = if id == ComponentId::JOIN_LINKS { "R-062" } else { "P-292" };
            return Err(Denied::new(rule, Reason::Waiting(id)));
        }
    }
    Ok(())
}

/// The links that a change of them takes away, by place; nothing if it takes the whole component.
fn links_gone(operation: ComponentOperation<'_>) -> Option<Vec<u32>> {
    match operation {
        ComponentOperation::Update(octets) => {
            Some(JoinLinksUpdate::decode(octets).map(|it| it.removed).unwrap_or_default())
        }
        ComponentOperation::Remove => None,
    }
}
