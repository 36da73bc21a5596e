//! A day in the life of four providers, with a crash at every other save.

#![allow(dead_code, unreachable_pub, reason = "the modules of an example are its own")]
#![allow(clippy::disallowed_methods, reason = "an example has a clock")]

#[path = "../../examples/federation/apps.rs"]
mod apps;
#[path = "../../examples/federation/evening.rs"]
mod evening;
#[path = "../../examples/federation/morning.rs"]
mod morning;
#[path = "../../examples/federation/net.rs"]
mod net;
#[path = "../../examples/federation/outbox.rs"]
mod outbox;
#[path = "../../examples/federation/people.rs"]
mod people;
#[path = "../../examples/federation/server.rs"]
mod server;
#[path = "../../examples/federation/shelf.rs"]
mod shelf;
#[path = "../../examples/federation/story.rs"]
mod story;

use story::Story;

use crate::{shared, stories};

/// P-012, P-060, P-160 … P-177, P-180 … P-187, P-200 … P-215, P-220 … P-226, P-230 … P-235, P-241 … P-247, P-280, P-281,
/// S-04: the scenes keep their promises.
#[test]
fn the_day_keeps_its_promises() {
    let saves = stories::keeps_its_promises::<Story>();
    assert!(saves.iter().skip(1).all(|saves| *saves > 0), "scenes save something: {saves:?}");
    assert_eq!(saves[0], 0, "a search changes nothing (P-220)");
}

/// Design law: nothing is lost and nothing comes twice, wherever a provider or a device crashes, and what it owes to others
/// it does all the same.
#[test]
fn crashes_change_nothing() {
    // With seed 7 a provider forgets the room before the hub has heard that it has its last notification.
    stories::crashes_change_nothing::<Story>(4..10);
}

/// The diagram in the example's README is this day.
#[test]
fn the_readme_shows_this_day() {
    stories::is_drawn_in::<Story>(include_str!("../../examples/federation/README.md"));
}
