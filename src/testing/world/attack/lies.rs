//! What a follower, another server or a client sends, which has to be refused.

use super::{Ended, World, WorldCrypto, forge::Author};
use crate::{
    codec::{Wire, write_bytes},
    env::Peer,
    testing::world::network::{Endpoint, Reply, Request},
    wire::{
        HandshakeBundle, PublicMessage, SubmitMessageRequest, SubmitMessageResponse, UpdateOutcome,
        UpdateRequest, UpdateRoomResponse,
    },
};

/// Whether a hub refused an update.
fn refused(reply: Option<&Reply>) -> Option<Ended> {
    let reply = reply?;
    if reply.status != 200 {
        return Some(Ok("refused: status"));
    }
    let Ok(response) = UpdateRoomResponse::decode(&reply.body) else {
        return Some(Err("an answer that does not decode".into()));
    };
    Some(match response.outcome {
        UpdateOutcome::Success { .. } => Err("it was accepted".into()),
        UpdateOutcome::WrongEpoch { .. } => Ok("refused: wrongEpoch"),
        UpdateOutcome::NotAllowed => Ok("refused: notAllowed"),
        UpdateOutcome::InvalidProposal(_) => Ok("refused: invalidProposal"),
    })
}

/// Whether a hub refused a message.
fn unsubmitted(reply: Option<&Reply>) -> Option<Ended> {
    let reply = reply?;
    if reply.status != 200 {
        return Some(Ok("refused: status"));
    }
    Some(match SubmitMessageResponse::decode(&reply.body) {
        Ok(SubmitMessageResponse::Accepted { .. }) => Err("it was accepted".into()),
        Ok(SubmitMessageResponse::NotAllowed) => Ok("refused: notAllowed"),
        Ok(SubmitMessageResponse::EpochTooOld { .. }) => Ok("refused: epochTooOld"),
        Err(_) => Err("an answer that does not decode".into()),
    })
}

impl<C: WorldCrypto> World<C> {
    /// Posts something to the real hub.
    fn try_at_hub(
        &mut self,
        room: usize,
        peer: &Peer,
        endpoint: Endpoint,
        what: &'static str,
        body: Vec<u8>,
    ) -> Option<Reply> {
        let request = Request { endpoint, body, origin: Self::adversary(what) };
        let hub = self.sites[room].hub;
        let reply = self.post(peer, hub, &request);
        let said = self.outcome(endpoint, reply.as_ref());
        let to = self.providers[hub].domain.to_string();
        self.note("adversary".into(), to, Some(room), format!("{what}: {said}"));
        reply
    }

    /// D-23: a provider sends a message of another provider's user.
    pub(super) fn forged_sender(&mut self, by: usize, room: usize) -> Option<Ended> {
        let body = self.message_of(&mut self.copy_of_room(by, room)?, by, 3)?;
        let home = self.people[self.phones[by].user].home;
        let hub = self.sites[room].hub;
        let stranger = (0..self.providers.len()).find(|it| *it != home && *it != hub)?;
        let peer = Peer::Server(self.providers[stranger].domain.clone());
        let what = "a message of another provider's user";
        let reply = self.try_at_hub(room, &peer, Endpoint::Submit(room), what, body);
        unsubmitted(reply.as_ref())
    }

    /// a ciphertext that was accepted comes again as another user's, to be franked in its name.
    pub(super) fn resubmitted(&mut self, by: usize, room: usize) -> Option<Ended> {
        let user = self.phones[by].user;
        let home = self.people[user].home;
        let other = (0..self.people.len())
            .find(|other| *other != user && self.people[*other].home == home)?;
        let mut hub = self.copy_of_hub(room)?;
        let body = self.message_of(&mut self.copy_of_room(by, room)?, by, 4)?;
        self.submitted_to(&mut hub, room, by, &body)?;
        let mut request = SubmitMessageRequest::decode(&body).ok()?;
        request.sending_uri = self.people[other].uri.clone();
        let peer = Peer::Server(self.providers[home].domain.clone());
        let peer = if home == self.sites[room].hub {
            Peer::Client(
                self.phones.iter().find(|it| it.user == other)?.client.clone(),
                request.sending_uri.clone(),
            )
        } else {
            peer
        };
        let env = self.hub_env(room);
        Some(match hub.submit_message(&env, &peer, &request.encode()) {
            Err(_) => Ok("refused: notAllowed"),
            Ok(_) => Err("the same ciphertext was accepted twice".into()),
        })
    }

    /// D-30: a server that is not the room's hub notifies a follower.
    pub(super) fn foreign_notify(&mut self, by: usize, room: usize) -> Option<Ended> {
        let mut hub = self.copy_of_hub(room)?;
        let body = self.message_of(&mut self.copy_of_room(by, room)?, by, 5)?;
        let message = self.submitted_to(&mut hub, room, by, &body)?;
        let home = self.people[self.phones[by].user].home;
        let hub = self.sites[room].hub;
        let stranger = (0..self.providers.len()).find(|it| *it != hub)?;
        let peer = Peer::Server(self.providers[stranger].domain.clone());
        let origin = Self::adversary("a notification for another's room");
        let request = Request { endpoint: Endpoint::Notify(room), body: message.encode(), origin };
        let reply = self.post(&peer, home, &request)?;
        Some(match reply.status {
            403 | 404 => Ok("refused: status"),
            other => Err(format!("it was answered {other}")),
        })
    }

    /// D-57, D-50: a commit with an octet changed, or its end torn off.
    pub(super) fn torn(&mut self, by: usize, room: usize) -> Option<Ended> {
        let body = self.commit_of(&mut self.copy_of_room(by, room)?, by)?;
        let HandshakeBundle::Commit { commit, .. } = UpdateRequest::decode(&body).ok()?.bundle
        else {
            return None;
        };
        let peer = self.peer_at_hub(by, room);
        let what = "a commit with an octet changed";
        // In what is signed. Behind it stand signature, confirmation tag and membership tag, the last of which no server
        // can check: a member who sends a wrong one shuts itself and the others out (D-51, D-5C).
        let signed = commit.as_bytes().len().checked_sub(160)?;
        for place in [signed / 5, signed / 2, signed - 1] {
            let mut wrong = body.clone();
            wrong[place] ^= 0x40;
            let reply = self.try_at_hub(room, &peer, Endpoint::Update(room), what, wrong);
            if let Some(Err(found)) = refused(reply.as_ref()) {
                return Some(Err(format!("octet {place} of {}: {found}", body.len())));
            }
        }
        let short = body.get(..body.len() - 1)?.to_vec();
        let reply = self.try_at_hub(room, &peer, Endpoint::Update(room), "a torn commit", short);
        refused(reply.as_ref())
    }

    /// D-96: more proposals than a bundle may hold.
    pub(super) fn flood(&mut self, by: usize, room: usize) -> Option<Ended> {
        let copy = self.copy_of_room(by, room)?;
        let author = Author::of(&self.phones[by]);
        let proposal = [&3u16.to_be_bytes()[..], &9_999u32.to_be_bytes()].concat();
        let one = author.of_member(&copy, 0, &proposal)?;
        let many = vec![one.clone(); 300];
        let request =
            UpdateRequest { bundle: HandshakeBundle::Proposals { first: one, more: many } };
        let peer = self.peer_at_hub(by, room);
        let reply =
            self.try_at_hub(room, &peer, Endpoint::Update(room), "a flood", request.encode());
        refused(reply.as_ref())
    }

    /// Q-79, D-5B: proposals that nobody may make, signed as they should be.
    pub(super) fn illegal_proposals(&mut self, kind: u8, by: usize, room: usize) -> Option<Ended> {
        let copy = self.copy_of_room(by, room)?;
        let user = self.people[self.phones[by].user].uri.clone();
        let hub = self.copy_of_hub(room)?;
        let leaf = hub.members().find(|(_, member)| **member == user)?.0.0;
        let mut body = Vec::new();
        let mut typed = |kind: u16| body.extend(kind.to_be_bytes());
        let what = match kind % 8 {
            0 => {
                typed(4);
                body.push(1);
                write_bytes(&mut body, b"a key that nobody has");
                write_bytes(&mut body, &[3; 32]);
                "a PreSharedKey"
            }
            1 => {
                typed(5);
                write_bytes(&mut body, b"mimi://elsewhere.example/g/x");
                body.extend([0, 1, 0, 1]);
                write_bytes(&mut body, &[]);
                "a ReInit"
            }
            2 => {
                typed(6);
                write_bytes(&mut body, &[5; 32]);
                "an ExternalInit"
            }
            3 => {
                typed(7);
                write_bytes(&mut body, &[]);
                "other extensions"
            }
            4 => {
                typed(3);
                body.extend(9_999u32.to_be_bytes());
                "a Remove of nobody"
            }
            5 => {
                typed(0x7A7A);
                write_bytes(&mut body, b"whatever");
                "an unknown proposal"
            }
            6 => {
                typed(8);
                body.extend(0x0022u16.to_be_bytes());
                body.push(1);
                write_bytes(&mut body, &[1, 2, 3]);
                "a list update that does not decode"
            }
            _ => {
                typed(8);
                body.extend(0x0022u16.to_be_bytes());
                body.push(2);
                "the end of the participant list"
            }
        };
        let author = Author::of(&self.phones[by]);
        let message: PublicMessage = author.of_member(&copy, leaf, &body)?;
        let bundle = HandshakeBundle::Proposals { first: message, more: Vec::new() };
        let peer = self.peer_at_hub(by, room);
        let body = UpdateRequest { bundle }.encode();
        let reply = self.try_at_hub(room, &peer, Endpoint::Update(room), what, body);
        refused(reply.as_ref()).map(|ended| ended.map_err(|found| format!("{what}: {found}")))
    }
}
