//! Rooms of real clients on a hub whose every step is a crash drill, and properly signed forgeries.

#![allow(dead_code, unused_imports, reason = "the benchmarks use a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "what is not expected ends the test"
)]

mod client;
mod committing;
mod forge;
mod hub;
mod parts;
mod reading;
mod says;
mod steps;

use openmimi::{
    env::{Peer, Timestamp},
    uri::{Domain, UserUri},
};
use openmls::prelude::Ciphersuite;

pub(crate) use self::{
    client::{Bundle, Client},
    forge::{Forge, by_reference, by_value, references_of},
    hub::{Hub, World, signing_key},
    parts::{
        add, component_update, extensions_of, external_sender, list_update, remove, tls,
        with_extensions,
    },
    says::Says,
    steps::{accepted, ban, committed, key_material, lose, say},
};

pub(crate) const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
/// Where all worlds start: a time that every lifetime of the kit holds.
pub(crate) const START: Timestamp = Timestamp(1_800_000_000_000);

pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

/// `alice@a.example` as a user URI.
pub(crate) fn user(name: &str) -> UserUri {
    let (name, host) = name.split_once('@').unwrap();
    UserUri::new(&domain(host), name).unwrap()
}

pub(crate) fn server(name: &str) -> Peer {
    Peer::Server(domain(name))
}
