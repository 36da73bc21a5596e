//! Parameters of MLS itself (room-policy, section 7).

use super::{Component, MediaType, write_bool, write_u32, write_u64};
use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    room::ComponentId,
};

/// `mls_public_message` (RFC 9420, section 17.2).
const PUBLIC_MESSAGE: u16 = 1;

/// What leaves and handshakes may or must use (R-160 … R-162): code points of MLS by registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtendedCapabilities {
    /// Protocol versions.
    pub versions: Vec<u16>,
    /// Cipher suites.
    pub cipher_suites: Vec<u16>,
    /// Extension types.
    pub extensions: Vec<u16>,
    /// Proposal types.
    pub proposals: Vec<u16>,
    /// Credential types.
    pub credentials: Vec<u16>,
    /// Wire formats; on the wire a vector of vectors.
    pub wire_formats: Vec<Vec<u16>>,
    /// Application components.
    pub component_ids: Vec<u16>,
    /// Items of Safe AAD.
    pub safe_aad_types: Vec<u16>,
    /// Media types of content.
    pub media_types: Vec<MediaType>,
    /// Content types of messages.
    pub content_types: Vec<u8>,
}

impl ExtendedCapabilities {
    /// Whether nothing is in both, nor a media type here of a kind there.
    pub(crate) fn is_disjoint(&self, other: &Self) -> bool {
        let lists = |it: &Self| -> [Vec<u16>; 8] {
            [
                it.versions.clone(),
                it.cipher_suites.clone(),
                it.extensions.clone(),
                it.proposals.clone(),
                it.credentials.clone(),
                it.wire_formats.concat(),
                it.component_ids.clone(),
                it.safe_aad_types.clone(),
            ]
        };
        let codes = lists(self)
            .iter()
            .zip(lists(other))
            .all(|(these, those)| !these.iter().any(|code| those.contains(code)));
        codes
            && !other
                .media_types
                .iter()
                .any(|it| self.media_types.iter().any(|ours| it.matches(ours)))
            && !self.content_types.iter().any(|it| other.content_types.contains(it))
    }
}

/// When members commit what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PendingProposalPolicy {
    /// When they like.
    #[default]
    Unspecified,
    /// At once.
    ImmediateCommit,
    /// After a random time.
    RandomDelay {
        /// Milliseconds at least.
        minimum: u64,
        /// Milliseconds at most.
        maximum: u64,
    },
}

/// Three durations, in the unit that the client's clock keeps: seconds. 0 is "not set".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MinDefaultMax {
    /// At least.
    pub minimum: u64,
    /// If nothing speaks for another.
    pub default: u64,
    /// At most.
    pub maximum: u64,
}

/// How application messages are taken (R-168 … R-170). 0 is "not set".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppMessagePolicy {
    /// Past epochs whose messages are still taken.
    pub epoch_tolerance: u8,
    /// Messages are padded to a multiple of so many octets.
    pub pad_to_size: u16,
    /// Generations that a ratchet moves ahead for one message.
    pub max_generations_skipahead: u32,
}

/// The component `mls_operational_policy`. A duration or number of 0 is "not set".
///
/// Hub and clients judge whether something may come from outside, what every leaf has to support and
/// nobody may use, and how long a KeyPackage may be valid that a client is added from; and they
/// keep to the epochs, the padding and the ratchets of [`AppMessagePolicy`] (R-168 … R-170).
///
/// To support something is not to use it: what is forbidden may be listed in a leaf's capabilities, and may not be held
/// in a leaf or KeyPackage, proposed, said in a message or put beside it, or be of the group itself. A change of these parameters that
/// the group or somebody in it does not fit is refused; an Add or Update that waits and does not fit it lapses.
///
/// The rest is a matter of when, which an app or a provider decides that has a clock:
///
/// | parameter | whose duty |
/// | --- | --- |
/// | [`default_capabilities`](Self::default_capabilities) | who makes KeyPackages and leaves uses them, if nothing speaks for others (R-161) |
/// | [`pending_proposal_policy`](Self::pending_proposal_policy) | the app calls [`commit_pending`](crate::client::Room::commit_pending) at once, or after a delay that it draws (R-166) |
/// | [`leaf_node_update_time`](Self::leaf_node_update_time) | the app calls [`update_self`](crate::client::Room::update_self) between the two times; who is overdue may be removed by whoever may kick (R-167) |
/// | [`max_credential_lifetime`](Self::max_credential_lifetime) | who vouches for credentials that end gives none that last longer; basic credentials do not end (R-172) |
/// | [`sender_nonce_keypair_lifetime`](Self::sender_nonce_keypair_lifetime), [`max_keypairs`](Self::max_keypairs) | the app joins again from outside, or deletes the room, when it has been away for longer: the keys of an epoch go with its records (R-174) |
/// | [`buffer_incoming_message_time`](Self::buffer_incoming_message_time), [`max_buffered_messages`](Self::max_buffered_messages) | a client keeps nothing that is early; its provider does, within its own [`Limits`](crate::env::Limits), which have to be no larger (R-175) |
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationalParameters {
    /// What every leaf supports.
    pub mandatory_capabilities: ExtendedCapabilities,
    /// What is used if nothing speaks for something else.
    pub default_capabilities: ExtendedCapabilities,
    /// What nobody uses; nothing that is mandatory.
    pub forbidden_capabilities: ExtendedCapabilities,
    /// Wire formats of handshakes; none named is any. PublicMessage has to be among them: it is the only one that MLS
    /// has for those who are not members, and the only one that hubs can judge here.
    pub handshake_formats: Vec<Vec<u16>>,
    /// Servers and others from outside may propose.
    pub external_proposal_allowed: bool,
    /// Clients may join by external commit.
    pub external_commit_allowed: bool,
    /// When members commit what waits.
    pub pending_proposal_policy: PendingProposalPolicy,
    /// Seconds between renewals of a leaf.
    pub leaf_node_update_time: MinDefaultMax,
    /// How application messages are taken.
    pub app_message_policy: AppMessagePolicy,
    /// Seconds for which a KeyPackage may be valid.
    pub max_kp_lifetime: u64,
    /// Seconds for which a credential may be valid.
    pub max_credential_lifetime: u64,
    /// Seconds for which resumption secrets are kept.
    pub resumption_psk_lifetime: u64,
    /// Seconds for which unused keys of a sender are kept.
    pub sender_nonce_keypair_lifetime: MinDefaultMax,
    /// Unused keys that are kept.
    pub max_keypairs: u32,
    /// Seconds for which early messages are kept.
    pub buffer_incoming_message_time: MinDefaultMax,
    /// Early messages that are kept.
    pub max_buffered_messages: u32,
}

impl Default for OperationalParameters {
    /// Nothing set, nothing forbidden: as if the component were not there.
    fn default() -> Self {
        Self {
            mandatory_capabilities: ExtendedCapabilities::default(),
            default_capabilities: ExtendedCapabilities::default(),
            forbidden_capabilities: ExtendedCapabilities::default(),
            handshake_formats: Vec::new(),
            external_proposal_allowed: true,
            external_commit_allowed: true,
            pending_proposal_policy: PendingProposalPolicy::default(),
            leaf_node_update_time: MinDefaultMax::default(),
            app_message_policy: AppMessagePolicy::default(),
            max_kp_lifetime: 0,
            max_credential_lifetime: 0,
            resumption_psk_lifetime: 0,
            sender_nonce_keypair_lifetime: MinDefaultMax::default(),
            max_keypairs: 0,
            buffer_incoming_message_time: MinDefaultMax::default(),
            max_buffered_messages: 0,
        }
    }
}

impl Component for OperationalParameters {
    const ID: ComponentId = ComponentId::MLS_OPERATIONAL_POLICY;
}

fn write_codes(out: &mut Vec<u8>, codes: &[u16]) {
    codec::write_vec(out, codes, |code, out| out.extend_from_slice(&code.to_be_bytes()));
}

fn read_formats(reader: &mut Reader<'_>, what: &'static str) -> Result<Vec<Vec<u16>>, DecodeError> {
    reader.vec(what, |reader| reader.codes(what))
}

fn write_formats(out: &mut Vec<u8>, formats: &[Vec<u16>]) {
    codec::write_vec(out, formats, |formats, out| write_codes(out, formats));
}

impl Wire for ExtendedCapabilities {
    const NAME: &'static str = "ExtendedCapabilities";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            versions: reader.codes("versions")?,
            cipher_suites: reader.codes("cipher_suites")?,
            extensions: reader.codes("extensions")?,
            proposals: reader.codes("proposals")?,
            credentials: reader.codes("credentials")?,
            wire_formats: read_formats(reader, "wire_formats")?,
            component_ids: reader.codes("component_ids")?,
            safe_aad_types: reader.codes("safe_aad_types")?,
            media_types: reader.vec("media_types", MediaType::read)?,
            content_types: reader.bytes("content_types")?.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        for codes in [
            &self.versions,
            &self.cipher_suites,
            &self.extensions,
            &self.proposals,
            &self.credentials,
        ] {
            write_codes(out, codes);
        }
        write_formats(out, &self.wire_formats);
        write_codes(out, &self.component_ids);
        write_codes(out, &self.safe_aad_types);
        codec::write_vec(out, &self.media_types, MediaType::write);
        codec::write_bytes(out, &self.content_types);
    }
}

impl Wire for PendingProposalPolicy {
    const NAME: &'static str = "PendingProposalPolicy";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        match reader.u8("pending_proposal_strategy")? {
            0 => Ok(Self::Unspecified),
            1 => Ok(Self::ImmediateCommit),
            2 => {
                let start = reader.clone();
                let minimum = reader.u64("minimum_delay_ms")?;
                let maximum = reader.u64("maximum_delay_ms")?;
                if minimum > maximum {
                    return Err(start.error(Self::NAME, Fault::Contradiction("minimum, maximum")));
                }
                Ok(Self::RandomDelay { minimum, maximum })
            }
            other => Err(start.error("pending_proposal_strategy", Fault::Code(other.into()))),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Unspecified => out.push(0),
            Self::ImmediateCommit => out.push(1),
            Self::RandomDelay { minimum, maximum } => {
                out.push(2);
                write_u64(out, minimum);
                write_u64(out, maximum);
            }
        }
    }
}

impl Wire for MinDefaultMax {
    const NAME: &'static str = "MinDefaultMaxTime";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let times = Self {
            minimum: reader.u64("minimum_time")?,
            default: reader.u64("default_time")?,
            maximum: reader.u64("maximum_time")?,
        };
        // 0 is "not set", so only those that are set are in order.
        let set: Vec<_> = [times.minimum, times.default, times.maximum]
            .into_iter()
            .filter(|&time| time != 0)
            .collect();
        if set.is_sorted() {
            return Ok(times);
        }
        Err(start.error(Self::NAME, Fault::Contradiction("minimum, default, maximum")))
    }

    fn write(&self, out: &mut Vec<u8>) {
        for time in [self.minimum, self.default, self.maximum] {
            write_u64(out, time);
        }
    }
}

impl Wire for OperationalParameters {
    const NAME: &'static str = "OperationalParameters";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let parameters = Self {
            mandatory_capabilities: Wire::read(reader)?,
            default_capabilities: Wire::read(reader)?,
            forbidden_capabilities: Wire::read(reader)?,
            handshake_formats: {
                let start = reader.clone();
                let formats = read_formats(reader, "handshake_formats")?;
                // Nobody here could change or join such a room.
                if !formats.is_empty() && !formats.iter().any(|it| it.contains(&PUBLIC_MESSAGE)) {
                    let fault = Fault::Contradiction("handshakes are public messages");
                    return Err(start.error("handshake_formats", fault));
                }
                formats
            },
            external_proposal_allowed: reader.bool("external_proposal_allowed")?,
            external_commit_allowed: reader.bool("external_commit_allowed")?,
            pending_proposal_policy: Wire::read(reader)?,
            leaf_node_update_time: Wire::read(reader)?,
            app_message_policy: AppMessagePolicy {
                epoch_tolerance: reader.u8("epoch_tolerance")?,
                pad_to_size: reader.u16("pad_to_size")?,
                max_generations_skipahead: reader.u32("max_generations_skipahead")?,
            },
            max_kp_lifetime: reader.u64("max_kp_lifetime")?,
            max_credential_lifetime: reader.u64("max_credential_lifetime")?,
            resumption_psk_lifetime: reader.u64("resumption_psk_lifetime")?,
            sender_nonce_keypair_lifetime: Wire::read(reader)?,
            max_keypairs: reader.u32("max_keypairs")?,
            buffer_incoming_message_time: Wire::read(reader)?,
            max_buffered_messages: reader.u32("max_buffered_messages")?,
        };
        if parameters.mandatory_capabilities.is_disjoint(&parameters.forbidden_capabilities) {
            return Ok(parameters);
        }
        let fault = Fault::Contradiction("something is mandatory and forbidden");
        Err(start.error("forbidden_capabilities", fault))
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.mandatory_capabilities.write(out);
        self.default_capabilities.write(out);
        self.forbidden_capabilities.write(out);
        write_formats(out, &self.handshake_formats);
        write_bool(out, self.external_proposal_allowed);
        write_bool(out, self.external_commit_allowed);
        self.pending_proposal_policy.write(out);
        self.leaf_node_update_time.write(out);
        out.push(self.app_message_policy.epoch_tolerance);
        out.extend_from_slice(&self.app_message_policy.pad_to_size.to_be_bytes());
        write_u32(out, self.app_message_policy.max_generations_skipahead);
        write_u64(out, self.max_kp_lifetime);
        write_u64(out, self.max_credential_lifetime);
        write_u64(out, self.resumption_psk_lifetime);
        self.sender_nonce_keypair_lifetime.write(out);
        write_u32(out, self.max_keypairs);
        self.buffer_incoming_message_time.write(out);
        write_u32(out, self.max_buffered_messages);
    }
}
