//! Status reports and derived values.

use openmimi::content::{DerivedValues, HubTimestamp, Invalid, MessageId, status};

use crate::{
    Kind,
    show::{Tree, head},
};

/// Status reports.
pub(crate) struct Status;

impl Kind for Status {
    fn line(&self, bytes: &[u8]) -> Result<String, Invalid> {
        status::Report::decode(bytes).map(|_| "-".to_owned())
    }

    fn tree(&self, bytes: &[u8]) -> Result<String, Invalid> {
        let report = status::Report::decode(bytes)?;
        let mut tree = Tree::new(bytes);
        tree.go_to(head(report.entries.len() as u64));
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
            // The head of the entry, the ID with its own, and the status.
            let octets = 1 + 2 + MessageId::LENGTH + head(entry.status.0.into());
            let status = format!("{status} ({})", entry.status.0);
            tree.next(0, octets, &entry.id.to_string(), &status);
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
        // After the head of the array.
        tree.go_to(1);
        tree.next(0, 2 + MessageId::LENGTH, "message ID", &values.id.to_string());
        match values.accepted_at {
            HubTimestamp::Milliseconds(timestamp) => {
                let accepted = format!("{} ms", timestamp.0);
                tree.next(0, head(timestamp.0), "accepted by the hub", &accepted);
            }
            HubTimestamp::Extended(item) => {
                let octets = head(1001) + item.as_bytes().len();
                tree.next(0, octets, "accepted by the hub", &format!("1001({item:?})"));
            }
        }
        tree.octets(0, "MLS group ID", values.group_id);
        tree.number(0, "sender's leaf", values.sender_leaf.into());
        tree.text(0, "sender's client", values.sender_client);
        tree.text(0, "sender", values.sender);
        tree.text(0, "room", values.room);
        Ok(tree.finish())
    }
}
