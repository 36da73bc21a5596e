//! A follower's room.

mod hub;
mod joining;
mod order;
mod records;
mod routing;

use std::collections::{BTreeMap, BTreeSet};

use openmimi::{
    codec::Wire,
    env::{Env, Limits, Peer, Timestamp},
    follower::{
        Action, Fault, Notice, Room, event_key, group_info, identifier_query, key_material,
        proxy_download, report_abuse, submit_message,
    },
    machine::{Outcome, Records, Step},
    provider::Owner,
    testing::MemoryStore,
    uri::{ClientUri, RoomUri, UserUri},
    wire::{
        AbuseReport, ErrorDescription, FanoutMessage, GroupInfoOption, GroupInfoRequest,
        HandshakeBundle, IdentifierRequest, KeyPackageRef, PartialGroupInfo, PrivateMessage,
        PublicMessage, QueryElement, RatchetTreeOption, RatchetTreePresence, SearchField,
        SubmitMessageRequest, UpdateOutcome, UpdateRequest, UpdateRoomResponse, Welcome,
        notify::FanoutEvent,
    },
};

use crate::provider::support::{Device, NOW, domain, play, room, server, user};

const ID: &[u8] = b"room";
/// More events than a test has.
const ALL: u64 = 1000;

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
