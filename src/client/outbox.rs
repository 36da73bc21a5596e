//! What waits for the hub's answer, and what to make of it when the room moves on in the meantime.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    env::Timestamp,
    policy::RoleIndex,
    room::ComponentId,
    uri::{ParticipantUri, UserUri},
};

/// What the app calls something that it sends. The same token again is the same wish: it is not sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token(pub u64);

/// A body to send to the room's hub, and to send again, the same octets, until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Names these octets; the answer to them goes to [`Room::answer_update`](super::Room::answer_update) or
    /// [`Room::answer_submit`](super::Room::answer_submit) with it.
    pub id: OutgoingId,
    /// What the app gave it.
    pub token: Token,
    /// Which endpoint.
    pub endpoint: Endpoint,
    /// The body.
    pub body: Vec<u8>,
}

/// Names some octets of the outbox. What is made again for another epoch has another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutgoingId(pub u64);

/// Where a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Endpoint {
    /// `update`: a [`wire::UpdateRequest`](crate::wire::UpdateRequest).
    Update,
    /// `submitMessage`: a [`wire::SubmitMessageRequest`](crate::wire::SubmitMessageRequest).
    SubmitMessage,
}

/// A change that somebody wants, in terms that outlive an epoch: users and not indices, so that it can be made again
/// when another commit was faster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Users to add to the participant list, with their roles.
    pub add: Vec<(UserUri, RoleIndex)>,
    /// KeyPackages of clients to add, of users in `add` or of participants.
    pub key_packages: Vec<Vec<u8>>,
    /// Participants to give another role. The role of banned users bans: their clients go too.
    pub roles: Vec<(ParticipantUri, RoleIndex)>,
    /// Participants to remove from the list, with all their clients.
    pub remove: Vec<ParticipantUri>,
    /// Clients to remove, by their signature keys.
    pub remove_clients: Vec<Vec<u8>>,
    /// Components to change; `None` removes one. For the participant list use the fields above.
    pub components: BTreeMap<ComponentId, Option<Vec<u8>>>,
    /// Whether to take new keys in any case.
    pub update: bool,
}

/// What an entry of the outbox is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wish {
    /// An application message: the content, to be encrypted again if its epoch is over.
    Message { content: Vec<u8> },
    /// A commit.
    Commit(Intent),
    /// Standalone proposals.
    Proposals(Intent),
    /// Our own leave.
    Leave,
    /// The external commit that we came with.
    Join,
}

/// How far an entry of the outbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// The octets are to be sent until they are answered.
    Sent,
    /// The hub has accepted this commit, and the room's order has yet to bring it (see [`Head::ahead`](super::state::Head)).
    Accepted(Timestamp),
    /// They are of no use any more, and made again.
    Stale,
    /// They were refused, and are made again as soon as the room has moved on: another epoch, or more proposals than
    /// waited when they were refused.
    Parked {
        epoch: u64,
        proposals: usize,
        /// When they are given up, if the room does not move on.
        until: Option<Timestamp>,
    },
}

/// An entry of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) token: Token,
    pub(super) wish: Wish,
    pub(super) stage: Stage,
    /// The epoch that the octets are for.
    pub(super) epoch: u64,
    /// SHA-256 of the MLSMessage, or of all in a bundle, by which its echo is known.
    pub(super) hash: [u8; 32],
    /// The proposals that a commit covers, or that the octets are, so that a refusal can be told from a race.
    pub(super) proposals: usize,
    pub(super) body: Vec<u8>,
}

impl Entry {
    pub(super) fn endpoint(&self) -> Endpoint {
        match self.wish {
            Wish::Message { .. } => Endpoint::SubmitMessage,
            Wish::Commit(_) | Wish::Proposals(_) | Wish::Leave | Wish::Join => Endpoint::Update,
        }
    }

    pub(super) fn outgoing(&self, id: OutgoingId) -> Option<Outgoing> {
        (self.stage == Stage::Sent).then(|| Outgoing {
            id,
            token: self.token,
            endpoint: self.endpoint(),
            body: self.body.clone(),
        })
    }

    /// When it is given up, if the room does not move on.
    pub(super) const fn waits_until(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Sent | Stage::Accepted(_) | Stage::Stale => None,
            Stage::Parked { until, .. } => until,
        }
    }

    /// Whether the octets are of no use any more, and worth another try.
    pub(super) fn is_overtaken(&self, epoch: u64, proposals: usize) -> bool {
        match self.stage {
            Stage::Sent => self.is_commit() && self.wish != Wish::Join && self.epoch < epoch,
            Stage::Accepted(_) => false,
            Stage::Stale => true,
            Stage::Parked { epoch: then, proposals: known, .. } => {
                then < epoch || known < proposals
            }
        }
    }

    /// Whether the hub has accepted it already.
    pub(super) const fn is_accepted(&self) -> bool {
        matches!(self.stage, Stage::Accepted(_))
    }

    pub(super) fn is_commit(&self) -> bool {
        match self.wish {
            Wish::Commit(_) | Wish::Join => true,
            Wish::Message { .. } | Wish::Proposals(_) | Wish::Leave => false,
        }
    }
}
