//! Into the room from outside: the first time, and again.

use super::{
    hostile::{commit_in, fan_out, forked, leaf_of, take},
    *,
};
use crate::policy::{Claim, PreAuth, PreAuthEntry};

fn refused(result: Result<(), Refusal>) -> Option<Impostor> {
    match result {
        Err(Refusal::Impostor(impostor)) => Some(impostor),
        other => panic!("{other:?}"),
    }
}

#[test]
fn p180_an_open_room_lets_anybody_in() {
    for crash in [Crash::Never, Crash::Always] {
        let (mut hub, mut alice, mut bob, _) = three(Preset::Announcement, crash);
        let mut dave = Client::new("dave", "phone", crash);
        // The only role that a newcomer can take.
        dave.enter(&mut hub, &alice.tree(), RoleIndex::NONE).unwrap();
        for client in [&mut alice, &mut bob] {
            client.catch_up(&hub);
        }
        assert_eq!(dave.catch_up(&hub), [Received::Echo]);
        same([&alice, &bob, &dave]);
        assert_eq!(alice.room().committed().role(user("dave")), RoleIndex(2));
        // Not in a role that nobody gives to newcomers.
        let mut eve = Client::new("eve", "phone", crash);
        let result = eve.enter(&mut hub, &alice.tree(), RoleIndex(4));
        assert!(matches!(result, Err(Refusal::Denied(_))), "{result:?}");
    }
}

#[test]
fn p183_a_joining_code_goes_with_the_request() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Strict, Crash::Always);
    let mut dave = Client::new("dave", "phone", Crash::Always);
    let request = dave.ask(Some(b"let me in"));
    let sent = GroupInfoRequest::decode(&request.request().encode()).unwrap();
    assert_eq!(sent.joining_code.as_deref(), Some(&b"let me in"[..]));
    assert!(sent.verify(&dave.crypto), "the code is signed with it (Q-30)");
    let response = hub.group_info(request.request(), &alice.tree());
    let none = RoleIndex::NONE;
    let limits = Limits::default();
    let founding =
        Room::join_external(&dave.env(), &request, &response, none, None, &limits).unwrap();
    dave.found(founding);
    dave.seen = hub.log.len();
    dave.send_all(&mut hub);
    for client in [&mut alice, &mut bob, &mut dave] {
        client.catch_up(&hub);
    }
    same([&alice, &bob, &dave]);
}

#[test]
fn p180_a_preauthorised_user_takes_the_role_that_is_meant_for_it() {
    let moderator = Preset::Strict.roles().get(RoleIndex(3)).unwrap().clone();
    let claim = Claim {
        credential_type: Claim::BASIC,
        id: Claim::DOMAIN.to_vec(),
        value: b"dave.example".to_vec(),
    };
    let list = PreAuth { entries: vec![PreAuthEntry { claims: vec![claim], target: moderator }] };
    let more = [(ComponentId::PREAUTH_LIST, list.encode())];
    let hub = Hub::with(policy(Preset::Strict, &more));
    let (mut hub, mut alice, mut bob, _) = three_in(hub, Preset::Strict.ordinary(), Crash::Always);
    let mut dave = Client::new("dave", "phone", Crash::Always);
    dave.enter(&mut hub, &alice.tree(), RoleIndex::NONE).unwrap();
    for client in [&mut alice, &mut bob, &mut dave] {
        client.catch_up(&hub);
    }
    same([&alice, &bob, &dave]);
    assert_eq!(bob.room().committed().role(user("dave")), RoleIndex(3));
}

#[test]
fn a_client_far_behind_joins_again() {
    for crash in [Crash::Never, Crash::Always] {
        let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, crash);
        // Carol has read something, has something to say, and goes offline.
        bob.say("unread").unwrap();
        bob.send_all(&mut hub);
        carol.catch_up(&hub);
        let id = carol.say("said offline").unwrap();
        let token = carol.token();
        let old = carol.room().member.membership_key().unwrap();
        for _ in 0..4 {
            let token = alice.token();
            alice.act(|room, env| room.update_self(env, token)).unwrap();
            alice.send_all(&mut hub);
            alice.catch_up(&hub);
            bob.catch_up(&hub);
        }
        // The hub has forgotten the commits in between: the next event is too early for ever.
        let last = hub.log.last().unwrap().clone();
        assert!(matches!(take(&mut carol, &last), Err(Refusal::Early { .. })));
        let near = Limits { behind: 2, ..Limits::default() };
        carol.room.as_mut().unwrap().limits = near;
        let room = carol.room.as_mut().unwrap();
        let env = Env { now: Timestamp(carol.now), crypto: &carol.crypto, keys: &carol.keys };
        assert!(matches!(room.receive(&env, &last), Err(Refusal::Behind { .. })));

        let request = carol.ask(None);
        let response = hub.group_info(request.request(), &alice.tree());
        carol.act(|room, env| room.rejoin(env, &request, &response, None)).unwrap();
        assert!(!carol.room().is_member(), "not before the hub has said so");
        let waiting: Vec<_> = carol.room().outbox().collect();
        assert_eq!(waiting.len(), 1, "the join alone");
        assert!(matches!(carol.act(|room, env| room.leave(env, token)), Err(Refusal::Busy)));
        carol.seen = hub.log.len();
        carol.send_one(&mut hub, &waiting[0]);
        assert!(carol.room().is_member());
        // What was said offline is encrypted again, with the name it had.
        carol.send_all(&mut hub);
        for client in [&mut alice, &mut bob] {
            client.catch_up(&hub);
        }
        same([&alice, &bob]);
        assert_eq!(alice.room().epoch(), carol.room().epoch());
        assert_eq!(alice.room().epoch_authenticator(), carol.room().epoch_authenticator());
        let mut ids = Vec::new();
        for event in bob.events() {
            if let Event::Message(message) = event {
                ids.push(message.id);
            }
        }
        assert_eq!(ids, [id]);
        // One leaf of hers is left, and what she had not acknowledged is still there.
        let leaves = &alice.room().state.epoch.leaves;
        assert_eq!(leaves.values().filter(|of| **of == user("carol")).count(), 1);
        let unread = carol.events();
        let read = unread.iter().filter(|event| matches!(event, Event::Message(_))).count();
        assert_eq!(read, 1, "{unread:?}");
        // The keys of the old group are gone.
        for value in carol.records.values.values() {
            assert!(!value.windows(old.len()).any(|octets| octets == old));
        }
    }
}

#[test]
fn d82_a_join_that_loses_the_race_is_no_fork() {
    for by_answer in [true, false] {
        let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
        carol.say("said before").unwrap();
        let request = carol.ask(None);
        let response = hub.group_info(request.request(), &alice.tree());
        carol.act(|room, env| room.rejoin(env, &request, &response, None)).unwrap();
        let token = alice.token();
        alice.act(|room, env| room.update_self(env, token)).unwrap();
        alice.send_all(&mut hub);
        alice.catch_up(&hub);
        // Carol hears of the faster commit by the hub's answer, or by the commit itself.
        if by_answer {
            carol.send_all(&mut hub);
            carol.seen = hub.log.len();
        } else {
            assert_eq!(carol.catch_up(&hub), [Received::Taken]);
        }
        let events = carol.events();
        let [Event::Failed { reason: Failure::Obsolete, .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert!(!carol.room().is_member() && !carol.room().is_forked());
        // The hub refuses the next one, for a reason of its own; the epoch that carol made up was none.
        let request = carol.ask(None);
        let response = hub.group_info(request.request(), &alice.tree());
        carol.act(|room, env| room.rejoin(env, &request, &response, None)).unwrap();
        let join = carol.room().outbox().next().unwrap();
        let error_description = ErrorDescription::default();
        let answer = UpdateRoomResponse { error_description, outcome: UpdateOutcome::NotAllowed };
        carol.act(|room, env| room.answer_update(env, join.id, &answer)).unwrap();
        assert!(matches!(
            carol.events().as_slice(),
            [Event::Failed { reason: Failure::NotAllowed, .. }]
        ));
        // Again, and what she has to say goes out.
        let request = carol.ask(None);
        let response = hub.group_info(request.request(), &alice.tree());
        carol.act(|room, env| room.rejoin(env, &request, &response, None)).unwrap();
        carol.send_all(&mut hub);
        carol.send_all(&mut hub);
        for client in [&mut alice, &mut bob, &mut carol] {
            client.catch_up(&hub);
        }
        same([&alice, &bob, &carol]);
        assert_eq!(bob.texts().len(), 1);
    }
}

#[test]
fn a_forked_client_joins_again() {
    let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    for client in [&mut alice, &mut bob] {
        let token = client.token();
        client.act(|room, env| room.update_self(env, token)).unwrap();
    }
    let bobs = commit_in(&bob.room().outbox().next().unwrap().body);
    // Carol is shown bob's commit, everybody else alice's.
    take(&mut carol, &fan_out(bobs)).unwrap();
    alice.send_all(&mut hub);
    bob.send_all(&mut hub);
    bob.catch_up(&hub);
    alice.catch_up(&hub);
    carol.catch_up(&hub);
    forked(&mut carol, Evidence::SecondCommit);
    let request = carol.ask(None);
    let response = hub.group_info(request.request(), &alice.tree());
    carol.act(|room, env| room.rejoin(env, &request, &response, None)).unwrap();
    carol.seen = hub.log.len();
    carol.send_all(&mut hub);
    for client in [&mut alice, &mut bob, &mut carol] {
        client.catch_up(&hub);
    }
    // Bob's own commit was overtaken and waits; the room is one again.
    assert_eq!(alice.room().epoch_authenticator(), carol.room().epoch_authenticator());
    assert!(!carol.room().is_forked());
    carol.say("back").unwrap();
}

#[test]
fn d06_an_answer_for_another_group_or_of_yesterday_is_refused() {
    let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    let (stale, tree) = (hub.group_info.clone(), alice.tree());
    let token = alice.token();
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    alice.send_all(&mut hub);
    for client in [&mut alice, &mut bob, &mut carol] {
        client.catch_up(&hub);
    }
    let request = carol.ask(None);
    let fresh = std::mem::replace(&mut hub.group_info, stale);
    let response = hub.group_info(request.request(), &tree);
    let result = carol.act(|room, env| room.rejoin(env, &request, &response, None));
    assert_eq!(refused(result), Some(Impostor::Stale));
    hub.group_info = fresh;
    let response = hub.group_info(request.request(), &alice.tree());
    // The device knows another group by the room's name.
    let other = GroupUri::parse("mimi://alice.example/g/other").unwrap();
    let request = request.expecting(other);
    let result = carol.act(|room, env| room.rejoin(env, &request, &response, None));
    assert_eq!(refused(result), Some(Impostor::Group));
    // For another user, with its key.
    let request = bob.ask(None);
    let response = hub.group_info(request.request(), &alice.tree());
    let result = carol.act(|room, env| room.rejoin(env, &request, &response, None));
    assert!(matches!(result, Err(Refusal::Misuse(_))));
}

#[test]
fn e074_a_leave_that_nobody_has_signed_is_not_included() {
    let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    let token = carol.token();
    carol.act(|room, env| room.leave(env, token)).unwrap();
    carol.send_all(&mut hub);
    for client in [&mut alice, &mut bob, &mut carol] {
        client.catch_up(&hub);
    }
    // The hub hands out carol's SelfRemove, and one with a signature of nobody in bob's name (Q-36: and others too).
    let genuine = hub.pending[0].clone();
    let mut octets = genuine.as_bytes().to_vec();
    let leaf = octets.len() - 32 - 1 - 65 - 2 - 1 - 1;
    let at = octets[..leaf].windows(5).rposition(|it| it[0] == 1 && it[1..4] == [0, 0, 0]).unwrap();
    let bobs = leaf_of(&alice, "bob").u32();
    octets[at + 1..at + 5].copy_from_slice(&bobs.to_be_bytes());
    let forged = PublicMessage::decode(&octets).unwrap();
    assert_eq!(forged.sender(), crate::wire::Sender::Member(bobs));
    hub.pending.insert(0, forged);
    hub.pending.push(genuine);
    let mut tablet = Client::new("alice", "tablet", Crash::Always);
    tablet.enter(&mut hub, &alice.tree(), RoleIndex::NONE).unwrap();
    for client in [&mut alice, &mut bob, &mut carol] {
        client.catch_up(&hub);
    }
    same([&alice, &bob, &tablet]);
    assert!(matches!(carol.events().last(), Some(Event::Removed { .. })));
    assert!(bob.room().is_member());
}

#[test]
fn q37_a_group_of_another_suite_is_asked_for_again_with_its_own() {
    let (hub, alice, ..) = three(Preset::Cooperative, Crash::Never);
    let mut tablet = Client::new("alice", "tablet", Crash::Never);
    let token = tablet.token();
    let chacha = Ciphersuite::MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519;
    let request =
        tablet.device.join_request(&tablet.env(), token, &room_uri(), chacha, None).unwrap();
    // Honestly sealed and signed with the suite of the request.
    let answer = GroupInfoRatchetTree {
        group_info: GroupInfo::decode(&hub.group_info).unwrap(),
        ratchet_tree: RatchetTreeOption::Full(alice.tree()),
        pending_proposals: Vec::new(),
    };
    let room = room_uri();
    let key = &request.request().group_info_public_key;
    let encrypted = answer.seal(&hub.crypto, chacha, key, &room).unwrap();
    let mut sealed = SealedGroupInfo {
        cipher_suite: chacha.into(),
        hub_sender: hub.offer.external_sender(),
        encrypted,
        signature: Vec::new(),
    };
    sealed.sign(&hub.signer, &room).unwrap();
    let response = GroupInfoResponse { room, answer: GroupInfoAnswer::Success(sealed) };
    let limits = Limits::default();
    let none = RoleIndex::NONE;
    let result = Room::join_external(&tablet.env(), &request, &response, none, None, &limits);
    let Err(Refusal::OtherSuite(suite)) = result else { panic!("{result:?}") };
    assert_eq!(suite, u16::from(CS));
    // With it, it works.
    let request = tablet.ask(None);
    let response = hub.group_info(request.request(), &alice.tree());
    let _ = Room::join_external(&tablet.env(), &request, &response, none, None, &limits).unwrap();
}

#[test]
fn p188_a_hub_that_gives_nothing_says_so() {
    let mut tablet = Client::new("alice", "tablet", Crash::Never);
    let request = tablet.ask(None);
    for answer in [GroupInfoAnswer::NotAuthorized, GroupInfoAnswer::NoSuchRoom] {
        let response = GroupInfoResponse { room: room_uri(), answer };
        let (none, limits) = (RoleIndex::NONE, Limits::default());
        let result = Room::join_external(&tablet.env(), &request, &response, none, None, &limits);
        assert!(matches!(result, Err(Refusal::Withheld)), "{result:?}");
    }
}
