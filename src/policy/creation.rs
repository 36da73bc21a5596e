//! A room as a whole: what must hold when it is created, and ever after.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{Denied, Reason, RoleIndex};
use crate::{
    room::{ParticipantList, RoomState},
    uri::UserUri,
};

/// May a room be created like this, by this user? Minima of roles are not asked: a room fills up.
///
/// A [`RoomState`] is made of components that are well formed and fit together; here is the rest. A room that depends on
/// another needs the `parent`'s participants (R-034 … R-036).
///
/// # Errors
/// The first rule that it breaks.
pub fn judge_creation(
    room: &RoomState,
    creator: &UserUri,
    parent: Option<&ParticipantList>,
) -> Result<(), Denied> {
    let role = room.role(creator);
    if room.roles().is_outside(role) {
        return Err(Denied::new("A-010", Reason::Outsider));
    }
    sound(room)?;
    within_parent(room, parent)
}

/// Does a room keep its own rules? It does when it is created, and no change that [`judge_commit`](super::judge_commit)
/// lets pass takes that away.
///
/// # Errors
/// The first rule that it breaks.
pub fn sound(room: &RoomState) -> Result<(), Denied> {
    if let Some(stranger) = room.membership().strangers().next() {
        return Err(Denied::new("P-004", Reason::Stranger(stranger.clone())));
    }
    for (index, holders) in room.participants().held() {
        let Some(role) = room.roles().get(index) else {
            return Err(Denied::new("R-145", Reason::NoRole(index)));
        };
        let active = room.membership().active(index);
        if role.participants.maximum.is_some_and(|maximum| holders > maximum) {
            return Err(Denied::new("R-122", Reason::MaxParticipants(index)));
        }
        if role.active.maximum.is_some_and(|maximum| active > maximum) {
            return Err(Denied::new("R-014", Reason::MaxActive(index)));
        }
    }
    if room.roles().banned().is_some_and(|banned| room.membership().active(banned.index) > 0) {
        return Err(Denied::new("R-134", Reason::MaxActive(RoleIndex::BANNED)));
    }
    let base = room.base_policy();
    if base.max_users.is_some_and(|maximum| room.users() > maximum) {
        return Err(Denied::new("R-040", Reason::MaxUsers));
    }
    if base.max_clients.is_some_and(|maximum| room.membership().total() > maximum) {
        return Err(Denied::new("R-039", Reason::MaxClients));
    }
    if base.multi_device {
        return Ok(());
    }
    let users = room.participants().iter().filter_map(|listed| listed.user());
    match users.into_iter().find(|user| room.clients(user) > 1) {
        Some(user) => Err(Denied::new("R-038", Reason::SingleDevice(user))),
        None => Ok(()),
    }
}

/// The name of a room's participants, where they are fixed: one for each set of them, whatever their order and roles, the
/// hub's entry left out. A hub has one such room for each name (R-033, GC-001): keep a unique index of them, and look
/// there before a creation.
#[must_use]
pub fn fixed_participants(room: &RoomState) -> Option<[u8; 32]> {
    if !room.base_policy().fixed_membership {
        return None;
    }
    let listed = room.participants().iter().filter(|listed| !listed.is_provider());
    let users: BTreeSet<&str> = listed.map(|listed| listed.uri).collect();
    let mut hash = Sha256::new();
    for user in users {
        hash.update((user.len() as u64).to_be_bytes());
        hash.update(user);
    }
    Some(hash.finalize().into())
}

/// The participants of a room that depends on another are a strict subset of that one's, at the same hub.
fn within_parent(room: &RoomState, parent: Option<&ParticipantList>) -> Result<(), Denied> {
    let Some(uri) = &room.base_policy().parent else { return Ok(()) };
    if uri.host() != room.hub() {
        return Err(Denied::new("R-036", Reason::Parent));
    }
    let users = |list: &ParticipantList| list.len() as u64 - u64::from(list.providers());
    let inside = parent.is_some_and(|parent| {
        let mut listed = room.participants().iter().filter_map(|listed| listed.user());
        users(room.participants()) < users(parent)
            && listed.all(|user| parent.find(&user).is_some())
    });
    if inside { Ok(()) } else { Err(Denied::new("R-034", Reason::Parent)) }
}
