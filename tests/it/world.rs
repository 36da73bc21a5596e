//! Worlds: whole federations in which everything goes wrong that can. `cargo run --release --example simulate` plays more.

use std::sync::Arc;

use openmimi::testing::world::{Config, Octets, Report, Step, World, listed, shrink, steps};
use openmls_rust_crypto::RustCrypto;

fn play(seed: u64, count: usize, config: &Config) -> Report {
    World::new(Arc::new(RustCrypto::default()), seed, config.clone()).play(&steps(seed, count))
}

/// Plays worlds, and tells how to see a violation again.
fn expect_none(seeds: std::ops::Range<u64>, count: usize, config: &Config) {
    for seed in seeds {
        let report = play(seed, count, config);
        let Some(violation) = &report.violation else { continue };
        let crypto = Arc::new(RustCrypto::default());
        let (short, again) = shrink(&crypto, config, violation, &steps(seed, count), 100);
        let again = again.unwrap_or_else(|| report.clone());
        let short = listed(&short);
        panic!("{violation}\n{short}\n{}\n{}", again.mermaid(40), again.ending);
    }
}

#[test]
fn without_faults_everything_arrives() {
    expect_none(0..8, 80, &Config { faults: false, adversaries: false, ..Config::default() });
}

#[test]
fn with_faults_everything_arrives() {
    expect_none(0..24, 100, &Config { adversaries: false, ..Config::default() });
}

#[test]
fn with_adversaries_everything_arrives() {
    expect_none(1_000..1_020, 100, &Config::default());
}

#[test]
fn any_octets_make_a_world() {
    let mut octets = Vec::new();
    for number in 0..1_600u32 {
        octets.push(u8::try_from(number * 167 % 251).unwrap());
    }
    let mut from = Octets(&octets);
    let mut steps = Vec::new();
    while !from.is_empty() {
        steps.push(Step::choose(&mut from));
    }
    let crypto = Arc::new(RustCrypto::default());
    let report = World::new(crypto, 0, Config::default()).play(&steps);
    assert_eq!(report.violation, None, "{}", listed(&steps));
}
