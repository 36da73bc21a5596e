//! `submitMessage`: an application message on its way to the hub (draft-ietf-mimi-protocol-06, section 5.4).

use super::{CipherSuite, PROTOCOL_MLS10, PrivateMessage, protocol::read_mls10};
use crate::{
    codec::{Reader, Wire, write_bytes, write_optional},
    env::Timestamp,
    error::{DecodeError, Fault},
    uri::UserUri,
};

/// An application message for the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitMessageRequest {
    /// The message.
    pub app_message: PrivateMessage,
    /// The participant that its provider says has sent it (P-121).
    pub sending_uri: UserUri,
}

impl Wire for SubmitMessageRequest {
    const NAME: &'static str = "SubmitMessageRequest";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_mls10(reader, "SubmitMessageRequest.protocol")?;
        Ok(Self {
            app_message: Wire::read(reader)?,
            sending_uri: reader.uri("SubmitMessageRequest.sendingUri")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(PROTOCOL_MLS10);
        self.app_message.write(out);
        write_bytes(out, self.sending_uri.as_bytes());
    }
}

/// The hub's stamp on an application message.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Frank {
    /// What only the hub can make and check: HMAC-SHA256 under its secret key.
    pub server_frank: [u8; 32],
    /// The suite of the group, which the signature is of.
    pub ciphersuite: CipherSuite,
    /// The franking agent's signature, for the receivers.
    pub integrity_signature: Vec<u8>,
}

impl Wire for Frank {
    const NAME: &'static str = "Frank";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            server_frank: reader.array("Frank.server_frank")?,
            ciphersuite: Wire::read(reader)?,
            integrity_signature: reader.bytes("Frank.franking_integrity_signature")?.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.server_frank);
        self.ciphersuite.write(out);
        write_bytes(out, &self.integrity_signature);
    }
}

/// The answer to an application message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitMessageResponse {
    /// Accepted; it will be distributed.
    Accepted {
        /// When the hub accepted it.
        accepted_timestamp: Timestamp,
        /// The hub's stamp, if it franks.
        frank: Option<Frank>,
    },
    /// Policy or authorisation forbid it, or it makes no sense.
    NotAllowed,
    /// Its epoch is over. The client encrypts the same content again in the current one.
    EpochTooOld {
        /// The current epoch.
        current_epoch: u64,
    },
}

impl Wire for SubmitMessageResponse {
    const NAME: &'static str = "SubmitMessageResponse";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_mls10(reader, "SubmitMessageResponse.protocol")?;
        let start = reader.clone();
        match reader.u8("SubmitMessageResponse.statusCode")? {
            0 => Ok(Self::Accepted {
                accepted_timestamp: Timestamp(
                    reader.u64("SubmitMessageResponse.accepted_timestamp")?,
                ),
                frank: reader.optional("SubmitMessageResponse.frank", Frank::read)?,
            }),
            1 => Ok(Self::NotAllowed),
            2 => Ok(Self::EpochTooOld {
                current_epoch: reader.u64("SubmitMessageResponse.currentEpoch")?,
            }),
            other => {
                Err(start.error("SubmitMessageResponse.statusCode", Fault::Code(other.into())))
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(PROTOCOL_MLS10);
        match self {
            Self::Accepted { accepted_timestamp, frank } => {
                out.push(0);
                out.extend_from_slice(&accepted_timestamp.0.to_be_bytes());
                write_optional(out, frank.as_ref(), Frank::write);
            }
            Self::NotAllowed => out.push(1),
            Self::EpochTooOld { current_epoch } => {
                out.push(2);
                out.extend_from_slice(&current_epoch.to_be_bytes());
            }
        }
    }
}
