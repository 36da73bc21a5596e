//! A room of several organisations: appendix A.4.

use super::{enforcer, nobody, role};
use crate::policy::{Bounds, Capability as C, Role, RoleIndex};

const USER: &[C] = &[
    C::REMOVE_SELF,
    C::ADD_OWN_CLIENT,
    C::REMOVE_OWN_CLIENT,
    C::SEND_MESSAGE,
    C::RECEIVE_MESSAGE,
    C::COPY_MESSAGE,
    C::REPORT_ABUSE,
    C::REPLY_IN_TOPIC,
    C::REACT_TO_MESSAGE,
    C::DELETE_OWN_REACTION,
    C::EDIT_OWN_MESSAGE,
    C::SEND_LINK,
    C::SEND_LINK_PREVIEW,
    C::FOLLOW_LINK,
    C::COPY_LINK,
    C::DOWNLOAD_IMAGE,
    C::DOWNLOAD_VIDEO,
    C::DOWNLOAD_AUDIO,
    C::DOWNLOAD_ATTACHMENT,
    C::CHANGE_OWN_NAME,
    C::CHANGE_OWN_PRESENCE,
    C::CHANGE_OWN_AVATAR,
];

const ADMIN: &[C] = &[
    C::DELETE_OWN_MESSAGE,
    C::START_TOPIC,
    C::UPLOAD_IMAGE,
    C::UPLOAD_VIDEO,
    C::UPLOAD_AUDIO,
    C::UPLOAD_ATTACHMENT,
    C::ADD_PARTICIPANT,
    C::REMOVE_PARTICIPANT,
    C::BAN,
    C::KICK,
    C::CHANGE_USER_ROLE,
];

/// What the organisation of the hub has and the others have not.
const HOST: &[C] = &[C::CHANGE_OWN_ROLE, C::JOIN_IF_PREAUTHORIZED];

const SUPER_ADMIN: &[C] = &[
    C::UNBAN,
    C::DELETE_OTHER_REACTION,
    C::DELETE_OTHER_MESSAGE,
    C::EDIT_OWN_TOPIC,
    C::EDIT_OTHER_TOPIC,
    C::CHANGE_ROOM_DESCRIPTION,
    C::CHANGE_ROOM_NAME,
    C::CHANGE_ROOM_AVATAR,
    C::CHANGE_ROOM_SUBJECT,
    C::CHANGE_ROOM_MOOD,
    C::CHANGE_ROOM_MEMBERSHIP_STYLE,
    C::CHANGE_ROLE_DEFINITIONS,
    C::CHANGE_PREAUTHORIZED_USER_LIST,
    C::DESTROY_ROOM,
    C::SEND_MLS_REINIT_PROPOSAL,
];

/// One to three, one of them active.
fn up_to_three(role: Role) -> Role {
    Role {
        participants: Bounds { minimum: 1, maximum: Some(3) },
        active: Bounds { minimum: 1, maximum: None },
        ..role
    }
}

pub(super) fn roles() -> Vec<Role> {
    vec![
        nobody(RoleIndex::NONE, "no_role"),
        nobody(RoleIndex::BANNED, Role::BANNED),
        role(2, "org_a_user", &[USER, HOST], &[(0, &[2]), (2, &[0])]),
        role(3, "org_b_user", &[USER], &[(0, &[3]), (3, &[0])]),
        role(4, "org_c_user", &[USER], &[(0, &[4]), (4, &[0])]),
        role(
            5,
            "org_a_admin",
            &[USER, ADMIN, HOST],
            &[(0, &[2, 5]), (2, &[0, 1, 5]), (5, &[0, 1, 2])],
        ),
        up_to_three(role(
            6,
            "org_b_admin",
            &[USER, ADMIN],
            &[(0, &[3, 6]), (3, &[0, 1, 6]), (6, &[0, 1, 3])],
        )),
        up_to_three(role(
            7,
            "org_c_admin",
            &[USER, ADMIN],
            &[(0, &[4, 7]), (4, &[0, 1, 7]), (7, &[0, 1, 4])],
        )),
        Role {
            participants: Bounds { minimum: 1, maximum: None },
            active: Bounds { minimum: 1, maximum: None },
            ..role(
                8,
                "super_admin",
                &[USER, ADMIN, HOST, SUPER_ADMIN],
                &[
                    (0, &[1, 2, 3, 4, 5, 6, 7, 8]),
                    (1, &[0, 2, 3, 4, 5, 6, 7, 8]),
                    (2, &[0, 1, 5, 8]),
                    (3, &[0, 1, 6]),
                    (4, &[0, 1, 7]),
                    (5, &[0, 1, 2, 8]),
                    (6, &[0, 1, 3]),
                    (7, &[0, 1, 4]),
                    (8, &[0, 1, 2, 5]),
                ],
            )
        },
        enforcer(
            9,
            &[
                (0, &[1]),
                (1, &[0]),
                (3, &[0, 1]),
                (4, &[0, 1]),
                (5, &[0, 1]),
                (6, &[0, 1]),
                (7, &[0, 1]),
                (8, &[0, 1]),
            ],
        ),
    ]
}
