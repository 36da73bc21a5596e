//! Rooms ready to use: four examples of room-policy's appendix A, a direct message and an announcement channel.
//!
//! ```
//! use openmimi::{policy::presets::Preset, room::RoomState, uri::{RoomUri, UserUri}};
//! let room = RoomUri::parse("mimi://a.example/r/clubhouse")?;
//! let alice = UserUri::parse("mimi://a.example/u/alice")?;
//! let components = Preset::Cooperative.room(&room, &alice, &[]);
//! let state = RoomState::from_components(components, [&alice])?;
//! assert_eq!(state.role(&alice), Preset::Cooperative.creator());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The hub stands on the list of every one of them, in the role `policy_enforcer`, so that clients accept the
//! proposals it makes to enforce the policy (Q-48). Departures from the drafts' tables:
//!
//! * the enforcer also has `canKick`, which it needs to remove clients that are lost (mimi-protocol, section 5.5);
//! * capabilities that are not registered (`canRevokeVoice`, `canGrantVoice`) are left out, and `canUnban` is the
//!   registry's `canUnBan` (Q-66);
//! * "all capabilities of a speaker" in the speaker of the moderated room means those of an attendee, and "of an
//!   ordinary_user" in its moderator those of a speaker; its role 0 may not be active (Q-66).
//!
//! Everything else is as printed; so the enforcer of the multi-organisation room can neither remove nor ban an
//! `org_a_user`.

mod announcement;
mod capabilities;
mod cooperative;
mod direct_message;
mod moderated;
mod multi_organization;
mod strict;

use crate::{
    codec::Wire,
    policy::{BaseRoomPolicy, Bounds, Capability, Role, RoleChange, RoleIndex, Roles},
    room::{ComponentId, Components, ParticipantList, RoomMetadata},
    uri::{ProviderUri, RoomUri, UserUri},
};

/// A room ready to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preset {
    /// Friends and family: everybody adds others (appendix A.1).
    Cooperative,
    /// Administrators add others; there are joining codes and preauthorisation (appendix A.2).
    Strict,
    /// Guests, attendees, speakers and moderators (appendix A.3).
    Moderated,
    /// Three organisations with administrators of their own (appendix A.4).
    MultiOrganization,
    /// Two people, or a few, from beginning to end.
    DirectMessage,
    /// A few write, everybody may read.
    Announcement,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Cooperative,
        Self::Strict,
        Self::Moderated,
        Self::MultiOrganization,
        Self::DirectMessage,
        Self::Announcement,
    ];

    /// Its name, as tools take it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cooperative => "cooperative",
            Self::Strict => "strict",
            Self::Moderated => "moderated",
            Self::MultiOrganization => "multi-organization",
            Self::DirectMessage => "direct-message",
            Self::Announcement => "announcement",
        }
    }

    /// The preset of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// Its roles.
    #[must_use]
    pub fn roles(self) -> Roles {
        let roles = match self {
            Self::Cooperative => cooperative::roles(),
            Self::Strict => strict::roles(),
            Self::Moderated => moderated::roles(),
            Self::MultiOrganization => multi_organization::roles(),
            Self::DirectMessage => direct_message::roles(),
            Self::Announcement => announcement::roles(),
        };
        Roles::new(roles).expect("the tables of the presets are sound")
    }

    /// Its base policy.
    #[must_use]
    pub fn base_policy(self) -> BaseRoomPolicy {
        let base = BaseRoomPolicy {
            policy_component_ids: vec![ComponentId::ROLES_LIST],
            ..BaseRoomPolicy::default()
        };
        match self {
            Self::Cooperative | Self::Strict | Self::Moderated | Self::MultiOrganization => base,
            Self::DirectMessage => BaseRoomPolicy { fixed_membership: true, ..base },
            Self::Announcement => {
                BaseRoomPolicy { persistent_room: true, discoverable: true, ..base }
            }
        }
    }

    /// The role of whoever creates the room.
    #[must_use]
    pub const fn creator(self) -> RoleIndex {
        match self {
            Self::Cooperative | Self::Strict | Self::Announcement => RoleIndex(4),
            Self::Moderated => RoleIndex(6),
            Self::MultiOrganization => RoleIndex(8),
            Self::DirectMessage => RoleIndex(2),
        }
    }

    /// The role of the other participants at the start, and of those who are added without another one being meant.
    #[must_use]
    pub const fn ordinary(self) -> RoleIndex {
        match self {
            Self::Cooperative
            | Self::Strict
            | Self::MultiOrganization
            | Self::DirectMessage
            | Self::Announcement => RoleIndex(2),
            Self::Moderated => RoleIndex(3),
        }
    }

    /// The role of the hub.
    #[must_use]
    pub const fn enforcer(self) -> RoleIndex {
        match self {
            Self::Cooperative | Self::Strict | Self::Announcement => RoleIndex(5),
            Self::Moderated => RoleIndex(7),
            Self::MultiOrganization => RoleIndex(9),
            Self::DirectMessage => RoleIndex(3),
        }
    }

    /// The policy components of a new room and its participants: the hub, the creator, and whom the creator brings.
    ///
    /// The room's group also needs the components of MLS itself (`app_components`, `safe_aad`), and the room a name if
    /// people shall see one. A user who stands twice among `others` is taken once.
    #[must_use]
    pub fn room(self, room: &RoomUri, creator: &UserUri, others: &[UserUri]) -> Components {
        let hub = (ProviderUri::new(&room.domain()).into(), self.enforcer());
        let mut list = ParticipantList::new();
        let others = others.iter().map(|user| (user.clone().into(), self.ordinary()));
        for (participant, role) in
            [hub, (creator.clone().into(), self.creator())].into_iter().chain(others)
        {
            if list.find(&participant).is_none() {
                list.push(&participant, role);
            }
        }
        [
            (ComponentId::PARTICIPANT_LIST, list.encode()),
            (ComponentId::ROOM_METADATA, RoomMetadata::new(room.clone()).encode()),
            (ComponentId::ROLES_LIST, self.roles().encode()),
            (ComponentId::BASE_ROOM_POLICY, self.base_policy().encode()),
        ]
        .into_iter()
        .collect()
    }
}

/// Somebody who may do nothing: role 0 and role 1 of most rooms.
fn nobody(index: RoleIndex, name: &str) -> Role {
    Role {
        index,
        name: name.into(),
        description: String::new(),
        capabilities: Vec::new(),
        participants: Bounds::NONE,
        active: Bounds { minimum: 0, maximum: Some(0) },
        changes: Vec::new(),
    }
}

/// A role without constraints.
fn role(index: u32, name: &str, capabilities: &[&[Capability]], changes: &[(u32, &[u32])]) -> Role {
    Role {
        index: RoleIndex(index),
        name: name.into(),
        description: String::new(),
        capabilities: capabilities.concat(),
        participants: Bounds::NONE,
        active: Bounds::NONE,
        changes: changes
            .iter()
            .map(|&(from, targets)| RoleChange {
                from: RoleIndex(from),
                targets: targets.iter().copied().map(RoleIndex).collect(),
            })
            .collect(),
    }
}

/// The hub's role: one or two on the list, never in the group.
fn enforcer(index: u32, changes: &[(u32, &[u32])]) -> Role {
    Role {
        participants: Bounds { minimum: 1, maximum: Some(2) },
        active: Bounds { minimum: 0, maximum: Some(0) },
        description: "The hub. It can remove a banned user from the list, but not restore it."
            .into(),
        ..role(index, "policy_enforcer", &[capabilities::ENFORCER], changes)
    }
}

/// At least one participant.
fn at_least_one(role: Role) -> Role {
    Role { participants: Bounds { minimum: 1, maximum: None }, ..role }
}
