//! What a run came to, as tables, for the terminal and for the page.

use super::Run;

/// Rows of words and numbers under a head.
pub struct Table {
    pub head: &'static [&'static str],
    pub rows: Vec<(Vec<&'static str>, Vec<u64>)>,
}

impl Table {
    fn new(
        head: &'static [&'static str],
        rows: impl Iterator<Item = (Vec<&'static str>, Vec<u64>)>,
    ) -> Self {
        Self { head, rows: rows.collect() }
    }
}

/// Everything that was counted.
pub fn tables(run: &Run) -> [Table; 4] {
    let tally = &run.tally;
    let all = [
        ("epochs", tally.epochs),
        ("messages accepted", tally.messages),
        ("messages read", tally.read),
        ("bundles of proposals", tally.proposals),
        ("requests refused", tally.refused),
        ("saves", tally.saves),
        ("restores", tally.restores),
        ("checks", tally.checks),
    ];
    [
        Table::new(
            &["transition", "tried", "done"],
            tally
                .transitions
                .iter()
                .map(|(name, (tried, done))| (vec![*name], vec![*tried, *done])),
        ),
        Table::new(
            &["fault", "times"],
            tally.faults.iter().map(|(kind, count)| (vec![*kind], vec![*count])),
        ),
        Table::new(
            &["adversary", "ended", "times"],
            tally.attacks.iter().map(|((what, end), count)| (vec![*what, *end], vec![*count])),
        ),
        Table::new(
            &["in all", "times"],
            all.into_iter().map(|(name, count)| (vec![name], vec![count])),
        ),
    ]
}
