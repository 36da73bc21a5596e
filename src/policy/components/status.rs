//! Delivery and read notifications (room-policy, section 6.1).

use super::{Component, Optionality};
use crate::{
    codec::{Reader, Wire},
    error::DecodeError,
    room::ComponentId,
};

/// Whether clients tell what has arrived and what was read. Where it is optional, each client decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusNotificationPolicy {
    /// What has arrived.
    pub delivery_notifications: Optionality,
    /// What was read.
    pub read_receipts: Optionality,
}

impl Component for StatusNotificationPolicy {
    const ID: ComponentId = ComponentId::STATUS_NOTIFICATION_POLICY;
}

impl Wire for StatusNotificationPolicy {
    const NAME: &'static str = "StatusNotificationPolicy";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            delivery_notifications: Optionality::read(reader)?,
            read_receipts: Optionality::read(reader)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.delivery_notifications.write(out);
        self.read_receipts.write(out);
    }
}
