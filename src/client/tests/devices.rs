//! Several devices of one user, several rooms of one device, and replies that are lost.

use super::*;

#[test]
fn p007_a_new_device_is_added_by_another_one() {
    for crash in [Crash::Never, Crash::Always] {
        let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, crash);
        let mut tablet = Client::new("alice", "tablet", crash);
        // The provider gives key material of all her devices, the phone included.
        let mut material = tablet.material();
        material.clients.extend(alice.material().clients);
        let token = alice.token();
        let role = Preset::Cooperative.ordinary();
        alice.act(|room, env| room.add(env, token, role, &material)).unwrap();
        alice.send_all(&mut hub);
        alice.catch_up(&hub);
        tablet.join(&hub, &alice.tree());
        bob.catch_up(&hub);
        same([&alice, &bob, &tablet]);
        let leaves = &bob.room().state.epoch.leaves;
        assert_eq!(leaves.values().filter(|of| **of == user("alice")).count(), 2);
        // All are there: nothing to add.
        let material = alice.material();
        let token = alice.token();
        let result = alice.act(|room, env| room.add(env, token, role, &material));
        assert!(matches!(result, Err(Refusal::Misuse(_))));
    }
}

#[test]
fn d26_one_key_package_a_client() {
    let (_, mut alice, ..) = three(Preset::Cooperative, Crash::Always);
    let mut dave = Client::new("dave", "phone", Crash::Never);
    let (one, two) = (dave.material(), dave.material());
    let mut both = one.clone();
    both.clients.extend(two.clients);
    let role = Preset::Cooperative.ordinary();
    let token = alice.token();
    let result = alice.act(|room, env| room.add(env, token, role, &both));
    assert!(matches!(result, Err(Refusal::Mls("two KeyPackages of one client"))), "{result:?}");
    // D-25: of another user than was asked for.
    let named = KeyMaterialResponse { user: user("erin"), ..one.clone() };
    let result = alice.act(|room, env| room.add(env, token, role, &named));
    assert!(matches!(result, Err(Refusal::Mls("a KeyPackage of another user"))), "{result:?}");
    alice.act(|room, env| room.add(env, token, role, &one)).unwrap();
}

#[test]
fn a_new_device_gets_into_all_rooms_of_its_user() {
    let (mut hub, mut alice, ..) = three(Preset::Cooperative, Crash::Never);
    let group = alice.room().group().clone();
    drop(alice.device.entered(&room_uri(), &group).apply());
    let elsewhere = RoomUri::parse("mimi://bob.example/r/elsewhere").unwrap();
    let others = GroupUri::parse("mimi://bob.example/g/1").unwrap();
    drop(alice.device.entered(&elsewhere, &others).apply());

    let mut tablet = Client::new("alice", "tablet", Crash::Never);
    let mut records = Records::default();
    let (client, key) = (tablet.device.client().clone(), tablet.device.signature_key().to_vec());
    let founding = Device::new(user("alice"), client, key, &Limits::default());
    assert!(records.save(founding.changes()));
    (tablet.device, _) = founding.apply();
    // The phone says which rooms there are.
    let rooms: Vec<_> =
        alice.device.rooms().map(|(room, group)| (room.clone(), group.clone())).collect();
    let step = tablet.device.want(rooms.clone());
    assert!(records.save(step.changes()));
    drop(step);
    assert_eq!(tablet.device.wanted().count(), 0, "dropped: it never happened");
    // It crashed after the save: what is wanted is known.
    tablet.device = Device::restore(&records, &Limits::default()).unwrap();
    assert_eq!(tablet.device.wanted().count(), 2);
    tablet.enter(&mut hub, &alice.tree(), RoleIndex::NONE).unwrap();
    alice.catch_up(&hub);
    same([&alice, &tablet]);
    assert_eq!(tablet.device.wanted().map(|(room, _)| room).collect::<Vec<_>>(), [&elsewhere]);
    assert_eq!(tablet.device.rooms().map(|(room, _)| room).collect::<Vec<_>>(), [&room_uri()]);
    // To want what it is in already changes nothing.
    let step = tablet.device.want(rooms);
    assert!(step.changes().is_empty());
    drop(step);
    drop(tablet.device.unwant(&elsewhere).apply());
    assert_eq!(tablet.device.wanted().count(), 0);
}

#[test]
fn d06_a_wanted_room_is_of_the_group_that_is_known() {
    let (hub, alice, ..) = three(Preset::Cooperative, Crash::Never);
    let mut tablet = Client::new("alice", "tablet", Crash::Never);
    let other = GroupUri::parse("mimi://alice.example/g/other").unwrap();
    drop(tablet.device.want([(room_uri(), other)]).apply());
    let request = tablet.ask(None);
    let response = hub.group_info(request.request(), &alice.tree());
    let none = RoleIndex::NONE;
    let limits = Limits::default();
    let result = Room::join_external(&tablet.env(), &request, &response, none, None, &limits);
    assert!(matches!(result, Err(Refusal::Impostor(Impostor::Group))), "{result:?}");
}

#[test]
fn d8a_what_was_not_answered_is_sent_again_octet_for_octet() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    alice.say("hello?").unwrap();
    let first = alice.room().outbox().next().unwrap();
    hub.submit(&first.body);
    // The reply is lost, and so is the app: it sends what it has, and gets the first answer.
    let again = alice.room().outbox().next().unwrap();
    assert_eq!(first, again);
    alice.send_one(&mut hub, &again);
    assert_eq!(bob.catch_up(&hub), [Received::Taken], "once");
    // The same for a commit: the hub answers what it answered before, and the room is not in an epoch of its own.
    let token = alice.token();
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    let first = alice.room().outbox().next().unwrap();
    hub.update(&first.body);
    let again = alice.room().outbox().next().unwrap();
    assert_eq!(first, again);
    alice.send_one(&mut hub, &again);
    alice.catch_up(&hub);
    bob.catch_up(&hub);
    same([&alice, &bob]);
}

#[test]
fn d01_members_compare_by_another_channel() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let (epoch, authenticator) = (bob.room().epoch(), bob.room().epoch_authenticator().to_vec());
    assert!(alice.act(|room, _| room.compare(epoch, &authenticator)).unwrap());
    assert!(alice.room().is_member());
    let result = alice.act(|room, _| room.compare(epoch + 1, &authenticator));
    assert!(matches!(result, Err(Refusal::Misuse(_))), "nothing to compare");
    // The hub has shown them two commits for one epoch.
    for client in [&mut alice, &mut bob] {
        let token = client.token();
        client.act(|room, env| room.update_self(env, token)).unwrap();
        let outgoing = client.room().outbox().next().unwrap();
        let timestamp = hub.tick();
        let outcome = UpdateOutcome::Success { accepted_timestamp: timestamp };
        let answer = UpdateRoomResponse { error_description: ErrorDescription::default(), outcome };
        client.act(|room, env| room.answer_update(env, outgoing.id, &answer)).unwrap();
    }
    let (epoch, authenticator) = (bob.room().epoch(), bob.room().epoch_authenticator().to_vec());
    assert!(!alice.act(|room, _| room.compare(epoch, &authenticator)).unwrap());
    super::hostile::forked(&mut alice, Evidence::Authenticator);
}
