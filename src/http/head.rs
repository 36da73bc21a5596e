//! What a body says about whose it is, read without the rest: enough to compare it with the path (D-73) and to know
//! who takes it. Whoever takes it reads all of it.

use crate::{
    codec::Reader,
    error::DecodeError,
    uri::{RoomUri, UserUri},
};

/// The head of a `KeyMaterialRequest`.
pub(super) struct KeyMaterial {
    pub(super) requester: UserUri,
    pub(super) target: UserUri,
    pub(super) room: Option<RoomUri>,
}

/// Reads the head of a `KeyMaterialRequest`, the same for every protocol (P-052).
pub(super) fn key_material(body: &[u8]) -> Result<KeyMaterial, DecodeError> {
    let mut reader = Reader::new(body);
    reader.u8("KeyMaterialRequest.protocol")?;
    Ok(KeyMaterial {
        requester: reader.uri("KeyMaterialRequest.requestingUser")?,
        target: reader.uri("KeyMaterialRequest.targetUser")?,
        room: reader.uri_if_any("KeyMaterialRequest.roomId")?,
    })
}

/// The head of a `ConsentEntry`.
pub(super) struct Consent {
    pub(super) operation: u8,
    pub(super) requester: UserUri,
    pub(super) target: UserUri,
}

/// Reads the head of a `ConsentEntry`.
pub(super) fn consent(body: &[u8]) -> Result<Consent, DecodeError> {
    let mut reader = Reader::new(body);
    Ok(Consent {
        operation: reader.u8("ConsentEntry.consentOperation")?,
        requester: reader.uri("ConsentEntry.requesterUri")?,
        target: reader.uri("ConsentEntry.targetUri")?,
    })
}
