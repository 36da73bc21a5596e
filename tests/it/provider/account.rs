//! A user's account whose every save crashes, and what it is told.

use openmimi::{
    codec::Wire,
    env::{Env, Limits, Peer},
    machine::{Records, Step},
    provider::{
        Action, ConsentEndpoint, ConsentFault, ConsentRefusal, Contact, Grant, Letter, Policy,
        Stance, User,
    },
    testing::MemoryStore,
    uri::{RoomUri, UserUri},
    wire::{AppDataDictionary, ConsentEntry, ConsentOperation, ConsentScope},
};
use openmls_rust_crypto::RustCrypto;

use super::support::*;

pub(super) fn contact(name: &str, room: Option<&RoomUri>) -> Contact {
    Contact { user: user(name), room: room.cloned() }
}

pub(super) fn x() -> RoomUri {
    room("mimi://a.example/r/x")
}

pub(super) fn y() -> RoomUri {
    room("mimi://a.example/r/y")
}

/// A user whose every save crashes.
pub(super) struct Account {
    pub(super) user: User,
    store: MemoryStore,
    limits: Limits,
    policy: Policy,
}

impl Account {
    pub(super) fn new(name: &str) -> Self {
        Self::with(name, Limits::default(), Policy::default(), Stance::Closed)
    }

    pub(super) fn with(name: &str, limits: Limits, policy: Policy, stance: Stance) -> Self {
        let mut store = MemoryStore::new();
        let founding = User::found(limits.clone(), policy.clone(), user(name), stance);
        store.save(b"user", founding.changes()).unwrap();
        let user = founding.apply().0;
        Self { user, store, limits, policy }
    }

    pub(super) fn play<R>(
        &mut self,
        step: &dyn for<'m> Fn(&'m mut User) -> Step<'m, User, R>,
    ) -> Vec<Action> {
        let (limits, policy) = (self.limits.clone(), self.policy.clone());
        let restore = move |records: &Records| {
            User::restore(records, limits.clone(), policy.clone()).unwrap()
        };
        play(&mut self.store, b"user", &mut self.user, &restore, step).1
    }

    pub(super) fn uri(&self) -> UserUri {
        self.user.uri().clone()
    }

    /// What the other's provider brings.
    pub(super) fn receive(&mut self, from: &str, letter: &Letter) -> Vec<Action> {
        assert_eq!(letter.to, self.uri().domain());
        let (peer, crypto) = (server(from), RustCrypto::default());
        let env = env(&crypto, NOW);
        self.play(&|user| match letter.endpoint {
            ConsentEndpoint::Request => user.consent_requested(&env, &peer, &letter.body).unwrap(),
            ConsentEndpoint::Update => user.consent_updated(&env, &peer, &letter.body).unwrap(),
        })
    }

    /// What waits to be sent: after a crash it is there again.
    pub(super) fn letters(&self) -> Vec<Letter> {
        let backlog = self.user.backlog().into_iter();
        backlog
            .filter_map(|action| match action {
                Action::Send(letter) => Some(letter),
                Action::Replenish { .. }
                | Action::Requested(_)
                | Action::Withdrawn(_)
                | Action::Told(_) => None,
            })
            .collect()
    }

    /// Sends all letters to the other user's account.
    pub(super) fn send_to(&mut self, other: &mut Self) -> Vec<Action> {
        let from = self.uri().domain();
        let mut actions = Vec::new();
        for letter in self.letters() {
            actions.extend(other.receive(from.as_str(), &letter));
            // Its answer was lost, and it comes again.
            assert_eq!(other.receive(from.as_str(), &letter), [], "idempotent by state (Q-115)");
            self.play(&|user| user.sent(letter.number));
            self.play(&|user| user.sent(letter.number));
        }
        assert_eq!(self.letters(), []);
        actions
    }

    /// What it is told, saved or not; a refusal changes nothing.
    fn hears(
        &mut self,
        tell: impl for<'m> FnOnce(
            &'m mut User,
            &Env<'_, RustCrypto, ()>,
        ) -> Result<Step<'m, User, ()>, ConsentRefusal>,
    ) -> Result<Vec<Action>, (ConsentFault, u16)> {
        let crypto = RustCrypto::default();
        let before = self.user.clone();
        match tell(&mut self.user, &env(&crypto, NOW)).map(Step::apply) {
            Ok(outcome) => Ok(outcome.actions),
            Err(refusal) => {
                assert_eq!(before, self.user);
                assert_eq!(refusal.revision, before.revision());
                Err((refusal.fault, refusal.status))
            }
        }
    }

    pub(super) fn ask(&mut self, target: &Contact) -> Vec<Action> {
        let crypto = RustCrypto::default();
        self.play(&|user| user.ask(&env(&crypto, NOW), target).unwrap())
    }

    pub(super) fn grant(&mut self, requester: &Contact) -> Vec<Action> {
        let crypto = RustCrypto::default();
        self.play(&|user| user.grant(&env(&crypto, NOW), requester, &[]).unwrap())
    }

    pub(super) fn requests(&self) -> Vec<Contact> {
        self.user.requests().cloned().collect()
    }

    pub(super) fn told(&self) -> Vec<(Contact, Grant)> {
        self.user.told().map(|(contact, grant)| (contact.clone(), grant)).collect()
    }
}

pub(super) fn entry(
    operation: ConsentOperation,
    requester: &str,
    target: &str,
    room: Option<&RoomUri>,
) -> Vec<u8> {
    let scope =
        ConsentScope { requester: user(requester), target: user(target), room: room.cloned() };
    ConsentEntry { operation, scope, extensions: AppDataDictionary::default() }.encode()
}

pub(super) fn requested(
    bob: &mut Account,
    peer: &Peer,
    body: &[u8],
) -> Result<Vec<Action>, (ConsentFault, u16)> {
    bob.hears(|user, env| user.consent_requested(env, peer, body))
}

pub(super) fn updated(
    bob: &mut Account,
    peer: &Peer,
    body: &[u8],
) -> Result<Vec<Action>, (ConsentFault, u16)> {
    bob.hears(|user, env| user.consent_updated(env, peer, body))
}
