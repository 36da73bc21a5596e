//! What a role may allow: the registry of capabilities.

use std::fmt;

/// A code point of the "MIMI Role Capabilities" registry (room-policy, section 10.2).
///
/// Unknown, reserved and private ones are kept where they stand, and grant nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(pub u16);

/// Declares the registry once: constant, code point, name, and whether it is reserved without a meaning.
macro_rules! capabilities {
    ($($(#[$doc:meta])* $constant:ident = $code:literal, $name:literal $(, $reserved:ident)?;)*) => {
        impl Capability {
            $($(#[$doc])* pub const $constant: Self = Self($code);)*

            /// The whole registry, in the order of its code points.
            pub const REGISTRY: &'static [Self] = &[$(Self::$constant),*];

            /// The name in the registry; none for unknown and private code points.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($name),)*
                    _ => None,
                }
            }

            /// The capability of that name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$constant),)*
                    _ => None,
                }
            }

            /// Whether the registry reserves it: it may stand in a role and grants nothing.
            #[must_use]
            pub const fn is_reserved(self) -> bool {
                match self.0 {
                    $($code => capabilities!(@reserved $($reserved)?),)*
                    _ => false,
                }
            }
        }
    };
    (@reserved reserved) => { true };
    (@reserved) => { false };
}

capabilities! {
    /// Add another user, and clients of it.
    ADD_PARTICIPANT = 0x0000, "canAddParticipant";
    /// Remove another user with all its clients.
    REMOVE_PARTICIPANT = 0x0001, "canRemoveParticipant";
    /// Add a client of one's own.
    ADD_OWN_CLIENT = 0x0002, "canAddOwnClient";
    /// Remove a client of one's own and stay a participant.
    REMOVE_OWN_CLIENT = 0x0003, "canRemoveOwnClient";
    /// Join by oneself; on role 0 only.
    OPEN_JOIN = 0x0004, "canOpenJoin";
    /// Join by oneself in a role that a credential claim gives.
    JOIN_IF_PREAUTHORIZED = 0x0005, "canJoinIfPreauthorized";
    /// Leave.
    REMOVE_SELF = 0x0006, "canRemoveSelf";
    /// Reserved.
    CREATE_JOIN_CODE = 0x0007, "canCreateJoinCode", reserved;
    /// Reserved.
    DELETE_JOIN_CODE = 0x0008, "canDeleteJoinCode", reserved;
    /// Join with a code.
    USE_JOIN_CODE = 0x0009, "canUseJoinCode";
    /// Ban another user.
    BAN = 0x000A, "canBan";
    /// Lift a ban.
    UNBAN = 0x000B, "canUnBan";
    /// Remove another user's clients and leave it on the list.
    KICK = 0x000C, "canKick";
    /// Reserved.
    KNOCK = 0x000D, "canKnock", reserved;
    /// Reserved.
    ACCEPT_KNOCK = 0x000E, "canAcceptKnock", reserved;
    /// Change another user's role.
    CHANGE_USER_ROLE = 0x000F, "canChangeUserRole";
    /// Take the role that a credential claim gives.
    CHANGE_OWN_ROLE = 0x0010, "canChangeOwnRole";
    /// Reserved.
    CREATE_SUBGROUP = 0x0011, "canCreateSubgroup", reserved;

    /// Send messages.
    SEND_MESSAGE = 0x0100, "canSendMessage";
    /// Receive messages.
    RECEIVE_MESSAGE = 0x0101, "canReceiveMessage";
    /// Copy from a message.
    COPY_MESSAGE = 0x0102, "canCopyMessage";
    /// Report a message as abuse.
    REPORT_ABUSE = 0x0103, "canReportAbuse";
    /// Reply.
    REPLY_TO_MESSAGE = 0x0104, "canReplyToMessage";
    /// React.
    REACT_TO_MESSAGE = 0x0105, "canReactToMessage";
    /// Replace one's own reaction.
    EDIT_REACTION = 0x0106, "canEditReaction";
    /// Take one's own reaction back.
    DELETE_OWN_REACTION = 0x0107, "canDeleteOwnReaction";
    /// Delete another user's reaction.
    DELETE_OTHER_REACTION = 0x0108, "canDeleteOtherReaction";
    /// Edit one's own message.
    EDIT_OWN_MESSAGE = 0x0109, "canEditOwnMessage";
    /// Delete one's own message.
    DELETE_OWN_MESSAGE = 0x010A, "canDeleteOwnMessage";
    /// Delete another user's message.
    DELETE_OTHER_MESSAGE = 0x010B, "canDeleteOtherMessage";
    /// Give a message a topic.
    START_TOPIC = 0x010C, "canStartTopic";
    /// Reply within a topic.
    REPLY_IN_TOPIC = 0x010D, "canReplyInTopic";
    /// Change the topic of one's own message.
    EDIT_OWN_TOPIC = 0x010E, "canEditOwnTopic";
    /// Change the topic of another user's message.
    EDIT_OTHER_TOPIC = 0x010F, "canEditOtherTopic";
    /// Reserved.
    SEND_DIRECT_MESSAGE = 0x0110, "canSendDirectMessage", reserved;
    /// Reserved.
    TARGET_MESSAGE = 0x0111, "canTargetMessage", reserved;

    /// Upload an image.
    UPLOAD_IMAGE = 0x0200, "canUploadImage";
    /// Upload audio.
    UPLOAD_AUDIO = 0x0201, "canUploadAudio";
    /// Upload a video.
    UPLOAD_VIDEO = 0x0202, "canUploadVideo";
    /// Upload an attachment.
    UPLOAD_ATTACHMENT = 0x0203, "canUploadAttachment";
    /// Download an image.
    DOWNLOAD_IMAGE = 0x0204, "canDownloadImage";
    /// Download audio.
    DOWNLOAD_AUDIO = 0x0205, "canDownloadAudio";
    /// Download a video.
    DOWNLOAD_VIDEO = 0x0206, "canDownloadVideo";
    /// Download an attachment.
    DOWNLOAD_ATTACHMENT = 0x0207, "canDownloadAttachment";
    /// Send a link.
    SEND_LINK = 0x0208, "canSendLink";
    /// Send a link with its preview.
    SEND_LINK_PREVIEW = 0x0209, "canSendLinkPreview";
    /// Open a link.
    FOLLOW_LINK = 0x020A, "canFollowLink";
    /// Copy a link.
    COPY_LINK = 0x020B, "canCopyLink";

    /// Change the room's name.
    CHANGE_ROOM_NAME = 0x0300, "canChangeRoomName";
    /// Change the room's descriptions.
    CHANGE_ROOM_DESCRIPTION = 0x0301, "canChangeRoomDescription";
    /// Change the room's avatar.
    CHANGE_ROOM_AVATAR = 0x0302, "canChangeRoomAvatar";
    /// Change the room's subject.
    CHANGE_ROOM_SUBJECT = 0x0303, "canChangeRoomSubject";
    /// Change the room's mood.
    CHANGE_ROOM_MOOD = 0x0304, "canChangeRoomMood";
    /// Reserved.
    CHANGE_OWN_NAME = 0x0380, "canChangeOwnName", reserved;
    /// Reserved.
    CHANGE_OWN_PRESENCE = 0x0381, "canChangeOwnPresence", reserved;
    /// Reserved.
    CHANGE_OWN_MOOD = 0x0382, "canChangeOwnMood", reserved;
    /// Reserved.
    CHANGE_OWN_AVATAR = 0x0383, "canChangeOwnAvatar", reserved;

    /// Start a call.
    START_CALL = 0x0400, "canStartCall";
    /// Join a call.
    JOIN_CALL = 0x0401, "canJoinCall";
    /// Send audio in a call.
    SEND_AUDIO = 0x0402, "canSendAudio";
    /// Receive audio in a call.
    RECEIVE_AUDIO = 0x0403, "canReceiveAudio";
    /// Send video in a call.
    SEND_VIDEO = 0x0404, "canSendVideo";
    /// Receive video in a call.
    RECEIVE_VIDEO = 0x0405, "canReceiveVideo";
    /// Share a screen.
    SHARE_SCREEN = 0x0406, "canShareScreen";
    /// See a shared screen.
    VIEW_SHARED_SCREEN = 0x0407, "canViewSharedScreen";

    /// Reserved.
    CREATE_ROOM = 0x0500, "canCreateRoom", reserved;
    /// Destroy the room.
    DESTROY_ROOM = 0x0501, "canDestroyRoom";
    /// Change the base policy.
    CHANGE_ROOM_MEMBERSHIP_STYLE = 0x0502, "canChangeRoomMembershipStyle";
    /// Change what roles may do.
    CHANGE_ROLE_DEFINITIONS = 0x0503, "canChangeRoleDefinitions";
    /// Change who is preauthorised.
    CHANGE_PREAUTHORIZED_USER_LIST = 0x0504, "canChangePreauthorizedUserList";
    /// Change any policy component without a capability of its own. Reserved in the registry, in force here.
    CHANGE_OTHER_POLICY_ATTRIBUTE = 0x0505, "canChangeOtherPolicyAttribute";

    /// Change the parameters of MLS. Reserved in the registry, in force here.
    CHANGE_MLS_OPERATIONAL_POLICIES = 0x0600, "canChangeMlsOperationalPolicies";
    /// Propose to start the group afresh.
    SEND_MLS_REINIT_PROPOSAL = 0x0601, "canSendMLSReinitProposal";
    /// Reserved.
    SEND_MLS_UPDATE_PROPOSAL = 0x0602, "canSendMLSUpdateProposal", reserved;
    /// Reserved.
    SEND_MLS_PSK_PROPOSAL = 0x0603, "canSendMLSPSKProposal", reserved;
    /// Reserved.
    SEND_MLS_EXTERNAL_PROPOSAL = 0x0604, "canSendMLSExternalProposal", reserved;
    /// Reserved.
    SEND_MLS_EXTERNAL_COMMIT = 0x0605, "canSendMLSExternalCommit", reserved;
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:04x}", self.0),
        }
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Capability {
    type Err = UnknownCapability;

    /// Reads a name of the registry, or a code point in hexadecimal after `0x`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code = text.strip_prefix("0x").and_then(|hex| u16::from_str_radix(hex, 16).ok());
        code.map(Self)
            .or_else(|| Self::named(text))
            .ok_or_else(|| UnknownCapability(text.to_owned()))
    }
}

/// A name that the registry of capabilities does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no capability of the registry, nor a code point like 0xf000")]
pub struct UnknownCapability(pub String);

impl serde::Serialize for Capability {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Capability {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-144, W-41: the ends of every range, and what is kept without a name.
    #[test]
    fn the_registry_is_that_of_the_draft() {
        assert_eq!(Capability::REGISTRY.len(), 18 + 18 + 12 + 5 + 4 + 8 + 6 + 6);
        for (code, name) in [
            (0x0000, "canAddParticipant"),
            (0x000b, "canUnBan"),
            (0x0011, "canCreateSubgroup"),
            (0x0100, "canSendMessage"),
            (0x0111, "canTargetMessage"),
            (0x0200, "canUploadImage"),
            (0x020b, "canCopyLink"),
            (0x0304, "canChangeRoomMood"),
            (0x0383, "canChangeOwnAvatar"),
            (0x0407, "canViewSharedScreen"),
            (0x0505, "canChangeOtherPolicyAttribute"),
            (0x0605, "canSendMLSExternalCommit"),
        ] {
            assert_eq!(Capability(code).name(), Some(name));
            assert_eq!(name.parse(), Ok(Capability(code)));
        }
        assert!(Capability::REGISTRY.is_sorted());
        assert_eq!("0xf001".parse(), Ok(Capability(0xf001)));
        assert_eq!(Capability(0xf001).to_string(), "0xf001");
        assert!("canFly".parse::<Capability>().is_err());
        // in force by decision, though reserved.
        assert!(!Capability::CHANGE_OTHER_POLICY_ATTRIBUTE.is_reserved());
        assert!(!Capability::CHANGE_MLS_OPERATIONAL_POLICIES.is_reserved());
        assert!(Capability::KNOCK.is_reserved());
    }
}
