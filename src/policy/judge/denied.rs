//! Why something may not be.

use crate::{
    policy::{Capability, RoleIndex},
    room::{ChangeError, ComponentId},
    uri::{ParticipantUri, UserUri},
};

/// A refusal: which rule, why, and which proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({rule})")]
pub struct Denied {
    /// The rule, by its number in the conformance table.
    pub rule: &'static str,
    /// The reason.
    pub reason: Reason,
    /// The place of the offending proposal in the bundle or commit; none if it is the whole, or the committer.
    pub index: Option<usize>,
}

impl Denied {
    pub(crate) const fn new(rule: &'static str, reason: Reason) -> Self {
        Self { rule, reason, index: None }
    }

    /// The same about the proposal at a place, if no other is named.
    pub(super) fn at(mut self, index: usize) -> Self {
        self.index.get_or_insert(index);
        self
    }

    /// Whether a proposal is malformed or can never be valid, whoever makes it (`invalidProposal`). Otherwise its
    /// proposer or the committer lacks the authority, or the room has no place for it (`notAllowed`).
    #[must_use]
    pub const fn is_invalid(&self) -> bool {
        matches!(
            self.reason,
            Reason::Invalid(_)
                | Reason::Never
                | Reason::ExternalCommit
                | Reason::Lacks
                | Reason::Forbidden
                | Reason::Lifetime
        )
    }
}

/// Declares the reasons once: variant, and its one word for tools.
macro_rules! reasons {
    ($($(#[$meta:meta])* $variant:ident $(($($field:ty),*))? = $code:literal;)*) => {
        /// Why something may not be.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$meta])* $variant $(($($field),*))?,)*
        }

        impl Reason {
            /// The reason in one word, which does not change between versions.
            #[must_use]
            pub const fn code(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $code,)*
                }
            }
        }
    };
}

reasons! {
    /// A change of a component that makes no sense.
    #[error("{0}")]
    Invalid(ChangeError) = "invalid";
    /// Nothing of this kind is ever valid.
    #[error("such a proposal is never valid here")]
    Never = "never";
    /// A proposal that an external commit cannot hold (P-118).
    #[error("an external commit cannot hold this")]
    ExternalCommit = "external-commit";
    /// The room takes no proposals, or no commits, from outside.
    #[error("the room takes nothing from outside its group")]
    External = "external";
    /// A group is not started afresh: its room is replaced by a new one.
    #[error("a group cannot be started afresh")]
    ReInit = "reinit";
    /// The proposer's role lacks a capability.
    #[error("this takes {0}")]
    Capability(Capability) = "capability";
    /// The proposer's role has the capability and not the change.
    #[error("its role may not move anybody from role {0} to role {1}")]
    RoleChange(RoleIndex, RoleIndex) = "role-change";
    /// There is no such role to give.
    #[error("there is no role {0} to give")]
    NoRole(RoleIndex) = "no-such-role";
    /// The proposer, or committer, is not on the list, or banned (P-105, P-106).
    #[error("whoever wants this is no participant")]
    Outsider = "no-participant";
    /// Something that one can only do to others.
    #[error("nobody may do this to itself")]
    Oneself = "oneself";
    /// Something that one can only do for oneself.
    #[error("nobody may do this for others")]
    Others = "others";
    /// Somebody who is on the list cannot join it (R-020, D-90).
    #[error("whoever is on the list cannot join it")]
    Listed = "listed";
    /// Somebody who is not on the list cannot be dealt with as a participant.
    #[error("whom it concerns is not on the list")]
    NotListed = "not-listed";
    /// A ban where role 1 is not "banned", or the lifting of one of somebody who is not banned.
    #[error("role 1 is not the role of the banned, or somebody does not hold it")]
    NotBanned = "not-banned";
    /// The role stays what it is.
    #[error("the role stays the same")]
    SameRole = "same-role";
    /// No claim of the credential gives this role.
    #[error("no claim of its credential gives this role")]
    NotPreauthorized = "not-preauthorized";
    /// The joining code gives no such role, or there is none.
    #[error("no joining code gives this role")]
    JoinCode = "join-code";
    /// Somebody who is removed or banned would keep a client.
    #[error("{0} would keep clients")]
    ClientsLeft(UserUri) = "clients-left";
    /// Somebody who is not a participant would have a client (P-004).
    #[error("{0} is no participant and would have clients")]
    Stranger(UserUri) = "stranger";
    /// Somebody has no client that could go.
    #[error("{0} has no client to remove")]
    NoClient(UserUri) = "no-client";
    /// Somebody who is not active, or a role that may not be.
    #[error("this takes a client in the group")]
    Inactive = "inactive";
    /// A role would have too many participants.
    #[error("role {0} has no place for another participant")]
    MaxParticipants(RoleIndex) = "max-participants";
    /// A role would have too few participants.
    #[error("role {0} needs its participants")]
    MinParticipants(RoleIndex) = "min-participants";
    /// A role would have too many active participants.
    #[error("role {0} has no place for another active participant")]
    MaxActive(RoleIndex) = "max-active";
    /// A role would have too few active participants.
    #[error("role {0} needs its active participants")]
    MinActive(RoleIndex) = "min-active";
    /// The room would have too many participants.
    #[error("the room has no place for another participant")]
    MaxUsers = "max-users";
    /// The group would have too many clients.
    #[error("the room has no place for another client")]
    MaxClients = "max-clients";
    /// A second client where each user has one.
    #[error("{0} may have one client only")]
    SingleDevice(UserUri) = "single-device";
    /// The participants are those of the creation.
    #[error("the participants of this room do not change")]
    FixedMembership = "fixed-membership";
    /// A client that cannot do all that the room demands.
    #[error("a leaf lacks what is mandatory in the room")]
    Lacks = "lacks";
    /// Something that the room forbids: in a leaf, or a proposal.
    #[error("it uses what is forbidden in the room")]
    Forbidden = "forbidden";
    /// A KeyPackage that is valid for longer than the room takes one for.
    #[error("the KeyPackage is valid for too long")]
    Lifetime = "lifetime";
    /// A pseudonym where real names are wanted.
    #[error("pseudonyms are not allowed")]
    Pseudonym = "pseudonym";
    /// Somebody who is not in the parent room, or all of it.
    #[error("the participants would be no strict subset of the parent's")]
    Parent = "parent";
    /// Something waits already that cannot stand in one commit with this.
    #[error("a waiting change of {0} is in the way")]
    Waiting(ComponentId) = "waiting";
    /// Somebody whom a waiting change concerns already.
    #[error("a waiting change of {0} is in the way")]
    Touched(ParticipantUri) = "touched";
    /// Roles and preauthorisation are changed by value, in a commit of their own.
    #[error("{0} changes only by value, in a commit of its own")]
    ByValue(ComponentId) = "by-value";
    /// Only the hub changes `external_senders`; members may take out a server that has to go.
    #[error("external_senders is the hub's to change")]
    ExternalSenders = "external-senders";
    /// Assets of this type are not for this room.
    #[error("the room takes no assets of this type")]
    AssetType = "asset-type";
    /// A larger asset than the room takes.
    #[error("the asset is too large for the room")]
    AssetSize = "asset-size";
    /// An asset in a place where the sender's may not be.
    #[error("the asset is not where the room has the sender's assets")]
    AssetHost = "asset-host";
    /// The room has no previews of links.
    #[error("the room has no previews of links")]
    Preview = "preview";
    /// A message that does not expire as the room's messages do.
    #[error("messages in the room expire otherwise")]
    Expiration = "expiration";
    /// The room does not want to be told what was delivered or read.
    #[error("the room wants no such notifications")]
    Receipt = "receipt";
}

impl From<ChangeError> for Denied {
    fn from(error: ChangeError) -> Self {
        let index = error.index;
        Self { rule: error.rule(), reason: Reason::Invalid(error), index }
    }
}
