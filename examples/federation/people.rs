//! What people do, and what their phones ask their providers for.

use std::rc::Rc;

use http::{Response, StatusCode};
use openmimi::{
    client::{self, Complaint, JoinRequest, Keys, Outgoing, Refusal, Token},
    codec::Wire,
    content::Draft,
    download::{AssetHosts, Proxy},
    env::{Env, Limits},
    http::Server,
    hub,
    machine::Step,
    provider::{
        Contact, Policy, Stance,
        directory::{Directory, Route, Routes},
        peering::Peering,
        query::{Field, FieldName, Profile, SearchPolicy, Searchable},
    },
    uri::{Domain, RoomUri, UserUri},
    wire::{
        AbuseReport, GroupInfoAnswer, GroupInfoResponse, IdentifierOutcome, IdentifierRequest,
        IdentifierResponse, KeyMaterialResponse, QueryElement, SearchField,
    },
};
use openmls_rust_crypto::RustCrypto;

use super::{
    net::World,
    outbox::Outbox,
    server::{Provider, Stop},
    shared::{
        crash::Disk,
        phone::{Phone, signing_key},
    },
};

impl World {
    /// Providers that know each other: who may use which endpoint of `domain` is its `peering`.
    pub fn found_providers(&mut self, domains: &[Domain], peering: impl Fn(&Domain) -> Peering) {
        let signing: Vec<_> = domains.iter().map(|_| signing_key()).collect();
        let public: Vec<Vec<u8>> = signing.iter().map(|(public, _)| public.clone()).collect();
        for (domain, (key, signer)) in domains.iter().zip(signing) {
            let others = domains.iter().zip(&public).filter(|(other, _)| *other != domain);
            let keys = others.fold(hub::Keys::new(key, signer, [7; 32]), |keys, (other, key)| {
                keys.with_peer(other.clone(), key.clone())
            });
            let hosts = domains.iter().fold(AssetHosts::default(), |hosts, of| {
                let host = Domain::parse(format!("files.{of}")).expect("a domain");
                hosts.with(of.clone(), host)
            });
            let (hubs, followers, users) = Provider::shelves();
            let mut provider = Provider {
                crypto: Rc::clone(&self.crypto),
                http: Rc::new(Server {
                    routes: routes(domain, &format!("mimi.{domain}")),
                    peering: peering(domain),
                    policy: Policy::default(),
                    limits: Limits::default(),
                }),
                keys,
                search: SearchPolicy::default(),
                profiles: Vec::new(),
                proxy: Proxy::new(hosts, &Limits::default()),
                disk: Disk::new(&self.plan),
                hubs,
                followers,
                users,
                outbox: Outbox::default(),
            };
            provider.restart();
            self.providers.insert(domain.clone(), provider);
        }
    }

    /// A provider moves to another host. Who wants something of it finds that in its directory.
    pub fn move_provider(&mut self, domain: &Domain, host: &str) {
        let provider = self.provider(domain);
        let routes = routes(domain, host);
        provider.http = Rc::new(Server { routes, ..provider.http.as_ref().clone() });
    }

    /// Somebody has an account, and can be found by its handle, or not.
    pub fn register(&mut self, user: &UserUri, stance: Stance, searchable: Searchable) {
        let provider = self.provider(&user.domain());
        provider.register(user, stance);
        let value = format!("im:{}@{}", user.name(), user.host());
        let handle = Field { name: FieldName::Handle, value, searchable, shared: false };
        provider.profiles.push(Profile { user: user.clone(), fields: vec![handle] });
    }

    /// A phone of somebody who has an account.
    pub fn phone(&mut self, name: &str, user: &UserUri) -> usize {
        let client = format!("mimi://{}/d/{}/{}", user.host(), user.name(), name.to_lowercase());
        let mut phone = Phone::new(name, user.as_str(), &client, &self.crypto, &self.plan);
        let now = self.now;
        let key_packages = phone.make_key_packages(now, 3);
        let peer = phone.peer();
        let published = again(|| self.provider(&user.domain()).publish(now, &peer, &key_packages));
        published.expect("what a device makes is fit");
        phone.published(now);
        self.phones.push(phone);
        self.phones.len() - 1
    }

    /// Asks again, the same octets, until there is an answer.
    fn ask_until_answered(
        &mut self,
        phone: usize,
        route: &Route,
        body: &[u8],
    ) -> Response<Vec<u8>> {
        loop {
            if let Some(response) = self.ask(phone, route, body) {
                return response;
            }
        }
    }

    /// Looks somebody up by its handle.
    pub fn search(&mut self, phone: usize, at: &Domain, handle: &str) -> IdentifierOutcome {
        let query = vec![QueryElement { field: SearchField::Handle, value: handle.into() }];
        let body = IdentifierRequest { query, extensions: Default::default() }.encode();
        let route = Route::IdentifierQuery(at.clone());
        let response = self.ask_until_answered(phone, &route, &body);
        IdentifierResponse::decode(response.body()).expect("their octets").outcome
    }

    /// Asks somebody for consent.
    pub fn ask_consent(&mut self, phone: usize, target: &Contact) -> Result<(), String> {
        let (now, user) = (self.now, self.phones[phone].user.clone());
        self.trace.note(
            &self.phones[phone].name.clone(),
            format!("asks {} for consent", target.user.name()),
        );
        again(|| self.provider(&user.domain()).ask_consent(now, &user, target))
    }

    /// Gives consent to all who ask for it.
    pub fn grant_consent(&mut self, phone: usize) -> Result<Vec<Contact>, String> {
        let (now, user) = (self.now, self.phones[phone].user.clone());
        let own = self.provider(&user.domain());
        let machine = own.users.get(user.as_str()).ok_or("no account")?;
        let requests: Vec<Contact> = machine.requests().cloned().collect();
        for contact in &requests {
            self.trace.note(
                &self.phones[phone].name.clone(),
                format!("gives {} consent", contact.user.name()),
            );
            again(|| self.provider(&user.domain()).grant_consent(now, &user, contact))?;
        }
        Ok(requests)
    }

    /// Who has given somebody consent: the app takes it.
    pub fn told(&mut self, phone: usize) -> Result<Vec<Contact>, String> {
        let (now, user) = (self.now, self.phones[phone].user.clone());
        let told = self.provider(&user.domain()).told(&user);
        for contact in &told {
            again(|| self.provider(&user.domain()).noted(now, &user, contact))?;
        }
        Ok(told)
    }

    /// Something a phone does in a room, which may be refused by the phone itself.
    pub fn act<R>(
        &mut self,
        phone: usize,
        room: &RoomUri,
        call: impl for<'a> Fn(
            &'a mut client::Room,
            &Env<'_, RustCrypto, Keys>,
            Token,
        ) -> Result<Step<'a, client::Room, R>, Refusal>,
    ) -> Result<R, String> {
        self.phones[phone].act(self.now, room, call)
    }

    /// Sends a message, and lets everybody have it.
    pub fn write(
        &mut self,
        phone: usize,
        room: &RoomUri,
        write: impl FnOnce(openmimi::content::Compose<'static>) -> Draft<'static>,
    ) -> Result<(), String> {
        self.tidy(phone, room)?;
        self.phones[phone].send(self.now, room, write)?;
        self.settle();
        Ok(())
    }

    pub fn say(&mut self, phone: usize, room: &RoomUri, text: &str) -> Result<(), String> {
        self.write(phone, room, |compose| compose.text(text.to_owned()))
    }

    /// Commits what waits, as any member's app does before it sends.
    pub fn tidy(&mut self, phone: usize, room: &RoomUri) -> Result<(), String> {
        if self.phones[phone].rooms.get(room).is_some_and(client::Room::owes_commit) {
            self.act(phone, room, |room, env, token| room.commit_pending(env, token))?;
            self.settle();
        }
        Ok(())
    }

    /// Asks for a user's KeyPackages through the room's hub.
    pub fn key_material(
        &mut self,
        phone: usize,
        room: &RoomUri,
        target: &UserUri,
    ) -> Result<KeyMaterialResponse, String> {
        let request = self.phones[phone].key_material_request(self.now, room, target);
        let route = Route::KeyMaterial(target.clone());
        let response = self.ask_until_answered(phone, &route, &request);
        KeyMaterialResponse::decode(response.body())
            .map_err(|error| format!("{}: {error}", response.status()))
    }

    /// Asks the hub for what an external commit needs.
    pub fn group_info(
        &mut self,
        phone: usize,
        room: &RoomUri,
        code: Option<&str>,
    ) -> (JoinRequest, GroupInfoResponse) {
        let request = self.phones[phone].join_request(self.now, room, code);
        let body = request.request().encode();
        let response = self.ask_until_answered(phone, &Route::GroupInfo(room.clone()), &body);
        (request, GroupInfoResponse::decode(response.body()).expect("the hub's octets"))
    }

    /// Joins from outside, if the hub lets it.
    pub fn join(&mut self, phone: usize, room: &RoomUri, code: Option<&str>) -> Result<(), String> {
        let (request, response) = self.group_info(phone, room, code);
        if !matches!(response.answer, GroupInfoAnswer::Success(_)) {
            return Err("notAuthorized".into());
        }
        self.phones[phone].join_external(self.now, &request, &response);
        self.settle();
        Ok(())
    }

    /// What somebody complains about.
    pub fn complaint(
        &self,
        phone: usize,
        room: &RoomUri,
        complaint: &Complaint,
    ) -> Result<AbuseReport, String> {
        let machine = self.phones[phone].rooms.get(room).ok_or("not in the room")?;
        machine.report(complaint).map_err(|refusal| refusal.to_string())
    }

    /// Sends a report to the hub. It hears that it was received, and no more.
    pub fn report(
        &mut self,
        phone: usize,
        room: &RoomUri,
        report: &AbuseReport,
    ) -> Result<(), String> {
        let route = Route::ReportAbuse(room.clone());
        let response = self.ask_until_answered(phone, &route, &report.encode());
        match response.status() {
            StatusCode::CREATED => Ok(()),
            other => Err(format!("a report is answered {other}")),
        }
    }

    /// Sends what a phone has to send. Says whether that changed anything.
    pub fn send_outbox(&mut self, phone: usize) -> bool {
        if !self.phones[phone].online {
            return false;
        }
        let rooms: Vec<RoomUri> = self.phones[phone].rooms.keys().cloned().collect();
        let mut busy = false;
        for room in rooms {
            let outgoing = self.phones[phone].outgoing(&room);
            for sent in &outgoing {
                self.send(phone, &room, sent);
            }
            busy |= self.phones[phone].outgoing(&room) != outgoing;
        }
        busy
    }

    fn send(&mut self, phone: usize, room: &RoomUri, outgoing: &Outgoing) {
        let route = match outgoing.endpoint {
            client::Endpoint::Update => Route::Update(room.clone()),
            client::Endpoint::SubmitMessage => Route::SubmitMessage(room.clone()),
        };
        let response = self.ask_until_answered(phone, &route, &outgoing.body);
        self.phones[phone].answered(self.now, room, outgoing, response.body());
    }

    /// Takes what a phone's provider has for it. Says whether there was anything.
    pub fn receive_all(&mut self, phone: usize) -> bool {
        let own = self.phones[phone].user.domain();
        if !self.phones[phone].online || self.down.contains_key(&own) {
            return false;
        }
        let (now, client) = (self.now, self.phones[phone].client.clone());
        let deliveries = self.provider(&own).deliveries(&client);
        for (room, event, body) in &deliveries {
            self.phones[phone].receive(now, room, body);
            // If the provider dies now, it gives the same again.
            let _ = self.provider(&own).delivered(now, room, &client, *event);
            if !self.phones[phone].rooms.contains_key(room) {
                while self.provider(&own).client_left(now, room, &client, *event).is_err() {}
            }
        }
        !deliveries.is_empty()
    }
}

/// All endpoints of a provider at one host.
fn routes(domain: &Domain, host: &str) -> Routes {
    let directory = Directory::standard(domain.clone(), host).expect("a host");
    Routes::new(directory).expect("the standard paths")
}

/// Calls a provider again when it has died.
fn again<R>(mut call: impl FnMut() -> super::server::Done<R>) -> Result<R, String> {
    loop {
        match call() {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(refusal)) => return Err(format!("{refusal:?}")),
            Err(Stop::Unknown) => return Err("there is no such room or user".into()),
            Err(Stop::Crashed) => {}
        }
    }
}
