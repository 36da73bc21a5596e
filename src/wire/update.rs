//! `update`: a change of the room (draft-ietf-mimi-protocol-06, section 5.3).

use super::{ContentType, GroupInfoOption, PublicMessage, RatchetTreeOption, Welcome};
use crate::{
    codec::{Reader, Wire, write_bytes, write_optional, write_vec},
    env::Timestamp,
    error::{DecodeError, Fault},
};

/// The longest description of an error, in octets.
const MAX_DESCRIPTION: usize = 1024;

/// A commit with what its receivers need, or proposals that stand or fall together (P-116).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeBundle {
    /// A commit.
    Commit {
        /// The commit.
        commit: PublicMessage,
        /// The Welcome for the clients that it adds.
        welcome: Option<Welcome>,
        /// The GroupInfo of the epoch that it starts.
        group_info: GroupInfoOption,
        /// The ratchet tree of that epoch.
        ratchet_tree: RatchetTreeOption,
    },
    /// Proposals, at least one.
    Proposals {
        /// The first of them.
        first: PublicMessage,
        /// The others.
        more: Vec<PublicMessage>,
    },
}

impl Wire for HandshakeBundle {
    const NAME: &'static str = "HandshakeBundle";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let message = PublicMessage::read(reader)?;
        match message.content_type() {
            ContentType::Commit => Ok(Self::Commit {
                commit: message,
                welcome: reader.optional("HandshakeBundle.welcome", Welcome::read)?,
                group_info: Wire::read(reader)?,
                ratchet_tree: Wire::read(reader)?,
            }),
            ContentType::Proposal => Ok(Self::Proposals {
                first: message,
                more: reader.vec("HandshakeBundle.moreProposals", PublicMessage::read_proposal)?,
            }),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Commit { commit, welcome, group_info, ratchet_tree } => {
                commit.write(out);
                write_optional(out, welcome.as_ref(), Welcome::write);
                group_info.write(out);
                ratchet_tree.write(out);
            }
            Self::Proposals { first, more } => {
                first.write(out);
                write_vec(out, more, PublicMessage::write);
            }
        }
    }
}

/// A request to change the room. No protocol octet is sent; it is the room's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateRequest {
    /// The change.
    pub bundle: HandshakeBundle,
}

impl Wire for UpdateRequest {
    const NAME: &'static str = "UpdateRequest";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Wire::read(reader).map(|bundle| Self { bundle })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.bundle.write(out);
    }
}

/// The hash that names a proposal (RFC 9420, section 5.2).
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct ProposalRef(pub Vec<u8>);

impl ProposalRef {
    /// The hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for ProposalRef {
    fn from(hash: &[u8]) -> Self {
        Self(hash.to_vec())
    }
}

/// Words about an error, at most 1,024 octets: for logs, never for a decision. Text from a peer is untrusted (D-09).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorDescription(String);

impl ErrorDescription {
    /// A description; what is too long is cut, and NUL is left out.
    #[must_use]
    pub fn shortened(text: &str) -> Self {
        let mut description = String::new();
        for character in text.chars().filter(|&character| character != '\0') {
            if description.len() + character.len_utf8() > MAX_DESCRIPTION {
                break;
            }
            description.push(character);
        }
        Self(description)
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Wire for ErrorDescription {
    const NAME: &'static str = "UpdateRoomResponse.errorDescription";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut bounded = reader.clone();
        bounded.bounded(Self::NAME, MAX_DESCRIPTION)?;
        reader.text(Self::NAME).map(|text| Self(text.into()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, self.0.as_bytes());
    }
}

/// The answer to a change. No protocol octet is sent; it is the room's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateRoomResponse {
    /// Words, for every outcome.
    pub error_description: ErrorDescription,
    /// The answer itself.
    pub outcome: UpdateOutcome,
}

/// How a change ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// Accepted; it will be distributed (P-112).
    Success {
        /// When the hub accepted it.
        accepted_timestamp: Timestamp,
    },
    /// It is not of the current epoch.
    WrongEpoch {
        /// The current epoch.
        current_epoch: u64,
    },
    /// Policy or authorisation forbid it, or it leaves out a proposal that it must contain.
    NotAllowed,
    /// At least one proposal is invalid. Those sent by value have no reference and are not listed.
    InvalidProposal(Vec<ProposalRef>),
}

impl Wire for UpdateRoomResponse {
    const NAME: &'static str = "UpdateRoomResponse";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let code = reader.u8("UpdateRoomResponse.responseCode")?;
        if code > 3 {
            return Err(start.error("UpdateRoomResponse.responseCode", Fault::Code(code.into())));
        }
        let error_description = ErrorDescription::read(reader)?;
        let outcome = match code {
            0 => UpdateOutcome::Success {
                accepted_timestamp: Timestamp(reader.u64("UpdateRoomResponse.accepted_timestamp")?),
            },
            1 => UpdateOutcome::WrongEpoch {
                current_epoch: reader.u64("UpdateRoomResponse.currentEpoch")?,
            },
            2 => UpdateOutcome::NotAllowed,
            _ => UpdateOutcome::InvalidProposal(
                reader.vec("UpdateRoomResponse.invalidProposals", |reader| {
                    reader.bytes("ProposalRef").map(ProposalRef::from)
                })?,
            ),
        };
        Ok(Self { error_description, outcome })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(match &self.outcome {
            UpdateOutcome::Success { .. } => 0,
            UpdateOutcome::WrongEpoch { .. } => 1,
            UpdateOutcome::NotAllowed => 2,
            UpdateOutcome::InvalidProposal(_) => 3,
        });
        self.error_description.write(out);
        match &self.outcome {
            UpdateOutcome::Success { accepted_timestamp } => {
                out.extend_from_slice(&accepted_timestamp.0.to_be_bytes());
            }
            UpdateOutcome::WrongEpoch { current_epoch } => {
                out.extend_from_slice(&current_epoch.to_be_bytes());
            }
            UpdateOutcome::NotAllowed => {}
            UpdateOutcome::InvalidProposal(references) => {
                write_vec(out, references, |reference, out| write_bytes(out, reference.as_bytes()));
            }
        }
    }
}
