//! The list of forged commits, played to a client whose hub lets them through: properly signed, with the right tags
//! where the engine makes them, and each breaking one rule. Nobody follows any of them.
//!
//! Not here is what no client can see: who brought a commit to the hub, whom its Welcome is for, which GroupInfo came
//! with it (D-23, P-117, P-182, T-011).

use openmls::{
    component::ComponentData,
    group::Propose,
    messages::proposals::{AppDataUpdateProposal, Proposal},
    prelude::{Extension, ExternalSender, GroupContextExtensionProposal, LeafNodeParameters},
};

use super::{framed::why, hostile::*, *};
use crate::{
    client::{create::credential, leaf::Words, member::Plan},
    delivery::{self, ExternalProposal, LeafIndex},
    room::ParticipantListUpdate,
    uri::ProviderUri,
};

#[test]
fn r128_r134_a_removed_or_banned_users_client_is_kept() {
    for ban in [false, true] {
        let (_, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
        let carols = place(&alice, "carol");
        let update = if ban {
            ParticipantListUpdate { changed: vec![(carols, RoleIndex(1))], ..Default::default() }
        } else {
            ParticipantListUpdate { removed: vec![carols], ..Default::default() }
        };
        let plan = Plan { proposals: vec![list(&update)], ..Plan::default() };
        let commit = hostile_commit(&mut alice, plan);
        not_followed(&mut bob, &commit, Evidence::ForbiddenCommit);
    }
}

#[test]
fn r131_nobody_raises_itself_or_a_friend() {
    for name in ["bob", "carol"] {
        let (_, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
        let changed = vec![(place(&alice, name), RoleIndex(4))];
        let update = ParticipantListUpdate { changed, ..Default::default() };
        let plan = Plan { proposals: vec![list(&update)], ..Plan::default() };
        let commit = hostile_commit(&mut bob, plan);
        not_followed(&mut alice, &commit, Evidence::ForbiddenCommit);
    }
}

#[test]
fn q41_q43_senseless_updates_of_the_list() {
    let (_, alice, ..) = three(Preset::Cooperative, Crash::Never);
    let bobs = place(&alice, "bob");
    let updates = [
        ParticipantListUpdate { removed: vec![bobs], ..change(bobs, 3) },
        ParticipantListUpdate {
            changed: vec![(bobs, RoleIndex(3)), (bobs, RoleIndex(4))],
            ..Default::default()
        },
        ParticipantListUpdate { removed: vec![bobs, bobs], ..Default::default() },
        ParticipantListUpdate {
            added: vec![(participant("bob"), RoleIndex(2))],
            ..change(bobs, 3)
        },
        change(99, 3),
        change(bobs, 77),
    ];
    for update in updates {
        let (_, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
        let plan = Plan { proposals: vec![list(&update)], ..Plan::default() };
        // What the hostile client makes of the list is its own business.
        let commit = hostile_commit_with(&mut alice, plan, |_, mut updater| {
            let id = ComponentId::PARTICIPANT_LIST.0;
            updater.set(ComponentData::from_parts(id, vec![0].into()));
            updater.changes()
        });
        not_followed(&mut bob, &commit, Evidence::ForbiddenCommit);
    }
}

#[test]
fn p278_a_dictionary_that_the_updates_do_not_make() {
    let (_, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let mut metadata = crate::room::RoomMetadata::new(room_uri());
    metadata.name = "said".into();
    let id = ComponentId::ROOM_METADATA;
    let update = AppDataUpdateProposal::update(id.0, metadata.encode());
    let plan =
        Plan { proposals: vec![Proposal::AppDataUpdate(Box::new(update))], ..Plan::default() };
    metadata.name = "done".into();
    let commit = hostile_commit_with(&mut alice, plan, |_, mut updater| {
        updater.set(ComponentData::from_parts(id.0, metadata.encode().into()));
        updater.changes()
    });
    not_followed(&mut bob, &commit, Evidence::InvalidCommit);
}

#[test]
fn q50_a_client_that_does_not_know_the_components() {
    let (_, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let tablet = Client::new("bob", "tablet", Crash::Never);
    let signer = tablet.keys.require(tablet.device.signature_key()).unwrap();
    let store = super::super::store::Store::default();
    let provider = super::super::member::Provider { crypto: &tablet.crypto, store: &store };
    let bundle = openmls::key_packages::KeyPackage::builder()
        .leaf_node_capabilities(Words::new(CS, &tablet.crypto).capabilities)
        .build(CS, &provider, &signer, credential(&user("bob"), tablet.device.signature_key()))
        .unwrap();
    let plan = Plan { adds: vec![bundle.key_package().clone()], ..Plan::default() };
    let commit = hostile_commit(&mut bob, plan);
    not_followed(&mut alice, &commit, Evidence::InvalidCommit);
}

/// D-54: a leaf that takes another user's name, by a commit's path or an Update.
#[test]
fn d54_nobody_takes_another_users_name() {
    let (_, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    let renamed = |client: &Client, name: &str| {
        let credential = credential(&user(name), client.device.signature_key());
        LeafNodeParameters::builder().with_credential_with_key(credential).build()
    };
    for (name, fits) in [("bob", true), ("carol", false), ("mallory", false)] {
        let leaf = renamed(&bob, name);
        let update = hostile_proposal(&mut bob, Propose::Update(leaf));
        if fits {
            take(&mut carol, &update).unwrap();
            assert_eq!(carol.room().state.waiting.len(), 1);
        } else {
            let before = carol.room().state.waiting.len();
            drop(take(&mut carol, &update));
            assert_eq!(carol.room().state.waiting.len(), before, "{name}");
        }
    }
    let plan = Plan { leaf: renamed(&bob, "carol"), update: true, ..Plan::default() };
    let commit = hostile_commit(&mut bob, plan);
    not_followed(&mut alice, &commit, Evidence::InvalidCommit);
}

#[test]
fn p105_who_is_banned_commits_nothing() {
    let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    let token = alice.token();
    let intent = Intent { roles: vec![(participant("bob"), RoleIndex(1))], ..Intent::default() };
    alice.act(|room, env| room.propose(env, token, &intent)).unwrap();
    alice.send_all(&mut hub);
    carol.catch_up(&hub);
    // Bob has not heard of it, or says so, and makes a commit that the hub lets through.
    let commit = hostile_commit(&mut bob, Plan { update: true, ..Plan::default() });
    not_followed(&mut carol, &commit, Evidence::ForbiddenCommit);
}

#[test]
fn q47_members_do_not_edit_the_external_senders() {
    let stranger = || {
        let provider = ProviderUri::parse("mimi://mallory.example").unwrap();
        let credential = openmls::credentials::BasicCredential::new(provider.as_bytes().to_vec());
        ExternalSender::new(pair().0.into(), credential.into())
    };
    for removes_hub in [true, false] {
        let (_, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
        let group = alice.room().member.group().unwrap();
        let mut extensions = group.extensions().clone();
        let mut senders = extensions.external_senders().unwrap().clone();
        if removes_hub {
            senders = vec![stranger()];
        } else {
            senders.push(stranger());
        }
        let dictionary = extensions.remove(openmls::prelude::ExtensionType::AppDataDictionary);
        extensions.add_or_replace(Extension::ExternalSenders(senders)).unwrap();
        extensions.add(dictionary.unwrap()).unwrap();
        // The proposal is its extensions.
        let octets = postcard::to_stdvec(&extensions).unwrap();
        let change: GroupContextExtensionProposal = postcard::from_bytes(&octets).unwrap();
        let plan = Plan {
            proposals: vec![Proposal::GroupContextExtensions(Box::new(change))],
            ..Plan::default()
        };
        let commit = hostile_commit(&mut alice, plan);
        not_followed(&mut bob, &commit, Evidence::ForbiddenCommit);
    }
}

fn entry(name: &str, role: u32) -> ParticipantListUpdate {
    ParticipantListUpdate {
        added: vec![(participant(name), RoleIndex(role))],
        ..Default::default()
    }
}

fn change(place: u32, role: u32) -> ParticipantListUpdate {
    ParticipantListUpdate { changed: vec![(place, RoleIndex(role))], ..Default::default() }
}

#[test]
fn r124_p118_from_outside_nobody_comes_whom_the_policy_keeps_out() {
    type Forge = dyn Fn(&Hub, &Client) -> FanoutMessage;
    let forgeries: [(&str, Preset, &Forge); 5] = [
        ("not listed", Preset::Cooperative, &|hub, alice| {
            hostile_join(hub, alice, "mallory", None)
        }),
        ("lists itself", Preset::Cooperative, &|hub, alice| {
            hostile_join(hub, alice, "mallory", Some(entry("mallory", 2)))
        }),
        ("takes a role that is not for newcomers", Preset::Announcement, &|hub, alice| {
            hostile_join(hub, alice, "mallory", Some(entry("mallory", 4)))
        }),
        ("brings a friend", Preset::Announcement, &|hub, alice| {
            hostile_join(hub, alice, "mallory", Some(entry("friend", 2)))
        }),
        ("raises itself", Preset::Cooperative, &|hub, alice| {
            hostile_join(hub, alice, "bob", Some(change(place(alice, "bob"), 4)))
        }),
    ];
    for (what, preset, forge) in forgeries {
        let (hub, alice, mut bob, _) = three(preset, Crash::Always);
        let commit = forge(&hub, &alice);
        println!("{what}");
        not_followed(&mut bob, &commit, Evidence::ForbiddenCommit);
    }
}

/// whoever has somebody else's signature key, and joins with it in its own name, removes that one's leaf. The
/// engine makes such a commit, with the right tags, and leaves it to us to see whose leaf it is.
#[test]
fn q38_from_outside_nobody_removes_the_leaf_of_another_user() {
    let (hub, mut alice, bob, carol) = three(Preset::Cooperative, Crash::Always);
    let commit = join_with_key(&hub, &bob, &carol, "bob", None);
    assert_eq!(why(&mut alice, &commit), "", "right for the engine");
    not_followed(&mut alice, &commit, Evidence::InvalidCommit);
    // In her own name it is her old leaf, and she is back.
    let (hub, mut alice, bob, carol) = three(Preset::Cooperative, Crash::Always);
    let commit = join_with_key(&hub, &bob, &carol, "carol", None);
    assert_eq!(take(&mut alice, &commit).unwrap(), Received::Taken);
    assert!(!alice.room().is_forked());
    assert_eq!(alice.room().committed().clients(&user("carol")), 1);
}

#[test]
fn q46_q47_what_the_hub_staples_to_an_external_commit_is_committed_next() {
    for crash in [Crash::Never, Crash::Always] {
        let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, crash);
        let mut tablet = Client::new("alice", "tablet", crash);
        let seen = hub.log.len();
        tablet.enter(&mut hub, &alice.tree(), RoleIndex::NONE).unwrap();
        tablet.seen = seen;
        // In the new epoch: a sender for bob's provider first, then carol's removal that was pending.
        let as_delivery = |key: &[u8], provider: &str| delivery::ExternalSender {
            signature_key: key.to_vec(),
            credential: delivery::Credential { kind: 1, identity: provider.as_bytes().to_vec() },
        };
        let senders = vec![
            as_delivery(&hub.signer.to_public_vec(), "mimi://alice.example"),
            as_delivery(&pair().0, "mimi://bob.example"),
        ];
        let removed = vec![place(&tablet, "carol")];
        let off = ParticipantListUpdate { removed, ..Default::default() };
        let proposals = [
            ExternalProposal::ExternalSenders(senders),
            ExternalProposal::Remove(LeafIndex(leaf_of(&tablet, "carol").u32())),
            ExternalProposal::AppDataUpdate {
                component: ComponentId::PARTICIPANT_LIST.0,
                operation: delivery::ComponentOperation::Update(off.encode()),
            },
        ];
        let staples: Vec<_> = proposals
            .iter()
            .map(|proposal| match external(&tablet, &hub.signer, proposal).event {
                FanoutEvent::Proposals { first, .. } => first,
                other => panic!("{other:?}"),
            })
            .collect();
        let FanoutEvent::Commit { external_proposals, .. } = &mut hub.log.last_mut().unwrap().event
        else {
            panic!()
        };
        external_proposals.clone_from(&staples);
        for client in [&mut alice, &mut bob, &mut carol, &mut tablet] {
            client.catch_up(&hub);
            let forbidden =
                client.events().iter().any(|event| matches!(event, Event::Forbidden { .. }));
            assert!(!forbidden);
            // The joiner too; carol cannot commit her own removal.
            assert_eq!(client.room().owes_commit(), *client.device.user() != user("carol"));
            assert_eq!(client.room().state.waiting.len(), 3);
        }
        // The joiner's first commit includes them (P-165), whatever the order they came in.
        let token = tablet.token();
        tablet.act(|room, env| room.commit_pending(env, token)).unwrap();
        tablet.send_all(&mut hub);
        for client in [&mut alice, &mut bob, &mut carol, &mut tablet] {
            client.catch_up(&hub);
        }
        same([&alice, &bob, &tablet]);
        assert!(matches!(carol.events().last(), Some(Event::Removed { .. })));
        assert_eq!(bob.room().state.epoch.servers.len(), 2);
        assert!(bob.room().committed().participants().find(user("carol")).is_none());
    }
}
