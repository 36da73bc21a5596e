//! A cooperatively administered room: appendix A.1.

use super::{at_least_one, capabilities::COOPERATIVE_USER, enforcer, nobody, role};
use crate::policy::{Capability as C, Role, RoleIndex};

const GROUP_ADMIN: &[C] = &[
    C::BAN,
    C::UNBAN,
    C::KICK,
    C::CHANGE_USER_ROLE,
    C::DELETE_OTHER_MESSAGE,
    C::EDIT_OTHER_TOPIC,
    C::CHANGE_ROOM_DESCRIPTION,
];

const SUPER_ADMIN: &[C] =
    &[C::CHANGE_ROOM_MEMBERSHIP_STYLE, C::CHANGE_PREAUTHORIZED_USER_LIST, C::DESTROY_ROOM];

pub(super) fn roles() -> Vec<Role> {
    vec![
        nobody(RoleIndex::NONE, "no_role"),
        nobody(RoleIndex::BANNED, Role::BANNED),
        role(2, "ordinary_user", &[COOPERATIVE_USER], &[(0, &[2]), (2, &[0])]),
        at_least_one(role(
            3,
            "group_admin",
            &[COOPERATIVE_USER, GROUP_ADMIN],
            &[(0, &[1, 2, 3]), (1, &[0, 2, 3]), (2, &[0, 1, 3]), (3, &[0, 1, 2])],
        )),
        role(
            4,
            "super_admin",
            &[COOPERATIVE_USER, GROUP_ADMIN, SUPER_ADMIN],
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
