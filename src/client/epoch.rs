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

/// The room of an epoch that is over, from the present one and what was kept of each epoch since, the newest first: with
/// all that waited in it. Its leaves are not known.
pub(super) fn before(room: &RoomState, since: &[&Reading]) -> Option<RoomState> {
    let mut components = room.components();
    let mut roles: BTreeMap<&str, RoleIndex> =
        room.participants().iter().map(|it| (it.uri, it.role)).collect();
    let differences = since.iter().map(|it| &it.before).chain(since.last().map(|it| &it.waiting));
    for difference in differences {
        for (id, octets) in &difference.components {
            match octets {
                Some(octets) => components.insert(ComponentId(*id), octets.clone()),
                None => components.remove(ComponentId(*id)),
            };
        }
        roles.extend(difference.roles.iter().map(|(uri, role)| (uri.as_str(), *role)));
    }
    let listed = roles.into_iter().filter(|(_, role)| *role != RoleIndex::NONE);
    let listed = listed.map(|(uri, role)| Some((ParticipantUri::parse(uri).ok()?, role)));
    let list = ParticipantList::of(listed.collect::<Option<Vec<_>>>()?).ok()?;
    components.insert(ComponentId::PARTICIPANT_LIST, list.encode());
    RoomState::from_components(components, []).ok()
}

/// How one room differs from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Difference {
    /// Components as this room has them: none where there is none. Not the participant list.
    pub(super) components: BTreeMap<u16, Option<Vec<u8>>>,
    /// Participants who have another role in this room.
    pub(super) roles: BTreeMap<String, RoleIndex>,
}

impl Difference {
    /// What `room` has otherwise than `other`.
    fn of(room: &RoomState, other: &RoomState) -> Self {
        let ids = room.component_ids().chain(other.component_ids());
        let octets = |id| room.component(id).map(Cow::into_owned);
        let differs = |id: &ComponentId| room.component(*id) != other.component(*id);
        let mut components: BTreeMap<u16, _> =
            ids.filter(differs).map(|id| (id.0, octets(id))).collect();
        let mut roles = BTreeMap::new();
        if components.remove(&ComponentId::PARTICIPANT_LIST.0).is_some() {
            let (here, there) = (room.participants(), other.participants());
            let everybody = here.iter().chain(there.iter()).map(|it| it.uri);
            let moved = everybody.filter(|uri| here.role(uri) != there.role(uri));
            roles = moved.map(|uri| (uri.to_owned(), here.role(uri))).collect();
        }
        Self { components, roles }
    }
}

/// What has to be known of an epoch to read its messages and to judge them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reading {
    /// The franking agent, as the component holds it.
    pub(super) agent: Option<Vec<u8>>,
    /// The media types that the room requires, as the component holds them: application messages name theirs.
    pub(super) media_types: Option<Vec<u8>>,
    /// What the next epoch has changed, as it was.
    pub(super) before: Difference,
    /// What waited when the epoch ended: the hub let people act by it already.
    pub(super) waiting: Difference,
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

    /// The same of an epoch that is over, and what is needed to judge by it once the next one is `next`.
    pub(super) fn before(epoch: &Epoch, next: &RoomState) -> Self {
        let Epoch { committed, effective, .. } = epoch;
        let waits = !Arc::ptr_eq(committed, effective);
        Self {
            before: Difference::of(committed, next),
            waiting: if waits {
                Difference::of(effective, committed)
            } else {
                Difference::default()
            },
            ..Self::of(committed)
        }
    }

    /// Who franks.
    pub(super) fn agent(&self) -> Option<FrankingAgentData> {
        FrankingAgentData::decode(self.agent.as_deref()?).ok()
    }
}
