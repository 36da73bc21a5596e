//! Application messages: who may speak, the hub's frank, fan-out (protocol, section 5.4).

use std::cmp::Ordering;

use sha2::{Digest, Sha256};

use super::{
    Keys, Refusal, Room, SubmitRefusal,
    answered::{self, Answer, Endpoint},
    draft::Draft,
    epochs::Epoch,
    floods::Door,
    messages::{Known, Sent},
    room::Change,
};
use crate::{
    codec::Wire,
    content::MessageId,
    env::{Crypto, Env, Peer, Timestamp},
    error::Misuse,
    franking::{self, FrankingAgentData, Tag},
    machine::Step,
    policy,
    room::ComponentId,
    uri::UserUri,
    wire::{
        CipherSuite, FanoutEvent, FanoutMessage, Frank, PrivateMessage, SafeAad,
        SubmitMessageRequest, SubmitMessageResponse,
    },
};

/// What a message says in its authenticated data.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    /// The franking tag.
    tag: Option<Tag>,
    /// The message ID (S-40).
    id: Option<MessageId>,
}

impl Room {
    /// Takes an application message from a provider or a client of this hub's own, franks it, and has it fanned out.
    ///
    /// The same bytes from the same peer get the first answer again.
    ///
    /// # Errors
    /// If the message or its sender will not do; [`SubmitRefusal::answer`] is what to reply.
    pub fn submit_message<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        peer: &Peer,
        body: &[u8],
    ) -> Result<Step<'_, Self, SubmitMessageResponse>, Refusal<SubmitRefusal>> {
        if body.len() > self.limits.body {
            return Err(self.refuse(SubmitRefusal::TooLarge(self.limits.body)));
        }
        let name = answered::request(Endpoint::SubmitMessage, peer.as_str(), body);
        let first =
            self.answered.find(&name).map(|answer| SubmitMessageResponse::decode(&answer.reply));
        if let Some(Ok(first)) = first {
            return Ok(self.unchanged(first));
        }
        if self.tombstone().is_some() {
            return Err(self.refuse(SubmitRefusal::Ended));
        }
        let request = SubmitMessageRequest::decode(body).map_err(|error| self.refuse(error))?;
        self.admit(env.now, Door::SubmitMessage, peer, Some(&request.sending_uri))
            .map_err(|retry_after| self.refuse(SubmitRefusal::TooMany { retry_after }))?;
        let ciphertext: answered::Hash = Sha256::digest(request.app_message.as_bytes()).into();
        let (epoch, said) = self
            .may_submit(peer, &request, &ciphertext)
            .map_err(|reason: SubmitRefusal| self.refuse(reason))?;

        let SubmitMessageRequest { app_message, sending_uri } = request;
        let mut draft = Draft::new(&self.head);
        let accepted_timestamp = draft.stamp(env.now, &self.limits);
        let frank = match said.tag {
            Some(tag) => self
                .frank(env, &epoch, tag, &sending_uri, accepted_timestamp)
                .map_err(|misuse| self.refuse(misuse))?,
            None => None,
        };
        let response = SubmitMessageResponse::Accepted { accepted_timestamp, frank: frank.clone() };
        let event = FanoutEvent::Application { message: app_message, frank };
        let audience = self.audience();
        draft.event(
            self,
            &audience,
            &FanoutMessage { timestamp: accepted_timestamp, event }.encode(),
        );
        let reply = response.encode();
        draft.answer(self, Answer { at: env.now, request: name, reply });
        let sent = Sent { epoch: epoch.number, ciphertext, sender: sending_uri, id: said.id };
        draft.sent(self, sent);
        Ok(self.step(draft, Change::None, response))
    }

    /// Whether this message may be sent, its epoch, and what it says in the clear.
    fn may_submit(
        &self,
        peer: &Peer,
        request: &SubmitMessageRequest,
        ciphertext: &answered::Hash,
    ) -> Result<(Epoch, Said), SubmitRefusal> {
        let (message, sender) = (&request.app_message, &request.sending_uri);
        if !self.speaks_for(peer, sender) {
            return Err(SubmitRefusal::Peer);
        }
        if self.is_blocked(sender) {
            return Err(SubmitRefusal::Blocked);
        }
        if !policy::may_send(self.effective(), sender) || !self.committed.is_active(sender) {
            return Err(SubmitRefusal::Denied);
        }
        if message.group_id() != self.group.group_id() {
            return Err(SubmitRefusal::WrongGroup);
        }
        let epoch = self.epoch_of(message)?;
        let said = said(&epoch, message)?;
        let beside = message.authenticated_data();
        if !policy::leaf::may_stand_beside(self.effective(), beside) {
            return Err(SubmitRefusal::SafeAad);
        }
        match self.messages.find(ciphertext, said.id.as_ref(), sender) {
            Some(Known::Ciphertext) => Err(SubmitRefusal::Resubmitted),
            Some(Known::Id) => Err(SubmitRefusal::DuplicateId),
            None => Ok((epoch, said)),
        }
    }

    /// The epoch of a message, if messages of it are taken (P-124, P-125, Q-111).
    fn epoch_of(&self, message: &PrivateMessage) -> Result<Epoch, SubmitRefusal> {
        let (epoch, current) = (message.epoch(), self.group.epoch());
        match epoch.cmp(&current) {
            Ordering::Greater => Err(SubmitRefusal::EpochTooNew),
            Ordering::Equal => Ok(Epoch::of(&self.group)),
            Ordering::Less => self
                .past
                .iter()
                .find(|past| past.number == epoch)
                .cloned()
                .ok_or(SubmitRefusal::EpochTooOld { current }),
        }
    }

    /// The hub's frank, if it is the room's franking agent in the message's epoch (P-140 … P-144, Q-111).
    fn frank<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        epoch: &Epoch,
        tag: Tag,
        sender: &UserUri,
        accepted: Timestamp,
    ) -> Result<Option<Frank>, Misuse> {
        let agent = epoch.agent.as_ref().and_then(|data| FrankingAgentData::decode(data).ok());
        let signer = agent.and_then(|agent| env.keys.signer(&agent.signature_key));
        let (Some(signer), Some(secret)) = (signer, env.keys.franking_secrets().first()) else {
            return Ok(None);
        };
        let context = franking::Context { sender, room: &self.head.room, accepted };
        let suite = CipherSuite(self.group.ciphersuite());
        franking::stamp(secret, &signer, suite, &tag, &context).map(Some)
    }
}

/// The franking tag and the message ID, if they are there, in a message's authenticated data, which has to be Safe AAD
/// if the group has that (E-050, P-122, P-131, S-40, Q-59).
fn said(epoch: &Epoch, message: &PrivateMessage) -> Result<Said, SubmitRefusal> {
    if !epoch.safe_aad {
        return Ok(Said::default());
    }
    let fault = || SubmitRefusal::SafeAad;
    let aad = SafeAad::decode(message.authenticated_data()).map_err(|_| fault())?;
    let tag = aad.get(ComponentId::FRANK_AAD.0).map(Tag::decode);
    let id = aad.get(ComponentId::MESSAGE_ID.0).map(MessageId::from_slice);
    Ok(Said {
        tag: tag.transpose().map_err(|_| fault())?,
        id: id.map(|id| id.ok_or_else(fault)).transpose()?,
    })
}
