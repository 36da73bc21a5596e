//! What happens in a room, kept until the app has it.

use serde::{Deserialize, Serialize};

use super::{Token, proposed::Who};
use crate::{content::MessageId, env::Timestamp, franking::Verdict, uri::UserUri, wire::Frank};

/// The place of an event in a room's own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(pub u64);

/// Something that happened. The key that decrypted a message is gone with the save that holds its event, so it stays
/// in the records until [`Room::acknowledge`](super::Room::acknowledge).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A message for the app.
    Message(Box<Message>),
    /// A message that decrypted and is not to be shown. Its key is used up: it will not come again.
    Discarded {
        /// Whose leaf signed it.
        sender: Option<UserUri>,
        /// When the hub accepted it, as the hub says.
        timestamp: Timestamp,
        /// Why.
        reason: Discard,
    },
    /// The hub has accepted what we sent.
    Accepted {
        /// What the app gave it.
        token: Token,
        /// When, as the hub says.
        timestamp: Timestamp,
        /// The hub's stamp of an application message; none if it gave none, or one that is not right (D-07).
        frank: Option<Frank>,
    },
    /// What we wanted to send will not happen.
    Failed {
        /// What the app gave it.
        token: Token,
        /// Why.
        reason: Failure,
    },
    /// The room is in a new epoch; ask the room who takes part now.
    Changed {
        /// The new epoch.
        epoch: u64,
        /// Who made the commit.
        by: UserUri,
        /// Somebody used a claim that cannot be checked here.
        unverified: bool,
    },
    /// Somebody asks for a change; [`Room::commit_pending`](super::Room::commit_pending) makes it happen.
    Proposed {
        /// Who.
        by: Who,
    },
    /// The hub distributed proposals that the policy forbids (D-05). They are not taken.
    Forbidden {
        /// Which rule, by its name in the policy.
        rule: String,
    },
    /// A commit leaves out proposals that waited here (D-04). It is valid for MLS, and taken; what it leaves out is
    /// gone, and whoever wants it proposes it again.
    ///
    /// No proof that the hub is at fault: it lets a member's proposal lapse when the commits of two users lack it
    /// lest one that nobody can accept stop the room, and two commits that cross a good one on its way look
    /// the same. A removal or a ban that lapses so the hub proposes again itself.
    Omitted {
        /// The epoch that it led to.
        epoch: u64,
        /// How many.
        proposals: usize,
    },
    /// We are no longer a member. Forget the room's records.
    Removed {
        /// Who removed us.
        by: UserUri,
    },
    /// The hub has split the group, or accepted a commit that must not be (D-01, D-51). Nothing is sent any more;
    /// compare [`Room::epoch_authenticator`](super::Room::epoch_authenticator) with others by another channel, and join
    /// again from outside.
    Forked {
        /// The epoch that we are in and stay in.
        epoch: u64,
        /// What gave it away.
        evidence: Evidence,
    },
    /// A status report that came alone, not as a part of MIMI content. It has no name and no stamp.
    Status {
        /// Who sent it, authenticated by MLS.
        sender: UserUri,
        /// The report, octet for octet: [`status::Report::decode`](crate::content::status::Report::decode) reads it.
        report: Vec<u8>,
        /// When the hub accepted it, as the hub says.
        timestamp: Timestamp,
    },
    /// A text that came alone, not as a part of MIMI content: the room asks for media types, and this one was named
    /// `text/plain` or `text/markdown` (C-080). The policy lets its sender say it. It has no name and no stamp, so
    /// nobody can reply to it, edit or report it.
    Text {
        /// Who sent it, authenticated by MLS.
        sender: UserUri,
        /// Its media type, with its parameters.
        media_type: String,
        /// The text. Markdown may be shown as it stands (C-081).
        text: String,
        /// When the hub accepted it, as the hub says.
        timestamp: Timestamp,
    },
}

/// A message for the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// Who sent it, authenticated by MLS.
    pub sender: UserUri,
    /// MIMI content, octet for octet: [`content::Message::decode`](crate::content::Message::decode) reads it.
    pub content: Vec<u8>,
    /// The epoch it was encrypted in.
    pub epoch: u64,
    /// When the hub accepted it, as the hub says.
    pub timestamp: Timestamp,
    /// What the hub's stamp is worth. Evidence for a report to the hub, never a proof of the sender (D-07).
    pub franking: Verdict,
    /// The hub's stamp, for a report of abuse: [`Room::report`](super::Room::report) finds it again.
    pub frank: Option<Frank>,
    /// How many messages of the same device in the same epoch, before this one, have not come (D-02). They may come
    /// yet; the hub may have refused them; or somebody keeps them back.
    pub skipped: u32,
    /// Whether the policy has been asked for the last word on what it does: not if it refers to an earlier message, which
    /// only the app has, or is of an epoch of which nothing is kept. A [`Timeline`](crate::content::timeline::Timeline) with
    /// [`may_act`](crate::policy::message::may_act), or [`judge`](crate::policy::message::judge) has it.
    pub judged: bool,
}

/// Why a message is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Discard {
    /// It is no MIMI content.
    Malformed,
    /// It says another sender or room than MLS has authenticated (Q-81, D-41).
    Mismatch,
    /// Its franking tag is not that of its content (D-40).
    Tag,
    /// Its sender may not send messages here.
    NotAllowed,
    /// The hub's time is minutes ahead of ours (C-092).
    Future,
    /// It is of this media type, which this library does not read.
    MediaType(String),
    /// The room policy does not let its sender say this: a reply, a link, a file, an expiry (R-182 … R-205).
    Forbidden,
}

/// Why something will not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The hub does not allow it.
    NotAllowed,
    /// The room has changed in the meantime, so that it makes no sense any more.
    Obsolete,
    /// The room policy forbids it now.
    Forbidden,
    /// We have left the room, or the room is lost.
    Left,
}

/// What gave a split group away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    /// A second commit for an epoch that we have left.
    SecondCommit,
    /// A commit that MLS refuses: its tag, its path or its references are wrong.
    InvalidCommit,
    /// A commit that the room policy forbids.
    ForbiddenCommit,
    /// Another member of the same epoch has another epoch authenticator: [`Room::compare`](super::Room::compare).
    Authenticator,
}
