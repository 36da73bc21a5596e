//! What is saved: as little as a commit changes, and all that a restore needs.

use openmls::prelude::*;

use super::{client::*, parts::*, room::*};
use crate::{
    delivery::{ExternalProposal, Group, LeafIndex},
    error::RestoreError,
    machine::{Key, Records},
};

/// A room with all kinds of records: a snapshot, commits since, and proposals that wait.
fn busy_room() -> Room {
    let mut room = Room::new(4);
    let made = room.clients[1].commit(vec![update_component(LIST, b"bob;")]);
    room.accept(1, &made);
    let made = room.clients[2].commit(vec![remove(LeafIndex(3))]);
    room.accept(2, &made);
    room.clients.truncate(3);
    let update = room.clients[1].propose(Propose::Update(LeafNodeParameters::default()));
    let add =
        room.clients[1].propose(Propose::Add(Client::new("mimi://b.example/u/eve").key_package()));
    let leave = room.clients[2].leave();
    room.propose(&[&update, &add, &leave]).unwrap();
    let own = [
        ExternalProposal::Remove(LeafIndex(0)),
        ExternalProposal::AppDataUpdate {
            component: NAME,
            operation: crate::delivery::ComponentOperation::Remove,
        },
        ExternalProposal::ExternalSenders(vec![room.hub_sender.clone()]),
    ];
    let own = room.group.propose_as(&room.hub, 0, &own).unwrap();
    let own: Vec<_> = own.iter().map(Vec::as_slice).collect();
    room.propose(&own).unwrap();
    room.check();
    room
}

fn restore(records: &Records) -> Result<Group, RestoreError> {
    Group::restore(records, &config())
}

#[test]
fn a_restored_group_goes_on_like_the_live_one() {
    let mut room = busy_room();
    let restored = restore(&room.records).unwrap();
    assert_same(&room.group, &restored);
    room.group = restored;
    let pending: Vec<_> = room.group.pending().map(|it| it.message.clone()).collect();
    // The hub's Remove of the only other member would leave nobody to commit: the application takes it back.
    let names: Vec<_> = room.group.pending().map(|it| it.reference.clone()).collect();
    let staged = room.group.stage_lapse(&names[3..4]);
    save(&mut room.records, staged.writes());
    room.group.accept_proposals(staged);
    room.group = restore(&room.records).unwrap();
    // The change of the extensions goes before that of a component (E-07C).
    for i in [0, 1, 2, 5, 4] {
        let from = (i < 2).then_some(1).or((i == 2).then_some(2));
        if from != Some(0) {
            room.clients[0].receive(&pending[i]);
        }
    }
    let made = room.clients[0].commit(vec![]);
    let staged = room.judge(&made).unwrap();
    room.settle(staged);
    room.group = restore(&room.records).unwrap();
    assert_eq!(room.group.components().keys().collect::<Vec<_>>(), [&2, &LIST]);
    assert_eq!(room.group.external_senders(), [room.hub_sender.clone()]);
    assert_eq!(room.group.pending().count(), 0);
}

#[test]
fn records_that_are_not_whole_do_not_load() {
    let room = busy_room();
    let whole = &room.records;
    for key in whole.values.keys() {
        let mut records = whole.clone();
        records.values.remove(key);
        match key.kind() {
            // A proposal that is not there was never accepted, for all that anybody knows.
            0x13 => assert!(restore(&records).is_ok()),
            _ => assert!(matches!(restore(&records), Err(RestoreError::Missing(_)))),
        }
    }
    let mut records = whole.clone();
    let spare = whole.values.values().next().unwrap().clone();
    records.values.insert(Key::new(0x12).u64(99), spare);
    assert!(matches!(restore(&records), Err(RestoreError::Corrupt(_))));
    assert!(matches!(restore(&Records::default()), Err(RestoreError::Missing(_))));
}

#[test]
fn records_that_are_cut_or_spoilt_do_not_panic() {
    let room = busy_room();
    let whole = &room.records;
    for (key, value) in &whole.values {
        let step = 1 + value.len() / 100;
        for length in (0..value.len()).step_by(step) {
            let mut records = whole.clone();
            records.values.insert(key.clone(), value[..length].to_vec());
            assert!(matches!(restore(&records), Err(RestoreError::Corrupt(_))), "{key:?} {length}");
        }
        let mut records = whole.clone();
        records.values.insert(key.clone(), [&value[..], &[0]].concat());
        assert!(matches!(restore(&records), Err(RestoreError::Corrupt(_))), "{key:?}");
        let mut other = value.clone();
        other[0] = 99;
        records.values.insert(key.clone(), other);
        assert_eq!(restore(&records).unwrap_err(), RestoreError::Format(99));
        for at in (0..value.len()).step_by(step) {
            let mut other = value.clone();
            other[at] ^= 1 << (at % 8);
            records.values.insert(key.clone(), other);
            assert!(restore(&records).is_err(), "{key:?} {at}");
        }
        // Nor does one record stand for another.
        for other in whole.values.values().filter(|other| *other != value) {
            records.values.insert(key.clone(), other.clone());
            assert!(restore(&records).is_err(), "{key:?}");
        }
    }
}

/// The records that lead to a snapshot go when it is made, of the state before the commit that makes it.
#[test]
fn a_snapshot_comes_when_the_changes_have_grown() {
    let mut room = Room::new(2);
    let count = |room: &Room| room.records.kind(0x12).count();
    let mut most = 0;
    let mut fewer = 0;
    for i in 0..40_u8 {
        let data: Vec<u8> = (0..8000_u32).map(|j| (j * u32::from(i) % 251) as u8 ^ i).collect();
        let before = count(&room);
        let made = room.clients[usize::from(i % 2)].commit(vec![update_component(NAME, &data)]);
        room.accept(usize::from(i % 2), &made);
        most = most.max(count(&room));
        fewer += u32::from(count(&room) < before);
    }
    assert!((5..30).contains(&most), "{most}");
    assert!(fewer >= 2);
}

/// What a commit writes on average, snapshots counted in at the rate they come.
fn octets_per_commit(members: usize, commits: usize) -> usize {
    let mut room = Room::new(1);
    let fresh: Vec<_> = (1..members)
        .map(|i| Client::new(&format!("mimi://provider-{}.example/u/user-{i}", i % 7)))
        .collect();
    let list: Vec<u8> = (0..members)
        .flat_map(|i| format!("mimi://provider-{}.example/u/user-{i};", i % 7).into_bytes())
        .collect();
    let mut proposals: Vec<_> = fresh.iter().map(add).collect();
    proposals.push(update_component(LIST, &list));
    let made = room.clients[0].commit(proposals);
    room.accept(0, &made);
    let mut written = Vec::new();
    for i in 0..=commits {
        let entry = format!("mimi://late.example/u/user-{i};").into_bytes();
        let Client { provider, signer, group, .. } = &mut room.clients[0];
        let group = group.as_mut().unwrap();
        let mut stage = group
            .commit_builder()
            .force_self_update(true)
            .add_proposal(update_component(LIST, &entry))
            .load_psks(provider.storage())
            .unwrap();
        let mut updater = stage.app_data_dictionary_updater();
        let mut list = updater.old_value(LIST).unwrap().to_vec();
        list.extend(entry);
        updater.set(openmls::component::ComponentData::from_parts(LIST, list.into()));
        let changes = updater.changes();
        stage.with_app_data_dictionary_updates(changes);
        let made = made_of(
            stage
                .create_group_info(true)
                .use_ratchet_tree_extension(false)
                .build(provider.rand(), provider.crypto(), signer, |_| true)
                .unwrap()
                .stage_commit(provider)
                .unwrap()
                .into_contents(),
        );
        room.clients[0].merge_own();
        let staged = room.judge(&made).unwrap();
        written.push(save(&mut room.records, staged.writes()));
        room.group.accept_commit(staged);
    }
    room.check();
    // The first one pays for the commit that added them all.
    let change = written[1..].iter().min().unwrap();
    assert!(written[1..].iter().filter(|it| *it > &(2 * change)).count() <= 1 + commits / 30);
    let snapshot = room.records.values[&Key::new(0x11)].len();
    let average = change + change * snapshot / (snapshot / 2).max(64 << 10);
    eprintln!("{members} members: {change} octets, {average} with snapshots of {snapshot}");
    average
}

#[test]
fn a_commit_writes_little() {
    assert!(octets_per_commit(60, 100) < 4 << 10);
}

#[test]
#[ignore = "takes minutes"]
fn a_commit_writes_little_in_a_large_room() {
    assert!(octets_per_commit(3000, 20) < 16 << 10);
}
