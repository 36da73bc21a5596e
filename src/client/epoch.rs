//! The room of one epoch: what its members agree on, and what it takes to read the messages of epochs that are over.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use openmls::{
    extensions::Extensions,
    group::{GroupContext, MlsGroup},
};
use serde::{Deserialize, Serialize};

use super::{
    proposed::{self, People},
    refusal::Impostor,
};
use crate::{
    codec::Wire,
    franking::FrankingAgentData,
    policy::RoleIndex,
    room::{ComponentId, Components, ParticipantList, RoomState},
    uri::{ParticipantUri, RoomUri, UserUri},
    wire::ExternalSender,
};

/// The room of an epoch: what its members agree on.
#[derive(Clone, Debug)]
pub(super) struct Epoch {
    pub(super) committed: Arc<RoomState>,
    /// The same with all that waits.
    pub(super) effective: Arc<RoomState>,
    pub(super) leaves: Arc<BTreeMap<u32, UserUri>>,
    pub(super) servers: Arc<[ExternalSender]>,
}

impl Epoch {
    /// The room that a group is, as it must be for us to take part (D-06, D-08).
    pub(super) fn of(group: &MlsGroup, room: &RoomUri) -> Result<Self, Impostor> {
        let leaves = leaves(group)?;
        let components = components(group.extensions())?;
        let committed = RoomState::from_components(components, leaves.values())
            .map_err(|_| Impostor::Components)?;
        let servers = proposed::servers(group.extensions()).map_err(|_| Impostor::Extensions)?;
        let epoch = Self::new(committed, leaves, servers);
        epoch.check(room)?;
        Ok(epoch)
    }

    /// A room in which nothing waits yet.
    pub(super) fn new(
        committed: RoomState,
        leaves: BTreeMap<u32, UserUri>,
        servers: Vec<ExternalSender>,
    ) -> Self {
        let committed = Arc::new(committed);
        Self {
            effective: Arc::clone(&committed),
            committed,
            leaves: Arc::new(leaves),
            servers: servers.into(),
        }
    }

    pub(super) fn check(&self, room: &RoomUri) -> Result<(), Impostor> {
        if self.committed.metadata().room_uri != *room {
            return Err(Impostor::Metadata);
        }
        if self.committed.membership().strangers().next().is_some() {
            return Err(Impostor::Strangers);
        }
        let hub = self.servers.first().and_then(|hub| proposed::provider(&hub.credential));
        match hub {
            Some(hub) if hub.domain() == room.domain() => Ok(()),
            Some(_) | None => Err(Impostor::Sender),
        }
    }

    pub(super) fn people<'a>(&'a self, group: &'a MlsGroup) -> People<'a> {
        People { leaves: &self.leaves, servers: &self.servers, extensions: group.extensions() }
    }
}

/// The user of each leaf.
pub(super) fn leaves(group: &MlsGroup) -> Result<BTreeMap<u32, UserUri>, Impostor> {
    group
        .members()
        .map(|member| Some((member.index.u32(), proposed::user(&member.credential)?)))
        .collect::<Option<_>>()
        .ok_or(Impostor::Leaf)
}

/// The components of a GroupContext, whose dictionary has to be the last extension.
pub(super) fn components(extensions: &Extensions<GroupContext>) -> Result<Components, Impostor> {
    let dictionary = extensions.app_data_dictionary().ok_or(Impostor::Extensions)?;
    let last = extensions.iter().last();
    if last.is_none_or(|last| last.as_app_data_dictionary_extension().is_err()) {
        return Err(Impostor::Extensions);
    }
    Ok(dictionary
        .dictionary()
        .entries()
        .map(|entry| (ComponentId(entry.id()), entry.data().to_vec()))
        .collect())
}

/// The room of an epoch that is over, from the present one and what was kept of each epoch since, the newest first. Its
/// leaves are not known.
pub(super) fn before(room: &RoomState, since: &[&Reading]) -> Option<RoomState> {
    let mut components = room.components();
    let mut roles: BTreeMap<&str, RoleIndex> =
        room.participants().iter().map(|it| (it.uri, it.role)).collect();
    for reading in since {
        for (id, octets) in &reading.changed {
            match octets {
                Some(octets) => components.insert(ComponentId(*id), octets.clone()),
                None => components.remove(ComponentId(*id)),
            };
        }
        roles.extend(reading.roles.iter().map(|(uri, role)| (uri.as_str(), *role)));
    }
    let listed = roles.into_iter().filter(|(_, role)| *role != RoleIndex::NONE);
    let listed = listed.map(|(uri, role)| Some((ParticipantUri::parse(uri).ok()?, role)));
    let list = ParticipantList::of(listed.collect::<Option<Vec<_>>>()?).ok()?;
    components.insert(ComponentId::PARTICIPANT_LIST, list.encode());
    RoomState::from_components(components, []).ok()
}

/// What has to be known of an epoch to read its messages and to judge them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reading {
    /// The franking agent, as the component holds it.
    pub(super) agent: Option<Vec<u8>>,
    /// The media types that the room requires, as the component holds them: application messages name theirs.
    pub(super) media_types: Option<Vec<u8>>,
    /// Components that the next epoch has changed, as they were: none where there was none. Not the participant list.
    pub(super) changed: BTreeMap<u16, Option<Vec<u8>>>,
    /// Participants who have another role in the next epoch, and the one that they had.
    pub(super) roles: BTreeMap<String, RoleIndex>,
}

impl Reading {
    pub(super) fn of(room: &RoomState) -> Self {
        let octets = |id| room.component(id).map(Cow::into_owned);
        Self {
            agent: octets(ComponentId::FRANKING_AGENT),
            media_types: octets(ComponentId::CONTENT_MEDIA_TYPES),
            ..Self::default()
        }
    }

    /// The same of an epoch that is over, and what the next one has changed.
    pub(super) fn before(room: &RoomState, next: &RoomState) -> Self {
        let ids = room.component_ids().chain(next.component_ids());
        let octets = |id| room.component(id).map(Cow::into_owned);
        let differs = |id: &ComponentId| room.component(*id) != next.component(*id);
        let changed: BTreeMap<u16, _> = ids.filter(differs).map(|id| (id.0, octets(id))).collect();
        let mut before = Self { changed, ..Self::of(room) };
        if before.changed.remove(&ComponentId::PARTICIPANT_LIST.0).is_some() {
            let (old, new) = (room.participants(), next.participants());
            let everybody = old.iter().chain(new.iter()).map(|it| it.uri);
            let moved = everybody.filter(|uri| old.role(uri) != new.role(uri));
            before.roles = moved.map(|uri| (uri.to_owned(), old.role(uri))).collect();
        }
        before
    }

    /// Who franks.
    pub(super) fn agent(&self) -> Option<FrankingAgentData> {
        FrankingAgentData::decode(self.agent.as_deref()?).ok()
    }
}
