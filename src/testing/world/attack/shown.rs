//! What a hub or a follower shows to a client, which has to see through it.

use super::{Ended, World, WorldCrypto};
use crate::{
    client::{self, Discard, Event, JoinRequest, Received, Refusal},
    codec::Wire,
    env::{Env, Timestamp},
    franking::{Invalid, Verdict},
    wire::{FanoutEvent, FanoutMessage, GroupInfoResponse},
};

impl<C: WorldCrypto> World<C> {
    /// Lets a copy of a device's room take something, and tells the events that came of it.
    pub(super) fn show_to(
        &self,
        copy: &mut client::Room,
        device: usize,
        message: &FanoutMessage,
    ) -> Result<(Received, Vec<Event>), Refusal> {
        let before: Vec<_> = copy.events().map(|(id, _)| id).collect();
        let outcome = copy.receive(&self.phone_env(device), message)?.apply();
        let new = copy.events().filter(|(id, _)| !before.contains(id));
        let new = new.map(|(_, event)| event.clone()).collect();
        Ok((outcome.reply, new))
    }

    /// D-01: two members' commits, each accepted by one of two hubs that were one.
    pub(super) fn fork(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (one, other) = self.two_level(by, room)?;
        let (mut one_hub, mut other_hub) = (self.copy_of_hub(room)?, self.copy_of_hub(room)?);
        let body = self.commit_of(&mut self.copy_of_room(one, room)?, one)?;
        let mine = self.taken_by(&mut one_hub, room, one, &body)?;
        let body = self.commit_of(&mut self.copy_of_room(other, room)?, other)?;
        let theirs = self.taken_by(&mut other_hub, room, other, &body)?;
        let mut victim = self.copy_of_room(other, room)?;
        if let Err(refusal) = self.show_to(&mut victim, other, &mine) {
            return Some(Err(format!("the first commit is not taken: {refusal}")));
        }
        Some(match self.show_to(&mut victim, other, &theirs) {
            Ok((_, events)) if events.iter().any(|it| matches!(it, Event::Forked { .. })) => {
                Ok("noticed: Forked")
            }
            other => Err(format!("the second commit of an epoch: {other:?}")),
        })
    }

    /// D-01: what belongs to the next epoch comes before the commit that leads there.
    pub(super) fn later_first(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (one, other) = self.two_level(by, room)?;
        let mut hub = self.copy_of_hub(room)?;
        let mut sender = self.copy_of_room(one, room)?;
        let body = self.commit_of(&mut sender, one)?;
        let id = sender.outbox().last()?.id;
        let commit = self.taken_by(&mut hub, room, one, &body)?;
        let accepted = crate::wire::UpdateRoomResponse {
            error_description: crate::wire::ErrorDescription::default(),
            outcome: crate::wire::UpdateOutcome::Success { accepted_timestamp: commit.timestamp },
        };
        drop(sender.answer_update(&self.phone_env(one), id, &accepted).ok()?.apply());
        let body = self.message_of(&mut sender, one, 1)?;
        let message = self.submitted_to(&mut hub, room, one, &body)?;
        let mut victim = self.copy_of_room(other, room)?;
        match self.show_to(&mut victim, other, &message) {
            Err(Refusal::Early { .. }) => {}
            other => return Some(Err(format!("a message of the next epoch: {other:?}"))),
        }
        Some(match self.show_to(&mut victim, other, &commit) {
            Ok((Received::Taken, _)) => match self.show_to(&mut victim, other, &message) {
                Ok((Received::Taken, _)) => Ok("refused, taken in order"),
                other => Err(format!("the message after its commit: {other:?}")),
            },
            other => Err(format!("the commit after what belongs to its epoch: {other:?}")),
        })
    }

    /// D-80: the same event twice.
    pub(super) fn replay(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (one, other) = self.two_level(by, room)?;
        let mut hub = self.copy_of_hub(room)?;
        let body = self.message_of(&mut self.copy_of_room(one, room)?, one, 1)?;
        let message = self.submitted_to(&mut hub, room, one, &body)?;
        let body = self.commit_of(&mut self.copy_of_room(one, room)?, one)?;
        let commit = self.taken_by(&mut hub, room, one, &body)?;
        let mut victim = self.copy_of_room(other, room)?;
        for event in [&message, &commit] {
            if let Err(refusal) = self.show_to(&mut victim, other, event) {
                return Some(Err(format!("not taken the first time: {refusal}")));
            }
        }
        for event in [&message, &commit] {
            match self.show_to(&mut victim, other, event) {
                Ok((Received::Taken, events)) => return Some(Err(format!("twice: {events:?}"))),
                Ok((_, events)) if !events.is_empty() => {
                    return Some(Err(format!("the second time: {events:?}")));
                }
                Ok(_) | Err(_) => {}
            }
        }
        Some(Ok("known"))
    }

    /// D-04: the commit of a proposal that a member was never shown.
    pub(super) fn withhold(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (one, other) = self.two_level(by, room)?;
        let mut hub = self.copy_of_hub(room)?;
        let mut sender = self.copy_of_room(one, room)?;
        let intent = client::Intent {
            components: [(
                crate::room::ComponentId::ROOM_METADATA,
                Some({
                    let mut metadata = crate::room::RoomMetadata::new(sender.uri().clone());
                    metadata.name = "withheld".into();
                    metadata.encode()
                }),
            )]
            .into(),
            ..client::Intent::default()
        };
        let token = client::Token(u64::MAX - 9);
        let env = self.phone_env(one);
        drop(sender.propose(&env, token, &intent).ok()?.apply());
        let body = sender.outbox().last()?.body;
        let proposals = self.taken_by(&mut hub, room, one, &body)?;
        drop(sender.receive(&env, &proposals).ok()?.apply());
        drop(sender.commit_pending(&env, client::Token(u64::MAX - 10)).ok()?.apply());
        let body = sender.outbox().last()?.body;
        let commit = self.taken_by(&mut hub, room, one, &body)?;
        let mut victim = self.copy_of_room(other, room)?;
        Some(match self.show_to(&mut victim, other, &commit) {
            Ok((_, events)) if events.iter().any(|it| matches!(it, Event::Forked { .. })) => {
                Ok("noticed: Forked")
            }
            Err(_) => Ok("refused"),
            Ok(other) => Err(format!("a commit of what it was never shown: {other:?}")),
        })
    }

    /// D-05: a removal in the hub's name, signed by a stranger.
    pub(super) fn forged_removal(&mut self, by: usize, room: usize) -> Option<Ended> {
        let mut victim = self.copy_of_room(by, room)?;
        let removal = [&3u16.to_be_bytes()[..], &0u32.to_be_bytes()].concat();
        let stranger = super::forge::Author::stranger(&self.crypto)?;
        let message = stranger.of_server(&victim, 0, &removal)?;
        let event = FanoutEvent::Proposals { first: message, more: Vec::new() };
        let message = FanoutMessage { timestamp: self.now, event };
        Some(match self.show_to(&mut victim, by, &message) {
            Err(_) => Ok("refused"),
            Ok(other) => Err(format!("a stranger's proposal in the hub's name: {other:?}")),
        })
    }

    /// D-06: the group of another room, or of another hub.
    pub(super) fn substitute(&mut self, by: usize, room: usize) -> Option<Ended> {
        let phone = &self.phones[by];
        let user = self.people[phone.user].uri.clone();
        let (key, token) = (phone.signature_key.clone(), client::Token(u64::MAX));
        let other = (0..self.sites.len()).find(|other| *other != room)?;
        let request = |room: usize| {
            let uri = &self.sites[room].uri;
            let env = self.phone_env(by);
            JoinRequest::new(&env, token, &user, &key, uri, super::super::node::SUITE, None).ok()
        };
        let wanted = request(room)?;
        // What the other room's hub would give, to whoever may have it; else what this one gives, renamed.
        let mut given = None;
        for source in [other, room] {
            let peer = self.peer_at_hub(by, source);
            let mut hub = self.copy_of_hub(source)?;
            let body = wanted.request().encode();
            let env: Env<'_, C, crate::hub::Keys> = self.hub_env(source);
            if let Ok(step) = hub.group_info(&env, &peer, &body) {
                given = Some((source, step.apply().reply));
                break;
            }
        }
        let (source, response) = given?;
        let name = if source == room { other } else { room };
        let response = GroupInfoResponse { room: self.sites[name].uri.clone(), ..response };
        let role = self.sites[room].preset.ordinary();
        let env = self.phone_env(by);
        let limits = &self.phones[by].limits;
        Some(match client::Room::join_external(&env, &wanted, &response, role, None, limits) {
            Err(Refusal::Impostor(_)) => Ok("refused: Impostor"),
            Err(_) => Ok("refused"),
            Ok(_) => Err("a joiner takes another room's group".into()),
        })
    }

    /// A message of one device, as a copy of the hub fans it out, and a copy of another device's room.
    pub(super) fn fanned_out(
        &mut self,
        by: usize,
        room: usize,
    ) -> Option<(FanoutMessage, FanoutMessage, client::Room, usize)> {
        let (one, other) = self.two_level(by, room)?;
        let mut hub = self.copy_of_hub(room)?;
        let mut sender = self.copy_of_room(one, room)?;
        let first = self.message_of(&mut sender, one, 1)?;
        let first = self.submitted_to(&mut hub, room, one, &first)?;
        let second = self.message_of(&mut sender, one, 2)?;
        let second = self.submitted_to(&mut hub, room, one, &second)?;
        Some((first, second, self.copy_of_room(other, room)?, other))
    }

    /// D-03: the hub's time is an hour ahead.
    pub(super) fn future(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (mut message, _, mut victim, other) = self.fanned_out(by, room)?;
        message.timestamp = Timestamp(message.timestamp.0 + 60 * 60 * 1_000);
        Some(match self.show_to(&mut victim, other, &message) {
            Ok((_, events)) => match events.as_slice() {
                [Event::Discarded { reason: Discard::Future, .. }] => Ok("discarded"),
                other => Err(format!("a message from the future: {other:?}")),
            },
            Err(refusal) => Err(format!("a message from the future: {refusal}")),
        })
    }

    pub(super) fn verdict_on(
        &self,
        victim: &mut client::Room,
        device: usize,
        message: &FanoutMessage,
    ) -> Option<Verdict> {
        let (_, events) = self.show_to(victim, device, message).ok()?;
        events.iter().find_map(|event| {
            if let Event::Message(message) = event { Some(message.franking) } else { None }
        })
    }

    /// D-21: one message's frank and time on another message of the same sender.
    pub(super) fn swapped_frank(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (first, mut second, mut victim, other) = self.fanned_out(by, room)?;
        if self.verdict_on(&mut victim, other, &first)? != Verdict::Valid && !self.clocks_jumped {
            return Some(Err("the first one's frank is not valid".into()));
        }
        let (FanoutEvent::Application { frank: good, .. }, FanoutEvent::Application { frank, .. }) =
            (&first.event, &mut second.event)
        else {
            return None;
        };
        frank.clone_from(good);
        second.timestamp = first.timestamp;
        Some(match self.verdict_on(&mut victim, other, &second)? {
            Verdict::Invalid(Invalid::Reused) => Ok("flagged: Reused"),
            Verdict::Invalid(_) | Verdict::Suspect(_) => Ok("flagged"),
            verdict @ (Verdict::Valid | Verdict::Missing) => Err(format!("it is {verdict:?}")),
        })
    }

    /// D-20: no frank any more.
    pub(super) fn no_frank(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (mut message, _, mut victim, other) = self.fanned_out(by, room)?;
        if let FanoutEvent::Application { frank, .. } = &mut message.event {
            *frank = None;
        }
        Some(match self.verdict_on(&mut victim, other, &message)? {
            Verdict::Missing => Ok("flagged: Missing"),
            verdict @ (Verdict::Valid | Verdict::Invalid(_) | Verdict::Suspect(_)) => {
                Err(format!("it is {verdict:?}"))
            }
        })
    }

    /// D-22: another octet in the frank, or another time beside it.
    pub(super) fn altered_frank(&mut self, by: usize, room: usize) -> Option<Ended> {
        let (mut message, mut later, mut victim, other) = self.fanned_out(by, room)?;
        if let FanoutEvent::Application { frank: Some(frank), .. } = &mut message.event {
            frank.server_frank[0] ^= 1;
        }
        later.timestamp = Timestamp(later.timestamp.0 + 1);
        for message in [&message, &later] {
            match self.verdict_on(&mut victim, other, message)? {
                Verdict::Invalid(_) => {}
                verdict @ (Verdict::Valid | Verdict::Missing | Verdict::Suspect(_)) => {
                    return Some(Err(format!("it is {verdict:?}")));
                }
            }
        }
        Some(Ok("flagged: Invalid"))
    }
}
