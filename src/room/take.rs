//! How one update becomes part of a change, and what a change must be as a whole.

use super::{
    Change, ChangeError, ChangeFault, ComponentId, ComponentOperation, ParticipantListUpdate,
    RoomMetadata, RoomState, StateError, StateFault,
    change::{Contents, Replacement},
};
use crate::{
    codec::Wire,
    error::DecodeError,
    policy::{
        BaseRoomPolicy, PreAuth, RoleIndex, Roles,
        components::{self, JoinLinks, JoinLinksUpdate},
    },
    uri::ParticipantUri,
};

fn decode<T: Wire>(octets: &[u8]) -> Result<T, ChangeFault> {
    T::decode(octets).map_err(|fault: DecodeError| StateFault::from(fault).into())
}

impl Change {
    /// Takes one update in.
    pub(super) fn take(
        &mut self,
        room: &RoomState,
        start: &RoomState,
        id: ComponentId,
        operation: ComponentOperation<'_>,
    ) -> Result<(), ChangeFault> {
        if id.name().is_none() {
            return Err(ChangeFault::Unknown);
        }
        if !id.in_group_context() {
            return Err(ChangeFault::Where);
        }
        match (id, operation) {
            (ComponentId::PARTICIPANT_LIST, ComponentOperation::Update(octets)) => {
                self.take_list(room, start, decode(octets)?)
            }
            (ComponentId::JOIN_LINKS, ComponentOperation::Update(octets)) => {
                self.take_links(room, start, decode(octets)?)
            }
            (_, ComponentOperation::Update(octets)) => {
                let contents = contents(room, id, octets)?;
                self.replace(id, Some(Replacement { octets: octets.to_vec(), contents }))
            }
            (_, ComponentOperation::Remove) if id.is_permanent() => Err(ChangeFault::Needed),
            (_, ComponentOperation::Remove) if !room.others.contains(id) => {
                Err(ChangeFault::Absent)
            }
            (_, ComponentOperation::Remove) => self.replace(id, None),
        }
    }

    fn replace(
        &mut self,
        id: ComponentId,
        replacement: Option<Replacement>,
    ) -> Result<(), ChangeFault> {
        match self.replaced.insert(id, replacement) {
            Some(_) => Err(ChangeFault::Twice),
            None => Ok(()),
        }
    }

    fn take_list(
        &mut self,
        room: &RoomState,
        start: &RoomState,
        update: ParticipantListUpdate,
    ) -> Result<(), ChangeFault> {
        let place_of = |place: u32| -> Result<u32, ChangeFault> {
            if std::ptr::eq(room, start) {
                return room
                    .participants
                    .get(place)
                    .map_or(Err(ChangeFault::Place(place)), |_| Ok(place));
            }
            let listed = start.participants.get(place).ok_or(ChangeFault::Place(place))?;
            // Whoever was listed and no longer is was touched by a change before.
            room.participants.find(listed.uri).map(|found| found.place).ok_or_else(|| {
                match ParticipantUri::parse(listed.uri) {
                    Ok(gone) => ChangeFault::Touched(gone),
                    Err(_) => ChangeFault::Place(place),
                }
            })
        };
        let given = |role: RoleIndex| match room.roles.get(role) {
            Some(_) if role != RoleIndex::NONE => Ok(role),
            _ => Err(ChangeFault::Role(role)),
        };
        for (place, role) in update.changed {
            let place = place_of(place)?;
            let role = given(role)?;
            self.untouched(room, place)?;
            self.roles.insert(place, role);
        }
        for place in update.removed {
            let place = place_of(place)?;
            self.untouched(room, place)?;
            self.removed.insert(place);
        }
        for (participant, role) in update.added {
            let role = given(role)?;
            if self.added.iter().any(|(other, _)| *other == participant) {
                return Err(ChangeFault::Touched(participant));
            }
            if let Some(listed) = room.participants.find(&participant) {
                self.untouched(room, listed.place)?;
                return Err(ChangeFault::Present(participant));
            }
            if matches!(&participant, ParticipantUri::Provider(it) if it.host() != room.hub()) {
                return Err(ChangeFault::Provider(participant));
            }
            self.added.push((participant, role));
        }
        Ok(())
    }

    /// Removals name places in the list of the epoch's start, each once; additions come last.
    fn take_links(
        &mut self,
        room: &RoomState,
        start: &RoomState,
        update: JoinLinksUpdate,
    ) -> Result<(), ChangeFault> {
        if let Some(None) = self.replaced.get(&ComponentId::JOIN_LINKS) {
            return Err(ChangeFault::Twice);
        }
        let old = start.policy::<JoinLinks>().unwrap_or_default().0;
        let now = room.policy::<JoinLinks>().unwrap_or_default().0;
        for place in update.removed {
            if place as usize >= old.len() {
                return Err(ChangeFault::Place(place));
            }
            if !self.links_gone.insert(place) {
                return Err(ChangeFault::Twice);
            }
        }
        self.links_added.extend(update.added);
        let mut links = now;
        for &place in self.links_gone.iter().rev() {
            // Where links have gone since the epoch's start, the places are no longer theirs.
            let found = match std::ptr::eq(room, start) {
                true => Some(place as usize),
                false => links.iter().position(|link| old.get(place as usize) == Some(link)),
            };
            match found.filter(|&found| found < links.len()) {
                Some(found) => links.remove(found),
                None => return Err(ChangeFault::Twice),
            };
        }
        links.extend(self.links_added.iter().cloned());
        let octets = JoinLinks(links).encode();
        self.replaced.insert(
            ComponentId::JOIN_LINKS,
            Some(Replacement { octets, contents: Contents::Opaque }),
        );
        Ok(())
    }

    /// Nobody is touched twice (P-288).
    fn untouched(&self, room: &RoomState, place: u32) -> Result<(), ChangeFault> {
        if !(self.roles.contains_key(&place) || self.removed.contains(&place)) {
            return Ok(());
        }
        let uri = room.participants.get(place).and_then(|it| ParticipantUri::parse(it.uri).ok());
        Err(uri.map_or(ChangeFault::Place(place), ChangeFault::Touched))
    }

    /// Checks what must hold for the change as a whole.
    pub(super) fn check(&self, room: &RoomState) -> Result<(), ChangeError> {
        let fail = |component, fault| Err(ChangeError { component, index: None, fault });
        if self.replaced.contains_key(&ComponentId::ROLES_LIST) && self.changes_list() {
            return fail(ComponentId::ROLES_LIST, ChangeFault::BesideList);
        }
        if self.replaced.contains_key(&ComponentId::PREAUTH_LIST)
            && !(self.roles.is_empty() && self.added.is_empty())
        {
            return fail(ComponentId::PREAUTH_LIST, ChangeFault::BesideList);
        }
        if self.replaced.is_empty() {
            return Ok(());
        }
        let roles = self.new_roles().unwrap_or(&room.roles);
        let base = self.new_base().unwrap_or(&room.base);
        let whole = |error: StateError| ChangeError {
            component: error.component,
            index: None,
            fault: error.fault.into(),
        };
        room.check_roles(roles, base, room.participants.held().map(|(role, _)| role))
            .map_err(whole)?;
        if let Some((&id, _)) = self
            .replaced
            .iter()
            .find(|(id, new)| new.is_none() && base.policy_component_ids.contains(id))
        {
            return fail(id, ChangeFault::Listed);
        }
        let there = room
            .others
            .iter()
            .map(|(id, _)| id)
            .chain(self.replaced.keys().copied())
            .filter(|id| !matches!(self.replaced.get(id), Some(None)));
        RoomState::check_listed(base, there).map_err(whole)?;
        let get = |id| match self.replaced.get(&id) {
            Some(new) => new.as_ref().map(|new| new.octets.as_slice()),
            None => room.others.get(id),
        };
        components::fit(get, roles, room.hub())
            .or_else(|(id, why)| fail(id, StateFault::Contradiction(why).into()))
    }
}

/// Decodes the new octets of a component and compares them with the old where something never changes.
fn contents(room: &RoomState, id: ComponentId, octets: &[u8]) -> Result<Contents, ChangeFault> {
    Ok(match id {
        ComponentId::ROOM_METADATA => {
            let metadata: RoomMetadata = decode(octets)?;
            if metadata.room_uri != room.metadata.room_uri {
                return Err(ChangeFault::RoomUri);
            }
            Contents::Metadata(metadata)
        }
        ComponentId::ROLES_LIST => Contents::Roles(decode::<Roles>(octets)?),
        ComponentId::PREAUTH_LIST => Contents::PreAuth(decode::<PreAuth>(octets)?),
        // A room keeps its franking agent: which key a frank was made with would be open to doubt (P-134).
        ComponentId::FRANKING_AGENT if room.others.contains(id) => return Err(ChangeFault::Agent),
        ComponentId::BASE_ROOM_POLICY => {
            let base: BaseRoomPolicy = decode(octets)?;
            if base.parent != room.base.parent {
                return Err(ChangeFault::Parent);
            }
            Contents::Base(base)
        }
        _ => {
            components::check(id, octets).map_err(StateFault::from)?;
            Contents::Opaque
        }
    })
}
