//! `requestConsent` and `updateConsent`: whether one user may fetch another's KeyPackages
//! (draft-ietf-mimi-protocol-06, section 5.7). Neither has an answer with a body.

use super::{AppDataDictionary, KeyPackage};
use crate::{
    codec::{Reader, Wire, write_bytes, write_optional, write_vec},
    error::{DecodeError, Fault},
    uri::{RoomUri, UserUri},
};

/// What consent is about: of whom, for whom, and where. Never sent; entries are matched by it (W-34).
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct ConsentScope {
    /// Who wants to fetch KeyPackages.
    pub requester: UserUri,
    /// Whose.
    pub target: UserUri,
    /// For this room only; without it, for any room (P-210).
    pub room: Option<RoomUri>,
}

/// What happens to consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsentOperation {
    /// The requester takes back its request.
    Cancel,
    /// The requester asks for it.
    Request,
    /// The target gives it, with KeyPackages of its clients, or without (P-209).
    Grant(Vec<KeyPackage>),
    /// The target takes it back, or denies it before it is asked.
    Revoke,
}

/// The body of both requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentEntry {
    /// What happens.
    pub operation: ConsentOperation,
    /// To what.
    pub scope: ConsentScope,
    /// Extensions.
    pub extensions: AppDataDictionary,
}

impl ConsentEntry {
    /// Reads the body of `requestConsent`: a request or a cancel (P-201).
    ///
    /// # Errors
    /// If it is anything else.
    pub fn decode_request(body: &[u8]) -> Result<Self, DecodeError> {
        let entry = Self::decode(body)?;
        match entry.operation {
            ConsentOperation::Request | ConsentOperation::Cancel => Ok(entry),
            ConsentOperation::Grant(_) | ConsentOperation::Revoke => Err(misplaced(&entry)),
        }
    }

    /// Reads the body of `updateConsent`: a grant or a revocation (P-202).
    ///
    /// # Errors
    /// If it is anything else.
    pub fn decode_update(body: &[u8]) -> Result<Self, DecodeError> {
        let entry = Self::decode(body)?;
        match entry.operation {
            ConsentOperation::Grant(_) | ConsentOperation::Revoke => Ok(entry),
            ConsentOperation::Request | ConsentOperation::Cancel => Err(misplaced(&entry)),
        }
    }

    const fn code(&self) -> u8 {
        match self.operation {
            ConsentOperation::Cancel => 0,
            ConsentOperation::Request => 1,
            ConsentOperation::Grant(_) => 2,
            ConsentOperation::Revoke => 3,
        }
    }
}

/// An operation at the endpoint of the others.
fn misplaced(entry: &ConsentEntry) -> DecodeError {
    let fault = Fault::Code(entry.code().into());
    DecodeError { offset: 0, what: "ConsentEntry.consentOperation", fault }
}

impl Wire for ConsentEntry {
    const NAME: &'static str = "ConsentEntry";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let code = reader.u8("ConsentEntry.consentOperation")?;
        let scope = ConsentScope {
            requester: reader.uri("ConsentEntry.requesterUri")?,
            target: reader.uri("ConsentEntry.targetUri")?,
            room: reader
                .optional("ConsentEntry.roomId", |reader| reader.uri("ConsentEntry.roomId"))?,
        };
        let operation = match code {
            0 => ConsentOperation::Cancel,
            1 => ConsentOperation::Request,
            2 => ConsentOperation::Grant(
                reader.vec("ConsentEntry.clientKeyPackages", KeyPackage::read)?,
            ),
            3 => ConsentOperation::Revoke,
            other => {
                return Err(start.error("ConsentEntry.consentOperation", Fault::Code(other.into())));
            }
        };
        Ok(Self { operation, scope, extensions: Wire::read(reader)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.code());
        write_bytes(out, self.scope.requester.as_bytes());
        write_bytes(out, self.scope.target.as_bytes());
        write_optional(out, self.scope.room.as_ref(), |room, out| {
            write_bytes(out, room.as_bytes())
        });
        match &self.operation {
            ConsentOperation::Grant(key_packages) => {
                write_vec(out, key_packages, KeyPackage::write);
            }
            ConsentOperation::Cancel | ConsentOperation::Request | ConsentOperation::Revoke => {}
        }
        self.extensions.write(out);
    }
}
