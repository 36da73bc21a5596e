//! What a run came to, in words.

use std::fmt::Write as _;

use openmimi::testing::world::{Invariant, listed};

use super::Run;

/// One line.
pub fn progress(run: &Run) -> String {
    let tally = &run.tally;
    let steps: u64 = tally.transitions.values().map(|(tried, _)| tried).sum();
    let faults: u64 = tally.faults.values().sum();
    format!(
        "{} worlds: {steps} transitions, {} epochs, {} messages, {faults} faults",
        run.worlds, tally.epochs, tally.messages
    )
}

/// All of it.
pub fn text(run: &Run) -> String {
    let mut out = String::new();
    let tally = &run.tally;
    let _ = writeln!(out, "\n{}\n", progress(run));
    let _ = writeln!(out, "{:<16} {:>8} {:>8}", "transition", "tried", "done");
    for (name, (tried, done)) in &tally.transitions {
        let _ = writeln!(out, "{name:<16} {tried:>8} {done:>8}");
    }
    let _ = writeln!(out, "\n{:<24} {:>8}", "fault", "times");
    for (kind, count) in &tally.faults {
        let _ = writeln!(out, "{kind:<24} {count:>8}");
    }
    if !tally.attacks.is_empty() {
        let _ = writeln!(out, "\n{:<40} {:<28} {:>8}", "adversary", "ended", "times");
        for ((what, end), count) in &tally.attacks {
            let _ = writeln!(out, "{what:<40} {end:<28} {count:>8}");
        }
    }
    let _ = writeln!(out);
    for (name, count) in [
        ("epochs", tally.epochs),
        ("messages accepted", tally.messages),
        ("messages read", tally.read),
        ("bundles of proposals", tally.proposals),
        ("requests refused", tally.refused),
        ("saves", tally.saves),
        ("restores", tally.restores),
        ("checks", tally.checks),
    ] {
        let _ = writeln!(out, "{name:<24} {count:>8}");
    }
    match run.shown.as_ref().and_then(|report| Some((report, report.violation.as_ref()?))) {
        Some((report, violation)) => {
            let _ = writeln!(out, "\n{violation}\n\n{}", listed(&run.shrunk));
            let _ = writeln!(out, "{}\n{}", report.mermaid(40), report.ending);
        }
        None => {
            let _ = writeln!(out, "\nheld throughout:");
            for invariant in Invariant::ALL {
                let _ = writeln!(out, "  {}", invariant.text());
            }
        }
    }
    out
}
