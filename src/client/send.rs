//! Application messages: out.

use openmls_traits::types::Ciphersuite;

use super::{
    Keys,
    commit::hash,
    draft::Draft,
    epoch::Reading,
    inbound::said,
    media,
    outbox::{Entry, Stage, Token, Wish},
    refusal::Refusal,
    room::{Room, Tried},
    state::State,
};
use crate::{
    codec::Wire,
    content::{self, MessageId},
    env::{Crypto, Env},
    error::Misuse,
    franking,
    machine::Step,
    policy::may_send,
    wire::{PrivateMessage, SubmitMessageRequest},
};
use tls_codec::Serialize as _;

fn decoded(content: &[u8]) -> Result<content::Message<'_>, Misuse> {
    content::Message::decode(content).map_err(|_| Misuse::Argument("not MIMI content"))
}

impl Room {
    /// Sends MIMI content to the room, and gives the message's ID.
    ///
    /// `content` names this user and this room in extensions 1 and 2
    /// ([`content::Compose`](crate::content::Compose) does that). The ciphertext goes into the outbox, and is sent,
    /// the same octets, until the hub answers: [`Room::answer_submit`]. If the hub finds its epoch too old, the same
    /// content is encrypted again, so that its ID stays. The same token again changes nothing.
    ///
    /// # Errors
    /// If proposals wait for a commit ([`Refusal::CommitFirst`]), the policy does not let this user speak or say this, as
    /// far as the message alone tells ([`policy::message::judge`](crate::policy::message::judge)), the content
    /// is not MIMI content of this user in this room, or the room asks for media types that leave MIMI content out.
    pub fn send<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        content: &[u8],
    ) -> Result<Step<'_, Self, MessageId>, Refusal> {
        let tried = self.try_send(env, token, content);
        self.conclude(tried)
    }

    fn try_send<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        token: Token,
        content: &[u8],
    ) -> Tried<MessageId> {
        let mut draft = Draft::of(&self.state);
        let id = self.message_id(content)?;
        if self.state.knows(token) {
            return Ok((draft, id));
        }
        self.state.open()?;
        if !self.is_member() {
            return Err(Refusal::Busy);
        }
        if !self.state.waiting.is_empty() && self.state.own_commit().is_none() {
            return Err(Refusal::CommitFirst);
        }
        if !may_send(&self.state.epoch.effective, &self.state.head.user) {
            return Err(Refusal::MaySpeak);
        }
        let room = &self.state.epoch.effective;
        said(room, &decoded(content)?, &self.state.head.user, env.now)?;
        let entry = self.encrypt(env, &draft.state, token, content)?;
        draft.send(entry);
        Ok((draft, id))
    }

    /// The ID of a message of ours.
    fn message_id(&self, content: &[u8]) -> Result<MessageId, Refusal> {
        let invalid = |what| Refusal::Misuse(Misuse::Argument(what));
        let message = decoded(content)?;
        let (user, room) = (self.state.head.user.as_str(), self.state.head.room.as_str());
        if message.sender() != Some(user) || message.room() != Some(room) {
            return Err(invalid("the content does not name this user and this room"));
        }
        message.id(user, room).map_err(|_| invalid("a URI is too long"))
    }

    /// Encrypts content for the current epoch.
    pub(super) fn encrypt<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        state: &State,
        token: Token,
        content: &[u8],
    ) -> Result<Entry, Refusal> {
        let reading = Reading::of(&state.epoch.committed);
        media::may_be_content(&reading, self.member.group()?)?;
        let data = media::framed(content, &reading);
        let salt = decoded(content)?.salt();
        let tag = reading.agent.is_some().then(|| franking::tag(&salt.0, &data).0);
        let signer = self.signer(env)?;
        let epoch = self.member.group()?.epoch().as_u64();
        let message = self
            .member
            .encrypt(env.crypto, &signer, tag, &data)?
            .tls_serialize_detached()
            .map_err(|_| Misuse::Crypto("a message does not encode"))?;
        let request = SubmitMessageRequest {
            app_message: PrivateMessage::decode(&message)?,
            sending_uri: state.head.user.clone(),
        };
        Ok(Entry {
            token,
            wish: Wish::Message { content: content.to_vec() },
            stage: Stage::Sent,
            epoch,
            hash: hash(&message),
            proposals: 0,
            body: request.encode(),
        })
    }

    /// The suite of the group.
    pub(super) fn suite(&self) -> Result<Ciphersuite, Refusal> {
        Ok(self.member.group()?.ciphersuite())
    }
}
