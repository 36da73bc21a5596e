//! Who gets what, and who has got how far (P-160 … P-179).

use std::{collections::BTreeSet, ops::Range};

use super::{Keys, Room, draft::Draft, room::Change};
use crate::{
    delivery::ProposalRef,
    env::{Crypto, Env, Timestamp},
    machine::Step,
    policy,
    uri::{Domain, UserUri},
};

impl Room {
    /// The providers that application messages go to: those with an active participant who may receive (P-160,
    /// P-104, R-181).
    pub(super) fn audience(&mut self) -> BTreeSet<Domain> {
        if let Some(audience) = &self.audience {
            return audience.clone();
        }
        let room = self.effective();
        let mut hosts = BTreeSet::new();
        for user in self.leaves.values() {
            if !hosts.contains(user.host())
                && !self.is_blocked(user)
                && policy::may_receive(room, user)
            {
                hosts.insert(user.host());
            }
        }
        let audience: BTreeSet<Domain> =
            hosts.into_iter().filter_map(|host| Domain::parse(host).ok()).collect();
        self.audience = Some(audience.clone());
        audience
    }

    /// Whether application messages go to this user's clients. A provider that follows the room beside its hub asks for
    /// its own users (P-178): [`follower::Room::withhold_from`](crate::follower::Room::withhold_from).
    #[must_use]
    pub fn may_receive(&self, user: &UserUri) -> bool {
        !self.is_blocked(user) && policy::may_receive(self.effective(), user)
    }

    /// A provider has taken over everything up to event `through`, that number included: its endpoint has answered
    /// with a 2xx (P-172).
    ///
    /// Bodies that nobody waits for any more are deleted.
    pub fn acknowledged<C: Crypto>(
        &mut self,
        _env: &Env<'_, C, Keys>,
        provider: &Domain,
        through: u64,
    ) -> Step<'_, Self, ()> {
        let known = self.log.cursors.get(provider).and_then(|cursor| cursor.outstanding());
        if known.is_none_or(|outstanding| outstanding.start > through) {
            return self.unchanged(());
        }
        let mut draft = Draft::new(&self.head);
        draft.cursor(self, provider).received(through);
        draft.drop_passed_events(self);
        self.step(draft, Change::None, ())
    }

    /// A notification did not get through. The provider is notified again after a while, which grows with each
    /// failure, and not before `retry_after` milliseconds if it asked for that (P-174); see [`Room::timeout`].
    pub fn notify_failed<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        provider: &Domain,
        retry_after: Option<u64>,
    ) -> Step<'_, Self, ()> {
        if self.log.cursors.get(provider).and_then(|cursor| cursor.outstanding()).is_none() {
            return self.unchanged(());
        }
        let mut draft = Draft::new(&self.head);
        draft.cursor(self, provider).failed(env.now, retry_after, &self.limits);
        self.step(draft, Change::None, ())
    }

    /// A provider has answered a notification with 404 or 410: it knows no such room.
    ///
    /// If none of its clients is in the group any more, it has delivered the last word and forgotten the room, and only
    /// its 201 was lost: what it is owed counts as received, for it would be sent for ever (P-175). Else this is a
    /// failure like any other ([`Room::notify_failed`]).
    pub fn notify_unknown<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        provider: &Domain,
    ) -> Step<'_, Self, ()> {
        if self.providers.contains_key(provider) {
            return self.notify_failed(env, provider, None);
        }
        self.acknowledged(env, provider, u64::MAX)
    }

    /// Gives a provider up: what it is owed is dropped. It is owed what happens from now on.
    pub fn abandon<C: Crypto>(
        &mut self,
        _env: &Env<'_, C, Keys>,
        provider: &Domain,
    ) -> Step<'_, Self, ()> {
        if self.log.cursors.get(provider).and_then(|cursor| cursor.outstanding()).is_none() {
            return self.unchanged(());
        }
        let mut draft = Draft::new(&self.head);
        draft.cursor(self, provider).received(u64::MAX);
        draft.drop_passed_events(self);
        self.step(draft, Change::None, ())
    }

    /// Who is owed what, whether or not it waits out a failure. After a restart send what is [ready](Room::ready).
    pub fn backlog(&self) -> impl Iterator<Item = (&Domain, Range<u64>)> {
        self.log
            .cursors
            .iter()
            .filter_map(|(provider, cursor)| Some((provider, cursor.outstanding()?)))
    }

    /// Who is owed what and waits out no failure: what to send after a restart. Whoever waits comes back with
    /// [`Room::timeout`], for the records hold that time too (P-174).
    pub fn ready(&self) -> impl Iterator<Item = (&Domain, Range<u64>)> {
        self.backlog().filter(|(provider, _)| self.retry_at(provider).is_none())
    }

    /// When a provider is to be notified again that waits out a failure. `None` if it does not.
    #[must_use]
    pub fn retry_at(&self, provider: &Domain) -> Option<Timestamp> {
        self.log.cursors.get(provider)?.retry_at
    }

    /// The providers that are further behind than the limit. The log keeps growing for them: see that they are
    /// reached, or [abandon](Room::abandon) them.
    pub fn lagging(&self) -> impl Iterator<Item = &Domain> {
        let limit = self.limits.lag;
        self.backlog()
            .filter(move |(_, events)| events.end - events.start > limit)
            .map(|(provider, _)| provider)
    }

    /// What is over goes; what failed and is due is tried again. Call it when
    /// [`wake_at`](crate::machine::Changes::wake_at) has come; at other times it does no harm.
    pub fn timeout<C: Crypto>(&mut self, env: &Env<'_, C, Keys>) -> Step<'_, Self, ()> {
        let mut draft = Draft::new(&self.head);
        draft.expire(self, env.now);
        let due = |(_, cursor): &(&Domain, &super::log::Cursor)| {
            cursor.retry_at.is_some_and(|at| at <= env.now)
        };
        let due: Vec<Domain> =
            self.log.cursors.iter().filter(due).map(|(provider, _)| provider.clone()).collect();
        for provider in due {
            draft.cursor(self, &provider).retry_at = None;
            draft.notify(&provider);
        }
        let change = self.lapse_of_expired(env.now);
        self.step_at(env.now, draft, change, ())
    }

    /// Adds whose KeyPackage has expired wait no longer: no commit can hold them.
    fn lapse_of_expired(&self, now: Timestamp) -> Change {
        let gone: BTreeSet<ProposalRef> = self.group.expired(now).cloned().collect();
        let effective = (!gone.is_empty()).then(|| self.effective_without(&gone).ok()).flatten();
        effective.map_or(Change::None, |effective| {
            let names: Vec<ProposalRef> = gone.into_iter().collect();
            Change::Lapse(Box::new(self.group.stage_lapse(&names)), Box::new(effective))
        })
    }
}
