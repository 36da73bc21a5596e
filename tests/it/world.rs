//! Worlds: whole federations in which everything goes wrong that can.

use std::sync::Arc;

use openmimi::testing::world::{Config, Report, World, listed, shrink, steps};
use openmls_rust_crypto::RustCrypto;

fn play(seed: u64, count: usize, config: &Config) -> Report {
    World::new(Arc::new(RustCrypto::default()), seed, config.clone()).play(&steps(seed, count))
}

/// Plays worlds, and tells how to see a violation again.
fn expect_none(seeds: std::ops::Range<u64>, count: usize, config: &Config) {
    for seed in seeds {
        let report = play(seed, count, config);
        if let Some(violation) = &report.violation {
            let crypto = Arc::new(RustCrypto::default());
            let (short, again) = shrink(&crypto, config, violation, &steps(seed, count), 150);
            let again = again.unwrap_or(report.clone());
            panic!(
                "{violation}\n{}\n{}\n{:?}\n{}",
                listed(&short),
                again.mermaid(40),
                again.violation,
                again.ending
            );
        }
    }
}

#[test]
fn without_faults_everything_arrives() {
    let config = Config { faults: false, adversaries: false, ..Config::default() };
    expect_none(0..20, 60, &config);
}

#[test]
fn with_faults_everything_arrives() {
    let config = Config { adversaries: false, ..Config::default() };
    expect_none(0..20, 60, &config);
}
