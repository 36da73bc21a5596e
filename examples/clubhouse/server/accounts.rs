//! The provider of users: accounts, and KeyPackages published, claimed and used up.

use openmimi::{
    codec::Wire,
    env::{Env, Limits, Peer, Timestamp},
    follower,
    machine::Records,
    provider::{self, ClaimAnswer, Policy, Stance},
    uri::UserUri,
    wire::KeyMaterialRequest,
};

use super::{super::shared::crash::Halt, Reply, Server, Step};

impl Server {
    /// Gives a user an account. Who may claim its KeyPackages without being asked is its `stance`.
    pub fn register(&mut self, user: &UserUri, stance: Stance) {
        while !self.users.contains_key(user) {
            let founding =
                provider::User::found(self.limits.clone(), Policy::default(), user.clone(), stance);
            let (machine, _) =
                self.disk.found(user.as_str(), founding, |records| user_of(records, &self.limits));
            self.users.extend(machine.map(|machine| (user.clone(), machine)));
        }
    }

    /// A client publishes KeyPackages.
    pub fn publish(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        key_packages: &[Vec<u8>],
    ) -> Option<Reply> {
        let Peer::Client(_, user) = peer else { return Some(Reply::status(403)) };
        let Some(machine) = self.users.get_mut(user) else { return Some(Reply::status(404)) };
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        let done = self.disk.step(
            user.as_str(),
            machine,
            |records| user_of(records, &self.limits),
            |machine| machine.publish(&env, peer, key_packages),
        );
        match done {
            Ok(_) => Some(Reply::status(201)),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => {
                Some(Reply { status: 400, body: refusal.to_string().into_bytes() })
            }
        }
    }

    /// For a user of its own it claims; for another it passes the request on, if it is the hub.
    pub(super) fn key_material(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        target: &UserUri,
        body: &[u8],
    ) -> Option<Step> {
        let request = KeyMaterialRequest::decode(body).ok();
        let room = request.as_ref().and_then(|request| request.head().room.clone());
        let hub = room.as_ref().and_then(|room| self.hubs.get(room));
        let allowed = hub
            .zip(request.as_ref())
            .map(|(hub, request)| hub.may_claim_keys(peer, request).is_ok());
        match allowed {
            Some(false) => return Some(Step::Done(Reply::status(403))),
            Some(true) if target.domain() != self.domain => {
                return Some(Step::Forward(target.domain()));
            }
            None if target.domain() != self.domain => return Some(Step::Done(Reply::status(403))),
            Some(true) | None => {}
        }
        let Some(machine) = self.users.get_mut(target) else {
            return Some(Step::Done(Reply::status(404)));
        };
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        let restore = |records: &Records| user_of(records, &self.limits);
        let done = self
            .disk
            .step(target.as_str(), machine, restore, |machine| machine.claim(&env, peer, body));
        Some(Step::Done(match done {
            Ok(outcome) => Reply::ok(outcome.reply),
            Err(Halt::Crashed) => return None,
            Err(Halt::Refused(refusal)) => match refusal.answer {
                ClaimAnswer::Response(body) => Reply::ok(body),
                ClaimAnswer::Status { status, .. } => Reply::status(status),
            },
        }))
    }

    /// Does what the followers owe to the users' KeyPackages.
    pub fn close_claims(&mut self) {
        let owed: Vec<_> = self.followers.values().flat_map(follower::Room::backlog).collect();
        for action in owed {
            let follower::Action::Welcomed { user, references } = action else { continue };
            let Some(machine) = self.users.get_mut(&user) else { continue };
            let restore = |records: &Records| user_of(records, &self.limits);
            let _: Result<_, Halt<()>> =
                self.disk.step(user.as_str(), machine, restore, |machine| {
                    Ok(machine.welcomed(&references))
                });
        }
    }
}

fn user_of(records: &Records, limits: &Limits) -> provider::User {
    provider::User::restore(records, limits.clone(), Policy::default())
        .expect("what a provider saved")
}
