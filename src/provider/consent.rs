//! Who may be given a user's KeyPackages (draft-06, section 8): a default, and what the user said about some.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::uri::{RoomUri, UserUri};

/// What holds for requesters of whom the user said nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stance {
    /// Consent has to be given first.
    #[default]
    Closed,
    /// Consent is given until it is revoked.
    Open,
}

/// What a user said about one requester, for one room or any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// The requester may add the user.
    Grant,
    /// The requester may not. It may be said before anybody asked.
    Revoke,
}

/// The other party of a consent, and the room it is about: with the user of this provider on the other side, what the
/// draft calls `ConsentScope`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// The other user: the requester, or the target where a user of this provider asks.
    pub user: UserUri,
    /// The one room it is for, or none: any room.
    pub room: Option<RoomUri>,
}

impl Contact {
    /// Whether what is said of this one is said of the other as well: any room covers each.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.user == other.user && (self.room.is_none() || self.room == other.room)
    }
}

/// The answer for one requester and one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// KeyPackages may be handed out.
    Given,
    /// Not to this requester.
    Withheld,
    /// Not for this room, though for another.
    WithheldForRoom,
}

/// The consents of one user: its stance and its decisions.
///
/// The decision for a room goes before the one for any room, which goes before the stance. A decision for any room
/// replaces what was said about single rooms before: a grant covers each of them, a revocation takes each back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    stance: Stance,
    decisions: BTreeMap<UserUri, BTreeMap<Option<RoomUri>, Decision>>,
    count: usize,
}

impl Consent {
    /// Consent with no decisions yet.
    #[must_use]
    pub fn new(stance: Stance) -> Self {
        Self { stance, ..Self::default() }
    }

    /// What holds for requesters of whom the user said nothing.
    #[must_use]
    pub const fn stance(&self) -> Stance {
        self.stance
    }

    /// How many requesters and rooms have a decision.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether none has a decision.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What the user said about exactly this requester and room.
    #[must_use]
    pub fn decision(&self, requester: &Contact) -> Option<Decision> {
        self.decisions.get(&requester.user)?.get(&requester.room).copied()
    }

    /// What the user said that holds here: about this room, else about any.
    pub(super) fn said(&self, requester: &Contact) -> Option<Decision> {
        let general = || Contact { user: requester.user.clone(), room: None };
        self.decision(requester).or_else(|| self.decision(&general()))
    }

    /// Whether `requester` may add the user to `room`, or to no room in particular (P-074, P-090, P-215).
    #[must_use]
    pub fn verdict(&self, requester: &UserUri, room: Option<&RoomUri>) -> Verdict {
        let said = self.decisions.get(requester);
        let about = |room: Option<&RoomUri>| said.and_then(|it| it.get(&room.cloned())).copied();
        let general = about(None).unwrap_or(match self.stance {
            Stance::Open => Decision::Grant,
            Stance::Closed => Decision::Revoke,
        });
        match (room.and_then(|room| about(Some(room))).unwrap_or(general), room) {
            (Decision::Grant, _) => Verdict::Given,
            (Decision::Revoke, None) => Verdict::Withheld,
            (Decision::Revoke, Some(_)) => {
                let elsewhere = general == Decision::Grant
                    || said.is_some_and(|it| it.values().any(|it| *it == Decision::Grant));
                if elsewhere { Verdict::WithheldForRoom } else { Verdict::Withheld }
            }
        }
    }

    /// The decisions that one about `requester` replaces, among them that about exactly the same.
    pub(super) fn replaced(&self, requester: &Contact) -> Vec<Contact> {
        let said = self.decisions.get(&requester.user).into_iter().flatten();
        said.map(|(room, _)| Contact { user: requester.user.clone(), room: room.clone() })
            .filter(|it| requester.covers(it))
            .collect()
    }

    pub(super) fn take_stance(&mut self, stance: Stance) {
        self.stance = stance;
    }

    pub(super) fn put(&mut self, requester: Contact, decision: Decision) {
        let said = self.decisions.entry(requester.user).or_default();
        self.count += usize::from(said.insert(requester.room, decision).is_none());
    }

    pub(super) fn remove(&mut self, requester: &Contact) {
        if let Some(said) = self.decisions.get_mut(&requester.user) {
            self.count -= usize::from(said.remove(&requester.room).is_some());
            if said.is_empty() {
                self.decisions.remove(&requester.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomUri {
        RoomUri::parse(format!("mimi://a.example/r/{name}")).unwrap()
    }

    /// P-215: the decision table.
    #[test]
    fn decision_table() {
        let alice = UserUri::parse("mimi://a.example/u/alice").unwrap();
        let (x, y) = (room("x"), room("y"));
        let mut table = String::new();
        for stance in [Stance::Closed, Stance::Open] {
            for general in [None, Some(Decision::Grant), Some(Decision::Revoke)] {
                for for_x in [None, Some(Decision::Grant), Some(Decision::Revoke)] {
                    let mut consent = Consent::new(stance);
                    for (room, decision) in [(None, general), (Some(x.clone()), for_x)] {
                        if let Some(decision) = decision {
                            consent.put(Contact { user: alice.clone(), room }, decision);
                        }
                    }
                    let verdicts = [None, Some(&x), Some(&y)]
                        .map(|room| format!("{:?}", consent.verdict(&alice, room)));
                    let said = |it: Option<Decision>| {
                        it.map_or_else(|| "-".to_owned(), |it| format!("{it:?}"))
                    };
                    table += &format!(
                        "{stance:?} any:{} x:{} => {}\n",
                        said(general),
                        said(for_x),
                        verdicts.join(" ")
                    );
                }
            }
        }
        // stance, said about any room, said about x => verdict without a room, for x, for y
        assert_eq!(
            table,
            "\
Closed any:- x:- => Withheld Withheld Withheld
Closed any:- x:Grant => Withheld Given WithheldForRoom
Closed any:- x:Revoke => Withheld Withheld Withheld
Closed any:Grant x:- => Given Given Given
Closed any:Grant x:Grant => Given Given Given
Closed any:Grant x:Revoke => Given WithheldForRoom Given
Closed any:Revoke x:- => Withheld Withheld Withheld
Closed any:Revoke x:Grant => Withheld Given WithheldForRoom
Closed any:Revoke x:Revoke => Withheld Withheld Withheld
Open any:- x:- => Given Given Given
Open any:- x:Grant => Given Given Given
Open any:- x:Revoke => Given WithheldForRoom Given
Open any:Grant x:- => Given Given Given
Open any:Grant x:Grant => Given Given Given
Open any:Grant x:Revoke => Given WithheldForRoom Given
Open any:Revoke x:- => Withheld Withheld Withheld
Open any:Revoke x:Grant => Withheld Given WithheldForRoom
Open any:Revoke x:Revoke => Withheld Withheld Withheld
"
        );
    }

    #[test]
    fn a_decision_for_any_room_replaces_those_for_single_rooms() {
        let alice = UserUri::parse("mimi://a.example/u/alice").unwrap();
        let scope = |room: Option<RoomUri>| Contact { user: alice.clone(), room };
        let mut consent = Consent::default();
        consent.put(scope(Some(room("x"))), Decision::Grant);
        consent.put(scope(Some(room("y"))), Decision::Revoke);
        assert_eq!(consent.len(), 2);
        assert_eq!(consent.replaced(&scope(None)).len(), 2);
        assert_eq!(consent.replaced(&scope(Some(room("x")))), [scope(Some(room("x")))]);
        assert_eq!(consent.replaced(&scope(Some(room("z")))), []);
        consent.remove(&scope(Some(room("x"))));
        consent.remove(&scope(Some(room("y"))));
        assert!(consent.is_empty());
        assert_eq!(consent, Consent::default());
    }
}
