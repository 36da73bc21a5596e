//! Why a call changed nothing.

use thiserror::Error;

#[cfg(doc)]
use super::Room;
use super::member::MemberError;
use crate::{
    error::{DecodeError, Misuse},
    policy::Denied,
    room::StateError,
};

/// Why a call changed nothing. Whose fault it is, is in the variant.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Our caller's.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// The sender's or the hub's: the octets are not what they should be.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The sender's or the hub's: MLS does not let it in.
    #[error("MLS: {0}")]
    Mls(&'static str),
    /// Nobody's: the message belongs to a later epoch. Give the room what comes before it first.
    #[error("this belongs to epoch {found}, the room is in {current}")]
    Early {
        /// The epoch of the message.
        found: u64,
        /// The epoch of the room.
        current: u64,
    },
    /// Nobody's: the message belongs to an epoch so far ahead that catching up makes no sense
    /// ([`Limits::behind`](crate::env::Limits::behind)). Join again from outside: [`Room::rejoin`].
    #[error("this belongs to epoch {found}, too far ahead of epoch {current}")]
    Behind {
        /// The epoch of the message.
        found: u64,
        /// The epoch of the room.
        current: u64,
    },
    /// Nobody's: the commit is of proposals that have not come. Give the room those first (P-045); if they cannot be
    /// had, join again from outside: [`Room::rejoin`].
    #[error("the commit is of proposals that have not come")]
    Unseen,
    /// Nobody's: proposals wait, and MLS wants them committed before anybody speaks (RFC 9420, section 12.4). Call
    /// [`Room::commit_pending`](super::Room::commit_pending) first.
    #[error("proposals wait for a commit")]
    CommitFirst,
    /// Nobody's: an own commit waits for the hub's answer.
    #[error("a commit of our own waits for the hub")]
    Busy,
    /// Nobody's: a removal of this very client waits, which somebody else has to commit (RFC 9420, section 12.4).
    #[error("a removal of this client waits for a commit of somebody else")]
    Going,
    /// The room policy does not allow what our caller wants, or what a peer did.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The policy does not let this user send messages.
    #[error("this user may not send messages here")]
    MaySpeak,
    /// The hub's: what it hands out is not the room that it should be (D-06).
    #[error("not the room it should be: {0}")]
    Impostor(Impostor),
    /// Nobody's: the tree has to be fetched first, from this URL.
    #[error("the ratchet tree has to be fetched")]
    TreeElsewhere(String),
    /// The hub's: it does not give the GroupInfo. The room is closed to this user, or there is none (P-188).
    #[error("the hub does not give the GroupInfo")]
    Withheld,
    /// Nobody's: the group is of another ciphersuite than the request. Ask again with this one.
    #[error("the group is of ciphersuite {0}: ask again with it")]
    OtherSuite(u16),
    /// The client has left the room, was removed, or found it forked.
    #[error("the room is closed for this client")]
    Closed,
    /// The room's records do not load any more. Restore it from the store, or join again.
    #[error("the room's records do not load")]
    Poisoned,
}

/// How a group differs from the room that was asked for (D-06, Q-32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Impostor {
    /// The answer is for another room.
    #[error("the answer is for another room")]
    Room,
    /// The group ID is not that of the room, or of the group that the client was in.
    #[error("the group is not the room's")]
    Group,
    /// The answer is of an epoch that the client has left.
    #[error("the answer is older than what is known of the room")]
    Stale,
    /// The answer is signed by another provider than the room's.
    #[error("signed by another provider")]
    Provider,
    /// The signature of the answer is wrong.
    #[error("the signature does not verify")]
    Signature,
    /// The signer is no external sender of the group.
    #[error("the hub is no external sender of the group")]
    Sender,
    /// The metadata names another room.
    #[error("the metadata names another room")]
    Metadata,
    /// The components are not those of a room.
    #[error("the components are not those of a room")]
    Components,
    /// Clients of users who are not participants are in the group (P-004, D-08).
    #[error("clients of non-participants are members")]
    Strangers,
    /// A leaf holds no user URI.
    #[error("a leaf holds no user URI")]
    Leaf,
    /// The extensions are not in the order that rooms have, or one that rooms need is not there.
    #[error("the extensions are not those of a room")]
    Extensions,
    /// The ratchet tree is said to be on a host that the group does not allow (T-006).
    #[error("the ratchet tree is elsewhere than the group allows")]
    TreeSource,
}

impl From<MemberError> for Refusal {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::Poisoned => Self::Poisoned,
            MemberError::Peer(what) => Self::Mls(what),
            MemberError::Message(_) => Self::Mls("the message"),
            MemberError::Ours(what) => Self::Misuse(Misuse::Crypto(what)),
        }
    }
}

impl From<StateError> for Refusal {
    fn from(_: StateError) -> Self {
        Self::Impostor(Impostor::Components)
    }
}

impl From<Impostor> for Refusal {
    fn from(impostor: Impostor) -> Self {
        Self::Impostor(impostor)
    }
}
