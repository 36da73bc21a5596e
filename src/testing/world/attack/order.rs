//! Hubs that put messages into another order, leave some out, or give them other times; and signatures and tags that are
//! wrong.

use super::{Ended, World, WorldCrypto};
use crate::{
    client::{Event, Received},
    codec::Wire,
    env::Timestamp,
    franking::Verdict,
    wire::{
        FanoutEvent, FanoutMessage, HandshakeBundle, PrivateMessage, PublicMessage, UpdateRequest,
    },
};

impl<C: WorldCrypto> World<C> {
    /// D-02: the second message first. Both are read, each once.
    pub(super) fn reorder(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (first, second, mut victim, device) = self.fanned_out(by, room)?;
        let mut read = 0;
        for message in [&second, &first, &second] {
            match self.show_to(&mut victim, device, message) {
                Ok((_, events)) => {
                    read += events.iter().filter(|it| matches!(it, Event::Message(_))).count();
                }
                Err(refusal) => return Some(Err(format!("in another order: {refusal}"))),
            }
        }
        Some(if read == 2 { Ok("each read once") } else { Err(format!("{read} were read")) })
    }

    /// D-02: only the second message. It says that one before it is missing.
    pub(super) fn leave_out(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (_, second, mut victim, device) = self.fanned_out(by, room)?;
        let (_, events) = self.show_to(&mut victim, device, &second).ok()?;
        Some(match events.as_slice() {
            [Event::Message(message)] if message.skipped > 0 => Ok("noticed: skipped"),
            other => Err(format!("a message is missing: {other:?}")),
        })
    }

    /// D-03, D-22: the times of two messages change places.
    pub(super) fn swap_times(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (mut first, mut second, mut victim, device) = self.fanned_out(by, room)?;
        std::mem::swap(&mut first.timestamp, &mut second.timestamp);
        for message in [&first, &second] {
            match self.verdict_on(&mut victim, device, message)? {
                Verdict::Invalid(_) => {}
                verdict @ (Verdict::Valid | Verdict::Missing | Verdict::Suspect(_)) => {
                    return Some(Err(format!("with another's time: {verdict:?}")));
                }
            }
        }
        Some(Ok("flagged: Invalid"))
    }

    /// D-03: the hub's clock goes back by an hour between two messages, and it franks what it then says.
    pub(super) fn back_in_time(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (one, other) = self.two_level(by, room)?;
        let mut sender = self.copy_of_room(one, room)?;
        let bodies = [self.message_of(&mut sender, one, 1)?, self.message_of(&mut sender, one, 2)?];
        let mut victim = self.copy_of_room(other, room)?;
        let now = self.now;
        let mut verdicts = Vec::new();
        for (body, ahead) in bodies.iter().zip([30_000, 0]) {
            // Each from a copy of its own, which knows nothing of the other's time.
            let mut hub = self.copy_of_hub(room)?;
            self.now = Timestamp(now.0 + ahead);
            let message = self.submitted_to(&mut hub, room, one, body);
            self.now = now;
            verdicts.push(self.verdict_on(&mut victim, other, &message?)?);
        }
        Some(match verdicts.as_slice() {
            [Verdict::Valid | Verdict::Suspect(_), Verdict::Suspect(_)] => Ok("flagged: Suspect"),
            other => Err(format!("the hub's time goes back: {other:?}")),
        })
    }

    /// A ciphertext with an octet changed: nobody can have sent it.
    pub(super) fn forged_message(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (mut message, _, mut victim, device) = self.fanned_out(by, room)?;
        let FanoutEvent::Application { message: sealed, .. } = &mut message.event else {
            return None;
        };
        let mut octets = sealed.as_bytes().to_vec();
        *octets.last_mut()? ^= 1;
        *sealed = PrivateMessage::decode(&octets).ok()?;
        Some(match self.show_to(&mut victim, device, &message) {
            Err(_) => Ok("refused"),
            Ok((Received::Spent, events)) if events.is_empty() => Ok("spent"),
            Ok(other) => Err(format!("an altered ciphertext: {other:?}")),
        })
    }

    /// D-51: a commit with a wrong membership tag passes the hub, which cannot check it, and no member follows it.
    pub(super) fn untagged_commit(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (one, other) = self.two_level(by, room)?;
        let body = self.commit_of(&mut self.copy_of_room(one, room)?, one)?;
        let mut request = UpdateRequest::decode(&body).ok()?;
        let HandshakeBundle::Commit { commit, .. } = &mut request.bundle else { return None };
        let mut octets = commit.as_bytes().to_vec();
        *octets.last_mut()? ^= 1;
        *commit = PublicMessage::decode(&octets).ok()?;
        let mut hub = self.copy_of_hub(room)?;
        let Some(message) = self.taken_by(&mut hub, room, one, &request.encode()) else {
            return Some(Ok("refused by the hub"));
        };
        let mut victim = self.copy_of_room(other, room)?;
        let epoch = victim.epoch();
        let shown: Result<_, _> = self.show_to(&mut victim, other, &message);
        let noticed = match &shown {
            Err(_) => true,
            Ok((_, events)) => events.iter().any(|it| matches!(it, Event::Forked { .. })),
        };
        let followed = victim.epoch() != epoch;
        Some(match (noticed, followed) {
            (true, false) => Ok("passes the hub, no member follows"),
            _ => Err(format!("a commit with a wrong tag: {shown:?}")),
        })
    }

    /// D-82: a second commit of an epoch.
    pub(super) fn second_commit(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (one, other) = self.two_level(by, room)?;
        let mut hub = self.copy_of_hub(room)?;
        let first = self.commit_of(&mut self.copy_of_room(one, room)?, one)?;
        let second = self.commit_of(&mut self.copy_of_room(other, room)?, other)?;
        let _: FanoutMessage = self.taken_by(&mut hub, room, one, &first)?;
        Some(match self.taken_by(&mut hub, room, other, &second) {
            None => Ok("refused: wrongEpoch"),
            Some(_) => Err("two commits of one epoch are accepted".into()),
        })
    }
}
