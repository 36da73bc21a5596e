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
        member::{Entrance, Member, MemberError, Plan, Tuning},
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
    join_with_key(hub, alice, &Client::new(name, "mole", Crash::Never), name, update)
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
    let mut words = Words::new(CS, &joiner.crypto);
    say(&mut words);
    join_with(hub, alice, &joiner, name, (update, words))
}

/// The same with the keys of a client that may be another user's.
fn join_with_key(
    hub: &Hub,
    alice: &Client,
    joiner: &Client,
    name: &str,
    update: Option<ParticipantListUpdate>,
) -> FanoutMessage {
    join_with(hub, alice, joiner, name, (update, Words::new(CS, &joiner.crypto)))
}

fn join_with(
    hub: &Hub,
    alice: &Client,
    joiner: &Client,
    name: &str,
    (update, words): (Option<ParticipantListUpdate>, Words),
) -> FanoutMessage {
    let key = joiner.device.signature_key().to_vec();
    let signer = joiner.keys.require(&key).unwrap();
    let id = ComponentId::PARTICIPANT_LIST.0;
    let entrance = Entrance {
        credential: super::super::create::credential(&user(name), &key),
        group_info: GroupInfo::decode(&hub.group_info).unwrap().to_openmls().unwrap(),
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

/// The proposals of a commit, and what stands before and behind them.
fn by_value(commit: &PublicMessage) -> (Vec<u8>, &[u8], &[u8]) {
    let octets = commit.as_bytes();
    let mut reader = Reader::new(octets);
    reader.u32("version and wire format").unwrap();
    reader.bytes("group_id").unwrap();
    reader.u64("epoch").unwrap();
    if reader.u8("sender_type").unwrap() == 1 {
        reader.u32("leaf_index").unwrap();
    }
    reader.bytes("authenticated_data").unwrap();
    reader.u8("content_type").unwrap();
    let before = &octets[..reader.offset()];
    (reader.bytes("proposals").unwrap().to_vec(), before, reader.rest())
}

/// The external commit of a joiner with more proposals by value, signed again. Its confirmation tag is of the commit
/// without them: the engine has to refuse it before it looks at that.
fn with_more(
    joiner: &Client,
    member: &Client,
    commit: &FanoutMessage,
    more: &[Vec<u8>],
) -> FanoutMessage {
    let FanoutEvent::Commit { commit, .. } = &commit.event else { panic!() };
    let (mut proposals, before, rest) = by_value(commit);
    for proposal in more {
        proposals.push(1);
        proposals.extend(proposal);
    }
    let mut message = before.to_vec();
    write_bytes(&mut message, &proposals);
    // The path stays; behind it are a signature and a tag, of 64 and of 32 octets.
    let (path, auth) = rest.split_at(rest.len() - (2 + 64 + 1 + 32));
    message.extend(path);
    let group = member.room().member.group().unwrap();
    let context = group.public_group().group_context().tls_serialize_detached().unwrap();
    let signer = joiner.keys.require(joiner.device.signature_key()).unwrap();
    let tbs = [&message[..], &context].concat();
    write_bytes(&mut message, &labelled::sign(&signer, "FramedContentTBS", &tbs).unwrap());
    message.extend(&auth[2 + 64..]);
    fan_out(PublicMessage::decode(&message).unwrap())
}

/// P-118, RFC 9420, section 12.2: what nobody brings along from outside.
#[test]
fn p118_an_external_commit_holds_nothing_but_the_joiner() {
    let psk = {
        let mut psk = vec![0, 4, 1];
        write_bytes(&mut psk, b"only mine");
        write_bytes(&mut psk, &[3; 32]);
        psk
    };
    let friend = Client::new("bob", "tablet", Crash::Never).key_package();
    let add = [&[0, 1][..], friend.as_bytes()].concat();
    for (what, more, reason) in [
        // The frame itself is right.
        ("nothing more", None, ""),
        ("a friend's client", Some(add), "InvalidInlineProposals"),
        ("a PSK that only the joiner has (D-5B)", Some(psk), "PskError"),
        ("a SelfRemove by value (E-070)", Some(vec![0, 10]), "InvalidInlineProposals"),
    ] {
        let (hub, mut alice, ..) = three(Preset::Cooperative, Crash::Always);
        let joiner = Client::new("bob", "mole", Crash::Never);
        let genuine = join_with_key(&hub, &alice, &joiner, "bob", None);
        let more: Vec<_> = more.into_iter().collect();
        let commit = with_more(&joiner, &alice, &genuine, &more);
        if more.is_empty() {
            assert_eq!(take(&mut alice, &commit).unwrap(), Received::Taken);
            assert!(!alice.room().is_forked());
            continue;
        }
        let found = why(&mut alice, &commit);
        assert!(found.contains(reason), "{what}: {found}");
        not_followed(&mut alice, &commit, Evidence::InvalidCommit);
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

/// What the engine has against a commit; nothing, if it is right.
fn why(client: &mut Client, commit: &FanoutMessage) -> String {
    let FanoutEvent::Commit { commit, .. } = &commit.event else { panic!() };
    let Client { room, crypto, .. } = client;
    let member = &mut room.as_mut().unwrap().member;
    let processed = member.process(crypto, commit.to_openmls(), []).map(drop);
    member.rollback();
    processed.err().map(|error| format!("{error:?}")).unwrap_or_default()
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
    let forgeries: Vec<(&str, Make<'_>, &str)> = vec![
        ("a PSK that only one has (D-5B)", Box::new(|_| vec![psk.clone()]), "PskError"),
        // The engine has no rule against it, and makes no such commit: see below.
        ("a ReInit (Q-113)", Box::new(|_| vec![reinit.clone()]), "ConfirmationTagMismatch"),
        (
            "an ExternalInit by a member",
            Box::new(|_| vec![external_init.clone()]),
            "ExternalInitProposalInRegularCommit",
        ),
        // Nor against this, but that it takes a path.
        (
            "a SelfRemove by value (E-070)",
            Box::new(|_| vec![self_remove.clone()]),
            "RequiredPathNotFound",
        ),
        (
            "another dictionary (Q-47, E-025)",
            Box::new(|client| vec![dictionary(client)]),
            "CannotUpdateDictionaryDirectly",
        ),
        (
            "a Remove twice (P-119)",
            Box::new(|_| vec![vec![0, 3, 0, 0, 0, 0]; 2]),
            "RequiredPathNotFound",
        ),
        ("a Remove of nobody", Box::new(|_| vec![vec![0, 3, 0, 0, 0, 9]]), "UnknownMemberRemoval"),
    ];
    for (what, make, reason) in forgeries {
        let (_, mut alice, bob, _) = three(Preset::Cooperative, Crash::Always);
        let commit = fan_out(Forge::by(&bob).commit(&make(&bob)));
        let before = alice.room().epoch();
        // For that one reason, not for the tag that nobody could make.
        let found = why(&mut alice, &commit);
        assert!(found.contains(reason), "{what}: {found}");
        match take(&mut alice, &commit) {
            // The engine says that the hub has accepted what must not be.
            Ok(Received::Taken) => forked(&mut alice, Evidence::InvalidCommit),
            Err(Refusal::Mls(_)) => assert!(!alice.room().is_forked()),
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(alice.room().epoch(), before, "{what}");
    }
}

/// Q-113, E-070: the engine makes neither a commit with a ReInit nor one with a SelfRemove by value, so no client can be
/// shown one with the right tags. It reads the former; what the policy says of it, `policy` tests.
#[test]
fn q113_the_engine_makes_no_commit_that_ends_the_group_or_its_committer() {
    let reinit = (
        openmls::group::GroupId::from_slice(b"mimi://alice.example/g/other"),
        openmls::prelude::ProtocolVersion::Mls10,
        CS,
        openmls::extensions::Extensions::<openmls::group::GroupContext>::empty(),
    );
    // The proposal is its fields.
    let reinit = postcard::from_bytes(&postcard::to_stdvec(&reinit).unwrap()).unwrap();
    let (_, _, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let plan = Plan { proposals: vec![Proposal::ReInit(Box::new(reinit))], ..Plan::default() };
    let commit = hostile_commit(&mut bob, plan);
    let FanoutEvent::Commit { commit, .. } = &commit.event else { panic!() };
    assert_eq!(by_value(commit).0, Vec::<u8>::new(), "left out");
    let key = bob.device.signature_key().to_vec();
    let Client { room, crypto, keys, .. } = &mut bob;
    let member = &mut room.as_mut().unwrap().member;
    let plan = Plan { proposals: vec![Proposal::SelfRemove], ..Plan::default() };
    let made = member.commit(crypto, &keys.require(&key).unwrap(), plan, |_, _| None);
    assert!(matches!(made, Err(MemberError::Ours(_))), "not made");
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
