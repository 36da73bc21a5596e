//! A request for key material is checked the same way whether or not there is such a user, so that neither the
//! answer nor the time it takes tells which (P-089, D-67).

use openmls::credentials::CredentialType;
use openmls_traits::crypto::OpenMlsCrypto;

use super::{ClaimFault, ClaimRefusal, Policy};
use crate::{
    codec::Wire,
    env::{Env, Limits, Peer},
    error::{DecodeError, Fault},
    machine::Revision,
    uri::UserUri,
    wire::{KeyMaterialHead, KeyMaterialMls10, KeyMaterialRequest},
};

/// Refuses a claim on a user whom this provider does not know. The caller has made sure that the domain is its own.
pub fn claim_unknown<C: OpenMlsCrypto, K>(
    env: &Env<'_, C, K>,
    limits: &Limits,
    policy: &Policy,
    peer: &Peer,
    user: &UserUri,
    body: &[u8],
) -> ClaimRefusal {
    let fault = check(env, limits, peer, user, body).err().unwrap_or(ClaimFault::Unknown);
    ClaimRefusal::new(fault, policy, user, Revision::NONE)
}

/// What can be said of a request without knowing the user: its form, who may send it, and its signature.
pub(super) fn check<C: OpenMlsCrypto, K>(
    env: &Env<'_, C, K>,
    limits: &Limits,
    peer: &Peer,
    user: &UserUri,
    body: &[u8],
) -> Result<KeyMaterialMls10, ClaimFault> {
    if body.len() > limits.body {
        let (found, limit) = (body.len() as u64, limits.body as u64);
        let fault = Fault::TooLarge { found, limit };
        return Err(DecodeError { offset: 0, what: KeyMaterialRequest::NAME, fault }.into());
    }
    let request = KeyMaterialRequest::decode(body)?;
    let head = request.head();
    // P-073, D-73: the path names the user too.
    if head.target_user != *user {
        return Err(ClaimFault::OtherUser);
    }
    if !may_send(peer, head) {
        return Err(ClaimFault::NotTheHub);
    }
    let request = match request {
        KeyMaterialRequest::Mls10(request) => request,
        KeyMaterialRequest::Other { protocol, .. } => return Err(ClaimFault::Protocol(protocol)),
    };
    // P-078: a basic credential that holds the requesting user, and a signature with its key.
    let credential = &request.requester_credential;
    let identity = credential.serialized_content();
    if credential.credential_type() != CredentialType::Basic
        || identity != request.head.requesting_user.as_bytes()
        || !request.verify(env.crypto)
    {
        return Err(ClaimFault::Signature);
    }
    Ok(request)
}

/// Q-25, P-012, P-072: for a room the request comes from the hub of the room, which has checked the requester's
/// domain; without a room it comes from the requester's own provider.
fn may_send(peer: &Peer, head: &KeyMaterialHead) -> bool {
    let requester = &head.requesting_user;
    match (peer, &head.room) {
        // Where the hub is the target's provider as well, it hears the requester's.
        (Peer::Server(domain), Some(room)) => {
            let here = room.host() == head.target_user.host();
            *domain == room.domain() || (here && *domain == requester.domain())
        }
        (Peer::Server(domain), None) => *domain == requester.domain(),
        // A client of this provider asks for another user of it: for a room that has its hub here, or none yet.
        (Peer::Client(_, user), room) => {
            user == requester
                && user.host() == head.target_user.host()
                && room.as_ref().is_none_or(|it| it.host() == user.host())
        }
    }
}
