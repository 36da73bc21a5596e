//! PublicMessages, taken apart (RFC 9420, section 6). The engine verifies them; what is in them, in the order and the
//! octets they came in, it keeps to itself.

use openmls::{ciphersuite::hash_ref::make_key_package_ref, messages::proposals_in::ProposalIn};
use openmls_traits::{crypto::OpenMlsCrypto, types::Ciphersuite};

use super::{
    context::{RawExtension, extension, read_credential, read_dictionary, read_extensions},
    view::{Capabilities, ComponentOperation, KeyPackageRef, Leaf, LeafIndex},
};
use crate::{
    codec::{Reader, decode_exact},
    error::{DecodeError, Fault},
};

/// `wire_format` of a PublicMessage.
const PUBLIC_MESSAGE: u16 = 1;

/// The sender of a message (RFC 9420, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameSender {
    Member(LeafIndex),
    External(u32),
    NewMemberProposal,
    NewMemberCommit,
}

/// What a PublicMessage holds.
#[derive(Debug)]
pub(super) enum Body {
    Application,
    Proposal(RawProposal),
    Commit(RawCommit),
}

/// A PublicMessage.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) group_id: &'a [u8],
    pub(super) epoch: u64,
    pub(super) sender: FrameSender,
    pub(super) authenticated_data: &'a [u8],
    pub(super) body: Body,
    /// Version, wire format and FramedContent: what is signed, before the GroupContext that some senders add.
    pub(super) content: &'a [u8],
    pub(super) signature: &'a [u8],
    /// The confirmation tag, of a commit only.
    pub(super) confirmation_tag: Option<&'a [u8]>,
    /// AuthenticatedContent: what the name of a proposal is the hash of.
    pub(super) authenticated: &'a [u8],
}

impl Frame<'_> {
    /// Whether it holds an AppDataUpdate on its own.
    pub(super) fn is_component_update(&self) -> bool {
        matches!(self.body, Body::Proposal(RawProposal::AppDataUpdate { .. }))
    }
}

/// Why a message is no frame.
#[derive(Debug)]
pub(super) enum FrameFault {
    /// Another wire format.
    WireFormat,
    Malformed(DecodeError),
}

impl From<DecodeError> for FrameFault {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// A proposal, by its octets. Of those types that are never taken, only the type is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RawProposal {
    Add { key_package: Vec<u8>, keys: AddKeys, leaf: RawLeaf },
    Update(RawLeaf),
    Remove(LeafIndex),
    ExternalInit,
    Extensions(Vec<RawExtension>),
    AppDataUpdate { component: u16, operation: ComponentOperation },
    SelfRemove,
    Refused(u16),
}

/// What a KeyPackage says beside its leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddKeys {
    pub(super) version: u16,
    pub(super) ciphersuite: u16,
    pub(super) init_key: Vec<u8>,
    /// The types of its extensions.
    pub(super) extensions: Vec<u16>,
}

/// A leaf node, with what its admission depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawLeaf {
    pub(super) encryption_key: Vec<u8>,
    pub(super) leaf: Leaf,
}

/// A commit.
#[derive(Debug)]
pub(super) struct RawCommit {
    pub(super) proposals: Vec<RawOrRef>,
    pub(super) path: Option<RawLeaf>,
}

/// A proposal of a commit.
#[derive(Debug)]
pub(super) enum RawOrRef {
    Value(Box<RawProposal>),
    Reference(Vec<u8>),
}

/// Takes apart an MLSMessage.
pub(super) fn read_frame(message: &[u8]) -> Result<Frame<'_>, FrameFault> {
    let mut reader = Reader::new(message);
    let version = reader.u16("MLSMessage.version")?;
    if version != 1 {
        return Err(Reader::new(message)
            .error("MLSMessage.version", Fault::Code(version.into()))
            .into());
    }
    if reader.u16("MLSMessage.wire_format")? != PUBLIC_MESSAGE {
        return Err(FrameFault::WireFormat);
    }
    let group_id = reader.bytes("FramedContent.group_id")?;
    let epoch = reader.u64("FramedContent.epoch")?;
    let sender = read_sender(&mut reader)?;
    let authenticated_data = reader.bytes("FramedContent.authenticated_data")?;
    let body = read_body(&mut reader)?;
    let content = message.get(..reader.offset()).unwrap_or_default();
    let signature = reader.bytes("FramedContentAuthData.signature")?;
    let confirmation_tag = match body {
        Body::Commit(_) => Some(reader.bytes("FramedContentAuthData.confirmation_tag")?),
        Body::Application | Body::Proposal(_) => None,
    };
    let authenticated = message.get(2..reader.offset()).unwrap_or_default();
    if let FrameSender::Member(_) = sender {
        reader.bytes("PublicMessage.membership_tag")?;
    }
    reader.finish()?;
    Ok(Frame {
        group_id,
        epoch,
        sender,
        authenticated_data,
        body,
        content,
        signature,
        confirmation_tag,
        authenticated,
    })
}

fn read_sender(reader: &mut Reader<'_>) -> Result<FrameSender, DecodeError> {
    let start = reader.clone();
    match reader.u8("Sender.sender_type")? {
        1 => Ok(FrameSender::Member(LeafIndex(reader.u32("Sender.leaf_index")?))),
        2 => Ok(FrameSender::External(reader.u32("Sender.sender_index")?)),
        3 => Ok(FrameSender::NewMemberProposal),
        4 => Ok(FrameSender::NewMemberCommit),
        other => Err(start.error("Sender.sender_type", Fault::Code(other.into()))),
    }
}

fn read_body(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    let start = reader.clone();
    match reader.u8("FramedContent.content_type")? {
        1 => reader.bytes("FramedContent.application_data").map(|_| Body::Application),
        2 => read_proposal(reader).map(Body::Proposal),
        3 => read_commit(reader).map(Body::Commit),
        other => Err(start.error("FramedContent.content_type", Fault::Code(other.into()))),
    }
}

fn read_commit(reader: &mut Reader<'_>) -> Result<RawCommit, DecodeError> {
    let proposals = reader.vec("Commit.proposals", |reader| {
        let start = reader.clone();
        match reader.u8("ProposalOrRef.type")? {
            1 => read_proposal(reader).map(Box::new).map(RawOrRef::Value),
            2 => Ok(RawOrRef::Reference(reader.bytes("ProposalOrRef.reference")?.to_vec())),
            other => Err(start.error("ProposalOrRef.type", Fault::Code(other.into()))),
        }
    })?;
    let path = reader.optional("Commit.path", |reader| {
        let leaf = read_leaf(reader)?;
        reader.bytes("UpdatePath.nodes")?;
        Ok(leaf)
    })?;
    Ok(RawCommit { proposals, path })
}

fn read_proposal(reader: &mut Reader<'_>) -> Result<RawProposal, DecodeError> {
    let start = reader.clone();
    Ok(match reader.u16("Proposal.proposal_type")? {
        1 => read_add(reader)?,
        2 => RawProposal::Update(read_leaf(reader)?),
        3 => RawProposal::Remove(LeafIndex(reader.u32("Remove.removed")?)),
        6 => {
            reader.bytes("ExternalInit.kem_output")?;
            RawProposal::ExternalInit
        }
        7 => RawProposal::Extensions(read_extensions(reader)?),
        8 => {
            let component = reader.u16("AppDataUpdate.component_id")?;
            let start = reader.clone();
            let operation = match reader.u8("AppDataUpdate.op")? {
                1 => ComponentOperation::Update(reader.bytes("AppDataUpdate.update")?.to_vec()),
                2 => ComponentOperation::Remove,
                other => return Err(start.error("AppDataUpdate.op", Fault::Code(other.into()))),
            };
            RawProposal::AppDataUpdate { component, operation }
        }
        10 => RawProposal::SelfRemove,
        other => {
            // Never taken, but the engine has to find its end for the error to name it.
            *reader = start;
            reader.mls::<ProposalIn>("Proposal")?;
            RawProposal::Refused(other)
        }
    })
}

fn read_add(reader: &mut Reader<'_>) -> Result<RawProposal, DecodeError> {
    let rest = reader.rest();
    let version = reader.u16("KeyPackage.version")?;
    let ciphersuite = reader.u16("KeyPackage.cipher_suite")?;
    let init_key = reader.bytes("KeyPackage.init_key")?.to_vec();
    let leaf = read_leaf(reader)?;
    let extensions = read_extensions(reader)?.into_iter().map(|(kind, _)| kind).collect();
    reader.bytes("KeyPackage.signature")?;
    let key_package = rest.get(..rest.len() - reader.rest().len()).unwrap_or_default().to_vec();
    Ok(RawProposal::Add {
        key_package,
        keys: AddKeys { version, ciphersuite, init_key, extensions },
        leaf,
    })
}

/// A leaf node, as it stands in trees, KeyPackages, Updates and paths.
pub(super) fn read_leaf(reader: &mut Reader<'_>) -> Result<RawLeaf, DecodeError> {
    let encryption_key = reader.bytes("LeafNode.encryption_key")?.to_vec();
    let signature_key = reader.bytes("LeafNode.signature_key")?.to_vec();
    let credential = read_credential(reader)?;
    let capabilities = Capabilities {
        versions: read_codes(reader)?,
        ciphersuites: read_codes(reader)?,
        extensions: read_codes(reader)?,
        proposals: read_codes(reader)?,
        credentials: read_codes(reader)?,
    };
    let start = reader.clone();
    let lifetime = match reader.u8("LeafNode.leaf_node_source")? {
        1 => Some((reader.u64("Lifetime.not_before")?, reader.u64("Lifetime.not_after")?)),
        2 => None,
        3 => reader.bytes("LeafNode.parent_hash").map(|_| None)?,
        other => return Err(start.error("LeafNode.leaf_node_source", Fault::Code(other.into()))),
    };
    let extensions = read_extensions(reader)?;
    let components = extensions
        .iter()
        .find(|(kind, _)| *kind == extension::APP_DATA_DICTIONARY)
        .map_or_else(|| Ok(Default::default()), |(_, data)| read_dictionary(data))?;
    reader.bytes("LeafNode.signature")?;
    let extensions = extensions.into_iter().map(|(kind, _)| kind).collect();
    let leaf = Leaf { credential, signature_key, components, lifetime, capabilities, extensions };
    Ok(RawLeaf { encryption_key, leaf })
}

fn read_codes(reader: &mut Reader<'_>) -> Result<Vec<u16>, DecodeError> {
    reader.vec("Capabilities", |reader| reader.u16("Capabilities"))
}

/// The name of a KeyPackage; `None` if the cryptography provider does not know the ciphersuite's hash.
pub(super) fn key_package_ref(
    crypto: &impl OpenMlsCrypto,
    ciphersuite: Ciphersuite,
    key_package: &[u8],
) -> Option<KeyPackageRef> {
    make_key_package_ref(key_package, ciphersuite, crypto)
        .ok()
        .map(|name| KeyPackageRef(name.as_slice().to_vec()))
}

/// Whether `authenticated_data` is a SafeAAD and nothing else (E-050): items in rising order, none twice.
pub(super) fn is_safe_aad(authenticated_data: &[u8]) -> bool {
    decode_exact(authenticated_data, |reader| {
        let mut items = reader.inside("SafeAAD.aad_items")?;
        let mut last = None;
        while !items.is_empty() {
            let start = items.clone();
            let component = items.u16("SafeAADItem.component_id")?;
            if last >= Some(component) {
                return Err(start.error("SafeAADItem.component_id", Fault::Order));
            }
            last = Some(component);
            items.bytes("SafeAADItem.aad_item_data")?;
        }
        Ok(())
    })
    .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::hex;

    fn proposal(text: &str) -> Result<RawProposal, DecodeError> {
        decode_exact(&hex(text), read_proposal)
    }

    /// W-51, W-52, E-020: the proposals of the MLS extensions, by hand.
    #[test]
    fn proposals_of_the_extensions() {
        let operation = ComponentOperation::Update(vec![0xA1, 0xA2]);
        let update = RawProposal::AppDataUpdate { component: 0x0023, operation };
        assert_eq!(proposal("0008 0023 01 02 a1a2"), Ok(update));
        let operation = ComponentOperation::Remove;
        let remove = RawProposal::AppDataUpdate { component: 0x0026, operation };
        assert_eq!(proposal("0008 0026 02"), Ok(remove));
        for op in ["00", "03", "ff"] {
            let error = proposal(&format!("0008 0023 {op} 00")).unwrap_err();
            assert_eq!(error.what, "AppDataUpdate.op");
        }
        assert!(proposal("0008 0026 02 00").is_err(), "a removal holds no data");
        assert_eq!(proposal("0009 0005 02 a1a2"), Ok(RawProposal::Refused(9)));
        assert_eq!(proposal("000a"), Ok(RawProposal::SelfRemove));
        assert!(proposal("000a 00").is_err());
    }
}
