//! Forged external commits, and clients that could not follow the room; see `forged`.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    delivery::{CommitRefusal, ExternalFault, LeafFault, ProposalFault},
    hub::UpdateRefusal,
    policy::RoleIndex,
    room::ComponentId,
};

use crate::{forged::*, kit::*};

/// Q-38, P-118.
#[test]
fn q_38_an_external_commit_that_removes_somebody_else() {
    let mut world = World::clubhouse();
    let mut tablet = Client::new("cathy@c.example/tablet");
    let given = world.hub.group_info(&tablet).unwrap();
    let honest = tablet.enter(&given, None);
    let alices = world.client("alice").leaf();
    let context = world.hub.room.group_context().to_vec();
    let forged = Forge::commit_and(&tablet, &context, &honest.commit, &[by_value(&remove(alices))]);
    let body = honest.with_commit(forged).body();
    let refusal = refused(&mut world, &server("c.example"), &body, INVALID);
    assert_eq!(
        refusal,
        UpdateRefusal::Commit(CommitRefusal::External(ExternalFault::RemovesOther))
    );
    // Not even the user's other client, which has a key of its own: it is not this one.
    world.clients.push(tablet);
    world.committed("cathy@c.example/tablet", &honest);
}

/// P-118: an Add has no place in an external commit.
#[test]
fn p_118_an_external_commit_that_adds() {
    let mut world = World::clubhouse();
    let mut tablet = Client::new("cathy@c.example/tablet");
    let given = world.hub.group_info(&tablet).unwrap();
    let honest = tablet.enter(&given, None);
    let watch = Client::new("cathy@c.example/watch");
    let context = world.hub.room.group_context().to_vec();
    let forged = Forge::commit_and(
        &tablet,
        &context,
        &honest.commit,
        &[by_value(&add(watch.key_package()))],
    );
    let body = honest.with_commit(forged).body();
    let refusal = refused(&mut world, &server("c.example"), &body, INVALID);
    assert_eq!(refusal, UpdateRefusal::Commit(CommitRefusal::External(ExternalFault::Type)));
}

/// P-182: whoever commits from outside has asked the hub for the GroupInfo, itself and not too long ago.
#[test]
fn p_182_an_external_commit_by_somebody_who_did_not_ask() {
    let mut world = World::clubhouse();
    let asked = Client::new("cathy@c.example/tablet");
    let given = world.hub.group_info(&asked).unwrap();
    let mut other = Client::new("cathy@c.example/watch");
    let bundle = other.enter(&given, None);
    let refusal = refused(&mut world, &server("c.example"), &bundle.body(), NOT_ALLOWED);
    assert_eq!(refusal, UpdateRefusal::UnknownJoiner);
    let mut late = Client::new("cathy@c.example/tv");
    let given = world.hub.group_info(&late).unwrap();
    let bundle = late.enter(&given, None);
    world.hub.now = world.hub.now.plus(world.hub.limits.joiner_for);
    let refusal = refused(&mut world, &server("c.example"), &bundle.body(), NOT_ALLOWED);
    assert_eq!(refusal, UpdateRefusal::UnknownJoiner);
    // Once: the joiner is forgotten with the commit that it made.
    let given = world.hub.group_info(&late).unwrap();
    late.group = None;
    let bundle = late.enter(&given, None);
    world.clients.push(late);
    world.committed("cathy@c.example/tv", &bundle);
}

/// R-124, P-118: somebody who is not on the list, in a room that is not open.
#[test]
fn r_124_an_external_commit_by_a_stranger() {
    let mut world = World::clubhouse();
    let mallory = Client::new("mallory@m.example/phone");
    let refusal = world.hub.group_info(&mallory).unwrap_err();
    assert_eq!(refusal, openmimi::hub::GroupInfoRefusal::NotAuthorized);
    // With what a friend has passed on it does not come in either.
    let friend = Client::new("cathy@c.example/tablet");
    let given = world.hub.group_info(&friend).unwrap();
    let mut mallory = Client::new("mallory@m.example/phone");
    let bundle = mallory.enter(&given, Some(RoleIndex(2)));
    refused(&mut world, &server("m.example"), &bundle.body(), NOT_ALLOWED);
}

/// E-012, Q-50: a client that does not know the room's components would fork itself off.
#[test]
fn q_50_a_client_that_does_not_know_the_components() {
    let mut world = World::clubhouse();
    let tablet = Client::new("bob@b.example/tablet");
    let known: Vec<u16> = ComponentId::KNOWN
        .iter()
        .copied()
        .filter(|id| *id != ComponentId::ROLES_LIST)
        .map(|id| id.0)
        .collect();
    let bob = world.client("bob@b.example");
    let bundle = bob.commit(vec![add(tablet.key_package_that_knows(&known))]);
    let refusal = refused(&mut world, &server("b.example"), &bundle.body(), INVALID);
    assert_eq!(
        refusal,
        UpdateRefusal::Commit(CommitRefusal::Proposal {
            index: 0,
            reference: None,
            fault: ProposalFault::Leaf(LeafFault::Component(ComponentId::ROLES_LIST.0)),
        })
    );
    goes_on(&mut world);
}
