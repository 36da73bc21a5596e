//! A room across three providers, end to end, on real MLS: the example of draft-ietf-mimi-protocol-06, sections 3.1 to
//! 3.6, and then a ban. Everybody has machines and a disk of its own; what passes between them is octets.
//!
//! ```sh
//! cargo run --example clubhouse                 # each hop as it happens, and the room at the end
//! cargo run --example clubhouse -- --mermaid    # the same as a Mermaid sequence diagram
//! cargo run --example clubhouse -- --crash 7    # with a crash in each scene, chosen by the seed
//! cargo run --example clubhouse -- --storm 7    # with a crash at every other save
//! ```
//!
//! It exits with 1 if anything differs from what the flow promises.

#![expect(unreachable_pub, reason = "the modules of an example are its own")]
#![expect(clippy::disallowed_methods, reason = "an example has a clock")]

mod crash;
mod phone;
mod server;
mod story;
mod trace;
mod world;

use std::process::ExitCode;

use crash::{Choice, Schedule};
use story::{Story, play, play_watched};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => run(),
        ["--mermaid"] => diagram(),
        ["--crash", seed] => seed.parse().map_or_else(|_| usage(), with_crashes),
        ["--storm", seed] => seed.parse().map_or_else(|_| usage(), in_a_storm),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: clubhouse [--mermaid | --crash SEED | --storm SEED]");
    ExitCode::from(2)
}

fn failed(story: &Story, broken: &str) -> ExitCode {
    eprintln!("{}\nbroken promise: {broken}", story.world.trace.text());
    ExitCode::FAILURE
}

fn run() -> ExitCode {
    let mut told = 0;
    let (story, _, kept) = play_watched(
        |_| Schedule::Never,
        |story| {
            print!("{}", story.world.trace.text_from(told));
            told = story.world.trace.0.len();
        },
    );
    if let Err(broken) = kept {
        eprintln!("\nbroken promise: {broken}");
        return ExitCode::FAILURE;
    }
    println!("\n{}", story.summary());
    ExitCode::SUCCESS
}

fn diagram() -> ExitCode {
    let (story, _, kept) = play(|_| Schedule::Never);
    if let Err(broken) = kept {
        return failed(&story, &broken);
    }
    print!("{}", story.world.trace.mermaid(&story.parties()));
    ExitCode::SUCCESS
}

/// Once without a crash, to know the room that it has to end in and how many saves each scene has; then with a crash in
/// each scene, at a save that the seed chooses.
fn with_crashes(seed: u64) -> ExitCode {
    let (plain, saves, kept) = play(|_| Schedule::Never);
    if let Err(broken) = kept {
        return failed(&plain, &broken);
    }
    let mut choice = Choice(seed);
    let chosen: Vec<_> = saves.iter().map(|saves| choice.point(*saves)).collect();
    let (story, _, kept) = play(|scene| {
        chosen.get(scene).map_or(Schedule::Never, |(save, crash)| Schedule::Once(*save, *crash))
    });
    for (number, ((title, _), at)) in story::SCENES.iter().zip(&chosen).enumerate() {
        let (save, crash) = at;
        println!(
            "scene {}: {title}: {crash:?} at save {} of {}",
            number + 1,
            save + 1,
            saves[number]
        );
    }
    compare(&story, kept, &plain)
}

/// The same with a crash at every other save.
fn in_a_storm(seed: u64) -> ExitCode {
    let (plain, _, kept) = play(|_| Schedule::Never);
    if let Err(broken) = kept {
        return failed(&plain, &broken);
    }
    let (story, _, kept) = play(|_| Schedule::Often(seed));
    compare(&story, kept, &plain)
}

/// Whether a story with crashes ended like the one without.
fn compare(story: &Story, kept: Result<(), story::Broken>, plain: &Story) -> ExitCode {
    if let Err(broken) = kept {
        return failed(story, &broken);
    }
    if story.summary() != plain.summary() {
        return failed(
            story,
            &format!("it ended in\n{}instead of\n{}", story.summary(), plain.summary()),
        );
    }
    println!(
        "{} crashes, and the same room:\n\n{}",
        story.world.plan.borrow().crashed,
        story.summary()
    );
    ExitCode::SUCCESS
}
