//! Forged messages around a commit, and commits from elsewhere; see `forged`.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::Wire,
    delivery::{CommitRefusal, GroupInfoFault, WelcomeFault},
    hub::{Answer, UpdateRefusal},
    policy::RoleIndex,
    room::ParticipantListUpdate,
    wire::{GroupInfo, GroupInfoOption, RatchetTree, RatchetTreeOption},
};

use crate::{forged::*, kit::*};

/// P-117.
#[test]
fn p_117_a_welcome_for_others() {
    let mut world = World::clubhouse();
    let (dave, erin) = (Client::new("dave@d.example/phone"), Client::new("erin@e.example/phone"));
    let bob = world.client("bob@b.example");
    let entry = |who: &Client| {
        list_update(&ParticipantListUpdate {
            added: vec![(who.user.clone().into(), RoleIndex(2))],
            ..Default::default()
        })
    };
    let erins = bob.commit(vec![entry(&erin), add(erin.key_package())]);
    bob.forget_commit();
    let daves = bob.commit(vec![entry(&dave), add(dave.key_package())]);
    bob.forget_commit();
    let nobodys = bob.update_path();
    bob.forget_commit();
    let fault = |refusal| match refusal {
        UpdateRefusal::Commit(CommitRefusal::Welcome(fault)) => fault,
        other => panic!("{other:?}"),
    };
    let b = server("b.example");
    let swapped = Bundle { welcome: erins.welcome.clone(), ..daves.clone() };
    let refusal = refused(&mut world, &b, &swapped.body(), NOT_ALLOWED);
    assert_eq!(fault(refusal), WelcomeFault::Addressees);
    let without = Bundle { welcome: None, ..daves.clone() };
    let refusal = refused(&mut world, &b, &without.body(), NOT_ALLOWED);
    assert_eq!(fault(refusal), WelcomeFault::Missing);
    let surplus = Bundle { welcome: erins.welcome.clone(), ..nobodys };
    let refusal = refused(&mut world, &b, &surplus.body(), NOT_ALLOWED);
    assert_eq!(fault(refusal), WelcomeFault::Surplus);
    world.hub.update(&b, &daves.body()).unwrap();
}

/// T-011, T-012: nobody could join with it.
#[test]
fn t_011_a_group_info_or_tree_of_another_epoch() {
    let mut world = World::clubhouse();
    let b = server("b.example");
    let bob = world.client("bob@b.example");
    let (before, tree) = (bob.group_info(), bob.ratchet_tree());
    let other = bob.update_path();
    bob.forget_commit();
    let bundle = bob.update_path();
    let old = GroupInfoOption::Full(GroupInfo::decode(&before).unwrap());
    let fault = |refusal| match refusal {
        UpdateRefusal::Commit(CommitRefusal::GroupInfo(fault)) => fault,
        other => panic!("{other:?}"),
    };
    for group_info in [old, other.group_info.clone()] {
        let forged = Bundle { group_info, ..bundle.clone() };
        let refusal = refused(&mut world, &b, &forged.body(), NOT_ALLOWED);
        assert_eq!(fault(refusal), GroupInfoFault::Differs);
    }
    let GroupInfoOption::Full(right) = &bundle.group_info else { panic!() };
    let mut unsigned = right.as_bytes().to_vec();
    *unsigned.last_mut().unwrap() ^= 1;
    let unsigned = GroupInfoOption::Full(GroupInfo::decode(&unsigned).unwrap());
    let forged = Bundle { group_info: unsigned, ..bundle.clone() };
    let refusal = refused(&mut world, &b, &forged.body(), NOT_ALLOWED);
    assert_eq!(fault(refusal), GroupInfoFault::Signature);
    let ratchet_tree = RatchetTreeOption::Full(RatchetTree::decode(&tree).unwrap());
    let forged = Bundle { ratchet_tree, ..bundle.clone() };
    let refusal = refused(&mut world, &b, &forged.body(), NOT_ALLOWED);
    assert_eq!(refusal, UpdateRefusal::Commit(CommitRefusal::Tree));
    // Absent: no such body.
    let mut cut = bundle.body();
    cut.truncate(bundle.commit.len() + 1);
    let refusal = world.hub.update(&b, &cut).unwrap_err();
    assert_eq!(refusal.answer(), Answer::Status(400));
    world.committed("bob@b.example", &bundle);
}

/// P-113: for another group, or an epoch to come.
#[test]
fn p_113_another_group_or_epoch() {
    let mut world = World::clubhouse();
    let bob = world.client("bob@b.example");
    let honest = bob.update_path();
    let (id, epoch) = (bob.mls().group_id().as_slice().to_vec(), bob.epoch());
    let elsewhere = Forge::commit_for(bob, b"mimi://a.example/g/other", epoch, &honest.commit);
    let future = Forge::commit_for(bob, &id, epoch + 1, &honest.commit);
    let b = server("b.example");
    let refusal = refused(&mut world, &b, &honest.with_commit(elsewhere).body(), NOT_ALLOWED);
    assert_eq!(refusal, UpdateRefusal::Commit(CommitRefusal::WrongGroup));
    let refusal = refused(&mut world, &b, &honest.with_commit(future).body(), WRONG_EPOCH);
    assert_eq!(refusal, UpdateRefusal::WrongEpoch { current: 2 });
    // Signed by nobody.
    let mut unsigned = honest.commit.clone();
    let at = unsigned.len() - 70;
    unsigned[at] ^= 1;
    let refusal = refused(&mut world, &b, &honest.with_commit(unsigned).body(), NOT_ALLOWED);
    assert_eq!(refusal, UpdateRefusal::Commit(CommitRefusal::Signature));
    world.committed("bob@b.example", &honest);
}

/// P-101: handshakes are public.
#[test]
fn p_101_a_private_handshake() {
    let mut world = World::clubhouse();
    let bob = world.client("bob@b.example");
    let honest = bob.update_path();
    bob.forget_commit();
    let private = bob.encrypt(b"no handshake", Some(&[1; 32]));
    let mut body = private;
    body.extend_from_slice(&honest.body()[honest.commit.len()..]);
    let records = world.hub.records();
    let refusal = world.hub.update(&server("b.example"), &body).unwrap_err();
    assert_eq!(world.hub.records(), records);
    assert_eq!(refusal.answer(), Answer::Status(400));
    assert!(matches!(refusal, UpdateRefusal::Malformed(_)));
}
