//! How often others may ask, and tell: counted in memory, bounded, and never saved (D-67, D-95, D-96).
//!
//! A refusal costs nothing but the look at a counter: ask [`Pace::take`] before a machine is loaded and before any
//! signature is verified. The counters are one server's own: after a restart they start anew, and a second server has
//! its own. What has to hold across both, the machines count by what they have saved.
//!
//! ```
//! use openmimi::{
//!     env::{Limits, Peer, Timestamp},
//!     provider::{directory::Endpoint, pace::Pace},
//!     uri::Domain,
//! };
//!
//! let mut limits = Limits::default();
//! limits.asks_by_peer = 2;
//! let mut pace = Pace::new(limits);
//! let b = Peer::Server(Domain::parse("b.example")?);
//! let mut ask = |now| pace.take(Timestamp(now), &b, None, Endpoint::IdentifierQuery);
//! assert_eq!((ask(0), ask(0)), (Ok(()), Ok(())));
//! // Two in a minute: one more every 30 seconds.
//! assert_eq!(ask(1_000).unwrap_err().retry_after, 29_000);
//! assert_eq!(ask(30_000), Ok(()));
//! # Ok::<(), openmimi::uri::UriError>(())
//! ```

use std::collections::BTreeMap;

use thiserror::Error;

use super::directory::Endpoint;
use crate::{
    env::{Limits, Peer, Timestamp},
    uri::{Domain, UserUri},
};

/// The time in which as many requests are taken as a limit says.
const MINUTE: u64 = 60_000;

/// How often each peer has asked, and each user.
#[derive(Clone, Debug)]
pub struct Pace {
    limits: Limits,
    peers: Counters<(Domain, Kind)>,
    /// As far as a peer says so: what it says in another's name is not held against that user elsewhere.
    users: Counters<(Domain, UserUri)>,
}

/// A request that comes too early. Answer 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too often: {retry_after} ms too early")]
pub struct TooOften {
    /// Milliseconds for `Retry-After`.
    pub retry_after: u64,
}

/// What a request does, as far as its pace goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// It asks about somebody, or has us fetch something: what floods and guesses are made of.
    Asks,
    /// It tells what happens in a room that both are in.
    Tells,
}

const fn kind(endpoint: Endpoint) -> Kind {
    match endpoint {
        Endpoint::KeyMaterial
        | Endpoint::GroupInfo
        | Endpoint::RequestConsent
        | Endpoint::UpdateConsent
        | Endpoint::IdentifierQuery
        | Endpoint::ReportAbuse
        | Endpoint::ProxyDownload => Kind::Asks,
        Endpoint::Update | Endpoint::Notify | Endpoint::SubmitMessage => Kind::Tells,
    }
}

impl Pace {
    /// Nobody has asked yet. The limits are [`Limits::asks_by_peer`], [`Limits::asks_by_user`],
    /// [`Limits::tells_by_peer`] and [`Limits::paced`].
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, peers: Counters::new(), users: Counters::new() }
    }

    /// Whether one more request is taken now. `requester` is the user in whose name it is made, where it says: a claim
    /// or a consent does ([`http::Incoming::requester`](crate::http::Incoming::requester)).
    ///
    /// # Errors
    /// If not. A request that is refused is not counted.
    pub fn take(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        requester: Option<&UserUri>,
        endpoint: Endpoint,
    ) -> Result<(), TooOften> {
        let kind = kind(endpoint);
        let by_peer = match kind {
            Kind::Asks => self.limits.asks_by_peer,
            Kind::Tells => self.limits.tells_by_peer,
        };
        let most = self.limits.paced;
        // A client of this provider stands for its user alone.
        let (domain, user) = match peer {
            Peer::Server(domain) => (Some((domain.clone(), kind)), requester),
            Peer::Client(_, user) => (None, Some(user)),
        };
        let user = match kind {
            Kind::Asks => user.map(|user| (peer.domain(), user.clone())),
            Kind::Tells => None,
        };
        if let Some(user) = &user {
            self.users.check(now, user, self.limits.asks_by_user)?;
        }
        if let Some(domain) = domain {
            self.peers.check(now, &domain, by_peer)?;
            self.peers.count(now, domain, by_peer, most);
        }
        if let Some(user) = user {
            self.users.count(now, user, self.limits.asks_by_user, most);
        }
        Ok(())
    }
}

/// When each of some has used up what it may do at once: the later, the less is left.
#[derive(Clone, Debug)]
struct Counters<K> {
    used_up: BTreeMap<K, Timestamp>,
}

impl<K: Ord> Counters<K> {
    const fn new() -> Self {
        Self { used_up: BTreeMap::new() }
    }

    /// Milliseconds that one request takes of a minute.
    fn step(in_a_minute: u32) -> u64 {
        MINUTE / u64::from(in_a_minute.max(1))
    }

    fn check(&self, now: Timestamp, key: &K, in_a_minute: u32) -> Result<(), TooOften> {
        let from = self.used_up.get(key).map_or(now.0, |at| at.0.max(now.0));
        let over = from.saturating_add(Self::step(in_a_minute)).saturating_sub(now.plus(MINUTE).0);
        // Of none in a minute, none is taken.
        match (over, in_a_minute) {
            (0, 1..) => Ok(()),
            (retry_after, _) => Err(TooOften { retry_after: retry_after.max(1) }),
        }
    }

    /// Counts a request. Of those who are not there any more nothing is kept; of too many at once, the ones who have
    /// asked least are forgotten, who gain least by it.
    fn count(&mut self, now: Timestamp, key: K, in_a_minute: u32, most: usize) {
        if self.used_up.len() >= most && !self.used_up.contains_key(&key) {
            self.used_up.retain(|_, at| *at > now);
            while self.used_up.len() >= most.max(1) {
                let mut times: Vec<Timestamp> = self.used_up.values().copied().collect();
                // Half of them at once, so that it is seldom looked for.
                let middle = times.len() / 2;
                let (_, median, _) = times.select_nth_unstable(middle);
                let median = *median;
                let mut left = self.used_up.len().div_ceil(2);
                self.used_up.retain(|_, at| {
                    let drop = *at <= median && left > 0;
                    left -= usize::from(drop);
                    !drop
                });
            }
        }
        let from = self.used_up.get(&key).map_or(now, |at| (*at).max(now));
        self.used_up.insert(key, from.plus(Self::step(in_a_minute)));
    }
}
