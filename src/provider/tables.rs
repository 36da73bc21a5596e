//! What is kept of a user at its provider, against its limits: for the invariants of [`World`](crate::testing::World).

use super::User;

impl User {
    /// Name, entries and limit of each table that others can grow.
    pub(crate) fn tables(&self) -> Vec<(&'static str, usize, usize)> {
        let (state, limits) = (&self.state, &self.limits);
        let packages = state.devices.values().map(|it| it.packages.len()).max().unwrap_or(0);
        let claimed = state.devices.values().map(|it| it.claimed).max().unwrap_or(0);
        vec![
            ("devices", state.devices.len(), limits.devices),
            ("KeyPackages of one client", packages, limits.key_packages),
            ("KeyPackages handed out", claimed, limits.claimed),
            ("decisions", state.consent.len(), limits.consents),
            ("requests for consent", state.requests.len(), limits.consents),
            ("requests of its own", state.asked.len(), limits.consents),
            ("letters", state.letters.len(), limits.consents),
            ("consents told", state.told.len(), limits.consents_told),
        ]
    }
}
