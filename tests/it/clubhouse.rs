//! The clubhouse of the examples, with a crash at every other save.

#![allow(dead_code, unreachable_pub, reason = "the modules of an example are its own")]
#![allow(clippy::disallowed_methods, reason = "an example has a clock")]

#[path = "../../examples/clubhouse/people.rs"]
mod people;
#[path = "../../examples/clubhouse/server/mod.rs"]
mod server;
#[path = "../../examples/clubhouse/story.rs"]
mod story;
#[path = "../../examples/clubhouse/world.rs"]
mod world;

use story::Story;

use crate::{shared, stories};

/// P-001 … P-023, P-104, P-177: the flow of sections 3.1 to 3.6 and a ban keeps its promises.
#[test]
fn the_flow_keeps_its_promises() {
    let saves = stories::keeps_its_promises::<Story>();
    assert!(saves.iter().all(|saves| *saves > 0), "every scene saves something: {saves:?}");
}

/// Design law: nothing is lost and nothing comes twice, wherever hub, followers, providers and clients crash: before, in
/// or after a save, or before what it asks for is sent.
#[test]
fn crashes_change_nothing() {
    stories::crashes_change_nothing::<Story>(0..24);
}

/// The diagram in the README is this flow.
#[test]
fn the_readme_shows_this_flow() {
    stories::is_drawn_in::<Story>(include_str!("../../README.md"));
}
