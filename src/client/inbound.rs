//! Application messages that have decrypted: shown or not.

use std::sync::Arc;

use openmls::{credentials::Credential, framing::Sender};
use openmls_traits::types::Ciphersuite;

use super::{
    Keys, OutgoingId,
    draft::Draft,
    epoch::{self, Reading},
    event::{Discard, Event, Message},
    media::{self, Payload},
    proposed,
    refusal::Refusal,
    report::Reportable,
    room::Room,
};
use crate::{
    codec::Wire,
    content,
    env::{Crypto, Env, Timestamp},
    franking::{self, Claims, FrankingAgentData, Invalid, Tag, Verdict},
    policy::{
        self, Denied, Reason, may_send,
        message::{Allowed, Sent},
    },
    room::RoomState,
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
    /// Which message of its leaf and epoch it is, if that is known.
    pub(super) generation: Option<u32>,
    pub(super) data: Vec<u8>,
}

impl Decrypted<'_> {
    /// The leaf of the sender.
    fn leaf(&self) -> Option<u32> {
        match &self.sender {
            Sender::Member(leaf) => Some(leaf.u32()),
            Sender::External(_) | Sender::NewMemberProposal | Sender::NewMemberCommit => None,
        }
    }
}

/// May this MIMI content be said? As far as it can be told from the message alone.
pub(super) fn said(
    room: &RoomState,
    message: &content::Message<'_>,
    sender: &UserUri,
    accepted_at: Timestamp,
) -> Result<Allowed, Denied> {
    if media::forbids_content(room) {
        return Err(Denied::new("R-162", Reason::Forbidden));
    }
    allowed(room, message, sender, accepted_at)
}

fn allowed(
    room: &RoomState,
    message: &content::Message<'_>,
    sender: &UserUri,
    accepted_at: Timestamp,
) -> Result<Allowed, Denied> {
    let has_link = policy::message::has_link(room, message);
    policy::message::judge(room, &Sent { message, sender, accepted_at, has_link }, |_| None)
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
        let skipped = match (got.leaf(), got.generation) {
            (Some(leaf), Some(generation)) => draft.hear(got.message.epoch(), leaf, generation),
            (None, _) | (_, None) => 0,
        };
        let event = match self.message(env, draft, got, sender.as_ref(), skipped) {
            Ok(event) => event,
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
        skipped: u32,
    ) -> Result<Event, Discard> {
        let sender = sender.ok_or(Discard::Mismatch)?;
        let epoch = got.message.epoch();
        let judging = self.judging(draft, epoch);
        let judging = judging.as_deref();
        if epoch == self.epoch() && !may_send(&draft.state.epoch.effective, sender) {
            return Err(Discard::NotAllowed);
        }
        if let Some(room) = judging {
            let who = policy::message::Sender::of(room, sender);
            let sends = who.and_then(|who| policy::message::send(&who));
            sends.map_err(|_| Discard::NotAllowed)?;
            if !policy::leaf::may_stand_beside(room, got.message.authenticated_data()) {
                return Err(Discard::Forbidden);
            }
        }
        if got.at > env.now.plus(AHEAD) {
            return Err(Discard::Future);
        }
        let reading = self.reading(draft, epoch);
        let (payload, framing) = media::unframed(&got.data, &reading).ok_or(Discard::Malformed)?;
        let octets = match payload {
            Payload::Content(octets) => octets,
            Payload::Status(report) => {
                let told = content::status::Report::decode(&report);
                let told = told.map_err(|_| Discard::Malformed)?;
                if let Some(room) = judging {
                    if media::forbids_status(room) {
                        return Err(Discard::Forbidden);
                    }
                    policy::message::report(room, &told).map_err(|_| Discard::Forbidden)?;
                }
                return Ok(Event::Status { sender: sender.clone(), report, timestamp: got.at });
            }
            Payload::Text(media_type, text) => {
                let media_type = media_type.to_string();
                let text = String::from_utf8(text).map_err(|_| Discard::Malformed)?;
                if let Some(room) = judging {
                    let content = self.alone(sender, &media_type, &text)?;
                    allowed(room, &content.as_message(), sender, got.at)
                        .map_err(|_| Discard::Forbidden)?;
                }
                let (sender, timestamp) = (sender.clone(), got.at);
                return Ok(Event::Text { sender, media_type, text, timestamp });
            }
            Payload::Other(media_type) => {
                return Err(Discard::MediaType(media_type.to_string()));
            }
        };
        let content = content::Message::decode(&octets).map_err(|_| Discard::Malformed)?;
        let (user, room) = (sender.as_str(), draft.state.head.room.as_str());
        let says = |claimed: Option<&str>, is| claimed.is_none_or(|claimed| claimed == is);
        if !says(content.sender(), user) || !says(content.room(), room) {
            return Err(Discard::Mismatch);
        }
        let id = content.id(user, room).map_err(|_| Discard::Malformed)?;
        let judged = match judging.map(|room| said(room, &content, sender, got.at)) {
            Some(Ok(allowed)) => !allowed.waits,
            Some(Err(_)) => return Err(Discard::Forbidden),
            None => false,
        };
        let franking = self.frank(env, draft, got, sender, &content, &reading);
        match (franking, got.frank) {
            (Verdict::Invalid(Invalid::Tag), _) => return Err(Discard::Tag),
            (Verdict::Valid | Verdict::Suspect(_), Some(frank)) => {
                let evidence = franking::Evidence {
                    frank: frank.clone(),
                    sender: sender.clone(),
                    room: draft.state.head.room.clone(),
                    accepted: got.at,
                };
                let kept = Reportable { id, evidence, framing };
                draft.keep_evidence(kept, self.limits.evidence);
            }
            (Verdict::Missing | Verdict::Invalid(_), _) | (_, None) => {}
        }
        Ok(Event::Message(Box::new(Message {
            id,
            sender: sender.clone(),
            content: octets,
            epoch,
            timestamp: got.at,
            franking,
            frank: got.frank.cloned(),
            skipped,
            judged,
        })))
    }

    /// The room that judges the messages of an epoch: what counts now, or what counted when it ended, with what
    /// waited then.
    fn judging(&self, draft: &Draft, epoch: u64) -> Option<Arc<RoomState>> {
        let state = &draft.state;
        if epoch == self.epoch() {
            return Some(Arc::clone(&state.epoch.effective));
        }
        let since = (epoch..self.epoch()).rev().map(|it| state.past.get(it).map(|it| &**it));
        since
            .collect::<Option<Vec<_>>>()
            .and_then(|since| epoch::before(&state.epoch.committed, &since))
            .map(Arc::new)
    }

    /// A text that travels alone, as the MIMI content that would say the same.
    fn alone(
        &self,
        sender: &UserUri,
        media_type: &str,
        text: &str,
    ) -> Result<content::MessageBuf, Discard> {
        let part = content::DraftPart::single(media_type, text.as_bytes());
        content::Draft::new(sender.as_str(), self.state.head.room.as_str(), part)
            .build(content::Salt([0; 16]))
            .map_err(|_| Discard::Malformed)
    }

    /// What it takes to read the messages of an epoch.
    fn reading(&self, draft: &Draft, epoch: u64) -> Reading {
        if epoch == self.epoch() {
            return Reading::of(&draft.state.epoch.committed);
        }
        draft.state.past.get(epoch).map(|reading| Reading::clone(reading)).unwrap_or_default()
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
        let agent = reading.agent();
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
            leaf: got.leaf().unwrap_or(u32::MAX),
            generation: got.generation,
        };
        let verdict = franking::verify(env.crypto, &received, &draft.state.witness);
        #[cfg(test)]
        let verdict =
            match crate::testing::mistake::is_made(crate::testing::mistake::Mistake::Franks) {
                true => Verdict::Valid,
                false => verdict,
            };
        let witness = std::sync::Arc::make_mut(&mut draft.state.witness);
        witness.note(&received, verdict, &self.limits);
        verdict
    }

    /// The hub's stamp on a message of our own, if it is right: others will judge it by the same key (D-07).
    pub(super) fn own_frank<C: Crypto>(
        &self,
        env: &Env<'_, C, Keys>,
        draft: &Draft,
        id: OutgoingId,
        accepted: Timestamp,
        frank: Option<&Frank>,
    ) -> Option<Frank> {
        let (frank, entry) = (frank?, draft.state.outbox.get(id)?);
        let agent = self.reading(draft, entry.epoch).agent()?;
        let head = &draft.state.head;
        let evidence = franking::Evidence {
            frank: frank.clone(),
            sender: head.user.clone(),
            room: head.room.clone(),
            accepted,
        };
        let is_hubs = agent.provider().is_some_and(|agent| agent.domain() == head.room.domain());
        let is_ours = frank.ciphersuite == self.suite().ok()?.into()
            && evidence.is_signed_by(env.crypto, &agent.signature_key);
        (is_hubs && is_ours).then_some(evidence.frank)
    }
}
