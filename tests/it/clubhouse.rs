//! The clubhouse of the examples, with a crash at every other save.

#![allow(dead_code, unreachable_pub, clippy::disallowed_methods)]

#[path = "../../examples/clubhouse/crash.rs"]
mod crash;
#[path = "../../examples/clubhouse/phone.rs"]
mod phone;
#[path = "../../examples/clubhouse/server.rs"]
mod server;
#[path = "../../examples/clubhouse/story.rs"]
mod story;
#[path = "../../examples/clubhouse/trace.rs"]
mod trace;
#[path = "../../examples/clubhouse/world.rs"]
mod world;

use crash::Schedule;
use story::play;

/// P-001 … P-023, P-104, P-177: the flow of sections 3.1 to 3.6 and a ban keeps its promises.
#[test]
fn the_flow_keeps_its_promises() {
    let (story, saves, kept) = play(|_| Schedule::Never);
    assert_eq!(kept, Ok(()), "{}", story.world.trace.text());
    assert!(saves.iter().all(|saves| *saves > 0), "every scene saves something: {saves:?}");
}

/// Design law: nothing is lost and nothing comes twice, wherever hub, followers, providers and clients crash: before, in
/// or after a save, or before what it asks for is sent.
#[test]
fn crashes_change_nothing() {
    let (plain, _, kept) = play(|_| Schedule::Never);
    assert_eq!(kept, Ok(()), "{}", plain.world.trace.text());
    for seed in 0..8 {
        let (story, saves, kept) = play(|_| Schedule::Often(seed));
        assert_eq!(kept, Ok(()), "seed {seed}: {}", story.world.trace.text());
        assert_eq!(story.summary(), plain.summary(), "seed {seed}");
        let (saves, crashed) = (saves.iter().sum::<usize>(), story.world.plan.borrow().crashed);
        assert!(crashed * 3 > saves, "seed {seed}: {crashed} crashes at {saves} saves");
    }
}
