//! What a room keeps at a follower, against its limits: for the invariants of [`World`](crate::testing::World).

use super::Room;

impl Room {
    /// Name, entries and limit of each table that others can grow.
    pub(crate) fn tables(&self) -> Vec<(&'static str, usize, usize)> {
        let (state, limits) = (&self.state, &self.limits);
        let octets = state.held.values().map(|held| held.bytes.len()).sum();
        vec![
            ("notifications recognised", state.seen.len(), limits.notified.max(1)),
            ("events held back", state.held.len(), limits.early),
            ("octets held back", octets, limits.held),
            ("joiners", state.joining.len(), limits.joiners),
        ]
    }
}
