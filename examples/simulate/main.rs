//! Plays worlds: whole federations of providers, users, devices and rooms, in which everything goes wrong that can.
//!
//! ```sh
//! cargo run --release --example simulate -- --seeds 1..200 --steps 500
//! cargo run --release --example simulate -- --seeds 7 --steps 500 --html report.html
//! ```
//!
//! It prints progress, then what happened how often. At the first violation of an invariant it stops: it prints the seed,
//! the shortest list of steps that it finds to break the same invariant, and a Mermaid diagram of the last exchanges; and
//! exits with 1. `--html` writes the same as one page, with a timeline of each room.
//!
//! | option | what it does |
//! | --- | --- |
//! | `--seeds A..B`, `--seeds A` | the seeds from A to B, both played, or this one (1..20) |
//! | `--steps N` | steps of each world (200) |
//! | `--providers N`, `--users N`, `--devices N`, `--rooms N` | how large a world is |
//! | `--no-faults`, `--no-adversaries` | what does not happen |
//! | `--threads N` | worlds at a time (1) |
//! | `--html FILE` | writes a page |

#![expect(unreachable_pub, reason = "the modules of an example are its own")]

mod page;
mod summary;
mod tables;

use std::{
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use openmimi::testing::world::{Config, Report, Step, Tally, World, shrink, steps};
use openmls_rust_crypto::RustCrypto;

/// What the command line asks for.
struct Options {
    seeds: std::ops::RangeInclusive<u64>,
    steps: usize,
    threads: usize,
    config: Config,
    html: Option<String>,
}

fn options() -> Option<Options> {
    let mut options =
        Options { seeds: 1..=20, steps: 200, threads: 1, config: Config::default(), html: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next()?.parse::<usize>().ok();
        match argument.as_str() {
            "--steps" => options.steps = number()?,
            "--threads" => options.threads = number()?.max(1),
            "--providers" => options.config.providers = number()?,
            "--users" => options.config.users = number()?,
            "--devices" => options.config.devices = number()?,
            "--rooms" => options.config.rooms = number()?,
            "--no-faults" => options.config.faults = false,
            "--no-adversaries" => options.config.adversaries = false,
            "--seeds" => {
                let range = arguments.next()?;
                let (from, to) = range.split_once("..").unwrap_or((&range, &range));
                options.seeds = from.parse().ok()?..=to.parse().ok()?;
                if options.seeds.is_empty() {
                    return None;
                }
            }
            "--html" => options.html = Some(arguments.next()?),
            _ => return None,
        }
    }
    Some(options)
}

/// What a run of many worlds came to.
pub struct Run {
    /// Worlds that were played to the end.
    pub worlds: u64,
    /// What happened in all of them.
    pub tally: Tally,
    /// The newest world, or the one that broke.
    pub shown: Option<Report>,
    /// The steps that break it, few of them.
    pub shrunk: Vec<Step>,
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!(
            "usage: simulate [--seeds A..B] [--steps N] [--html FILE]; see the top of the source"
        );
        return ExitCode::from(2);
    };
    let crypto = Arc::new(RustCrypto::default());
    let run = play_all(&options, &crypto);
    let run = shorten(&options, &crypto, run);
    print!("{}", summary::text(&run));
    if let Some(file) = &options.html {
        if let Err(error) = std::fs::write(file, page::page(&run)) {
            eprintln!("{file}: {error}");
            return ExitCode::from(2);
        }
        println!("written: {file}");
    }
    let broken = run.shown.as_ref().is_some_and(|report| report.violation.is_some());
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Plays all seeds, several at a time, until one breaks.
fn play_all(options: &Options, crypto: &Arc<RustCrypto>) -> Run {
    let next = AtomicU64::new(*options.seeds.start());
    let stop = AtomicBool::new(false);
    let run =
        Mutex::new(Run { worlds: 0, tally: Tally::default(), shown: None, shrunk: Vec::new() });
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !options.seeds.contains(&seed) {
                return;
            }
            let steps = steps(seed, options.steps);
            let report = World::new(crypto.clone(), seed, options.config.clone()).play(&steps);
            let mut run = run.lock().expect("no thread panics while it counts");
            run.worlds += 1;
            run.tally.add(&report.tally);
            let broken = report.violation.is_some();
            let before = run.shown.as_ref().is_some_and(|shown| shown.violation.is_some());
            if let Some(violation) = &report.violation {
                println!("{violation}");
                stop.store(true, Ordering::Relaxed);
            }
            if run.worlds.is_multiple_of(10) {
                println!("{}", summary::progress(&run));
            }
            if broken || !before {
                run.shown = Some(report);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(work);
        }
    });
    run.into_inner().expect("no thread panics while it counts")
}

/// Leaves out the steps that a violation does not need.
fn shorten(options: &Options, crypto: &Arc<RustCrypto>, mut run: Run) -> Run {
    let Some(violation) = run.shown.as_ref().and_then(|report| report.violation.clone()) else {
        return run;
    };
    println!("shrinking …");
    let mut steps = steps(violation.seed, options.steps);
    steps.truncate(violation.step + 1);
    let (shrunk, report) = shrink(crypto, &options.config, &violation, &steps, 400);
    run.shrunk = shrunk;
    if report.is_some() {
        run.shown = report;
    }
    run
}
