//! A room at a provider that follows it.

use std::collections::BTreeMap;

use super::{
    World, WorldCrypto,
    network::Reply,
    node::{follower_id, user_id},
    skewed,
    slot::{Shelf, found},
};
use crate::{
    env::{Env, Peer},
    follower,
    follower::Notice,
    machine::{Outcome, Step},
    provider::Owner,
    wire::KeyPackageRef,
};

impl<C: WorldCrypto> World<C> {
    /// A call of a followed room.
    pub(super) fn at_follower<R, F>(
        &mut self,
        provider: usize,
        room: usize,
        call: impl for<'a> Fn(
            &'a mut follower::Room,
            &Env<'_, C, ()>,
        ) -> Result<Step<'a, follower::Room, R>, F>,
    ) -> Option<Result<Outcome<R, follower::Action>, F>> {
        self.touched_followers.insert((provider, room));
        let crypto = self.crypto.clone();
        let provider = &mut self.providers[provider];
        let env = Env { now: skewed(self.now, provider.skew), crypto: &*crypto, keys: &() };
        let slot = provider.followers.get_mut(&room)?;
        let shelf = Shelf {
            store: &mut provider.store,
            limits: &provider.limits,
            luck: &mut self.luck,
            tally: &mut self.tally,
            sends_first: false,
        };
        let mut done = slot.step(shelf, &follower_id(room), |machine| call(machine, &env));
        self.break_if(done.broken.take());
        done.told()
    }

    /// The hub of a room tells what happened in it.
    pub(super) fn notify(
        &mut self,
        peer: &Peer,
        to: usize,
        room: usize,
        body: &[u8],
    ) -> Option<Reply> {
        let Ok(notice) = Notice::decode(body, &self.providers[to].limits) else {
            return Some(Reply::status(400));
        };
        let mut owners: BTreeMap<KeyPackageRef, Owner> = BTreeMap::new();
        for reference in notice.references() {
            let provider = &mut self.providers[to];
            for (number, slot) in &mut provider.users {
                let user = slot.current(&user_id(*number), &provider.store, &provider.limits);
                if let Some(owner) = user.and_then(|user| user.owner(reference)) {
                    owners.insert(reference.clone(), owner);
                }
            }
        }
        if self.providers[to].followers.contains_key(&room) {
            let done = self.at_follower(to, room, |follower, env| {
                follower.notify(env, peer, &notice, &owners)
            })?;
            return Some(match done {
                Ok(_) => Reply::status(201),
                Err(refusal) => Reply::status(refusal.fault.status()),
            });
        }
        let uri = self.sites[room].uri.clone();
        self.follow(to, room, |limits, env| {
            follower::Room::welcomed(limits, env, peer, uri.clone(), &notice, &owners)
        })
        .map(|reply| reply.map_or_else(|reply| reply, |()| Reply::status(201)))
    }

    /// A follower's room comes into being.
    pub(super) fn follow<R>(
        &mut self,
        provider: usize,
        room: usize,
        call: impl FnOnce(
            crate::env::Limits,
            &Env<'_, C, ()>,
        )
            -> Result<crate::machine::Founding<follower::Room, R>, follower::Refusal>,
    ) -> Option<Result<(), Reply>> {
        let crypto = self.crypto.clone();
        let provider = &mut self.providers[provider];
        let env = Env { now: skewed(self.now, provider.skew), crypto: &*crypto, keys: &() };
        let founding = match call(provider.limits.clone(), &env) {
            Ok(founding) => founding,
            Err(refusal) => return Some(Err(Reply::status(refusal.fault.status()))),
        };
        let shelf = Shelf {
            store: &mut provider.store,
            limits: &provider.limits,
            luck: &mut self.luck,
            tally: &mut self.tally,
            sends_first: false,
        };
        let founded = found(shelf, &follower_id(room), founding);
        provider.followers.extend(founded.slot.map(|slot| (room, slot)));
        founded.outcome.map(|_| Ok(()))
    }

    /// A client's update, on its way to the hub.
    pub(super) fn relay_update(
        &mut self,
        home: usize,
        peer: &Peer,
        room: usize,
        body: &[u8],
    ) -> Option<Result<(), Reply>> {
        if self.providers[home].followers.contains_key(&room) {
            let done =
                self.at_follower(home, room, |follower, env| follower.update(env, peer, body))?;
            return Some(match done {
                Ok(_) => Ok(()),
                Err(refusal) => Err(Reply::status(refusal.fault.status())),
            });
        }
        let uri = self.sites[room].uri.clone();
        self.follow(home, room, |limits, env| {
            follower::Room::join(limits, env, peer, uri.clone(), body)
        })
    }

    /// The hub's answer to a client's update has come.
    pub(super) fn update_answered(
        &mut self,
        home: usize,
        peer: &Peer,
        room: usize,
        request: &[u8],
        response: &[u8],
    ) -> Option<()> {
        self.at_follower(home, room, |follower, _| follower.answered(peer, request, response))
            .map(|_| ())
    }
}
