//! Acknowledgements of application messages (draft-ietf-mls-extensions-10, section 6.1).

use crate::{
    codec::{Reader, Wire, write_vec},
    error::{DecodeError, Fault},
};

/// Messages of one sender that have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRange {
    /// The sender's leaf.
    pub sender: u32,
    /// The generation of the first.
    pub first_generation: u32,
    /// The generation of the last, not before the first.
    pub last_generation: u32,
}

impl Wire for MessageRange {
    const NAME: &'static str = "MessageRange";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let sender = reader.u32("MessageRange.sender")?;
        let first_generation = reader.u32("MessageRange.first_generation")?;
        let last_generation = reader.u32("MessageRange.last_generation")?;
        if last_generation < first_generation {
            return Err(start.error(Self::NAME, Fault::Order));
        }
        Ok(Self { sender, first_generation, last_generation })
    }

    fn write(&self, out: &mut Vec<u8>) {
        for number in [self.sender, self.first_generation, self.last_generation] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// What has arrived in this epoch: the data of the component `app_ack` (E-065).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppAck(pub Vec<MessageRange>);

impl Wire for AppAck {
    const NAME: &'static str = "AppAck";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.vec("AppAck.received_ranges", MessageRange::read).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_vec(out, &self.0, MessageRange::write);
    }
}
