//! Expiring messages (room-policy, section 6.8).

use super::{Component, Optionality, write_u32};
use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    room::ComponentId,
};

/// For how long messages stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageExpiration {
    /// Whether messages expire. Where that is forbidden, the other fields are empty.
    pub expiring_messages: Optionality,
    /// Seconds at least.
    #[serde(default)]
    pub min_expiration_duration: u32,
    /// Seconds at most.
    #[serde(default)]
    pub max_expiration_duration: u32,
    /// Seconds if nothing speaks for another duration.
    #[serde(default)]
    pub default_expiration_duration: Option<u32>,
}

impl MessageExpiration {
    /// Whether a message may stay for so many seconds; none is for good.
    #[must_use]
    pub fn allows(&self, seconds: Option<u64>) -> bool {
        match (self.expiring_messages, seconds) {
            (Optionality::Forbidden | Optionality::Optional, None) => true,
            (Optionality::Required, None) | (Optionality::Forbidden, Some(_)) => false,
            (Optionality::Optional | Optionality::Required, Some(seconds)) => {
                (self.min_expiration_duration.into()..=self.max_expiration_duration.into())
                    .contains(&seconds)
            }
        }
    }
}

impl Component for MessageExpiration {
    const ID: ComponentId = ComponentId::MESSAGE_EXPIRATION_POLICY;
}

impl Wire for MessageExpiration {
    const NAME: &'static str = "MessageExpiration";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let expiring_messages = Optionality::read(reader)?;
        if expiring_messages == Optionality::Forbidden {
            return Ok(Self { expiring_messages, ..Self::default() });
        }
        let start = reader.clone();
        let expiration = Self {
            expiring_messages,
            min_expiration_duration: reader.u32("min_expiration_duration")?,
            max_expiration_duration: reader.u32("max_expiration_duration")?,
            default_expiration_duration: reader
                .optional("default_expiration_duration", |reader| {
                    reader.u32("default_expiration_duration")
                })?,
        };
        let default =
            expiration.default_expiration_duration.unwrap_or(expiration.min_expiration_duration);
        if (expiration.min_expiration_duration..=expiration.max_expiration_duration)
            .contains(&default)
        {
            return Ok(expiration);
        }
        Err(start.error(Self::NAME, Fault::Contradiction("minimum, default, maximum")))
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.expiring_messages.write(out);
        if self.expiring_messages != Optionality::Forbidden {
            write_u32(out, self.min_expiration_duration);
            write_u32(out, self.max_expiration_duration);
            codec::write_optional(out, self.default_expiration_duration.as_ref(), |it, out| {
                write_u32(out, *it);
            });
        }
    }
}
