//! `GroupInfo` (RFC 9420, section 12.4.3), kept verbatim, whole or in part.

use std::ops::Range;

use openmls::{
    extensions::Extensions,
    messages::group_info::{GroupInfo as EngineGroupInfo, VerifiableGroupInfo},
};
use openmls_traits::types::Ciphersuite;

use super::{
    message::{VERSION_MLS10, span},
    protocol::Octets,
};
use crate::{
    codec::{Reader, Wire, decode_exact, write_bytes},
    error::{DecodeError, Fault},
};

/// `ExtensionType` ratchet_tree.
const RATCHET_TREE: u16 = 2;

/// Reads a vector of MLS extensions and says whether `ratchet_tree` is among them.
fn read_extensions(reader: &mut Reader<'_>, what: &'static str) -> Result<bool, DecodeError> {
    let mut inside = reader.inside(what)?;
    let mut has_tree = false;
    while !inside.is_empty() {
        has_tree |= inside.u16("Extension.extension_type")? == RATCHET_TREE;
        inside.bytes("Extension.extension_data")?;
    }
    Ok(has_tree)
}

/// A GroupInfo without an MLSMessage around it.
///
/// Its GroupContext, which lists all participants, was walked over and not read: the hub compares it with its own, the
/// joiner gives it to the MLS engine. Neither the signature nor the truth has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    octets: Octets,
    group_context: Range<usize>,
    group_id: Range<usize>,
    cipher_suite: Ciphersuite,
    epoch: u64,
    has_ratchet_tree: bool,
}

impl GroupInfo {
    /// The GroupInfo, as it was received.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// The GroupContext in it.
    #[must_use]
    pub fn group_context(&self) -> &[u8] {
        self.octets.get(self.group_context.clone()).unwrap_or_default()
    }

    /// The group.
    #[must_use]
    pub fn group_id(&self) -> &[u8] {
        self.octets.get(self.group_id.clone()).unwrap_or_default()
    }

    /// The cipher suite of the group.
    #[must_use]
    pub const fn cipher_suite(&self) -> Ciphersuite {
        self.cipher_suite
    }

    /// The epoch that it describes.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether it embeds the ratchet tree, which no GroupInfo in a MIMI message does (P-108).
    #[must_use]
    pub const fn has_ratchet_tree(&self) -> bool {
        self.has_ratchet_tree
    }

    /// The GroupInfo for the MLS engine, to be verified.
    ///
    /// # Errors
    /// If the engine refuses the GroupContext.
    pub fn to_openmls(&self) -> Result<VerifiableGroupInfo, DecodeError> {
        decode_exact(self.as_bytes(), |reader| reader.mls(Self::NAME)).map(|(read, _)| read)
    }

    /// Reads one that must not embed the ratchet tree.
    pub(super) fn read_without_tree(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let group_info = Self::read(reader)?;
        if group_info.has_ratchet_tree {
            let fault = Fault::Contradiction("the ratchet tree stands beside the GroupInfo");
            return Err(start.error("GroupInfo.extensions", fault));
        }
        Ok(group_info)
    }
}

impl Wire for GroupInfo {
    const NAME: &'static str = "GroupInfo";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let base = reader.offset();
        let (mut group_info, octets) = reader.verbatim(|reader| {
            let start = reader.clone();
            match reader.u16("GroupContext.version")? {
                VERSION_MLS10 => {}
                other => return Err(start.error("GroupContext.version", Fault::Code(other.into()))),
            }
            let start = reader.clone();
            let suite = reader.u16("GroupContext.cipher_suite")?;
            let cipher_suite = Ciphersuite::try_from(suite)
                .map_err(|_| start.error("GroupContext.cipher_suite", Fault::Code(suite.into())))?;
            let group_id = span(reader, base, "GroupContext.group_id")?;
            let epoch = reader.u64("GroupContext.epoch")?;
            reader.bytes("GroupContext.tree_hash")?;
            reader.bytes("GroupContext.confirmed_transcript_hash")?;
            read_extensions(reader, "GroupContext.extensions")?;
            let group_context = 0..reader.offset().saturating_sub(base);
            // With those of its own that the engine refuses, the GroupInfo would let nobody in.
            let has_ratchet_tree = read_extensions(&mut reader.clone(), "GroupInfo.extensions")?;
            reader.mls::<Extensions<EngineGroupInfo>>("GroupInfo.extensions")?;
            reader.bytes("GroupInfo.confirmation_tag")?;
            reader.u32("GroupInfo.signer")?;
            reader.bytes("GroupInfo.signature")?;
            let octets = Octets::from(&[][..]);
            Ok(Self { octets, group_context, group_id, cipher_suite, epoch, has_ratchet_tree })
        })?;
        group_info.octets = octets.into();
        Ok(group_info)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets);
    }
}

/// How the `ratchet_tree` extension of a GroupInfo compares with the epoch before (T-009). In MIMI no GroupInfo
/// embeds the tree, so all but `None` are for the hub to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RatchetTreePresence {
    /// Neither this GroupInfo nor the one before has it.
    None,
    /// Both have it.
    Present,
    /// The one before has it.
    Removed,
    /// This one has it.
    Added,
}

/// The parts of a GroupInfo that the hub cannot derive from the commit (T-008).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialGroupInfo {
    /// Whether the ratchet tree comes or goes.
    pub ratchet_tree: RatchetTreePresence,
    extensions: Octets,
    /// The signature of the whole GroupInfo.
    pub signature: Vec<u8>,
}

impl PartialGroupInfo {
    /// Its parts; `extensions` is the vector with its length, as in the GroupInfo.
    ///
    /// # Errors
    /// If `extensions` is no vector of extensions, or `ratchet_tree` is among them.
    pub fn new(
        ratchet_tree: RatchetTreePresence,
        extensions: &[u8],
        signature: Vec<u8>,
    ) -> Result<Self, DecodeError> {
        decode_exact(extensions, Self::read_extensions)?;
        Ok(Self { ratchet_tree, extensions: extensions.into(), signature })
    }

    /// The extensions of the GroupInfo without `ratchet_tree`: the vector with its length, as it was received.
    #[must_use]
    pub fn extensions(&self) -> &[u8] {
        &self.extensions
    }

    fn read_extensions(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let start = reader.clone();
        if read_extensions(reader, "PartialGroupInfo.group_info_extensions")? {
            let fault = Fault::Contradiction("the ratchet tree stands beside the GroupInfo");
            return Err(start.error("PartialGroupInfo.group_info_extensions", fault));
        }
        Ok(())
    }
}

impl Wire for PartialGroupInfo {
    const NAME: &'static str = "PartialGroupInfo";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let ratchet_tree = match reader.u8("PartialGroupInfo.ratchet_tree_presence")? {
            0 => RatchetTreePresence::None,
            1 => RatchetTreePresence::Present,
            2 => RatchetTreePresence::Removed,
            3 => RatchetTreePresence::Added,
            other => {
                let what = "PartialGroupInfo.ratchet_tree_presence";
                return Err(start.error(what, Fault::Code(other.into())));
            }
        };
        let ((), extensions) = reader.verbatim(Self::read_extensions)?;
        let signature = reader.bytes("PartialGroupInfo.signature")?.to_vec();
        Ok(Self { ratchet_tree, extensions: extensions.into(), signature })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self.ratchet_tree {
            RatchetTreePresence::None => 0,
            RatchetTreePresence::Present => 1,
            RatchetTreePresence::Removed => 2,
            RatchetTreePresence::Added => 3,
        });
        out.extend_from_slice(&self.extensions);
        write_bytes(out, &self.signature);
    }
}

/// The GroupInfo that comes with a commit (P-110).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupInfoOption {
    /// The whole of it.
    Full(GroupInfo),
    /// The parts that the hub cannot derive.
    Partial(PartialGroupInfo),
}

impl Wire for GroupInfoOption {
    const NAME: &'static str = "GroupInfoOption";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        match reader.u8("GroupInfoOption.representation")? {
            1 => GroupInfo::read_without_tree(reader).map(Self::Full),
            2 => PartialGroupInfo::read(reader).map(Self::Partial),
            other => Err(start.error("GroupInfoOption.representation", Fault::Code(other.into()))),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Full(group_info) => {
                out.push(1);
                group_info.write(out);
            }
            Self::Partial(partial) => {
                out.push(2);
                partial.write(out);
            }
        }
    }
}
