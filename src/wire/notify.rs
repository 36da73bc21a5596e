//! `notify`: what the hub has accepted, in its order (draft-ietf-mimi-protocol-06, section 5.5).
//!
//! A body is one or more [`FanoutMessage`]s of one room, one after the other, without a count or a length around
//! them. [`decode_all`] reads all of them or none. No protocol octet is sent; it is the room's.

use super::{
    ContentType, Frank, MlsMessage, PrivateMessage, PublicMessage, RatchetTreeOption, Welcome,
    message::write_welcome,
};
use crate::{
    codec::{Reader, Wire, write_optional, write_vec},
    env::Timestamp,
    error::{DecodeError, Fault},
};

/// One event of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanoutMessage {
    /// When the hub accepted it.
    pub timestamp: Timestamp,
    /// The event.
    pub event: FanoutEvent,
}

/// What the hub has accepted. What follows the message depends on what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FanoutEvent {
    /// An application message.
    Application {
        /// The message.
        message: PrivateMessage,
        /// The hub's stamp, if it franks.
        frank: Option<Frank>,
    },
    /// Secrets for new members, sent to their providers only.
    Welcome {
        /// The Welcome.
        welcome: Welcome,
        /// The ratchet tree of the epoch that they join in.
        ratchet_tree: RatchetTreeOption,
    },
    /// Proposals that were accepted together, at least one.
    Proposals {
        /// The first of them.
        first: PublicMessage,
        /// The others, as they were in the update (P-171).
        more: Vec<PublicMessage>,
    },
    /// A commit.
    Commit {
        /// The commit.
        commit: PublicMessage,
        /// After an external commit: the hub's proposals for the new epoch, in place of those that it made invalid
        /// (P-165).
        external_proposals: Vec<PublicMessage>,
    },
}

impl Wire for FanoutMessage {
    const NAME: &'static str = "FanoutMessage";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let timestamp = Timestamp(reader.u64("FanoutMessage.timestamp")?);
        let start = reader.clone();
        let event = match MlsMessage::read(reader)? {
            MlsMessage::Private(message) => FanoutEvent::Application {
                message,
                frank: reader.optional("FanoutMessage.frank", Frank::read)?,
            },
            MlsMessage::Welcome(welcome) => {
                FanoutEvent::Welcome { welcome, ratchet_tree: Wire::read(reader)? }
            }
            MlsMessage::Public(message) => match message.content_type() {
                ContentType::Proposal => FanoutEvent::Proposals {
                    first: message,
                    more: reader
                        .vec("FanoutMessage.moreProposals", PublicMessage::read_proposal)?,
                },
                ContentType::Commit => FanoutEvent::Commit {
                    commit: message,
                    external_proposals: reader
                        .vec("FanoutMessage.externalProposals", PublicMessage::read_proposal)?,
                },
            },
            MlsMessage::GroupInfo(_) | MlsMessage::KeyPackage(_) => {
                let fault = Fault::Contradiction("no such message is fanned out");
                return Err(start.error("FanoutMessage.message", fault));
            }
        };
        Ok(Self { timestamp, event })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.0.to_be_bytes());
        match &self.event {
            FanoutEvent::Application { message, frank } => {
                message.write(out);
                write_optional(out, frank.as_ref(), Frank::write);
            }
            FanoutEvent::Welcome { welcome, ratchet_tree } => {
                write_welcome(out, welcome);
                ratchet_tree.write(out);
            }
            FanoutEvent::Proposals { first, more } => {
                first.write(out);
                write_vec(out, more, PublicMessage::write);
            }
            FanoutEvent::Commit { commit, external_proposals } => {
                commit.write(out);
                write_vec(out, external_proposals, PublicMessage::write);
            }
        }
    }
}

/// Reads a body: all messages in it, at least one.
///
/// # Errors
/// If any of them cannot be read; then none is to be processed.
pub fn decode_all(body: &[u8]) -> Result<Vec<FanoutMessage>, DecodeError> {
    let mut reader = Reader::new(body);
    let mut messages = Vec::new();
    loop {
        messages.push(FanoutMessage::read(&mut reader)?);
        if reader.is_empty() {
            return Ok(messages);
        }
    }
}

/// Writes a body.
#[must_use]
pub fn encode_all(messages: &[FanoutMessage]) -> Vec<u8> {
    let mut body = Vec::new();
    messages.iter().for_each(|message| message.write(&mut body));
    body
}
