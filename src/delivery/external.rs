//! Proposals of external senders: framed, signed and verified here.
//!
//! The engine frames its own with an empty `authenticated_data`, which is no SafeAAD, so that groups with the
//! `safe_aad` component refuse them; and it takes no AppDataUpdate from an external sender at all, though
//! draft-ietf-mls-extensions, section 4.7, allows it. So they are framed here, and the AppDataUpdates among them are
//! verified here too, and brought to the engine as proposals that are queued already. Servers and clients use the
//! same functions.

use openmls::{
    ciphersuite::{hash_ref::make_proposal_ref, signature::SignContent},
    extensions::{Extensions, SenderExtensionIndex},
    framing::Sender as EngineSender,
    group::{GroupContext, QueuedProposal},
    messages::proposals::{AppDataUpdateProposal, Proposal, ProposalOrRefType, RemoveProposal},
};
use openmls_traits::{crypto::OpenMlsCrypto, signatures::Signer, types::Ciphersuite};
use tls_codec::{DeserializeBytes as _, Serialize as _};

use super::{
    context::{Context, extension, write_extensions, write_external_senders},
    frame::{Body, Frame, FrameSender, RawProposal, is_safe_aad, read_frame},
    propose::ExternalProposal,
    refusal::{ProposalFault, ProposeError},
    view::{ComponentOperation, ProposalRef},
};
use crate::codec::write_bytes;

/// An MLSMessage of version 1, wire format PublicMessage.
const HEAD: [u8; 4] = [0, 1, 0, 1];
/// An empty SafeAAD, the only one a server sends (E-050).
const EMPTY_SAFE_AAD: [u8; 1] = [0];

/// Frames and signs a proposal as the external sender at `index`, for the epoch of `context`.
///
/// # Errors
/// If the signer is not that external sender, or fails.
pub(crate) fn frame(
    context: &Context,
    signer: &impl Signer,
    index: u32,
    proposal: &ExternalProposal,
) -> Result<Vec<u8>, ProposeError> {
    let scheme = Ciphersuite::try_from(context.ciphersuite)
        .map_err(|_| ProposeError::Signer)?
        .signature_algorithm();
    if signer.signature_scheme() != scheme {
        return Err(ProposeError::Signer);
    }
    let mut message = HEAD.to_vec();
    write_bytes(&mut message, &context.group_id);
    message.extend_from_slice(&context.epoch.to_be_bytes());
    message.push(2);
    message.extend_from_slice(&index.to_be_bytes());
    write_bytes(&mut message, if context.safe_aad() { &EMPTY_SAFE_AAD } else { &[] });
    message.push(2);
    write_proposal(context, proposal, &mut message);
    let signature = signer
        .sign(&sign_content("FramedContentTBS", &message).ok_or(ProposeError::Signer)?)
        .map_err(|_| ProposeError::Signer)?;
    write_bytes(&mut message, &signature);
    Ok(message)
}

fn write_proposal(context: &Context, proposal: &ExternalProposal, out: &mut Vec<u8>) {
    match proposal {
        ExternalProposal::Remove(leaf) => {
            out.extend_from_slice(&3_u16.to_be_bytes());
            out.extend_from_slice(&leaf.0.to_be_bytes());
        }
        ExternalProposal::AppDataUpdate { component, operation } => {
            out.extend_from_slice(&8_u16.to_be_bytes());
            out.extend_from_slice(&component.to_be_bytes());
            match operation {
                ComponentOperation::Update(update) => {
                    out.push(1);
                    write_bytes(out, update);
                }
                ComponentOperation::Remove => out.push(2),
            }
        }
        ExternalProposal::ExternalSenders(senders) => {
            out.extend_from_slice(&7_u16.to_be_bytes());
            let mut list = Vec::new();
            write_external_senders(senders, &mut list);
            context.write_extensions_with(extension::EXTERNAL_SENDERS, &list, out);
        }
    }
}

/// Whether a message is an AppDataUpdate of an external sender: one for [`verify`], not for the engine.
pub(crate) fn is_component_update(message: &[u8]) -> bool {
    read_frame(message).is_ok_and(|frame| {
        matches!(frame.sender, FrameSender::External(_))
            && matches!(frame.body, Body::Proposal(RawProposal::AppDataUpdate { .. }))
    })
}

/// Verifies a proposal of an external sender that is no Add, for the epoch of `context`: framing, group, epoch,
/// SafeAAD and signature. The result is ready for the engine's queue, in a server's group or in a client's.
///
/// # Errors
/// If the message is none, or does not verify.
pub(crate) fn verify(
    crypto: &impl OpenMlsCrypto,
    context: &Context,
    message: &[u8],
) -> Result<QueuedProposal, ProposalFault> {
    let frame = read_frame(message)?;
    if frame.group_id != context.group_id || frame.epoch != context.epoch {
        return Err(ProposalFault::WrongGroup);
    }
    if context.safe_aad() && !is_safe_aad(frame.authenticated_data) {
        return Err(ProposalFault::SafeAad);
    }
    verify_frame(crypto, context, &frame)
}

/// [`verify`], for a frame whose group, epoch and SafeAAD have been checked.
pub(super) fn verify_frame(
    crypto: &impl OpenMlsCrypto,
    context: &Context,
    frame: &Frame<'_>,
) -> Result<QueuedProposal, ProposalFault> {
    let FrameSender::External(index) = frame.sender else {
        return Err(ProposalFault::Sender);
    };
    let ciphersuite =
        Ciphersuite::try_from(context.ciphersuite).map_err(|_| ProposalFault::Engine)?;
    let senders = context.external_senders()?;
    let sender = usize::try_from(index)
        .ok()
        .and_then(|index| senders.get(index))
        .ok_or(ProposalFault::Sender)?;
    verify_signature(
        crypto,
        ciphersuite,
        &sender.signature_key,
        "FramedContentTBS",
        frame.content,
        frame.signature,
    )
    .ok_or(ProposalFault::Signature)?;
    queue(crypto, ciphersuite, index, frame).ok_or(ProposalFault::Engine)
}

/// The engine's own form of a queued proposal. There is no constructor for it, but it is serde: this has its fields.
#[derive(serde::Serialize)]
struct Queued {
    proposal: Proposal,
    proposal_reference: openmls::ciphersuite::hash_ref::ProposalRef,
    sender: EngineSender,
    proposal_or_ref_type: ProposalOrRefType,
}

fn queue(
    crypto: &impl OpenMlsCrypto,
    ciphersuite: Ciphersuite,
    index: u32,
    frame: &Frame<'_>,
) -> Option<QueuedProposal> {
    let Body::Proposal(raw) = &frame.body else { return None };
    let queued = Queued {
        proposal: engine_proposal(raw)?,
        proposal_reference: make_proposal_ref(frame.authenticated, ciphersuite, crypto).ok()?,
        sender: EngineSender::External(SenderExtensionIndex::new(index)),
        proposal_or_ref_type: ProposalOrRefType::Reference,
    };
    postcard::from_bytes(&postcard::to_allocvec(&queued).ok()?).ok()
}

/// The engine's form of those proposals that a server makes of its own.
fn engine_proposal(raw: &RawProposal) -> Option<Proposal> {
    match raw {
        RawProposal::Remove(leaf) => {
            RemoveProposal::tls_deserialize_exact_bytes(&leaf.0.to_be_bytes())
                .ok()
                .map(|remove| Proposal::Remove(Box::new(remove)))
        }
        RawProposal::AppDataUpdate { component, operation } => {
            let proposal = match operation {
                ComponentOperation::Update(update) => {
                    AppDataUpdateProposal::update(*component, update.as_slice())
                }
                ComponentOperation::Remove => AppDataUpdateProposal::remove(*component),
            };
            Some(Proposal::AppDataUpdate(Box::new(proposal)))
        }
        RawProposal::Extensions(extensions) => {
            let mut octets = Vec::new();
            write_extensions(extensions, &mut octets);
            let extensions =
                Extensions::<GroupContext>::tls_deserialize_exact_bytes(&octets).ok()?;
            // It has this one field, and no constructor.
            postcard::from_bytes(&postcard::to_allocvec(&extensions).ok()?)
                .ok()
                .map(Proposal::GroupContextExtensions)
        }
        RawProposal::Add { .. }
        | RawProposal::Update(_)
        | RawProposal::ExternalInit
        | RawProposal::SelfRemove
        | RawProposal::Refused(_) => None,
    }
}

/// The name of a standalone proposal, by its AuthenticatedContent; `None` if the cryptography provider does not know
/// the ciphersuite's hash.
pub(super) fn proposal_ref(
    crypto: &impl OpenMlsCrypto,
    ciphersuite: u16,
    authenticated: &[u8],
) -> Option<ProposalRef> {
    let ciphersuite = Ciphersuite::try_from(ciphersuite).ok()?;
    let name = make_proposal_ref(authenticated, ciphersuite, crypto).ok()?;
    Some(ProposalRef(name.as_slice().to_vec()))
}

/// The octets that are signed (RFC 9420, section 5.1.2).
pub(super) fn sign_content(label: &str, content: &[u8]) -> Option<Vec<u8>> {
    SignContent::new(label, content.into()).tls_serialize_detached().ok()
}

/// Whether `signature` is one of `content`; `None` if not.
pub(super) fn verify_signature(
    crypto: &impl OpenMlsCrypto,
    ciphersuite: Ciphersuite,
    key: &[u8],
    label: &str,
    content: &[u8],
    signature: &[u8],
) -> Option<()> {
    let signed = sign_content(label, content)?;
    crypto.verify_signature(ciphersuite.signature_algorithm(), &signed, key, signature).ok()
}
