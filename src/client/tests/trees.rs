//! Ratchet trees that come with a message, and those that have to be fetched.

use openmls::{
    extensions::{
        AppDataDictionary, AppDataDictionaryExtension, Extension, Extensions, UnknownExtension,
    },
    group::GroupId,
    prelude::ExternalSender,
};

use super::*;
use crate::{
    client::{
        create::{credential, untuned},
        member::{Genesis, Member, Plan, Provider},
        store::Store,
    },
    codec::{Reader, write_bytes},
    wire::{RatchetTreeSourceDomains, Welcome},
};

const URL: &str = "https://trees.alice.example/7";

fn url() -> RatchetTreeOption {
    let mut octets = vec![2];
    write_bytes(&mut octets, URL.as_bytes());
    RatchetTreeOption::decode(&octets).unwrap()
}

fn domains(names: &[&str]) -> Vec<u8> {
    let domains = names.iter().map(|it| crate::uri::Domain::parse(*it).unwrap());
    RatchetTreeSourceDomains(domains.collect()).encode()
}

/// What the hub answers to a request, with this tree.
fn answer(
    hub: &Hub,
    request: &JoinRequest,
    group_info: &[u8],
    ratchet_tree: RatchetTreeOption,
) -> GroupInfoResponse {
    let answer = GroupInfoRatchetTree {
        group_info: GroupInfo::decode(group_info).unwrap(),
        ratchet_tree,
        pending_proposals: Vec::new(),
    };
    let room = room_uri();
    let key = &request.request().group_info_public_key;
    let encrypted = answer.seal(&hub.crypto, CS, key, &room).unwrap();
    let mut sealed = SealedGroupInfo {
        cipher_suite: CS.into(),
        hub_sender: hub.offer.external_sender(),
        encrypted,
        signature: Vec::new(),
    };
    sealed.sign(&hub.signer, &room).unwrap();
    GroupInfoResponse { room, answer: GroupInfoAnswer::Success(sealed) }
}

fn enters(
    client: &Client,
    request: &JoinRequest,
    response: &GroupInfoResponse,
    tree: Option<&RatchetTree>,
) -> Result<Founding<Room, ()>, Refusal> {
    let limits = Limits::default();
    Room::join_external(&client.env(), request, response, RoleIndex::NONE, tree, &limits)
}

#[track_caller]
fn elsewhere<T: std::fmt::Debug>(result: Result<T, Refusal>) {
    let Err(Refusal::TreeElsewhere(found)) = result else { panic!("{result:?}") };
    assert_eq!(found, URL);
}

#[test]
fn t001_the_tree_is_here_or_has_to_be_fetched() {
    for crash in [Crash::Never, Crash::Always] {
        let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, crash);
        let (_, stranger, ..) = three(Preset::Cooperative, Crash::Never);
        let mut tablet = Client::new("alice", "tablet", crash);
        let request = tablet.ask(None);
        let with = |tablet: &Client, option: RatchetTreeOption, tree: Option<&RatchetTree>| {
            let response = answer(&hub, &request, &hub.group_info, option);
            enters(tablet, &request, &response, tree)
        };
        assert!(with(&tablet, RatchetTreeOption::Full(alice.tree()), None).is_ok());
        elsewhere(with(&tablet, url(), None));
        for option in [RatchetTreeOption::OutOfBand, RatchetTreeOption::DistributionService] {
            assert!(matches!(with(&tablet, option.clone(), None), Err(Refusal::Mls(_))));
            assert!(with(&tablet, option, Some(&alice.tree())).is_ok());
        }
        // T-013: another tree does not hash to the GroupContext.
        assert!(with(&tablet, url(), Some(&stranger.tree())).is_err());
        let founding = with(&tablet, url(), Some(&alice.tree())).unwrap();
        tablet.found(founding);
        tablet.seen = hub.log.len();
        tablet.send_all(&mut hub);
        // All follow, and read what the newcomer says.
        for client in [&mut alice, &mut bob] {
            client.catch_up(&hub);
        }
        same([&alice, &bob, &tablet]);
        tablet.say("fetched").unwrap();
        tablet.send_all(&mut hub);
        bob.catch_up(&hub);
        assert_eq!(bob.texts().last().unwrap().1, "fetched");
    }
}

#[test]
fn t001_a_welcome_may_have_its_tree_elsewhere() {
    for crash in [Crash::Never, Crash::Always] {
        let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, crash);
        let (_, stranger, ..) = three(Preset::Cooperative, Crash::Never);
        let mut tablet = Client::new("alice", "tablet", crash);
        let (material, token) = (tablet.material(), alice.token());
        alice.act(|room, env| room.add(env, token, RoleIndex::NONE, &material)).unwrap();
        alice.send_all(&mut hub);
        let message = hub.log.last().unwrap().clone();
        let FanoutEvent::Welcome { welcome, .. } = message.event else { panic!() };
        let lent = tablet.device.lend(&welcome).unwrap();
        let with = |tablet: &Client, ratchet_tree: RatchetTreeOption| {
            let event = FanoutEvent::Welcome { welcome: welcome.clone(), ratchet_tree };
            let message = FanoutMessage { timestamp: message.timestamp, event };
            Room::join(&tablet.env(), &lent, &room_uri(), &message, &Limits::default())
        };
        elsewhere(with(&tablet, url()));
        for nowhere in [RatchetTreeOption::OutOfBand, RatchetTreeOption::DistributionService] {
            assert!(matches!(with(&tablet, nowhere), Err(Refusal::Mls(_))));
        }
        // T-013: what was fetched goes into the message, if it is the tree.
        assert!(matches!(
            with(&tablet, RatchetTreeOption::Full(stranger.tree())),
            Err(Refusal::Mls(_))
        ));
        let founding = with(&tablet, RatchetTreeOption::Full(alice.tree())).unwrap();
        tablet.found(founding);
        tablet.seen = hub.log.len();
        bob.catch_up(&hub);
        alice.catch_up(&hub);
        same([&alice, &bob, &tablet]);
        bob.say("welcome").unwrap();
        bob.send_all(&mut hub);
        tablet.catch_up(&hub);
        assert_eq!(tablet.texts().last().unwrap().1, "welcome");
    }
}

/// A GroupInfo with one more extension in its GroupContext. Its signature is nobody's: the tree would have to be
/// fetched before it can be verified.
fn with_extension(group_info: &[u8], data: &[u8]) -> Vec<u8> {
    let mut reader = Reader::new(group_info);
    reader.u32("version and suite").unwrap();
    reader.bytes("group_id").unwrap();
    reader.u64("epoch").unwrap();
    reader.bytes("tree_hash").unwrap();
    reader.bytes("confirmed_transcript_hash").unwrap();
    let mut changed = group_info[..reader.offset()].to_vec();
    let mut extensions = RatchetTreeSourceDomains::EXTENSION.to_be_bytes().to_vec();
    write_bytes(&mut extensions, data);
    extensions.extend(reader.bytes("extensions").unwrap());
    write_bytes(&mut changed, &extensions);
    changed.extend(reader.rest());
    changed
}

/// T-006, D-27: nobody is sent to a host that the group does not name, whoever answers for the room.
#[test]
fn t_006_a_joiner_fetches_the_tree_only_where_the_group_allows_it() {
    let (hub, alice, ..) = three(Preset::Cooperative, Crash::Never);
    let mut tablet = Client::new("alice", "tablet", Crash::Never);
    let request = tablet.ask(None);
    let with = |allowed: Vec<u8>, tree: Option<&RatchetTree>| {
        let group_info = with_extension(&hub.group_info, &allowed);
        let response = answer(&hub, &request, &group_info, url());
        enters(&tablet, &request, &response, tree).map(drop)
    };
    elsewhere(with(domains(&["a.example", "trees.alice.example"]), None));
    for other in [domains(&["alice.example"]), domains(&["evil.example"]), vec![0], vec![9, 9]] {
        for tree in [None, Some(&alice.tree())] {
            let result = with(other.clone(), tree);
            let Err(Refusal::Impostor(found)) = result else { panic!("{result:?}") };
            assert_eq!(found, Impostor::TreeSource);
        }
    }
}

/// A Welcome for a group that names the hosts of its trees, and what its KeyPackage's owner lends.
fn invitation(allowed: &[u8]) -> (Client, LentKeyPackage, Welcome) {
    let hub = Hub::new(Preset::Cooperative);
    let alice = Client::new("alice", "phone", Crash::Never);
    let tablet = Client::new("alice", "tablet", Crash::Never);
    let kind = RatchetTreeSourceDomains::EXTENSION;
    let mut dictionary = AppDataDictionary::new();
    for (id, data) in hub.offer.components().iter() {
        dictionary.insert(id.0, data.to_vec());
    }
    let provider =
        openmls::credentials::BasicCredential::new(hub.offer.provider.as_bytes().to_vec());
    let sender = ExternalSender::new(hub.offer.signature_key.as_slice().into(), provider.into());
    let extensions = Extensions::from_vec(vec![
        Extension::ExternalSenders(vec![sender]),
        Extension::Unknown(kind, UnknownExtension(allowed.to_vec())),
        Extension::AppDataDictionary(AppDataDictionaryExtension::new(dictionary)),
    ])
    .unwrap();
    let key = alice.device.signature_key();
    let signer = alice.keys.require(key).unwrap();
    let genesis = Genesis {
        credential: credential(&user("alice"), key),
        id: GroupId::from_slice(hub.offer.group.as_bytes()),
        ciphersuite: CS,
        lifetime: LIFETIME,
        extensions,
    };
    let mut member = Member::create(&alice.crypto, &signer, genesis, untuned()).unwrap();
    // A client that knows the extension.
    let store = Store::default();
    let capabilities = openmls::prelude::Capabilities::builder()
        .ciphersuites(vec![CS])
        .extensions(vec![
            openmls::prelude::ExtensionType::AppDataDictionary,
            openmls::prelude::ExtensionType::Unknown(kind),
        ])
        .proposals(
            super::super::leaf::Words::new(CS, &tablet.crypto).capabilities.proposals().to_vec(),
        )
        .build();
    let bundle = openmls::key_packages::KeyPackage::builder()
        .leaf_node_capabilities(capabilities)
        .leaf_node_extensions(super::super::leaf::Words::new(CS, &tablet.crypto).extensions)
        .build(
            CS,
            &Provider { crypto: &tablet.crypto, store: &store },
            &tablet.keys.require(tablet.device.signature_key()).unwrap(),
            credential(&user("alice"), tablet.device.signature_key()),
        )
        .unwrap();
    let plan = Plan { adds: vec![bundle.key_package().clone()], ..Plan::default() };
    let commit = member.commit(&alice.crypto, &signer, plan, |_, _| None).unwrap();
    let (body, _) = super::super::commit::request(&commit).unwrap();
    let HandshakeBundle::Commit { welcome, .. } = UpdateRequest::decode(&body).unwrap().bundle
    else {
        panic!()
    };
    let welcome = welcome.unwrap();
    let reference = welcome.new_members()[0].clone();
    (tablet, LentKeyPackage { user: user("alice"), reference, bundle }, welcome)
}

#[test]
fn t_006_a_welcome_leads_only_where_the_group_allows_it() {
    for (allowed, fine) in [
        (domains(&["trees.alice.example"]), true),
        (domains(&["alice.example", "evil.example"]), false),
        (Vec::new(), false),
    ] {
        let (tablet, lent, welcome) = invitation(&allowed);
        let event = FanoutEvent::Welcome { welcome, ratchet_tree: url() };
        let message = FanoutMessage { timestamp: Timestamp(1), event };
        let limits = Limits::default();
        let result = Room::join(&tablet.env(), &lent, &room_uri(), &message, &limits);
        match fine {
            true => elsewhere(result),
            false => {
                let Err(Refusal::Impostor(found)) = result else { panic!("{result:?}") };
                assert_eq!(found, Impostor::TreeSource);
            }
        }
    }
}
