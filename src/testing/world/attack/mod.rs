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
//! | hub | messages in another order (D-02) | each read once |
//! | hub | a message left out (D-02) | it is said that one is missing |
//! | hub | two messages' times swapped (D-03, D-22) | flagged |
//! | hub | a clock that goes back (D-03, D-8C) | flagged |
//! | hub, follower | no frank, another's frank, an altered frank (D-20 … D-22) | flagged |
//! | follower | a message in the name of another provider's user (D-23) | refused |
//! | follower | a message that was accepted, in another user's name (Q-115) | refused |
//! | follower | an altered ciphertext | refused |
//! | follower | a request for the GroupInfo once more (D-24) | refused |
//! | server | a notification of a room whose hub it is not (D-30) | refused |
//! | server | a proposal under another's entry (D-29) | refused |
//! | server | a grant of another provider's user (D-68) | refused |
//! | server | KeyPackages of somebody else, or one twice (D-25, D-26) | refused |
//! | client | proposals that nobody may make, properly signed (D-5B, D-50, Q-79) | refused |
//! | client | proposals that nobody can accept (D-5C, Q-79) | lapse with the second user's commit |
//! | client | a commit of another epoch, a torn one, a second one, a flood (D-82, D-57, D-96) | refused |
//! | client | a commit with a wrong membership tag (D-51) | accepted, and no member follows it |
//! | client | content of another sender or room, malformed, with a wrong tag (D-40, D-41, D-59) | discarded |
//! | client | one message ID twice (D-53) | shown once |
//! | client | a reference that hashes to something else (D-48) | refused by its reader |
//! | client | a ban ignored (D-90, D-92) | refused |
//! | client | a forged report (D-97) | refused |

mod content;
mod doors;
mod forge;
mod lies;
mod order;
mod poison;
mod shown;

use content::Lie;

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
        let kind = attack / 32;
        let (name, ended) = match attack % 32 {
            0 => ("hub forks the group", self.fork(by, room)),
            1 => ("hub sends a later epoch first", self.later_first(by, room)),
            2 => ("hub replays", self.replay(by, room)),
            3 => ("hub withholds proposals", self.withhold(by, room)),
            4 => ("hub forges a removal", self.forged_removal(by, room)),
            5 => ("hub substitutes a group", self.substitute(by, room)),
            6 => ("hub is in the future", self.future(by, room)),
            7 => ("hub reorders messages", self.reorder(by, room)),
            8 => ("hub leaves a message out", self.leave_out(by, room)),
            9 => ("hub swaps timestamps", self.swap_times(by, room)),
            10 => ("hub goes back in time", self.back_in_time(by, room)),
            11 => ("follower swaps franks", self.swapped_frank(by, room)),
            12 => ("follower takes a frank away", self.no_frank(by, room)),
            13 => ("follower alters a frank", self.altered_frank(by, room)),
            14 => ("follower forges a sender", self.forged_sender(by, room)),
            15 => ("follower submits again for another", self.resubmitted(by, room)),
            16 => ("follower alters a message", self.forged_message(by, room)),
            17 => ("follower replays a request", self.replayed_request(by, room)),
            18 => ("server notifies for another's room", self.foreign_notify(by, room)),
            19 => ("server proposes as another", self.foreign_index(by, room)),
            20 => ("server forges a grant", self.forged_grant(by)),
            21 => (
                "server gives wrong KeyPackages",
                self.wrong_keys(by, room, kind.is_multiple_of(2)),
            ),
            22 => ("client commits by a torn request", self.torn(by, room)),
            23 => ("client commits with a wrong tag", self.untagged_commit(by, room)),
            24 => ("client commits second", self.second_commit(by, room)),
            25 => ("client floods", self.flood(by, room)),
            26 => ("client proposes what nobody may", self.illegal_proposals(kind, by, room)),
            27 => (
                "client proposes what nobody can accept",
                self.poison(by, room, kind.is_multiple_of(2)),
            ),
            28 => {
                let lies = [Lie::Sender, Lie::Room, Lie::Malformed, Lie::Truncated, Lie::Tag];
                let lie = lies[usize::from(kind) % lies.len()];
                ("client lies in what it says", self.lie(lie, by, room))
            }
            29 => ("client uses an ID again", self.same_id(by, room)),
            30 => (
                "client refers to a wrong asset",
                self.wrong_asset(by, room, kind.is_multiple_of(2)),
            ),
            _ if kind.is_multiple_of(2) => ("client is banned, and asks", self.banned_asks(room)),
            _ => ("client forges a report", self.forged_report(by, room)),
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
