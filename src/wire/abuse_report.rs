//! `reportAbuse`: a complaint to the hub (draft-ietf-mimi-protocol-06, section 5.9). It has no answer with a body.

use super::{AppDataDictionary, Frank};
use crate::{
    codec::{Reader, Wire, write_bytes, write_vec},
    env::Timestamp,
    error::DecodeError,
    uri::UserUri,
};

/// A complaint about a participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbuseReport {
    /// Who complains, if that is to be known.
    pub reporting_user: Option<UserUri>,
    /// About whom.
    pub alleged_abuser: UserUri,
    /// `AbuseType`. None is defined yet: write 0, and read any.
    pub reason_code: u8,
    /// Words, perhaps none. Messages without a frank are described here.
    pub note: String,
    /// Messages that show it, perhaps none.
    pub messages: Vec<AbusiveMessage>,
    /// Extensions.
    pub extensions: AppDataDictionary,
}

impl Wire for AbuseReport {
    const NAME: &'static str = "AbuseReport";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            reporting_user: reader.uri_if_any("AbuseReport.reportingUser")?,
            alleged_abuser: reader.uri("AbuseReport.allegedAbuserUri")?,
            reason_code: reader.u8("AbuseReport.reasonCode")?,
            note: reader.text("AbuseReport.note")?.into(),
            messages: reader.vec("AbuseReport.messages", AbusiveMessage::read)?,
            extensions: Wire::read(reader)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, self.reporting_user.as_ref().map_or(&[], UserUri::as_bytes));
        write_bytes(out, self.alleged_abuser.as_bytes());
        out.push(self.reason_code);
        write_bytes(out, self.note.as_bytes());
        write_vec(out, &self.messages, AbusiveMessage::write);
        self.extensions.write(out);
    }
}

/// A message with the hub's own stamp on it. The hub recognises the stamp or it does not (P-234).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbusiveMessage {
    /// All that was encrypted, octet for octet.
    pub content: Vec<u8>,
    /// The hub's stamp.
    pub frank: Frank,
    /// When the hub accepted it.
    pub accepted: Timestamp,
}

impl Wire for AbusiveMessage {
    const NAME: &'static str = "AbusiveMessage";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            content: reader.bytes("AbusiveMessage.message_content")?.to_vec(),
            frank: Wire::read(reader)?,
            accepted: Timestamp(reader.u64("AbusiveMessage.accepted_timestamp")?),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, &self.content);
        self.frank.write(out);
        out.extend_from_slice(&self.accepted.0.to_be_bytes());
    }
}
