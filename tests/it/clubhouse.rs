//! The clubhouse of the examples, with a crash at nearly every save.

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

use crash::{Crash, Schedule};
use story::play;

/// P-001 … P-023, P-104, P-177: the flow of sections 3.1 to 3.6 and a ban keeps its promises.
#[test]
fn the_flow_keeps_its_promises() {
    let (story, saves, kept) = play(|_| Schedule::Never);
    assert_eq!(kept, Ok(()), "{}", story.world.trace.text());
    assert!(saves.iter().all(|saves| *saves > 0), "every scene saves something: {saves:?}");
}

/// Design law: nothing is lost and nothing comes twice, wherever hub, followers, providers and clients crash. Each
/// round crashes at five of six saves, before, in or after it; over the rounds, every save meets every way.
#[test]
fn crashes_change_nothing() {
    let (plain, _, kept) = play(|_| Schedule::Never);
    assert_eq!(kept, Ok(()), "{}", plain.world.trace.text());
    for start in 0..=Crash::ALL.len() {
        let (story, saves, kept) = play(|_| Schedule::Often(start));
        assert_eq!(kept, Ok(()), "round {start}: {}", story.world.trace.text());
        assert_eq!(story.summary(), plain.summary(), "round {start}");
        let (saves, crashed) = (saves.iter().sum::<usize>(), story.world.plan.borrow().crashed);
        assert!(crashed * 4 > saves * 3, "round {start}: {crashed} crashes at {saves} saves");
    }
}
