//! Who asked for the GroupInfo, to know the external commit that follows (P-182).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    env::{Limits, Timestamp},
    machine::Key,
    uri::UserUri,
};

/// Somebody who was given the GroupInfo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Joiner {
    /// Whose client it is, by the credential in the request.
    pub(super) user: UserUri,
    /// Until when its external commit is expected.
    pub(super) until: Timestamp,
}

/// All joiners, by the signature key in their request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Joiners(BTreeMap<Vec<u8>, Joiner>);

impl Joiners {
    /// The kind octet of joiners' keys.
    pub(super) const KIND: u8 = 0x05;

    pub(super) fn key(signature_key: &[u8]) -> Key {
        Key::new(Self::KIND).bytes(signature_key)
    }

    pub(super) fn insert(&mut self, signature_key: Vec<u8>, joiner: Joiner) {
        self.0.insert(signature_key, joiner);
    }

    pub(super) fn remove(&mut self, signature_key: &[u8]) {
        self.0.remove(signature_key);
    }

    /// Who asked with this key, if there is still time.
    pub(super) fn find(&self, signature_key: &[u8], now: Timestamp) -> Option<&Joiner> {
        self.0.get(signature_key).filter(|joiner| now < joiner.until)
    }

    /// The keys of those whose time is over, and of the one with the least time left where one more would be too many.
    pub(super) fn surplus(&self, now: Timestamp, limits: &Limits) -> Vec<Vec<u8>> {
        let mut by_time: Vec<_> = self.0.iter().map(|(key, joiner)| (joiner.until, key)).collect();
        by_time.sort_unstable();
        let excess = (self.0.len() + 1).saturating_sub(limits.joiners);
        let over = |(place, (until, _)): &(usize, (Timestamp, &Vec<u8>))| *place < excess || *until <= now;
        by_time.into_iter().enumerate().take_while(over).map(|(_, (_, key))| key.clone()).collect()
    }

    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.0.values().map(|joiner| joiner.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_182_joiners_are_known_for_a_time_and_the_table_is_bounded() {
        let limits = Limits { joiners: 2, ..Limits::default() };
        let user = UserUri::parse("mimi://b.example/u/bob").expect("valid");
        let mut joiners = Joiners::default();
        for (key, until) in [(1, 30), (2, 20)] {
            joiners.insert(vec![key], Joiner { user: user.clone(), until: Timestamp(until) });
        }
        assert!(joiners.find(&[2], Timestamp(19)).is_some());
        assert!(joiners.find(&[2], Timestamp(20)).is_none());
        assert_eq!(joiners.surplus(Timestamp(0), &limits), [vec![2]], "a third one pushes out the one with least time");
        assert_eq!(joiners.surplus(Timestamp(40), &limits), [vec![2], vec![1]]);
        assert_eq!(joiners.next_expiry(), Some(Timestamp(20)));
    }
}
