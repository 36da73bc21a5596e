//! Epochs that are over, whose application messages are still taken.

use serde::{Deserialize, Serialize};

use super::Room;
use crate::{
    codec::Wire,
    delivery::{Group, StagedCommit},
    policy::components::OperationalParameters,
    room::ComponentId,
};

/// What the messages of an epoch are judged by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Epoch {
    /// Its number.
    pub(super) number: u64,
    /// The component `franking_agent` in it.
    pub(super) agent: Option<Vec<u8>>,
    /// Whether the authenticated data of its messages is Safe AAD.
    pub(super) safe_aad: bool,
}

impl Epoch {
    /// The epoch that a group is in.
    pub(super) fn of(group: &Group) -> Self {
        Self {
            number: group.epoch(),
            agent: group.component(ComponentId::FRANKING_AGENT.0).map(<[u8]>::to_vec),
            safe_aad: group.component(ComponentId::SAFE_AAD.0).is_some(),
        }
    }
}

impl Room {
    /// The epochs before the next one whose messages will be taken in it: as many as its operational policy says, and
    /// none from before a commit that removes a leaf.
    pub(super) fn past_epochs(&self, staged: &StagedCommit) -> Vec<Epoch> {
        let policy = staged.components().get(&ComponentId::MLS_OPERATIONAL_POLICY.0);
        let tolerance = policy
            .and_then(|data| OperationalParameters::decode(data).ok())
            .map_or(0, |policy| policy.app_message_policy.epoch_tolerance);
        if tolerance == 0 || !staged.removed().is_empty() {
            return Vec::new();
        }
        let mut past = self.past.clone();
        past.push(Epoch::of(&self.group));
        past.split_off(past.len().saturating_sub(usize::from(tolerance)))
    }

    /// The oldest epoch whose messages are taken.
    pub(super) fn oldest_epoch(&self) -> u64 {
        self.past.first().map_or(self.group.epoch(), |oldest| oldest.number)
    }
}
