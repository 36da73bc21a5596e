//! What can happen in a world, as plain data: any list of steps means something, so that shrinking is leaving out.

/// Something that somebody does, or that happens to somebody. Numbers choose among what there is at that moment,
/// modulo its count; where there is nothing to choose, nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A device creates a room, at its own provider, of one of the presets.
    Create {
        /// Which device.
        device: u8,
        /// Which preset.
        preset: u8,
    },
    /// A member adds a user, or the clients that a participant has beside those in the room.
    Add {
        /// Which member.
        by: u8,
        /// Whom.
        user: u8,
        /// In which room.
        room: u8,
    },
    /// A member removes a user.
    Remove {
        /// Which member.
        by: u8,
        /// Whom.
        user: u8,
        /// In which room.
        room: u8,
    },
    /// A member gives a user another role; among them are that of banned users, and for those any other.
    SetRole {
        /// Which member.
        by: u8,
        /// Whom.
        user: u8,
        /// In which room.
        room: u8,
        /// Which role.
        role: u8,
    },
    /// A member changes the name of the room.
    Rename {
        /// Which member.
        by: u8,
        /// Which room.
        room: u8,
    },
    /// A member takes new keys.
    Refresh {
        /// Which member.
        by: u8,
        /// In which room.
        room: u8,
    },
    /// A member commits what waits, or takes new keys.
    Commit {
        /// Which member.
        by: u8,
        /// In which room.
        room: u8,
    },
    /// A member proposes what somebody else is to commit.
    Propose {
        /// Which member.
        by: u8,
        /// About whom.
        user: u8,
        /// In which room.
        room: u8,
        /// What: removal, ban, another role, another name.
        what: u8,
    },
    /// A member removes a client of somebody, who stays.
    RemoveClient {
        /// Which member.
        by: u8,
        /// Whose client.
        device: u8,
        /// In which room.
        room: u8,
    },
    /// A member leaves, with all its user's clients.
    Leave {
        /// Which member.
        by: u8,
        /// Which room.
        room: u8,
    },
    /// A device joins from outside: a further client of a participant, or anybody if the room is open.
    Join {
        /// Which device.
        device: u8,
        /// Which room.
        room: u8,
    },
    /// A member says something.
    Send {
        /// Which member.
        by: u8,
        /// In which room.
        room: u8,
    },
    /// A member reacts to the newest message that it has read.
    React {
        /// Which member.
        by: u8,
        /// In which room.
        room: u8,
    },
    /// A member edits its own newest message.
    Edit {
        /// Which member.
        by: u8,
        /// In which room.
        room: u8,
    },
    /// The hub removes a user, bans it, or removes one of its clients.
    HubProposes {
        /// In which room.
        room: u8,
        /// Whom.
        user: u8,
        /// Which of them.
        what: u8,
    },
    /// A member reports the newest message that it has read to the hub.
    Report {
        /// Which member.
        by: u8,
        /// In which room.
        room: u8,
    },
    /// A member has the hub destroy the room.
    Destroy {
        /// Which member.
        by: u8,
        /// Which room.
        room: u8,
    },
    /// A user gets a further device.
    NewDevice {
        /// Which user.
        user: u8,
    },
    /// A device loses all it has saved but its signing key.
    Wipe {
        /// Which device.
        device: u8,
    },
    /// A device publishes KeyPackages.
    Publish {
        /// Which device.
        device: u8,
        /// How many.
        count: u8,
    },
    /// Somebody claims KeyPackages of a user until none is left, and uses none.
    Exhaust {
        /// Whose.
        user: u8,
    },
    /// A user says whether another one may add it.
    Consent {
        /// Who says it.
        user: u8,
        /// Of whom.
        requester: u8,
        /// Whether yes or no, with KeyPackages or without, for which room or any.
        what: u8,
    },
    /// A user asks another one for consent, or takes that back.
    AskConsent {
        /// Who asks.
        user: u8,
        /// Whom.
        target: u8,
        /// Whether it asks, and for which room or any.
        what: u8,
    },
    /// A provider asks another one who has a handle or a nickname.
    Search {
        /// Which provider asks.
        from: u8,
        /// Which one is asked.
        to: u8,
        /// For what.
        what: u8,
    },
    /// Somebody who runs a hub makes a joining code.
    MakeCode {
        /// For which room.
        room: u8,
        /// In which role, how often and until when.
        terms: u8,
    },
    /// Somebody who runs a hub takes a joining code back.
    RevokeCode {
        /// For which room.
        room: u8,
        /// Which code.
        code: u8,
    },
    /// A member puts a join link into the room, or takes one out.
    ChangeLinks {
        /// Which member.
        by: u8,
        /// In which room.
        room: u8,
        /// Which of them.
        what: u8,
    },
    /// A device joins with a joining code, or with that of a link.
    Redeem {
        /// Which device.
        device: u8,
        /// Which room.
        room: u8,
        /// Which code.
        code: u8,
    },
    /// A member changes a component of the room's policy, takes one away, or proposes it.
    ChangePolicy {
        /// Which member.
        by: u8,
        /// In which room.
        room: u8,
        /// Which component.
        which: u8,
        /// To what.
        value: u8,
    },
    /// A device is switched off or on.
    Power {
        /// Which device.
        device: u8,
        /// Which of the two.
        on: bool,
    },
    /// A provider's process, or a device, dies and starts again.
    Crash {
        /// Which node: first come the providers, then the devices.
        node: u8,
    },
    /// A provider drops its machines from memory.
    Evict {
        /// Which provider.
        provider: u8,
    },
    /// A second process of a provider wakes up, with the machines as they were when it last looked.
    Twin {
        /// Which provider.
        provider: u8,
    },
    /// Two providers cannot reach each other any more.
    Partition {
        /// One.
        one: u8,
        /// The other.
        other: u8,
    },
    /// All can reach each other again.
    Heal,
    /// A clock jumps.
    Skew {
        /// Whose.
        node: u8,
        /// By so many seconds ahead of the others, less 128.
        seconds: u8,
    },
    /// Time passes.
    Wait {
        /// So many seconds.
        seconds: u16,
    },
    /// Time passes without faults until nothing is outstanding.
    Settle,
    /// Somebody does what nobody may do.
    Attack {
        /// What.
        attack: u8,
        /// In which room.
        room: u8,
        /// Who.
        by: u8,
    },
}

impl Transition {
    /// A word for it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
            Self::SetRole { .. } => "set role",
            Self::Rename { .. } => "rename",
            Self::Refresh { .. } => "refresh",
            Self::Commit { .. } => "commit",
            Self::Propose { .. } => "propose",
            Self::RemoveClient { .. } => "remove client",
            Self::Leave { .. } => "leave",
            Self::Join { .. } => "join",
            Self::Send { .. } => "send",
            Self::React { .. } => "react",
            Self::Edit { .. } => "edit",
            Self::HubProposes { .. } => "hub proposes",
            Self::Report { .. } => "report",
            Self::Destroy { .. } => "destroy",
            Self::NewDevice { .. } => "new device",
            Self::Wipe { .. } => "wipe",
            Self::Publish { .. } => "publish",
            Self::Exhaust { .. } => "exhaust",
            Self::Consent { .. } => "consent",
            Self::AskConsent { .. } => "ask consent",
            Self::Search { .. } => "search",
            Self::MakeCode { .. } => "make code",
            Self::RevokeCode { .. } => "revoke code",
            Self::ChangeLinks { .. } => "change links",
            Self::Redeem { .. } => "redeem",
            Self::ChangePolicy { .. } => "change policy",
            Self::Power { .. } => "power",
            Self::Crash { .. } => "crash",
            Self::Evict { .. } => "evict",
            Self::Twin { .. } => "twin",
            Self::Partition { .. } => "partition",
            Self::Heal => "heal",
            Self::Skew { .. } => "skew",
            Self::Wait { .. } => "wait",
            Self::Settle => "settle",
            Self::Attack { .. } => "attack",
        }
    }
}
