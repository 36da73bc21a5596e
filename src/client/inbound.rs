//! Application messages that have decrypted: shown or not.

use openmls::{credentials::Credential, framing::Sender};
use openmls_traits::types::Ciphersuite;

use super::{
    Keys,
    event::{Discard, Event, Message},
    proposed,
    refusal::Refusal,
    room::Room,
    send::MIMI_CONTENT,
    state::{Draft, Reading},
};
use crate::{
    codec::{Wire, decode_exact},
    content,
    env::{Crypto, Env, Timestamp},
    franking::{self, Claims, FrankingAgentData, Invalid, Tag, Verdict},
    policy::may_send,
    uri::UserUri,
    wire::{Frank, PrivateMessage},
};

/// How far the hub's clock may be ahead of ours (C-092, D-03), in milliseconds.
const AHEAD: u64 = 5 * 60 * 1000;

/// A message that has decrypted, whose key is used up.
pub(super) struct Decrypted<'a> {
    pub(super) at: Timestamp,
    pub(super) message: &'a PrivateMessage,
    pub(super) frank: Option<&'a Frank>,
    pub(super) tag: Option<Vec<u8>>,
    pub(super) sender: Sender,
    pub(super) credential: Credential,
    pub(super) data: Vec<u8>,
}

/// The MIMI content in what was encrypted.
fn unframed<'a>(data: &'a [u8], reading: &Reading) -> Option<&'a [u8]> {
    if !reading.framed {
        return Some(data);
    }
    decode_exact(data, |reader| {
        let media_type = reader.bytes("MediaType.media_type")?;
        reader.bytes("MediaType.parameters")?;
        let content = reader.bytes("ApplicationFraming.content")?;
        Ok((media_type == MIMI_CONTENT).then_some(content))
    })
    .ok()
    .flatten()
}

impl Room {
    /// Shows a message or discards it: an event either way.
    pub(super) fn judge_message<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
        got: &Decrypted<'_>,
    ) -> Result<(), Refusal> {
        let sender = proposed::user(&got.credential);
        let event = match self.message(env, draft, got, sender.as_ref()) {
            Ok(message) => Event::Message(Box::new(message)),
            Err(reason) => Event::Discarded { sender, timestamp: got.at, reason },
        };
        draft.event(event);
        Ok(self.member.remember(&draft.state.witness)?)
    }

    fn message<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
        got: &Decrypted<'_>,
        sender: Option<&UserUri>,
    ) -> Result<Message, Discard> {
        let sender = sender.ok_or(Discard::Mismatch)?;
        let epoch = got.message.epoch();
        // A message of an epoch that is over was judged by the hub, in a room that we no longer have.
        let current = epoch == self.epoch();
        if current && !may_send(&draft.state.epoch.effective, sender) {
            return Err(Discard::NotAllowed);
        }
        if got.at > env.now.plus(AHEAD) {
            return Err(Discard::Future);
        }
        let reading = if current {
            Reading::of(&draft.state.epoch.committed)
        } else {
            draft.state.past.get(&epoch).cloned().unwrap_or_default()
        };
        let octets = unframed(&got.data, &reading).ok_or(Discard::Malformed)?;
        let content = content::Message::decode(octets).map_err(|_| Discard::Malformed)?;
        let (user, room) = (sender.as_str(), draft.state.head.room.as_str());
        let says = |claimed: Option<&str>, is| claimed.is_none_or(|claimed| claimed == is);
        if !says(content.sender(), user) || !says(content.room(), room) {
            return Err(Discard::Mismatch);
        }
        let id = content.id(user, room).map_err(|_| Discard::Malformed)?;
        let franking = self.frank(env, draft, got, sender, &content, &reading);
        if franking == Verdict::Invalid(Invalid::Tag) {
            return Err(Discard::Tag);
        }
        Ok(Message {
            id,
            sender: sender.clone(),
            content: octets.to_vec(),
            epoch,
            timestamp: got.at,
            franking,
            frank: got.frank.cloned(),
        })
    }

    fn frank<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
        got: &Decrypted<'_>,
        sender: &UserUri,
        content: &content::Message<'_>,
        reading: &Reading,
    ) -> Verdict {
        let agent =
            reading.agent.as_deref().and_then(|agent| FrankingAgentData::decode(agent).ok());
        let domain = agent.as_ref().and_then(FrankingAgentData::provider).map(|it| it.domain());
        let tag = match &got.tag {
            None => None,
            Some(tag) => match Tag::decode(tag) {
                Ok(tag) => Some(tag),
                Err(_) => return Verdict::Invalid(Invalid::Tag),
            },
        };
        let suite =
            self.suite().unwrap_or(Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519);
        let salt = content.salt();
        let received = franking::Received {
            frank: got.frank,
            tag: tag.as_ref(),
            application_data: &got.data,
            salt: &salt.0,
            claims: Claims {
                sender: content.sender().map(str::as_bytes),
                room: content.room().map(str::as_bytes),
            },
            sender,
            room: &self.state.head.room,
            accepted: got.at,
            suite,
            agent: agent.as_ref(),
            agent_domain: domain.as_ref(),
            message: got.message,
            leaf: match &got.sender {
                Sender::Member(leaf) => leaf.u32(),
                Sender::External(_) | Sender::NewMemberProposal | Sender::NewMemberCommit => {
                    u32::MAX
                }
            },
            // The engine does not tell.
            generation: None,
        };
        let verdict = franking::verify(env.crypto, &received, &draft.state.witness);
        let witness = std::sync::Arc::make_mut(&mut draft.state.witness);
        witness.note(&received, verdict, &self.limits);
        verdict
    }
}
