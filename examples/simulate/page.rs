//! The same as one self-contained page: tables, a timeline of each room of the newest world, and, after a violation, the
//! steps that lead to it.

use std::{collections::BTreeMap, fmt::Write as _};

use openmimi::testing::world::{Exchange, Invariant, Report, listed};

use super::{
    Run,
    tables::{Table, tables},
};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5d6b7c; --line: #d5dbe3; --paper: #fff; --good: #1f7a4d; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf2; --soft: #9aa8b9; --line: #38424f; --paper: #12161c; --good: #5fd39a; --bad: #ff8a80; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: .5rem 2rem .5rem 0; } td, th { padding: .15rem .7rem; border-bottom: 1px solid var(--line); text-align: left; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.tables { display: flex; flex-wrap: wrap; align-items: flex-start; }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); border-radius: .4rem; font-size: 13px; }
.good { color: var(--good); } .bad { color: var(--bad); }
.timeline { overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } svg line { stroke: var(--line); }
.update { fill: #3b6fd4; } .submitMessage { fill: #2f9e6e; } .notify { fill: #b58a1b; } .groupInfo { fill: #8a56c2; } .note { fill: #c0504d; }
@media print { .timeline { overflow: visible; } }
";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn table(table: &Table) -> String {
    let mut out = String::from("<table><tr>");
    for name in table.head {
        let _ = write!(out, "<th>{}</th>", escaped(name));
    }
    out.push_str("</tr>");
    for (words, numbers) in &table.rows {
        out.push_str("<tr>");
        for word in words {
            let _ = write!(out, "<td>{}</td>", escaped(word));
        }
        for number in numbers {
            let _ = write!(out, "<td class=n>{number}</td>");
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
    out
}

/// The page.
pub fn page(run: &Run) -> String {
    let mut out = String::from("<!doctype html><html lang=en><meta charset=utf-8>");
    let _ = write!(
        out,
        "<meta name=viewport content='width=device-width'><title>openmimi: simulated worlds</title><style>{STYLE}</style>"
    );
    let _ =
        write!(out, "<h1>Simulated worlds</h1><p>{}</p>", escaped(&super::summary::progress(run)));
    let violation = run.shown.as_ref().and_then(|report| report.violation.as_ref());
    match violation {
        Some(violation) => {
            let _ = write!(
                out,
                "<p class=bad><strong>{}</strong></p>",
                escaped(&violation.to_string())
            );
        }
        None => out.push_str("<p class=good><strong>All invariants held.</strong></p>"),
    }
    out.push_str("<div class=tables>");
    for counted in tables(run) {
        out.push_str(&table(&counted));
    }
    let broken = violation.map(|violation| violation.invariant);
    let verdicts = Invariant::ALL.iter().map(|invariant| {
        let held = if broken == Some(*invariant) { "broken" } else { "held" };
        (vec![invariant.text(), held], Vec::new())
    });
    out.push_str(&table(&Table { head: &["invariant", ""], rows: verdicts.collect() }));
    out.push_str("</div>");
    if let Some(report) = &run.shown {
        if report.violation.is_some() {
            let _ = write!(
                out,
                "<h2>Steps that break it</h2><pre>{}</pre>",
                escaped(&listed(&run.shrunk))
            );
            let _ = write!(
                out,
                "<h2>The last exchanges, for Mermaid</h2><pre>{}</pre>",
                escaped(&report.mermaid(40))
            );
        }
        let _ = write!(
            out,
            "<h2>The rooms of seed {} at the end</h2><pre>{}</pre>",
            report.seed,
            escaped(&report.ending)
        );
        out.push_str(&timelines(report));
    }
    out.push_str("</html>\n");
    out
}

/// One timeline a room: who sent what, step by step. A pointer over a dot shows what it was.
fn timelines(report: &Report) -> String {
    let mut rooms: BTreeMap<usize, Vec<&Exchange>> = BTreeMap::new();
    for exchange in &report.exchanges {
        if let Some(room) = exchange.room {
            rooms.entry(room).or_default().push(exchange);
        }
    }
    let mut out = String::new();
    for (room, exchanges) in rooms {
        let mut parties: Vec<&str> =
            exchanges.iter().map(|exchange| exchange.from.as_str()).collect();
        parties.sort_unstable();
        parties.dedup();
        let first = exchanges.first().map_or(0, |exchange| exchange.step);
        let last = exchanges.last().map_or(0, |exchange| exchange.step);
        let (left, width, height) = (110, 12, 22);
        let _ = write!(
            out,
            "<h2>Room {room}, steps {first} to {last}</h2><div class=timeline><svg width={} height={}>",
            left + (last - first + 2) * width,
            parties.len() * height + 30,
        );
        for (row, party) in parties.iter().enumerate() {
            let y = row * height + 20;
            let _ = write!(
                out,
                "<text x=4 y={}>{}</text><line x1={left} y1={y} x2={} y2={y} />",
                y + 4,
                escaped(party),
                left + (last - first + 1) * width,
            );
        }
        for exchange in exchanges {
            let row = parties.iter().position(|party| *party == exchange.from).unwrap_or(0);
            let word = exchange.what.split(' ').next().unwrap_or_default();
            let kind = match word {
                "update" | "submitMessage" | "notify" | "groupInfo" => word,
                _ => "note",
            };
            let _ = write!(
                out,
                "<circle class={kind} r=4 cx={} cy={}><title>{}: {} → {}: {}</title></circle>",
                left + (exchange.step - first) * width,
                row * height + 20,
                exchange.step,
                escaped(&exchange.from),
                escaped(&exchange.to),
                escaped(&exchange.what),
            );
        }
        out.push_str("</svg></div>");
    }
    out
}
