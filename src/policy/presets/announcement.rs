//! An announcement channel: a few write, everybody may join and read.

use super::{
    at_least_one,
    capabilities::{APPEARANCE, READER, WRITER},
    enforcer, nobody, role,
};
use crate::policy::{Capability as C, Role, RoleIndex};

const SUBSCRIBER: &[C] = &[C::REMOVE_SELF, C::REACT_TO_MESSAGE, C::DELETE_OWN_REACTION];

const ADMIN: &[C] = &[
    C::ADD_PARTICIPANT,
    C::REMOVE_PARTICIPANT,
    C::BAN,
    C::UNBAN,
    C::KICK,
    C::CHANGE_USER_ROLE,
    C::DELETE_OTHER_REACTION,
    C::DELETE_OTHER_MESSAGE,
    C::EDIT_OTHER_TOPIC,
    C::CHANGE_ROOM_MEMBERSHIP_STYLE,
    C::CHANGE_ROLE_DEFINITIONS,
    C::CHANGE_PREAUTHORIZED_USER_LIST,
    C::CHANGE_OTHER_POLICY_ATTRIBUTE,
    C::DESTROY_ROOM,
];

pub(super) fn roles() -> Vec<Role> {
    let no_role = role(0, "no_role", &[&[C::OPEN_JOIN, C::USE_JOIN_CODE]], &[(0, &[2])]);
    let author: &[&[C]] = &[READER, &[C::REMOVE_SELF], WRITER];
    vec![
        Role { active: nobody(RoleIndex::NONE, "").active, ..no_role },
        nobody(RoleIndex::BANNED, Role::BANNED),
        role(2, "subscriber", &[READER, SUBSCRIBER], &[(2, &[0])]),
        role(3, "author", author, &[(3, &[0])]),
        at_least_one(role(
            4,
            "admin",
            &[READER, &[C::REMOVE_SELF], WRITER, APPEARANCE, ADMIN],
            &[
                (0, &[1, 2, 3, 4]),
                (1, &[0, 2, 3, 4]),
                (2, &[0, 1, 3, 4]),
                (3, &[0, 1, 2, 4]),
                (4, &[0, 1, 2, 3]),
            ],
        )),
        enforcer(5, &[(0, &[1]), (1, &[0]), (2, &[0, 1]), (3, &[0, 1]), (4, &[0, 1])]),
    ]
}
