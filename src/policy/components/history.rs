//! Sharing of the chat's history with those who join (room-policy, section 6.6).

use super::{Component, Optionality, write_bool, write_u32};
use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    policy::RoleIndex,
    room::ComponentId,
};

/// Who may share how much of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryPolicy {
    /// Whether history is shared. Where it is forbidden, the other fields are empty.
    pub history_sharing: Optionality,
    /// The roles that may share; never 0, 1, or one that may not be active.
    #[serde(default)]
    pub roles_that_can_share: Vec<RoleIndex>,
    /// Clients may share without being told to.
    #[serde(default)]
    pub automatically_share: bool,
    /// Seconds of history that may be shared.
    #[serde(default)]
    pub max_time_period: u32,
}

impl HistoryPolicy {
    /// Whether somebody in a role may share.
    #[must_use]
    pub fn may_share(&self, role: RoleIndex) -> bool {
        self.history_sharing != Optionality::Forbidden && self.roles_that_can_share.contains(&role)
    }
}

impl Component for HistoryPolicy {
    const ID: ComponentId = ComponentId::CHAT_HISTORY_POLICY;
}

impl Wire for HistoryPolicy {
    const NAME: &'static str = "HistoryPolicy";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let history_sharing = Optionality::read(reader)?;
        if history_sharing == Optionality::Forbidden {
            return Ok(Self { history_sharing, ..Self::default() });
        }
        let start = reader.clone();
        let roles_that_can_share = reader.vec("roles_that_can_share", RoleIndex::read)?;
        if roles_that_can_share.iter().any(|&role| role <= RoleIndex::BANNED) {
            let fault = Fault::Contradiction("roles 0 and 1 share nothing");
            return Err(start.error("roles_that_can_share", fault));
        }
        Ok(Self {
            history_sharing,
            roles_that_can_share,
            automatically_share: reader.bool("automatically_share")?,
            max_time_period: reader.u32("max_time_period")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.history_sharing.write(out);
        if self.history_sharing != Optionality::Forbidden {
            codec::write_vec(out, &self.roles_that_can_share, RoleIndex::write);
            write_bool(out, self.automatically_share);
            write_u32(out, self.max_time_period);
        }
    }
}
