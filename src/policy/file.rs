//! Policies as files: JSON that an operator can write, compare and review.
//!
//! ```json
//! {
//!   "roles": [{
//!     "role_index": 2,
//!     "role_name": "ordinary_user",
//!     "role_description": "",
//!     "role_capabilities": ["canSendMessage", "0xf001"],
//!     "minimum_participants_constraint": 0,
//!     "maximum_participants_constraint": null,
//!     "minimum_active_participants_constraint": 0,
//!     "maximum_active_participants_constraint": null,
//!     "authorized_role_changes": [{"from_role_index": 0, "target_role_indexes": [2]}]
//!   }],
//!   "base_room_policy": {"max_users": 50},
//!   "preauth_list": [{
//!     "claimset": [{"credential_type": 1, "id": "domain", "value": "a.example"}],
//!     "target_role_index": 2
//!   }]
//! }
//! ```
//!
//! Only `roles` is needed. The other members are components by the names that their drafts give them; a role may leave
//! out what is 0, empty or null. Capabilities and components stand by name, or by number in hexadecimal. What is not
//! known is an error, so that a misspelt restriction is found before it fails to restrict. This format is stable.

use serde::{Deserialize, Serialize};

use super::{
    BaseRoomPolicy, Bounds, Capability, Claim, PreAuth, PreAuthEntry, Role, RoleChange, RoleIndex,
    Roles, RolesFault,
    components::{
        self, AssetPolicy, BotPolicy, Component, HistoryPolicy, JoinLinkPolicy, LinkPreviewPolicy,
        LoggingPolicy, MessageExpiration, OperationalParameters, StatusNotificationPolicy,
    },
    presets::Preset,
};
use crate::{
    codec::Wire,
    room::{ComponentId, Components},
};

/// A policy as it stands in a file: read, and not checked yet; see [`PolicyFile::problems`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The roles.
    pub roles: Vec<FileRole>,
    /// What holds for everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_room_policy: Option<BaseRoomPolicy>,
    /// Who may take a role by a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preauth_list: Option<Vec<FilePreAuth>>,
    /// Parameters of MLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mls_operational_policy: Option<OperationalParameters>,
    /// Delivery and read notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_notification_policy: Option<StatusNotificationPolicy>,
    /// Join links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_link_policy: Option<JoinLinkPolicy>,
    /// Link previews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_preview_policy: Option<LinkPreviewPolicy>,
    /// Attachments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset_policy: Option<AssetPolicy>,
    /// Logging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging_policy: Option<LoggingPolicy>,
    /// Sharing of history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_history_policy: Option<HistoryPolicy>,
    /// Bots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_policy: Option<BotPolicy>,
    /// Expiring messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_expiration_policy: Option<MessageExpiration>,
}

/// A role as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the draft's Role")]
pub struct FileRole {
    pub role_index: RoleIndex,
    pub role_name: String,
    #[serde(default)]
    pub role_description: String,
    #[serde(default)]
    pub role_capabilities: Vec<Capability>,
    #[serde(default)]
    pub minimum_participants_constraint: u32,
    #[serde(default)]
    pub maximum_participants_constraint: Option<u32>,
    #[serde(default)]
    pub minimum_active_participants_constraint: u32,
    #[serde(default)]
    pub maximum_active_participants_constraint: Option<u32>,
    #[serde(default)]
    pub authorized_role_changes: Vec<RoleChange>,
}

impl From<FileRole> for Role {
    fn from(role: FileRole) -> Self {
        Self {
            index: role.role_index,
            name: role.role_name,
            description: role.role_description,
            capabilities: role.role_capabilities,
            participants: Bounds {
                minimum: role.minimum_participants_constraint,
                maximum: role.maximum_participants_constraint,
            },
            active: Bounds {
                minimum: role.minimum_active_participants_constraint,
                maximum: role.maximum_active_participants_constraint,
            },
            changes: role.authorized_role_changes,
        }
    }
}

impl From<Role> for FileRole {
    fn from(role: Role) -> Self {
        Self {
            role_index: role.index,
            role_name: role.name,
            role_description: role.description,
            role_capabilities: role.capabilities,
            minimum_participants_constraint: role.participants.minimum,
            maximum_participants_constraint: role.participants.maximum,
            minimum_active_participants_constraint: role.active.minimum,
            maximum_active_participants_constraint: role.active.maximum,
            authorized_role_changes: role.changes,
        }
    }
}

/// An entry of preauthorisation as it stands in a file: the role by its index only (Q-60).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePreAuth {
    /// All of them must be met.
    pub claimset: Vec<FileClaim>,
    /// The role.
    pub target_role_index: RoleIndex,
}

/// A claim as it stands in a file. Octets that are no text stand in hexadecimal after `0x`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileClaim {
    /// The MLS credential type; 1 is basic.
    pub credential_type: u16,
    /// Which claim; see [`Claim::id`].
    #[serde(default)]
    pub id: String,
    /// Its value.
    pub value: String,
}

/// The octets that a text of a file stands for.
fn octets(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").filter(|it| it.len() % 2 == 0).map(str::as_bytes);
    let pairs = digits.and_then(|digits| {
        digits
            .chunks_exact(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect()
    });
    pairs.unwrap_or_else(|| text.as_bytes().to_vec())
}

/// The text that stands for octets in a file.
fn text(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) if !text.starts_with("0x") && !text.contains(char::is_control) => text.to_owned(),
        Ok(_) | Err(_) => {
            octets.iter().fold("0x".to_owned(), |text, octet| format!("{text}{octet:02x}"))
        }
    }
}

/// Something that keeps a file from being a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// No JSON, or not of this form: the text tells where.
    #[error("{0}")]
    Syntax(String),
    /// The table of roles is not sound.
    #[error(transparent)]
    Roles(#[from] RolesFault),
    /// A role adds participants although membership is fixed (R-031).
    #[error("role {0}: canAddParticipant cannot be where membership is fixed")]
    FixedMembership(RoleIndex),
    /// The minima of all roles are more than the room may have (R-040).
    #[error("the minima of the roles add up to {minima}, and max_users is {max_users}")]
    TooFewUsers {
        /// All minima together, that of the banned left out.
        minima: u64,
        /// The most users.
        max_users: u32,
    },
    /// A component whose contents cannot be (its number, and why).
    #[error("{0}: {1}")]
    Component(ComponentId, String),
}

impl PolicyFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Problem::Syntax`] if it is not of this form.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        serde_json::from_str(text).map_err(|error| Problem::Syntax(error.to_string()))
    }

    /// The file's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Only roles and a base policy, as a preset has them.
    #[must_use]
    pub fn of_preset(preset: Preset) -> Self {
        let base = preset.base_policy();
        Self::new(&preset.roles(), Some(base))
    }

    /// Only roles, and a base policy if there is one.
    #[must_use]
    pub fn new(roles: &Roles, base_room_policy: Option<BaseRoomPolicy>) -> Self {
        Self {
            roles: roles.iter().cloned().map(FileRole::from).collect(),
            base_room_policy,
            preauth_list: None,
            mls_operational_policy: None,
            status_notification_policy: None,
            join_link_policy: None,
            link_preview_policy: None,
            asset_policy: None,
            logging_policy: None,
            chat_history_policy: None,
            bot_policy: None,
            message_expiration_policy: None,
        }
    }

    /// The roles.
    ///
    /// # Errors
    /// The first fault of the table.
    pub fn roles(&self) -> Result<Roles, RolesFault> {
        Roles::new(self.roles.iter().cloned().map(Role::from).collect())
    }

    /// What holds for everybody. A file that leaves it out means the default, with all components it holds.
    #[must_use]
    pub fn base_policy(&self) -> BaseRoomPolicy {
        let mut base = self.base_room_policy.clone().unwrap_or_default();
        let there = std::iter::once(ComponentId::ROLES_LIST)
            .chain(self.others().into_iter().map(|(id, _)| id));
        for id in there {
            if !base.policy_component_ids.contains(&id) {
                base.policy_component_ids.push(id);
            }
        }
        base
    }

    /// Who may take a role by a credential; each role is a copy of that of the list (Q-60).
    #[must_use]
    pub fn preauth(&self) -> PreAuth {
        let roles: Vec<Role> = self.roles.iter().cloned().map(Role::from).collect();
        let entry = |entry: &FilePreAuth| PreAuthEntry {
            claims: entry
                .claimset
                .iter()
                .map(|claim| Claim {
                    credential_type: claim.credential_type,
                    id: octets(&claim.id),
                    value: octets(&claim.value),
                })
                .collect(),
            target: roles
                .iter()
                .find(|role| role.index == entry.target_role_index)
                .cloned()
                .unwrap_or_else(|| Role {
                    index: entry.target_role_index,
                    name: String::new(),
                    description: String::new(),
                    capabilities: Vec::new(),
                    participants: Bounds::NONE,
                    active: Bounds::NONE,
                    changes: Vec::new(),
                }),
        };
        PreAuth { entries: self.preauth_list.iter().flatten().map(entry).collect() }
    }

    /// The components beside roles and base policy, encoded.
    fn others(&self) -> Vec<(ComponentId, Vec<u8>)> {
        fn of<C: Component>(component: Option<&C>) -> Option<(ComponentId, Vec<u8>)> {
            component.map(|it| (C::ID, it.encode()))
        }
        let preauth = self
            .preauth_list
            .is_some()
            .then(|| (ComponentId::PREAUTH_LIST, self.preauth().encode()));
        [
            preauth,
            of(self.mls_operational_policy.as_ref()),
            of(self.status_notification_policy.as_ref()),
            of(self.join_link_policy.as_ref()),
            of(self.link_preview_policy.as_ref()),
            of(self.asset_policy.as_ref()),
            of(self.logging_policy.as_ref()),
            of(self.chat_history_policy.as_ref()),
            of(self.bot_policy.as_ref()),
            of(self.message_expiration_policy.as_ref()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Everything that keeps it from being a policy; nothing if it is one.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let roles: Vec<Role> = self.roles.iter().cloned().map(Role::from).collect();
        let mut problems: Vec<Problem> =
            RolesFault::all(&roles).into_iter().map(Problem::from).collect();
        let base = self.base_policy();
        if base.fixed_membership {
            let adds = roles.iter().filter(|role| role.can(Capability::ADD_PARTICIPANT));
            problems.extend(adds.map(|role| Problem::FixedMembership(role.index)));
        }
        let minima = roles
            .iter()
            .filter(|role| role.index > RoleIndex::BANNED)
            .map(|role| u64::from(role.participants.minimum))
            .sum();
        if let Some(max_users) = base.max_users.filter(|&most| u64::from(most) < minima) {
            problems.push(Problem::TooFewUsers { minima, max_users });
        }
        let others = self.others();
        for (id, octets) in &others {
            if let Err(error) = components::check(*id, octets) {
                problems.push(Problem::Component(*id, error.to_string()));
            }
        }
        for entry in self.preauth_list.iter().flatten() {
            if !roles.iter().any(|role| role.index == entry.target_role_index) {
                let why = format!("there is no role {}", entry.target_role_index);
                problems.push(Problem::Component(ComponentId::PREAUTH_LIST, why));
            }
        }
        if let Ok(roles) = Roles::new(roles) {
            let get = |id| others.iter().find(|(it, _)| *it == id).map(|(_, it)| it.as_slice());
            // Where uploads go is compared with the hub of a room, which a file does not know.
            let hub = self.asset_policy.as_ref().and_then(|it| it.upload_domains.first());
            let hub = hub.map_or("", |it| it.provider.as_str());
            if let Err((id, why)) = components::fit(get, &roles, hub) {
                problems.push(Problem::Component(id, why.to_owned()));
            }
        }
        problems
    }

    /// The policy components of a new room, to be put beside its participants and metadata.
    ///
    /// # Errors
    /// The first problem.
    pub fn components(&self) -> Result<Components, Problem> {
        if let Some(problem) = self.problems().into_iter().next() {
            return Err(problem);
        }
        let mut components: Components = self.others().into_iter().collect();
        components.insert(ComponentId::ROLES_LIST, self.roles()?.encode());
        components.insert(ComponentId::BASE_ROOM_POLICY, self.base_policy().encode());
        Ok(components)
    }

    /// The same for a room that is already there, to write down and compare.
    #[must_use]
    pub fn of_room(room: &crate::room::RoomState) -> Self {
        let preauth = room.preauth().entries.iter().map(|entry| FilePreAuth {
            claimset: entry
                .claims
                .iter()
                .map(|claim| FileClaim {
                    credential_type: claim.credential_type,
                    id: text(&claim.id),
                    value: text(&claim.value),
                })
                .collect(),
            target_role_index: entry.target.index,
        });
        Self {
            preauth_list: room
                .component(ComponentId::PREAUTH_LIST)
                .is_some()
                .then(|| preauth.collect()),
            mls_operational_policy: room.policy(),
            status_notification_policy: room.policy(),
            join_link_policy: room.policy(),
            link_preview_policy: room.policy(),
            asset_policy: room.policy(),
            logging_policy: room.policy(),
            chat_history_policy: room.policy(),
            bot_policy: room.policy(),
            message_expiration_policy: room.policy(),
            ..Self::new(room.roles(), Some(room.base_policy().clone()))
        }
    }
}
