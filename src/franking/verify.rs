//! The receiver's side.

use hmac::Mac as _;
use openmls_traits::{crypto::OpenMlsCrypto, types::Ciphersuite};
use thiserror::Error;

use super::{
    Context, FrankingAgentData, Suspicion, Tag, Witness,
    evidence::{is_signed, mac},
};
use crate::{
    env::Timestamp,
    uri::{Domain, RoomUri, UserUri},
    wire::{Frank, PrivateMessage},
};

/// What a content says of itself, in its extensions 1 and 2. Content without both cannot be franked (P-136).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claims<'a> {
    /// The sender.
    pub sender: Option<&'a [u8]>,
    /// The room.
    pub room: Option<&'a [u8]>,
}

/// A message that was received and decrypted, with what the receiver knows of it by itself.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The hub's stamp, as it was delivered beside the message.
    pub frank: Option<&'a Frank>,
    /// The sender's tag, in the Safe AAD of the message.
    pub tag: Option<&'a Tag>,
    /// All that was encrypted, with the framing if the room has any.
    pub application_data: &'a [u8],
    /// The salt in the content.
    pub salt: &'a [u8],
    /// Sender and room in the content.
    pub claims: Claims<'a>,
    /// The sender, by the credential of its leaf.
    pub sender: &'a UserUri,
    /// The room that it was received in.
    pub room: &'a RoomUri,
    /// When the hub says that it accepted it.
    pub accepted: Timestamp,
    /// The group's suite.
    pub suite: Ciphersuite,
    /// The franking agent in the GroupContext of the message's epoch.
    pub agent: Option<&'a FrankingAgentData>,
    /// The domain that the agent's credential is for: [`FrankingAgentData::provider`] says it of a basic one, the
    /// caller finds it out of any other.
    pub agent_domain: Option<&'a Domain>,
    /// The message itself, as it was delivered.
    pub message: &'a PrivateMessage,
    /// The leaf of the sender.
    pub leaf: u32,
    /// Which message of this leaf and epoch it is, if the MLS engine tells.
    pub generation: Option<u32>,
}

impl<'a> Received<'a> {
    /// What the hub has to have vouched for.
    #[must_use]
    pub const fn context(&self) -> Context<'a> {
        Context { sender: self.sender, room: self.room, accepted: self.accepted }
    }
}

/// What a receiver can say of a message's frank. It never says who wrote the message: MLS does (D-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Verdict {
    /// The hub has signed it for this sender, room and time, and the sender has committed to this content.
    Valid,
    /// There is none: the sender put no tag, the hub does not frank, or somebody took it away (D-20).
    Missing,
    /// It is wrong, and the message cannot be reported with it.
    Invalid(Invalid),
    /// It is right by itself, but contradicts what was received before. Never a reason to drop the message.
    Suspect(Suspicion),
}

/// Why a frank is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, serde::Serialize, serde::Deserialize)]
pub enum Invalid {
    /// The sender's tag is not that of the content (P-148, D-40).
    #[error("the sender's tag is not that of the content")]
    Tag,
    /// There is a frank but no tag that it could be over.
    #[error("a frank without the sender's tag")]
    NoTag,
    /// The content does not name the sender of its leaf (P-149).
    #[error("the content does not name its sender")]
    Sender,
    /// The content does not name the room (P-149).
    #[error("the content does not name its room")]
    Room,
    /// The frank names another suite than the group's (P-145, D-74).
    #[error("the frank is of another suite than the group")]
    CipherSuite,
    /// The group has no franking agent (P-140).
    #[error("the group has no franking agent")]
    NoAgent,
    /// The franking agent is not the hub of the room (P-146).
    #[error("the franking agent is not the hub")]
    Agent,
    /// The signature is not the agent's over this sender, room and time (P-147, D-22).
    #[error("the signature is not the franking agent's")]
    Signature,
    /// The same frank came with another message before (Q-53, D-21).
    #[error("the frank came with another message before")]
    Reused,
}

/// Judges the frank of a message (P-145 … P-149, Q-53).
///
/// Afterwards let the witness [`note`](Witness::note) the message.
pub fn verify(crypto: &impl OpenMlsCrypto, received: &Received<'_>, witness: &Witness) -> Verdict {
    match check(crypto, received) {
        Err(invalid) => Verdict::Invalid(invalid),
        Ok(None) => Verdict::Missing,
        Ok(Some(_)) if witness.reused(received) => Verdict::Invalid(Invalid::Reused),
        Ok(Some(_)) => witness.suspicion(received).map_or(Verdict::Valid, Verdict::Suspect),
    }
}

/// What the message proves by itself.
fn check<'a>(
    crypto: &impl OpenMlsCrypto,
    received: &Received<'a>,
) -> Result<Option<&'a Frank>, Invalid> {
    if let Some(tag) = received.tag {
        let right = mac(received.salt, [received.application_data, &[]]);
        right.verify_slice(&tag.0).map_err(|_| Invalid::Tag)?;
    }
    let Some(frank) = received.frank else { return Ok(None) };
    if received.tag.is_none() {
        return Err(Invalid::NoTag);
    }
    if received.claims.sender != Some(received.sender.as_bytes()) {
        return Err(Invalid::Sender);
    }
    if received.claims.room != Some(received.room.as_bytes()) {
        return Err(Invalid::Room);
    }
    if frank.ciphersuite != received.suite.into() {
        return Err(Invalid::CipherSuite);
    }
    let agent = received.agent.ok_or(Invalid::NoAgent)?;
    if received.agent_domain.map(Domain::as_str) != Some(received.room.host()) {
        return Err(Invalid::Agent);
    }
    if !is_signed(crypto, frank, &received.context(), &agent.signature_key) {
        return Err(Invalid::Signature);
    }
    Ok(Some(frank))
}
