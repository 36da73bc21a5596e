//! What holds whatever people try: random proposals and commits in random rooms.

use std::collections::BTreeMap;

use openmimi::{
    codec::Wire,
    policy::{
        Action, Claims, Committed, Committer, JoinCode, Proposed, Proposer, Queue, RoleIndex, View,
        judge_commit, judge_proposals, presets::Preset,
    },
    room::{
        ComponentId, ComponentOperation, Components, ParticipantList, ParticipantListUpdate,
        RoomState,
    },
    uri::{ParticipantUri, ProviderUri, RoomUri, UserUri},
};
use proptest::prelude::*;

const PEOPLE: usize = 8;

fn user(number: usize) -> UserUri {
    UserUri::parse(format!("mimi://{}.example/u/user{number}", ["a", "b"][number % 2])).unwrap()
}

fn hub() -> ProviderUri {
    ProviderUri::parse("mimi://a.example").unwrap()
}

/// Something that somebody tries. Numbers name people; they are taken modulo whatever there is.
#[derive(Clone, Debug)]
enum Deed {
    Add(usize, u32),
    Remove(usize),
    Role(usize, u32),
    Client(usize),
    Drop(usize),
    Kick(usize),
    Ban(usize),
    Expel(usize),
    Leave,
    Metadata(u8),
    /// Other limits in the base policy.
    Base(u32),
    /// Other maxima of a role.
    Bounds(usize, u32),
}

#[derive(Clone, Debug)]
enum Step {
    Propose(Option<usize>, Vec<Deed>),
    Commit(usize, Vec<Deed>),
    Join(usize, Option<u32>, bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    let who = 0..PEOPLE;
    let role = 0..8_u32;
    prop_oneof![
        (who.clone(), role.clone()).prop_map(|(who, role)| Deed::Add(who, role)),
        who.clone().prop_map(Deed::Remove),
        (who.clone(), role).prop_map(|(who, role)| Deed::Role(who, role)),
        who.clone().prop_map(Deed::Client),
        who.clone().prop_map(Deed::Drop),
        who.clone().prop_map(Deed::Kick),
        who.clone().prop_map(Deed::Ban),
        who.clone().prop_map(Deed::Expel),
        (0..16_u32).prop_map(Deed::Base),
        (who, 0..16_u32).prop_map(|(role, most)| Deed::Bounds(role, most)),
        Just(Deed::Leave),
        any::<u8>().prop_map(Deed::Metadata),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let deeds = || prop::collection::vec(deed(), 0..4);
    prop_oneof![
        3 => (prop::option::weighted(0.8, 0..PEOPLE), deeds()).prop_map(|(by, it)| Step::Propose(by, it)),
        3 => (0..PEOPLE, deeds()).prop_map(|(by, it)| Step::Commit(by, it)),
        1 => (0..PEOPLE, prop::option::of(2..5_u32), any::<bool>())
            .prop_map(|(by, role, code)| Step::Join(by, role, code)),
    ]
}

/// A proposal with its own data.
#[derive(Clone, Debug)]
enum Owned {
    Add(UserUri),
    Drop(UserUri),
    SelfRemove,
    Component(ComponentId, Vec<u8>),
}

#[derive(Clone, Debug)]
enum By {
    User(UserUri),
    Hub(ProviderUri),
    Joiner(UserUri),
}

fn proposed<'a>((by, what): &'a (By, Owned)) -> Proposed<'a> {
    Proposed {
        by: match by {
            By::User(user) => Proposer::User(user),
            By::Hub(hub) => Proposer::Server(hub),
            By::Joiner(user) => Proposer::Joiner(user),
        },
        claims: Claims::BASIC,
        what: match what {
            Owned::Add(user) => Action::AddClient { user, pseudonym: false },
            Owned::Drop(user) => Action::RemoveClient { user },
            Owned::SelfRemove => Action::SelfRemove,
            Owned::Component(id, octets) => {
                Action::Component { id: *id, operation: ComponentOperation::Update(octets) }
            }
        },
    }
}

/// A hub or a client: both rooms, and what waits.
#[derive(Clone, Debug)]
struct Side {
    committed: RoomState,
    effective: RoomState,
    waiting: Vec<(By, Owned)>,
}

impl Side {
    fn new(preset: Preset) -> Self {
        let id = RoomUri::parse("mimi://a.example/r/room").unwrap();
        let others: Vec<UserUri> = (1..4).map(user).collect();
        let components = preset.room(&id, &user(0), &others);
        let leaves: Vec<UserUri> = (0..3).chain(0..2).map(user).collect();
        let state = RoomState::from_components(components, &leaves).unwrap();
        Self { committed: state.clone(), effective: state, waiting: Vec::new() }
    }

    fn place(&self, who: usize) -> Option<u32> {
        self.committed.participants().find(user(who)).map(|it| it.place)
    }

    fn owned(&self, by: &By, deed: &Deed) -> Vec<Owned> {
        let list = |update: ParticipantListUpdate| {
            Owned::Component(ComponentId::PARTICIPANT_LIST, update.encode())
        };
        let changed = |who: usize, role: u32| {
            self.place(who).map(|place| {
                list(ParticipantListUpdate {
                    changed: vec![(place, RoleIndex(role))],
                    ..ParticipantListUpdate::default()
                })
            })
        };
        let removed = |place: Option<u32>| {
            place.map(|place| {
                list(ParticipantListUpdate {
                    removed: vec![place],
                    ..ParticipantListUpdate::default()
                })
            })
        };
        let all =
            |who: &UserUri| vec![Owned::Drop(who.clone()); self.effective.clients(who) as usize];
        match deed {
            Deed::Add(who, role) => {
                let added = vec![(user(*who).into(), RoleIndex(*role))];
                vec![list(ParticipantListUpdate { added, ..ParticipantListUpdate::default() })]
            }
            Deed::Remove(who) => removed(self.place(*who)).into_iter().collect(),
            Deed::Role(who, role) => changed(*who, *role).into_iter().collect(),
            Deed::Client(who) => vec![Owned::Add(user(*who))],
            Deed::Drop(who) => vec![Owned::Drop(user(*who))],
            Deed::Kick(who) => all(&user(*who)),
            Deed::Ban(who) => changed(*who, 1).into_iter().chain(all(&user(*who))).collect(),
            Deed::Expel(who) => {
                removed(self.place(*who)).into_iter().chain(all(&user(*who))).collect()
            }
            Deed::Leave => match by {
                By::User(own) => {
                    let place = self.committed.participants().find(own).map(|it| it.place);
                    let others = (self.effective.clients(own) as usize).saturating_sub(1);
                    std::iter::once(Owned::SelfRemove)
                        .chain(vec![Owned::Drop(own.clone()); others])
                        .chain(removed(place))
                        .collect()
                }
                By::Hub(_) | By::Joiner(_) => Vec::new(),
            },
            Deed::Base(number) => {
                let mut base = self.effective.base_policy().clone();
                base.multi_device = number % 2 == 0;
                base.max_users = (number % 8 > 1).then_some(3 + number / 4);
                base.max_clients = (number % 8 < 6).then_some(3 + number / 4);
                vec![Owned::Component(ComponentId::BASE_ROOM_POLICY, base.encode())]
            }
            Deed::Bounds(role, most) => {
                let mut roles: Vec<_> = self.committed.roles().iter().cloned().collect();
                let count = roles.len();
                let role = &mut roles[role % count];
                let maximum = (most % 4 < 3).then_some(most % 4 + role.participants.minimum);
                if *most < 8 {
                    role.participants.maximum = maximum;
                } else {
                    role.active.maximum = maximum.map(|it| it + role.active.minimum);
                }
                let roles = openmimi::policy::Roles::new(roles).map(|roles| roles.encode());
                let octets = roles.into_iter();
                octets.map(|it| Owned::Component(ComponentId::ROLES_LIST, it)).collect()
            }
            Deed::Metadata(number) => {
                let mut metadata = self.committed.metadata().clone();
                metadata.name = number.to_string();
                vec![Owned::Component(ComponentId::ROOM_METADATA, metadata.encode())]
            }
        }
    }

    fn bundle(&self, by: &By, deeds: &[Deed]) -> Vec<(By, Owned)> {
        deeds.iter().flat_map(|it| self.owned(by, it)).map(|it| (by.clone(), it)).collect()
    }

    /// Judges a step, and takes it if it may be. Tells the verdict.
    fn take(&mut self, step: &Step) -> Result<(), openmimi::policy::Denied> {
        match step {
            Step::Propose(by, deeds) => {
                let by = by.map_or_else(|| By::Hub(hub()), |it| By::User(user(it)));
                let bundle = self.bundle(&by, deeds);
                let waiting: Vec<_> = self.waiting.iter().map(proposed).collect();
                let new: Vec<_> = bundle.iter().map(proposed).collect();
                let view = View::new(&self.committed, &self.effective);
                let queue = Queue { waiting: &waiting, rebuild: false };
                let accepted = judge_proposals(view, queue, &new)?;
                let lapsed = accepted.lapsed.clone();
                accepted.apply(&mut self.effective);
                let mut place = 0..;
                self.waiting.retain(|_| !lapsed.contains(&place.next().unwrap()));
                self.waiting.extend(bundle);
                Ok(())
            }
            Step::Commit(by, deeds) => {
                let own = self.bundle(&By::User(user(*by)), deeds);
                let all = self.proposals(&own, |_| true);
                let user = user(*by);
                self.merge(Committer::Member { user: &user, pseudonym: false }, &all)
            }
            Step::Join(by, role, code) => {
                let joiner = user(*by);
                let deeds: Vec<_> = role.map(|role| Deed::Add(*by, role)).into_iter().collect();
                let own = self.bundle(&By::Joiner(joiner.clone()), &deeds);
                let all = self.proposals(&own, |it| matches!(it, Owned::SelfRemove));
                let code = if *code { JoinCode::Unseen } else { JoinCode::None };
                let committer = Committer::Joiner {
                    user: &joiner,
                    claims: Claims::BASIC,
                    pseudonym: false,
                    resync: false,
                    code,
                };
                self.merge(committer, &all)
            }
        }
    }

    fn proposals(
        &self,
        own: &[(By, Owned)],
        keep: impl Fn(&Owned) -> bool,
    ) -> Vec<((By, Owned), bool)> {
        let waiting = self.waiting.iter().filter(|it| keep(&it.1)).map(|it| (it.clone(), true));
        waiting.chain(own.iter().map(|it| (it.clone(), false))).collect()
    }

    fn merge(
        &mut self,
        committer: Committer<'_>,
        all: &[((By, Owned), bool)],
    ) -> Result<(), openmimi::policy::Denied> {
        let all: Vec<_> = all
            .iter()
            .map(|(it, by_reference)| Committed {
                proposed: proposed(it),
                by_reference: *by_reference,
            })
            .collect();
        let view = View::new(&self.committed, &self.effective);
        let verdict = judge_commit(view, committer, &all)?;
        let mut dictionary = self.committed.components();
        for (id, octets) in verdict.components(&self.committed) {
            match octets {
                Some(octets) => dictionary.insert(id, octets),
                None => dictionary.remove(id),
            };
        }
        verdict.apply(&mut self.committed);
        assert_eq!(self.committed.components(), dictionary, "the dictionary is the room");
        self.effective = self.committed.clone();
        self.waiting.clear();
        Ok(())
    }
}

/// The room that members make of what a joiner is handed: the dictionary's octets and the leaves.
fn from_octets(room: &RoomState) -> RoomState {
    let components: Components = room.components().into_iter().collect();
    let mut leaves = Vec::new();
    for number in 0..PEOPLE {
        leaves.extend(vec![user(number); room.clients(&user(number)) as usize]);
    }
    RoomState::from_components(components, &leaves).unwrap()
}

/// What no room may be, whatever was allowed before (P-004, R-011, R-014, R-145).
fn is_sound(room: &RoomState) {
    assert_eq!(openmimi::policy::sound(room), Ok(()), "creation would refuse this room");
    assert_eq!(room.membership().strangers().count(), 0, "P-004: a client of no participant");
    let mut holders: BTreeMap<RoleIndex, (u32, u32)> = BTreeMap::new();
    for listed in room.participants().iter() {
        let role = room.roles().get(listed.role).expect("R-145: the role of everybody exists");
        assert_ne!(listed.role, RoleIndex::NONE, "R-011");
        let clients = listed.user().map_or(0, |user| room.clients(&user));
        assert!(clients == 0 || role.may_be_active(), "R-014: {} is active", listed.uri);
        let count = holders.entry(listed.role).or_default();
        count.0 += 1;
        count.1 += u32::from(clients > 0);
    }
    for (index, (participants, active)) in holders {
        let role = room.roles().get(index).unwrap();
        assert_eq!(room.participants().holders(index), participants);
        assert_eq!(room.membership().active(index), active);
        assert!(role.participants.maximum.is_none_or(|most| participants <= most), "maximum");
        assert!(role.active.maximum.is_none_or(|most| active <= most), "maximum of active ones");
    }
}

fn preset() -> impl Strategy<Value = Preset> {
    prop::sample::select(Preset::ALL.to_vec())
}

proptest! {
    /// hub and client, one of them restored from octets at every epoch, give the same verdict on everything and
    /// hold the same room after it; and no room is ever unsound.
    #[test]
    fn both_sides_decide_the_same(preset in preset(), steps in prop::collection::vec(step(), 1..30)) {
        let mut hub = Side::new(preset);
        let mut client = hub.clone();
        for step in &steps {
            let verdict = hub.take(step);
            prop_assert_eq!(&verdict, &client.take(step));
            prop_assert_eq!(&hub.committed, &client.committed);
            prop_assert_eq!(&hub.effective, &client.effective);
            is_sound(&hub.committed);
            is_sound(&hub.effective);
            if hub.waiting.is_empty() {
                client.committed = from_octets(&client.committed);
                client.effective = client.committed.clone();
                prop_assert_eq!(&hub.committed, &client.committed);
            }
        }
    }

    /// P-019: what waits can always be committed by somebody, so nothing that is accepted wedges the room.
    #[test]
    fn what_waits_can_be_committed(preset in preset(), steps in prop::collection::vec(step(), 1..30)) {
        let mut side = Side::new(preset);
        for step in &steps {
            let _ = side.take(step);
            let committer = (0..PEOPLE).find(|&number| {
                let role = side.effective.role(user(number));
                role > RoleIndex::BANNED && side.committed.is_active(&user(number))
            });
            let Some(committer) = committer else { continue };
            let expected = side.effective.clone();
            let mut ahead = side.clone();
            prop_assert_eq!(ahead.take(&Step::Commit(committer, Vec::new())), Ok(()));
            // Both ways lead to the same participants and clients; their order may differ.
            for number in 0..PEOPLE {
                let user = user(number);
                prop_assert_eq!(ahead.committed.role(&user), expected.role(&user));
                prop_assert_eq!(ahead.committed.clients(&user), expected.clients(&user));
            }
        }
    }

    /// D-90: nobody who is banned holds another role but by a change from role 1 that somebody with the right to it
    /// made: in a room where nobody may, a ban is for good.
    #[test]
    fn a_ban_holds(steps in prop::collection::vec(step(), 1..40)) {
        let mut side = Side::new(Preset::Cooperative);
        // A room in which nobody lifts bans, nor takes the banned off the list.
        let mut roles: Vec<_> = side.committed.roles().iter().cloned().collect();
        for role in &mut roles {
            role.changes.retain(|it| it.from != RoleIndex::BANNED);
        }
        let mut components = side.committed.components();
        components.insert(ComponentId::ROLES_LIST, openmimi::policy::Roles::new(roles).unwrap().encode());
        let leaves: Vec<UserUri> = (0..3).map(user).collect();
        side.committed = RoomState::from_components(components, &leaves).unwrap();
        side.effective = side.committed.clone();
        let mut banned: Vec<ParticipantUri> = Vec::new();
        for step in &steps {
            let _ = side.take(step);
            for room in [&side.committed, &side.effective] {
                for who in &banned {
                    prop_assert_eq!(room.role(who), RoleIndex::BANNED);
                    prop_assert_eq!(room.clients(who.user().unwrap()), 0);
                }
            }
            let now = side.committed.participants().iter().filter(|it| it.role == RoleIndex::BANNED);
            banned = now.map(|it| ParticipantUri::parse(it.uri).unwrap()).collect();
        }
    }

    /// What the fuzz target checks, on octets without a corpus: short ones for decoders, long ones for changes.
    #[test]
    fn what_is_fuzzed_holds(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        crate::corpus::checks::policy::check(&octets);
    }

    /// D-57: octets from anywhere are refused or understood, and what is understood is kept octet for octet.
    #[test]
    fn octets_from_anywhere(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(list) = ParticipantList::decode(&octets) {
            prop_assert_eq!(list.encode(), octets.clone());
        }
        if let Ok(update) = ParticipantListUpdate::decode(&octets) {
            prop_assert_eq!(update.encode(), octets.clone());
        }
        let side = Side::new(Preset::Strict);
        for &id in ComponentId::KNOWN {
            let _ = side.committed.fold(&[(id, ComponentOperation::Update(&octets))], &[]);
        }
    }
}
