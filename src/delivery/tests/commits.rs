//! Commits: those that members send, those that a hostile member could send, and what comes with them.

use openmls::prelude::*;
use openmls_rust_crypto::OpenMlsRustCrypto;

use super::{client::*, parts::*, room::*};
use crate::{
    delivery::{
        CommitBundle, CommitRefusal, Committer, Conflict, GroupInfoFault, GroupInfoForm, LeafFault,
        LeafIndex, ProposalFault, Sender, TreeForm,
    },
    env::Timestamp,
};

/// What is wrong with the proposal that a commit is refused for.
pub(super) fn fault(refusal: CommitRefusal) -> ProposalFault {
    match refusal {
        CommitRefusal::Proposal { fault, .. } => fault,
        other => panic!("{other:?}"),
    }
}

/// A commit of the same client with other proposals, with the path of `made`, and without its GroupInfo.
pub(super) fn refused(room: &Room, commit: &[u8]) -> CommitRefusal {
    let bundle = CommitBundle {
        welcome: None,
        group_info: GroupInfoForm::Partial(&[]),
        ratchet_tree: TreeForm::DistributionService,
    };
    room.judge_with(commit, &bundle).unwrap_err()
}

/// A commit with a path of the member at `from`, to forge others from.
pub(super) fn with_path(room: &mut Room, from: usize) -> Made {
    let made = room.clients[from].update_path();
    room.clients[from].forget_commit();
    made
}

#[test]
fn a_room_grows_and_changes() {
    let mut room = Room::new(3);
    let made = room.clients[1].commit(vec![update_component(LIST, b"bob;")]);
    room.accept(1, &made);
    assert_eq!(room.group.component(LIST), Some(&b"alice;bob;"[..]));
    let made = room.clients[2].update_path();
    room.accept(2, &made);
    let made = room.clients[0].commit(vec![remove(LeafIndex(1)), update_component(NAME, b"new")]);
    let staged = room.judge(&made).unwrap();
    assert_eq!(staged.committer(), &Committer::Member(LeafIndex(0)));
    assert_eq!(staged.epoch(), room.group.epoch() + 1);
    let removed: Vec<_> =
        staged.removed().iter().map(|(leaf, old)| (*leaf, &old.identity[..])).collect();
    assert_eq!(removed, [(LeafIndex(1), &b"mimi://hub.example/u/user1"[..])]);
    drop(staged);
    room.accept(0, &made);
    assert_eq!(room.group.members().count(), 2);
    assert!(room.group.member(LeafIndex(1)).is_none());
    // The free leaf is taken again.
    room.add_members(3..5);
    let leaves: Vec<_> = room.group.members().map(|it| it.leaf.0).collect();
    assert_eq!(leaves, [0, 1, 2, 3]);
}

/// D-82, P-113.
#[test]
fn of_two_commits_the_first_wins() {
    let mut room = Room::new(3);
    let first = room.clients[0].update_path();
    let second = room.clients[1].update_path();
    let staged = room.judge(&second).unwrap();
    assert_eq!(staged.epoch(), 2);
    room.clients[1].forget_commit();
    room.accept(0, &first);
    assert_eq!(refused(&room, &second.commit), CommitRefusal::WrongEpoch { current: 2 });
    // A commit opened before the first was accepted does not resolve after it.
    let mut room = Room::new(2);
    let crypto = OpenMlsRustCrypto::default();
    let late = room.clients[1].update_path();
    let open = room.group.open_commit(crypto.crypto(), NOW, &late.commit).unwrap();
    room.clients[1].forget_commit();
    let first = room.clients[0].update_path();
    room.accept(0, &first);
    let resolved = open.resolve(&room.group, crypto.crypto(), Default::default(), &late.bundle());
    assert_eq!(resolved.unwrap_err(), CommitRefusal::WrongEpoch { current: 2 });
}

/// The engine forks the group if a stale commit is merged: the assertion keeps it from that.
#[test]
#[should_panic(expected = "accepted where it was staged")]
fn a_stale_staged_commit_is_never_merged() {
    let mut room = Room::new(2);
    let first = room.clients[0].update_path();
    let second = room.clients[1].update_path();
    let first = room.judge(&first).unwrap();
    let second = room.judge(&second).unwrap();
    room.group.accept_commit(first);
    room.group.accept_commit(second);
}

/// P-019, D-83, Q-79.
#[test]
fn what_is_pending_has_to_be_in_the_next_commit() {
    let mut room = Room::new(4);
    let message = room.clients[1].propose(Propose::Remove(2));
    let without = room.clients[0].update_path();
    room.clients[0].forget_commit();
    let names = room.propose(&[&message]).unwrap();
    assert!(room.bare_engine_accepts(&without.commit));
    assert_eq!(room.judge(&without).unwrap_err(), CommitRefusal::Missing(names.clone()));
    // A reference to what is not pending.
    let other =
        room.clients[0].forge(&without.commit, &[by_reference(&names[0]), [2, 1, 0].to_vec()]);
    assert!(matches!(refused(&room, &other), CommitRefusal::UnknownReference(_)));
    room.deliver(&message, Some(1));
    let with = room.clients[0].commit(vec![]);
    let staged = room.judge(&with).unwrap();
    let proposal = &staged.proposals()[0];
    assert_eq!(proposal.sender, Sender::Member(LeafIndex(1)));
    assert_eq!(proposal.reference.as_ref(), Some(&names[0]));
    drop(staged);
    room.accept(0, &with);
    assert_eq!(room.group.pending().count(), 0);
}

/// A member cannot commit its own Update, so it may leave that out; everybody else may not.
#[test]
fn the_committers_own_update_is_not_obligatory() {
    let mut room = Room::new(3);
    let message = room.clients[1].propose(Propose::Update(LeafNodeParameters::default()));
    let names = room.propose(&[&message]).unwrap();
    let others = with_path(&mut room, 0);
    assert_eq!(room.judge(&others).unwrap_err(), CommitRefusal::Missing(names.clone()));
    let own = room.clients[1].update_path();
    let forged = room.clients[1].forge(&own.commit, &[by_reference(&names[0])]);
    assert_eq!(fault(refused(&room, &forged)), ProposalFault::OwnLeaf);
    room.accept(1, &own);
}

/// Whom a commit removes by value, that one's Update need not be in it: they exclude each other.
#[test]
fn an_update_does_not_keep_its_sender_in_the_group() {
    let mut room = Room::new(3);
    let message = room.clients[1].propose(Propose::Update(LeafNodeParameters::default()));
    let names = room.propose(&[&message]).unwrap();
    let made = room.clients[0].commit(vec![remove(LeafIndex(2))]);
    room.clients[0].forget_commit();
    assert_eq!(room.judge(&made).unwrap_err(), CommitRefusal::Missing(names));
    let made = room.clients[0].commit(vec![remove(LeafIndex(1))]);
    room.accept(0, &made);
}

/// An Add whose KeyPackage expires while it waits would be in the way of every commit.
#[test]
fn an_expired_add_is_in_nobodys_way() {
    let mut room = Room::new(3);
    let crypto = OpenMlsRustCrypto::default();
    let without = with_path(&mut room, 0);
    let carol = Client::new("mimi://b.example/u/carol");
    let message = room.clients[1].propose(Propose::Add(carol.key_package()));
    let names = room.propose(&[&message]).unwrap();
    assert_eq!(room.judge(&without).unwrap_err(), CommitRefusal::Missing(names.clone()));
    assert_eq!(room.group.expired(NOW).count(), 0);
    let late = Timestamp(7_258_118_401_000);
    assert!(room.group.expired(late).eq(&names));
    assert!(room.group.open_commit(crypto.crypto(), late, &without.commit).is_ok());
    room.deliver(&message, Some(1));
    let with = room.clients[0].commit(vec![]);
    let refusal = room.group.open_commit(crypto.crypto(), late, &with.commit).unwrap_err();
    assert_eq!(fault(refusal), ProposalFault::Leaf(LeafFault::Lifetime));
}

/// No octet of a commit changes unnoticed. The last two vectors are the tags that no server can tell; of these the
/// GroupInfo shows the first.
#[test]
fn every_flipped_octet_is_noticed() {
    let mut room = Room::new(3);
    let made = room.clients[1].commit(vec![update_component(NAME, b"x"), remove(LeafIndex(2))]);
    assert!(room.judge(&made).is_ok());
    let tag = made.commit.len() - 33;
    for at in 0..made.commit.len() {
        let mut other = made.commit.clone();
        other[at] ^= 1 << (at % 8);
        let judged = room.judge_with(&other, &made.bundle());
        match at > tag {
            true => assert!(judged.is_ok()),
            false => assert!(judged.is_err(), "{at}"),
        }
    }
}

/// B5: lists of AppDataUpdates that are invalid (E-022, E-023), and that the engine merges.
#[test]
fn components_are_changed_once_and_only_if_they_are_there() {
    let mut room = Room::new(2);
    let any = with_path(&mut room, 1);
    let update = by_value(&update_component(NAME, b"x"));
    let remove = by_value(&remove_component(NAME));
    let cases = [
        (vec![update.clone(), remove.clone()], ProposalFault::Conflict(Conflict::ComponentRemoval)),
        (vec![remove.clone(), remove], ProposalFault::Conflict(Conflict::Repeated)),
        (vec![by_value(&remove_component(SPARE))], ProposalFault::NoSuchComponent(SPARE)),
        (vec![update.clone(), update.clone()], ProposalFault::Conflict(Conflict::Repeated)),
        (
            vec![update, by_value(&update_component(NAME, b"y"))],
            ProposalFault::Conflict(Conflict::Component),
        ),
        (
            vec![by_value(&update_component(LIST, b"x;")); 2],
            ProposalFault::Conflict(Conflict::Repeated),
        ),
    ];
    for (proposals, expected) in cases {
        let forged = room.clients[1].forge_pathless(&any.commit, &proposals);
        assert!(room.bare_engine_accepts(&forged), "{expected:?}");
        assert_eq!(fault(refused(&room, &forged)), expected);
    }
    // The list accumulates, so it may be updated twice.
    let two = vec![update_component(LIST, b"x;"), update_component(LIST, b"y;")];
    let made = room.clients[1].commit(two);
    room.accept(1, &made);
    assert_eq!(room.group.component(LIST), Some(&b"alice;x;y;"[..]));
}

/// E-070: a SelfRemove is committed by reference, and not by whom it removes.
#[test]
fn nobody_commits_its_own_leaving() {
    let mut room = Room::new(3);
    let made = with_path(&mut room, 1);
    let by_value = room.clients[1].forge(&made.commit, &[by_value(&Proposal::SelfRemove)]);
    assert!(room.bare_engine_accepts(&by_value));
    assert_eq!(fault(refused(&room, &by_value)), ProposalFault::ByValue);
    let message = room.clients[1].leave();
    let names = room.propose(&[&message]).unwrap();
    let own = room.clients[1].forge(&made.commit, &[by_reference(&names[0])]);
    assert!(room.bare_engine_accepts(&own));
    assert_eq!(fault(refused(&room, &own)), ProposalFault::OwnLeaf);
}

/// E-075, and RFC 9420, section 12.2: one proposal per leaf.
#[test]
fn a_leaf_is_removed_once() {
    let mut room = Room::new(4);
    let made = room.clients[0].commit(vec![remove(LeafIndex(2))]);
    room.clients[0].forget_commit();
    let twice = vec![by_value(&remove(LeafIndex(2))); 2];
    let forged = room.clients[0].forge(&made.commit, &twice);
    assert!(room.bare_engine_accepts(&forged));
    let refusal = fault(refused(&room, &forged));
    assert_eq!(refusal, ProposalFault::Conflict(Conflict::Repeated));

    let message = room.clients[2].leave();
    let names = room.propose(&[&message]).unwrap();
    room.clients[0].receive(&message);
    let made = room.clients[0].commit(vec![]);
    room.clients[0].forget_commit();
    let both = vec![by_reference(&names[0]), by_value(&remove(LeafIndex(2)))];
    let forged = room.clients[0].forge(&made.commit, &both);
    assert!(room.bare_engine_accepts(&forged));
    let refusal = fault(refused(&room, &forged));
    assert_eq!(refusal, ProposalFault::Conflict(Conflict::Leaving));
}

/// P-119, D-5B: types that no commit may hold.
#[test]
fn some_types_are_never_committed() {
    let mut room = Room::new(2);
    let any = with_path(&mut room, 1);
    // ReInit: group_id, version, ciphersuite, extensions.
    let reinit = vec![1, 0, 5, 1, b'g', 0, 1, 0, 1, 0];
    // PreSharedKey: external, psk_id, psk_nonce.
    let mut psk = vec![1, 0, 4, 1, 1, b'k', 32];
    psk.extend([3; 32]);
    // AppEphemeral: component, data.
    let ephemeral = vec![1, 0, 9, 0, 0x22, 1, b'x'];
    let update = by_value(&update_component(NAME, b"x"));
    for (proposal, kind) in [(reinit, 5), (psk, 4), (ephemeral, 9)] {
        let list = [proposal, update.clone()];
        let forged = room.clients[1].forge_pathless(&any.commit, &list);
        assert!(room.bare_engine_accepts(&forged), "{kind}");
        assert_eq!(fault(refused(&room, &forged)), ProposalFault::Type(kind));
    }
}

/// RFC 9420, section 12.4.
#[test]
fn a_path_is_there_where_there_must_be_one() {
    let mut room = Room::new(3);
    let any = with_path(&mut room, 1);
    for list in [vec![], vec![by_value(&remove(LeafIndex(2)))]] {
        let forged = room.clients[1].forge_pathless(&any.commit, &list);
        assert!(!room.bare_engine_accepts(&forged));
        assert_eq!(refused(&room, &forged), CommitRefusal::NoPath);
    }
    // AppDataUpdates need none (E-030), nor do Adds.
    let made = room.clients[1].commit(vec![update_component(NAME, b"x")]);
    assert!(room.judge(&made).unwrap().path().is_none());
}

/// P-276, and the framing of commits.
#[test]
fn only_a_public_message_of_a_member_commits() {
    let mut room = Room::new(2);
    let made = with_path(&mut room, 1);
    let mut other = made.commit.clone();
    other[3] = 2;
    assert_eq!(refused(&room, &other), CommitRefusal::WireFormat);
    let mut other = made.commit.clone();
    other[6] ^= 1;
    assert_eq!(refused(&room, &other), CommitRefusal::WrongGroup);
    let last = made.commit.len() - 70;
    let mut other = made.commit.clone();
    other[last] ^= 1;
    assert!(matches!(
        refused(&room, &other),
        CommitRefusal::Signature | CommitRefusal::Malformed(_)
    ));
    let proposal = room.clients[1].propose(Propose::Remove(0));
    assert_eq!(refused(&room, &proposal), CommitRefusal::ContentType);
    for length in 0..made.commit.len() {
        assert!(matches!(refused(&room, &made.commit[..length]), CommitRefusal::Malformed(_)));
    }
}

/// The application answers for exactly the components that the commit updates.
#[test]
fn components_come_from_the_application() {
    let mut room = Room::new(2);
    let crypto = OpenMlsRustCrypto::default();
    let made = room.clients[1].commit(vec![update_component(NAME, b"x")]);
    let resolve = |changes: &[(u16, Option<&[u8]>)]| {
        let changes = changes.iter().map(|(id, it)| (*id, it.map(<[u8]>::to_vec))).collect();
        let open = room.group.open_commit(crypto.crypto(), NOW, &made.commit).unwrap();
        open.resolve(&room.group, crypto.crypto(), changes, &made.bundle()).map(|it| it.epoch())
    };
    assert_eq!(resolve(&[(NAME, Some(b"x"))]), Ok(2));
    assert_eq!(resolve(&[]), Err(CommitRefusal::Components(NAME)));
    assert_eq!(resolve(&[(NAME, None)]), Err(CommitRefusal::Components(NAME)));
    let two: [(u16, Option<&[u8]>); 2] = [(NAME, Some(b"x")), (LIST, Some(b"x"))];
    assert_eq!(resolve(&two), Err(CommitRefusal::Components(LIST)));
    // Another value than the committer's: its GroupInfo tells.
    let differs = CommitRefusal::GroupInfo(GroupInfoFault::Differs);
    assert_eq!(resolve(&[(NAME, Some(b"y"))]), Err(differs));
}

/// E-012, E-087, Q-50: a component comes in only if everybody knows it.
#[test]
fn a_new_component_is_known_to_all() {
    let mut room = Room::new(2);
    let any = with_path(&mut room, 1);
    let list = [by_value(&update_component(UNKNOWN, b"x"))];
    let forged = room.clients[1].forge_pathless(&any.commit, &list);
    assert!(room.bare_engine_accepts(&forged));
    let fault = fault(refused(&room, &forged));
    let leaf = LeafIndex(0);
    assert_eq!(fault, ProposalFault::Unsupported { leaf, component: UNKNOWN });
    let made = room.clients[1].commit(vec![update_component(SPARE, b"x")]);
    room.accept(1, &made);
    let made = room.clients[0].commit(vec![remove_component(SPARE)]);
    room.accept(0, &made);
    assert_eq!(room.group.component(SPARE), None);
}
