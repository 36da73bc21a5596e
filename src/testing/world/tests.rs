//! The world finds mistakes that are made on purpose.

use std::sync::Arc;

use openmls_rust_crypto::RustCrypto;

use super::{Config, Invariant, Sabotage, Violation, World, steps};
use crate::testing::mistake::{Mistake, while_made};

/// The first violation within so many seeds.
fn first(config: &Config, seeds: u64, count: usize) -> Option<Violation> {
    let crypto = Arc::new(RustCrypto::default());
    (0..seeds).find_map(|seed| {
        World::new(crypto.clone(), seed, config.clone()).play(&steps(seed, count)).violation
    })
}

fn sabotaged(sabotage: Sabotage) -> Option<Violation> {
    first(&Config { sabotage, adversaries: false, ..Config::default() }, 200, 100)
}

#[test]
fn sending_before_saving_is_found() {
    let found = sabotaged(Sabotage::SendBeforeSave).expect("within 200 seeds");
    assert_eq!(found.invariant, Invariant::Durable, "{found}");
}

#[test]
fn forgotten_answers_are_found() {
    assert!(sabotaged(Sabotage::ForgetAnswers).is_some(), "within 200 seeds");
}

#[test]
fn forgotten_notifications_are_found() {
    let found = sabotaged(Sabotage::ForgetNotifications).expect("within 200 seeds");
    assert_eq!(found.invariant, Invariant::ExactlyOnce, "{found}");
}

#[test]
fn a_hub_that_lets_commits_omit_what_waits_is_found() {
    let config = Config { adversaries: false, ..Config::default() };
    let found = while_made(Mistake::Omissions, || first(&config, 200, 100));
    assert!(found.is_some(), "within 200 seeds");
}

/// the commits of two honest users that cross one proposal on its way are to a hub like those of two that cannot
/// accept it, and it lets it lapse. The model took that for a hub that leaves out what waits.
#[test]
fn commits_that_cross_a_proposal_are_no_witnesses() {
    let crypto = Arc::new(RustCrypto::default());
    let report = World::new(crypto, 49, Config::default()).play(&steps(49, 140));
    assert_eq!(report.violation, None);
    assert!(report.tally.faults.contains_key("commit crossed a proposal"));
}

#[test]
fn a_client_that_takes_any_frank_is_found() {
    let config = Config::default();
    let found = while_made(Mistake::Franks, || first(&config, 200, 100)).expect("within 200 seeds");
    assert_eq!(found.invariant, Invariant::Adversary, "{found}");
}

#[test]
fn the_same_seed_gives_the_same_world() {
    let play = |seed| {
        let crypto = Arc::new(RustCrypto::default());
        World::new(crypto, seed, Config::default()).play(&steps(seed, 80))
    };
    for seed in [3, 11] {
        let (one, other) = (play(seed), play(seed));
        assert_eq!(one.tally, other.tally, "seed {seed}");
        assert_eq!(one.ending, other.ending, "seed {seed}");
        assert_eq!(one.violation, other.violation, "seed {seed}");
    }
}
