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
    room::{ComponentId, Components, RoomState},
    uri::{RoomUri, UserUri},
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

/// What has to be known of an epoch to read its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reading {
    /// The franking agent, as the component holds it.
    pub(super) agent: Option<Vec<u8>>,
    /// The media types that the room requires, as the component holds them: application messages name theirs.
    pub(super) media_types: Option<Vec<u8>>,
}

impl Reading {
    pub(super) fn of(room: &RoomState) -> Self {
        let octets = |id| room.component(id).map(Cow::into_owned);
        Self {
            agent: octets(ComponentId::FRANKING_AGENT),
            media_types: octets(ComponentId::CONTENT_MEDIA_TYPES),
        }
    }

    /// Who franks.
    pub(super) fn agent(&self) -> Option<FrankingAgentData> {
        FrankingAgentData::decode(self.agent.as_deref()?).ok()
    }
}
