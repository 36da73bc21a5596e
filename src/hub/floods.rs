//! How many requests somebody makes, counted in memory only (D-96): whoever makes too many is turned away before
//! anything is decrypted, verified or saved.

use std::collections::BTreeMap;

use crate::{
    env::{Limits, Peer, Timestamp},
    uri::UserUri,
};

/// The endpoints that are counted, each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Door {
    Update,
    SubmitMessage,
    GroupInfo,
    ReportAbuse,
}

/// What somebody has asked since a time.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: Timestamp,
    requests: u32,
}

impl Window {
    fn is_over(&self, now: Timestamp, limits: &Limits) -> bool {
        // A clock that was set back makes no window longer.
        now < self.since || self.since.plus(limits.requests_for) <= now
    }
}

/// The counts of one room.
///
/// It has an entry for each peer, which the caller has authenticated, and for each participant: nobody can make it grow
/// by making up names. A restart forgets it.
#[derive(Debug, Default)]
pub(super) struct Floods {
    windows: BTreeMap<(Door, String), Window>,
    /// Entries after the last sweep.
    swept: usize,
}

/// Entries up to which there is no sweep.
const FEW: usize = 64;

impl Floods {
    /// Counts a request of a peer, made for `user` if that is a participant for whom it speaks.
    ///
    /// # Errors
    /// The milliseconds until it may ask again. The request is not counted then, so that whoever waits gets through.
    pub(super) fn admit(
        &mut self,
        limits: &Limits,
        now: Timestamp,
        door: Door,
        peer: &Peer,
        user: Option<&UserUri>,
    ) -> Result<(), u64> {
        let of_peer = match peer {
            Peer::Server(_) => limits.requests_by_peer,
            Peer::Client(..) => limits.requests_by_user,
        };
        let names = [(peer.as_str(), of_peer)]
            .into_iter()
            .chain(user.map(|user| (user.as_str(), limits.requests_by_user)));
        let names: Vec<_> = names.map(|(name, limit)| ((door, name.to_owned()), limit)).collect();
        let wait = names.iter().filter_map(|(name, limit)| {
            let window = self.windows.get(name).filter(|it| !it.is_over(now, limits))?;
            let end = window.since.plus(limits.requests_for);
            (window.requests >= *limit).then(|| end.0.saturating_sub(now.0))
        });
        if let Some(wait) = wait.max() {
            return Err(wait);
        }
        for (name, _) in names {
            let window = self.windows.entry(name).or_insert(Window { since: now, requests: 0 });
            if window.is_over(now, limits) {
                *window = Window { since: now, requests: 0 };
            }
            window.requests = window.requests.saturating_add(1);
        }
        if self.windows.len() > self.swept.saturating_mul(2).max(FEW) {
            self.windows.retain(|_, window| !window.is_over(now, limits));
            self.swept = self.windows.len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::Domain;

    fn limits() -> Limits {
        Limits {
            requests_by_user: 2,
            requests_by_peer: 3,
            requests_for: 1_000,
            ..Limits::default()
        }
    }

    fn user(name: &str) -> UserUri {
        UserUri::parse(format!("mimi://b.example/u/{name}")).expect("a user")
    }

    #[test]
    fn d_96_users_and_peers_have_their_windows_and_who_waits_gets_through() {
        let (mut floods, limits) = (Floods::default(), limits());
        let peer = Peer::Server(Domain::parse("b.example").expect("a domain"));
        let mut ask = |door, user: Option<&UserUri>, at| {
            floods.admit(&limits, Timestamp(at), door, &peer, user)
        };
        let (bob, ben) = (user("bob"), user("ben"));
        assert_eq!(ask(Door::Update, Some(&bob), 100), Ok(()));
        assert_eq!(ask(Door::Update, Some(&bob), 200), Ok(()));
        assert_eq!(ask(Door::Update, Some(&bob), 300), Err(800), "the user has asked twice");
        assert_eq!(ask(Door::SubmitMessage, Some(&bob), 300), Ok(()), "another endpoint");
        assert_eq!(ask(Door::Update, Some(&ben), 300), Ok(()), "another user");
        assert_eq!(ask(Door::Update, None, 400), Err(700), "the peer has asked three times");
        assert_eq!(ask(Door::Update, Some(&bob), 1_099), Err(1));
        assert_eq!(ask(Door::Update, Some(&bob), 1_100), Ok(()));
        assert_eq!(ask(Door::Update, Some(&bob), 50), Ok(()), "a clock that went back begins anew");
    }

    #[test]
    fn d_96_windows_that_are_over_are_forgotten() {
        let (mut floods, limits) = (Floods::default(), limits());
        for number in 0..10_000_u64 {
            let peer = Peer::Server(Domain::parse(format!("p{number}.example")).expect("a domain"));
            floods
                .admit(&limits, Timestamp(number * 100), Door::GroupInfo, &peer, None)
                .expect("its first request");
        }
        assert!(floods.windows.len() <= FEW + 1, "{}", floods.windows.len());
    }
}
