//! What a room keeps at its hub, against its limits: for the invariants of [`World`](crate::testing::World).

use super::Room;

impl Room {
    /// Name, entries and limit of each table that others can grow.
    pub(crate) fn tables(&self) -> Vec<(&'static str, usize, usize)> {
        let limits = &self.limits;
        vec![
            ("proposals that wait", self.pending(), limits.pending_proposals),
            ("events that carry them", self.carriers.len(), limits.pending_proposals),
            ("kept answers", self.answered.len(), limits.answered.max(1)),
            ("claims", self.claims.len(), limits.claims),
            ("joiners", self.joiners.len(), limits.joiners),
            ("joining codes", self.codes.len(), limits.codes),
            ("messages remembered", self.messages.len(), limits.messages),
            ("past epochs", self.past.len(), u8::MAX.into()),
            ("reports that wait", self.desk.len(), limits.reports_waiting),
            ("messages reported", self.reported.len(), limits.reports),
            ("requests recognised", self.asked.len(), limits.replays),
            ("trees served", self.trees.len(), limits.trees.max(1)),
            ("proposals left out once", self.omitted.len(), limits.pending_proposals),
        ]
    }
}
