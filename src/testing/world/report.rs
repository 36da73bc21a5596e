//! What a world tells of itself: counts, exchanges, and the first invariant that did not hold.

use std::{collections::BTreeMap, fmt::Write as _};

use super::step::Step;

/// What has to hold after every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// (a) The model agrees with hub and clients on participants, roles, members and epoch.
    Agreement,
    /// (b) The same epoch means the same GroupContext and the same room at the hub and every client.
    OneHistory,
    /// (c) Every accepted event reaches every active participant's clients once, in the hub's order.
    ExactlyOnce,
    /// (d) No `success` without a durable record; nothing durable is forgotten.
    Durable,
    /// (e) What is restored equals what is live.
    RestoredEqualsLive,
    /// (f) Nothing is accepted from a removed or banned user, and nothing reaches one that was accepted later.
    Outsiders,
    /// (g) Every member's user is a participant.
    MembersListed,
    /// (h) What waits is committed, or lapses by rule.
    NothingLost,
    /// (i) Tables stay within their limits.
    Bounded,
    /// (j) When the faults stop, all clients come to the hub's epoch.
    Convergence,
    /// A client and the model give the same verdict on what its user wants.
    OneVerdict,
    /// What nobody may do is refused, or noticed.
    Adversary,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Agreement,
        Self::OneHistory,
        Self::ExactlyOnce,
        Self::Durable,
        Self::RestoredEqualsLive,
        Self::Outsiders,
        Self::MembersListed,
        Self::NothingLost,
        Self::Bounded,
        Self::Convergence,
        Self::OneVerdict,
        Self::Adversary,
    ];

    /// A sentence.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Agreement => "the model agrees with hub and clients",
            Self::OneHistory => "one epoch, one GroupContext, one room",
            Self::ExactlyOnce => "each accepted event reaches each client once, in order",
            Self::Durable => "no success without a durable record",
            Self::RestoredEqualsLive => "restored equals live",
            Self::Outsiders => "nothing from or to whoever is out",
            Self::MembersListed => "every member's user is a participant",
            Self::NothingLost => "what waits is committed or lapses by rule",
            Self::Bounded => "tables stay within limits",
            Self::Convergence => "all clients come to the hub's epoch",
            Self::OneVerdict => "client and model give one verdict",
            Self::Adversary => "what nobody may do is refused or noticed",
        }
    }
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// The seed of the world.
    pub seed: u64,
    /// After how many steps.
    pub step: usize,
    /// What was found.
    pub found: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { invariant, seed, step, found } = self;
        write!(f, "seed {seed}, step {step}: {} is broken: {found}", invariant.text())
    }
}

/// Counts of what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Steps, by the name of the transition; and how many of them could happen.
    pub transitions: BTreeMap<&'static str, (u64, u64)>,
    /// Faults, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// What adversaries tried, and how it ended.
    pub attacks: BTreeMap<(&'static str, &'static str), u64>,
    /// Steps of machines that were saved.
    pub saves: u64,
    /// Machines restored from records.
    pub restores: u64,
    /// Epochs that rooms entered.
    pub epochs: u64,
    /// Application messages that hubs accepted.
    pub messages: u64,
    /// Application messages that apps have read.
    pub read: u64,
    /// Bundles of proposals that hubs accepted.
    pub proposals: u64,
    /// Requests that hubs refused.
    pub refused: u64,
    /// Comparisons of invariants.
    pub checks: u64,
}

impl Tally {
    pub(super) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub(super) fn attack(&mut self, what: &'static str, end: &'static str) {
        *self.attacks.entry((what, end)).or_default() += 1;
    }

    /// Adds the counts of another world.
    pub fn add(&mut self, other: &Self) {
        for (name, (tried, done)) in &other.transitions {
            let counts = self.transitions.entry(name).or_default();
            counts.0 += tried;
            counts.1 += done;
        }
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (attack, count) in &other.attacks {
            *self.attacks.entry(*attack).or_default() += count;
        }
        self.saves += other.saves;
        self.restores += other.restores;
        self.epochs += other.epochs;
        self.messages += other.messages;
        self.read += other.read;
        self.proposals += other.proposals;
        self.refused += other.refused;
        self.checks += other.checks;
    }
}

/// Something that passed between two nodes, or happened to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// During which step.
    pub step: usize,
    /// Which room, by its number.
    pub room: Option<usize>,
    /// Who sent it.
    pub from: String,
    /// Who got it.
    pub to: String,
    /// What it was, and what came of it.
    pub what: String,
}

/// How a world ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// The steps played.
    pub steps: usize,
    /// What happened how often.
    pub tally: Tally,
    /// The rooms at the end, in words: the same for the same seed and steps.
    pub ending: String,
    /// What passed lately.
    pub exchanges: Vec<Exchange>,
    /// What did not hold.
    pub violation: Option<Violation>,
}

impl Report {
    /// The newest exchanges as a Mermaid sequence diagram.
    #[must_use]
    pub fn mermaid(&self, newest: usize) -> String {
        let from = self.exchanges.len().saturating_sub(newest);
        let exchanges = self.exchanges.get(from..).unwrap_or_default();
        let mut out = String::from("sequenceDiagram\n");
        let mut parties: Vec<&str> = Vec::new();
        for exchange in exchanges {
            for party in [exchange.from.as_str(), exchange.to.as_str()] {
                if !parties.contains(&party) {
                    parties.push(party);
                }
            }
        }
        for party in parties {
            let _ = writeln!(out, "    participant {party}");
        }
        for Exchange { step, from, to, what, .. } in exchanges {
            let what = what.replace([';', '#'], ",");
            let _ = if from == to {
                writeln!(out, "    Note over {from}: {step}: {what}")
            } else {
                writeln!(out, "    {from}->>{to}: {step}: {what}")
            };
        }
        out
    }
}

/// The steps of a violation in words, one a line.
#[must_use]
pub fn listed(steps: &[Step]) -> String {
    let mut out = String::new();
    for step in steps {
        let _ = writeln!(out, "{:?}, luck {}", step.transition, step.luck);
    }
    out
}
