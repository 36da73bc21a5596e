//! Two providers, a.example with a hub and b.example, and requests between them.

use http::Request;
use openmimi::{
    codec::Wire,
    env::Limits,
    http::{Incoming, Refusal, Server, request},
    provider::{
        Policy,
        directory::{Addressee, Directory, Route, Routes},
        peering::{Access, Peering},
    },
    uri::RoomUri,
    wire::{
        AppDataDictionary, ConsentEntry, ConsentOperation, ConsentScope, HttpsUrl,
        IdentifierRequest, KeyMaterialHead, KeyMaterialRequest, QueryElement, SearchField,
    },
};
use openmls_rust_crypto::RustCrypto;

use crate::provider::support::{NOW, domain, env, room, user};

/// A room at a.example.
pub(crate) fn clubhouse() -> RoomUri {
    room("mimi://a.example/r/clubhouse")
}

pub(crate) fn directory(name: &str) -> Directory {
    Directory::standard(domain(name), &format!("mimi.{name}")).unwrap()
}

/// A provider that knows a.example, b.example and c.example.
pub(crate) fn provider(name: &str) -> Server {
    let peers = ["a.example", "b.example", "c.example"];
    let peering = peers
        .into_iter()
        .fold(Peering::default(), |peering, peer| peering.with(domain(peer), Access::ALL));
    Server {
        routes: Routes::new(directory(name)).unwrap(),
        peering,
        policy: Policy::default(),
        limits: Limits::default(),
    }
}

/// What the server makes of a request over a connection with that provider.
pub(crate) fn accept<'a>(
    server: &Server,
    from: &str,
    request: &'a Request<Vec<u8>>,
) -> Result<Incoming<'a>, Refusal> {
    let crypto = RustCrypto::default();
    server.accept(&env(&crypto, NOW), request, &[domain(from)])
}

/// The status of a refusal.
pub(crate) fn status(accepted: &Result<Incoming<'_>, Refusal>) -> u16 {
    match accepted {
        Ok(_) => 200,
        Err(refusal) => refusal.status().as_u16(),
    }
}

/// A request from one provider to another.
pub(crate) fn send(from: &str, to: &str, route: &Route, body: Vec<u8>) -> Request<Vec<u8>> {
    request(&domain(from), &directory(to), route, body).unwrap()
}

/// A claim, its head alone: the rest is for the machine.
pub(crate) fn claim(requester: &str, target: &str, room: Option<RoomUri>) -> Vec<u8> {
    let (requesting_user, target_user) = (user(requester), user(target));
    let head = KeyMaterialHead { requesting_user, target_user, room };
    KeyMaterialRequest::Other { protocol: 2, head, rest: vec![7; 3] }.encode()
}

pub(crate) fn consent(operation: ConsentOperation, requester: &str, target: &str) -> Vec<u8> {
    let scope = ConsentScope { requester: user(requester), target: user(target), room: None };
    ConsentEntry { operation, scope, extensions: AppDataDictionary::default() }.encode()
}

pub(crate) fn query() -> Vec<u8> {
    let query = vec![QueryElement { field: SearchField::Nick, value: "bob".into() }];
    IdentifierRequest { query, extensions: AppDataDictionary::default() }.encode()
}

pub(crate) fn asset() -> HttpsUrl {
    HttpsUrl::parse(b"https://cdn.c.example/x?y=%20").unwrap()
}

pub(crate) fn addressee(name: &str) -> Addressee {
    Addressee::User(user(name))
}
