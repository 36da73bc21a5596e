use super::*;
use crate::policy::presets::Preset;

const OWNER: [User; 4] = [0, 1, 1, 2];

fn room() -> Room {
    let mut room = Room::new(Preset::Cooperative.roles(), 0, RoleIndex(4), 0);
    let add = Wish::Add(1, RoleIndex(2), [1, 2].into());
    room.commit(0, &add, &OWNER).expect("an admin adds");
    room
}

#[test]
fn a_message_is_expected_by_all_others_once() {
    let mut room = room();
    room.say(1, 7, 1, &OWNER).expect("a member speaks");
    assert!(room.say(1, 7, 1, &OWNER).is_err(), "twice");
    assert!(room.say(3, 8, 1, &OWNER).is_err(), "a stranger");
    assert!(room.check_read(0, &[7], true).is_ok());
    assert!(room.check_read(2, &[], false).is_ok(), "not yet");
    assert!(room.check_read(2, &[], true).is_err(), "never");
    assert!(room.check_read(2, &[7, 7], false).is_err(), "twice");
    assert!(room.check_read(3, &[7], false).is_err(), "not for it");
}

#[test]
fn who_leaves_is_silent_at_once_and_gone_with_the_next_commit() {
    let mut room = room();
    room.leave(1, &OWNER).expect("a member leaves");
    assert!(room.say(2, 1, 1, &OWNER).is_err(), "its other device is silent");
    room.commit(0, &Wish::Pending, &OWNER).expect("somebody commits");
    assert_eq!(room.now.members, [0].into());
    assert_eq!(room.role(1), RoleIndex::NONE);
}

#[test]
fn bans_outlive_an_external_commit() {
    let mut room = room();
    room.propose(Some(0), &Wish::SetRole(1, RoleIndex::BANNED), &OWNER).expect("a ban");
    room.join(0, RoleIndex::NONE, false, &OWNER).expect("the admin comes back");
    assert_eq!(room.now.members, [0, 1, 2].into());
    assert_eq!(room.role(1), RoleIndex::BANNED);
    room.commit(0, &Wish::Pending, &OWNER).expect("it commits");
    assert_eq!(room.now.members, [0].into());
}

#[test]
fn what_nobody_can_commit_takes_two_users_who_leave_it_out() {
    let mut room = room();
    room.commit(0, &Wish::Add(2, RoleIndex(2), [3].into()), &OWNER).expect("an admin adds");
    room.waiting.push(Waiting::Void(1));
    room.witnesses.insert(0);
    assert!(room.commit(0, &Wish::Refresh, &OWNER).is_err(), "there is another one");
    room.witnesses.clear();
    assert!(room.commit(0, &Wish::Refresh, &OWNER).is_err(), "the first one");
    room.witnesses.insert(1);
    assert!(room.commit(0, &Wish::Refresh, &OWNER).is_err(), "its sender is no witness");
    room.witnesses.insert(2);
    assert!(room.commit(1, &Wish::Refresh, &OWNER).is_err(), "nor can it be the second");
    room.commit(0, &Wish::Refresh, &OWNER).expect("the second one");
    assert!(room.waiting.is_empty());
}

#[test]
fn who_is_alone_leaves_out_twice_what_nobody_can_commit() {
    let mut with_sender = room();
    with_sender.waiting.push(Waiting::Void(1));
    assert!(with_sender.commit(0, &Wish::Refresh, &OWNER).is_err(), "the first time");
    with_sender.witnesses.insert(0);
    with_sender.commit(0, &Wish::Refresh, &OWNER).expect("alone with the sender");

    let mut sender = room();
    sender.waiting.push(Waiting::Void(0));
    sender.witnesses.insert(0);
    assert!(sender.commit(0, &Wish::Refresh, &OWNER).is_err(), "the other one stays");
    sender.leave(1, &OWNER).expect("a member leaves");
    sender.commit(0, &Wish::Refresh, &OWNER).expect("the sender, and nobody else");
}

#[test]
fn whose_last_device_is_about_to_go_receives_nothing_more() {
    let mut room = room();
    room.propose(None, &Wish::RemoveDevice(1), &OWNER).expect("the hub proposes");
    room.say(0, 7, 1, &OWNER).expect("an admin speaks");
    assert!(room.check_read(1, &[], true).is_err(), "another device of the user stays");
    room.propose(None, &Wish::RemoveDevice(2), &OWNER).expect("the hub proposes");
    room.say(0, 8, 1, &OWNER).expect("an admin speaks");
    assert!(room.check_read(1, &[7], true).is_ok(), "it takes no part any more");
}
