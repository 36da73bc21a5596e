//! Adversaries: each tries what nobody may do, and it is taken down how that ended.
//!
//! What a client is shown by a lying hub or follower, it is shown on a copy of the device's room as it is stored: the real
//! one goes on unharmed. What a lying client or follower sends to a hub goes to the real hub, and nothing of it may be
//! accepted.
//!
//! | who | tries | has to end |
//! | --- | --- | --- |
//! | hub | two commits for one epoch (D-01) | `Forked` |
//! | hub | a later epoch before the commit (D-01) | refused, nothing changed |
//! | hub | the same event again (D-80) | known |
//! | hub | a commit whose proposals it withholds (D-04) | `Forked` |
//! | hub | a proposal with a stranger's signature (D-05) | refused |
//! | hub | another room's group to a joiner (D-06) | refused |
//! | hub | a time in the future (D-03) | discarded |
//! | hub, follower | no frank, another's frank, an altered frank (D-20 … D-22) | flagged |
//! | follower | a message in the name of another provider's user (D-23) | refused |
//! | follower | a message that was accepted, in another user's name (Q-115) | refused |
//! | server | a notification of a room whose hub it is not (D-30) | refused |
//! | client | proposals that nobody may make, properly signed (D-5B, D-50, Q-79) | refused |
//! | client | a commit of another epoch, a torn one, a flood (D-82, D-57, D-96) | refused |

mod forge;
mod lies;
mod shown;

use super::{
    World, WorldCrypto,
    network::Origin,
    node::{hub_id, room_id},
    report::Invariant,
    slot::Kept,
};
use crate::{
    client,
    codec::Wire,
    env::{Env, Peer},
    hub::{self, Event},
    machine::Changes,
    wire::FanoutMessage,
};

/// How an attempt ended: in a word, or as it must not.
type Ended = Result<&'static str, String>;

impl<C: WorldCrypto> World<C> {
    /// An adversary tries something. Says whether it could try.
    pub(super) fn attack(&mut self, attack: u8, by: usize, room: usize) -> bool {
        let (name, ended) = match attack % 16 {
            0 => ("hub forks the group", self.fork(by, room)),
            1 => ("hub sends a later epoch first", self.later_first(by, room)),
            2 => ("hub replays", self.replay(by, room)),
            3 => ("hub withholds proposals", self.withhold(by, room)),
            4 => ("hub forges a removal", self.forged_removal(by, room)),
            5 => ("hub substitutes a group", self.substitute(by, room)),
            6 => ("hub is in the future", self.future(by, room)),
            7 => ("follower swaps franks", self.swapped_frank(by, room)),
            8 => ("follower takes a frank away", self.no_frank(by, room)),
            9 => ("follower alters a frank", self.altered_frank(by, room)),
            10 => ("follower forges a sender", self.forged_sender(by, room)),
            11 => ("follower submits again for another", self.resubmitted(by, room)),
            12 => ("server notifies for another's room", self.foreign_notify(by, room)),
            13 => ("client commits by a torn request", self.torn(by, room)),
            14 => ("client floods", self.flood(by, room)),
            _ => ("client proposes what nobody may", self.illegal_proposals(attack / 16, by, room)),
        };
        match ended {
            None => false,
            Some(Ok(end)) => {
                self.tally.attack(name, end);
                self.tally.checks += 1;
                true
            }
            Some(Err(what)) => {
                self.break_if(Some((Invariant::Adversary, format!("{name}: {what}"))));
                true
            }
        }
    }

    /// A copy of a device's room, as it is stored.
    fn copy_of_room(&self, device: usize, room: usize) -> Option<client::Room> {
        let phone = &self.phones[device];
        let records = phone.store.load(room_id(room).as_bytes())?;
        client::Room::restored(&records, &phone.limits).ok()
    }

    /// A copy of a room at its hub, as it is stored.
    fn copy_of_hub(&self, room: usize) -> Option<hub::Room> {
        let provider = &self.providers[self.sites[room].hub];
        let records = provider.store.load(hub_id(room).as_bytes())?;
        hub::Room::restored(&records, &provider.limits).ok()
    }

    fn phone_env(&self, device: usize) -> Env<'_, C, client::Keys> {
        let phone = &self.phones[device];
        let now = super::skewed(self.now, phone.skew);
        Env { now, crypto: &*self.crypto, keys: &phone.keys }
    }

    fn hub_env(&self, room: usize) -> Env<'_, C, hub::Keys> {
        let provider = &self.providers[self.sites[room].hub];
        let now = super::skewed(self.now, provider.skew);
        Env { now, crypto: &*self.crypto, keys: &provider.keys }
    }

    /// As whom the room's hub sees a device.
    pub(super) fn peer_at_hub(&self, device: usize, room: usize) -> Peer {
        let home = self.people[self.phones[device].user].home;
        if home == self.sites[room].hub {
            self.peer_of(device)
        } else {
            Peer::Server(self.providers[home].domain.clone())
        }
    }

    /// What a copy of the hub makes of an update of a device; nothing if it refuses.
    fn taken_by(
        &self,
        hub: &mut hub::Room,
        room: usize,
        device: usize,
        body: &[u8],
    ) -> Option<FanoutMessage> {
        let peer = self.peer_at_hub(device, room);
        let step = hub.update(&self.hub_env(room), &peer, body).ok()?;
        let event = events(step.changes()).into_iter().next();
        drop(step.apply());
        event
    }

    /// What a copy of the hub makes of a message of a device; nothing if it refuses.
    fn submitted_to(
        &self,
        hub: &mut hub::Room,
        room: usize,
        device: usize,
        body: &[u8],
    ) -> Option<FanoutMessage> {
        let peer = self.peer_at_hub(device, room);
        let step = hub.submit_message(&self.hub_env(room), &peer, body).ok()?;
        let event = events(step.changes()).into_iter().next();
        drop(step.apply());
        event
    }

    /// A commit of new keys that a device would make.
    fn commit_of(&self, copy: &mut client::Room, device: usize) -> Option<Vec<u8>> {
        let token = client::Token(u64::MAX);
        drop(copy.update_self(&self.phone_env(device), token).ok()?.apply());
        copy.outbox().last().map(|outgoing| outgoing.body)
    }

    /// A message that a device would send.
    fn message_of(&self, copy: &mut client::Room, device: usize, number: u8) -> Option<Vec<u8>> {
        let user = self.people[self.phones[device].user].uri.to_string();
        let compose = crate::content::Compose::new(user, copy.uri().to_string());
        let salt = crate::content::Salt([number; 16]);
        let content = compose.text("an attack").encode(salt).ok()?;
        let token = client::Token(u64::MAX - u64::from(number));
        drop(copy.send(&self.phone_env(device), token, &content).ok()?.apply());
        copy.outbox().last().map(|outgoing| outgoing.body)
    }

    /// Two devices that know all there is to know of a room, of which nothing waits once it has settled.
    fn two_level(&mut self, by: usize, room: usize) -> Option<(usize, usize)> {
        self.settle(24);
        if !self.is_level(by, room) {
            return None;
        }
        let other =
            (0..self.phones.len()).find(|other| *other != by && self.is_level(*other, room))?;
        Some((by, other))
    }

    fn adversary(what: &'static str) -> Origin {
        Origin::Adversary(what)
    }
}

/// The events that a step of a hub writes.
fn events(changes: &Changes) -> Vec<FanoutMessage> {
    changes
        .writes
        .iter()
        .filter(|(key, _)| key.is_body())
        .filter_map(|(_, value)| Event::read(value.as_deref()?).ok())
        .filter_map(|event| FanoutMessage::decode(event.body()).ok())
        .collect()
}
