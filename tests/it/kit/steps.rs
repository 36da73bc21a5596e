//! What happens in many tests.

use openmimi::{
    codec::Wire,
    env::Timestamp,
    franking::{self},
    policy::RoleIndex,
    room::ParticipantListUpdate,
    wire::{
        ClientKeyMaterial, ClientMaterial, KeyMaterialResponse, KeyMaterialUserCode, KeyPackage,
        SubmitMessageResponse,
    },
};

use super::{Client, World, list_update, remove, user};

pub(crate) fn accepted(response: &SubmitMessageResponse) -> (Timestamp, openmimi::wire::Frank) {
    match response {
        SubmitMessageResponse::Accepted { accepted_timestamp, frank: Some(frank) } => {
            (*accepted_timestamp, frank.clone())
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn ban(world: &mut World, whom: &str) -> Vec<u8> {
    let whom = user(whom);
    let alice = world.client("alice@a.example");
    let banned = ParticipantListUpdate {
        changed: vec![(alice.place(&whom), RoleIndex::BANNED)],
        ..Default::default()
    };
    let mut proposals = vec![list_update(&banned)];
    proposals.extend(alice.leaves_of(&whom).into_iter().map(remove));
    alice.propose(proposals)
}

/// What a provider answers to a claim.
pub(crate) fn key_material(client: &Client, packages: &[Vec<u8>]) -> KeyMaterialResponse {
    let clients = packages.iter().map(|package| ClientKeyMaterial {
        client: client.uri.clone(),
        material: ClientMaterial::KeyPackage(KeyPackage::decode(package).unwrap()),
    });
    KeyMaterialResponse {
        protocol: 1,
        user_status: KeyMaterialUserCode::Success,
        user: client.user.clone(),
        clients: clients.collect(),
    }
}

pub(crate) fn say(world: &mut World, name: &str, text: &[u8]) -> SubmitMessageResponse {
    let tag = franking::tag(b"salt", text);
    let client = world.client(name);
    let (peer, body) = (client.peer(), client.say(text, Some(&tag.0)));
    world.hub.submit(&peer, &body).unwrap()
}

pub(crate) fn committed(world: &mut World, by: &str) {
    let bundle = world.client(by).commit(Vec::new());
    world.committed(by, &bundle);
}

/// What is owed reaches nobody.
pub(crate) fn lose(world: &mut World) {
    let owed: Vec<_> =
        world.hub.room.backlog().map(|(whom, events)| (whom.clone(), events.end - 1)).collect();
    for (provider, through) in owed {
        world.hub.acknowledge(&provider, through);
    }
}
