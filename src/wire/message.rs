//! `MLSMessage` (RFC 9420, section 6), kept verbatim.

use std::ops::Range;

use openmls::framing::{MlsMessageIn, ProtocolMessage};
use tls_codec::Deserialize as _;

use super::{GroupInfo, KeyPackage, Welcome, protocol::Octets};
use crate::{
    codec::{Reader, Wire},
    error::{DecodeError, Fault},
};

/// `ProtocolVersion` mls10.
pub(super) const VERSION_MLS10: u16 = 1;

const PUBLIC_MESSAGE: u16 = 1;
const PRIVATE_MESSAGE: u16 = 2;
const WELCOME: u16 = 3;
const GROUP_INFO: u16 = 4;
const KEY_PACKAGE: u16 = 5;

const APPLICATION: u8 = 1;
const PROPOSAL: u8 = 2;
const COMMIT: u8 = 3;

/// Any MLSMessage that MIMI has a place for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MlsMessage {
    /// A proposal or commit in the clear.
    Public(PublicMessage),
    /// An encrypted application message.
    Private(PrivateMessage),
    /// Secrets for new members.
    Welcome(Welcome),
    /// The state that a joiner starts from.
    GroupInfo(GroupInfo),
    /// What one client offers to be added with.
    KeyPackage(KeyPackage),
}

/// Reads the version and gives the wire format.
fn read_wire_format(reader: &mut Reader<'_>) -> Result<u16, DecodeError> {
    let start = reader.clone();
    match reader.u16("MLSMessage.version")? {
        VERSION_MLS10 => reader.u16("MLSMessage.wire_format"),
        other => Err(start.error("MLSMessage.version", Fault::Code(other.into()))),
    }
}

/// Reads version and wire format, the latter being given.
fn expect_wire_format(reader: &mut Reader<'_>, expected: u16) -> Result<(), DecodeError> {
    let start = reader.clone();
    match read_wire_format(reader)? {
        found if found == expected => Ok(()),
        other => Err(start.error("MLSMessage.wire_format", Fault::Code(other.into()))),
    }
}

/// Whether octets are refused because an MLSMessage has a wire format that is unknown here, as those of
/// SemiPrivateMessage and TargetedMessage are: not malformed, but not supported.
pub(crate) fn is_unknown_wire_format(error: &DecodeError) -> bool {
    error.what == "MLSMessage.wire_format"
        && matches!(error.fault, Fault::Code(code) if code > u64::from(KEY_PACKAGE))
}

/// Writes version and wire format.
fn write_wire_format(out: &mut Vec<u8>, wire_format: u16) {
    out.extend_from_slice(&VERSION_MLS10.to_be_bytes());
    out.extend_from_slice(&wire_format.to_be_bytes());
}

/// Writes a Welcome as an MLSMessage.
pub(super) fn write_welcome(out: &mut Vec<u8>, welcome: &Welcome) {
    write_wire_format(out, WELCOME);
    welcome.write(out);
}

impl Wire for MlsMessage {
    const NAME: &'static str = "MLSMessage";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let mut body = reader.clone();
        let message = match read_wire_format(&mut body)? {
            PUBLIC_MESSAGE => return PublicMessage::read(reader).map(Self::Public),
            PRIVATE_MESSAGE => return PrivateMessage::read(reader).map(Self::Private),
            WELCOME => Self::Welcome(Welcome::read(&mut body)?),
            GROUP_INFO => Self::GroupInfo(GroupInfo::read(&mut body)?),
            KEY_PACKAGE => Self::KeyPackage(KeyPackage::read(&mut body)?),
            other => return Err(start.error("MLSMessage.wire_format", Fault::Code(other.into()))),
        };
        *reader = body;
        Ok(message)
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Public(message) => message.write(out),
            Self::Private(message) => message.write(out),
            Self::Welcome(welcome) => write_welcome(out, welcome),
            Self::GroupInfo(group_info) => {
                write_wire_format(out, GROUP_INFO);
                group_info.write(out);
            }
            Self::KeyPackage(key_package) => {
                write_wire_format(out, KEY_PACKAGE);
                key_package.write(out);
            }
        }
    }
}

/// Where an `opaque x<V>` stands, relative to `base`.
pub(super) fn span(
    reader: &mut Reader<'_>,
    base: usize,
    what: &'static str,
) -> Result<Range<usize>, DecodeError> {
    let length = reader.bytes(what)?.len();
    let end = reader.offset().saturating_sub(base);
    Ok(end.saturating_sub(length)..end)
}

/// Who sends a PublicMessage (RFC 9420, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The member at this leaf.
    Member(u32),
    /// The entry at this index of the group's `external_senders`.
    External(u32),
    /// A client that proposes to be added.
    NewMemberProposal,
    /// A client that joins by an external commit.
    NewMemberCommit,
}

/// What a PublicMessage holds. Application messages are never public (P-042).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// A proposal, to be committed by reference.
    Proposal,
    /// A commit.
    Commit,
}

/// An MLSMessage of wire format PublicMessage: a proposal or a commit.
///
/// It was read by the MLS engine, but neither its signature nor its meaning has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicMessage {
    octets: Octets,
    group_id: Range<usize>,
    epoch: u64,
    sender: Sender,
    authenticated_data: Range<usize>,
    content_type: ContentType,
}

impl PublicMessage {
    /// The whole MLSMessage, as it was received.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// The group that it claims to be for.
    #[must_use]
    pub fn group_id(&self) -> &[u8] {
        self.octets.get(self.group_id.clone()).unwrap_or_default()
    }

    /// The epoch that it was made in.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Who claims to have sent it.
    #[must_use]
    pub const fn sender(&self) -> Sender {
        self.sender
    }

    /// What is signed with it without being a part of it: Safe AAD, if the group uses that.
    #[must_use]
    pub fn authenticated_data(&self) -> &[u8] {
        self.octets.get(self.authenticated_data.clone()).unwrap_or_default()
    }

    /// What it holds.
    #[must_use]
    pub const fn content_type(&self) -> ContentType {
        self.content_type
    }

    /// The message for the MLS engine.
    #[must_use]
    pub fn to_openmls(&self) -> ProtocolMessage {
        protocol_message(&self.octets)
    }

    /// Reads one that has to be a proposal.
    pub(super) fn read_proposal(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let message = Self::read(reader)?;
        match message.content_type {
            ContentType::Proposal => Ok(message),
            ContentType::Commit => {
                Err(start.error("MLSMessage.content_type", Fault::Code(COMMIT.into())))
            }
        }
    }
}

impl Wire for PublicMessage {
    const NAME: &'static str = "PublicMessage";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let base = reader.offset();
        let mut head = reader.clone();
        expect_wire_format(&mut head, PUBLIC_MESSAGE)?;
        let group_id = span(&mut head, base, "FramedContent.group_id")?;
        let epoch = head.u64("FramedContent.epoch")?;
        let start = head.clone();
        let sender = match head.u8("Sender.sender_type")? {
            1 => Sender::Member(head.u32("Sender.leaf_index")?),
            2 => Sender::External(head.u32("Sender.sender_index")?),
            3 => Sender::NewMemberProposal,
            4 => Sender::NewMemberCommit,
            other => return Err(start.error("Sender.sender_type", Fault::Code(other.into()))),
        };
        let authenticated_data = span(&mut head, base, "FramedContent.authenticated_data")?;
        let start = head.clone();
        let content_type = match head.u8("FramedContent.content_type")? {
            PROPOSAL => ContentType::Proposal,
            COMMIT => ContentType::Commit,
            other => {
                return Err(start.error("FramedContent.content_type", Fault::Code(other.into())));
            }
        };
        let (_, octets) = reader.mls::<MlsMessageIn>(Self::NAME)?;
        let octets = octets.into();
        Ok(Self { octets, group_id, epoch, sender, authenticated_data, content_type })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets);
    }
}

/// An MLSMessage of wire format PrivateMessage that holds an application message. Handshakes are never private
/// towards the hub (P-043).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateMessage {
    octets: Octets,
    group_id: Range<usize>,
    epoch: u64,
    authenticated_data: Range<usize>,
}

impl PrivateMessage {
    /// The whole MLSMessage, as it was received.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// The group that it claims to be for.
    #[must_use]
    pub fn group_id(&self) -> &[u8] {
        self.octets.get(self.group_id.clone()).unwrap_or_default()
    }

    /// The epoch that it was made in.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What is authenticated with it in the clear: Safe AAD, which may hold a franking tag.
    #[must_use]
    pub fn authenticated_data(&self) -> &[u8] {
        self.octets.get(self.authenticated_data.clone()).unwrap_or_default()
    }

    /// The message for the MLS engine.
    #[must_use]
    pub fn to_openmls(&self) -> ProtocolMessage {
        protocol_message(&self.octets)
    }
}

impl Wire for PrivateMessage {
    const NAME: &'static str = "PrivateMessage";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let base = reader.offset();
        let (mut message, octets) = reader.verbatim(|reader| {
            expect_wire_format(reader, PRIVATE_MESSAGE)?;
            let group_id = span(reader, base, "PrivateMessage.group_id")?;
            let epoch = reader.u64("PrivateMessage.epoch")?;
            let start = reader.clone();
            match reader.u8("PrivateMessage.content_type")? {
                APPLICATION => {}
                other => {
                    return Err(
                        start.error("PrivateMessage.content_type", Fault::Code(other.into()))
                    );
                }
            }
            let authenticated_data = span(reader, base, "PrivateMessage.authenticated_data")?;
            reader.bytes("PrivateMessage.encrypted_sender_data")?;
            reader.bytes("PrivateMessage.ciphertext")?;
            let octets = Octets::from(&[][..]);
            Ok(Self { octets, group_id, epoch, authenticated_data })
        })?;
        message.octets = octets.into();
        Ok(message)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets);
    }
}

/// The engine's form of octets that it, or a walk of the same grammar, has read before.
fn protocol_message(octets: &[u8]) -> ProtocolMessage {
    MlsMessageIn::tls_deserialize_exact(octets)
        .ok()
        .and_then(|message| message.try_into_protocol_message().ok())
        .expect("these octets were read before")
}
