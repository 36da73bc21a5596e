//! Logging (room-policy, section 6.5).

use super::{Component, Optionality, read_uri, read_uris, write_text, write_texts};
use crate::{
    codec::{Reader, Wire},
    error::{DecodeError, Fault},
    room::ComponentId,
};

/// Who keeps a log of the room.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggingPolicy {
    /// Whether there is logging. Where it is forbidden, the other fields are empty.
    pub logging: Optionality,
    /// The clients that log; at least one where logging is required.
    #[serde(default)]
    pub logging_clients: Vec<String>,
    /// Where the provider's policy is for machines; may be empty.
    #[serde(default)]
    pub machine_readable_policy: String,
    /// Where the provider's policy is for people; may be empty.
    #[serde(default)]
    pub human_readable_policy: String,
}

impl LoggingPolicy {
    /// Whether the room is being logged: required, or optional with a client that does.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.logging != Optionality::Forbidden && !self.logging_clients.is_empty()
    }
}

impl Component for LoggingPolicy {
    const ID: ComponentId = ComponentId::LOGGING_POLICY;
}

impl Wire for LoggingPolicy {
    const NAME: &'static str = "LoggingPolicy";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let logging = Optionality::read(reader)?;
        if logging == Optionality::Forbidden {
            return Ok(Self { logging, ..Self::default() });
        }
        let start = reader.clone();
        let logging_clients = read_uris(reader, "logging_clients")?;
        if logging == Optionality::Required && logging_clients.is_empty() {
            return Err(start.error("logging_clients", Fault::Empty));
        }
        Ok(Self {
            logging,
            logging_clients,
            machine_readable_policy: read_uri(reader, "machine_readable_policy")?,
            human_readable_policy: read_uri(reader, "human_readable_policy")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.logging.write(out);
        if self.logging != Optionality::Forbidden {
            write_texts(out, &self.logging_clients);
            write_text(out, &self.machine_readable_policy);
            write_text(out, &self.human_readable_policy);
        }
    }
}
