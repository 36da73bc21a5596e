//! The hub's side.

use hmac::Mac as _;
use openmls_traits::{crypto::OpenMlsCrypto, signatures::Signer};

use super::{
    Context, Tag,
    evidence::{LABEL, is_signed, mac, tag},
};
use crate::{
    error::Misuse,
    uri::{RoomUri, UserUri},
    wire::{AbusiveMessage, CipherSuite, Frank, labelled},
};

/// Stamps a message that the hub has accepted (P-141, P-142).
///
/// `secret` is known to the hub alone; it is kept for as long as messages may be reported (P-143). `signer` holds the
/// private key of the room's franking agent, and `suite` is that of the group.
///
/// # Errors
/// If the suite is not known, or the signer's scheme is another than the suite's (P-133), or the signer fails.
pub fn stamp(
    secret: &[u8],
    signer: &impl Signer,
    suite: CipherSuite,
    tag: &Tag,
    context: &Context<'_>,
) -> Result<Frank, Misuse> {
    let scheme = suite.known().map(|suite| suite.signature_algorithm());
    if scheme != Some(signer.signature_scheme()) {
        return Err(Misuse::Argument("the franking agent's key is none of the group's suite"));
    }
    let server_frank = server_frank(secret, tag, context);
    let tbs = context.tbs(&server_frank, suite);
    let integrity_signature = labelled::sign(signer, LABEL, &tbs)?;
    Ok(Frank { server_frank, ciphersuite: suite, integrity_signature })
}

fn server_frank(secret: &[u8], tag: &Tag, context: &Context<'_>) -> [u8; 32] {
    mac(secret, [&tag.0, &context.encode()]).finalize().into_bytes().into()
}

/// Whether one of the hub's secrets, present and past, has stamped a message with this tag in this context (P-234,
/// The time it takes does not depend on how far a forgery is right.
#[must_use]
pub fn recognise<S: AsRef<[u8]>>(
    secrets: impl IntoIterator<Item = S>,
    tag: &Tag,
    context: &Context<'_>,
    server_frank: &[u8; 32],
) -> bool {
    let context = context.encode();
    secrets
        .into_iter()
        .any(|secret| mac(secret.as_ref(), [&tag.0, &context]).verify_slice(server_frank).is_ok())
}

/// Whether a reported message is one that this hub has stamped, of this sender, in this room, at the reported time
/// (P-234).
///
/// `salt`, sender and room are what the reported content says; `agent_key` is the public key of the room's franking
/// agent at that time. The report itself is worth no more than its reporter's word: whether the alleged abuser is the
/// sender is for the caller to compare.
#[must_use]
pub fn is_genuine<S: AsRef<[u8]>>(
    crypto: &impl OpenMlsCrypto,
    secrets: impl IntoIterator<Item = S>,
    agent_key: &[u8],
    reported: &AbusiveMessage,
    salt: &[u8],
    sender: &UserUri,
    room: &RoomUri,
) -> bool {
    let tag = tag(salt, &reported.content);
    let context = Context { sender, room, accepted: reported.accepted };
    recognise(secrets, &tag, &context, &reported.frank.server_frank)
        && is_signed(crypto, &reported.frank, &context, agent_key)
}
