//! What holds for any bytes that are taken for a policy component, and for any sequence of changes that people try.

use openmimi::{
    codec::Wire,
    policy::{
        Action, BaseRoomPolicy, Claims, Committed, Committer, JoinCode, PreAuth, Proposed,
        Proposer, Queue, RoleIndex, Roles, View,
        components::{
            AssetPolicy, BotPolicy, HistoryPolicy, JoinLinkPolicy, JoinLinks, JoinLinksUpdate,
            LinkPreviewPolicy, LoggingPolicy, MediaTypeList, MessageExpiration,
            OperationalParameters, StatusNotificationPolicy,
        },
        file::PolicyFile,
        judge_commit, judge_proposals,
        presets::Preset,
        question, sound,
    },
    room::{
        ComponentId, ComponentOperation, Components, ParticipantList, ParticipantListUpdate,
        RoomMetadata, RoomState,
    },
    uri::{ProviderUri, RoomUri, UserUri},
};

/// Panics if something does not hold.
pub fn check(bytes: &[u8]) {
    every_component(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = question::answer(&Preset::Strict.roles(), text).to_string();
        if let Ok(file) = PolicyFile::parse(text) {
            let again = PolicyFile::parse(&file.to_json()).expect("what is written can be read");
            assert_eq!(again, file);
            let _ = file.problems();
        }
    }
    changes(bytes);
}

/// What decodes has one encoding.
fn one<T: Wire>(bytes: &[u8]) {
    if let Ok(value) = T::decode(bytes) {
        assert_eq!(value.encode(), bytes, "{} has one encoding", T::NAME);
    }
}

fn every_component(bytes: &[u8]) {
    one::<ParticipantList>(bytes);
    one::<ParticipantListUpdate>(bytes);
    one::<RoomMetadata>(bytes);
    one::<Roles>(bytes);
    one::<PreAuth>(bytes);
    one::<BaseRoomPolicy>(bytes);
    one::<OperationalParameters>(bytes);
    one::<StatusNotificationPolicy>(bytes);
    one::<JoinLinkPolicy>(bytes);
    one::<JoinLinks>(bytes);
    one::<JoinLinksUpdate>(bytes);
    one::<LinkPreviewPolicy>(bytes);
    one::<AssetPolicy>(bytes);
    one::<LoggingPolicy>(bytes);
    one::<HistoryPolicy>(bytes);
    one::<BotPolicy>(bytes);
    one::<MessageExpiration>(bytes);
    one::<MediaTypeList>(bytes);
}

const PEOPLE: u8 = 6;

fn user(number: u8) -> UserUri {
    let host = if number.is_multiple_of(2) { "a" } else { "b" };
    UserUri::parse(format!("mimi://{host}.example/u/user{}", number % PEOPLE)).expect("strict")
}

fn leaves(room: &RoomState) -> Vec<UserUri> {
    (0..PEOPLE)
        .flat_map(|number| vec![user(number); room.clients(&user(number)) as usize])
        .collect()
}

/// The room that somebody makes of the octets of another.
fn restored(room: &RoomState) -> RoomState {
    let components: Components = room.components().into_iter().collect();
    RoomState::from_components(components, &leaves(room)).expect("a room comes back as it is")
}

/// One change: an AppDataUpdate, or a client that comes or goes.
enum Change {
    Component(ComponentId, Option<Vec<u8>>),
    Comes(UserUri),
    Goes(UserUri),
}

impl Change {
    fn action(&self) -> Action<'_> {
        match self {
            Self::Component(id, Some(octets)) => {
                Action::Component { id: *id, operation: ComponentOperation::Update(octets) }
            }
            Self::Component(id, None) => {
                Action::Component { id: *id, operation: ComponentOperation::Remove }
            }
            Self::Comes(user) => Action::AddClient { user, pseudonym: false },
            Self::Goes(user) => Action::RemoveClient { user },
        }
    }

    /// Reads a change; none at the end.
    fn read(bytes: &mut &[u8], room: &RoomState) -> Option<Self> {
        let kind = take(bytes)?;
        let who = take(bytes)?;
        let list = |update: ParticipantListUpdate| {
            Self::Component(ComponentId::PARTICIPANT_LIST, Some(update.encode()))
        };
        let place = room.participants().find(user(who)).map_or(u32::from(who), |it| it.place);
        Some(match kind % 8 {
            0 => Self::Comes(user(who)),
            1 => Self::Goes(user(who)),
            2 => list(ParticipantListUpdate {
                added: vec![(user(who).into(), RoleIndex(u32::from(take(bytes)? % 8)))],
                ..ParticipantListUpdate::default()
            }),
            3 => list(ParticipantListUpdate {
                changed: vec![(place, RoleIndex(u32::from(take(bytes)? % 8)))],
                ..ParticipantListUpdate::default()
            }),
            4 => list(ParticipantListUpdate {
                removed: vec![place],
                ..ParticipantListUpdate::default()
            }),
            // Octets of the room's own with one of them changed: more of them decode than of any.
            5 => {
                let known = ComponentId::KNOWN;
                let id = known[usize::from(who) % known.len()];
                let mut octets = room.component(id).unwrap_or_default().into_owned();
                let (at, value) = (usize::from(take(bytes)?), take(bytes)?);
                if !octets.is_empty() {
                    let at = at % octets.len();
                    octets[at] = value;
                }
                Self::Component(id, Some(octets))
            }
            6 => Self::Component(ComponentId(u16::from(who)), None),
            _ => {
                let length = usize::from(take(bytes)?).min(bytes.len());
                let (octets, rest) = bytes.split_at(length);
                *bytes = rest;
                Self::Component(ComponentId(u16::from(who)), Some(octets.to_vec()))
            }
        })
    }
}

fn take(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

/// Two sides judge the same steps, one of them restored from octets before each: they agree, nothing that is allowed makes
/// a room that could not be created, and the dictionary that members compute is the room.
fn changes(mut bytes: &[u8]) {
    let bytes = &mut bytes;
    let Some(preset) = take(bytes) else { return };
    let preset = Preset::ALL[usize::from(preset) % Preset::ALL.len()];
    let id = RoomUri::parse("mimi://a.example/r/room").expect("strict");
    let hub = ProviderUri::parse("mimi://a.example").expect("strict");
    let others: Vec<UserUri> = (1..3).map(user).collect();
    let components = preset.room(&id, &user(0), &others);
    let mut room = RoomState::from_components(components, &[user(0), user(1)]).expect("a preset");
    while let (Some(how), Some(by)) = (take(bytes), take(bytes)) {
        let count = usize::from(how / 4 % 4);
        let changes: Vec<Change> = (0..count).map_while(|_| Change::read(bytes, &room)).collect();
        let by = user(by);
        let other = restored(&room);
        assert_eq!(other, room);
        let judge = |room: &RoomState| match how % 4 {
            // Proposals wait, and the next member commits them.
            0 | 1 => {
                let proposer =
                    if how % 4 == 0 { Proposer::User(&by) } else { Proposer::Server(&hub) };
                let bundle: Vec<_> = changes.iter().map(|it| proposed(proposer, it)).collect();
                let queue = Queue { waiting: &[], rebuild: false };
                let accepted = judge_proposals(View::new(room, room), queue, &bundle)?;
                let mut effective = room.clone();
                accepted.apply(&mut effective);
                assert_eq!(sound(&effective), Ok(()), "what waits keeps the room sound");
                let all: Vec<_> = bundle
                    .into_iter()
                    .map(|proposed| Committed { proposed, by_reference: true })
                    .collect();
                let committer = (0..PEOPLE)
                    .map(user)
                    .find(|user| effective.role(user) > RoleIndex::BANNED && room.is_active(user));
                let Some(committer) = committer else { return Ok(None) };
                let view = View::new(room, &effective);
                let by = Committer::Member { user: &committer, pseudonym: false };
                let verdict = judge_commit(view, by, &all);
                assert!(verdict.is_ok(), "what waits can be committed: {verdict:?}");
                verdict.map(Some)
            }
            2 => {
                let all = by_value(Proposer::User(&by), &changes);
                let by = Committer::Member { user: &by, pseudonym: false };
                judge_commit(View::new(room, room), by, &all).map(Some)
            }
            _ => {
                let all = by_value(Proposer::Joiner(&by), &changes);
                let by = Committer::Joiner {
                    user: &by,
                    claims: Claims::BASIC,
                    pseudonym: false,
                    resync: how & 0x40 != 0,
                    code: JoinCode::Unseen,
                };
                judge_commit(View::new(room, room), by, &all).map(Some)
            }
        };
        let (ours, theirs) = (judge(&room), judge(&other));
        match (ours, theirs) {
            (Ok(Some(ours)), Ok(Some(theirs))) => {
                let mut dictionary = room.components();
                for (id, octets) in ours.components(&room) {
                    match octets {
                        Some(octets) => dictionary.insert(id, octets),
                        None => dictionary.remove(id),
                    };
                }
                assert_eq!(ours.components(&room), theirs.components(&other));
                ours.apply(&mut room);
                assert_eq!(room.components(), dictionary, "the dictionary is the room");
                assert_eq!(sound(&room), Ok(()), "creation would refuse what was allowed");
            }
            (Err(ours), Err(theirs)) => assert_eq!(ours, theirs, "one verdict"),
            (Ok(None), Ok(None)) => {}
            (ours, theirs) => panic!("two verdicts: {ours:?} and {theirs:?}"),
        }
    }
}

fn proposed<'a>(by: Proposer<'a>, change: &'a Change) -> Proposed<'a> {
    Proposed { by, claims: Claims::BASIC, what: change.action() }
}

fn by_value<'a>(by: Proposer<'a>, changes: &'a [Change]) -> Vec<Committed<'a>> {
    let proposed = changes.iter().map(|change| proposed(by, change));
    proposed.map(|proposed| Committed { proposed, by_reference: false }).collect()
}
