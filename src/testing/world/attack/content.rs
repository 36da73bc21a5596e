//! Members who lie in what they encrypt. A copy of the hub passes it on, for it cannot read it; a copy of another device's
//! room has to see through it.

use super::{Ended, World, WorldCrypto};
use crate::{
    client::{self, Discard, Event},
    content::{
        Compose, DraftExternal, Message, MessageBuf, Salt,
        asset::{AssetRules, open},
        timeline::{self, Inserted, Timeline},
    },
    franking,
    wire::FanoutMessage,
};

/// What a member lies about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lie {
    Sender,
    Room,
    Malformed,
    Tag,
    Truncated,
}

impl<C: WorldCrypto> World<C> {
    /// A message of anything, as a copy of the hub fans it out.
    fn anything(
        &mut self,
        by: usize,
        room: usize,
        content: &[u8],
        tag: Option<[u8; 32]>,
    ) -> Option<(FanoutMessage, client::Room, usize)> {
        let (one, other) = self.two_level(by, room)?;
        let mut sender = self.copy_of_room(one, room)?;
        let data = sender.framed(content);
        let salt = Message::decode(content).map_or([7; 16], |message| message.salt().0);
        let tag = tag.unwrap_or_else(|| franking::tag(&salt, &data).0);
        let body = sender.say_unchecked(&self.phone_env(one), &data, Some(tag))?;
        let mut hub = self.copy_of_hub(room)?;
        let message = self.submitted_to(&mut hub, room, one, &body)?;
        Some((message, self.copy_of_room(other, room)?, other))
    }

    /// Content in somebody's name.
    fn text_of(&self, user: &str, room: &str, number: u8) -> Option<Vec<u8>> {
        Compose::new(user.to_owned(), room.to_owned()).text("a lie").encode(Salt([number; 16])).ok()
    }

    /// D-40, D-41, D-43, D-59: what the receiver discards.
    pub(super) fn lie(&mut self, lie: Lie, by: usize, room: usize) -> Option<Ended> {
        let (user, uri) = (self.phones[by].user, self.sites[room].uri.to_string());
        let own = self.people[user].uri.to_string();
        let other = self.people[(user + 1) % self.people.len()].uri.to_string();
        let (content, tag, expected) = match lie {
            Lie::Sender if other == own => return None,
            Lie::Sender => (self.text_of(&other, &uri, 5)?, None, Discard::Mismatch),
            Lie::Room => {
                let elsewhere = format!("{uri}-elsewhere");
                (self.text_of(&own, &elsewhere, 5)?, None, Discard::Mismatch)
            }
            Lie::Malformed => (vec![0x9F, 0x00, 0xFF], None, Discard::Malformed),
            Lie::Truncated => {
                let mut content = self.text_of(&own, &uri, 6)?;
                content.pop();
                (content, None, Discard::Malformed)
            }
            Lie::Tag => (self.text_of(&own, &uri, 7)?, Some([1; 32]), Discard::Tag),
        };
        let (message, mut victim, device) = self.anything(by, room, &content, tag)?;
        Some(match self.show_to(&mut victim, device, &message) {
            Ok((_, events)) => match events.as_slice() {
                [Event::Discarded { reason, .. }] if *reason == expected => Ok("discarded"),
                other => Err(format!("{lie:?}: {other:?}")),
            },
            Err(refusal) => Err(format!("{lie:?}: {refusal}")),
        })
    }

    /// D-53, S-40: the same content twice has the same ID. Both arrive, and a timeline shows one.
    pub(super) fn same_id(&mut self, by: usize, room: usize) -> Option<Ended> {
        let own = self.people[self.phones[by].user].uri.to_string();
        let content = self.text_of(&own, self.sites[room].uri.as_str(), 8)?;
        let (one, other) = self.two_level(by, room)?;
        let (mut sender, mut hub) = (self.copy_of_room(one, room)?, self.copy_of_hub(room)?);
        let (mut victim, mut timeline) = (self.copy_of_room(other, room)?, Timeline::default());
        let data = sender.framed(&content);
        let tag = franking::tag(&[8; 16], &data).0;
        let mut inserted = Vec::new();
        for _ in 0..2 {
            let body = sender.say_unchecked(&self.phone_env(one), &data, Some(tag))?;
            let message = self.submitted_to(&mut hub, room, one, &body)?;
            let (_, events) = self.show_to(&mut victim, other, &message).ok()?;
            for event in events {
                let Event::Message(message) = event else { continue };
                let received = timeline::Received {
                    id: message.id,
                    sender: message.sender.to_string(),
                    accepted_at: message.timestamp,
                    message: MessageBuf::decode(message.content.clone()).ok()?,
                };
                inserted.push(timeline.insert(received, |_| true));
            }
        }
        Some(match inserted.as_slice() {
            [Inserted::New, Inserted::Duplicate] => Ok("shown once"),
            other => Err(format!("the same ID twice: {other:?}")),
        })
    }

    /// D-48: a reference to an asset that hashes to something else, or has expired long ago.
    pub(super) fn wrong_asset(&mut self, by: usize, room: usize, expired: bool) -> Option<Ended> {
        let own = self.people[self.phones[by].user].uri.to_string();
        let file = DraftExternal {
            content_type: "image/png".into(),
            url: "https://p0.example/asset".into(),
            expires: u32::from(expired),
            size: 5,
            hash_alg: 1,
            content_hash: vec![9; 32].into(),
            ..DraftExternal::default()
        };
        let compose = Compose::new(own, self.sites[room].uri.to_string());
        let content = compose.attachment(file).encode(Salt([9; 16])).ok()?;
        let (message, mut victim, device) = self.anything(by, room, &content, None)?;
        let (_, events) = self.show_to(&mut victim, device, &message).ok()?;
        let [Event::Message(message)] = events.as_slice() else {
            // The room's policy lets nobody share files, or not this way.
            let discarded = matches!(events.as_slice(), [Event::Discarded { .. }]);
            return discarded.then_some(Ok("discarded"));
        };
        let message = Message::decode(&message.content).ok()?;
        let part = message.part(0)?;
        let crate::content::Body::External(external) = part.body() else { return None };
        let opened = open(&*self.crypto, &external, &AssetRules::default(), b"bytes", self.now);
        Some(match opened {
            Err(_) => Ok("refused by its reader"),
            Ok(_) => Err("an asset with another hash is opened".into()),
        })
    }
}
