//! Reports of abuse, from what was kept of the messages that they are about.

use serde::{Deserialize, Serialize};

use super::{refusal::Refusal, room::Room};
use crate::{
    codec::write_bytes,
    content::{self, MessageId},
    error::Misuse,
    franking,
    uri::UserUri,
    wire::AbuseReport,
};

/// What a message can be reported with (P-150). The content is not kept twice: the app has it, or has let it go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reportable {
    pub(super) id: MessageId,
    pub(super) evidence: franking::Evidence,
    /// What stood before the content: its media type, where the room asks for one.
    pub(super) framing: Option<Vec<u8>>,
}

impl Reportable {
    /// All that was encrypted.
    fn application_data(&self, content: &[u8]) -> Vec<u8> {
        let Some(framing) = &self.framing else { return content.to_vec() };
        let mut data = framing.clone();
        write_bytes(&mut data, content);
        data
    }
}

/// What somebody complains about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// About whom.
    pub about: UserUri,
    /// `AbuseType`: none is defined yet, so 0.
    pub reason: u8,
    /// Words for the hub, perhaps none. Messages that cannot be reported are described here.
    pub note: String,
    /// The contents of the messages that show it, octet for octet as [`Message::content`](super::Message::content) had
    /// them, perhaps none.
    pub messages: Vec<Vec<u8>>,
    /// Whether the hub is not to know who complains (P-231).
    pub anonymous: bool,
}

impl Room {
    /// Whether a message can be reported: the hub's stamp on it was right, and it is not too long ago
    /// ([`Limits::evidence`](crate::env::Limits::evidence)).
    #[must_use]
    pub fn is_reportable(&self, message: &MessageId) -> bool {
        self.state.evidence.values().any(|kept| kept.id == *message)
    }

    /// A report of abuse for the hub's `reportAbuse` endpoint (P-230 … P-232): the contents that the app has, and the
    /// hub's own stamps on them that the room has kept. It can be made as long as the room's records are there, by a
    /// client that is no longer a member too. The hub learns what the reported messages said, and nothing of others.
    ///
    /// # Errors
    /// If a content is none of this user's, in this room, of which the stamp is kept.
    pub fn report(&self, complaint: &Complaint) -> Result<AbuseReport, Refusal> {
        let (about, room) = (&complaint.about, &self.state.head.room);
        let messages = complaint
            .messages
            .iter()
            .map(|content| {
                let message = content::Message::decode(content)
                    .map_err(|_| Misuse::Argument("not MIMI content"))?;
                let id = message
                    .id(about.as_str(), room.as_str())
                    .map_err(|_| Misuse::Argument("a URI is too long"))?;
                let kept = self.state.evidence.values().find(|kept| kept.id == id);
                let kept = kept.ok_or(Misuse::Argument("nothing is kept of this message"))?;
                Ok(kept.evidence.report(kept.application_data(content)))
            })
            .collect::<Result<_, Refusal>>()?;
        Ok(AbuseReport {
            reporting_user: (!complaint.anonymous).then(|| self.state.head.user.clone()),
            alleged_abuser: about.clone(),
            reason_code: complaint.reason,
            note: complaint.note.clone(),
            messages,
            extensions: Default::default(),
        })
    }
}
