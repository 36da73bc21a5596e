//! Capabilities that several presets share.

use crate::policy::Capability as C;

/// The ordinary user of the cooperative room, as printed.
pub(super) const COOPERATIVE_USER: &[C] = &[
    C::ADD_PARTICIPANT,
    C::REMOVE_PARTICIPANT,
    C::ADD_OWN_CLIENT,
    C::REMOVE_OWN_CLIENT,
    C::REMOVE_SELF,
    C::SEND_MESSAGE,
    C::RECEIVE_MESSAGE,
    C::COPY_MESSAGE,
    C::REPORT_ABUSE,
    C::REPLY_TO_MESSAGE,
    C::REACT_TO_MESSAGE,
    C::DELETE_OWN_REACTION,
    C::EDIT_OWN_MESSAGE,
    C::DELETE_OWN_MESSAGE,
    C::START_TOPIC,
    C::REPLY_IN_TOPIC,
    C::EDIT_OWN_TOPIC,
    C::UPLOAD_IMAGE,
    C::UPLOAD_VIDEO,
    C::UPLOAD_AUDIO,
    C::UPLOAD_ATTACHMENT,
    C::DOWNLOAD_IMAGE,
    C::DOWNLOAD_VIDEO,
    C::DOWNLOAD_AUDIO,
    C::DOWNLOAD_ATTACHMENT,
    C::SEND_LINK,
    C::SEND_LINK_PREVIEW,
    C::FOLLOW_LINK,
    C::COPY_LINK,
    C::CHANGE_ROOM_NAME,
    C::CHANGE_ROOM_AVATAR,
    C::CHANGE_ROOM_SUBJECT,
    C::CHANGE_ROOM_MOOD,
    C::CHANGE_OWN_NAME,
    C::CHANGE_OWN_PRESENCE,
    C::CHANGE_OWN_MOOD,
    C::CHANGE_OWN_AVATAR,
];

/// The hub's role in all of them.
pub(super) const ENFORCER: &[C] = &[
    C::REMOVE_PARTICIPANT,
    C::CHANGE_USER_ROLE,
    C::BAN,
    C::UNBAN,
    C::KICK,
    C::CHANGE_ROLE_DEFINITIONS,
    C::CHANGE_PREAUTHORIZED_USER_LIST,
    C::CHANGE_MLS_OPERATIONAL_POLICIES,
    C::DESTROY_ROOM,
    C::SEND_MLS_REINIT_PROPOSAL,
];

/// Reading and answering in full, and one's own clients: what the rooms that are no example of the draft start from.
pub(super) const READER: &[C] = &[
    C::ADD_OWN_CLIENT,
    C::REMOVE_OWN_CLIENT,
    C::RECEIVE_MESSAGE,
    C::COPY_MESSAGE,
    C::REPORT_ABUSE,
    C::DOWNLOAD_IMAGE,
    C::DOWNLOAD_VIDEO,
    C::DOWNLOAD_AUDIO,
    C::DOWNLOAD_ATTACHMENT,
    C::FOLLOW_LINK,
    C::COPY_LINK,
];

/// Writing in full.
pub(super) const WRITER: &[C] = &[
    C::SEND_MESSAGE,
    C::REPLY_TO_MESSAGE,
    C::REACT_TO_MESSAGE,
    C::EDIT_REACTION,
    C::DELETE_OWN_REACTION,
    C::EDIT_OWN_MESSAGE,
    C::DELETE_OWN_MESSAGE,
    C::START_TOPIC,
    C::REPLY_IN_TOPIC,
    C::EDIT_OWN_TOPIC,
    C::UPLOAD_IMAGE,
    C::UPLOAD_VIDEO,
    C::UPLOAD_AUDIO,
    C::UPLOAD_ATTACHMENT,
    C::SEND_LINK,
    C::SEND_LINK_PREVIEW,
];

/// Everything about the room's appearance.
pub(super) const APPEARANCE: &[C] = &[
    C::CHANGE_ROOM_NAME,
    C::CHANGE_ROOM_DESCRIPTION,
    C::CHANGE_ROOM_AVATAR,
    C::CHANGE_ROOM_SUBJECT,
    C::CHANGE_ROOM_MOOD,
];
