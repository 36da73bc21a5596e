//! A moderated room: appendix A.3.

use super::{at_least_one, enforcer, nobody, role};
use crate::policy::{Capability as C, Role, RoleIndex};

const GUEST: &[C] = &[
    C::REMOVE_SELF,
    C::RECEIVE_MESSAGE,
    C::COPY_MESSAGE,
    C::REACT_TO_MESSAGE,
    C::DELETE_OWN_REACTION,
    C::FOLLOW_LINK,
    C::COPY_LINK,
    C::DOWNLOAD_IMAGE,
    C::DOWNLOAD_VIDEO,
    C::DOWNLOAD_AUDIO,
];

const ATTENDEE: &[C] = &[
    C::ADD_OWN_CLIENT,
    C::JOIN_IF_PREAUTHORIZED,
    C::REMOVE_OWN_CLIENT,
    C::CHANGE_OWN_ROLE,
    C::REPORT_ABUSE,
    C::REPLY_IN_TOPIC,
    C::DOWNLOAD_ATTACHMENT,
    C::CHANGE_OWN_NAME,
    C::CHANGE_OWN_PRESENCE,
    C::CHANGE_OWN_AVATAR,
];

const SPEAKER: &[C] = &[
    C::SEND_MESSAGE,
    C::EDIT_OWN_MESSAGE,
    C::DELETE_OWN_MESSAGE,
    C::START_TOPIC,
    C::UPLOAD_IMAGE,
    C::UPLOAD_VIDEO,
    C::UPLOAD_AUDIO,
    C::UPLOAD_ATTACHMENT,
    C::SEND_LINK,
    C::SEND_LINK_PREVIEW,
];

const MODERATOR: &[C] = &[
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
    C::CHANGE_ROOM_NAME,
    C::CHANGE_ROOM_AVATAR,
    C::CHANGE_ROOM_SUBJECT,
    C::CHANGE_ROOM_MOOD,
];

const SUPER_ADMIN: &[C] = &[
    C::CHANGE_ROOM_DESCRIPTION,
    C::CHANGE_ROOM_MEMBERSHIP_STYLE,
    C::CHANGE_ROLE_DEFINITIONS,
    C::CHANGE_PREAUTHORIZED_USER_LIST,
    C::DESTROY_ROOM,
    C::SEND_MLS_REINIT_PROPOSAL,
];

pub(super) fn roles() -> Vec<Role> {
    let no_role = role(0, "no_role", &[&[C::USE_JOIN_CODE]], &[(0, &[2, 3])]);
    vec![
        Role { active: nobody(RoleIndex::NONE, "").active, ..no_role },
        nobody(RoleIndex::BANNED, Role::BANNED),
        role(2, "guest", &[GUEST], &[(0, &[2]), (2, &[0])]),
        role(3, "attendee", &[GUEST, ATTENDEE], &[(0, &[3]), (3, &[0])]),
        role(4, "speaker", &[GUEST, ATTENDEE, SPEAKER], &[(0, &[4]), (4, &[0])]),
        at_least_one(role(
            5,
            "moderator",
            &[GUEST, ATTENDEE, SPEAKER, MODERATOR],
            &[
                (0, &[1, 2, 3, 4, 5]),
                (1, &[0, 2, 3, 4, 5]),
                (2, &[0, 1, 3, 4, 5]),
                (3, &[0, 1, 2, 4, 5]),
                (4, &[0, 1, 2, 3, 5]),
                (5, &[0, 1, 2, 3, 4]),
            ],
        )),
        role(
            6,
            "super_admin",
            &[GUEST, ATTENDEE, SPEAKER, MODERATOR, SUPER_ADMIN],
            &[
                (0, &[1, 2, 3, 4, 5, 6]),
                (1, &[0, 2, 3, 4, 5, 6]),
                (2, &[0, 1, 3, 4, 5, 6]),
                (3, &[0, 1, 2, 4, 5, 6]),
                (4, &[0, 1, 2, 3, 5, 6]),
                (5, &[0, 1, 2, 3, 4, 6]),
                (6, &[0, 1, 2, 3, 4, 5]),
            ],
        ),
        enforcer(
            7,
            &[
                (0, &[1]),
                (1, &[0]),
                (2, &[0, 1]),
                (3, &[0, 1]),
                (4, &[0, 1]),
                (5, &[0, 1]),
                (6, &[0, 1]),
            ],
        ),
    ]
}
