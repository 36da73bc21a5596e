//! What a provider owes to others, and how it gets there: directories are looked up, what fails is tried again later and
//! later, and after a crash all of it is found in the records again.

use std::collections::{BTreeMap, BTreeSet};

use http::{Request, Response};
use openmimi::{
    env::Timestamp,
    follower,
    http::{self as mimi, Answer, Call},
    hub::{self, Event},
    provider::{
        self, ConsentEndpoint, Letter,
        directory::{Addressee, Directory, Route, Unreachable},
    },
    uri::{Domain, RoomUri, UserUri},
    wire::KeyPackageRef,
};

use super::server::{Done, Provider, Stop};

/// What is to be done, in memory only: the machines know it as well.
#[derive(Default)]
pub struct Outbox {
    /// Whom a room is to notify now. Who waits out a failure comes back with the room's timeout.
    notify: BTreeSet<(RoomUri, Domain)>,
    letters: BTreeMap<(UserUri, u64), Letter>,
    welcomed: Vec<(UserUri, Vec<KeyPackageRef>)>,
    idle: BTreeSet<RoomUri>,
    /// The directories of others, as they were when they were fetched.
    directories: BTreeMap<Domain, Directory>,
    /// Letters to these wait.
    patience: BTreeMap<Domain, Timestamp>,
}

/// Something on its way to another provider.
pub enum Parcel {
    /// What has happened in a room of ours, up to an event of its log.
    Notification { room: RoomUri, to: Domain, through: u64, body: Vec<u8> },
    /// Something about consent, of a user of ours.
    Letter { user: UserUri, letter: Letter },
}

impl Parcel {
    pub fn to(&self) -> &Domain {
        match self {
            Self::Notification { to, .. } => to,
            Self::Letter { letter, .. } => &letter.to,
        }
    }

    pub fn body(&self) -> &[u8] {
        match self {
            Self::Notification { body, .. } => body,
            Self::Letter { letter, .. } => &letter.body,
        }
    }

    /// Where it goes to. A letter says in its body whom it is for.
    pub fn route(&self) -> Route {
        match self {
            Self::Notification { room, .. } => Route::Notify(room.clone()),
            Self::Letter { letter, .. } => {
                let to = Addressee::Domain(letter.to.clone());
                match letter.endpoint {
                    ConsentEndpoint::Request => Route::RequestConsent(to),
                    ConsentEndpoint::Update => Route::UpdateConsent(to),
                }
            }
        }
    }

    /// The same where it goes to ourselves: the last mile to a client is the same for a room of our own.
    pub fn call(&self) -> Option<Call> {
        match self {
            Self::Notification { room, .. } => Some(Call::Notify(room.clone())),
            Self::Letter { .. } => None,
        }
    }
}

/// What has become of a parcel.
#[derive(Clone, Copy)]
enum Sent {
    Received,
    /// Later, not before so many milliseconds.
    Failed(Option<u64>),
    /// It knows nothing of it.
    Unknown,
}

impl Outbox {
    pub fn notify(&mut self, room: &RoomUri, actions: Vec<hub::Action>) {
        for hub::Action::Notify { provider, events: _ } in actions {
            self.notify.insert((room.clone(), provider));
        }
    }

    pub fn write(&mut self, user: &UserUri, actions: Vec<provider::Action>) {
        for action in actions {
            match action {
                provider::Action::Send(letter) => {
                    self.letters.insert((user.clone(), letter.number), letter);
                }
                // For the clients: they find it when they look, and a push would tell them to.
                provider::Action::Replenish { .. }
                | provider::Action::Requested(_)
                | provider::Action::Withdrawn(_)
                | provider::Action::Told(_) => {}
            }
        }
    }

    pub fn route(&mut self, room: &RoomUri, actions: Vec<follower::Action>) {
        for action in actions {
            match action {
                follower::Action::Welcomed { user, references } => {
                    self.welcomed.push((user, references));
                }
                follower::Action::Forget => {
                    self.idle.insert(room.clone());
                }
                // Clients fetch what there is for them; what is missing is for the log.
                follower::Action::Deliver { .. } | follower::Action::Missing { .. } => {}
            }
        }
    }
}

impl Provider {
    /// Starts with what is on the disk, after a crash too: the machines first, then what they owe.
    pub fn restart(&mut self) -> Stop {
        let limits = &self.http.limits;
        self.hubs.open(&self.disk, limits);
        self.followers.open(&self.disk, limits);
        self.users.open(&self.disk, limits);
        self.outbox = Outbox::default();
        for room in self.hubs.iter() {
            let owed = room.ready().map(|(provider, _)| (room.uri().clone(), provider.clone()));
            self.outbox.notify.extend(owed);
        }
        for user in self.users.iter() {
            self.outbox.write(user.uri(), user.backlog());
        }
        for room in self.followers.iter() {
            self.outbox.route(room.uri(), room.backlog());
        }
        Stop::Crashed
    }

    /// Wakes the machines that want it, and does what one machine here owes to another.
    pub fn tick(&mut self, now: Timestamp) -> Result<(), Stop> {
        for id in self.disk.store.due(now) {
            let id = String::from_utf8(id).expect("our own names");
            let (kind, name) = id.split_once(' ').expect("a kind and a name");
            match kind {
                "hub" => {
                    let room = RoomUri::parse(name).expect("our own name");
                    infallible(self.at_hub(now, &room, |room, env| Ok(room.timeout(env))))?;
                }
                "follower" => {
                    let room = RoomUri::parse(name).expect("our own name");
                    infallible(self.at_follower(now, &room, |room, env| Ok(room.timeout(env))))?;
                }
                _ => {
                    let user = UserUri::parse(name).expect("our own name");
                    infallible(self.at_user(now, &user, |user, env| Ok(user.timeout(env))))?;
                }
            }
        }
        while let Some((user, references)) = self.outbox.welcomed.pop() {
            infallible(self.at_user(now, &user, |user, _| Ok(user.welcomed(&references))))?;
        }
        while let Some(room) = self.outbox.idle.pop_first() {
            if self.followers.get(room.as_str()).is_some_and(follower::Room::is_idle) {
                self.followers.forget(&mut self.disk, room.as_str());
            }
        }
        Ok(())
    }

    /// What is to be sent now, if there is anything.
    pub fn next_parcel(&self, now: Timestamp) -> Option<Parcel> {
        let ready = |(_, letter): &(&(UserUri, u64), &Letter)| {
            self.outbox.patience.get(&letter.to).is_none_or(|until| *until <= now)
        };
        if let Some(((user, _), letter)) = self.outbox.letters.iter().find(ready) {
            return Some(Parcel::Letter { user: user.clone(), letter: letter.clone() });
        }
        let (room, to) = self.outbox.notify.first()?;
        let hub = self.hubs.get(room.as_str())?;
        let (_, events) = hub.backlog().find(|(provider, _)| *provider == to)?;
        let id = self.hubs.id(room);
        let records = events.filter_map(|event| {
            Some((event, self.disk.store.read(id.as_bytes(), &Event::key(event))?))
        });
        let batch = Event::batch(to, self.limits(), records).expect("our own records")?;
        let (room, to) = (room.clone(), to.clone());
        Some(Parcel::Notification { room, to, through: batch.through, body: batch.body })
    }

    /// A parcel was sent, and this came of it: nothing at all, perhaps.
    pub fn sent(
        &mut self,
        now: Timestamp,
        parcel: &Parcel,
        response: Option<&Response<Vec<u8>>>,
    ) -> Result<(), Stop> {
        let answer = response.and_then(|it| mimi::answer(now, self.limits(), it).ok());
        let result = match answer {
            Some(Answer::Done(_)) => Sent::Received,
            Some(Answer::Later { retry_after, .. }) => Sent::Failed(retry_after),
            Some(Answer::Refused { status: 404 | 410 }) => Sent::Unknown,
            Some(Answer::Refused { .. }) | None => Sent::Failed(None),
        };
        // Perhaps it has moved: its directory says where to.
        if matches!(answer, Some(Answer::Refused { .. }) | None) {
            self.outbox.directories.remove(parcel.to());
        }
        match parcel {
            Parcel::Notification { room, to, through, .. } => {
                infallible(self.at_hub(now, room, |room, env| {
                    Ok(match result {
                        Sent::Received => room.acknowledged(env, to, *through),
                        Sent::Failed(retry_after) => room.notify_failed(env, to, retry_after),
                        Sent::Unknown => room.notify_unknown(env, to),
                    })
                }))?;
                let hub = self.hubs.get(room.as_str());
                let rest = hub.is_some_and(|hub| hub.ready().any(|(provider, _)| provider == to));
                if !rest {
                    self.outbox.notify.remove(&(room.clone(), to.clone()));
                }
            }
            Parcel::Letter { user, letter } => match result {
                Sent::Received => {
                    infallible(self.at_user(now, user, |user, _| Ok(user.sent(letter.number))))?;
                    self.outbox.letters.remove(&(user.clone(), letter.number));
                }
                Sent::Failed(retry_after) => self.wait(now, &letter.to, retry_after),
                Sent::Unknown => self.wait(now, &letter.to, None),
            },
        }
        Ok(())
    }

    /// Letters to a provider wait, as long as it asks for.
    fn wait(&mut self, now: Timestamp, to: &Domain, retry_after: Option<u64>) {
        self.outbox.patience.insert(to.clone(), now.plus(retry_after.unwrap_or(1_000)));
    }

    /// Whether something is owed to a provider.
    pub fn owes(&self, to: &Domain) -> bool {
        self.hubs.iter().any(|room| room.backlog().any(|(provider, _)| provider == to))
            || self.outbox.letters.values().any(|letter| letter.to == *to)
    }

    /// The request to a provider, if its directory is known: no URL of an endpoint is fixed.
    pub fn request(
        &self,
        to: &Domain,
        route: &Route,
        body: &[u8],
    ) -> Option<Result<Request<Vec<u8>>, Unreachable>> {
        let directory = self.outbox.directories.get(to)?;
        Some(mimi::request(self.domain(), directory, route, body.to_vec()))
    }

    /// The directory of a provider has come.
    pub fn learn(&mut self, now: Timestamp, of: &Domain, response: &Response<Vec<u8>>) -> bool {
        let answer = mimi::directory(now, self.limits(), of, response);
        let Ok(Answer::Done(directory)) = answer else { return false };
        self.outbox.directories.insert(of.clone(), directory);
        true
    }
}

/// A step that nothing can refuse, of a machine that is here or has just gone.
pub fn infallible<R>(done: Done<R>) -> Result<(), Stop> {
    match done {
        Ok(Ok(_)) | Err(Stop::Unknown) => Ok(()),
        Ok(Err(reply)) => unreachable!("a step that nothing refuses: {reply:?}"),
        Err(Stop::Crashed) => Err(Stop::Crashed),
    }
}
