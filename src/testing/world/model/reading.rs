//! What devices should have read.

use super::{Device, Reader, Room, Text, Wrong, wrong};
use crate::testing::world::report::Invariant;

impl Room {
    /// A device has lost what it needs to read.
    pub(in super::super) fn deafen(&mut self, device: Device, read: &[Text]) {
        self.excuse(device, read);
        self.readers.entry(device).or_default().deaf = true;
    }

    /// What a device has not read yet it need not read: its user is out, and as soon as its provider knows, it gives
    /// the user's devices no more messages, those that were accepted before not excepted (P-178).
    pub(in super::super) fn excuse(&mut self, device: Device, read: &[Text]) {
        let reader = self.readers.entry(device).or_default();
        let done = read.iter().filter(|text| !reader.tolerated.contains(text)).count();
        let missed = reader.expected.split_off(done.min(reader.expected.len()));
        reader.tolerated.extend(missed);
    }

    /// What a device has read, against what it should have.
    pub(in super::super) fn check_read(
        &self,
        device: Device,
        read: &[Text],
        all: bool,
    ) -> Result<(), Wrong> {
        let nobody = Reader::default();
        let reader = self.readers.get(&device).unwrap_or(&nobody);
        let mut expected = reader.expected.iter();
        for (place, text) in read.iter().enumerate() {
            if reader.tolerated.contains(text) {
                continue;
            }
            match expected.next() {
                Some(next) if next == text => {}
                _ if !reader.expected.contains(text) => {
                    return wrong(
                        Invariant::Outsiders,
                        format!("device {device} has read text {text}, which was not for it"),
                    );
                }
                other => {
                    let what = if read.get(..place).is_some_and(|before| before.contains(text)) {
                        "twice"
                    } else {
                        "too early"
                    };
                    return wrong(
                        Invariant::ExactlyOnce,
                        format!("device {device} has read text {text} {what}, not {other:?}"),
                    );
                }
            }
        }
        match expected.next() {
            Some(missing) if all && !reader.deaf => wrong(
                Invariant::ExactlyOnce,
                format!("device {device} has never read text {missing}; it read {read:?}"),
            ),
            Some(_) | None => Ok(()),
        }
    }
}
