//! Roles: the component `roles_list` (room-policy, section 3).

use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    policy::Capability,
};

/// The index that names a role in the participant list and in role changes.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    Default,
)]
#[serde(transparent)]
pub struct RoleIndex(pub u32);

impl RoleIndex {
    /// Whoever is not, not yet or no longer on the participant list.
    pub const NONE: Self = Self(0);
    /// The role of the banned, if it is named [`Role::BANNED`].
    ///
    /// A ban is an entry on the list: who takes a banned user off the list, for tidiness or by mistake, lifts the ban
    /// (D-91). It is of a name: that another name, or another provider's user, is the same human, only people and
    /// their providers can know (D-93).
    pub const BANNED: Self = Self(1);
}

impl std::fmt::Display for RoleIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Which roles somebody in one role may be given (`SingleSourceRoleChangeTargets`).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleChange {
    /// The role before; 0 is somebody who joins or is added.
    #[serde(rename = "from_role_index")]
    pub from: RoleIndex,
    /// The roles after; 0 is a removal, 1 a ban.
    #[serde(rename = "target_role_indexes")]
    pub targets: Vec<RoleIndex>,
}

/// How many may hold a role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// At least so many; 0 is no bound.
    pub minimum: u32,
    /// At most so many; absent is no bound.
    pub maximum: Option<u32>,
}

impl Bounds {
    /// Any number.
    pub const NONE: Self = Self { minimum: 0, maximum: None };
}

/// What the holders of a role may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Names it elsewhere; unique, not always contiguous.
    pub index: RoleIndex,
    /// For people to read.
    pub name: String,
    /// For people to read; may be empty.
    pub description: String,
    /// What its holders may do, in the order of the wire.
    pub capabilities: Vec<Capability>,
    /// How many participants may hold it.
    pub participants: Bounds,
    /// How many of them may have clients in the group. With a maximum of 0 nobody may.
    pub active: Bounds,
    /// Whom its holders may move from which role to which.
    pub changes: Vec<RoleChange>,
}

impl Role {
    /// The name that role 1 must have for bans.
    pub const BANNED: &'static str = "banned";

    /// Whether its holders have a capability.
    #[must_use]
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    /// Whether its holders may, as far as the table of role changes goes, move somebody `from` one role `to` another.
    #[must_use]
    pub fn may_move(&self, from: RoleIndex, to: RoleIndex) -> bool {
        self.targets(from).contains(&to)
    }

    /// The roles that somebody in the role `from` may be given.
    #[must_use]
    pub fn targets(&self, from: RoleIndex) -> &[RoleIndex] {
        self.changes.iter().find(|change| change.from == from).map_or(&[], |change| &change.targets)
    }

    /// Whether its holders may have clients in the group.
    #[must_use]
    pub fn may_be_active(&self) -> bool {
        self.active.maximum != Some(0)
    }
}

impl Wire for RoleIndex {
    const NAME: &'static str = "role_index";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.u32("role_index").map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

impl Wire for RoleChange {
    const NAME: &'static str = "SingleSourceRoleChangeTargets";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            from: reader.u32("from_role_index").map(RoleIndex)?,
            targets: reader.vec("target_role_indexes", RoleIndex::read)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.from.write(out);
        codec::write_vec(out, &self.targets, RoleIndex::write);
    }
}

/// Reads a minimum and a maximum.
fn read_bounds(
    reader: &mut Reader<'_>,
    minimum: &'static str,
    maximum: &'static str,
) -> Result<Bounds, DecodeError> {
    Ok(Bounds {
        minimum: reader.u32(minimum)?,
        maximum: reader.optional(maximum, |reader| reader.u32(maximum))?,
    })
}

fn write_bounds(bounds: Bounds, out: &mut Vec<u8>) {
    out.extend_from_slice(&bounds.minimum.to_be_bytes());
    codec::write_optional(out, bounds.maximum.as_ref(), |maximum, out| {
        out.extend_from_slice(&maximum.to_be_bytes());
    });
}

impl Wire for Role {
    const NAME: &'static str = "Role";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            index: RoleIndex::read(reader)?,
            name: reader.text("role_name")?.to_owned(),
            description: reader.text("role_description")?.to_owned(),
            capabilities: reader.vec("role_capabilities", |reader| {
                reader.u16("role_capabilities").map(Capability)
            })?,
            participants: read_bounds(
                reader,
                "minimum_participants_constraint",
                "maximum_participants_constraint",
            )?,
            active: read_bounds(
                reader,
                "minimum_active_participants_constraint",
                "maximum_active_participants_constraint",
            )?,
            changes: reader.vec("authorized_role_changes", RoleChange::read)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.index.write(out);
        codec::write_bytes(out, self.name.as_bytes());
        codec::write_bytes(out, self.description.as_bytes());
        codec::write_vec(out, &self.capabilities, |capability, out| {
            out.extend_from_slice(&capability.0.to_be_bytes());
        });
        write_bounds(self.participants, out);
        write_bounds(self.active, out);
        codec::write_vec(out, &self.changes, RoleChange::write);
    }
}

/// All roles of a room, sound as a whole: see [`Roles::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles(Vec<Role>);

impl Roles {
    /// The roles of a room, checked as a whole.
    ///
    /// Checked here is what holds for the roles alone. Whether they fit the base policy and the participant list is
    /// checked when a [`RoomState`](crate::room::RoomState) is made or changed.
    ///
    /// # Errors
    /// The first fault; [`RolesFault::all`] finds every one.
    pub fn new(roles: Vec<Role>) -> Result<Self, RolesFault> {
        match RolesFault::all(&roles).into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(Self(roles)),
        }
    }

    /// The role of an index.
    #[must_use]
    pub fn get(&self, index: RoleIndex) -> Option<&Role> {
        self.0.iter().find(|role| role.index == index)
    }

    /// Whether somebody in the role `index` has a capability.
    #[must_use]
    pub fn can(&self, index: RoleIndex, capability: Capability) -> bool {
        self.get(index).is_some_and(|role| role.can(capability))
    }

    /// The role of the banned, if the room has one: index 1 and the name "banned".
    #[must_use]
    pub fn banned(&self) -> Option<&Role> {
        self.get(RoleIndex::BANNED).filter(|role| role.name == Role::BANNED)
    }

    /// Whether this role is that of the banned. Role 1 under another name is a role like any other.
    #[must_use]
    pub fn is_banned(&self, role: RoleIndex) -> bool {
        role == RoleIndex::BANNED && self.banned().is_some()
    }

    /// Whether who has this role is out of the room: not listed, or banned.
    #[must_use]
    pub fn is_outside(&self, role: RoleIndex) -> bool {
        role == RoleIndex::NONE || self.is_banned(role)
    }

    /// The roles, in the order of the wire.
    pub fn iter(&self) -> std::slice::Iter<'_, Role> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Roles {
    type Item = &'a Role;
    type IntoIter = std::slice::Iter<'a, Role>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Wire for Roles {
    const NAME: &'static str = "RoleData";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        Self::new(reader.vec("roles", Role::read)?)
            .map_err(|fault| start.error("roles", Fault::Contradiction(fault.rule.rule())))
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_vec(out, &self.0, Role::write);
    }
}

/// What is wrong with a table of roles, and in which role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("role {role}: {rule}")]
pub struct RolesFault {
    /// The role that breaks the rule.
    pub role: RoleIndex,
    /// The rule.
    pub rule: RolesRule,
}

/// A rule for a table of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RolesRule {
    /// Two roles have this index.
    #[error("another role has the same index")]
    Unique,
    /// `canOpenJoin` on a role other than 0.
    #[error("canOpenJoin may stand on role 0 only")]
    OpenJoin,
    /// A capability of a participant on role 0, whose holders are not on the list.
    #[error("role 0 may only hold canOpenJoin and canUseJoinCode, not {0}")]
    NoRole(Capability),
    /// A capability, a role change or room for clients on the role of the banned.
    #[error("the role of the banned may hold nothing, not {0}")]
    Banned(Capability),
    /// Role changes on the role of the banned.
    #[error("the role of the banned may change no role")]
    BannedChanges,
    /// Role 0 changes another role than its own into a participant's.
    #[error("role 0 may only have changes from role 0, not from {0}")]
    NoRoleChanges(RoleIndex),
    /// A minimum of role 0, which nobody on the list holds.
    #[error("nobody on the list holds role 0, so it has no minimum")]
    NoRoleMinimum,
    /// Two entries of role changes for one role before.
    #[error("two entries of role changes start from role {0}")]
    DuplicateChange(RoleIndex),
    /// A target that stands twice in one entry.
    #[error("role {1} stands twice among the targets from role {0}")]
    DuplicateTarget(RoleIndex, RoleIndex),
    /// A change from a role to itself.
    #[error("a change from role {0} to itself")]
    Reflexive(RoleIndex),
    /// A change from or to a role that does not exist.
    #[error("a change names role {0}, which does not exist")]
    Missing(RoleIndex),
    /// A minimum above its maximum, or active participants where none are allowed.
    #[error("the constraints cannot be met")]
    Bounds,
}

impl RolesRule {
    /// The rule in few words, the same for every role.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Unique => "role indices are unique",
            Self::OpenJoin => "canOpenJoin stands on role 0 only",
            Self::NoRole(_) | Self::NoRoleChanges(_) | Self::NoRoleMinimum => {
                "role 0 is nobody's on the list"
            }
            Self::Banned(_) | Self::BannedChanges => "the banned may do nothing",
            Self::DuplicateChange(_) | Self::DuplicateTarget(..) => "role changes stand once",
            Self::Reflexive(_) => "no change leads from a role to itself",
            Self::Missing(_) => "role changes name roles that exist",
            Self::Bounds => "role constraints can be met",
        }
    }
}

impl RolesFault {
    /// Every fault of a table of roles, in the order of the table; none if it is sound.
    #[must_use]
    pub fn all(roles: &[Role]) -> Vec<Self> {
        let mut faults = Vec::new();
        for (place, role) in roles.iter().enumerate() {
            let mut fault = |rule| faults.push(Self { role: role.index, rule });
            if roles.iter().take(place).any(|earlier| earlier.index == role.index) {
                fault(RolesRule::Unique);
            }
            powers(role, &mut fault);
            if !feasible(role) {
                fault(RolesRule::Bounds);
            }
            changes(role, roles, &mut fault);
        }
        faults
    }
}

/// Capabilities where they may not stand.
fn powers(role: &Role, fault: &mut impl FnMut(RolesRule)) {
    for &capability in role.capabilities.iter().filter(|it| grants(**it)) {
        match role.index {
            RoleIndex::NONE
                if !matches!(capability, Capability::OPEN_JOIN | Capability::USE_JOIN_CODE) =>
            {
                fault(RolesRule::NoRole(capability));
            }
            RoleIndex::NONE => {}
            RoleIndex::BANNED if role.name == Role::BANNED => {
                fault(RolesRule::Banned(capability));
            }
            _ if capability == Capability::OPEN_JOIN => fault(RolesRule::OpenJoin),
            _ => {}
        }
    }
    if role.index == RoleIndex::NONE && (role.participants.minimum > 0 || role.active.minimum > 0) {
        fault(RolesRule::NoRoleMinimum);
    }
}

/// Whether a code point grants anything at all.
fn grants(capability: Capability) -> bool {
    capability.name().is_some() && !capability.is_reserved()
}

/// Whether some number of participants meets the constraints.
fn feasible(role: &Role) -> bool {
    let holds = |bounds: Bounds| bounds.maximum.is_none_or(|maximum| bounds.minimum <= maximum);
    holds(role.participants)
        && holds(role.active)
        && role.participants.maximum.is_none_or(|maximum| role.active.minimum <= maximum)
}

/// Role changes that cannot be meant.
fn changes(role: &Role, roles: &[Role], fault: &mut impl FnMut(RolesRule)) {
    let exists =
        |index: RoleIndex| index == RoleIndex::NONE || roles.iter().any(|role| role.index == index);
    if role.index == RoleIndex::BANNED && role.name == Role::BANNED && !role.changes.is_empty() {
        fault(RolesRule::BannedChanges);
    }
    for (place, change) in role.changes.iter().enumerate() {
        if role.index == RoleIndex::NONE && change.from != RoleIndex::NONE {
            fault(RolesRule::NoRoleChanges(change.from));
        }
        if role.changes.iter().take(place).any(|earlier| earlier.from == change.from) {
            fault(RolesRule::DuplicateChange(change.from));
        }
        if !exists(change.from) {
            fault(RolesRule::Missing(change.from));
        }
        for (place, &target) in change.targets.iter().enumerate() {
            if change.targets.iter().take(place).any(|&earlier| earlier == target) {
                fault(RolesRule::DuplicateTarget(change.from, target));
            }
            if target == change.from {
                fault(RolesRule::Reflexive(target));
            } else if !exists(target) {
                fault(RolesRule::Missing(target));
            }
        }
    }
}
