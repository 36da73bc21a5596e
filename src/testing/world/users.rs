//! A user at its provider, and who claims its KeyPackages.

use super::{
    World, WorldCrypto,
    network::{Origin, Reply, Request},
    node::user_id,
    skewed,
    slot::{Halt, Shelf},
};
use crate::{
    codec::Wire,
    env::{Env, Peer},
    machine::{Outcome, Step},
    provider,
    provider::ClaimAnswer,
    wire::{KeyMaterialRequest, KeyMaterialResponse},
};

/// What a call of a user at its provider came to; nothing after a crash.
type AtUser<R, F> = Option<Result<Outcome<R, provider::Action>, F>>;

impl<C: WorldCrypto> World<C> {
    /// A call of a user at its provider.
    pub(super) fn at_user<R, F>(
        &mut self,
        user: usize,
        call: impl for<'a> Fn(
            &'a mut provider::User,
            &Env<'_, C, ()>,
        ) -> Result<Step<'a, provider::User, R>, F>,
    ) -> AtUser<R, F> {
        self.at_user_landed(user, call).0
    }

    /// The same, and whether anything was saved, whether or not anybody knows.
    pub(super) fn at_user_landed<R, F>(
        &mut self,
        user: usize,
        call: impl for<'a> Fn(
            &'a mut provider::User,
            &Env<'_, C, ()>,
        ) -> Result<Step<'a, provider::User, R>, F>,
    ) -> (AtUser<R, F>, bool) {
        self.touched_users.insert(user);
        let crypto = self.crypto.clone();
        let provider = &mut self.providers[self.people[user].home];
        let env = Env { now: skewed(self.now, provider.skew), crypto: &*crypto, keys: &() };
        let Some(slot) = provider.users.get_mut(&user) else { return (None, false) };
        let shelf = Shelf {
            store: &mut provider.store,
            limits: &provider.limits,
            luck: &mut self.luck,
            tally: &mut self.tally,
            sends_first: false,
        };
        let mut done = slot.step(shelf, &user_id(user), |machine| call(machine, &env));
        self.break_if(done.broken.take());
        let landed = done.landed.is_some();
        (done.told(), landed)
    }

    /// A user at its provider, as it is stored.
    pub(super) fn user(&mut self, user: usize) -> Option<&mut provider::User> {
        let provider = &mut self.providers[self.people[user].home];
        provider.users.get_mut(&user)?.current(&user_id(user), &provider.store, &provider.limits)
    }

    /// For a user of its own it claims; for another it passes the request on, if it is the hub.
    pub(super) fn key_material(
        &mut self,
        peer: &Peer,
        to: usize,
        target: usize,
        request: &Request,
    ) -> Option<Reply> {
        let read = KeyMaterialRequest::decode(&request.body).ok()?;
        let uri = read.head().room.clone()?;
        let room = self.sites.iter().position(|site| site.uri == uri)?;
        if self.sites[room].hub == to {
            let allowed = self.providers[to]
                .hub(room)
                .is_some_and(|hub| hub.may_claim_keys(peer, &read).is_ok());
            if !allowed {
                return Some(Reply::status(403));
            }
            let home = self.people[target].home;
            let from = self.providers[home].domain.clone();
            let reply = if home == to {
                self.claim(peer, target, &request.body)?
            } else {
                let hub = Peer::Server(self.providers[to].domain.clone());
                self.send(&hub, to, home, request)?
            };
            let Ok(response) = KeyMaterialResponse::decode(&reply.body) else { return Some(reply) };
            if home == to {
                return Some(reply);
            }
            let done = self
                .at_hub(room, &Origin::Nobody, |hub, env| hub.keys_claimed(env, &from, &response));
            return match done {
                Ok(_) => Some(reply),
                Err(Halt::Crashed) => None,
                Err(Halt::Refused(_)) => Some(Reply::status(502)),
            };
        }
        if self.people[target].home != to {
            return Some(Reply::status(403));
        }
        self.claim(peer, target, &request.body)
    }

    pub(super) fn claim(&mut self, peer: &Peer, target: usize, body: &[u8]) -> Option<Reply> {
        let done = self.at_user(target, |user, env| user.claim(env, peer, body))?;
        Some(match done {
            Ok(outcome) => Reply::ok(outcome.reply),
            Err(refusal) => match refusal.answer {
                ClaimAnswer::Response(body) => Reply::ok(body),
                ClaimAnswer::Status { status, .. } => Reply::status(status),
            },
        })
    }
}
