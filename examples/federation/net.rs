//! The wires: providers and phones, and everything that passes between them. Requests and responses are values of the
//! `http` crate; name resolution, connections and certificates are those of a small Internet.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    rc::Rc,
};

use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use openmimi::{
    codec::Wire,
    download::Fetch,
    env::{Peer, Timestamp},
    http::{self as mimi, respond},
    provider::directory::Route,
    uri::{Domain, RoomUri, UserUri},
    wire::{
        GroupInfoAnswer, GroupInfoResponse, IdentifierOutcome, IdentifierResponse,
        KeyMaterialResponse, SubmitMessageResponse, UpdateOutcome, UpdateRoomResponse,
    },
};
use openmls_rust_crypto::RustCrypto;

use super::{
    outbox::Parcel,
    server::{Provider, Served, Stop},
    shared::{
        crash::Plan,
        phone::{Phone, present},
        trace::Trace,
    },
};

pub struct World {
    pub now: Timestamp,
    pub crypto: Rc<RustCrypto>,
    pub providers: BTreeMap<Domain, Provider>,
    pub phones: Vec<Phone>,
    pub trace: Trace,
    pub plan: Rc<RefCell<Plan>>,
    /// Providers whose servers are down, and for how long, in seconds, the machine before them asks others to wait.
    pub down: BTreeMap<Domain, u64>,
    /// Where names lead.
    pub addresses: BTreeMap<Domain, IpAddr>,
    /// What lies on other hosts, by URL.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl World {
    /// A world without anybody.
    pub fn new() -> Self {
        Self {
            now: present(),
            crypto: Rc::default(),
            providers: BTreeMap::new(),
            phones: Vec::new(),
            trace: Trace::new(15),
            plan: Rc::default(),
            down: BTreeMap::new(),
            addresses: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    pub fn provider(&mut self, domain: &Domain) -> &mut Provider {
        self.providers.get_mut(domain).expect("every provider of the story is there")
    }

    /// Time passes.
    pub fn wait(&mut self, milliseconds: u64) {
        self.now = self.now.plus(milliseconds);
    }

    /// A client's request: to its provider, and from there to whoever takes it. `None`: somebody died on the way.
    pub fn ask(&mut self, phone: usize, route: &Route, body: &[u8]) -> Option<Response<Vec<u8>>> {
        let (peer, own, name) = self.caller(phone);
        self.hop(&name, own.as_str(), Some(route), body.len(), |world| {
            let now = world.now;
            let to = match world.provider(&own).relay(now, &peer, route, body) {
                Ok(Ok(to)) => to,
                Ok(Err(reply)) => return Some(respond(reply)),
                Err(_) => return None,
            };
            let response = world.relay(&peer, &own, &to, route, body)?;
            if let (Route::Update(room), StatusCode::OK) = (route, response.status()) {
                let own = world.provider(&own);
                own.update_answered(now, &peer, room, body, &response).ok()?;
            }
            Some(response)
        })
    }

    /// A client's download: through its provider and the hub of the room.
    pub fn download(
        &mut self,
        phone: usize,
        room: &RoomUri,
        route: &Route,
    ) -> Option<Response<Vec<u8>>> {
        let (peer, own, name) = self.caller(phone);
        self.hop(&name, own.as_str(), Some(route), 0, |world| {
            match Provider::relay_download(&peer, room) {
                Ok(to) => world.relay(&peer, &own, &to, route, &[]),
                Err(reply) => Some(respond(reply)),
            }
        })
    }

    fn caller(&self, phone: usize) -> (Peer, Domain, String) {
        let phone = &self.phones[phone];
        (phone.peer(), phone.user.domain(), phone.name.clone())
    }

    fn relay(
        &mut self,
        peer: &Peer,
        own: &Domain,
        to: &Domain,
        route: &Route,
        body: &[u8],
    ) -> Option<Response<Vec<u8>>> {
        if to != own {
            return self.call(own, to, route, body);
        }
        let (now, call) = (self.now, Provider::taker(route, body)?);
        let served = self.provider(own).handle(now, peer, &call, body);
        self.finish(own, served, body)
    }

    /// A request of one provider to another; its directory first, if it is not known.
    pub fn call(
        &mut self,
        from: &Domain,
        to: &Domain,
        route: &Route,
        body: &[u8],
    ) -> Option<Response<Vec<u8>>> {
        if self.provider(from).request(to, route, body).is_none() {
            let request = mimi::request_directory(from, to);
            let directory = self.exchange(from, to, None, request)?;
            let now = self.now;
            if !self.provider(from).learn(now, to, &directory) {
                return Some(directory);
            }
        }
        let request = self.provider(from).request(to, route, body)?.expect("every endpoint");
        self.exchange(from, to, Some(route), request)
    }

    /// A request on its way to a server, and the answer on its way back.
    fn exchange(
        &mut self,
        from: &Domain,
        to: &Domain,
        route: Option<&Route>,
        request: Request<Vec<u8>>,
    ) -> Option<Response<Vec<u8>>> {
        self.hop(from.as_str(), to.as_str(), route, request.body().len(), |world| {
            if let Some(seconds) = world.down.get(to) {
                let unavailable = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
                let unavailable = unavailable.header(RETRY_AFTER, *seconds).body(Vec::new());
                return Some(unavailable.expect("a response"));
            }
            // TLS: the other side has shown a certificate for the domain that it says it is.
            let (now, certificate) = (world.now, [from.clone()]);
            let served = world.provider(to).serve(now, &request, &certificate);
            world.finish(to, served, request.body())
        })
    }

    /// A provider sends what another one would have sent. Its certificate is its own.
    pub fn pose(
        &mut self,
        who: &Domain,
        from: &Domain,
        to: &Domain,
        route: &Route,
    ) -> Option<Response<Vec<u8>>> {
        let request = self.provider(from).request(to, route, &[])?.expect("every endpoint");
        self.hop(who.as_str(), to.as_str(), Some(route), 0, |world| {
            let (now, certificate) = (world.now, [who.clone()]);
            let served = world.provider(to).serve(now, &request, &certificate);
            world.finish(to, served, &[])
        })
    }

    /// Goes on with a request where it is.
    fn finish(
        &mut self,
        at: &Domain,
        served: Result<Served, Stop>,
        body: &[u8],
    ) -> Option<Response<Vec<u8>>> {
        match served {
            Ok(Served::Done(response)) => Some(response),
            Ok(Served::Pass { room, to, route }) => {
                let response = self.call(at, &to, &route, body)?;
                let now = self.now;
                self.provider(at).key_material_passed(now, &room, &to, response).ok()
            }
            Ok(Served::Fetch(fetch)) => Some(self.fetch(at, fetch)),
            Err(Stop::Unknown) => Some(status(StatusCode::NOT_FOUND)),
            Err(Stop::Crashed) => None,
        }
    }

    /// A provider fetches an asset: one look at where the name leads, one request there.
    fn fetch(&mut self, at: &Domain, fetch: Fetch) -> Response<Vec<u8>> {
        let addresses: Vec<IpAddr> =
            self.addresses.get(fetch.host()).copied().into_iter().collect();
        let now = self.now;
        let asked = match fetch.resolved(now, &addresses) {
            Ok(asked) => asked,
            Err(refusal) => return respond(refusal),
        };
        let request = mimi::fetch(&asked);
        let hop = self.trace.sent(at.as_str(), asked.host().as_str(), "GET", 0);
        let response = match self.files.get(&request.uri().to_string()) {
            Some(file) => Response::new(file.clone()),
            None => status(StatusCode::NOT_FOUND),
        };
        self.trace.answered(
            hop,
            format!("{}, {} octets", response.status().as_u16(), response.body().len()),
        );
        self.provider(at).asset(now, &asked, response)
    }

    /// Lets everything that is outstanding arrive, until nothing is.
    pub fn settle(&mut self) {
        loop {
            while self.work() {}
            // What failed is tried again after a while.
            let waits = |owes: &Provider| {
                let up = self.providers.keys().filter(|it| !self.down.contains_key(*it));
                up.into_iter().any(|it| owes.owes(it))
            };
            if !self.providers.values().any(waits) {
                return;
            }
            self.wait(1_000);
        }
    }

    /// Everybody does what there is to do. Says whether there was anything.
    pub fn work(&mut self) -> bool {
        let mut busy = false;
        for phone in 0..self.phones.len() {
            busy |= self.send_outbox(phone);
        }
        let domains: BTreeSet<Domain> = self.providers.keys().cloned().collect();
        for domain in
            domains.iter().filter(|it| !self.down.contains_key(*it)).cloned().collect::<Vec<_>>()
        {
            let now = self.now;
            busy |= self.provider(&domain).tick(now).is_err();
            while let Some(parcel) = self.provider(&domain).next_parcel(now) {
                busy = true;
                let response = self.post(&domain, &parcel);
                // If it dies now, it sends it again.
                let _ = self.provider(&domain).sent(now, &parcel, response.as_ref());
            }
        }
        for phone in 0..self.phones.len() {
            busy |= self.receive_all(phone);
        }
        busy
    }

    fn post(&mut self, from: &Domain, parcel: &Parcel) -> Option<Response<Vec<u8>>> {
        match parcel.call().filter(|_| parcel.to() == from) {
            Some(call) => {
                let (now, peer) = (self.now, Peer::Server(from.clone()));
                let served = self.provider(from).handle(now, &peer, &call, parcel.body());
                self.finish(from, served, parcel.body())
            }
            None => self.call(from, parcel.to(), &parcel.route(), parcel.body()),
        }
    }

    /// Takes down what is sent, and what is answered.
    fn hop(
        &mut self,
        from: &str,
        to: &str,
        route: Option<&Route>,
        octets: usize,
        send: impl FnOnce(&mut Self) -> Option<Response<Vec<u8>>>,
    ) -> Option<Response<Vec<u8>>> {
        let endpoint = route.map_or("directory", |route| route.endpoint().name());
        let hop = self.trace.sent(from, to, endpoint, octets);
        let response = send(self);
        let outcome = response.as_ref().map_or("no answer".into(), |it| outcome(route, it));
        self.trace.answered(hop, outcome);
        response
    }

    /// How often something was sent from one party to another.
    pub fn hops(&self, from: &Domain, to: &Domain) -> usize {
        use super::shared::trace::Line;
        let between = |line: &&Line| match line {
            Line::Hop(hop) => hop.from == from.as_str() && hop.to == to.as_str(),
            Line::Scene(_) | Line::Note(..) => false,
        };
        self.trace.lines.iter().filter(between).count()
    }
}

fn status(status: StatusCode) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    response
}

/// A response in a word.
fn outcome(route: Option<&Route>, response: &Response<Vec<u8>>) -> String {
    let body = response.body();
    if response.status() != StatusCode::OK {
        let wait = response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok());
        let wait = wait.map_or(String::new(), |wait| format!(", Retry-After {wait}"));
        return format!("{}{wait}", response.status().as_u16());
    }
    let word = match route {
        None | Some(Route::ProxyDownload(_)) => Ok(format!("200, {} octets", body.len())),
        Some(Route::KeyMaterial(_)) => KeyMaterialResponse::decode(body).map(|response| {
            format!("{:?}, {} clients", response.user_status, response.clients.len())
        }),
        Some(Route::Update(_)) => {
            UpdateRoomResponse::decode(body).map(|response| match response.outcome {
                UpdateOutcome::Success { .. } => "success".into(),
                UpdateOutcome::WrongEpoch { current_epoch } => {
                    format!("wrongEpoch, now {current_epoch}")
                }
                UpdateOutcome::NotAllowed => "notAllowed".into(),
                UpdateOutcome::InvalidProposal(_) => "invalidProposal".into(),
            })
        }
        Some(Route::SubmitMessage(_)) => {
            SubmitMessageResponse::decode(body).map(|response| match response {
                SubmitMessageResponse::Accepted { frank: Some(_), .. } => {
                    "accepted, franked".into()
                }
                SubmitMessageResponse::Accepted { frank: None, .. } => "accepted".into(),
                SubmitMessageResponse::NotAllowed => "notAllowed".into(),
                SubmitMessageResponse::EpochTooOld { current_epoch } => {
                    format!("epochTooOld, now {current_epoch}")
                }
            })
        }
        Some(Route::GroupInfo(_)) => {
            GroupInfoResponse::decode(body).map(|response| match response.answer {
                GroupInfoAnswer::Success(_) => "success".into(),
                GroupInfoAnswer::NotAuthorized => "notAuthorized".into(),
                GroupInfoAnswer::NoSuchRoom => "noSuchRoom".into(),
            })
        }
        Some(Route::IdentifierQuery(_)) => {
            IdentifierResponse::decode(body).map(|response| match response.outcome {
                IdentifierOutcome::Found(_) => "found".into(),
                IdentifierOutcome::NotFound => "notFound".into(),
                IdentifierOutcome::Ambiguous => "ambiguous".into(),
                IdentifierOutcome::Forbidden => "forbidden".into(),
                IdentifierOutcome::UnsupportedField => "unsupportedField".into(),
            })
        }
        Some(
            Route::Notify(_)
            | Route::RequestConsent(_)
            | Route::UpdateConsent(_)
            | Route::ReportAbuse(_),
        ) => Ok("200".into()),
    };
    word.unwrap_or_else(|error| error.to_string())
}

/// A user by its URI.
pub fn user(uri: &str) -> UserUri {
    UserUri::parse(uri).expect("a user")
}

pub fn domain(name: &str) -> Domain {
    Domain::parse(name).expect("a domain")
}
