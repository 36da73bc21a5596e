//! Whose assets lie where, as a hub knows it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{env::Limits, policy::components::AssetPolicy, uri::Domain};

/// The hosts that serve the assets of a hub's peers, and of the hub's own provider (P-242): the only ones that the hub
/// fetches from for others (P-244, P-248).
///
/// It is the operator's to fill. What a room's policy names can be [taken over](Self::with_room) with care, for the
/// members of the room have written it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetHosts {
    by_provider: BTreeMap<Domain, BTreeSet<Domain>>,
}

impl AssetHosts {
    /// The same hosts and one more, of this provider. A name of a local network is not taken (D-61).
    #[must_use]
    pub fn with(mut self, provider: Domain, host: Domain) -> Self {
        if !host.is_local() {
            self.by_provider.entry(provider).or_default().insert(host);
        }
        self
    }

    /// The same hosts and those that a room's policy names, as far as nobody is harmed by them: the provider is one
    /// that `is_peer` knows, and the host is within its domain, so that it is the provider's own. Not more than
    /// [`Limits::asset_hosts`] are kept of a provider. A host elsewhere needs the operator's word: [`Self::with`].
    #[must_use]
    pub fn with_room(
        mut self,
        limits: &Limits,
        policy: &AssetPolicy,
        is_peer: impl Fn(&Domain) -> bool,
    ) -> Self {
        for listed in policy.upload_domains.iter().filter(|it| is_peer(&it.provider)) {
            for host in &listed.destinations {
                let known = self.by_provider.get(&listed.provider).map_or(0, BTreeSet::len);
                if host.is_within(&listed.provider) && known < limits.asset_hosts {
                    self = self.with(listed.provider.clone(), host.clone());
                }
            }
        }
        self
    }

    /// The same hosts without those of a provider, which is no peer any more.
    #[must_use]
    pub fn without(mut self, provider: &Domain) -> Self {
        self.by_provider.remove(provider);
        self
    }

    /// Whether a host serves somebody's assets. Hosts compare as a whole: those above, beside and below do not count.
    #[must_use]
    pub fn has(&self, host: &Domain) -> bool {
        self.by_provider.values().any(|hosts| hosts.contains(host))
    }

    /// The hosts of a provider, in the order of their names.
    pub fn of(&self, provider: &Domain) -> impl Iterator<Item = &Domain> {
        self.by_provider.get(provider).into_iter().flatten()
    }
}
