//! Requests and answers between nodes: over links that lose, repeat, delay and break.

use std::collections::BTreeSet;

use super::{World, WorldCrypto, luck::Way, model::Wish, report::Exchange};
use crate::{
    client::{OutgoingId, Token},
    env::{Peer, Timestamp},
    follower,
};

/// An endpoint with what stands in its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Of a user, by number.
    KeyMaterial(usize),
    /// Of a room, by number.
    Update(usize),
    /// Of a room, by number.
    Submit(usize),
    /// Of a room, by number.
    GroupInfo(usize),
    /// Of a room, by number.
    Notify(usize),
    /// A letter of a user, by number, to whom it asks for consent.
    RequestConsent(usize),
    /// A letter of a user, by number, who says what it consents to.
    UpdateConsent(usize),
    /// Of a provider.
    Query,
}

impl Endpoint {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::KeyMaterial(_) => "keyMaterial",
            Self::Update(_) => "update",
            Self::Submit(_) => "submitMessage",
            Self::GroupInfo(_) => "groupInfo",
            Self::Notify(_) => "notify",
            Self::RequestConsent(_) => "requestConsent",
            Self::UpdateConsent(_) => "updateConsent",
            Self::Query => "identifierQuery",
        }
    }

    const fn is_letter(self) -> bool {
        matches!(self, Self::RequestConsent(_) | Self::UpdateConsent(_))
    }

    pub(super) const fn room(self) -> Option<usize> {
        match self {
            Self::KeyMaterial(_)
            | Self::RequestConsent(_)
            | Self::UpdateConsent(_)
            | Self::Query => None,
            Self::Update(room)
            | Self::Submit(room)
            | Self::GroupInfo(room)
            | Self::Notify(room) => Some(room),
        }
    }
}

/// Who is behind something that a hub is asked for; the model has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A device, and what it calls it.
    Device(usize, Token),
    /// The hub itself.
    Hub(Wish),
    /// A user whose proposal nobody else can accept.
    Void(usize),
    /// An adversary: nothing of this may be accepted.
    Adversary(&'static str),
    /// Nobody who changes anything.
    Nobody,
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) endpoint: Endpoint,
    pub(super) body: Vec<u8>,
    pub(super) origin: Origin,
}

/// What an endpoint answers: an HTTP status and a body.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) const fn ok(body: Vec<u8>) -> Self {
        Self { status: 200, body }
    }

    pub(super) const fn status(status: u16) -> Self {
        Self { status, body: Vec::new() }
    }
}

/// Something that arrives when nobody waits for it any more.
#[derive(Clone, Debug)]
pub(super) enum Late {
    /// A request of a device at its provider.
    Relay(usize, Request),
    /// A request at a provider, from another one or a client of its own.
    Post(Peer, usize, Request),
    /// The answer to what a device has sent.
    Answer(usize, usize, OutgoingId, Endpoint, Reply),
}

/// What is between the nodes.
#[derive(Debug, Default)]
pub(super) struct Network {
    /// Pairs of providers that cannot reach each other, the smaller number first.
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// What is late, and until when.
    pub(super) limbo: Vec<(Timestamp, Late)>,
}

/// How many exchanges are kept for a report.
const EXCHANGES: usize = 4_000;

impl<C: WorldCrypto> World<C> {
    pub(super) fn note(&mut self, from: String, to: String, room: Option<usize>, what: String) {
        if self.exchanges.len() >= EXCHANGES {
            self.exchanges.drain(..EXCHANGES / 4);
        }
        self.exchanges.push(Exchange { step: self.step, room, from, to, what });
    }

    fn way(&mut self) -> Way {
        let way = self.luck.way();
        match way {
            Way::Clear => {}
            Way::RequestLost => self.tally.fault("request lost"),
            Way::ReplyLost => self.tally.fault("reply lost"),
            Way::Twice => self.tally.fault("request twice"),
            Way::Late => self.tally.fault("request late"),
        }
        way
    }

    /// Until when something is late.
    fn later(&mut self) -> Timestamp {
        self.now.plus(200 + 400 * self.luck.below(40) as u64)
    }

    pub(super) fn can_reach(&self, one: usize, other: usize) -> bool {
        !self.network.cut.contains(&(one.min(other), one.max(other)))
    }

    /// A device's request to its provider, which passes it on. `None`: no answer came; ask again.
    pub(super) fn ask(&mut self, device: usize, request: &Request) -> Option<Reply> {
        let reply = match self.way() {
            Way::RequestLost => None,
            Way::Late => {
                let due = self.later();
                self.network.limbo.push((due, Late::Relay(device, request.clone())));
                None
            }
            Way::ReplyLost => {
                self.relay(device, request);
                None
            }
            Way::Twice => {
                let first = self.relay(device, request);
                self.relay(device, request);
                first
            }
            Way::Clear => self.relay(device, request),
        };
        let said = self.outcome(request.endpoint, reply.as_ref());
        let home = self.providers[self.people[self.phones[device].user].home].domain.to_string();
        self.note(self.name_of(device), home, request.endpoint.room(), said);
        reply
    }

    /// What a device's provider does with a request for a hub.
    pub(super) fn relay(&mut self, device: usize, request: &Request) -> Option<Reply> {
        let peer = self.peer_of(device);
        let home = self.people[self.phones[device].user].home;
        let limits = self.providers[home].limits.clone();
        let body = &request.body;
        let relayed = match request.endpoint {
            Endpoint::Update(room) => match self.relay_update(home, &peer, room, body)? {
                Ok(()) => Ok(self.sites[room].hub),
                Err(reply) => return Some(reply),
            },
            Endpoint::Submit(room) => {
                follower::submit_message(&limits, &peer, &self.sites[room].uri, body)
                    .map(|_| self.sites[room].hub)
            }
            Endpoint::GroupInfo(room) => {
                follower::group_info(&limits, &peer, &self.sites[room].uri, body)
                    .map(|_| self.sites[room].hub)
            }
            Endpoint::KeyMaterial(_) => follower::key_material(&limits, &peer, body)
                .map(|relay| self.provider_at(&relay.to)),
            Endpoint::Notify(_)
            | Endpoint::RequestConsent(_)
            | Endpoint::UpdateConsent(_)
            | Endpoint::Query => return Some(Reply::status(404)),
        };
        let to = match relayed {
            Ok(to) => to,
            Err(fault) => return Some(Reply::status(fault.status())),
        };
        let reply = if to == home {
            self.post(&peer, home, request)?
        } else {
            let peer = Peer::Server(self.providers[home].domain.clone());
            self.send(&peer, home, to, request)?
        };
        if let (Endpoint::Update(room), 200) = (request.endpoint, reply.status) {
            self.update_answered(home, &peer, room, body, &reply.body)?;
        }
        Some(reply)
    }

    /// A request from one provider to another.
    pub(super) fn send(
        &mut self,
        peer: &Peer,
        from: usize,
        to: usize,
        request: &Request,
    ) -> Option<Reply> {
        let way = if self.can_reach(from, to) { self.way() } else { Way::RequestLost };
        let reply = match way {
            Way::RequestLost => None,
            // No letter is late: see `letters`.
            Way::Late if request.endpoint.is_letter() => None,
            Way::Late => {
                let due = self.later();
                self.network.limbo.push((due, Late::Post(peer.clone(), to, request.clone())));
                None
            }
            Way::ReplyLost => {
                self.post(peer, to, request);
                None
            }
            Way::Twice => {
                let first = self.post(peer, to, request);
                self.post(peer, to, request);
                first
            }
            Way::Clear => self.post(peer, to, request),
        };
        let said = self.outcome(request.endpoint, reply.as_ref());
        let (from, to) =
            (self.providers[from].domain.to_string(), self.providers[to].domain.to_string());
        self.note(from, to, request.endpoint.room(), said);
        reply
    }

    /// What was late arrives.
    pub(super) fn late_ones(&mut self) {
        let now = self.now;
        let due: Vec<Late> = {
            let (due, rest): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.network.limbo).into_iter().partition(|(at, _)| *at <= now);
            self.network.limbo = rest;
            due.into_iter().map(|(_, late)| late).collect()
        };
        for late in due {
            match late {
                Late::Relay(device, request) => {
                    self.relay(device, &request);
                }
                Late::Post(peer, to, request) => {
                    self.post(&peer, to, &request);
                }
                Late::Answer(device, room, id, endpoint, reply) => {
                    self.answer(device, room, id, endpoint, &reply);
                }
            }
        }
    }

    pub(super) fn peer_of(&self, device: usize) -> Peer {
        let phone = &self.phones[device];
        Peer::Client(phone.client.clone(), self.people[phone.user].uri.clone())
    }

    pub(super) fn name_of(&self, device: usize) -> String {
        let phone = &self.phones[device];
        format!("{}.{device}", self.people[phone.user].uri.name())
    }

    pub(super) fn provider_at(&self, domain: &crate::uri::Domain) -> usize {
        self.providers.iter().position(|it| it.domain == *domain).unwrap_or_default()
    }
}
