//! What a lying hub or a hostile member can try (threats D.1, D.3).

use openmls::messages::proposals::AppDataUpdateProposal;

use super::{hostile::*, *};
use crate::{
    client::member::Plan,
    delivery::{self, ExternalProposal, LeafIndex},
    franking::{Invalid, Verdict},
    room::{ParticipantListUpdate, RoomMetadata},
    wire::{ProposalRef, Sender},
};

#[test]
fn d01_a_second_commit_for_an_epoch_is_a_fork() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    for client in [&mut alice, &mut bob] {
        let token = client.token();
        client.act(|room, env| room.update_self(env, token)).unwrap();
    }
    let bobs = commit_in(&bob.room().outbox().next().unwrap().body);
    alice.send_all(&mut hub);
    // The hub has told alice that hers was first, and now hands out bob's for the same epoch.
    take(&mut alice, &fan_out(bobs)).unwrap();
    forked(&mut alice, Evidence::SecondCommit);
}

#[test]
fn d05_what_nobody_has_signed_changes_nothing() {
    let (_, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let token = bob.token();
    bob.act(|room, env| room.update_self(env, token)).unwrap();
    let commit = commit_in(&bob.room().outbox().next().unwrap().body);
    for at in
        [commit.as_bytes().len() / 2, commit.as_bytes().len() - 1, commit.as_bytes().len() - 40]
    {
        let mut octets = commit.as_bytes().to_vec();
        octets[at] ^= 1;
        let Ok(forged) = PublicMessage::decode(&octets) else { continue };
        assert!(take(&mut alice, &fan_out(forged)).is_err(), "octet {at}");
        assert!(!alice.room().is_forked());
    }
    assert_eq!(take(&mut alice, &fan_out(commit)).unwrap(), Received::Taken);
}

#[test]
fn d05_a_commit_that_the_policy_forbids_is_not_followed() {
    let (_, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    // An ordinary user makes itself an administrator.
    let place = alice.room().committed().participants().find(user("bob")).unwrap().place;
    let update =
        ParticipantListUpdate { changed: vec![(place, RoleIndex(4))], ..Default::default() };
    let plan = || Plan {
        proposals: vec![openmls::messages::proposals::Proposal::AppDataUpdate(Box::new(
            AppDataUpdateProposal::update(ComponentId::PARTICIPANT_LIST.0, update.encode()),
        ))],
        ..Plan::default()
    };
    let commit = hostile_commit(&mut bob, plan());
    for client in [&mut alice, &mut carol] {
        take(client, &commit).unwrap();
        forked(client, Evidence::ForbiddenCommit);
        assert_eq!(client.room().committed().role(user("bob")), RoleIndex(2));
    }
}

#[test]
fn d08_no_leaf_without_a_participant() {
    let (_, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let mut eve = Client::new("eve", "phone", Crash::Never);
    let octets = eve.key_package();
    // By the front door: our own client does not make it.
    let intent = Intent { key_packages: vec![octets.as_bytes().to_vec()], ..Intent::default() };
    let token = alice.token();
    assert!(matches!(
        alice.act(|room, env| room.commit(env, token, &intent)),
        Err(Refusal::Denied(_))
    ));
    // By the back door: nobody follows.
    let key_package = octets
        .to_openmls()
        .validate(&eve.crypto, openmls::versions::ProtocolVersion::Mls10)
        .unwrap();
    let commit = hostile_commit(&mut bob, Plan { adds: vec![key_package], ..Plan::default() });
    take(&mut alice, &commit).unwrap();
    forked(&mut alice, Evidence::ForbiddenCommit);
}

#[test]
fn p016_nobody_is_removed_by_half() {
    let (_, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let removes = vec![leaf_of(&bob, "carol")];
    let commit = hostile_commit(&mut bob, Plan { removes, ..Plan::default() });
    take(&mut alice, &commit).unwrap();
    forked(&mut alice, Evidence::ForbiddenCommit);
}

#[test]
fn d04_a_commit_that_omits_proposals_is_flagged_and_followed() {
    let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    let token = carol.token();
    carol.act(|room, env| room.leave(env, token)).unwrap();
    carol.send_all(&mut hub);
    alice.catch_up(&hub);
    // The hub has kept the leave from bob.
    bob.seen = hub.log.len();
    let token = bob.token();
    bob.act(|room, env| room.update_self(env, token)).unwrap();
    bob.send_all(&mut hub);
    alice.catch_up(&hub);
    let omitted =
        alice.events().iter().any(|event| matches!(event, Event::Omitted { proposals: 2, .. }));
    assert!(omitted);
    same([&alice, &bob]);
    // Carol is still in, and asks again.
    carol.catch_up(&hub);
    assert_eq!(carol.room().outbox().count(), 1);
    carol.send_all(&mut hub);
    alice.catch_up(&hub);
    assert!(alice.room().owes_commit());
}

#[test]
fn d05_the_hub_proposes_what_its_role_allows_and_nothing_else() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let place = alice.room().committed().participants().find(user("bob")).unwrap().place;
    let ban = ParticipantListUpdate { changed: vec![(place, RoleIndex(1))], ..Default::default() };
    let update = |component: ComponentId, data: Vec<u8>| ExternalProposal::AppDataUpdate {
        component: component.0,
        operation: delivery::ComponentOperation::Update(data),
    };
    let ban = update(ComponentId::PARTICIPANT_LIST, ban.encode());
    // Not signed with the hub's key.
    let (_, stranger) = pair();
    let forged = external(&alice, &stranger, &ban);
    assert!(take(&mut alice, &forged).is_err());
    // Signed, and not its to change.
    let mut metadata = RoomMetadata::new(room_uri());
    metadata.name = "taken over".into();
    let rename = update(ComponentId::ROOM_METADATA, metadata.encode());
    let rename = external(&alice, &hub.signer, &rename);
    take(&mut alice, &rename).unwrap();
    assert!(matches!(alice.events().as_slice(), [Event::Forbidden { .. }]));
    assert!(!alice.room().owes_commit());
    // Its to do: a ban, with the Remove that belongs to it.
    let leaf = leaf_of(&alice, "bob");
    let remove = ExternalProposal::Remove(LeafIndex(leaf.u32()));
    let (ban, remove) =
        (external(&alice, &hub.signer, &ban), external(&alice, &hub.signer, &remove));
    let FanoutEvent::Proposals { first, .. } = ban.event else { panic!() };
    let FanoutEvent::Proposals { first: second, .. } = remove.event else { panic!() };
    let bundle = FanoutMessage {
        timestamp: ban.timestamp,
        event: FanoutEvent::Proposals { first, more: vec![second] },
    };
    hub.log.push(bundle);
    alice.catch_up(&hub);
    bob.catch_up(&hub);
    assert!(matches!(alice.events().as_slice(), [Event::Proposed { by: Who::Server(_) }]));
    let token = alice.token();
    alice.act(|room, env| room.commit_pending(env, token)).unwrap();
    alice.send_all(&mut hub);
    bob.catch_up(&hub);
    assert!(matches!(bob.events().last(), Some(Event::Removed { .. })));
    assert_eq!(alice.room().committed().role(user("bob")), RoleIndex(1));
}

#[test]
fn d06_only_the_rooms_own_hub_gives_its_group_info() {
    let (mut hub, mut alice, ..) = three(Preset::Cooperative, Crash::Never);
    let token = alice.token();
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    alice.send_all(&mut hub);
    alice.catch_up(&hub);
    let mut tablet = Client::new("alice", "tablet", Crash::Never);
    let key = tablet.device.signature_key().to_vec();
    let token = tablet.token();
    let request =
        JoinRequest::new(&tablet.env(), token, &user("alice"), &key, &room_uri(), CS, None)
            .unwrap();
    let tree = alice.tree();
    let good = hub.group_info(request.request(), &tree);
    let role = Preset::Cooperative.ordinary();
    let join = |response: &GroupInfoResponse, tree: Option<&RatchetTree>| {
        Room::join_external(&tablet.env(), &request, response, role, tree, &Limits::default())
            .map(|_| ())
            .map_err(|refusal| match refusal {
                Refusal::Impostor(impostor) => Some(impostor),
                _ => None,
            })
    };
    assert_eq!(join(&good, None), Ok(()));

    let mut other = good.clone();
    other.room = RoomUri::parse("mimi://alice.example/r/elsewhere").unwrap();
    assert_eq!(join(&other, None), Err(Some(Impostor::Room)));

    let sealed = |change: &dyn Fn(&mut SealedGroupInfo), signer: &SignatureKeyPair| {
        let GroupInfoAnswer::Success(mut sealed) = good.answer.clone() else { panic!() };
        change(&mut sealed);
        sealed.sign(signer, &room_uri()).unwrap();
        GroupInfoResponse { room: room_uri(), answer: GroupInfoAnswer::Success(sealed) }
    };
    // Another provider signs, in its own name.
    let (mallory, signer) = pair();
    let provider = crate::uri::ProviderUri::parse("mimi://mallory.example").unwrap();
    let named = sealed(
        &|sealed| sealed.hub_sender = crate::wire::ExternalSender::basic(&mallory, &provider),
        &signer,
    );
    assert_eq!(join(&named, None), Err(Some(Impostor::Provider)));
    // Or in the hub's name, with a key that the group does not list.
    let provider = crate::uri::ProviderUri::parse("mimi://alice.example").unwrap();
    let named = sealed(
        &|sealed| sealed.hub_sender = crate::wire::ExternalSender::basic(&mallory, &provider),
        &signer,
    );
    assert_eq!(join(&named, None), Err(Some(Impostor::Sender)));
    // Or with the hub's key in its mouth.
    assert_eq!(join(&sealed(&|_| {}, &signer), None), Err(Some(Impostor::Signature)));

    // A tree of another epoch does not hash to the GroupInfo (D-27).
    let token = alice.token();
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    alice.send_all(&mut hub);
    assert_eq!(join(&good, Some(&alice.tree())), Err(None));
}

#[test]
fn d07_a_frank_is_shown_for_what_it_is() {
    let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    for text in ["stripped", "altered", "one", "two"] {
        alice.say(text).unwrap();
        alice.send_all(&mut hub);
    }
    let mut messages = hub.log[bob.seen..].to_vec();
    let franks: Vec<_> = messages
        .iter()
        .map(|message| match &message.event {
            FanoutEvent::Application { frank, .. } => (message.timestamp, frank.clone()),
            _ => panic!(),
        })
        .collect();
    let set = |message: &mut FanoutMessage, with: (Timestamp, Option<crate::wire::Frank>)| {
        let FanoutEvent::Application { frank, .. } = &mut message.event else { panic!() };
        (message.timestamp, *frank) = with;
    };
    set(&mut messages[0], (franks[0].0, None));
    set(&mut messages[1], (franks[1].0.plus(1), franks[1].1.clone()));
    // A follower swaps the stamps of two messages of one sender: the second use of one is known.
    let swapped = franks[2].clone();
    set(&mut messages[3], swapped);
    for message in &messages {
        take(&mut bob, message).unwrap();
    }
    let verdicts: Vec<_> = bob
        .events()
        .iter()
        .map(|event| match event {
            Event::Message(message) => message.franking,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        verdicts,
        [
            Verdict::Missing,
            Verdict::Invalid(Invalid::Signature),
            Verdict::Valid,
            Verdict::Invalid(Invalid::Reused)
        ]
    );
    carol.catch_up(&hub);
    assert_eq!(carol.texts().len(), 4);
}

#[test]
fn d03_d40_d41_what_decrypts_and_must_not_be_shown_is_discarded_once() {
    let (_, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    let content = alice.compose("hello");
    let salt = crate::content::Message::decode(&content).unwrap().salt();
    let tag = crate::franking::tag(&salt.0, &content).0;
    let as_carol = carol.compose("I am carol");
    let carols = {
        let salt = crate::content::Message::decode(&as_carol).unwrap().salt();
        crate::franking::tag(&salt.0, &as_carol).0
    };
    let mut future = hostile_message(&mut alice, Some(tag), &content);
    future.timestamp = Timestamp(alice.now + 6 * 60 * 1000);
    for (message, reason) in [
        (hostile_message(&mut alice, Some([9; 32]), &content), Discard::Tag),
        (hostile_message(&mut alice, Some(carols), &as_carol), Discard::Mismatch),
        (hostile_message(&mut alice, None, b"not cbor"), Discard::Malformed),
        (future, Discard::Future),
    ] {
        assert_eq!(take(&mut bob, &message).unwrap(), Received::Taken);
        let events = bob.events();
        let [Event::Discarded { sender, reason: found, .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!((sender.as_ref(), found), (Some(&user("alice")), &reason));
        // Its key is gone: it is not judged again.
        assert_eq!(take(&mut bob, &message).unwrap(), Received::Spent);
        assert_eq!(bob.room().events().count(), 0);
    }
    let _ = carol.events();
}

#[test]
fn p015_who_may_not_speak_is_not_heard() {
    let mut hub = Hub::new(Preset::Announcement);
    let [mut alice, mut bob] =
        ["alice", "bob"].map(|name| Client::new(name, "phone", Crash::Always));
    alice.create(&mut hub);
    let (material, token) = (bob.material(), alice.token());
    alice
        .act(|room, env| room.add(env, token, Preset::Announcement.ordinary(), &material))
        .unwrap();
    alice.send_all(&mut hub);
    alice.catch_up(&hub);
    bob.join(&hub, &alice.tree());
    alice.events();
    assert!(matches!(bob.say("may I?"), Err(Refusal::MaySpeak)));
    let content = bob.compose("I speak all the same");
    let message = hostile_message(&mut bob, None, &content);
    take(&mut alice, &message).unwrap();
    assert!(matches!(
        alice.events().as_slice(),
        [Event::Discarded { reason: Discard::NotAllowed, .. }]
    ));
}

#[test]
fn d81_what_comes_too_early_waits_outside() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    for _ in 0..2 {
        let token = alice.token();
        alice.act(|room, env| room.update_self(env, token)).unwrap();
        alice.send_all(&mut hub);
        alice.catch_up(&hub);
    }
    alice.say("in the third epoch").unwrap();
    alice.send_all(&mut hub);
    let news = hub.log[bob.seen..].to_vec();
    for early in [&news[1], &news[2]] {
        assert!(matches!(take(&mut bob, early), Err(Refusal::Early { .. })));
    }
    bob.catch_up(&hub);
    same([&alice, &bob]);
    assert_eq!(bob.texts().len(), 1);
    // What was taken is known when it comes again (D-80).
    assert_eq!(take(&mut bob, &news[0]).unwrap(), Received::Echo);
}

#[test]
fn d83_a_commit_that_lost_the_race_with_a_proposal_is_made_again() {
    let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    let token = alice.token();
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    let bobs = bob.token();
    let intent = Intent { remove: vec![participant("carol")], ..Intent::default() };
    bob.act(|room, env| room.propose(env, bobs, &intent)).unwrap();
    bob.send_all(&mut hub);
    let not_allowed = UpdateRoomResponse {
        error_description: ErrorDescription::default(),
        outcome: UpdateOutcome::NotAllowed,
    };
    let outgoing = alice.room().outbox().next().unwrap();
    alice.act(|room, env| room.answer_update(env, outgoing.id, &not_allowed)).unwrap();
    assert_eq!(alice.room().outbox().count(), 0, "aside until the proposal comes");
    alice.catch_up(&hub);
    let again = alice.room().outbox().next().unwrap();
    assert_eq!(again.token, token);
    alice.send_all(&mut hub);
    bob.catch_up(&hub);
    carol.catch_up(&hub);
    same([&alice, &bob]);
    assert!(matches!(carol.events().last(), Some(Event::Removed { .. })));

    // No proposal comes: it is given up in time.
    let token = alice.token();
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    let outgoing = alice.room().outbox().next().unwrap();
    alice.events();
    alice.act(|room, env| room.answer_update(env, outgoing.id, &not_allowed)).unwrap();
    let late = Timestamp(alice.now).plus(30_000);
    alice.act(|room, _| room.timeout(late)).unwrap();
    assert!(matches!(
        alice.events().as_slice(),
        [Event::Failed { token: t, reason: Failure::NotAllowed }] if *t == token
    ));
}

#[test]
fn what_the_hub_calls_invalid_is_dropped_and_the_rest_committed() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let token = bob.token();
    let intent = Intent { remove: vec![participant("carol")], ..Intent::default() };
    bob.act(|room, env| room.propose(env, token, &intent)).unwrap();
    bob.send_all(&mut hub);
    alice.catch_up(&hub);
    let token = alice.token();
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    let references: Vec<ProposalRef> = alice
        .room()
        .state
        .waiting
        .iter()
        .map(|waiting| waiting.reference().as_slice().into())
        .collect();
    let invalid = UpdateRoomResponse {
        error_description: ErrorDescription::default(),
        outcome: UpdateOutcome::InvalidProposal(references),
    };
    let outgoing = alice.room().outbox().next().unwrap();
    alice.act(|room, env| room.answer_update(env, outgoing.id, &invalid)).unwrap();
    assert!(!alice.room().owes_commit());
    let again = alice.room().outbox().next().unwrap();
    assert_ne!(again.body, outgoing.body);
    assert!(matches!(commit_in(&again.body).sender(), Sender::Member(_)));
}
