//! The participant list and changes of a room, against a model that is simple and slow.

use proptest::prelude::*;

use super::{
    ClientChange, ComponentId, ComponentOperation, ParticipantList, ParticipantListUpdate,
    RoomMetadata, RoomState,
};
use crate::{
    codec::Wire,
    policy::{RoleIndex, presets::Preset},
    uri::{ParticipantUri, RoomUri, UserUri},
};

fn user(number: u32) -> UserUri {
    UserUri::parse(format!("mimi://a.example/u/user{number}")).unwrap()
}

fn listed(number: u32) -> ParticipantUri {
    user(number).into()
}

fn list(users: &[(u32, u32)]) -> ParticipantList {
    ParticipantList::of(users.iter().map(|&(who, role)| (listed(who), RoleIndex(role)))).unwrap()
}

fn room(users: &[(u32, u32)], leaves: &[u32]) -> RoomState {
    let creator = user(1000);
    let id = RoomUri::parse("mimi://a.example/r/room").unwrap();
    let mut components = Preset::Moderated.room(&id, &creator, &[]);
    components.insert(ComponentId::PARTICIPANT_LIST, list(users).encode());
    let leaves: Vec<_> = leaves.iter().map(|&who| user(who)).collect();
    RoomState::from_components(components, &leaves).unwrap()
}

fn update(changed: &[(u32, u32)], removed: &[u32], added: &[(u32, u32)]) -> ParticipantListUpdate {
    ParticipantListUpdate {
        changed: changed.iter().map(|&(place, role)| (place, RoleIndex(role))).collect(),
        removed: removed.to_vec(),
        added: added.iter().map(|&(who, role)| (listed(who), RoleIndex(role))).collect(),
    }
}

fn names(list: &ParticipantList) -> Vec<(String, u32)> {
    list.iter().map(|it| (it.uri.to_owned(), it.role.0)).collect()
}

/// P-286: role changes, then removals, then additions at the end; several updates as one.
#[test]
fn updates_are_applied_in_the_order_of_the_draft() {
    let room = room(&[(0, 2), (1, 2), (2, 2), (3, 2), (4, 2)], &[]);
    let first = update(&[(4, 3)], &[0], &[(9, 2)]).encode();
    let second = update(&[(1, 4)], &[3, 2], &[(8, 3)]).encode();
    let id = ComponentId::PARTICIPANT_LIST;
    let updates = [
        (id, ComponentOperation::Update(first.as_slice())),
        (id, ComponentOperation::Update(second.as_slice())),
    ];
    let change = room.fold(&updates, &[]).unwrap();
    let expected = list(&[(1, 4), (4, 3), (9, 2), (8, 3)]);
    assert_eq!(change.components(&room), [(id, Some(expected.encode()))]);
    let mut after = room.clone();
    after.apply(change);
    assert_eq!(*after.participants(), expected);
}

/// The other order of the commit differs in the additions only.
#[test]
fn only_additions_depend_on_the_order_of_updates() {
    let room = room(&[(0, 2), (1, 2)], &[]);
    let first = update(&[], &[0], &[(9, 2)]).encode();
    let second = update(&[(1, 4)], &[], &[(8, 3)]).encode();
    let id = ComponentId::PARTICIPANT_LIST;
    let after = |updates: [&[u8]; 2]| {
        let updates = updates.map(|octets| (id, ComponentOperation::Update(octets)));
        let mut after = room.clone();
        after.apply(room.fold(&updates, &[]).unwrap());
        names(after.participants())
    };
    assert_eq!(after([&first, &second]), names(&list(&[(1, 4), (9, 2), (8, 3)])));
    assert_eq!(after([&second, &first]), names(&list(&[(1, 4), (8, 3), (9, 2)])));
}

/// R-011, P-283, D-58, D-72: what no list may hold.
#[test]
fn malformed_lists_are_refused() {
    let encoded = list(&[(0, 2), (1, 3)]).encode();
    assert_eq!(ParticipantList::decode(&encoded).unwrap(), list(&[(0, 2), (1, 3)]));
    for end in 0..encoded.len() {
        assert!(ParticipantList::decode(&encoded[..end]).is_err(), "cut at {end}");
    }
    let mut trailing = encoded.clone();
    trailing.push(0);
    assert!(ParticipantList::decode(&trailing).is_err());

    let raw = |entries: &[(&str, u32)]| {
        let mut out = Vec::new();
        crate::codec::write_vec(&mut out, entries, |(uri, role), out| {
            crate::codec::write_bytes(out, uri.as_bytes());
            out.extend_from_slice(&role.to_be_bytes());
        });
        ParticipantList::decode(&out)
    };
    let alice = "mimi://a.example/u/alice";
    assert!(raw(&[(alice, 2), ("mimi://a.example", 5)]).is_ok());
    assert!(raw(&[(alice, 0)]).is_err());
    assert!(raw(&[(alice, 2), (alice, 3)]).is_err());
    assert!(raw(&[("mimi://A.example/u/alice", 2)]).is_err());
    assert!(raw(&[("mimi://a.example/d/alice/1", 2)]).is_err());
    assert!(raw(&[("https://a.example/u/alice", 2)]).is_err());
    assert!(raw(&[("", 2)]).is_err());
}

#[test]
fn updates_round_trip_and_end_where_they_end() {
    let encoded = update(&[(0, 3), (70_000, 1)], &[5, 6], &[(1, 2), (2, 3)]).encode();
    let decoded = ParticipantListUpdate::decode(&encoded).unwrap();
    assert_eq!(decoded, update(&[(0, 3), (70_000, 1)], &[5, 6], &[(1, 2), (2, 3)]));
    for end in 0..encoded.len() {
        assert!(ParticipantListUpdate::decode(&encoded[..end]).is_err(), "cut at {end}");
    }
    // D-57: a length far beyond the input.
    assert!(ParticipantListUpdate::decode(&[0xbf, 0xff, 0xff, 0xff]).is_err());
}

#[test]
fn metadata_round_trips_and_holds_no_nul() {
    let mut metadata = RoomMetadata::new(RoomUri::parse("mimi://a.example/r/room").unwrap());
    metadata.name = "Club".into();
    metadata.avatar = "https://a.example/a.png".into();
    metadata.descriptions.push(super::RichDescription {
        media_type: "text/markdown".into(),
        language_tag: "en".into(),
        content: b"*hello*".to_vec(),
    });
    let encoded = metadata.encode();
    assert_eq!(RoomMetadata::decode(&encoded).unwrap(), metadata);
    for end in 0..encoded.len() {
        assert!(RoomMetadata::decode(&encoded[..end]).is_err(), "cut at {end}");
    }
    for bad in ["a\0b", "\0"] {
        metadata.name = bad.into();
        assert!(RoomMetadata::decode(&metadata.encode()).is_err());
    }
}

/// One step of a random walk.
#[derive(Clone, Debug)]
enum Walk {
    Role(u32, u32),
    Remove(Vec<u32>),
    Add(u32, u32),
    Joins(u32),
    Leaves(u32),
}

fn walk() -> impl Strategy<Value = Walk> {
    prop_oneof![
        (0..40_u32, 1..7_u32).prop_map(|(place, role)| Walk::Role(place, role)),
        prop::collection::vec(0..40_u32, 1..5).prop_map(Walk::Remove),
        (0..40_u32, 1..7_u32).prop_map(|(who, role)| Walk::Add(who, role)),
        (0..40_u32).prop_map(Walk::Joins),
        (0..40_u32).prop_map(Walk::Leaves),
    ]
}

proptest! {
    /// A list and its counters, changed in place, are what a list made anew is.
    #[test]
    fn changed_in_place_equals_made_anew(steps in prop::collection::vec(walk(), 1..80)) {
        let mut model: Vec<(u32, u32)> = Vec::new();
        let mut clients: std::collections::BTreeMap<u32, u32> = std::collections::BTreeMap::new();
        let mut state = room(&model, &[]);
        for step in steps {
            let id = ComponentId::PARTICIPANT_LIST;
            let (update, client) = match step {
                Walk::Role(place, role) => (update(&[(place, role)], &[], &[]), None),
                Walk::Remove(places) => (update(&[], &places, &[]), None),
                Walk::Add(who, role) => (update(&[], &[], &[(who, role)]), None),
                Walk::Joins(who) => (ParticipantListUpdate::default(), Some((who, true))),
                Walk::Leaves(who) if clients.get(&who).copied().unwrap_or(0) > 0 => {
                    (ParticipantListUpdate::default(), Some((who, false)))
                }
                Walk::Leaves(_) => continue,
            };
            let octets = update.encode();
            let named = client.map(|(who, joins)| (user(who), joins));
            let changes: Vec<_> = named
                .iter()
                .map(|(user, joins)| match joins {
                    true => ClientChange::Joins(user),
                    false => ClientChange::Leaves(user),
                })
                .collect();
            let folded = state.fold(&[(id, ComponentOperation::Update(&octets))], &changes);
            // The model says what may be.
            let mut after = model.clone();
            let mut sound = true;
            for &(place, role) in &update.changed {
                match after.get_mut(place as usize) {
                    Some(entry) => entry.1 = role.0,
                    None => sound = false,
                }
            }
            let mut gone = update.removed.clone();
            gone.sort_unstable();
            sound &= gone.windows(2).all(|pair| pair[0] != pair[1]);
            for &place in gone.iter().rev() {
                if (place as usize) < after.len() { after.remove(place as usize); } else { sound = false; }
            }
            for (who, role) in &update.added {
                let number = (0..40).find(|&number| listed(number) == *who).unwrap();
                sound &= after.iter().all(|&(other, _)| other != number);
                after.push((number, role.0));
            }
            prop_assert_eq!(folded.is_ok(), sound);
            let Ok(change) = folded else { continue };
            let components = change.components(&state);
            state.apply(change);
            model = after;
            if let Some((who, joins)) = client {
                let count = clients.entry(who).or_default();
                *count = if joins { *count + 1 } else { *count - 1 };
            }
            let leaves: Vec<u32> = clients
                .iter()
                .flat_map(|(&who, &count)| std::iter::repeat_n(who, count as usize))
                .collect();
            let anew = room(&model, &leaves);
            prop_assert_eq!(&state, &anew);
            prop_assert_eq!(names(state.participants()), names(&list(&model)));
            for number in 0..40 {
                prop_assert_eq!(state.role(user(number)), anew.role(user(number)));
                prop_assert_eq!(state.clients(&user(number)), anew.clients(&user(number)));
            }
            for role in 1..7 {
                let holders = model.iter().filter(|(_, it)| *it == role).count();
                prop_assert_eq!(state.participants().holders(RoleIndex(role)) as usize, holders);
            }
            if let Some((_, Some(octets))) = components.first() {
                prop_assert_eq!(octets, &list(&model).encode());
            }
        }
    }
}
