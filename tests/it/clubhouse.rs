//! The clubhouse of the examples, with a crash at every other save.

#![allow(dead_code, unreachable_pub, reason = "the modules of an example are its own")]
#![allow(clippy::disallowed_methods, reason = "an example has a clock")]

#[path = "../../examples/clubhouse/people.rs"]
mod people;
#[path = "../../examples/clubhouse/server.rs"]
mod server;
#[path = "../../examples/shared/mod.rs"]
mod shared;
#[path = "../../examples/clubhouse/story.rs"]
mod story;
#[path = "../../examples/clubhouse/world.rs"]
mod world;

use shared::{
    crash::Schedule,
    stage::{Story as _, play},
};
use story::Story;

/// P-001 … P-023, P-104, P-177: the flow of sections 3.1 to 3.6 and a ban keeps its promises.
#[test]
fn the_flow_keeps_its_promises() {
    let (story, saves, kept) = play::<Story>(|_| Schedule::Never);
    assert_eq!(kept, Ok(()), "{}", story.world.trace.text());
    assert!(saves.iter().all(|saves| *saves > 0), "every scene saves something: {saves:?}");
}

/// Design law: nothing is lost and nothing comes twice, wherever hub, followers, providers and clients crash: before, in
/// or after a save, or before what it asks for is sent.
#[test]
fn crashes_change_nothing() {
    let (plain, _, kept) = play::<Story>(|_| Schedule::Never);
    assert_eq!(kept, Ok(()), "{}", plain.world.trace.text());
    for seed in 0..24 {
        let (story, saves, kept) = play::<Story>(|_| Schedule::Often(seed));
        assert_eq!(kept, Ok(()), "seed {seed}: {}", story.world.trace.text());
        assert_eq!(story.summary(), plain.summary(), "seed {seed}");
        let (saves, crashed) = (saves.iter().sum::<usize>(), story.world.plan.borrow().crashed);
        assert!(crashed * 3 > saves, "seed {seed}: {crashed} crashes at {saves} saves");
    }
}

/// The diagram in the README is this flow.
#[test]
fn the_readme_shows_this_flow() {
    let (story, _, kept) = play::<Story>(|_| Schedule::Never);
    assert_eq!(kept, Ok(()));
    let readme = include_str!("../../README.md");
    let diagram = story.world.trace.mermaid(&story.parties());
    assert!(
        readme.contains(&diagram),
        "run the example with --mermaid and put this into the README:\n{diagram}"
    );
}
