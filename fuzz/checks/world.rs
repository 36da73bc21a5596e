//! What holds in a world of providers, people and rooms in which everything goes wrong that can: its invariants, with
//! the fuzzer's octets as the choices.

use std::sync::Arc;

use openmimi::testing::world::{Config, Octets, Step, World, listed};
use openmls_rust_crypto::RustCrypto;

/// Steps of one script, at most: a world takes some milliseconds for each.
const STEPS: usize = 40;

/// The first octet says how large the world is and what goes wrong in it; the others what happens.
pub fn check(input: &[u8]) {
    let Some((&size, octets)) = input.split_first() else { return };
    let config = Config {
        providers: 1 + usize::from(size & 3) % 3,
        devices: 6,
        rooms: 2,
        faults: size & 4 != 0,
        adversaries: size & 8 != 0,
        ..Config::default()
    };
    let mut octets = Octets(octets);
    let mut steps = Vec::new();
    while !octets.is_empty() && steps.len() < STEPS {
        steps.push(Step::choose(&mut octets));
    }
    let report = World::new(Arc::new(RustCrypto::default()), size.into(), config).play(&steps);
    if let Some(violation) = report.violation {
        panic!("{violation:?}\n{}", listed(&steps));
    }
}

/// Some scripts of numbers that mean nothing in particular.
pub fn scripts() -> Vec<Vec<u8>> {
    let script = |size: u8| {
        let octets = (0..60_u8).map(move |at| at.wrapping_mul(37) ^ size.wrapping_mul(91));
        [size].into_iter().chain(octets).collect()
    };
    [2, 6, 10, 14].map(script).into()
}
