//! What simulated worlds have found (`testing::world`), each as small as it gets.

use super::{
    super::member::Plan,
    hostile::{external, forked, hostile_commit, leaf_of, take},
    *,
};
use crate::{
    delivery::{self, ExternalProposal, LeafIndex},
    room::ParticipantListUpdate,
};

/// A tablet of Alice joins from outside, and nobody has told the hub.
fn joining(hub: &Hub, alice: &Client) -> Client {
    let mut tablet = Client::new("alice", "tablet", Crash::Never);
    let request = tablet.ask(None);
    let response = hub.group_info(request.request(), &alice.tree());
    let limits = Limits::default();
    let none = RoleIndex::NONE;
    let founding =
        Room::join_external(&tablet.env(), &request, &response, none, None, &limits).unwrap();
    tablet.found(founding);
    tablet.seen = hub.log.len();
    tablet
}

/// P-165, Q-46: a ban that the hub proposes again after an external commit comes with the removals of the banned user's
/// clients, and is nothing without them. Judged one by one, clients refused what the hub had accepted.
#[test]
fn stapled_proposals_are_judged_together() {
    let (mut hub, mut alice, ..) = three(Preset::Cooperative, Crash::Always);
    let token = alice.token();
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    alice.send_all(&mut hub);
    let mut tablet = joining(&hub, &alice);
    let place = tablet.room().committed().participants().find(user("bob")).unwrap().place;
    let ban = ParticipantListUpdate { changed: vec![(place, RoleIndex(1))], ..Default::default() };
    let ban = ExternalProposal::AppDataUpdate {
        component: ComponentId::PARTICIPANT_LIST.0,
        operation: delivery::ComponentOperation::Update(ban.encode()),
    };
    let remove = ExternalProposal::Remove(LeafIndex(leaf_of(&tablet, "bob").u32()));
    let staples = [ban, remove].map(|proposal| {
        let FanoutEvent::Proposals { first, .. } = external(&tablet, &hub.signer, &proposal).event
        else {
            panic!("a proposal")
        };
        first
    });
    tablet.send_all(&mut hub);
    let FanoutEvent::Commit { external_proposals, .. } = &mut hub.log.last_mut().unwrap().event
    else {
        panic!("a commit")
    };
    external_proposals.extend(staples);
    alice.catch_up(&hub);
    let events = alice.events();
    assert!(!events.iter().any(|event| matches!(event, Event::Forbidden { .. })), "{events:?}");
    assert_eq!(alice.room().effective().role(user("bob")), RoleIndex(1));
    assert!(alice.room().owes_commit());
}

/// D-82: two commits for one epoch, and ours is the external one that lost. That is a race, and no fork.
#[test]
fn an_external_commit_that_lost_the_race_is_no_fork() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let token = alice.token();
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    alice.send_all(&mut hub);
    bob.catch_up(&hub);
    let mut tablet = joining(&hub, &alice);
    let token = bob.token();
    bob.act(|room, env| room.update_self(env, token)).unwrap();
    bob.send_all(&mut hub);
    let commit = hub.log.last().unwrap().clone();
    assert_eq!(take(&mut tablet, &commit).unwrap(), Received::Taken);
    assert!(!tablet.room().is_forked());
    let events = tablet.events();
    let lost = |event: &Event| matches!(event, Event::Failed { reason: Failure::Obsolete, .. });
    assert!(events.iter().any(lost), "{events:?}");
    assert_eq!(tablet.room().outbox().count(), 0);
}

/// RFC 9420, section 12.4: nobody commits its own removal. It was blamed on the cryptography provider.
#[test]
fn a_client_whose_removal_waits_owes_no_commit() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let intent = Intent { remove: vec![participant("bob")], ..Intent::default() };
    let token = alice.token();
    alice.act(|room, env| room.propose(env, token, &intent)).unwrap();
    alice.send_all(&mut hub);
    alice.catch_up(&hub);
    bob.catch_up(&hub);
    assert!(alice.room().owes_commit());
    assert!(!bob.room().owes_commit());
    let token = bob.token();
    let refused = bob.act(|room, env| room.commit_pending(env, token));
    assert!(matches!(refused, Err(Refusal::Going)), "{refused:?}");
}

/// P-100: what others sent before our commits is still to come when the hub has answered them. A client that entered an
/// epoch with each answer had forgotten the secrets of then: the message was lost without a word.
#[test]
fn no_more_than_one_commit_of_ours_is_ahead_of_the_order() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    bob.say("before all that").unwrap();
    bob.send_all(&mut hub);
    let epoch = alice.room().epoch();
    two_ahead(&mut alice, &mut hub);
    let token = alice.token();
    let third = alice.act(|room, env| room.update_self(env, token));
    assert!(matches!(third, Err(Refusal::Busy)), "{third:?}");
    assert_eq!(accepted(&alice), 1, "of the second the app hears with its echo");

    alice.catch_up(&hub);
    assert_eq!(
        alice.texts(),
        [("mimi://bob.example/u/bob".to_owned(), "before all that".to_owned())]
    );
    assert_eq!(alice.room().epoch(), epoch + 2);
    bob.catch_up(&hub);
    same([&alice, &bob]);
    // The order has caught up, and answers do again.
    let token = alice.token();
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    alice.send_all(&mut hub);
    assert_eq!(alice.room().epoch(), epoch + 3);
}

/// D-01: of a commit that the hub has accepted and that is not merged yet another one in its place is told.
#[test]
fn d01_another_commit_in_the_place_of_an_accepted_one_is_a_fork() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    two_ahead(&mut alice, &mut hub);
    let first = hub.log[alice.seen].clone();
    take(&mut bob, &first).unwrap();
    assert_eq!(take(&mut alice, &first).unwrap(), Received::Echo);
    let other = hostile_commit(&mut bob, Plan::default());
    take(&mut alice, &other).unwrap();
    assert_eq!(accepted(&alice), 2);
    forked(&mut alice, Evidence::SecondCommit);
}

/// Two commits that the hub has accepted, and the order has brought neither.
fn two_ahead(alice: &mut Client, hub: &mut Hub) {
    let epoch = alice.room().epoch();
    for _ in 0..2 {
        let token = alice.token();
        alice.act(|room, env| room.update_self(env, token)).unwrap();
        alice.send_all(hub);
        assert_eq!(alice.room().epoch(), epoch + 1);
        assert_eq!(alice.room().outbox().count(), 0);
    }
}

/// How many wishes the app has heard to be accepted.
fn accepted(client: &Client) -> usize {
    client.room().events().filter(|(_, event)| matches!(event, Event::Accepted { .. })).count()
}

/// somebody speaks by a role that waits. The member who has committed that role takes the message an epoch
/// later, and judged it by what its epoch had agreed on, without what waited.
#[test]
fn late_messages_are_judged_with_what_waited() {
    let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Announcement, Crash::Always);
    assert!(bob.say("not yet").is_err());
    let speaks = alice.room().committed().role(user("alice"));
    let intent = Intent { roles: vec![(participant("bob"), speaks)], ..Intent::default() };
    let token = alice.token();
    alice.act(|room, env| room.propose(env, token, &intent)).unwrap();
    alice.send_all(&mut hub);
    for client in [&mut alice, &mut bob, &mut carol] {
        client.catch_up(&hub);
        client.events();
    }
    // Bob's own commit is on its way, and late.
    let token = bob.token();
    bob.act(|room, env| room.commit_pending(env, token)).unwrap();
    bob.say("thank you").unwrap();
    let message = bob.room().outbox().find(|it| it.endpoint == Endpoint::SubmitMessage).unwrap();
    bob.send_one(&mut hub, &message);
    let token = alice.token();
    alice.act(|room, env| room.commit_pending(env, token)).unwrap();
    alice.send_all(&mut hub);
    for client in [&mut alice, &mut carol] {
        client.catch_up(&hub);
        assert_eq!(client.texts().len(), 1);
    }
}

/// the hub wants a client out, and its user leaves by itself; then the first comes once more, for the acknowledgement
/// was lost. It has lapsed, and was taken for something that the hub must not let in.
#[test]
fn a_proposal_that_has_lapsed_may_come_again() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let remove = ExternalProposal::Remove(LeafIndex(leaf_of(&alice, "bob").u32()));
    let remove = external(&alice, &hub.signer, &remove);
    take(&mut alice, &remove).unwrap();
    let token = bob.token();
    bob.act(|room, env| room.leave(env, token)).unwrap();
    bob.send_all(&mut hub);
    alice.catch_up(&hub);
    alice.events();
    let effective = alice.room().effective().clone();
    for _ in 0..2 {
        assert_eq!(take(&mut alice, &remove).unwrap(), Received::Duplicate);
        assert_eq!(alice.events(), []);
        assert_eq!(alice.room().effective(), &effective);
    }
    let token = alice.token();
    alice.act(|room, env| room.commit_pending(env, token)).unwrap();
    alice.send_all(&mut hub);
    assert!(alice.room().state.head.lapsed.is_empty(), "of that epoch");
}

/// Q-38, P-118: a client asks to leave, loses what it knows and wants back in with the same key, before somebody has
/// committed its leave. Its old leaf would go twice, which MLS forbids: it was counted twice, and the engine panicked.
#[test]
fn who_has_asked_to_leave_does_not_join_again_before_it_is_out() {
    let (mut hub, mut alice, _, mut carol) = three(Preset::Cooperative, Crash::Always);
    let token = carol.token();
    carol.act(|room, env| room.leave(env, token)).unwrap();
    carol.send_all(&mut hub);
    let (none, limits) = (RoleIndex::NONE, Limits::default());
    let request = carol.ask(None);
    let response = hub.group_info(request.request(), &alice.tree());
    let join = Room::join_external(&carol.env(), &request, &response, none, None, &limits);
    assert!(matches!(join, Err(Refusal::Going)), "{join:?}");

    alice.catch_up(&hub);
    let token = alice.token();
    alice.act(|room, env| room.commit_pending(env, token)).unwrap();
    alice.send_all(&mut hub);
    let request = carol.ask(None);
    let response = hub.group_info(request.request(), &alice.tree());
    let join = Room::join_external(&carol.env(), &request, &response, none, None, &limits);
    assert!(matches!(join, Err(Refusal::Denied(_))), "as anybody who is not listed: {join:?}");
}

/// two bundles that begin alike are two. The echo of the first was taken for that of the second, which the hub had
/// never seen.
#[test]
fn an_echo_is_of_a_whole_bundle() {
    let (mut hub, mut alice, _, carol) = three(Preset::Cooperative, Crash::Always);
    let remove_clients = vec![carol.device.signature_key().to_vec()];
    let one = Intent { remove_clients, ..Intent::default() };
    let two = Intent { roles: vec![(participant("bob"), RoleIndex(3))], ..one.clone() };
    let token = alice.token();
    alice.act(|room, env| room.propose(env, token, &one)).unwrap();
    alice.send_all(&mut hub);
    let token = alice.token();
    alice.act(|room, env| room.propose(env, token, &two)).unwrap();
    alice.catch_up(&hub);
    assert_eq!(accepted(&alice), 1);
    assert_eq!(alice.room().outbox().count(), 1);
}
