//! Status reports and derived values.

use openmimi::content::{DerivedValues, HubTimestamp, Invalid, status};

use crate::{Kind, show::Tree};

/// Status reports.
pub(crate) struct Status;

impl Kind for Status {
    fn line(&self, bytes: &[u8]) -> Result<String, Invalid> {
        status::Report::decode(bytes).map(|_| "-".to_owned())
    }

    fn tree(&self, bytes: &[u8]) -> Result<String, Invalid> {
        let report = status::Report::decode(bytes)?;
        let mut tree = Tree::new(bytes);
        for entry in &report.entries {
            let status = match entry.status {
                status::Status::UNREAD => "unread",
                status::Status::DELIVERED => "delivered",
                status::Status::READ => "read",
                status::Status::EXPIRED => "expired",
                status::Status::DELETED => "deleted",
                status::Status::HIDDEN => "hidden",
                status::Status::ERROR => "error",
                status::Status(_) => "unknown",
            };
            tree.line(0, None, &entry.id.to_string(), &format!("{status} ({})", entry.status.0));
        }
        Ok(tree.finish())
    }
}

/// Derived values.
pub(crate) struct Derived;

impl Kind for Derived {
    fn line(&self, bytes: &[u8]) -> Result<String, Invalid> {
        DerivedValues::decode(bytes).map(|values| values.id.to_string())
    }

    fn tree(&self, bytes: &[u8]) -> Result<String, Invalid> {
        let values = DerivedValues::decode(bytes)?;
        let mut tree = Tree::new(bytes);
        tree.line(0, None, "message ID", &values.id.to_string());
        let accepted = match values.accepted_at {
            HubTimestamp::Milliseconds(timestamp) => format!("{} ms", timestamp.0),
            HubTimestamp::Extended(item) => format!("1001({item:?})"),
        };
        tree.line(0, None, "accepted by the hub", &accepted);
        tree.octets(0, "MLS group ID", values.group_id);
        tree.line(0, None, "sender's leaf", &values.sender_leaf.to_string());
        tree.text(0, "sender's client", values.sender_client);
        tree.text(0, "sender", values.sender);
        tree.text(0, "room", values.room);
        Ok(tree.finish())
    }
}
