//! Taking up a room: what is offered, and what is refused (P-006).

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::Wire,
    delivery::FoundRefusal,
    env::{Env, Limits},
    error::Misuse,
    hub::{self, CreateRefusal, Keys, Nobody, Room, Wish},
    policy::presets::Preset,
    room::{ComponentId, Components, RoomMetadata},
    uri::{GroupUri, RoomUri},
};
use openmls::prelude::{Ciphersuite, Extension};

use crate::kit::*;

/// What becomes of a group that Alice, or somebody else, has made from the hub's offer.
fn created(make: impl FnOnce(&mut Client, &hub::Offer)) -> Result<(), CreateRefusal> {
    created_by("alice@a.example/phone", make)
}

fn created_by(
    name: &str,
    make: impl FnOnce(&mut Client, &hub::Offer),
) -> Result<(), CreateRefusal> {
    let world = World::new();
    let env = world.hub.env();
    let offer = &world.hub.offer;
    let mut client = Client::new(name);
    make(&mut client, offer);
    let (info, tree) = (client.group_info(), client.ratchet_tree());
    Room::create(&env, offer, &info, &tree, &Limits::default()).map(drop)
}

/// The offer's extensions, with another dictionary.
fn with_component(offer: &hub::Offer, id: ComponentId, data: Option<&[u8]>) -> Vec<Extension> {
    let mut changed = offer.clone();
    changed.open.remove(&id);
    changed.fixed.remove(&id);
    changed.fixed.extend(data.map(|data| (id, data.to_vec())));
    extensions_of(&changed)
}

/// P-006: a group that differs from the offer is refused.
#[test]
fn p_006_creation_refuses_a_group_that_differs() {
    use CreateRefusal::{Component, Differs, Group};
    let honest = |client: &mut Client, offer: &hub::Offer| {
        client.create(&offer.group, extensions_of(offer));
    };
    assert_eq!(created(honest), Ok(()));
    assert_eq!(
        created(|client, offer| {
            let other = GroupUri::parse("mimi://a.example/g/other").unwrap();
            client.create(&other, extensions_of(offer));
        }),
        Err(Differs("its ID"))
    );
    assert_eq!(
        created(|client, offer| {
            let suite = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
            client.create_in(suite, offer.group.as_bytes(), extensions_of(offer));
        }),
        Err(Differs("its ciphersuite"))
    );
    assert_eq!(
        created(|client, offer| {
            honest(client, offer);
            client.update_path();
            client.merge_own();
        }),
        Err(Differs("its epoch"))
    );
    let senders = |key: Option<&[u8]>, who: &[u8], second: bool| {
        created(|client, offer| {
            let mut extensions = extensions_of(offer);
            let key = key.unwrap_or(&offer.signature_key);
            let mut list = vec![external_sender(key, who)];
            if second {
                list.push(external_sender(&[7; 32], b"mimi://b.example"));
            }
            extensions[1] = Extension::ExternalSenders(list);
            client.create(&offer.group, extensions);
        })
    };
    assert_eq!(senders(None, b"mimi://a.example", false), Ok(()));
    let differs = Err(Differs("its external senders"));
    assert_eq!(senders(Some(&[7; 32]), b"mimi://a.example", false), differs);
    assert_eq!(senders(None, b"mimi://m.example", false), differs);
    assert_eq!(senders(None, b"no provider", false), differs);
    assert_eq!(senders(None, b"mimi://a.example", true), differs);

    // Components: changed, missing, or too many. Only the metadata are the creator's.
    for id in [
        ComponentId::PARTICIPANT_LIST,
        ComponentId::ROLES_LIST,
        ComponentId::BASE_ROOM_POLICY,
        ComponentId::SAFE_AAD,
        ComponentId::FRANKING_AGENT,
        ComponentId::APP_COMPONENTS,
    ] {
        let refusal = created(|client, offer| {
            let mut other = offer.fixed[&id].clone();
            let last = other.len() - 1;
            other[last] ^= 1;
            client.create(&offer.group, with_component(offer, id, Some(&other)));
        });
        assert!(
            matches!(refusal, Err(Component(it)) if it == id) || matches!(refusal, Err(Group(_))),
            "{id}: {refusal:?}"
        );
    }
    let id = ComponentId::BOT_POLICY;
    let surplus = created(|client, offer| {
        client.create(&offer.group, with_component(offer, id, Some(&[0])));
    });
    assert_eq!(surplus, Err(Component(id)));
    let id = ComponentId::ROOM_METADATA;
    let renamed = |uri: &str| {
        created(|client, offer| {
            let metadata = RoomMetadata::new(RoomUri::parse(uri).unwrap()).encode();
            client.create(&offer.group, with_component(offer, id, Some(&metadata)));
        })
    };
    assert_eq!(renamed("mimi://a.example/r/clubhouse"), Ok(()));
    assert_eq!(renamed("mimi://a.example/r/other"), Err(CreateRefusal::Metadata), "Q-68");
    let senseless = created(|client, offer| {
        client.create(&offer.group, with_component(offer, id, Some(&[1, 2, 3])));
    });
    assert!(matches!(senseless, Err(CreateRefusal::State(_))));

    // Who made it.
    assert_eq!(created_by("bob@a.example/phone", honest), Err(CreateRefusal::Stranger));
    let nobody = created(|client, offer| {
        client.identity = Some(b"alice".to_vec());
        client.create(&offer.group, extensions_of(offer));
    });
    assert_eq!(nobody, Err(CreateRefusal::Nobody(Nobody::NotAUser)));

    // The delivery service has its own conditions.
    let unordered = created(|client, offer| {
        let mut extensions = extensions_of(offer);
        extensions.swap(1, 2);
        client.create(&offer.group, extensions);
    });
    assert_eq!(unordered, Err(Group(FoundRefusal::DictionaryNotLast)));

    // Without its key the hub could not speak in the room.
    let world = World::new();
    let (public, signer) = signing_key();
    let keys = Keys::new(public, signer, [1; 32]);
    let env = Env { keys: &keys, ..world.hub.env() };
    let (info, tree) = (world.clients[0].group_info(), world.clients[0].ratchet_tree());
    let refusal = Room::create(&env, &world.hub.offer, &info, &tree, &Limits::default());
    assert!(matches!(refusal.map(drop), Err(CreateRefusal::Misuse(Misuse::MissingKey(_)))));
}

/// P-006: what can be wished for.
#[test]
fn p_006_an_offer_is_for_the_hubs_own_users_and_components() {
    let world = World::new();
    let env = world.hub.env();
    let room = RoomUri::parse("mimi://a.example/r/other").unwrap();
    let wish = |creator: &str, extra: Option<ComponentId>| {
        let creator = user(creator);
        let mut policy: Components = Preset::Cooperative.room(&room, &creator, &[]);
        extra.map(|id| policy.insert(id, vec![0]));
        hub::offer(&env, &Wish { room: room.clone(), creator, ciphersuite: SUITE, policy })
    };
    let offer = wish("alice@a.example", None).unwrap();
    assert_eq!(offer.group.domain(), domain("a.example"));
    assert_ne!(offer.group, world.hub.offer.group);
    assert!(offer.components().contains_key(&ComponentId::SAFE_AAD), "Q-59");
    assert!(matches!(wish("bob@b.example", None), Err(Misuse::Argument(_))));
    for id in [ComponentId::APP_COMPONENTS, ComponentId::SAFE_AAD, ComponentId::FRANKING_AGENT] {
        assert!(matches!(wish("alice@a.example", Some(id)), Err(Misuse::Argument(_))));
    }
}
