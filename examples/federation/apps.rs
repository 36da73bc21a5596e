//! What a provider does for the apps of its own users. How they talk to it is its own business: here they name the routes
//! of the protocol, and the provider passes on what is for others.

use http::Response;
use openmimi::{
    client::Created,
    codec::Wire,
    env::{Env, Peer, Timestamp},
    follower::{self, Fault},
    http::{Answer, Call, Reply, answer},
    hub::{self, CodeTerms, Offer, Wish},
    provider::{self, Contact, Grant, Policy, Stance, directory::Route},
    uri::{ClientUri, Domain, RoomUri, UserUri},
    wire::KeyMaterialRequest,
};

use super::{
    outbox::infallible,
    server::{Done, Provider, Stop},
    shared::crash::Halt,
};

impl Provider {
    /// Gives a user an account. Who may have its KeyPackages without being asked is its `stance`.
    pub fn register(&mut self, user: &UserUri, stance: Stance) {
        while self.users.get(user.as_str()).is_none() {
            let founding = provider::User::found(
                self.limits().clone(),
                Policy::default(),
                user.clone(),
                stance,
            );
            let limits = &self.http.limits;
            match self.users.found(&mut self.disk, limits, user.as_str(), founding) {
                Ok(_) => {}
                Err(Halt::Crashed | Halt::Refused(())) => drop(self.restart()),
            }
        }
    }

    /// A client publishes KeyPackages.
    pub fn publish(&mut self, now: Timestamp, peer: &Peer, packages: &[Vec<u8>]) -> Done<()> {
        let Peer::Client(_, user) = peer else { return Err(Stop::Unknown) };
        let published = self.at_user(now, user, |user, env| {
            user.publish(env, peer, packages).map_err(|refusal| Reply::Status {
                status: refusal.reason.status(),
                retry_after: None,
            })
        })?;
        Ok(published.map(|_| ()))
    }

    /// A client's request: is it its own, and who takes it? An update is taken down on the way, since who joins from
    /// outside is from then on to be served.
    pub fn relay(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        route: &Route,
        body: &[u8],
    ) -> Done<Domain> {
        let limits = self.limits().clone();
        let relay = match route {
            Route::Update(room) => return self.relay_update(now, peer, room, body),
            Route::SubmitMessage(room) => follower::submit_message(&limits, peer, room, body),
            Route::GroupInfo(room) => follower::group_info(&limits, peer, room, body),
            Route::KeyMaterial(_) => follower::key_material(&limits, peer, body),
            Route::IdentifierQuery(domain) => {
                follower::identifier_query(&limits, peer, domain, body)
            }
            Route::ReportAbuse(room) => follower::report_abuse(&limits, peer, room, body),
            // What servers say to each other; a download has the room beside it: `Provider::relay_download`.
            Route::Notify(_)
            | Route::RequestConsent(_)
            | Route::UpdateConsent(_)
            | Route::ProxyDownload(_) => Err(Fault::NotOurs),
        };
        Ok(relay.map(|relay| relay.to).map_err(Reply::from))
    }

    /// A client's download: the hub of the room that the asset was sent in takes it.
    pub fn relay_download(peer: &Peer, room: &RoomUri) -> Result<Domain, Reply> {
        let relay = follower::proxy_download(peer, room).map_err(Reply::from)?;
        Ok(relay.to)
    }

    fn relay_update(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        room: &RoomUri,
        body: &[u8],
    ) -> Done<Domain> {
        if self.followers.get(room.as_str()).is_some() {
            let relayed = self.at_follower(now, room, |room, env| {
                room.update(env, peer, body).map_err(Reply::from)
            })?;
            return Ok(relayed.map(|relay| relay.to));
        }
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        match follower::Room::join(self.limits().clone(), &env, peer, room.clone(), body) {
            Ok(founding) => self.follow(room, founding).map(|relay| Ok(relay.to)),
            Err(refusal) => Ok(Err(refusal.into())),
        }
    }

    /// The hub's answer to a client's update has come.
    pub fn update_answered(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        room: &RoomUri,
        request: &[u8],
        response: &Response<Vec<u8>>,
    ) -> Result<(), Stop> {
        let Ok(Answer::Done(response)) = answer(now, self.limits(), response) else {
            return Ok(());
        };
        infallible(self.at_follower(now, room, |room, _| {
            room.answered(peer, request, response).map_err(Reply::from)
        }))
    }

    /// Who takes a request of a client here.
    pub fn taker(route: &Route, body: &[u8]) -> Option<Call> {
        Some(match route {
            Route::Update(room) => Call::Update(room.clone()),
            Route::SubmitMessage(room) => Call::SubmitMessage(room.clone()),
            Route::GroupInfo(room) => Call::GroupInfo(room.clone()),
            Route::ReportAbuse(room) => Call::ReportAbuse(room.clone()),
            Route::IdentifierQuery(_) => Call::IdentifierQuery,
            Route::ProxyDownload(url) => Call::ProxyDownload(url.clone()),
            Route::KeyMaterial(target) => {
                let target = target.clone();
                match KeyMaterialRequest::decode(body).ok()?.head().room.clone() {
                    Some(room) => Call::KeyMaterialForRoom { room, target },
                    None => Call::KeyMaterial(target),
                }
            }
            Route::Notify(_) | Route::RequestConsent(_) | Route::UpdateConsent(_) => return None,
        })
    }

    /// A user asks another for consent, or says that it is given.
    pub fn ask_consent(&mut self, now: Timestamp, user: &UserUri, target: &Contact) -> Done<()> {
        self.at_user(now, user, |user, env| user.ask(env, target).map_err(Reply::from))
    }

    pub fn grant_consent(
        &mut self,
        now: Timestamp,
        user: &UserUri,
        requester: &Contact,
    ) -> Done<()> {
        self.at_user(now, user, |user, env| user.grant(env, requester, &[]).map_err(Reply::from))
    }

    /// What a user has been told of the consent of others: who has given it.
    pub fn told(&self, user: &UserUri) -> Vec<Contact> {
        let given = |(contact, grant): (&Contact, Grant)| match grant {
            Grant::Given(_) => Some(contact.clone()),
            Grant::Withheld => None,
        };
        let machine = self.users.get(user.as_str()).into_iter();
        machine.flat_map(provider::User::told).filter_map(given).collect()
    }

    /// The user's app has it, durably.
    pub fn noted(&mut self, now: Timestamp, user: &UserUri, target: &Contact) -> Done<()> {
        self.at_user(now, user, |user, _| Ok(user.noted(target)))
    }

    /// What there is for a client, event by event.
    pub fn deliveries(&self, client: &ClientUri) -> Vec<(RoomUri, u64, Vec<u8>)> {
        let mut all = Vec::new();
        for room in self.followers.iter() {
            let id = self.followers.id(room.uri());
            for event in room.owed(client).into_iter().flatten() {
                let record = self.disk.store.read(id.as_bytes(), &follower::event_key(event));
                let record = record.expect("events are kept until they are delivered").to_vec();
                all.push((room.uri().clone(), event, record));
            }
        }
        all
    }

    /// A client has taken an event over.
    pub fn delivered(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        client: &ClientUri,
        through: u64,
    ) -> Result<(), Stop> {
        infallible(self.at_follower(now, room, |room, _| Ok(room.acknowledged(client, through))))
    }

    /// A client says that it is out of a room, by what it has taken over up to this event.
    pub fn client_left(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        client: &ClientUri,
        through: u64,
    ) -> Result<(), Stop> {
        let left = self.at_follower(now, room, |room, env| Ok(room.left(env, client, through)));
        infallible(left.map(|told| told.map(drop)))
    }

    /// The hub's part of a new room: what it has to look like.
    pub fn offer(&self, now: Timestamp, wish: &Wish) -> Offer {
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        hub::offer(&env, wish).expect("a wish for this hub")
    }

    /// Takes up the room that a client has made, with that client in it.
    pub fn create(&mut self, now: Timestamp, peer: &Peer, offer: &Offer, created: &Created) {
        let Peer::Client(client, user) = peer else { return };
        let room = &offer.room;
        while self.hubs.get(room.as_str()).is_none() {
            let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
            let (info, tree) = (&created.group_info, &created.ratchet_tree);
            let founding = hub::Room::create(&env, offer, info, tree, self.limits())
                .expect("the room that was offered");
            let limits = &self.http.limits;
            match self.hubs.found(&mut self.disk, limits, room.as_str(), founding) {
                Ok(outcome) => self.outbox.notify(room, outcome.actions),
                Err(Halt::Crashed | Halt::Refused(())) => drop(self.restart()),
            }
        }
        while self.followers.get(room.as_str()).is_none() {
            let members = [(client.clone(), user.clone())];
            let founding = follower::Room::found(self.limits().clone(), room.clone(), members);
            // After a crash it is there, or made again.
            let _ = self.follow(room, founding);
        }
    }

    /// A code with which so many users may join.
    pub fn make_code(&mut self, now: Timestamp, room: &RoomUri, uses: u32) -> Done<String> {
        let terms = CodeTerms { uses: Some(uses), ..CodeTerms::default() };
        let code = self.at_hub(now, room, |room, env| {
            room.make_code(env, &terms)
                .map_err(|_| Reply::Status { status: 403, retry_after: None })
        })?;
        Ok(code.map(|code| String::from_utf8(code).expect("hexadecimal")))
    }
}
