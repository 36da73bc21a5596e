//! A change of a room: computed on `&self`, applied without a chance to fail.

use std::collections::{BTreeMap, BTreeSet};

use super::{ComponentId, ComponentOperation, RoomMetadata, RoomState, StateFault};
use crate::{
    policy::{BaseRoomPolicy, PreAuth, RoleIndex, Roles},
    uri::{ParticipantUri, UserUri},
};

/// A client that enters or leaves the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientChange<'a> {
    /// One more client of a user.
    Joins(&'a UserUri),
    /// One client less of a user.
    Leaves(&'a UserUri),
}

/// A change of a component that makes no sense, whoever wants it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{component}: {fault}")]
pub struct ChangeError {
    /// The component.
    pub component: ComponentId,
    /// The place of the update at fault among those given; none if they contradict the room as a whole.
    pub index: Option<usize>,
    /// What is wrong.
    pub fault: ChangeFault,
}

/// What is wrong with a change of a component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeFault {
    /// Nothing is known of this component, so nobody can tell whether a change of it is valid (E-021).
    #[error("is not known")]
    Unknown,
    /// A component that cannot be in a GroupContext (E-064).
    #[error("cannot be in a GroupContext")]
    Where,
    /// A removal of a component that is not there (E-022).
    #[error("is not there")]
    Absent,
    /// A second change of a component that takes one at a time (E-023, P-292, Q-79).
    #[error("is changed twice")]
    Twice,
    /// A component that every room has cannot be removed.
    #[error("cannot be removed")]
    Needed,
    /// A component cannot be removed while `policy_component_ids` lists it.
    #[error("cannot be removed while policy_component_ids lists it")]
    Listed,
    /// The result is not well formed, or contradicts other components.
    #[error(transparent)]
    Result(#[from] StateFault),
    /// An index beyond the list of the epoch's start.
    #[error("nobody stands at place {0}")]
    Place(u32),
    /// A role that does not exist, or role 0.
    #[error("there is no role {0} to give")]
    Role(RoleIndex),
    /// Somebody touched by two changes (P-288, Q-41).
    #[error("{0} is changed twice")]
    Touched(ParticipantUri),
    /// Somebody added who is listed already.
    #[error("{0} is listed already")]
    Present(ParticipantUri),
    /// A provider that is not the room's hub (Q-48, D-72).
    #[error("{0} is not the hub of the room")]
    Provider(ParticipantUri),
    /// A room keeps its franking agent (P-134).
    #[error("a room keeps its franking agent")]
    Agent,
    /// A room keeps its parent.
    #[error("the parent of a room cannot change")]
    Parent,
    /// The room's ID never changes.
    #[error("the room's ID cannot change")]
    RoomUri,
    /// A role update beside a change of the participant list, or a preauthorisation update beside one that is no
    /// removal.
    #[error("cannot change together with the participant list")]
    BesideList,
}

impl ChangeError {
    /// The rule that it breaks, by its number in the conformance table.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match (&self.fault, self.component) {
            (ChangeFault::Twice, ComponentId::ROOM_METADATA) => "P-292",
            (ChangeFault::BesideList, ComponentId::PREAUTH_LIST) => "R-024",
            (fault, _) => fault.rule(),
        }
    }
}

impl ChangeFault {
    const fn rule(&self) -> &'static str {
        match self {
            Self::Unknown => "E-021",
            Self::Where => "E-064",
            Self::Absent => "E-022",
            Self::Twice => "E-023",
            Self::Needed | Self::Listed => "R-147",
            Self::Result(StateFault::NoRole(_)) => "R-145",
            Self::Result(StateFault::FixedMembership(_)) => "R-031",
            Self::Result(StateFault::Unlisted(_)) => "R-044",
            Self::Result(StateFault::Contradiction(_)) => "R-044",
            Self::Result(_) => "E-028",
            Self::Place(_) => "P-285",
            Self::Role(_) => "R-011",
            Self::Touched(_) | Self::Present(_) => "P-288",
            Self::Provider(_) => "D-72",
            Self::Agent => "P-134",
            Self::Parent => "R-037",
            Self::RoomUri => "A-001",
            Self::BesideList => "R-017",
        }
    }
}

/// What one commit, or some waiting proposals, do to a room.
///
/// It belongs to the [`RoomState`] that it was computed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Roles by place.
    pub(super) roles: BTreeMap<u32, RoleIndex>,
    /// Places that go.
    pub(super) removed: BTreeSet<u32>,
    /// Entries that come, in order.
    pub(super) added: Vec<(ParticipantUri, RoleIndex)>,
    pub(super) replaced: BTreeMap<ComponentId, Option<Replacement>>,
    /// Join links of the epoch's start that go, by place.
    pub(super) links_gone: BTreeSet<u32>,
    /// Join links that come.
    pub(super) links_added: Vec<Vec<u8>>,
    /// Clients that come or go, net.
    pub(super) clients: BTreeMap<UserUri, i64>,
}

/// The new contents of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replacement {
    pub(super) octets: Vec<u8>,
    pub(super) contents: Contents,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    Metadata(RoomMetadata),
    Roles(Roles),
    PreAuth(PreAuth),
    Base(BaseRoomPolicy),
    Opaque,
}

impl Change {
    /// The components that change, in the order of their numbers, with their new octets: none means that the
    /// component goes. `base` is the room that the change was computed on.
    #[must_use]
    pub fn components(&self, base: &RoomState) -> Vec<(ComponentId, Option<Vec<u8>>)> {
        let mut components: Vec<_> = self
            .replaced
            .iter()
            .map(|(&id, new)| (id, new.as_ref().map(|new| new.octets.clone())))
            .collect();
        if self.changes_list() {
            let list = base.participants.octets_after(self);
            components.push((ComponentId::PARTICIPANT_LIST, Some(list)));
            components.sort_by_key(|&(id, _)| id);
        }
        components
    }

    fn new_contents(&self, id: ComponentId) -> Option<&Contents> {
        self.replaced.get(&id)?.as_ref().map(|new| &new.contents)
    }

    /// The roles, if they change.
    pub(super) fn new_roles(&self) -> Option<&Roles> {
        if let Contents::Roles(roles) = self.new_contents(ComponentId::ROLES_LIST)? {
            Some(roles)
        } else {
            None
        }
    }

    /// The base policy, if it changes.
    pub(super) fn new_base(&self) -> Option<&BaseRoomPolicy> {
        if let Contents::Base(base) = self.new_contents(ComponentId::BASE_ROOM_POLICY)? {
            Some(base)
        } else {
            None
        }
    }

    /// The metadata, if it changes.
    pub(super) fn new_metadata(&self) -> Option<&RoomMetadata> {
        if let Contents::Metadata(metadata) = self.new_contents(ComponentId::ROOM_METADATA)? {
            Some(metadata)
        } else {
            None
        }
    }

    /// Counts one client.
    pub(super) fn count(&mut self, client: ClientChange<'_>) {
        let (user, step) = match client {
            ClientChange::Joins(user) => (user, 1),
            ClientChange::Leaves(user) => (user, -1),
        };
        *self.clients.entry(user.clone()).or_default() += step;
    }

    /// Whether somebody is added to the participant list, removed from it, or gets another role.
    #[must_use]
    pub fn changes_list(&self) -> bool {
        !(self.roles.is_empty() && self.removed.is_empty() && self.added.is_empty())
    }
}

impl RoomState {
    /// Computes what the AppDataUpdates of one commit, in the order of the commit, and its clients do to this room.
    ///
    /// Indices in the updates are places in the list of this room; roles change first, then participants go, then
    /// others come.
    ///
    /// # Errors
    /// If one of the updates, or all of them together, makes no sense. Whether somebody may make them is judged
    /// elsewhere.
    pub fn fold(
        &self,
        updates: &[(ComponentId, ComponentOperation<'_>)],
        clients: &[ClientChange<'_>],
    ) -> Result<Change, ChangeError> {
        self.fold_at(self, updates, clients)
    }

    /// The same where indices are places in another room: the one of the epoch's start.
    ///
    /// # Errors
    /// As [`RoomState::fold`].
    pub fn fold_at(
        &self,
        start: &Self,
        updates: &[(ComponentId, ComponentOperation<'_>)],
        clients: &[ClientChange<'_>],
    ) -> Result<Change, ChangeError> {
        let mut change = Change::default();
        for (index, &(id, operation)) in updates.iter().enumerate() {
            change.take(self, start, id, operation).map_err(|fault| ChangeError {
                component: id,
                index: Some(index),
                fault,
            })?;
        }
        for &client in clients {
            change.count(client);
        }
        change.check(self)?;
        Ok(change)
    }

    /// Makes a change happen that was computed on this room.
    pub fn apply(&mut self, change: Change) {
        for (user, &count) in &change.clients {
            for _ in 0..count.unsigned_abs() {
                self.count_client(user, count > 0);
            }
        }
        for (&place, &role) in &change.roles {
            let Some(listed) = self.participants.get(place) else { continue };
            let (old, active) = (listed.role, self.membership.of_place(place) > 0);
            self.participants.set_role(place, role);
            self.count_active(old, active, false);
            self.count_active(role, false, active);
        }
        self.remove_entries(&change.removed.iter().copied().collect::<Vec<_>>());
        for (participant, role) in &change.added {
            self.participants.push(participant, *role);
            let clients = participant
                .user()
                .and_then(|user| self.membership.strangers.remove(user))
                .unwrap_or(0);
            self.membership.clients.push(clients);
            self.count_active(*role, false, clients > 0);
        }
        for (id, replacement) in change.replaced {
            self.replace(id, replacement);
        }
    }

    fn remove_entries(&mut self, removed: &[u32]) {
        if removed.is_empty() {
            return;
        }
        for &place in removed {
            let clients = self.membership.of_place(place);
            let Some(listed) = self.participants.get(place).filter(|_| clients > 0) else {
                continue;
            };
            let (role, user) = (listed.role, listed.user());
            self.count_active(role, true, false);
            if let Some(user) = user {
                self.membership.strangers.insert(user, clients);
            }
        }
        match removed {
            &[only] if (only as usize) < self.membership.clients.len() => {
                self.membership.clients.remove(only as usize);
            }
            _ => {
                let mut gone = removed.iter().copied().peekable();
                let mut place = 0;
                self.membership.clients.retain(|_| {
                    let goes = gone.next_if_eq(&place).is_some();
                    place += 1;
                    !goes
                });
            }
        }
        self.participants.remove(removed);
    }

    fn replace(&mut self, id: ComponentId, replacement: Option<Replacement>) {
        let Some(Replacement { octets, contents }) = replacement else {
            self.others.remove(id);
            if id == ComponentId::PREAUTH_LIST {
                self.preauth = PreAuth::default();
            }
            return;
        };
        self.others.insert(id, octets);
        match contents {
            Contents::Metadata(metadata) => self.metadata = metadata,
            Contents::Roles(roles) => self.roles = roles,
            Contents::PreAuth(preauth) => self.preauth = preauth,
            Contents::Base(base) => self.base = base,
            Contents::Opaque => {}
        }
    }
}
