//! A room at one moment.

use std::{borrow::Cow, collections::BTreeMap};

use super::{ComponentId, Components, ParticipantList, RoomMetadata};
use crate::{
    codec::Wire,
    error::DecodeError,
    policy::{
        BaseRoomPolicy, Capability, PreAuth, RoleIndex, Roles,
        components::{self, Component},
    },
    uri::UserUri,
};

/// How many clients each participant has in the group.
///
/// A participant is *active* if it has at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Clients of each participant, by place in the list.
    pub(super) clients: Vec<u32>,
    /// Active participants of each role.
    pub(super) active: BTreeMap<RoleIndex, u32>,
    /// Clients of users who are not listed.
    pub(super) strangers: BTreeMap<UserUri, u32>,
    pub(super) total: u32,
}

impl Membership {
    /// How many clients the group has.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// How many participants with this role have clients.
    #[must_use]
    pub fn active(&self, role: RoleIndex) -> u32 {
        self.active.get(&role).copied().unwrap_or(0)
    }

    /// Users who have clients and are not listed; a room where there are some is not sound (P-004).
    pub fn strangers(&self) -> impl Iterator<Item = &UserUri> {
        self.strangers.keys()
    }

    pub(super) fn of_place(&self, place: u32) -> u32 {
        self.clients.get(place as usize).copied().unwrap_or(0)
    }
}

/// What keeps some components and leaves from being a room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{component}: {fault}")]
pub struct StateError {
    /// The component at fault.
    pub component: ComponentId,
    /// What is wrong with it.
    pub fault: StateFault,
}

/// What is wrong with a component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateFault {
    /// Every room has this component, and it is not there.
    #[error("is not there")]
    Missing,
    /// Its octets are not what they should be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A role that is held or referred to does not exist.
    #[error("there is no role {0}")]
    NoRole(RoleIndex),
    /// A role has `canAddParticipant` although membership is fixed.
    #[error("role {0} may add participants although membership is fixed")]
    FixedMembership(RoleIndex),
    /// A component that contradicts another.
    #[error("contradicts another component: {0}")]
    Contradiction(&'static str),
    /// A provider on the list that is not the room's hub (Q-48, D-72).
    #[error("a provider on the list is not the hub of the room")]
    Provider,
    /// A policy component that is there and not listed in `policy_component_ids`.
    #[error("{0} is there and not listed in policy_component_ids")]
    Unlisted(ComponentId),
}

/// A room at one moment: the components of the GroupContext, decoded once, and the users of the leaves.
///
/// It is cheap to ask and to change, whatever the number of participants; see [`RoomState::fold`] and
/// [`RoomState::apply`]. To clone it copies the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomState {
    /// All components but the participant list, which holds its own octets.
    pub(super) others: Components,
    pub(super) participants: ParticipantList,
    pub(super) membership: Membership,
    pub(super) metadata: RoomMetadata,
    pub(super) roles: Roles,
    pub(super) preauth: PreAuth,
    pub(super) base: BaseRoomPolicy,
}

/// Decodes a component that every room has.
fn needed<T: Wire>(components: &Components, id: ComponentId) -> Result<T, StateError> {
    let octets =
        components.get(id).ok_or(StateError { component: id, fault: StateFault::Missing })?;
    decoded(id, octets)
}

/// Decodes a component.
pub(super) fn decoded<T: Wire>(id: ComponentId, octets: &[u8]) -> Result<T, StateError> {
    T::decode(octets).map_err(|fault| StateError { component: id, fault: fault.into() })
}

impl RoomState {
    /// The room that the components of a GroupContext describe, `leaves` being the user of each leaf.
    ///
    /// This checks that the components are well formed and fit together. It does not check that the room may be
    /// *created* like this, nor that every leaf's user is a participant: [`Membership::strangers`] tells.
    ///
    /// # Errors
    /// If a component that every room has is missing, one is malformed, or they contradict each other.
    pub fn from_components<'u>(
        mut components: Components,
        leaves: impl IntoIterator<Item = &'u UserUri>,
    ) -> Result<Self, StateError> {
        let participants: ParticipantList = needed(&components, ComponentId::PARTICIPANT_LIST)?;
        components.remove(ComponentId::PARTICIPANT_LIST);
        let preauth = match components.get(ComponentId::PREAUTH_LIST) {
            Some(octets) => decoded(ComponentId::PREAUTH_LIST, octets)?,
            None => PreAuth::default(),
        };
        let mut room = Self {
            membership: Membership {
                clients: vec![0; participants.len()],
                ..Membership::default()
            },
            participants,
            metadata: needed(&components, ComponentId::ROOM_METADATA)?,
            roles: needed(&components, ComponentId::ROLES_LIST)?,
            preauth,
            base: needed(&components, ComponentId::BASE_ROOM_POLICY)?,
            others: components,
        };
        room.check_roles(&room.roles, &room.base, room.participants.held().map(|(role, _)| role))?;
        Self::check_listed(&room.base, room.others.iter().map(|(id, _)| id))?;
        for (id, octets) in room.others.iter() {
            components::check(id, octets)
                .map_err(|fault| StateError { component: id, fault: fault.into() })?;
        }
        components::fit(|id| room.others.get(id), &room.roles, room.hub()).map_err(
            |(component, why)| StateError { component, fault: StateFault::Contradiction(why) },
        )?;
        let hub = format!("mimi://{}", room.hub());
        if room.participants.providers() > u32::from(room.participants.find(&hub).is_some()) {
            return Err(StateError {
                component: ComponentId::PARTICIPANT_LIST,
                fault: StateFault::Provider,
            });
        }
        for user in leaves {
            room.count_client(user, true);
        }
        Ok(room)
    }

    /// Whether all roles that are held exist, and none adds participants where membership is fixed.
    pub(super) fn check_roles(
        &self,
        roles: &Roles,
        base: &BaseRoomPolicy,
        mut held: impl Iterator<Item = RoleIndex>,
    ) -> Result<(), StateError> {
        let fault = |fault| StateError { component: ComponentId::ROLES_LIST, fault };
        if let Some(missing) = held.find(|&role| roles.get(role).is_none()) {
            return Err(fault(StateFault::NoRole(missing)));
        }
        let adds = roles.iter().find(|role| role.can(Capability::ADD_PARTICIPANT));
        match adds.filter(|_| base.fixed_membership) {
            Some(role) => Err(fault(StateFault::FixedMembership(role.index))),
            None => Ok(()),
        }
    }

    /// Whether the base policy lists the policy components that are there.
    pub(super) fn check_listed(
        base: &BaseRoomPolicy,
        mut there: impl Iterator<Item = ComponentId>,
    ) -> Result<(), StateError> {
        match there.find(|id| id.is_policy() && !base.policy_component_ids.contains(id)) {
            Some(id) => Err(StateError {
                component: ComponentId::BASE_ROOM_POLICY,
                fault: StateFault::Unlisted(id),
            }),
            None => Ok(()),
        }
    }

    /// The participants.
    #[must_use]
    pub const fn participants(&self) -> &ParticipantList {
        &self.participants
    }

    /// The clients in the group.
    #[must_use]
    pub const fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Name, subject and so on.
    #[must_use]
    pub const fn metadata(&self) -> &RoomMetadata {
        &self.metadata
    }

    /// What each role may do.
    #[must_use]
    pub const fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Who may take a role by a credential.
    #[must_use]
    pub const fn preauth(&self) -> &PreAuth {
        &self.preauth
    }

    /// What holds for everybody.
    #[must_use]
    pub const fn base_policy(&self) -> &BaseRoomPolicy {
        &self.base
    }

    /// One of the other policy components, if the room has it.
    #[must_use]
    pub fn policy<C: Component>(&self) -> Option<C> {
        C::decode(self.others.get(C::ID)?).ok()
    }

    /// The octets of a component as the dictionary holds them.
    #[must_use]
    pub fn component(&self, id: ComponentId) -> Option<Cow<'_, [u8]>> {
        if id == ComponentId::PARTICIPANT_LIST {
            return Some(self.participants.encode().into());
        }
        self.others.get(id).map(Cow::Borrowed)
    }

    /// The numbers of all components.
    pub fn component_ids(&self) -> impl Iterator<Item = ComponentId> {
        std::iter::once(ComponentId::PARTICIPANT_LIST).chain(self.others.iter().map(|(id, _)| id))
    }

    /// All components as the dictionary holds them.
    #[must_use]
    pub fn components(&self) -> Components {
        let mut components = self.others.clone();
        components.insert(ComponentId::PARTICIPANT_LIST, self.participants.encode());
        components
    }

    /// The domain of the hub: the host of the room's ID.
    #[must_use]
    pub fn hub(&self) -> &str {
        self.metadata.room_uri.host()
    }

    /// The role of a participant, or [`RoleIndex::NONE`].
    #[must_use]
    pub fn role(&self, participant: impl AsRef<str>) -> RoleIndex {
        self.participants.role(participant)
    }

    /// How many clients a user has in the group.
    #[must_use]
    pub fn clients(&self, user: &UserUri) -> u32 {
        match self.participants.find(user) {
            Some(listed) => self.membership.of_place(listed.place),
            None => self.membership.strangers.get(user).copied().unwrap_or(0),
        }
    }

    /// The role of a user and whether it has a client in the group, by one look-up.
    pub(crate) fn standing(&self, user: &UserUri) -> (RoleIndex, bool) {
        match self.participants.place(user.as_bytes()) {
            Some(place) => (self.participants.role_at(place), self.membership.of_place(place) > 0),
            None => (RoleIndex::NONE, false),
        }
    }

    /// Whether a participant has a client in the group.
    #[must_use]
    pub fn is_active(&self, user: &UserUri) -> bool {
        self.standing(user).1
    }

    /// Entries that are not banned, for [`BaseRoomPolicy::max_users`].
    #[must_use]
    pub fn users(&self) -> u32 {
        let banned = self.roles.banned().map_or(0, |role| self.participants.holders(role.index));
        super::entries::number(self.participants.len()) - banned
    }

    /// Counts one client more or less of a user.
    pub(super) fn count_client(&mut self, user: &UserUri, joins: bool) {
        let step = |count: u32| if joins { count + 1 } else { count.saturating_sub(1) };
        let before = self.clients(user);
        let after = step(before);
        if before == after {
            return;
        }
        self.membership.total = step(self.membership.total);
        match self.participants.find(user) {
            Some(listed) => {
                let (place, role) = (listed.place as usize, listed.role);
                if let Some(clients) = self.membership.clients.get_mut(place) {
                    *clients = after;
                }
                self.count_active(role, before > 0, after > 0);
            }
            None if after == 0 => {
                self.membership.strangers.remove(user);
            }
            None => {
                self.membership.strangers.insert(user.clone(), after);
            }
        }
    }

    /// Counts a participant of a role who becomes active or inactive.
    pub(super) fn count_active(&mut self, role: RoleIndex, before: bool, after: bool) {
        let active = self.membership.active.entry(role).or_default();
        match (before, after) {
            (false, true) => *active += 1,
            (true, false) => *active = active.saturating_sub(1),
            (true, true) | (false, false) => {}
        }
        if *active == 0 {
            self.membership.active.remove(&role);
        }
    }
}
