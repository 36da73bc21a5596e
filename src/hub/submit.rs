//! Application messages: who may speak, the hub's frank, fan-out (protocol, section 5.4).

use sha2::{Digest, Sha256};

use super::{
    Keys, Refusal, Room, SubmitRefusal,
    answered::{self, Answer, Endpoint},
    draft::Draft,
    room::Change,
};
use crate::{
    codec::Wire,
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
        let ciphertext: answered::Hash = Sha256::digest(request.app_message.as_bytes()).into();
        let tag = self
            .may_submit(env, peer, &request, &ciphertext)
            .map_err(|reason: SubmitRefusal| self.refuse(reason))?;

        let mut draft = Draft::new(&self.head);
        let accepted_timestamp = draft.stamp(env.now, &self.limits);
        let frank = match tag {
            Some(tag) => self
                .frank(env, tag, &request.sending_uri, accepted_timestamp)
                .map_err(|misuse| self.refuse(misuse))?,
            None => None,
        };
        let epoch = request.app_message.epoch();
        let response = SubmitMessageResponse::Accepted { accepted_timestamp, frank: frank.clone() };
        let event = FanoutEvent::Application { message: request.app_message, frank };
        let audience = self.audience();
        draft.event(
            self,
            &audience,
            &FanoutMessage { timestamp: accepted_timestamp, event }.encode(),
        );
        let reply = response.encode();
        let answer =
            Answer { at: env.now, request: name, reply, message: Some((epoch, ciphertext)) };
        draft.answer(self, answer);
        Ok(self.step(draft, Change::None, response))
    }

    /// Whether this message may be sent, and its franking tag.
    fn may_submit<C: Crypto>(
        &self,
        _env: &Env<'_, C, Keys>,
        peer: &Peer,
        request: &SubmitMessageRequest,
        ciphertext: &answered::Hash,
    ) -> Result<Option<Tag>, SubmitRefusal> {
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
        let current = self.group.epoch();
        match message.epoch() {
            epoch if epoch > current => return Err(SubmitRefusal::EpochTooNew),
            epoch if epoch < current => return Err(SubmitRefusal::EpochTooOld { current }),
            _ => {}
        }
        if self.answered.has_message(ciphertext) {
            return Err(SubmitRefusal::Resubmitted);
        }
        self.franking_tag(message)
    }

    /// The franking tag, if there is one, in a message's authenticated data, which has to be Safe AAD if the group has
    /// that (E-050, P-122, P-131, Q-59).
    fn franking_tag(&self, message: &PrivateMessage) -> Result<Option<Tag>, SubmitRefusal> {
        if self.group.component(ComponentId::SAFE_AAD.0).is_none() {
            return Ok(None);
        }
        let aad =
            SafeAad::decode(message.authenticated_data()).map_err(|_| SubmitRefusal::SafeAad)?;
        match aad.get(ComponentId::FRANK_AAD.0) {
            Some(tag) => Tag::decode(tag).map(Some).map_err(|_| SubmitRefusal::SafeAad),
            None => Ok(None),
        }
    }

    /// The hub's frank, if it is the room's franking agent (P-140 … P-144).
    fn frank<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        tag: Tag,
        sender: &UserUri,
        accepted: Timestamp,
    ) -> Result<Option<Frank>, Misuse> {
        let agent = self.group.component(ComponentId::FRANKING_AGENT.0);
        let agent = agent.and_then(|data| FrankingAgentData::decode(data).ok());
        let signer = agent.and_then(|agent| env.keys.signer(&agent.signature_key));
        let (Some(signer), Some(secret)) = (signer, env.keys.franking_secrets().first()) else {
            return Ok(None);
        };
        let context = franking::Context { sender, room: &self.head.room, accepted };
        let suite = CipherSuite(self.group.ciphersuite());
        franking::stamp(secret, &signer, suite, &tag, &context).map(Some)
    }
}
