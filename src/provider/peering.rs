//! Which other providers may talk to this one, and about what.
//!
//! Not every provider wants to talk to every other (S-04), and two that do have agreed on it (P-214). [`Peering`] is
//! that agreement as a value: which endpoints are open to whom. It is the operator's to fill and to keep; nothing on
//! the wire changes it.
//!
//! ```
//! use openmimi::{provider::{directory::Endpoint, peering::{Access, Peering}}, uri::Domain};
//!
//! let [b, c, x] = ["b.example", "c.example", "x.example"].map(|it| Domain::parse(it).expect("a domain"));
//! let peering = Peering::default()
//!     .with(b.clone(), Access::ALL)
//!     .with(c.clone(), Access::ALL.without(Endpoint::IdentifierQuery));
//! assert!(peering.admits(&b, Endpoint::IdentifierQuery));
//! assert!(!peering.admits(&c, Endpoint::IdentifierQuery));
//! assert!(!peering.admits(&x, Endpoint::Notify));
//! ```
//!
//! Whoever is not admitted gets the answer of [`unknown`]: the same as if there were no such user or room. So nobody
//! learns who is here by asking, and a provider that answers for users and rooms it does not have by the same
//! function keeps both secrets with one rule (D-67).

use std::collections::BTreeMap;

use openmls_traits::crypto::OpenMlsCrypto;

use super::{
    ClaimAnswer, ConsentEndpoint, Policy, claim_unknown, consent_unknown,
    directory::{Addressee, Endpoint, Route},
};
use crate::{
    codec::Wire,
    env::{Env, Limits, Peer},
    uri::{Domain, RoomUri},
    wire::{
        AbuseReport, AppDataDictionary, ConsentEntry, ErrorDescription, GroupInfoAnswer,
        GroupInfoRequest, GroupInfoResponse, IdentifierOutcome, IdentifierRequest,
        IdentifierResponse, SubmitMessageRequest, SubmitMessageResponse, UpdateOutcome,
        UpdateRequest, UpdateRoomResponse, notify,
    },
};

/// The endpoints that are open to somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access(u16);

impl Access {
    /// No endpoint.
    pub const NONE: Self = Self(0);
    /// Every endpoint.
    pub const ALL: Self = Self(u16::MAX);

    const fn bit(endpoint: Endpoint) -> u16 {
        1 << endpoint as u16
    }

    /// These endpoints and one more.
    #[must_use]
    pub const fn with(self, endpoint: Endpoint) -> Self {
        Self(self.0 | Self::bit(endpoint))
    }

    /// These endpoints but one.
    #[must_use]
    pub const fn without(self, endpoint: Endpoint) -> Self {
        Self(self.0 & !Self::bit(endpoint))
    }

    /// Whether an endpoint is among them.
    #[must_use]
    pub const fn has(self, endpoint: Endpoint) -> bool {
        self.0 & Self::bit(endpoint) != 0
    }
}

/// Which endpoints are open to which providers. The default is none to anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peering {
    others: Access,
    peers: BTreeMap<Domain, Access>,
}

impl Peering {
    /// Every endpoint is open to every provider, until one is [named](Self::with).
    #[must_use]
    pub fn open() -> Self {
        Self { others: Access::ALL, ..Self::default() }
    }

    /// The same with these endpoints, and no others, open to a provider: [`Access::NONE`] shuts it out.
    #[must_use]
    pub fn with(mut self, peer: Domain, access: Access) -> Self {
        self.peers.insert(peer, access);
        self
    }

    /// The same with these endpoints, and no others, open to providers that are not named.
    #[must_use]
    pub const fn with_others(mut self, access: Access) -> Self {
        self.others = access;
        self
    }

    /// Whether a provider may use an endpoint.
    #[must_use]
    pub fn admits(&self, peer: &Domain, endpoint: Endpoint) -> bool {
        self.peers.get(peer).unwrap_or(&self.others).has(endpoint)
    }

    /// The providers that are named and not shut out.
    pub fn peers(&self) -> impl Iterator<Item = &Domain> {
        self.peers.iter().filter(|(_, access)| **access != Access::NONE).map(|(peer, _)| peer)
    }
}

/// The answer about a user or a room that is not here, or to a provider that is not admitted.
///
/// A body that cannot be read is answered as it is where there is such a room or user: 400. In privacy mode no
/// answer says that nobody is here.
pub fn unknown<C: OpenMlsCrypto, K>(
    env: &Env<'_, C, K>,
    limits: &Limits,
    policy: &Policy,
    peer: &Peer,
    route: &Route,
    body: &[u8],
) -> ClaimAnswer {
    let status = |status| ClaimAnswer::Status { status, retry_after: None };
    let consent = |endpoint, addressee: &Addressee| {
        let user = match (addressee, ConsentEntry::decode(body), endpoint) {
            (_, Err(_), _) => return status(400),
            (Addressee::User(user), Ok(_), _) => user.clone(),
            (Addressee::Domain(_), Ok(entry), ConsentEndpoint::Request) => entry.scope.target,
            (Addressee::Domain(_), Ok(entry), ConsentEndpoint::Update) => entry.scope.requester,
        };
        status(consent_unknown(limits, policy, endpoint, peer, &user, body).status)
    };
    match route {
        // P-089
        Route::KeyMaterial(user) => claim_unknown(env, limits, policy, peer, user, body).answer,
        Route::Update(_) => reads::<UpdateRequest>(limits, body, || {
            if !policy.privacy {
                return status(404);
            }
            let error_description = ErrorDescription::default();
            let outcome = UpdateOutcome::NotAllowed;
            ClaimAnswer::Response(UpdateRoomResponse { error_description, outcome }.encode())
        }),
        Route::SubmitMessage(_) => reads::<SubmitMessageRequest>(limits, body, || {
            if !policy.privacy {
                return status(404);
            }
            ClaimAnswer::Response(SubmitMessageResponse::NotAllowed.encode())
        }),
        // P-188
        Route::GroupInfo(room) => reads::<GroupInfoRequest>(limits, body, || {
            let answer = if policy.privacy {
                GroupInfoAnswer::NotAuthorized
            } else {
                GroupInfoAnswer::NoSuchRoom
            };
            ClaimAnswer::Response(GroupInfoResponse { room: room.clone(), answer }.encode())
        }),
        Route::Notify(room) => match body.len() {
            length if length > limits.body => status(413),
            _ if notify::decode_all(body).is_err() => status(400),
            _ if !is_hub(peer, room) => status(403),
            _ => status(404),
        },
        // P-206
        Route::RequestConsent(addressee) => consent(ConsentEndpoint::Request, addressee),
        Route::UpdateConsent(addressee) => consent(ConsentEndpoint::Update, addressee),
        Route::IdentifierQuery(_) => reads::<IdentifierRequest>(limits, body, || {
            let outcome = IdentifierOutcome::NotFound;
            let extensions = AppDataDictionary::default();
            ClaimAnswer::Response(IdentifierResponse { outcome, extensions }.encode())
        }),
        Route::ReportAbuse(_) => {
            reads::<AbuseReport>(limits, body, || status(if policy.privacy { 201 } else { 404 }))
        }
        // P-242: as for a host that is nobody's.
        Route::ProxyDownload(_) => status(403),
    }
}

/// D-30: only the hub of a room says what happens in it.
fn is_hub(peer: &Peer, room: &RoomUri) -> bool {
    matches!(peer, Peer::Server(domain) if *domain == room.domain())
}

fn reads<T: Wire>(
    limits: &Limits,
    body: &[u8],
    answer: impl FnOnce() -> ClaimAnswer,
) -> ClaimAnswer {
    let status = |status| ClaimAnswer::Status { status, retry_after: None };
    match body.len() {
        length if length > limits.body => status(413),
        _ if T::decode(body).is_err() => status(400),
        _ => answer(),
    }
}
