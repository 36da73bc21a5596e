//! What a new room has to look like: the hub's part of a creation, which is local to its provider (P-006).

use std::collections::{BTreeMap, BTreeSet};

use openmls_traits::types::Ciphersuite;
use serde::{Deserialize, Serialize};

use super::Keys;
use crate::{
    codec::Wire,
    env::{Crypto, Env},
    error::Misuse,
    franking::FrankingAgentData,
    room::{ComponentId, Components},
    uri::{GroupUri, ProviderUri, RoomUri, UserUri},
    wire::{ComponentsList, ExternalSender},
};

/// What the creator asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The name of the room; its host is this hub. [`RoomUri::fresh`] makes one up.
    pub room: RoomUri,
    /// Who creates it.
    pub creator: UserUri,
    /// The ciphersuite of the group.
    pub ciphersuite: Ciphersuite,
    /// Participants, roles and policies, as a [preset](crate::policy::presets) makes them: the octets of components
    /// `participant_list`, `roles_list`, `base_room_policy`, `room_metadata` and whatever else this room is to have. The
    /// creator may change the metadata; all others are as they are here.
    pub policy: Components,
}

/// How the hub wants the room: give it to the creator's client, which builds the group from it, and keep it for
/// [`Room::create`](super::Room::create), which refuses a group that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The room.
    pub room: RoomUri,
    /// The group ID: a URI that the hub has made up.
    pub group: GroupUri,
    /// Who creates it.
    pub creator: UserUri,
    /// The code of the group's ciphersuite.
    pub ciphersuite: u16,
    /// The hub as external sender: its public key (P-279).
    pub signature_key: Vec<u8>,
    /// The hub as external sender: the identity of its basic credential.
    pub provider: ProviderUri,
    /// The components that the GroupContext has to hold octet for octet.
    pub fixed: BTreeMap<ComponentId, Vec<u8>>,
    /// The components that the creator may change, with what they are if it does not.
    pub open: BTreeMap<ComponentId, Vec<u8>>,
}

impl Offer {
    /// All components as the hub proposes them.
    #[must_use]
    pub fn components(&self) -> BTreeMap<ComponentId, Vec<u8>> {
        self.fixed.iter().chain(&self.open).map(|(id, data)| (*id, data.clone())).collect()
    }

    /// The hub's entry of `external_senders`.
    #[must_use]
    pub fn external_sender(&self) -> ExternalSender {
        ExternalSender::basic(&self.signature_key, &self.provider)
    }
}

/// Says what a room has to look like. Changes nothing: there is no room yet.
///
/// The group gets a fresh ID. The hub becomes its external sender and its franking agent, with the newest signing key;
/// franking is on, so `safe_aad` lists `frank_aad`, and every member has to know every component.
///
/// # Errors
/// If the room is not one of this hub's provider, if a component in the wish is one that the hub makes itself, or if
/// there is no randomness.
pub fn offer<C: Crypto>(env: &Env<'_, C, Keys>, wish: &Wish) -> Result<Offer, Misuse> {
    let domain = wish.room.domain();
    if wish.creator.domain() != domain {
        return Err(Misuse::Argument("the creator of a room is a user of the hub's own provider"));
    }
    let provider = ProviderUri::new(&domain);
    let signature_key = env.keys.current().to_vec();
    env.keys.require(&signature_key, "the external sender")?;

    let agent = FrankingAgentData::basic(&signature_key, &provider);
    let own = BTreeMap::from([
        (ComponentId::SAFE_AAD, list(&BTreeSet::from([ComponentId::FRANK_AAD]))),
        (ComponentId::FRANKING_AGENT, agent.encode()),
    ]);
    if wish.policy.iter().any(|(id, _)| own.contains_key(&id) || id == ComponentId::APP_COMPONENTS)
    {
        return Err(Misuse::Argument(
            "app_components, safe_aad and franking_agent are the hub's to set",
        ));
    }

    let wished = wish.policy.iter().map(|(id, data)| (id, data.to_vec()));
    let (open, mut fixed): (BTreeMap<_, _>, BTreeMap<_, _>) =
        wished.partition(|(id, _)| *id == ComponentId::ROOM_METADATA);
    fixed.extend(own);
    let all =
        fixed.keys().chain(open.keys()).copied().chain([ComponentId::APP_COMPONENTS]).collect();
    fixed.insert(ComponentId::APP_COMPONENTS, list(&all));

    Ok(Offer {
        room: wish.room.clone(),
        group: GroupUri::fresh(&domain, env.crypto)?,
        creator: wish.creator.clone(),
        ciphersuite: wish.ciphersuite.into(),
        signature_key,
        provider,
        fixed,
        open,
    })
}

/// A ComponentsList (W-54).
fn list(components: &BTreeSet<ComponentId>) -> Vec<u8> {
    ComponentsList(components.iter().map(|id| id.0).collect()).encode()
}
