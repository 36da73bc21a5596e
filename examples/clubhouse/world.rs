//! Three providers and their users' phones, and the wires between them. Everybody has a disk of its own; what passes
//! between them is octets.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use openmimi::{
    codec::Wire,
    env::{Peer, Timestamp},
    hub,
    uri::{ClientUri, Domain, RoomUri, UserUri},
    wire::{
        GroupInfoAnswer, GroupInfoResponse, KeyMaterialResponse, SubmitMessageResponse,
        UpdateOutcome, UpdateRoomResponse,
    },
};
use openmls_rust_crypto::RustCrypto;

use super::{
    server::{Endpoint, Reply, Server, Step},
    shared::{
        crash::Plan,
        phone::{Phone, present, signing_key},
        trace::Trace,
    },
};

pub struct World {
    pub now: Timestamp,
    pub crypto: Rc<RustCrypto>,
    pub servers: BTreeMap<Domain, Server>,
    pub phones: Vec<Phone>,
    pub trace: Trace,
    pub plan: Rc<RefCell<Plan>>,
}

impl World {
    /// Providers without users.
    pub fn new(domains: &[&str]) -> Self {
        let plan = Rc::new(RefCell::new(Plan::default()));
        let crypto = Rc::new(RustCrypto::default());
        let server = |domain: &&str| {
            let domain = Domain::parse(domain).expect("a domain");
            let (public, key) = signing_key();
            let keys = hub::Keys::new(public, key, [7; 32]);
            (domain.clone(), Server::new(domain, keys, &crypto, &plan))
        };
        let servers = domains.iter().map(server).collect();
        Self {
            now: present(),
            crypto: Rc::clone(&crypto),
            servers,
            phones: Vec::new(),
            trace: Trace::new(13),
            plan,
        }
    }

    pub fn server(&mut self, domain: &Domain) -> &mut Server {
        self.servers.get_mut(domain).expect("every provider of the story is there")
    }

    /// A request of one provider, or of a client to its own. `None`: somebody died on the way, ask again.
    fn post(
        &mut self,
        peer: &Peer,
        to: &Domain,
        endpoint: &Endpoint,
        body: &[u8],
    ) -> Option<Reply> {
        let now = self.now;
        match self.server(to).serve(now, peer, endpoint, body)? {
            Step::Done(reply) => Some(reply),
            Step::Forward(next) => {
                let reply = self.hop(to.as_str(), next.as_str(), endpoint, body, |world| {
                    world.post(&Peer::Server(to.clone()), &next, endpoint, body)
                });
                self.server(to).key_material_passed(now, &next, body, reply?)
            }
        }
    }

    /// A client's request to its own provider, which passes it on to the hub.
    pub fn ask(
        &mut self,
        client: &ClientUri,
        user: &UserUri,
        name: &str,
        endpoint: &Endpoint,
        body: &[u8],
    ) -> Option<Reply> {
        let peer = Peer::Client(client.clone(), user.clone());
        self.hop(name, user.host(), endpoint, body, |world| {
            world.relay(&peer, &user.domain(), endpoint, body)
        })
    }

    fn relay(
        &mut self,
        peer: &Peer,
        own: &Domain,
        endpoint: &Endpoint,
        body: &[u8],
    ) -> Option<Reply> {
        let now = self.now;
        let limits = self.server(own).limits.clone();
        let relayed = match endpoint {
            Endpoint::Update(room) => match self.server(own).relay_update(now, peer, room, body)? {
                Ok(to) => Ok(to),
                Err(reply) => return Some(reply),
            },
            Endpoint::SubmitMessage(room) => {
                openmimi::follower::submit_message(&limits, peer, room, body).map(|it| it.to)
            }
            Endpoint::GroupInfo(room) => {
                openmimi::follower::group_info(&limits, peer, room, body).map(|it| it.to)
            }
            Endpoint::KeyMaterial(_) => {
                openmimi::follower::key_material(&limits, peer, body).map(|it| it.to)
            }
            Endpoint::Notify(_) => return Some(Reply { status: 404, body: Vec::new() }),
        };
        let to = match relayed {
            Ok(to) => to,
            Err(fault) => return Some(Reply { status: fault.status(), body: Vec::new() }),
        };
        let reply = if to == *own {
            self.post(peer, own, endpoint, body)?
        } else {
            self.hop(own.as_str(), to.as_str(), endpoint, body, |world| {
                world.post(&Peer::Server(own.clone()), &to, endpoint, body)
            })?
        };
        if let (Endpoint::Update(room), 200) = (endpoint, reply.status) {
            self.server(own).update_answered(peer, room, body, &reply.body)?;
        }
        Some(reply)
    }

    /// Lets everything that is outstanding arrive, until nothing is.
    pub fn settle(&mut self) {
        loop {
            let mut busy = false;
            for phone in 0..self.phones.len() {
                busy |= self.send_outbox(phone);
            }
            let domains: Vec<Domain> = self.servers.keys().cloned().collect();
            for domain in &domains {
                for (room, provider, through, body) in self.server(domain).outstanding() {
                    busy = true;
                    self.notify(domain, &room, &provider, through, &body);
                }
            }
            for domain in &domains {
                self.server(domain).close_claims();
            }
            for phone in 0..self.phones.len() {
                busy |= self.receive_all(phone);
            }
            if !busy {
                return;
            }
        }
    }

    fn notify(
        &mut self,
        hub: &Domain,
        room: &RoomUri,
        provider: &Domain,
        through: u64,
        body: &[u8],
    ) {
        let endpoint = Endpoint::Notify(room.clone());
        let reply = self.hop(hub.as_str(), provider.as_str(), &endpoint, body, |world| {
            world.post(&Peer::Server(hub.clone()), provider, &endpoint, body)
        });
        let now = self.now;
        match reply {
            Some(reply) if reply.status == 201 => {
                self.server(hub).acknowledged(now, room, provider, through)
            }
            Some(reply) => panic!("{provider} answers {} to notify", reply.status),
            None => {}
        }
    }

    /// Takes down what is sent, and what is answered.
    fn hop(
        &mut self,
        from: &str,
        to: &str,
        endpoint: &Endpoint,
        body: &[u8],
        send: impl FnOnce(&mut Self) -> Option<Reply>,
    ) -> Option<Reply> {
        let hop = self.trace.sent(from, to, endpoint.name(), body.len());
        let reply = send(self);
        self.trace.answered(
            hop,
            match &reply {
                None => "no answer".into(),
                Some(Reply { status: 200, body }) => outcome(endpoint, body),
                Some(Reply { status, .. }) => status.to_string(),
            },
        );
        reply
    }

    /// Time passes.
    pub fn wait(&mut self, milliseconds: u64) {
        self.now = self.now.plus(milliseconds);
    }
}

/// A response in a word.
fn outcome(endpoint: &Endpoint, body: &[u8]) -> String {
    let word = match endpoint {
        Endpoint::KeyMaterial(_) => KeyMaterialResponse::decode(body).map(|response| {
            format!("{:?}, {} clients", response.user_status, response.clients.len())
        }),
        Endpoint::Update(_) => {
            UpdateRoomResponse::decode(body).map(|response| match response.outcome {
                UpdateOutcome::Success { .. } => "success".into(),
                UpdateOutcome::WrongEpoch { current_epoch } => {
                    format!("wrongEpoch, now {current_epoch}")
                }
                UpdateOutcome::NotAllowed => {
                    format!("notAllowed: {}", short(response.error_description.as_str()))
                }
                UpdateOutcome::InvalidProposal(_) => {
                    format!("invalidProposal: {}", short(response.error_description.as_str()))
                }
            })
        }
        Endpoint::SubmitMessage(_) => {
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
        Endpoint::GroupInfo(_) => {
            GroupInfoResponse::decode(body).map(|response| match response.answer {
                GroupInfoAnswer::Success(_) => "success".into(),
                GroupInfoAnswer::NotAuthorized => "notAuthorized".into(),
                GroupInfoAnswer::NoSuchRoom => "noSuchRoom".into(),
            })
        }
        Endpoint::Notify(_) => Ok("200".into()),
    };
    word.unwrap_or_else(|error| error.to_string())
}

/// Up to the first long hash.
fn short(text: &str) -> String {
    let long = |word: &&str| word.len() < 40;
    text.split(' ').take_while(long).collect::<Vec<_>>().join(" ")
}
