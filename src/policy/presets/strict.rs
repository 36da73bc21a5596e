//! A strictly administered room: appendix A.2.

use super::{at_least_one, enforcer, nobody, role};
use crate::policy::{Capability as C, Role, RoleIndex};

const ORDINARY_USER: &[C] = &[
    C::ADD_OWN_CLIENT,
    C::JOIN_IF_PREAUTHORIZED,
    C::REMOVE_OWN_CLIENT,
    C::REMOVE_SELF,
    C::CHANGE_OWN_ROLE,
    C::SEND_MESSAGE,
    C::RECEIVE_MESSAGE,
    C::COPY_MESSAGE,
    C::REPORT_ABUSE,
    C::REACT_TO_MESSAGE,
    C::DELETE_OWN_REACTION,
    C::EDIT_OWN_MESSAGE,
    C::DELETE_OWN_MESSAGE,
    C::START_TOPIC,
    C::REPLY_IN_TOPIC,
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
    C::CHANGE_OWN_NAME,
    C::CHANGE_OWN_PRESENCE,
    C::CHANGE_OWN_MOOD,
    C::CHANGE_OWN_AVATAR,
];

const GROUP_ADMIN: &[C] = &[
    C::ADD_PARTICIPANT,
    C::REMOVE_PARTICIPANT,
    C::BAN,
    C::UNBAN,
    C::KICK,
    C::CHANGE_USER_ROLE,
    C::CREATE_JOIN_CODE,
    C::DELETE_JOIN_CODE,
    C::DELETE_OTHER_REACTION,
    C::DELETE_OTHER_MESSAGE,
    C::EDIT_OWN_TOPIC,
    C::EDIT_OTHER_TOPIC,
    C::CHANGE_ROOM_DESCRIPTION,
    C::CHANGE_ROOM_NAME,
    C::CHANGE_ROOM_AVATAR,
    C::CHANGE_ROOM_SUBJECT,
    C::CHANGE_ROOM_MOOD,
];

const SUPER_ADMIN: &[C] = &[
    C::CHANGE_ROOM_MEMBERSHIP_STYLE,
    C::CHANGE_ROLE_DEFINITIONS,
    C::CHANGE_PREAUTHORIZED_USER_LIST,
    C::DESTROY_ROOM,
    C::SEND_MLS_REINIT_PROPOSAL,
];

pub(super) fn roles() -> Vec<Role> {
    let no_role = role(0, "no_role", &[&[C::USE_JOIN_CODE]], &[(0, &[2])]);
    vec![
        Role { active: nobody(RoleIndex::NONE, "").active, ..no_role },
        nobody(RoleIndex::BANNED, Role::BANNED),
        role(2, "ordinary_user", &[ORDINARY_USER], &[(0, &[2]), (2, &[0])]),
        at_least_one(role(
            3,
            "group_admin",
            &[ORDINARY_USER, GROUP_ADMIN],
            &[(0, &[1, 2, 3]), (1, &[0, 2, 3]), (2, &[0, 1, 3]), (3, &[0, 1, 2])],
        )),
        role(
            4,
            "super_admin",
            &[ORDINARY_USER, GROUP_ADMIN, SUPER_ADMIN],
            &[
                (0, &[1, 2, 3, 4]),
                (1, &[0, 2, 3, 4]),
                (2, &[0, 1, 3, 4]),
                (3, &[0, 1, 2, 4]),
                (4, &[0, 1, 2, 3]),
            ],
        ),
        enforcer(5, &[(0, &[1]), (1, &[0]), (2, &[0, 1]), (3, &[0, 1]), (4, &[0, 1])]),
    ]
}
