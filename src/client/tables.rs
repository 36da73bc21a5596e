//! What a room keeps, against its limits: for the invariants of [`World`](crate::testing::World).

use super::Room;

impl Room {
    /// Name, entries and limit of each table that others can grow.
    pub(crate) fn tables(&self) -> Vec<(&'static str, usize, usize)> {
        let (state, limits) = (&self.state, &self.limits);
        let past = usize::from(limits.past_epochs);
        vec![
            ("past epochs", state.past.keys().count(), past),
            ("evidence", state.evidence.keys().count(), limits.evidence),
            ("franks", state.witness.len(), limits.franks),
            ("proposals that lapsed", state.head.lapsed.len(), limits.pending_proposals),
            ("proposals that wait", state.waiting.len(), limits.pending_proposals),
        ]
    }
}
