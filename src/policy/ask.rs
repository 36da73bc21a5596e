//! What a user may do now, without a proposal.

use crate::{
    policy::{Capability, RoleIndex, components::OperationalParameters},
    room::RoomState,
    uri::UserUri,
};

/// Whether a participant's role holds a capability. A user who is not listed holds what role 0 holds.
///
/// For changes of the room this is not all that counts: ask [`judge`](super::judge).
#[must_use]
pub fn may(room: &RoomState, participant: impl AsRef<str>, capability: Capability) -> bool {
    room.roles().can(room.role(participant), capability)
}

/// May this user send application messages now? Asked of the effective room (P-104, P-273).
///
/// It must be listed with `canSendMessage` and have a client in the group. Ask both rooms where they differ: a client
/// that only a waiting Add brings may not send yet.
#[must_use]
pub fn may_send(room: &RoomState, user: &UserUri) -> bool {
    active_with(room, user, Capability::SEND_MESSAGE)
}

/// May this user's clients be sent application messages now? Asked of the effective room (P-104, R-181).
#[must_use]
pub fn may_receive(room: &RoomState, user: &UserUri) -> bool {
    active_with(room, user, Capability::RECEIVE_MESSAGE)
}

fn active_with(room: &RoomState, user: &UserUri, capability: Capability) -> bool {
    let (role, is_active) = room.standing(user);
    is_active && room.roles().can(role, capability)
}

/// May this user be given the GroupInfo, as somebody who may be able to join by an external commit (P-023, D-92)?
///
/// A participant needs `canAddOwnClient` and a role that may be active. Somebody who is not listed needs an open room,
/// a joining code, or a preauthorisation; whether it may *join* is judged with its commit.
#[must_use]
pub fn may_be_given_group_info(
    room: &RoomState,
    user: &UserUri,
    claims: super::Claims<'_>,
    has_code: bool,
) -> bool {
    if !external_commit_allowed(room) {
        return false;
    }
    match room.role(user) {
        RoleIndex::NONE => {
            let none = |capability| room.roles().can(RoleIndex::NONE, capability);
            none(Capability::OPEN_JOIN)
                || has_code && none(Capability::USE_JOIN_CODE)
                || preauthorised(room, user, claims)
        }
        role => room
            .roles()
            .get(role)
            .is_some_and(|role| role.may_be_active() && role.can(Capability::ADD_OWN_CLIENT)),
    }
}

/// Whether clients may join by external commit.
pub(super) fn external_commit_allowed(room: &RoomState) -> bool {
    room.policy::<OperationalParameters>().is_none_or(|it| it.external_commit_allowed)
}

fn preauthorised(room: &RoomState, user: &UserUri, claims: super::Claims<'_>) -> bool {
    let super::Claims::Known(claims) = claims else { return false };
    room.preauth()
        .role(user.as_str(), claims, |role| room.roles().get(role).is_some())
        .is_some_and(|role| room.roles().can(role, Capability::JOIN_IF_PREAUTHORIZED))
}
