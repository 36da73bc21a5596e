//! What happened on the way, for people: hop by hop, or as a Mermaid sequence diagram.

use std::fmt::Write as _;

/// One message from one party to another.
#[derive(Clone, Debug)]
pub struct Hop {
    pub from: String,
    pub to: String,
    pub endpoint: &'static str,
    pub octets: usize,
    pub outcome: String,
}

/// What is told, in order.
#[derive(Clone, Debug)]
pub enum Line {
    /// A scene begins.
    Scene(String),
    /// A hop.
    Hop(Hop),
    /// Something that somebody notices by itself.
    Note(String, String),
}

/// Everything that happened.
#[derive(Clone, Debug)]
pub struct Trace {
    pub lines: Vec<Line>,
    /// Whether hops are left out for a while.
    pub quiet: bool,
    /// How wide the names of endpoints are.
    column: usize,
}

impl Trace {
    pub fn new(column: usize) -> Self {
        Self { lines: Vec::new(), quiet: false, column }
    }

    pub fn scene(&mut self, title: &str) {
        self.lines.push(Line::Scene(title.into()));
    }

    /// Something is sent; [`Trace::answered`] says what came of it.
    pub fn sent(&mut self, from: &str, to: &str, endpoint: &'static str, octets: usize) -> usize {
        if self.quiet {
            return usize::MAX;
        }
        let (from, to) = (from.into(), to.into());
        self.lines.push(Line::Hop(Hop { from, to, endpoint, octets, outcome: "…".into() }));
        self.lines.len() - 1
    }

    pub fn answered(&mut self, sent: usize, answer: String) {
        if let Some(Line::Hop(hop)) = self.lines.get_mut(sent) {
            hop.outcome = answer;
        }
    }

    pub fn note(&mut self, who: &str, text: impl Into<String>) {
        self.lines.push(Line::Note(who.into(), text.into()));
    }

    /// One line a hop.
    pub fn text(&self) -> String {
        self.text_from(0)
    }

    /// The same, without the first lines.
    pub fn text_from(&self, first: usize) -> String {
        let (mut out, column) = (String::new(), self.column);
        for line in self.lines.iter().skip(first) {
            let _ = match line {
                Line::Scene(title) => writeln!(out, "\n{title}"),
                Line::Hop(Hop { from, to, endpoint, octets, outcome }) => {
                    writeln!(
                        out,
                        "  {from:>9} → {to:<9}  {endpoint:<column$} {octets:>6} octets  {outcome}"
                    )
                }
                Line::Note(who, text) => writeln!(out, "  {who:>9}   {text}"),
            };
        }
        out
    }

    /// A Mermaid sequence diagram.
    pub fn mermaid(&self, parties: &[String]) -> String {
        let mut out = String::from("sequenceDiagram\n");
        for party in parties {
            let _ = writeln!(out, "    participant {party}");
        }
        for line in &self.lines {
            let _ = match line {
                Line::Scene(title) => {
                    let ends = format!(
                        "{},{}",
                        parties.first().map_or("", |it| it),
                        parties.last().map_or("", |it| it)
                    );
                    writeln!(out, "    Note over {ends}: {}", plain(title))
                }
                Line::Hop(Hop { from, to, endpoint, outcome, .. }) => {
                    writeln!(out, "    {from}->>{to}: {endpoint}: {}", plain(outcome))
                }
                Line::Note(who, text) => writeln!(out, "    Note over {who}: {}", plain(text)),
            };
        }
        out
    }
}

/// Without what Mermaid takes for syntax.
fn plain(text: &str) -> String {
    text.replace([';', '#'], ",")
}
