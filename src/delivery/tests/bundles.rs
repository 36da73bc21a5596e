//! What comes with a commit: Welcome, GroupInfo and tree.

use super::{client::*, commits::with_path, parts::*, room::*};
use crate::delivery::{
    CommitBundle, CommitRefusal, GroupInfoFault, GroupInfoForm, TreeForm, WelcomeFault,
    external::sign_content, welcome_refs,
};

/// B5, the first row of the table: no server can tell a wrong confirmation tag, but the GroupInfo has to fit it.
#[test]
fn a_garbage_confirmation_tag_does_not_fit_the_group_info() {
    let mut room = Room::new(2);
    let made = with_path(&mut room, 1);
    let forged = room.clients[1].forge(&made.commit, &[]);
    assert!(room.bare_engine_accepts(&forged));
    let refusal = room.judge_with(&forged, &made.bundle()).unwrap_err();
    assert_eq!(refusal, CommitRefusal::GroupInfo(GroupInfoFault::Differs));
}

/// P-117.
#[test]
fn the_welcome_is_for_exactly_those_that_are_added() {
    let mut room = Room::new(2);
    let fresh = [Client::new("mimi://b.example/u/carol"), Client::new("mimi://b.example/u/dave")];
    let made = room.clients[0].commit(fresh.iter().map(add).collect());
    room.clients[0].forget_commit();
    let one = room.clients[0].commit(vec![add(&fresh[0])]);
    room.clients[0].forget_commit();
    let none = with_path(&mut room, 0);
    let welcome = made.welcome.as_deref().unwrap();
    assert_eq!(welcome_refs(welcome).unwrap().len(), 2);
    let judge = |made: &Made, welcome| {
        let bundle = CommitBundle { welcome, ..made.bundle() };
        match room.judge_with(&made.commit, &bundle).map(|_| ()).unwrap_err() {
            CommitRefusal::Welcome(fault) => fault,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(judge(&made, None), WelcomeFault::Missing);
    assert_eq!(judge(&made, one.welcome.as_deref()), WelcomeFault::Addressees);
    assert_eq!(judge(&one, Some(welcome)), WelcomeFault::Addressees);
    assert_eq!(judge(&none, Some(welcome)), WelcomeFault::Surplus);
    let mut other_suite = welcome.to_vec();
    other_suite[1] = 3;
    assert_eq!(judge(&made, Some(&other_suite)), WelcomeFault::Ciphersuite);
    for length in 0..welcome.len() {
        assert!(matches!(judge(&made, Some(&welcome[..length])), WelcomeFault::Malformed(_)));
    }
    let staged = room.judge(&made).unwrap();
    let leaves: Vec<_> = staged.added().map(|(_, leaf, _)| leaf.0).collect();
    assert_eq!(leaves, [2, 3]);
}

/// B7, T-008 … T-012, P-110: both forms lead to one GroupInfo, octet for octet.
#[test]
fn a_partial_group_info_is_made_whole() {
    let mut room = Room::new(2);
    let made = with_path(&mut room, 1);
    let whole = room.judge(&made).unwrap();
    assert_eq!(whole.group_info(), made.group_info);
    let (extensions, signature) = split_info(whole.group_context(), &made.group_info);
    let partial = |presence: u8| {
        let mut partial = vec![presence];
        partial.extend_from_slice(extensions);
        partial.extend_from_slice(signature);
        partial
    };
    let judge = |octets: &[u8]| {
        let bundle = CommitBundle { group_info: GroupInfoForm::Partial(octets), ..made.bundle() };
        room.judge_with(&made.commit, &bundle)
    };
    assert_eq!(judge(&partial(0)).unwrap().group_info(), made.group_info);
    for presence in [1, 2, 3, 9] {
        let fault = GroupInfoFault::TreePresence(presence);
        assert_eq!(judge(&partial(presence)).unwrap_err(), CommitRefusal::GroupInfo(fault));
    }
    let partial = partial(0);
    for length in 0..partial.len() {
        assert!(judge(&partial[..length]).is_err());
    }
    let mut wrong = partial.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let refusal = judge(&wrong).unwrap_err();
    assert_eq!(refusal, CommitRefusal::GroupInfo(GroupInfoFault::Signature));
}

/// The extensions and the signature of a GroupInfo, each with its length.
fn split_info<'a>(context: &[u8], info: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let rest = &info[context.len()..];
    let mut reader = crate::codec::Reader::new(rest);
    reader.bytes("").unwrap();
    let extensions = &rest[..reader.offset()];
    reader.bytes("").unwrap();
    reader.u32("").unwrap();
    (extensions, reader.rest())
}

/// A committer that signs another signer, another tag, or the tree into the GroupInfo: nobody could join.
#[test]
fn a_signed_group_info_may_still_be_another_one() {
    let mut room = Room::new(2);
    let made = with_path(&mut room, 1);
    let context = room.judge(&made).unwrap().group_context().to_vec();
    let resign = |edit: &dyn Fn(&mut Vec<u8>)| {
        let (_, signature) = split_info(&context, &made.group_info);
        let mut info = made.group_info[..made.group_info.len() - signature.len()].to_vec();
        edit(&mut info);
        let signed = sign_content("GroupInfoTBS", &info).unwrap();
        let signature = openmls_traits::signatures::Signer::sign(&room.clients[1].signer, &signed);
        crate::codec::write_bytes(&mut info, &signature.unwrap());
        info
    };
    let judge = |info: &[u8]| {
        let bundle = CommitBundle { group_info: GroupInfoForm::Full(info), ..made.bundle() };
        room.judge_with(&made.commit, &bundle).map(|staged| staged.epoch())
    };
    assert_eq!(judge(&resign(&|_| {})), Ok(2));
    let signer = resign(&|info| *info.last_mut().unwrap() = 0);
    assert_eq!(judge(&signer), Err(CommitRefusal::GroupInfo(GroupInfoFault::Differs)));
    let tag = resign(&|info| {
        let at = info.len() - 5;
        info[at] ^= 1;
    });
    assert_eq!(judge(&tag), Err(CommitRefusal::GroupInfo(GroupInfoFault::Differs)));
    let epoch = resign(&|info| info[context.len() / 3] ^= 1);
    assert_eq!(judge(&epoch), Err(CommitRefusal::GroupInfo(GroupInfoFault::Differs)));
    // P-108: no GroupInfo embeds the tree.
    let tree = resign(&|info| {
        let rest = info.split_off(context.len());
        let (extensions, _) = split_info(&[], &made.group_info[context.len()..]);
        info.extend([4, 0, 2, 1, 0]);
        info.extend_from_slice(&rest[extensions.len()..]);
    });
    assert_eq!(judge(&tree), Err(CommitRefusal::GroupInfo(GroupInfoFault::EmbeddedTree)));
    for length in 0..made.group_info.len() {
        assert!(judge(&made.group_info[..length]).is_err());
    }
    let mut unsigned = made.group_info.clone();
    *unsigned.last_mut().unwrap() ^= 1;
    assert_eq!(judge(&unsigned), Err(CommitRefusal::GroupInfo(GroupInfoFault::Signature)));
}

/// T-012, T-013.
#[test]
fn a_tree_that_comes_along_is_the_new_one() {
    let mut room = Room::new(3);
    let made = room.clients[1].update_path();
    let tree = room.judge(&made).unwrap().ratchet_tree(&room.group);
    let old = room.group.ratchet_tree();
    assert_ne!(tree, old);
    let judge = |tree| {
        let bundle = CommitBundle { ratchet_tree: tree, ..made.bundle() };
        room.judge_with(&made.commit, &bundle).map(|staged| staged.epoch())
    };
    assert_eq!(judge(TreeForm::Full(&tree)), Ok(2));
    assert_eq!(judge(TreeForm::Full(&old)), Err(CommitRefusal::Tree));
    assert_eq!(judge(TreeForm::HttpsUri(b"https://hub.example/tree")), Ok(2));
    assert_eq!(judge(TreeForm::OutOfBand), Ok(2));
}
