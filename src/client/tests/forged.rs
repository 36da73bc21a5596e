//! The list of forged commits, played to a client whose hub lets them through: properly signed, with the right tags
//! where the engine makes them, and each breaking one rule. Nobody follows any of them.
//!
//! Not here is what no client can see: who brought a commit to the hub, whom its Welcome is for, which GroupInfo came
//! with it (D-23, P-117, P-182, T-011).

use openmls::{
    component::ComponentData,
    messages::proposals::{AppDataUpdateProposal, Proposal},
    prelude::{Extension, ExternalSender, GroupContextExtensionProposal},
};
use openmls_traits::{crypto::OpenMlsCrypto, types::HashType};

use super::{
    threats::{external, fan_out, forked, hostile_commit, hostile_commit_with, leaf_of, take},
    *,
};
use crate::{
    client::{
        leaf::Words,
        member::{Entrance, Member, Plan, Tuning},
    },
    codec::{Reader, write_bytes, write_within},
    delivery::{self, ExternalProposal, LeafIndex},
    room::ParticipantListUpdate,
    uri::ProviderUri,
    wire::labelled,
};

fn list(update: &ParticipantListUpdate) -> Proposal {
    let id = ComponentId::PARTICIPANT_LIST.0;
    Proposal::AppDataUpdate(Box::new(AppDataUpdateProposal::update(id, update.encode())))
}

fn place(client: &Client, name: &str) -> u32 {
    client.room().committed().participants().find(user(name)).unwrap().place
}

/// The client does not follow, and says why.
#[track_caller]
pub(super) fn not_followed(client: &mut Client, commit: &FanoutMessage, evidence: Evidence) {
    let before = (client.room().epoch(), summary(client.room().committed()));
    take(client, commit).unwrap();
    assert_eq!((client.room().epoch(), summary(client.room().committed())), before);
    forked(client, evidence);
}

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
        .build(
            CS,
            &provider,
            &signer,
            super::super::create::credential(&user("bob"), tablet.device.signature_key()),
        )
        .unwrap();
    let plan = Plan { adds: vec![bundle.key_package().clone()], ..Plan::default() };
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

/// Joins from outside without asking the policy.
fn hostile_join(
    hub: &Hub,
    alice: &Client,
    name: &str,
    update: Option<ParticipantListUpdate>,
) -> FanoutMessage {
    hostile_join_as(hub, alice, name, update, |_| ())
}

/// The same with a leaf that says something else.
pub(super) fn hostile_join_as(
    hub: &Hub,
    alice: &Client,
    name: &str,
    update: Option<ParticipantListUpdate>,
    say: impl FnOnce(&mut Words),
) -> FanoutMessage {
    let joiner = Client::new(name, "mole", Crash::Never);
    let key = joiner.device.signature_key().to_vec();
    let signer = joiner.keys.require(&key).unwrap();
    let id = ComponentId::PARTICIPANT_LIST.0;
    let mut words = Words::new(CS, &joiner.crypto);
    say(&mut words);
    let entrance = Entrance {
        credential: super::super::create::credential(&user(name), &key),
        group_info: GroupInfo::decode(&hub.group_info).unwrap().to_openmls(),
        tree: alice.tree().to_openmls(),
        self_removes: Vec::new(),
        update: update.map(|update| AppDataUpdateProposal::update(id, update.encode())),
        words,
    };
    let committed = std::sync::Arc::clone(&alice.room().state.epoch.committed);
    let fold = |proposals: &[AppDataUpdateProposal],
                updater: openmls::group::AppDataDictionaryUpdater<'_>| {
        super::super::commit::fold(&committed, proposals, updater)
    };
    let tuning = Tuning { past_epochs: 2, padding: 0, skip_ahead: 1000 };
    let (_, bundle) =
        Member::join_external(&joiner.crypto, &signer, entrance, fold, tuning).unwrap();
    let (body, _) = super::super::commit::request(&bundle).unwrap();
    fan_out(super::threats::commit_in(&body))
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

/// Frames and signs what the engine would not make. The confirmation tag is nobody's, the membership tag is right.
struct Forge<'a> {
    client: &'a Client,
    group: Vec<u8>,
    epoch: u64,
}

impl<'a> Forge<'a> {
    fn by(client: &'a Client) -> Self {
        let group = client.room().group().as_bytes().to_vec();
        Self { client, group, epoch: client.room().epoch() }
    }

    /// A commit of some proposals by value, without a path.
    fn commit(&self, proposals: &[Vec<u8>]) -> PublicMessage {
        let client = self.client;
        let group = client.room().member.group().unwrap();
        let mut message = vec![0, 1, 0, 1];
        write_bytes(&mut message, &self.group);
        message.extend(self.epoch.to_be_bytes());
        message.push(1);
        message.extend(group.own_leaf_index().u32().to_be_bytes());
        // An empty SafeAAD; a commit.
        write_bytes(&mut message, &[0]);
        message.push(3);
        write_within(&mut message, |out| {
            for proposal in proposals {
                out.push(1);
                out.extend(proposal);
            }
        });
        message.push(0);
        let context = group.public_group().group_context().tls_serialize_detached().unwrap();
        let signer = client.keys.require(client.device.signature_key()).unwrap();
        let tbs = [&message[..], &context].concat();
        let signature = labelled::sign(&signer, "FramedContentTBS", &tbs).unwrap();
        let mut auth = Vec::new();
        write_bytes(&mut auth, &signature);
        write_bytes(&mut auth, &[7; 32]);
        let key = client.room().member.membership_key().unwrap();
        let tag = client.crypto.hmac(HashType::Sha2_256, &key, &[tbs, auth.clone()].concat());
        message.extend(auth);
        write_bytes(&mut message, tag.unwrap().as_slice());
        PublicMessage::decode(&message).unwrap()
    }
}

#[test]
fn p119_what_no_commit_may_hold() {
    let psk = {
        let mut psk = vec![0, 4, 1];
        write_bytes(&mut psk, b"only mine");
        write_bytes(&mut psk, &[3; 32]);
        psk
    };
    let reinit = {
        let mut reinit = vec![0, 5];
        write_bytes(&mut reinit, b"mimi://alice.example/g/other");
        reinit.extend([0, 1, 0, 1, 0]);
        reinit
    };
    let external_init = {
        let mut init = vec![0, 6];
        write_bytes(&mut init, &[5; 32]);
        init
    };
    let self_remove = vec![0, 10];
    let dictionary = |client: &Client| {
        let group = client.room().member.group().unwrap();
        let octets = group.extensions().tls_serialize_detached().unwrap();
        let mut reader = Reader::new(&octets);
        let mut extensions = reader.inside("extensions").unwrap();
        let mut proposal = vec![0, 7];
        write_within(&mut proposal, |out| {
            while !extensions.is_empty() {
                let kind = extensions.u16("type").unwrap();
                let mut data = extensions.bytes("data").unwrap().to_vec();
                out.extend(kind.to_be_bytes());
                if kind == 6 {
                    *data.last_mut().unwrap() ^= 1;
                }
                write_bytes(out, &data);
            }
        });
        proposal
    };
    type Make<'a> = Box<dyn Fn(&Client) -> Vec<Vec<u8>> + 'a>;
    let forgeries: Vec<(&str, Make<'_>)> = vec![
        ("a PSK that only one has (D-5B)", Box::new(|_| vec![psk.clone()])),
        ("a ReInit (Q-113)", Box::new(|_| vec![reinit.clone()])),
        ("an ExternalInit by a member", Box::new(|_| vec![external_init.clone()])),
        ("a SelfRemove by value (E-070)", Box::new(|_| vec![self_remove.clone()])),
        ("another dictionary (Q-47, E-025)", Box::new(|client| vec![dictionary(client)])),
        ("a Remove twice (P-119)", Box::new(|_| vec![vec![0, 3, 0, 0, 0, 0]; 2])),
        ("a Remove of nobody", Box::new(|_| vec![vec![0, 3, 0, 0, 0, 9]])),
    ];
    for (what, make) in forgeries {
        let (_, mut alice, bob, _) = three(Preset::Cooperative, Crash::Always);
        let commit = fan_out(Forge::by(&bob).commit(&make(&bob)));
        let before = alice.room().epoch();
        match take(&mut alice, &commit) {
            // The engine says that the hub has accepted what must not be.
            Ok(Received::Taken) => forked(&mut alice, Evidence::InvalidCommit),
            Err(Refusal::Mls(_)) => assert!(!alice.room().is_forked()),
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(alice.room().epoch(), before, "{what}");
    }
}

#[test]
fn p113_a_commit_for_another_group_or_of_another_epoch() {
    let (_, mut alice, bob, _) = three(Preset::Cooperative, Crash::Always);
    let epoch = bob.room().epoch();
    let update = vec![vec![0, 3, 0, 0, 0, 9]];
    let elsewhere = Forge { group: b"mimi://alice.example/g/other".to_vec(), ..Forge::by(&bob) };
    let future = Forge { epoch: epoch + 1, ..Forge::by(&bob) };
    let past = Forge { epoch: epoch - 1, ..Forge::by(&bob) };
    assert!(matches!(take(&mut alice, &fan_out(elsewhere.commit(&update))), Err(Refusal::Mls(_))));
    assert!(matches!(
        take(&mut alice, &fan_out(future.commit(&update))),
        Err(Refusal::Early { .. })
    ));
    // Alice has left that epoch by another commit: the hub shows two (D-01).
    assert!(!alice.room().is_forked());
    take(&mut alice, &fan_out(past.commit(&update))).unwrap();
    forked(&mut alice, Evidence::SecondCommit);
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
