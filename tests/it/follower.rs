//! A follower's room: routing, order, once, and what is owed.

use std::collections::{BTreeMap, BTreeSet};

use openmimi::{
    codec::Wire,
    env::{Env, Limits, Peer, Timestamp},
    follower::{Action, Fault, Notice, Room, event_key, group_info, key_material, submit_message},
    machine::{Outcome, Records, Step},
    provider::Owner,
    testing::MemoryStore,
    uri::{ClientUri, RoomUri, UserUri},
    wire::{
        ErrorDescription, FanoutMessage, GroupInfoOption, GroupInfoRequest, HandshakeBundle,
        KeyPackageRef, PartialGroupInfo, PrivateMessage, PublicMessage, RatchetTreeOption,
        RatchetTreePresence, SubmitMessageRequest, UpdateOutcome, UpdateRequest,
        UpdateRoomResponse, Welcome, notify::FanoutEvent,
    },
};
use proptest::prelude::*;

use super::provider_support::{Device, NOW, domain, play, room, server, user};

const ID: &[u8] = b"room";

/// One of Bob's or Ben's clients.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Client {
    uri: ClientUri,
    user: UserUri,
}

impl Client {
    fn peer(&self) -> Peer {
        Peer::Client(self.uri.clone(), self.user.clone())
    }

    /// What the provider knows of a KeyPackage of this client.
    fn owns(&self, reference: u8, room: Option<RoomUri>) -> (KeyPackageRef, Owner) {
        let owner = Owner { user: self.user.clone(), client: self.uri.clone(), room };
        ([reference].as_slice().into(), owner)
    }
}

fn client(name: &str, device: &str) -> Client {
    let user = user(&format!("{name}@b.example"));
    let uri = ClientUri::new(&user.domain(), format!("{name}/{device}")).unwrap();
    Client { uri, user }
}

fn clubhouse() -> RoomUri {
    room("mimi://a.example/r/clubhouse")
}

fn hub() -> Peer {
    server("a.example")
}

fn at(now: Timestamp) -> Env<'static, (), ()> {
    Env { now, crypto: &(), keys: &() }
}

fn later(milliseconds: u64) -> Env<'static, (), ()> {
    at(NOW.plus(milliseconds))
}

/// The head of an MLSMessage of group `g`.
fn head(wire_format: u8, epoch: u64) -> Vec<u8> {
    [&[0, 1, 0, wire_format, 1, b'g'][..], &epoch.to_be_bytes()].concat()
}

fn private(epoch: u64, text: u8) -> Vec<u8> {
    [head(2, epoch), vec![1, 1, 0, 1, text, 1, text]].concat()
}

fn application(epoch: u64, text: u8) -> FanoutEvent {
    let message = PrivateMessage::decode(&private(epoch, text)).unwrap();
    FanoutEvent::Application { message, frank: None }
}

/// Leaf 1 proposes to remove another.
fn remove(epoch: u64, leaf: u8) -> PublicMessage {
    let sender = [1, 0, 0, 0, 1, 1, 0, 2];
    let message = [head(1, epoch), sender.to_vec(), vec![0, 3, 0, 0, 0, leaf, 1, 9, 1, 9]].concat();
    PublicMessage::decode(&message).unwrap()
}

fn proposal(epoch: u64, leaf: u8) -> FanoutEvent {
    FanoutEvent::Proposals { first: remove(epoch, leaf), more: Vec::new() }
}

/// A commit of leaf 1 that does nothing; `tag` makes it differ from others.
fn commit_message(epoch: u64, tag: u8) -> PublicMessage {
    let content = [1, 0, 0, 0, 1, 1, 0, 3, 0, 0];
    let message = [head(1, epoch), content.to_vec(), vec![1, tag, 1, tag, 1, tag]].concat();
    PublicMessage::decode(&message).unwrap()
}

fn commit(epoch: u64) -> FanoutEvent {
    FanoutEvent::Commit { commit: commit_message(epoch, 0), external_proposals: Vec::new() }
}

/// The commit of one who joins from outside.
fn external(epoch: u64, tag: u8) -> PublicMessage {
    let content = [4, 1, 0, 3, 0, 0, 1, tag, 1, tag];
    PublicMessage::decode(&[head(1, epoch), content.to_vec()].concat()).unwrap()
}

fn echo(commit: &PublicMessage) -> FanoutEvent {
    FanoutEvent::Commit { commit: commit.clone(), external_proposals: Vec::new() }
}

/// A Welcome for the KeyPackages with these references.
fn welcome(references: &[u8]) -> FanoutEvent {
    let secrets: Vec<u8> = references.iter().flat_map(|it| [1, *it, 1, 0, 1, 0]).collect();
    let length = u8::try_from(secrets.len()).unwrap();
    let welcome = [vec![0, 1, length], secrets, vec![1, 0]].concat();
    FanoutEvent::Welcome {
        welcome: Welcome::decode(&welcome).unwrap(),
        ratchet_tree: RatchetTreeOption::OutOfBand,
    }
}

fn encoded(timestamp: u64, event: FanoutEvent) -> Vec<u8> {
    FanoutMessage { timestamp: Timestamp(timestamp), event }.encode()
}

fn notice(body: &[u8]) -> Notice {
    Notice::decode(body, &Limits::default()).unwrap()
}

fn update(commit: &PublicMessage) -> Vec<u8> {
    let group_info = PartialGroupInfo::new(RatchetTreePresence::None, &[0], vec![1]).unwrap();
    UpdateRequest {
        bundle: HandshakeBundle::Commit {
            commit: commit.clone(),
            welcome: None,
            group_info: GroupInfoOption::Partial(group_info),
            ratchet_tree: RatchetTreeOption::OutOfBand,
        },
    }
    .encode()
}

fn answer(outcome: UpdateOutcome) -> Vec<u8> {
    UpdateRoomResponse { error_description: ErrorDescription::default(), outcome }.encode()
}

fn success() -> Vec<u8> {
    answer(UpdateOutcome::Success { accepted_timestamp: NOW })
}

/// The clubhouse as b.example sees it, over a store in which every save crashes.
struct Follower {
    store: MemoryStore,
    room: Room,
    limits: Limits,
    owners: BTreeMap<KeyPackageRef, Owner>,
    clock: u64,
}

impl Follower {
    fn new(limits: Limits, members: &[&Client]) -> Self {
        let mut store = MemoryStore::new();
        let members = members.iter().map(|it| (it.uri.clone(), it.user.clone()));
        let founding = Room::found(limits.clone(), clubhouse(), members);
        store.save(ID, founding.changes()).unwrap();
        let room = founding.apply().0;
        Self { store, room, limits, owners: BTreeMap::new(), clock: 0 }
    }

    /// Like `new`, and the first handshake says that the group is in `epoch`.
    fn in_epoch(epoch: u64, limits: Limits, members: &[&Client]) -> Self {
        let mut follower = Self::new(limits, members);
        let place = follower.event(proposal(epoch, 99));
        follower.hear(&place);
        for member in members {
            follower.take(member);
        }
        follower
    }

    fn play<R>(
        &mut self,
        step: &dyn for<'m> Fn(&'m mut Room) -> Step<'m, Room, R>,
    ) -> (R, Vec<Action>) {
        let limits = self.limits.clone();
        let restore = move |records: &Records| Room::restore(records, limits.clone()).unwrap();
        play(&mut self.store, ID, &mut self.room, &restore, step)
    }

    /// The octets of an event, with the hub's next timestamp.
    fn event(&mut self, event: FanoutEvent) -> Vec<u8> {
        self.clock += 1;
        encoded(self.clock, event)
    }

    fn hear(&mut self, body: &[u8]) -> Vec<Action> {
        self.hear_at(NOW, body)
    }

    fn hear_at(&mut self, now: Timestamp, body: &[u8]) -> Vec<Action> {
        let (notice, owners) = (notice(body), self.owners.clone());
        let ((), actions) =
            self.play(&|room| room.notify(&at(now), &hub(), &notice, &owners).unwrap());
        actions
    }

    /// Hears an event, and gives its octets back.
    fn hears(&mut self, event: FanoutEvent) -> Vec<u8> {
        let bytes = self.event(event);
        self.hear(&bytes);
        bytes
    }

    fn fault(&mut self, peer: &Peer, body: &[u8]) -> Fault {
        let before = self.room.clone();
        let refusal = self.room.notify(&at(NOW), peer, &notice(body), &self.owners).unwrap_err();
        assert_eq!(self.room, before, "a refusal changes nothing");
        assert_eq!(refusal.revision, before.revision());
        refusal.fault
    }

    /// What is stored for a client and not acknowledged.
    fn owed(&self, client: &Client) -> Vec<Vec<u8>> {
        let events = self.room.owed(&client.uri).into_iter().flatten();
        events
            .map(|event| {
                self.store.read(ID, &event_key(event)).expect("what is owed is stored").to_vec()
            })
            .collect()
    }

    /// Gives a client all that it is owed.
    fn take(&mut self, client: &Client) -> Vec<Vec<u8>> {
        let owed = self.owed(client);
        if let Some(last) = self.room.owed(&client.uri).last().map(|it| it.end - 1) {
            self.play(&|room| room.acknowledged(&client.uri, last));
        }
        owed
    }

    /// How many bodies are stored.
    fn bodies(&self) -> usize {
        self.store.record_count(ID) - self.store.load(ID).unwrap().values.len()
    }
}

fn small(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[test]
fn d_30_only_the_hub_of_the_room_notifies() {
    let bob = client("bob", "1");
    let mut follower = Follower::new(Limits::default(), &[&bob]);
    let body = follower.event(commit(0));
    for peer in [server("b.example"), server("c.example"), server("x.a.example"), bob.peer()] {
        let fault = follower.fault(&peer, &body);
        assert_eq!((fault.status(), fault), (403, Fault::NotTheHub));
    }
    assert_eq!(follower.hear(&body).len(), 1);
}

#[test]
fn d_30_an_unknown_room_becomes_known_by_a_welcome_for_a_known_key_package() {
    let bob = client("bob", "1");
    let (limits, env) = (Limits::default(), at(NOW));
    let found = |peer: &Peer, body: &[u8], owners: &[(KeyPackageRef, Owner)]| {
        let owners = owners.iter().cloned().collect();
        Room::welcomed(limits.clone(), &env, peer, clubhouse(), &notice(body), &owners)
            .map(|it| it.apply())
            .map_err(|it| it.fault)
    };
    let known = bob.owns(1, Some(clubhouse()));
    let body = [encoded(1, welcome(&[1])), encoded(2, application(5, 0))].concat();

    let unknown = |result: Result<(Room, _), Fault>| {
        let fault = result.err().unwrap();
        assert_eq!((fault.status(), fault), (404, Fault::UnknownRoom));
    };
    let _: &dyn Fn(Result<(Room, Outcome<(), Action>), Fault>) = &unknown;
    unknown(found(&hub(), &body, &[]));
    unknown(found(&hub(), &body, &[bob.owns(2, None)]));
    unknown(found(&hub(), &encoded(1, commit(5)), &[known.clone()]));
    // P-071, D-68: claimed for another room.
    let elsewhere = bob.owns(1, Some(room("mimi://a.example/r/other")));
    unknown(found(&hub(), &body, &[elsewhere]));
    assert_eq!(found(&server("c.example"), &body, &[known.clone()]).err(), Some(Fault::NotTheHub));

    let (room, outcome) = found(&hub(), &body, &[known]).unwrap();
    assert_eq!(room.clients().collect::<Vec<_>>(), [&bob.uri]);
    let welcomed =
        Action::Welcomed { user: bob.user.clone(), references: vec![[1].as_slice().into()] };
    let deliver = Action::Deliver { client: bob.uri.clone(), events: vec![0..2] };
    assert_eq!(outcome.actions, [welcomed, deliver]);
    assert_eq!(room.backlog(), outcome.actions, "and again after a crash");
}

#[test]
fn p_009_p_010_a_welcome_reaches_only_the_owning_client() {
    let [phone, tablet] = ["phone", "tablet"].map(|it| client("bob", it));
    let ben = client("ben", "1");
    let mut follower = Follower::in_epoch(4, Limits::default(), &[&ben]);
    follower.owners = [phone.owns(1, None), tablet.owns(2, Some(clubhouse()))].into();

    let before = follower.hears(commit(4));
    // Of these three one is of another provider.
    let first = follower.hears(welcome(&[1, 3]));
    let second = follower.hears(welcome(&[2]));
    let after = follower.hears(application(5, 0));
    assert_eq!(follower.take(&ben), [before, after.clone()]);
    // P-179: from the Welcome on, nothing before it.
    assert_eq!(follower.take(&phone), [first, after.clone()]);
    assert_eq!(follower.take(&tablet), [second, after]);

    // A Welcome for nobody here is dropped, the rest of its body is not.
    let body = [follower.event(welcome(&[7])), follower.event(commit(5))].concat();
    assert_eq!(follower.hear(&body).len(), 3);
    assert_eq!(follower.owed(&phone).len(), 1);
}

#[test]
fn q_10_a_notification_is_read_whole_or_not_at_all() {
    let events = [commit(1), application(2, 0), proposal(2, 7), welcome(&[1]), commit(2)];
    let events: Vec<_> = (0..).zip(events).map(|(time, it)| encoded(time, it)).collect();
    let body = events.concat();
    let limits = Limits::default();
    assert_eq!(notice(&body).references().count(), 1);
    let mut ends = BTreeSet::new();
    for count in 1..=events.len() {
        ends.insert(events[..count].concat().len());
    }
    for end in 0..=body.len() {
        let whole = Notice::decode(&body[..end], &limits).is_ok();
        assert_eq!(whole, ends.contains(&end), "cut at {end}");
    }
    let bad = [&events[0][..], &events[1], &[0xFF; 20], &events[3], &events[4]].concat();
    assert!(Notice::decode(&bad, &limits).is_err(), "the third of five is bad");
    assert!(Notice::decode(&body, &small(|it| it.body = body.len() - 1)).is_err());
}

#[test]
fn p_175_p_176_q_109_a_notification_is_processed_once() {
    let bob = client("bob", "1");
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob]);
    let [one, two] = [application(1, 1), application(1, 2)].map(|it| follower.event(it));
    let body = [one.clone(), two.clone()].concat();
    assert_eq!(follower.hear(&body).len(), 1);
    let revision = follower.room.revision();
    for _ in 0..3 {
        assert_eq!(follower.hear(&body), [], "the same body again, after a restart too");
    }
    // The hub puts events together in another way when it tries again.
    for part in [&one, &two] {
        assert_eq!(follower.hear(part), []);
    }
    assert_eq!(follower.room.revision(), revision, "and nothing had to be saved");
    let three = follower.event(commit(1));
    follower.hear(&[two.clone(), three.clone()].concat());
    assert_eq!(follower.take(&bob), [one, two, three]);
}

#[test]
fn q_109_what_is_remembered_is_bounded() {
    let bob = client("bob", "1");
    let mut follower = Follower::in_epoch(1, small(|it| it.notified = 3), &[&bob]);
    let events: Vec<_> = (0..6).map(|it| follower.hears(application(1, it))).collect();
    let records = |follower: &Follower| {
        let values = follower.store.load(ID).unwrap().values;
        values.keys().filter(|it| it.kind() == 4).count()
    };
    assert_eq!(records(&follower), 3);
    for recent in &events[3..] {
        assert_eq!(follower.hear(recent), []);
    }
    assert_eq!(follower.hear(&events[0]).len(), 1, "forgotten: clients drop what they have seen");
}

#[test]
fn p_178_application_messages_are_withheld_from_blocked_users() {
    let (bob, ben) = (client("bob", "1"), client("ben", "1"));
    let tablet = client("bob", "tablet");
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob, &ben]);
    let before = follower.hears(application(1, 1));
    follower.play(&|room| room.block(&bob.user));
    let ban = follower.hears(proposal(1, 2));
    let secret = follower.hears(application(1, 2));
    let removal = follower.hears(commit(1));
    let more = follower.hears(application(2, 3));

    assert_eq!(follower.owed(&bob), [&before, &ban, &removal].map(Clone::clone));
    let deliver = |client: &Client, events| Action::Deliver { client: client.uri.clone(), events };
    assert_eq!(
        follower.room.backlog(),
        [deliver(&bob, vec![1..3, 4..5]), deliver(&ben, vec![1..6])]
    );
    assert_eq!(follower.take(&ben), [before.clone(), ban.clone(), secret, removal.clone(), more]);
    assert_eq!(follower.take(&bob), [before, ban, removal]);
    assert_eq!(follower.bodies(), 0, "a withheld event keeps nothing back");

    // With nobody else to get it, it is not even stored.
    follower.play(&|room| room.left(&ben.uri));
    assert_eq!(follower.hear(&encoded(50, application(2, 9))), []);
    assert_eq!(follower.bodies(), 0);

    // The hub lets only participants in.
    follower.owners = [tablet.owns(1, None)].into();
    follower.hears(welcome(&[1]));
    let back = follower.hears(application(3, 4));
    assert_eq!(follower.take(&bob), [back.clone()]);
    assert_eq!(follower.take(&tablet)[1..], [back]);
    // Or somebody says so.
    follower.play(&|room| room.block(&bob.user));
    follower.hears(application(3, 5));
    follower.play(&|room| room.unblock(&bob.user));
    let back = follower.hears(application(3, 6));
    assert_eq!(follower.take(&bob), [back]);
}

#[test]
fn a_body_goes_when_every_cursor_has_passed_it() {
    let (bob, ben) = (client("bob", "1"), client("ben", "1"));
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob, &ben]);
    assert_eq!(follower.bodies(), 0);
    let events: Vec<_> = (0..4).map(|it| follower.hears(application(1, it))).collect();
    assert_eq!(follower.bodies(), 4, "stored once, whoever it is for");
    let first = follower.room.owed(&bob.uri)[0].start;
    follower.play(&|room| room.acknowledged(&bob.uri, first + 1));
    assert_eq!((follower.owed(&bob), follower.bodies()), (events[2..].to_vec(), 4));
    follower.play(&|room| room.acknowledged(&ben.uri, first));
    assert_eq!((follower.owed(&ben), follower.bodies()), (events[1..].to_vec(), 3));
    // An old acknowledgement takes nothing back, one of the future nothing ahead.
    follower.play(&|room| room.acknowledged(&ben.uri, 0));
    assert_eq!(follower.owed(&ben), events[1..]);
    follower.play(&|room| room.acknowledged(&ben.uri, u64::MAX));
    assert_eq!((follower.owed(&ben).len(), follower.bodies()), (0, 2));
    let next = follower.hears(application(1, 9));
    assert_eq!(follower.owed(&ben), [next]);
    // What is kept for a client that is gone goes with it.
    follower.play(&|room| room.left(&bob.uri));
    assert_eq!(follower.bodies(), 1);
    let (_, actions) = follower.play(&|room| room.left(&ben.uri));
    assert_eq!((actions, follower.bodies()), (vec![Action::Forget], 0));
    assert_eq!(follower.room.backlog(), [Action::Forget]);
    // Strangers acknowledge nothing.
    let stranger = client("carl", "1");
    follower.play(&|room| room.acknowledged(&stranger.uri, 7));
    follower.play(&|room| room.left(&stranger.uri));
}

#[test]
fn a_client_far_behind_is_named() {
    let bob = client("bob", "1");
    let mut follower = Follower::in_epoch(1, small(|it| it.lag = 2), &[&bob]);
    for text in 0..2 {
        follower.hears(application(1, text));
    }
    assert_eq!(follower.room.lagging().count(), 0);
    follower.hears(application(1, 3));
    assert_eq!(follower.room.lagging().collect::<Vec<_>>(), [(&bob.uri, 3)]);
}

#[test]
fn d_81_events_of_a_later_epoch_wait_for_the_commits_before_them() {
    let bob = client("bob", "1");
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob]);
    let [e1, p2, c2, a2, c1, a3, late] = [
        application(1, 0),
        proposal(2, 5),
        commit(2),
        application(2, 1),
        commit(1),
        application(3, 2),
        application(1, 3),
    ]
    .map(|it| follower.event(it));
    // They arrive as: a message of epoch 3, all of epoch 2, then the commit that starts epoch 2.
    assert_eq!(follower.hear(&a3), []);
    assert_eq!(follower.hear(&[p2.clone(), c2.clone(), a2.clone()].concat()), []);
    assert_eq!(follower.hear(&e1).len(), 1);
    assert_eq!(follower.take(&bob), [e1]);
    follower.hear(&c1);
    // By epoch, and in one epoch as they came; what is behind a commit of its own epoch is not lost.
    assert_eq!(follower.take(&bob), [c1, p2, c2, a2, a3]);
    // What comes too late is passed on at once.
    follower.hear(&late);
    assert_eq!(follower.take(&bob), [late]);
}

#[test]
fn d_81_what_is_held_back_is_bounded_and_the_hub_keeps_the_rest() {
    let bob = client("bob", "1");
    for limits in [small(|it| it.early = 2), small(|it| it.held = 80)] {
        let mut follower = Follower::in_epoch(1, limits, &[&bob]);
        let [one, two, three] = [2, 3, 4].map(|epoch| follower.event(application(epoch, 0)));
        follower.hear(&one);
        follower.hear(&two);
        let body = [follower.event(application(1, 7)), three].concat();
        let fault = follower.fault(&hub(), &body);
        assert_eq!((fault.status(), fault), (503, Fault::TooEarly));
        assert_eq!(follower.owed(&bob).len(), 0, "all or nothing");
        // The commit that is missing is never refused, and makes room.
        follower.hears(commit(1));
        assert!(follower.hear(&body).len() == 1, "the hub tries again");
    }
}

#[test]
fn d_81_nothing_waits_for_ever() {
    let bob = client("bob", "1");
    let mut follower = Follower::in_epoch(1, small(|it| it.held_for = 1000), &[&bob]);
    let [a, b, c] = [application(3, 0), application(4, 1), commit(6)].map(|it| follower.event(it));
    follower.hear(&b);
    follower.hear_at(NOW.plus(10), &a);
    follower.hear_at(NOW.plus(900), &c);
    let (_, actions) = follower.play(&|room| room.timeout(&later(999)));
    assert_eq!(actions, []);
    // The first to be late takes what is before it along.
    assert_eq!(follower.room.timeout(&later(1000)).changes().wake_at, Some(NOW.plus(1900)));
    let (_, actions) = follower.play(&|room| room.timeout(&later(1000)));
    assert_eq!(actions[0], Action::Missing { epochs: 1..4 });
    assert_eq!(follower.take(&bob), [a, b]);
    let (_, actions) = follower.play(&|room| room.timeout(&later(1900)));
    assert_eq!(actions[0], Action::Missing { epochs: 4..6 });
    assert_eq!(follower.take(&bob), [c]);
    let next = follower.hears(application(7, 0));
    assert_eq!(follower.take(&bob), [next], "in turn after the commit of epoch 6");
}

#[test]
fn q_108_a_joiner_gets_its_own_commit_and_all_after_it() {
    let (bob, ben) = (client("bob", "1"), client("ben", "1"));
    let mut follower = Follower::in_epoch(4, Limits::default(), &[&ben]);
    let join = external(4, 1);
    let body = update(&join);
    let (relay, _) = follower.play(&|room| room.update(&at(NOW), &bob.peer(), &body).unwrap());
    assert_eq!(relay.to, domain("a.example"));
    let before = follower.hears(proposal(4, 1));
    // The notification overtakes the reply (D-30), with what is stapled to the commit.
    let stapled = follower.event(FanoutEvent::Commit {
        commit: join.clone(),
        external_proposals: vec![remove(5, 3)],
    });
    follower.hear(&stapled);
    let after = follower.hears(application(5, 0));
    let (_, actions) =
        follower.play(&|room| room.answered(&bob.peer(), &body, &success()).unwrap());
    assert_eq!(actions, []);
    assert_eq!(follower.take(&bob), [stapled.clone(), after.clone()]);
    assert_eq!(follower.take(&ben), [before, stapled, after]);
}

#[test]
fn q_108_a_hub_that_sends_nothing_back_is_followed_all_the_same() {
    let bob = client("bob", "1");
    let limits = Limits::default();
    let join = external(4, 1);
    let body = update(&join);
    let founding = Room::join(limits.clone(), &at(NOW), &bob.peer(), clubhouse(), &body).unwrap();
    let mut follower = Follower::new(limits, &[]);
    follower.store = MemoryStore::new();
    follower.store.save(ID, founding.changes()).unwrap();
    assert_eq!(founding.changes().wake_at, Some(NOW.plus(Limits::default().joiner_for)));
    let (room, outcome) = founding.apply();
    assert_eq!(outcome.reply.to, domain("a.example"));
    follower.room = room;
    assert!(!follower.room.is_idle());

    // Known before the commit is on its way: what overtakes the reply waits.
    let early = follower.event(application(5, 0));
    assert_eq!(follower.hear(&early), []);
    follower.play(&|room| room.answered(&bob.peer(), &body, &success()).unwrap());
    assert_eq!(follower.take(&bob), [early]);
    // Its own later commits move it on as well.
    let own = update(&commit_message(5, 3));
    follower.play(&|room| room.update(&at(NOW), &bob.peer(), &own).unwrap());
    follower.play(&|room| room.answered(&bob.peer(), &own, &success()).unwrap());
    let next = follower.hears(application(6, 0));
    assert_eq!(follower.take(&bob), [next]);
}

#[test]
fn a_refused_or_forgotten_joiner_gets_nothing() {
    let bob = client("bob", "1");
    let limits = small(|it| it.joiner_for = 1000);
    for outcome in [
        UpdateOutcome::WrongEpoch { current_epoch: 9 },
        UpdateOutcome::NotAllowed,
        UpdateOutcome::InvalidProposal(Vec::new()),
    ] {
        let mut follower = Follower::new(limits.clone(), &[]);
        let body = update(&external(4, 1));
        follower.play(&|room| room.update(&at(NOW), &bob.peer(), &body).unwrap());
        // Its second try is what counts: the answer to the first one changes nothing.
        let second = update(&external(5, 1));
        follower.play(&|room| room.update(&at(NOW), &bob.peer(), &second).unwrap());
        let refusal = answer(outcome);
        follower.play(&|room| room.answered(&bob.peer(), &body, &refusal).unwrap());
        assert!(!follower.room.is_idle());
        let (_, actions) =
            follower.play(&|room| room.answered(&bob.peer(), &second, &refusal).unwrap());
        assert_eq!(actions, [Action::Forget]);
        follower.hears(echo(&external(5, 1)));
        assert_eq!(follower.room.clients().count(), 0);
    }
    // Nobody answers.
    let mut follower = Follower::new(limits, &[]);
    let body = update(&external(4, 1));
    follower.play(&|room| room.update(&at(NOW), &bob.peer(), &body).unwrap());
    let (_, actions) = follower.play(&|room| room.timeout(&later(1000)));
    assert_eq!(actions, [Action::Forget]);
}

#[test]
fn who_is_about_to_join_is_bounded() {
    let mut follower = Follower::new(small(|it| it.joiners = 2), &[]);
    for (minute, name) in (0..).zip(["a", "b", "c"]) {
        let joiner = client(name, "1");
        let body = update(&external(4, minute));
        let env = later(u64::from(minute) * 60_000);
        follower.play(&|room| room.update(&env, &joiner.peer(), &body).unwrap());
    }
    for tag in 0..3 {
        follower.hears(echo(&external(4, tag)));
    }
    let [b, c] = ["b", "c"].map(|it| client(it, "1").uri);
    assert_eq!(follower.room.clients().collect::<Vec<_>>(), [&b, &c], "the oldest is out");
}

#[test]
fn p_012_p_014_relays_vouch_for_their_own_clients_only() {
    let bob = Device::new("bob@b.example", "1");
    let mallory = Device::new("mallory@b.example", "1");
    let (limits, clubhouse) = (Limits::default(), clubhouse());
    let third = user("carol@c.example");
    let astray = Peer::Client(Device::new("bob@c.example", "1").client, bob.user.clone());
    let to = |name: &str| Ok(domain(name));
    let not_ours = Err(Fault::NotOurs);

    let app_message = PrivateMessage::decode(&private(1, 0)).unwrap();
    let message = SubmitMessageRequest { app_message, sending_uri: bob.user.clone() }.encode();
    let submit =
        |peer: &Peer, body: &[u8]| submit_message(&limits, peer, &clubhouse, body).map(|it| it.to);
    assert_eq!(submit(&bob.peer(), &message), to("a.example"));
    for peer in [mallory.peer(), server("b.example"), astray.clone()] {
        assert_eq!(submit(&peer, &message), not_ours);
    }
    assert_eq!(submit(&bob.peer(), &message[1..]).unwrap_err().status(), 400);

    // P-012: another provider's user through the hub; without a room straight.
    let material = |peer: &Peer, body: &[u8]| key_material(&limits, peer, body).map(|it| it.to);
    let for_room = bob.request(&third, Some(&clubhouse), 0);
    assert_eq!(material(&bob.peer(), &for_room), to("a.example"));
    assert_eq!(material(&bob.peer(), &bob.request(&third, None, 0)), to("c.example"));
    for peer in [mallory.peer(), server("b.example"), astray.clone()] {
        assert_eq!(material(&peer, &for_room), not_ours);
    }
    let mut forged = bob.unsigned(&third, None);
    forged.requester_credential = mallory.credential().credential;
    assert_eq!(material(&bob.peer(), &bob.signed(forged)), not_ours);

    let request = GroupInfoRequest {
        cipher_suite: bob.suite.into(),
        requesting_signature_key: bob.signer.to_public_vec(),
        requesting_credential: bob.credential().credential,
        group_info_public_key: vec![1; 32],
        joining_code: None,
        signature: vec![1],
    }
    .encode();
    let info =
        |peer: &Peer, body: &[u8]| group_info(&limits, peer, &clubhouse, body).map(|it| it.to);
    assert_eq!(info(&bob.peer(), &request), to("a.example"));
    for peer in [mallory.peer(), server("b.example"), astray.clone()] {
        assert_eq!(info(&peer, &request), not_ours);
    }

    // An update of a room that nobody here is in has to be an external commit.
    let join = |peer: &Peer, body: &[u8]| {
        let founding = Room::join(limits.clone(), &at(NOW), peer, clubhouse.clone(), body);
        founding.map(|it| it.apply().1.reply.to).map_err(|it| it.fault)
    };
    assert_eq!(join(&bob.peer(), &update(&external(1, 0))), to("a.example"));
    assert_eq!(join(&bob.peer(), &update(&commit_message(1, 0))), Err(Fault::UnknownRoom));
    assert_eq!(join(&server("b.example"), &update(&external(1, 0))), not_ours);
    assert_eq!(join(&astray, &update(&external(1, 0))), not_ours);
    let big = small(|it| it.body = 3);
    let founding =
        Room::join(big, &at(NOW), &bob.peer(), clubhouse.clone(), &update(&external(1, 0)));
    assert_eq!(founding.unwrap_err().fault.status(), 400);
}

#[test]
fn records_that_are_not_a_room_are_refused() {
    let (bob, ben) = (client("bob", "1"), client("ben", "1"));
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob, &ben]);
    follower.play(&|room| room.block(&ben.user));
    follower.hears(application(1, 0));
    follower.hears(application(2, 0));
    let body = update(&external(4, 1));
    follower.play(&|room| room.update(&at(NOW), &client("amy", "1").peer(), &body).unwrap());
    let records = follower.store.load(ID).unwrap();
    let kinds: BTreeSet<u8> = records.values.keys().map(|it| it.kind()).collect();
    assert_eq!(kinds, (1..=7).collect(), "every kind is there");
    let load = |records: &Records| Room::restore(records, Limits::default());
    assert_eq!(load(&records).unwrap(), follower.room);
    assert!(load(&Records::default()).is_err());
    for (key, value) in &records.values {
        for end in 0..value.len() {
            let mut cut = records.clone();
            cut.values.insert(key.clone(), value[..end].to_vec());
            assert!(load(&cut).is_err() || key.kind() == 7, "{key:?} cut at {end}");
        }
    }
}

/// Who is in the room of the random test below.
fn members() -> [Client; 2] {
    [client("bob", "1"), client("ben", "1")]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// D-81, P-176: however notifications are cut, reordered and repeated, every member gets every event once, and
    /// none before the commit that starts its epoch.
    #[test]
    fn any_arrival_ends_in_order(
        epochs in proptest::collection::vec(0..4_usize, 1..5),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let members = members();
        let mut follower = Follower::in_epoch(1, Limits::default(), &members.each_ref());
        let mut log = Vec::new();
        for (epoch, messages) in (1..).zip(epochs) {
            for text in 0..messages {
                log.push((epoch, false, follower.event(application(epoch, text.try_into().unwrap()))));
            }
            log.push((epoch, true, follower.event(commit(epoch))));
        }
        let mut got = members.each_ref().map(|_| Vec::new());
        // What has been sent in any order comes at last from the hub's cursor, in order.
        let random = order.iter().map(|it| it.index(log.len()));
        for place in random.chain(0..log.len()) {
            follower.hear(&log[place].2);
            if place % 3 == 0 {
                for (member, got) in members.iter().zip(&mut got) {
                    got.extend(follower.take(member));
                }
            }
        }
        for (member, got) in members.iter().zip(&mut got) {
            got.extend(follower.take(member));
            let places: Vec<usize> = got
                .iter()
                .map(|event| log.iter().position(|(_, _, it)| it == event).unwrap())
                .collect();
            let distinct: BTreeSet<_> = places.iter().collect();
            prop_assert_eq!(distinct.len(), log.len(), "every event");
            prop_assert_eq!(places.len(), log.len(), "once");
            let mut epoch = 1;
            for place in places {
                let (of, commits, _) = &log[place];
                prop_assert!(*of <= epoch, "an event of epoch {} in epoch {}", of, epoch);
                if *commits {
                    prop_assert_eq!(*of, epoch, "commits in order");
                    epoch += 1;
                }
            }
        }
        prop_assert_eq!(follower.bodies(), 0);
    }
}
