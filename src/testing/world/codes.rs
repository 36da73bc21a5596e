//! Joining codes and join links: made, redeemed, taken back, and over.

use super::{
    World, WorldCrypto, model::Deed, model::Wish, network::Origin, report::Invariant, slot::Halt,
};
use crate::{
    client::JoinRequest,
    codec::Wire,
    env::{Env, Timestamp},
    hub,
    policy::{
        Capability, RoleIndex,
        components::{Component, JoinLinkPolicy, JoinLinks, JoinLinksUpdate},
    },
    room::ComponentId,
    wire::{GroupInfoAnswer, GroupInfoResponse},
};

/// A joining code as the world knows it. What the hub should make of it, the model says.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) room: usize,
    pub(super) octets: Vec<u8>,
    pub(super) role: Option<RoleIndex>,
    pub(super) uses: Option<u32>,
    pub(super) used: u32,
    pub(super) until: Option<Timestamp>,
    pub(super) revoked: bool,
    /// Whether a link of the room ends in it. It is good while the room has that link.
    pub(super) link: bool,
    /// Whether the hub knows it: a link's code only once its commit is accepted.
    pub(super) known: bool,
    /// Who may be about to join with it, and until when at the latest.
    pub(super) held: Vec<(usize, Timestamp)>,
}

/// For so long nobody who has asked with a code may still be expected, by whichever clock.
const HELD: u64 = 2 * 60 * 60 * 1_000;

impl<C: WorldCrypto> World<C> {
    /// The hub's time, in a room.
    pub(super) fn hub_now(&self, room: usize) -> Timestamp {
        super::skewed(self.now, self.providers[self.sites[room].hub].skew)
    }

    /// What the room's policy makes of terms: how often, and until when.
    fn cut(
        policy: Option<&JoinLinkPolicy>,
        uses: Option<u32>,
        until: Option<Timestamp>,
        made: Timestamp,
    ) -> (Option<u32>, Option<Timestamp>) {
        let Some(policy) = policy else { return (Some(uses.unwrap_or(1)), until) };
        let single = (!policy.multiuser).then_some(1);
        let expires =
            (policy.expiration > 0).then(|| made.plus(u64::from(policy.expiration) * 1_000));
        let least = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let uses = least(uses.map(u64::from), single).and_then(|it| u32::try_from(it).ok());
        let until = least(until.map(|it| it.0), expires.map(|it| it.0)).map(Timestamp);
        (uses, until)
    }

    /// Somebody who runs the hub makes a code.
    pub(super) fn make_code(&mut self, room: usize, terms: u8) -> bool {
        let role = [None, Some(RoleIndex(2)), Some(RoleIndex(3))][usize::from(terms % 3)];
        let uses = [None, Some(1), Some(2)][usize::from(terms / 3 % 3)];
        let now = self.hub_now(room);
        let until = [None, Some(now.plus(60_000)), Some(now.plus(3_600_000))];
        let until = until[usize::from(terms / 9 % 3)];
        let octets = format!("code {} of {room}", self.codes.len()).into_bytes();
        let terms = hub::CodeTerms { role, uses, until };
        let before = self.codes.len();
        let done = self
            .at_hub_landed(room, &Origin::Nobody, |hub, env| hub.keep_code(env, &octets, &terms));
        let Some(model) = self.model.get(&room) else { return false };
        let may = !model.ended && model.code_role(role).is_some();
        let policy = self.policy_of::<JoinLinkPolicy>(room);
        if done.1 {
            let (uses, until) = Self::cut(policy.as_ref(), uses, until, now);
            let (revoked, link, known) = (false, false, true);
            let code = Code {
                room,
                octets,
                role,
                uses,
                used: 0,
                until,
                revoked,
                link,
                known,
                held: vec![],
            };
            self.codes.push(code);
        }
        let refused = matches!(&done.0, Err(Halt::Refused(it))
            if !matches!(it.reason, hub::CodeRefusal::TooMany(_)));
        if done.1 && !may || refused && may {
            let found = format!("code {before} of room {room}: {may} by the model");
            self.break_if(Some((Invariant::OneVerdict, found)));
        }
        done.0.is_ok()
    }

    /// A room's component as it will be once what waits is committed.
    fn policy_of<P: Component>(&mut self, room: usize) -> Option<P> {
        self.providers[self.sites[room].hub].hub(room)?.effective().policy()
    }

    fn some_code(&self, room: usize, choice: u8) -> Option<usize> {
        let codes: Vec<usize> =
            (0..self.codes.len()).filter(|code| self.codes[*code].room == room).collect();
        super::choose::pick(&codes, choice)
    }

    /// The hub takes a code back.
    pub(super) fn revoke_code(&mut self, room: usize, choice: u8) -> bool {
        let Some(code) = self.some_code(room, choice) else { return false };
        let octets = self.codes[code].octets.clone();
        let (done, landed) =
            self.at_hub_landed(room, &Origin::Nobody, |hub, env| hub.revoke_code(env, &octets));
        self.codes[code].revoked |= landed || done.is_ok();
        done.is_ok()
    }

    /// A member puts a link into the room, or takes one out.
    pub(super) fn change_links(&mut self, by: usize, room: usize, what: u8) -> bool {
        let Some(machine) = self.phones[by].room(room) else { return false };
        let links: Vec<Vec<u8>> =
            machine.committed().policy().map_or(Vec::new(), |JoinLinks(links)| links);
        let update = match super::choose::pick(&(0..links.len()).collect::<Vec<_>>(), what / 2) {
            Some(place) if what.is_multiple_of(2) => {
                let Ok(at) = u32::try_from(place) else { return false };
                let code = JoinLinks::code_of(&links[place]).to_vec();
                let number = self.codes.iter().position(|it| it.room == room && it.octets == code);
                let Some(number) = number else { return false };
                (Wish::Link(number, false), JoinLinksUpdate { removed: vec![at], added: vec![] })
            }
            _ if links.len() >= 3 => return false,
            _ => {
                let number = self.codes.len();
                let octets = format!("link-{number}").into_bytes();
                let link = [b"https://example.net/join/".as_slice(), &octets].concat();
                self.codes.push(Code {
                    room,
                    octets,
                    role: None,
                    uses: None,
                    used: 0,
                    until: None,
                    revoked: false,
                    link: true,
                    known: false,
                    held: vec![],
                });
                (Wish::Link(number, true), JoinLinksUpdate { removed: vec![], added: vec![link] })
            }
        };
        let (wish, update) = (update.0, update.1.encode());
        self.member_does(by, room, Deed::Commit(wish), |room, env, token| {
            room.set_component(env, token, ComponentId::JOIN_LINKS, Some(update.clone()))
        })
        .is_some()
    }

    /// The hub has accepted a commit that brings a link: its code runs from then on.
    pub(super) fn link_came(&mut self, room: usize, code: usize) {
        let made = self.hub_now(room);
        let policy = self.policy_of::<JoinLinkPolicy>(room);
        let (uses, until) = Self::cut(policy.as_ref(), None, None, made);
        if let Some(code) = self.codes.get_mut(code) {
            (code.uses, code.until, code.known) = (uses, until, true);
        }
    }

    /// Whether a code is good for a user now, by the model; `None` where clocks or others who hold it decide.
    fn is_good(&self, code: usize, user: usize) -> Option<bool> {
        let code = &self.codes[code];
        let model = self.model.get(&code.room)?;
        let now = self.hub_now(code.room);
        if !code.known || code.revoked || model.code_role(code.role).is_none() {
            return Some(false);
        }
        if code.link && !model.has_link(self.codes.iter().position(|it| it.octets == code.octets)?)
        {
            return Some(false);
        }
        if code.uses.is_some_and(|uses| uses <= code.used) {
            return Some(false);
        }
        let near = |until: Timestamp| until.0.abs_diff(now.0) < 1_000;
        if code.until.is_some_and(near) {
            return None;
        }
        if code.until.is_some_and(|until| until <= now) {
            return Some(false);
        }
        let others = code.held.iter().any(|(it, until)| *it != user && *until > self.now);
        if code.uses.is_some() && others { None } else { Some(true) }
    }

    /// Somebody who is not listed joins with a code.
    pub(super) fn redeem(&mut self, device: usize, room: usize, choice: u8) -> bool {
        let Some(code) = self.some_code(room, choice) else { return false };
        let Some(model) = self.model.get(&room) else { return false };
        let user = self.phones[device].user;
        if self.phones[device].rooms.contains_key(&room)
            || !self.phones[device].on
            || model.is_listed(user)
            || model.open
        {
            return false;
        }
        let role = model.code_role(self.codes[code].role).unwrap_or(RoleIndex(2));
        let ended = model.ended;
        let good = self.is_good(code, user).map(|good| good && !ended);
        let crypto = self.crypto.clone();
        let uri = self.sites[room].uri.clone();
        let phone = &mut self.phones[device];
        let token = phone.token();
        let key = phone.signature_key.clone();
        let env =
            Env { now: super::skewed(self.now, phone.skew), crypto: &*crypto, keys: &phone.keys };
        let user_uri = self.people[user].uri.clone();
        let octets = Some(self.codes[code].octets.clone());
        let suite = super::node::SUITE;
        let Ok(request) = JoinRequest::new(&env, token, &user_uri, &key, &uri, suite, octets)
        else {
            return false;
        };
        let until = self.now.plus(HELD);
        self.codes[code].held.push((user, until));
        let reply = self.ask_for_group_info(device, room, &request);
        let given = reply.as_ref().filter(|reply| reply.status == 200).and_then(|reply| {
            let response = GroupInfoResponse::decode(&reply.body).ok()?;
            match response.answer {
                GroupInfoAnswer::Success(_) => Some(true),
                GroupInfoAnswer::NotAuthorized => Some(false),
                GroupInfoAnswer::NoSuchRoom => None,
            }
        });
        if let (Some(given), Some(good)) = (given, good)
            && given != good
        {
            let found =
                format!("code {code} of room {room}: {good} by the model, {given} by the hub");
            self.break_if(Some((Invariant::OneVerdict, found)));
        }
        let Some(reply) = reply.filter(|_| given == Some(true)) else { return false };
        self.enter_from_outside(device, room, token, &request, &reply, Deed::JoinByCode(role, code))
    }

    /// The hub has accepted an external commit that came by a code.
    pub(super) fn code_used(&mut self, code: usize) -> Result<(), super::model::Wrong> {
        let now = self.hub_now(self.codes[code].room);
        let it = &mut self.codes[code];
        it.used += 1;
        let over = it.revoked
            || it.uses.is_some_and(|uses| uses < it.used)
            || it.until.is_some_and(|until| until <= now);
        if over {
            let found = format!("somebody joined by a code that is over: {it:?}, now {now:?}");
            return Err((Invariant::Outsiders, found));
        }
        Ok(())
    }
}

impl super::model::Room {
    /// The role that a code of this role gives, if anybody may join with it.
    pub(super) fn code_role(&self, named: Option<RoleIndex>) -> Option<RoleIndex> {
        let nobody = self.roles.get(RoleIndex::NONE)?;
        let fits = |role: RoleIndex| {
            let there = self.roles.get(role).is_some_and(|it| it.may_be_active());
            nobody.can(Capability::USE_JOIN_CODE) && nobody.may_move(RoleIndex::NONE, role) && there
        };
        let mut all = nobody.targets(RoleIndex::NONE).iter().copied().filter(|role| fits(*role));
        match named {
            Some(role) => Some(role).filter(|role| fits(*role)),
            None => all.next().filter(|_| all.next().is_none()),
        }
    }
}
