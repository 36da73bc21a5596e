//! One provider's server: what comes in. A request finds its machine by its path; the machine checks it; what changes is
//! saved; then, and not before, there is an answer. `outbox.rs` has what goes out.

use std::{collections::BTreeMap, rc::Rc};

use http::{Request, Response};
use openmimi::{
    codec::Wire,
    download::{Asked, Fetch, Proxy},
    env::{Env, Limits, Peer, Timestamp},
    follower::{self, Notice},
    http::{self as mimi, Answer, Call, Reply, Server, respond},
    hub,
    machine::{Founding, Step},
    provider::{
        self, Owner, Policy,
        directory::Route,
        query::{Lookup, Profile, SearchPolicy},
    },
    uri::{Domain, RoomUri, UserUri},
    wire::{KeyMaterialRequest, KeyMaterialResponse, KeyPackageRef},
};
use openmls_rust_crypto::RustCrypto;

use super::{
    outbox::Outbox,
    shared::crash::{Disk, Halt},
    shelf::Shelf,
};

/// What a provider's process holds. All of it but the machines and the outbox is configuration, and the machines and the
/// outbox come back from the disk.
pub struct Provider {
    pub crypto: Rc<RustCrypto>,
    /// Its paths, who may use which of them, and its limits.
    pub http: Rc<Server>,
    /// The keys of its hub, and those of its peers.
    pub keys: hub::Keys,
    /// What others may search by, and whom they can find.
    pub search: SearchPolicy,
    pub profiles: Vec<Profile>,
    /// What it downloads for its peers.
    pub proxy: Proxy,
    pub disk: Disk,
    pub hubs: Shelf<hub::Room>,
    pub followers: Shelf<follower::Room>,
    pub users: Shelf<provider::User>,
    pub outbox: Outbox,
}

/// How a request goes on.
pub enum Served {
    /// With the answer.
    Done(Response<Vec<u8>>),
    /// Another provider has the KeyPackages: ask it with the same body, then [`Provider::key_material_passed`].
    Pass { room: RoomUri, to: Domain, route: Route },
    /// The asset lies here: resolve the host and ask it, then [`Provider::asset`].
    Fetch(Fetch),
}

/// Why a request does not go on.
#[derive(Debug)]
pub enum Stop {
    /// The process has died and been started again: nobody answers.
    Crashed,
    /// There is no such room or user here.
    Unknown,
}

/// What a machine has answered, once that is saved.
pub type Done<R> = Result<Result<R, Reply>, Stop>;

impl Provider {
    pub fn domain(&self) -> &Domain {
        self.http.routes.provider()
    }

    pub fn limits(&self) -> &Limits {
        &self.http.limits
    }

    /// The shelves, empty until [`Provider::restart`].
    pub fn shelves() -> (Shelf<hub::Room>, Shelf<follower::Room>, Shelf<provider::User>) {
        (
            Shelf::new("hub", |records, limits| {
                hub::Room::restore(records, limits).expect("what a hub has saved")
            }),
            Shelf::new("follower", |records, limits| {
                follower::Room::restore(records, limits.clone()).expect("what a follower has saved")
            }),
            Shelf::new("user", |records, limits| {
                provider::User::restore(records, limits.clone(), Policy::default())
                    .expect("what a provider has saved")
            }),
        )
    }

    /// Answers a request of another provider. `certificate` are the domains in the certificate that the other side of
    /// the connection has shown: your TLS has verified them, nothing here does.
    pub fn serve(
        &mut self,
        now: Timestamp,
        request: &Request<Vec<u8>>,
        certificate: &[Domain],
    ) -> Result<Served, Stop> {
        let (http, crypto) = (Rc::clone(&self.http), Rc::clone(&self.crypto));
        let env = Env { now, crypto: &*crypto, keys: &() };
        // Host, From, certificate, path, body and peering, each endpoint by itself: all checked against each other.
        let incoming = match http.accept(&env, request, certificate) {
            Ok(incoming) => incoming,
            Err(refusal) => return Ok(Served::Done(*refusal)),
        };
        match self.handle(now, &incoming.peer, &incoming.call, incoming.body) {
            // The same answer for a room that is not here as for a peer that is not welcome.
            Err(Stop::Unknown) => Ok(Served::Done(http.unknown(&env, &incoming))),
            handled => handled,
        }
    }

    /// Gives a request to its machine: one of another provider, or of a client of this one.
    pub fn handle(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        call: &Call,
        body: &[u8],
    ) -> Result<Served, Stop> {
        let response = match call {
            Call::Directory => self.http.directory(),
            Call::KeyMaterial(target) => self.claim(now, peer, target, body)?,
            Call::KeyMaterialForRoom { room, target } => {
                return self.key_material(now, peer, room, target, body);
            }
            // With many rooms, an index of claims over all of them: `hub::Room::update_knowing`.
            Call::Update(room) => response(self.at_hub(now, room, |room, env| {
                room.update(env, peer, body).map_err(Reply::from)
            })?),
            Call::SubmitMessage(room) => response(self.at_hub(now, room, |room, env| {
                room.submit_message(env, peer, body).map_err(Reply::from)
            })?),
            Call::GroupInfo(uri) => response(self.at_hub(now, uri, |room, env| {
                let refuse = |it: hub::Refusal<hub::GroupInfoRefusal>| it.reason.answer(uri).into();
                room.group_info(env, peer, body).map_err(refuse)
            })?),
            Call::ReportAbuse(room) => received(self.at_hub(now, room, |room, env| {
                room.report_abuse(env, peer, body).map_err(Reply::from)
            })?),
            Call::Notify(room) => self.notify(now, peer, room, body)?,
            Call::RequestConsent(user) => received(self.at_user(now, user, |user, env| {
                user.consent_requested(env, peer, body).map_err(Reply::from)
            })?),
            Call::UpdateConsent(user) => received(self.at_user(now, user, |user, env| {
                user.consent_updated(env, peer, body).map_err(Reply::from)
            })?),
            Call::IdentifierQuery => match Lookup::open(self.limits(), &self.search, body) {
                // With an index, look up only who may match: `Lookup::query`.
                Ok(lookup) => respond(&lookup.answer(&self.profiles)),
                Err(refusal) => respond(refusal),
            },
            Call::ProxyDownload(url) => match self.proxy.open(url) {
                Ok(fetch) => return Ok(Served::Fetch(fetch)),
                Err(refusal) => respond(refusal),
            },
            // This provider is no gateway for Oblivious HTTP.
            Call::GatewayKeys | Call::Gateway => {
                respond(Reply::Status { status: 404, retry_after: None })
            }
        };
        Ok(Served::Done(response))
    }

    /// Check, save, apply: a room of ours.
    pub fn at_hub<R>(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        call: impl for<'a> FnOnce(
            &'a mut hub::Room,
            &Env<'_, RustCrypto, hub::Keys>,
        ) -> Result<Step<'a, hub::Room, R>, Reply>,
    ) -> Done<R> {
        self.hubs.get(room.as_str()).ok_or(Stop::Unknown)?;
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        match self
            .hubs
            .step(&mut self.disk, &self.http.limits, room.as_str(), |machine| call(machine, &env))
        {
            Ok(outcome) => {
                self.outbox.notify(room, outcome.actions);
                Ok(Ok(outcome.reply))
            }
            Err(Halt::Refused(reply)) => Ok(Err(reply)),
            Err(Halt::Crashed) => Err(self.restart()),
        }
    }

    /// The same: a user of ours.
    pub fn at_user<R>(
        &mut self,
        now: Timestamp,
        user: &UserUri,
        call: impl for<'a> FnOnce(
            &'a mut provider::User,
            &Env<'_, RustCrypto, ()>,
        ) -> Result<Step<'a, provider::User, R>, Reply>,
    ) -> Done<R> {
        self.users.get(user.as_str()).ok_or(Stop::Unknown)?;
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        match self
            .users
            .step(&mut self.disk, &self.http.limits, user.as_str(), |machine| call(machine, &env))
        {
            Ok(outcome) => {
                self.outbox.write(user, outcome.actions);
                Ok(Ok(outcome.reply))
            }
            Err(Halt::Refused(reply)) => Ok(Err(reply)),
            Err(Halt::Crashed) => Err(self.restart()),
        }
    }

    /// The same: a room that clients of ours are in.
    pub fn at_follower<R>(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        call: impl for<'a> FnOnce(
            &'a mut follower::Room,
            &Env<'_, RustCrypto, ()>,
        ) -> Result<Step<'a, follower::Room, R>, Reply>,
    ) -> Done<R> {
        self.followers.get(room.as_str()).ok_or(Stop::Unknown)?;
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        match self
            .followers
            .step(&mut self.disk, &self.http.limits, room.as_str(), |machine| call(machine, &env))
        {
            Ok(outcome) => {
                self.outbox.route(room, outcome.actions);
                Ok(Ok(outcome.reply))
            }
            Err(Halt::Refused(reply)) => Ok(Err(reply)),
            Err(Halt::Crashed) => Err(self.restart()),
        }
    }

    /// A room comes into being here that clients of ours are in.
    pub fn follow<R>(
        &mut self,
        room: &RoomUri,
        founding: Founding<follower::Room, R>,
    ) -> Result<R, Stop> {
        match self.followers.found(&mut self.disk, &self.http.limits, room.as_str(), founding) {
            Ok(outcome) => {
                self.outbox.route(room, outcome.actions);
                Ok(outcome.reply)
            }
            Err(Halt::Crashed | Halt::Refused(())) => Err(self.restart()),
        }
    }

    /// KeyPackages of a user of ours.
    fn claim(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        target: &UserUri,
        body: &[u8],
    ) -> Result<Response<Vec<u8>>, Stop> {
        let claimed = self
            .at_user(now, target, |user, env| user.claim(env, peer, body).map_err(Reply::from))?;
        Ok(respond(claimed.map_or_else(|refusal| refusal, Reply::from)))
    }

    /// KeyPackages for a room of ours: its hub looks who asks, and the provider of the user answers.
    fn key_material(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        room: &RoomUri,
        target: &UserUri,
        body: &[u8],
    ) -> Result<Served, Stop> {
        let hub = self.hubs.get(room.as_str()).ok_or(Stop::Unknown)?;
        let Ok(request) = KeyMaterialRequest::decode(body) else {
            return Ok(Served::Done(respond(Reply::Status { status: 400, retry_after: None })));
        };
        if let Err(refusal) = hub.may_claim_keys(peer, &request) {
            return Ok(Served::Done(respond(refusal)));
        }
        let (room, to) = (room.clone(), target.domain());
        if to != *self.domain() {
            return Ok(Served::Pass { room, to, route: Route::KeyMaterial(target.clone()) });
        }
        let response = self.claim(now, peer, target, body)?;
        self.key_material_passed(now, &room, &to, response).map(Served::Done)
    }

    /// The provider of the user has answered: the hub takes down where Welcomes will go.
    pub fn key_material_passed(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        from: &Domain,
        response: Response<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, Stop> {
        let answer = mimi::answer(now, self.limits(), &response);
        let Ok(Answer::Done(material)) = answer.and_then(Answer::decode::<KeyMaterialResponse>)
        else {
            return Ok(response);
        };
        let noted = self.at_hub(now, room, |room, env| {
            room.keys_claimed(env, from, &material).map_err(Reply::from)
        })?;
        Ok(noted.map_or_else(respond, |_| response))
    }

    /// The hub of a room says what has happened in it.
    fn notify(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        room: &RoomUri,
        body: &[u8],
    ) -> Result<Response<Vec<u8>>, Stop> {
        let Ok(notice) = Notice::decode(body, self.limits()) else {
            return Ok(respond(Reply::Status { status: 400, retry_after: None }));
        };
        // Whose are the KeyPackages? With many users, keep an index: `provider::references`.
        let owner =
            |reference: &KeyPackageRef| self.users.iter().find_map(|user| user.owner(reference));
        let owners: BTreeMap<KeyPackageRef, Owner> =
            notice.references().filter_map(|it| Some((it.clone(), owner(it)?))).collect();
        if self.followers.get(room.as_str()).is_some() {
            return Ok(received(self.at_follower(now, room, |room, env| {
                room.notify(env, peer, &notice, &owners).map_err(Reply::from)
            })?));
        }
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        let (limits, uri) = (self.limits().clone(), room.clone());
        match follower::Room::welcomed(limits, &env, peer, uri, &notice, &owners) {
            Ok(founding) => self.follow(room, founding).map(|()| respond(Reply::Received)),
            Err(refusal) => Ok(respond(refusal)),
        }
    }

    /// The host of an asset has answered. Here it came as a whole; pass it on piece by piece in earnest.
    pub fn asset(
        &self,
        now: Timestamp,
        asked: &Asked,
        response: Response<Vec<u8>>,
    ) -> Response<Vec<u8>> {
        let taken = mimi::fetched(asked, now, &response).and_then(|mut transfer| {
            transfer.take(now, response.body().len())?;
            transfer.finish()
        });
        match taken {
            Ok(_) => mimi::asset(response.into_body()),
            Err(refusal) => respond(refusal),
        }
    }
}

/// The response of an endpoint, or the answer to a refusal.
fn response<R: Wire>(done: Result<R, Reply>) -> Response<Vec<u8>> {
    done.map_or_else(respond, |reply| respond(&reply))
}

/// That it was received, or the answer to a refusal.
fn received<R>(done: Result<R, Reply>) -> Response<Vec<u8>> {
    respond(done.map_or_else(|refusal| refusal, |_| Reply::Received))
}
