//! What a run came to, in words.

use std::fmt::{Display, Write as _};

use openmimi::testing::world::{Invariant, listed};

use super::{
    Run,
    tables::{Table, tables},
};

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

/// A table, in columns as wide as they have to be.
fn print(out: &mut String, table: &Table) {
    let words = table.rows.first().map_or(0, |(words, _)| words.len());
    let mut widths: Vec<usize> = table.head.iter().map(|name| name.len()).collect();
    for (row, _) in &table.rows {
        for (width, word) in widths.iter_mut().zip(row) {
            *width = word.len().max(*width);
        }
    }
    let _ = writeln!(out);
    let heads = table.head.split_at(words);
    line(out, &widths, heads.0, heads.1);
    for (words, numbers) in &table.rows {
        line(out, &widths, words, numbers);
    }
}

fn line(out: &mut String, widths: &[usize], words: &[&str], numbers: &[impl Display]) {
    for (word, width) in words.iter().zip(widths) {
        let _ = write!(out, "{word:<width$} ");
    }
    for number in numbers {
        let _ = write!(out, "{number:>8} ");
    }
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

/// All of it.
pub fn text(run: &Run) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "\n{}", progress(run));
    for table in tables(run) {
        if !table.rows.is_empty() {
            print(&mut out, &table);
        }
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
