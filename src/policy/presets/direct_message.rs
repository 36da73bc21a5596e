//! A direct message: the same few people from beginning to end (room-policy, section 5).

use super::{
    capabilities::{APPEARANCE, READER, WRITER},
    enforcer, nobody, role,
};
use crate::policy::{Role, RoleIndex};

pub(super) fn roles() -> Vec<Role> {
    vec![
        nobody(RoleIndex::NONE, "no_role"),
        nobody(RoleIndex::BANNED, Role::BANNED),
        role(2, "participant", &[READER, WRITER, APPEARANCE], &[]),
        enforcer(3, &[(0, &[1]), (1, &[0]), (2, &[0, 1])]),
    ]
}
