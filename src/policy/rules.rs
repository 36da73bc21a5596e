//! One function for each rule of room-policy, section 8: whether a role has the authority for something.
//!
//! These are about authority alone. Numbers of participants, clients that would be left and the rest of what must hold
//! for a change as a whole are judged in [`judge`](super::judge), which calls these.

use super::{
    Capability, Denied, Role, RoleIndex, Roles,
    judge::Reason::{self, RoleChange},
};

/// A role has a capability.
///
/// # Errors
/// If it has not.
pub fn can<'r>(
    roles: &'r Roles,
    actor: RoleIndex,
    capability: Capability,
    rule: &'static str,
) -> Result<&'r Role, Denied> {
    let lacks = || Denied::new(rule, Reason::Capability(capability));
    roles.get(actor).filter(|role| role.can(capability)).ok_or_else(lacks)
}

/// A role that can be given.
fn given(roles: &Roles, to: RoleIndex) -> Result<(), Denied> {
    match roles.get(to) {
        Some(_) if to != RoleIndex::NONE => Ok(()),
        _ => Err(Denied::new("R-011", Reason::NoRole(to))),
    }
}

/// The table of role changes has a pair.
fn pair(role: &Role, from: RoleIndex, to: RoleIndex, rule: &'static str) -> Result<(), Denied> {
    if role.may_move(from, to) { Ok(()) } else { Err(Denied::new(rule, RoleChange(from, to))) }
}

/// The first of two ways, or else the second; the denial of the first is the one to tell.
fn either(
    first: Result<(), Denied>,
    second: impl FnOnce() -> Result<(), Denied>,
) -> Result<(), Denied> {
    first.or_else(|denied| second().map_err(|_| denied))
}

/// Add another user who is not listed. A ban of somebody who is not listed is [`ban`], or this.
///
/// # Errors
/// If the actor's role may not.
pub fn add(roles: &Roles, actor: RoleIndex, to: RoleIndex) -> Result<(), Denied> {
    let role = can(roles, actor, Capability::ADD_PARTICIPANT, "R-122")?;
    given(roles, to)?;
    pair(role, RoleIndex::NONE, to, "R-122")
}

/// Add a client of another user, who has the role `of`: for whoever may add users in that role.
///
/// # Errors
/// If the actor's role may not.
pub fn add_client(roles: &Roles, actor: RoleIndex, of: RoleIndex) -> Result<(), Denied> {
    add(roles, actor, of)
}

/// Add a client of one's own.
///
/// # Errors
/// If the actor's role may not.
pub fn add_own_client(roles: &Roles, actor: RoleIndex) -> Result<(), Denied> {
    can(roles, actor, Capability::ADD_OWN_CLIENT, "R-123").map(|_| ())
}

/// Join an open room. The actor is not listed, so role 0 decides.
///
/// # Errors
/// If role 0 may not.
pub fn open_join(roles: &Roles, to: RoleIndex) -> Result<(), Denied> {
    let role = can(roles, RoleIndex::NONE, Capability::OPEN_JOIN, "R-124")?;
    given(roles, to)?;
    pair(role, RoleIndex::NONE, to, "R-124")
}

/// The role that a joining code gives which names none: the only one that role 0 may take with a code. None if
/// there are several, or none.
#[must_use]
pub fn join_code_role(roles: &Roles) -> Option<RoleIndex> {
    let mut targets = roles
        .get(RoleIndex::NONE)?
        .targets(RoleIndex::NONE)
        .iter()
        .copied()
        .filter(|role| use_join_code(roles, *role).is_ok());
    targets.next().filter(|_| targets.next().is_none())
}

/// Join with a code that is valid for `to`.
///
/// # Errors
/// If role 0 may not.
pub fn use_join_code(roles: &Roles, to: RoleIndex) -> Result<(), Denied> {
    let role = can(roles, RoleIndex::NONE, Capability::USE_JOIN_CODE, "R-127")?;
    given(roles, to)?;
    pair(role, RoleIndex::NONE, to, "R-127")
}

/// Join in the role `granted` that the first matching claims give. Role changes are not consulted.
///
/// # Errors
/// If no claim gives `to`, or that role may not.
pub fn join_preauthorized(
    roles: &Roles,
    granted: Option<RoleIndex>,
    to: RoleIndex,
) -> Result<(), Denied> {
    if granted != Some(to) || to == RoleIndex::NONE {
        return Err(Denied::new("R-126", Reason::NotPreauthorized));
    }
    can(roles, to, Capability::JOIN_IF_PREAUTHORIZED, "R-126").map(|_| ())
}

/// Remove another user, who has the role `from`.
///
/// # Errors
/// If the actor's role may not.
pub fn remove(roles: &Roles, actor: RoleIndex, from: RoleIndex) -> Result<(), Denied> {
    let role = can(roles, actor, Capability::REMOVE_PARTICIPANT, "R-128")?;
    pair(role, from, RoleIndex::NONE, "R-128")
}

/// Remove a client of one's own and stay a participant.
///
/// # Errors
/// If the actor's role may not.
pub fn remove_own_client(roles: &Roles, actor: RoleIndex) -> Result<(), Denied> {
    can(roles, actor, Capability::REMOVE_OWN_CLIENT, "R-129").map(|_| ())
}

/// Leave.
///
/// # Errors
/// If the actor's role may not.
pub fn leave(roles: &Roles, actor: RoleIndex) -> Result<(), Denied> {
    let role = can(roles, actor, Capability::REMOVE_SELF, "R-130")?;
    pair(role, actor, RoleIndex::NONE, "R-130")
}

/// Remove another participant's clients and leave it on the list.
///
/// # Errors
/// If the actor's role may not.
pub fn kick(roles: &Roles, actor: RoleIndex) -> Result<(), Denied> {
    can(roles, actor, Capability::KICK, "R-131").map(|_| ())
}

/// Change another user's role where neither side is the role of the banned.
///
/// # Errors
/// If the actor's role may not.
pub fn change_role(
    roles: &Roles,
    actor: RoleIndex,
    from: RoleIndex,
    to: RoleIndex,
) -> Result<(), Denied> {
    let role = can(roles, actor, Capability::CHANGE_USER_ROLE, "R-132")?;
    given(roles, to)?;
    if from == to {
        return Err(Denied::new("R-132", Reason::SameRole));
    }
    pair(role, from, to, "R-132")
}

/// Take the role `granted` that the first matching claims give. Role changes are not consulted.
///
/// # Errors
/// If the actor's role may not, no claim gives `to`, or it has that role already.
pub fn change_own_role(
    roles: &Roles,
    actor: RoleIndex,
    granted: Option<RoleIndex>,
    to: RoleIndex,
) -> Result<(), Denied> {
    can(roles, actor, Capability::CHANGE_OWN_ROLE, "R-133")?;
    given(roles, to)?;
    if to == actor {
        return Err(Denied::new("R-133", Reason::SameRole));
    }
    if granted != Some(to) {
        return Err(Denied::new("R-133", Reason::NotPreauthorized));
    }
    Ok(())
}

/// Ban another user, who has the role `from`, or [`RoleIndex::NONE`] if it is not listed.
///
/// # Errors
/// If the actor's role may not, or there is no role of the banned.
pub fn ban(roles: &Roles, actor: RoleIndex, from: RoleIndex) -> Result<(), Denied> {
    let role = can(roles, actor, Capability::BAN, "R-134")?;
    if roles.banned().is_none() {
        return Err(Denied::new("R-134", Reason::NotBanned));
    }
    pair(role, from, RoleIndex::BANNED, "R-134")
}

/// Lift the ban of another user, who gets the role `to`.
///
/// # Errors
/// If the actor's role may not, or there is no role of the banned.
pub fn unban(roles: &Roles, actor: RoleIndex, to: RoleIndex) -> Result<(), Denied> {
    let role = can(roles, actor, Capability::UNBAN, "R-135")?;
    if roles.banned().is_none() {
        return Err(Denied::new("R-135", Reason::NotBanned));
    }
    given(roles, to)?;
    pair(role, RoleIndex::BANNED, to, "R-135")
}

/// Any change of another user's role, by whichever capability allows it: a ban, the lifting of one, or a plain
/// change. `active` tells whether the user has clients, which a ban takes away.
///
/// # Errors
/// If the actor's role may not.
pub fn move_other(
    roles: &Roles,
    actor: RoleIndex,
    from: RoleIndex,
    to: RoleIndex,
    active: bool,
) -> Result<(), Denied> {
    if roles.is_banned(to) {
        return either(ban(roles, actor, from), || {
            change_role(roles, actor, from, to)?;
            if active { kick(roles, actor) } else { Ok(()) }
        });
    }
    if roles.is_banned(from) {
        return either(unban(roles, actor, to), || change_role(roles, actor, from, to));
    }
    change_role(roles, actor, from, to)
}

/// Put another user on the list, banned or not.
///
/// # Errors
/// If the actor's role may not.
pub fn add_or_ban(roles: &Roles, actor: RoleIndex, to: RoleIndex) -> Result<(), Denied> {
    let added = add(roles, actor, to);
    if roles.is_banned(to) {
        return either(ban(roles, actor, RoleIndex::NONE), || added);
    }
    added
}
