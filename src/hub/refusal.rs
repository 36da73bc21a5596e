//! What the hub refuses, and what it answers then. Nothing has changed.

use thiserror::Error;

use super::{codes::CodeFault, proposed::Nobody};
use crate::{
    delivery::{CommitRefusal, KeyPackageRef, ProposalRef, ProposalRefusal},
    error::{DecodeError, Misuse},
    machine::Revision,
    policy::{Denied, Outside},
    provider::Unfit,
    room::ComponentId,
    wire::{
        self, ErrorDescription, GroupInfoAnswer, GroupInfoResponse, SubmitMessageResponse,
        UpdateOutcome, UpdateRoomResponse,
    },
};

/// A refusal, and the revision of the room that it was judged at. Where others may own the room, compare it with the
/// store's before answering.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct Refusal<R> {
    /// Why.
    pub reason: R,
    /// What the verdict rests on.
    pub judged_at: Revision,
}

/// What goes back to whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<R> {
    /// A response of the endpoint, with HTTP status 200.
    Response(R),
    /// No response, only an HTTP status.
    Status(u16),
    /// HTTP status 429: too much has been asked (D-96).
    Later {
        /// Milliseconds for `Retry-After`.
        retry_after: u64,
    },
}

/// Why an update is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UpdateRefusal {
    /// The body is longer than the limit.
    #[error("the body has more than {0} octets")]
    TooLarge(usize),
    /// The body does not decode.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Too many requests of this user, or of this peer (D-96).
    #[error("too many requests")]
    TooMany {
        /// Milliseconds until they may ask again.
        retry_after: u64,
    },
    /// The commit or the proposals are made for another epoch (P-113).
    #[error("the room is in epoch {current}")]
    WrongEpoch {
        /// The epoch the room is in.
        current: u64,
    },
    /// Whoever asks is not the provider, or the client, of whoever signed (D-23).
    #[error("signed by a user of another provider or client")]
    Peer,
    /// The proposer or committer has been removed or banned (P-105, P-106).
    #[error("the user has been removed or banned")]
    Blocked,
    /// A leaf or a sender is nobody that the room knows.
    #[error(transparent)]
    Nobody(#[from] Nobody),
    /// An external commit by somebody who was not given the GroupInfo (P-182).
    #[error("the joiner did not ask for the GroupInfo")]
    UnknownJoiner,
    /// The policy says no.
    #[error("{denied}")]
    Denied {
        /// What it says.
        denied: Box<Denied>,
        /// The proposal concerned, if it has a name.
        proposal: Option<ProposalRef>,
    },
    /// The delivery service refuses the proposals.
    #[error(transparent)]
    Proposals(ProposalRefusal),
    /// The delivery service refuses the commit.
    #[error(transparent)]
    Commit(CommitRefusal),
    /// A component would become larger than it may, or all together would (D-55).
    #[error("{0} would become too large")]
    ComponentTooLarge(ComponentId),
    /// The ratchet tree with the commit is at an address that the group does not allow (T-006).
    #[error("the ratchet tree is not to be had from there")]
    TreeSource,
    /// It adds a client from a KeyPackage that was claimed for another room.
    #[error("a KeyPackage was claimed for another room")]
    ClaimedElsewhere(KeyPackageRef),
    /// A removal or a ban waits that the hub could not issue again after an external commit.
    #[error("a removal waits that an external commit would undo")]
    RemovalWaits,
    /// The joining code that the joiner was given the GroupInfo for is no longer good. It has proved to know it, so it
    /// is told why.
    #[error(transparent)]
    Code(CodeFault),
    /// The hub's operator does not let a room be like this.
    #[error(transparent)]
    Outside(Outside),
    /// The room depends on another one, and nobody has told its hub who is in that: see
    /// [`Room::know_parent`](super::Room::know_parent).
    #[error("the participants of the parent room are not at hand")]
    Parent,
    /// The room is no more.
    #[error("the room is no more")]
    Ended,
    /// A key of the hub is missing, or its cryptography fails.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

fn refs(refs: impl IntoIterator<Item = ProposalRef>) -> Vec<wire::ProposalRef> {
    refs.into_iter().map(|reference| wire::ProposalRef::from(reference.0.as_slice())).collect()
}

impl UpdateRefusal {
    /// What to answer (P-113 … P-115, Q-04, Q-17).
    #[must_use]
    pub fn answer(&self) -> Answer<UpdateRoomResponse> {
        let invalid = |names: Vec<ProposalRef>| UpdateOutcome::InvalidProposal(refs(names));
        let outcome = match self {
            Self::TooLarge(_) => return Answer::Status(413),
            // whoever sends SemiPrivateMessages is told that the hub takes none.
            Self::Malformed(error) if wire::is_unknown_wire_format(error) => {
                UpdateOutcome::NotAllowed
            }
            Self::Malformed(_) => return Answer::Status(400),
            Self::Misuse(_) => return Answer::Status(500),
            Self::TooMany { retry_after } => return Answer::Later { retry_after: *retry_after },
            Self::WrongEpoch { current } => UpdateOutcome::WrongEpoch { current_epoch: *current },
            Self::Denied { denied, proposal } if denied.is_invalid() => {
                invalid(proposal.iter().cloned().collect())
            }
            Self::Proposals(refusal) => match refusal {
                ProposalRefusal::WrongEpoch { current } => {
                    UpdateOutcome::WrongEpoch { current_epoch: *current }
                }
                ProposalRefusal::Empty | ProposalRefusal::TooMany { .. } => {
                    UpdateOutcome::NotAllowed
                }
                ProposalRefusal::Refused(refused)
                    if refused.iter().all(|it| it.fault.is_conflict()) =>
                {
                    UpdateOutcome::NotAllowed
                }
                ProposalRefusal::Refused(refused) => {
                    invalid(refused.iter().filter_map(|it| it.reference.clone()).collect())
                }
            },
            Self::Commit(refusal) => match refusal {
                CommitRefusal::WrongEpoch { current } => {
                    UpdateOutcome::WrongEpoch { current_epoch: *current }
                }
                CommitRefusal::Malformed(_) => return Answer::Status(400),
                CommitRefusal::UnknownReference(names) => invalid(names.clone()),
                CommitRefusal::Proposal { reference, .. } => {
                    invalid(reference.iter().cloned().collect())
                }
                CommitRefusal::Components(_) | CommitRefusal::External(_) => invalid(Vec::new()),
                CommitRefusal::WireFormat
                | CommitRefusal::ContentType
                | CommitRefusal::WrongGroup
                | CommitRefusal::Sender
                | CommitRefusal::Signature
                | CommitRefusal::SafeAad
                | CommitRefusal::Missing(_)
                | CommitRefusal::NoPath
                | CommitRefusal::Unsupported { .. }
                | CommitRefusal::Path(_)
                | CommitRefusal::Welcome(_)
                | CommitRefusal::GroupInfo(_)
                | CommitRefusal::Tree
                | CommitRefusal::Engine => UpdateOutcome::NotAllowed,
            },
            Self::Peer
            | Self::Blocked
            | Self::Nobody(_)
            | Self::UnknownJoiner
            | Self::ClaimedElsewhere(_)
            | Self::ComponentTooLarge(_)
            | Self::TreeSource
            | Self::Denied { .. }
            | Self::RemovalWaits
            | Self::Code(_)
            | Self::Outside(_)
            | Self::Parent
            | Self::Ended => UpdateOutcome::NotAllowed,
        };
        Answer::Response(UpdateRoomResponse { error_description: self.description(), outcome })
    }

    /// The names of what a commit left out stand in the description, for whoever can read it (D-83).
    fn description(&self) -> ErrorDescription {
        let mut text = self.to_string();
        if let Self::Commit(CommitRefusal::Missing(names)) = self {
            for name in names {
                text.push(' ');
                text.extend(name.0.iter().map(|octet| format!("{octet:02x}")));
            }
        }
        ErrorDescription::shortened(&text)
    }
}

impl From<ProposalRefusal> for UpdateRefusal {
    fn from(refusal: ProposalRefusal) -> Self {
        match refusal {
            ProposalRefusal::WrongEpoch { current } => Self::WrongEpoch { current },
            other @ (ProposalRefusal::Empty
            | ProposalRefusal::TooMany { .. }
            | ProposalRefusal::Refused(_)) => Self::Proposals(other),
        }
    }
}

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubmitRefusal {
    /// The body is longer than the limit.
    #[error("the body has more than {0} octets")]
    TooLarge(usize),
    /// The body does not decode, or the message is no application message (P-120).
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Whoever asks is not the provider, or the client, of the sender it names (D-23).
    #[error("the sender is a user of another provider or client")]
    Peer,
    /// Too many requests of this user, or of this peer (D-96).
    #[error("too many requests")]
    TooMany {
        /// Milliseconds until they may ask again.
        retry_after: u64,
    },
    /// The message is for another group.
    #[error("made for another group")]
    WrongGroup,
    /// The epoch is older than the room accepts (P-124, Q-111).
    #[error("the room is in epoch {current}")]
    EpochTooOld {
        /// The epoch the room is in.
        current: u64,
    },
    /// The epoch is yet to come (P-125).
    #[error("made for an epoch that is yet to come")]
    EpochTooNew,
    /// The sender is not an active participant who may send (P-015, P-121).
    #[error("the user is not an active participant who may send")]
    Denied,
    /// The sender has been removed or banned (P-104).
    #[error("the user has been removed or banned")]
    Blocked,
    /// Somebody else has submitted the same ciphertext.
    #[error("the same message has been submitted under another name")]
    Resubmitted,
    /// Another message has the ID that stands in the clear with this one (S-40, MA-003).
    #[error("another message has the same ID")]
    DuplicateId,
    /// The authenticated data is not Safe AAD, which the group requires (E-050, Q-59), or the franking tag or the message
    /// ID in it is none.
    #[error("the authenticated data is not Safe AAD")]
    SafeAad,
    /// The room is no more.
    #[error("the room is no more")]
    Ended,
    /// A key of the hub is missing, or its cryptography fails.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl SubmitRefusal {
    /// What to answer (P-124, P-125, Q-04).
    #[must_use]
    pub fn answer(&self) -> Answer<SubmitMessageResponse> {
        match self {
            Self::TooLarge(_) => Answer::Status(413),
            Self::Malformed(_) => Answer::Status(400),
            Self::Misuse(_) => Answer::Status(500),
            Self::TooMany { retry_after } => Answer::Later { retry_after: *retry_after },
            Self::EpochTooOld { current } => {
                Answer::Response(SubmitMessageResponse::EpochTooOld { current_epoch: *current })
            }
            Self::Peer
            | Self::WrongGroup
            | Self::EpochTooNew
            | Self::Denied
            | Self::Blocked
            | Self::Resubmitted
            | Self::DuplicateId
            | Self::SafeAad
            | Self::Ended => Answer::Response(SubmitMessageResponse::NotAllowed),
        }
    }
}

/// Why the GroupInfo is not given out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GroupInfoRefusal {
    /// The body is longer than the limit.
    #[error("the body has more than {0} octets")]
    TooLarge(usize),
    /// The body does not decode.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Too many requests of this user, or of this peer (D-96).
    #[error("too many requests")]
    TooMany {
        /// Milliseconds until they may ask again.
        retry_after: u64,
    },
    /// The same request was answered some time ago: somebody has kept it (Q-31, D-24).
    #[error("the request has been answered before")]
    Replayed,
    /// The ciphersuite is not one of this hub's (P-184).
    #[error("the ciphersuite is not supported")]
    Ciphersuite,
    /// The signature is not that of the key in the request (P-185).
    #[error("the signature does not verify")]
    Signature,
    /// Whoever asks is not the provider, or the client, of the user in the credential.
    #[error("the user is of another provider or client")]
    Peer,
    /// The credential names nobody.
    #[error(transparent)]
    Nobody(#[from] Nobody),
    /// The joining code is not good, and nothing else lets the user join (P-183).
    #[error(transparent)]
    Code(CodeFault),
    /// The room keeps as many joining codes as it may.
    #[error("the room keeps {0} joining codes already")]
    Codes(usize),
    /// The room is no more.
    #[error("the room is no more")]
    Ended,
    /// The policy does not let this user join (P-023).
    #[error("the user may not join")]
    NotAuthorized,
    /// The user has been removed or banned.
    #[error("the user has been removed or banned")]
    Blocked,
    /// Nothing can be sealed to the key in the request.
    #[error("the public key in the request is not one of its ciphersuite")]
    Key,
    /// A key of the hub is missing, or its cryptography fails.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl GroupInfoRefusal {
    /// What to answer (P-188, Q-04): whoever may not know gets `notAuthorized`, whatever the reason.
    #[must_use]
    pub fn answer(&self, room: &crate::uri::RoomUri) -> Answer<GroupInfoResponse> {
        match self {
            Self::TooLarge(_) => Answer::Status(413),
            Self::Malformed(_) => Answer::Status(400),
            Self::Misuse(_) => Answer::Status(500),
            Self::TooMany { retry_after } => Answer::Later { retry_after: *retry_after },
            Self::Ciphersuite
            | Self::Replayed
            | Self::Signature
            | Self::Peer
            | Self::Nobody(_)
            | Self::NotAuthorized
            | Self::Code(_)
            | Self::Codes(_)
            | Self::Ended
            | Self::Blocked
            | Self::Key => Answer::Response(GroupInfoResponse {
                room: room.clone(),
                answer: GroupInfoAnswer::NotAuthorized,
            }),
        }
    }
}

/// Why a response with key material is not passed on (D-25, D-26).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeysClaimedRefusal {
    /// The user is of another provider.
    #[error("the user is of another provider")]
    Peer,
    /// The request names another room, or none (P-074).
    #[error("asked for another room, or for none")]
    Room,
    /// The room is no more.
    #[error("the room is no more")]
    Ended,
    /// Whoever asks is no participant.
    #[error("whoever asks is not a participant")]
    NotAParticipant,
    /// A KeyPackage in it has been handed out before.
    #[error("a KeyPackage in it has been handed out before")]
    Repeated,
    /// A KeyPackage in it is not one of that user's, valid now.
    #[error("a KeyPackage in it is not a valid one of that user: {0}")]
    KeyPackage(#[from] Unfit),
    /// The room remembers as many KeyPackages as it may.
    #[error("more than {0} KeyPackages are outstanding")]
    TooMany(usize),
}
