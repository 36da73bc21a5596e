//! Ratchet trees that come with a message, and those that have to be fetched.

use openmls::extensions::{Extension, UnknownExtension};

use super::{hostile::hostile_welcome, *};
use crate::{
    codec::{Reader, write_bytes},
    wire::RatchetTreeSourceDomains,
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

/// The extension that names the hosts of a group's trees.
fn allowing(hosts: &[u8]) -> Extension {
    Extension::Unknown(RatchetTreeSourceDomains::EXTENSION, UnknownExtension(hosts.to_vec()))
}

#[test]
fn t_006_a_welcome_leads_only_where_the_group_allows_it() {
    let hub = Hub::new(Preset::Cooperative);
    for (allowed, fine) in [
        (domains(&["trees.alice.example"]), true),
        (domains(&["alice.example", "evil.example"]), false),
        (Vec::new(), false),
    ] {
        let mut tablet = Client::new("alice", "tablet", Crash::Never);
        let (welcome, _) = hostile_welcome(&hub, Some(allowing(&allowed)), &mut tablet);
        let result = tablet.invited(&welcome, url());
        match fine {
            true => elsewhere(result),
            false => {
                let Err(Refusal::Impostor(found)) = result else { panic!("{result:?}") };
                assert_eq!(found, Impostor::TreeSource);
            }
        }
    }
}

/// T-006; RFC 9420, sections 7.3 and 12.1.7: a group that names the hosts of its trees takes only who lists the
/// extension. Our clients make such a group, are invited to it, and go on in it.
#[test]
fn t_006_our_clients_are_in_a_group_that_names_its_hosts() {
    let hub = Hub::new(Preset::Cooperative);
    let mut tablet = Client::new("alice", "tablet", Crash::Always);
    let extension = allowing(&domains(&["trees.alice.example"]));
    let (welcome, tree) = hostile_welcome(&hub, Some(extension), &mut tablet);
    let joined = tablet.invited(&welcome, RatchetTreeOption::Full(tree)).unwrap();
    tablet.found(joined);
    let has = |client: &Client| {
        let group = client.room().member.group().unwrap();
        group.extensions().unknown(RatchetTreeSourceDomains::EXTENSION).is_some()
    };
    assert!(has(&tablet));
    assert_eq!(tablet.room().epoch(), 1);
    // Whoever is added next is checked again.
    let mut watch = Client::new("alice", "watch", Crash::Never);
    let (material, token) = (watch.material(), tablet.token());
    tablet.act(|room, env| room.add(env, token, RoleIndex::NONE, &material)).unwrap();
    assert_eq!(tablet.room().outbox().count(), 1);
}
