//! What a client knows of a message besides the message (content, section 4.6).

use super::{
    Invalid, MessageId, Rule,
    cbor::{
        Item, Value,
        read::{Reader, major},
        walk,
        write::Writer,
    },
    extensions,
};
use crate::env::Timestamp;

/// The tag of extended time (RFC 9581, section 3).
const EXTENDED_TIME: u64 = 1001;

/// When the hub accepted a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HubTimestamp<'a> {
    /// Milliseconds since the Unix epoch.
    Milliseconds(Timestamp),
    /// An extended time: the map under tag 1001 (RFC 9581).
    Extended(Item<'a>),
}

impl HubTimestamp<'_> {
    /// The milliseconds, where they can be told: of an extended time, from whole seconds (key 1) with milli-, micro-
    /// or nanoseconds (keys −3, −6, −9).
    #[must_use]
    pub fn milliseconds(&self) -> Option<Timestamp> {
        let item = match self {
            Self::Milliseconds(timestamp) => return Some(*timestamp),
            Self::Extended(item) => item,
        };
        let Value::Map(entries) = item.value() else { return None };
        let mut milliseconds = None;
        let mut fraction = 0;
        for (key, value) in entries {
            let Value::Unsigned(number) = value.value() else { continue };
            match key.value().integer() {
                Some(1) => milliseconds = number.checked_mul(1000),
                Some(-3) => fraction = number,
                Some(-6) => fraction = number / 1000,
                Some(-9) => fraction = number / 1_000_000,
                _ => {}
            }
        }
        milliseconds?.checked_add(fraction).map(Timestamp)
    }
}

/// The draft's `MessageDerivedValues`, to be kept or passed on beside a message.
///
/// Nothing in it is authenticated: whoever wrote it vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerivedValues<'a> {
    /// The ID of the message.
    pub id: MessageId,
    /// When the hub accepted it.
    pub accepted_at: HubTimestamp<'a>,
    /// The MLS group it was sent in.
    pub group_id: &'a [u8],
    /// The leaf of its sender.
    pub sender_leaf: u32,
    /// The client that sent it.
    pub sender_client: &'a str,
    /// The user who sent it.
    pub sender: &'a str,
    /// The room it was sent to.
    pub room: &'a str,
}

impl<'a> DerivedValues<'a> {
    /// Decodes the values that take up all of `bytes`.
    ///
    /// The URLs are text, as in the complete schema and the draft's example; the shorter schema in the draft's text
    /// says tagged URIs.
    ///
    /// # Errors
    /// The first rule that is broken, and where.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let mut reader = Reader::new(bytes)?;
        reader.array_of(7, Rule::Derived)?;
        let start = reader.at();
        let id = MessageId::from_slice(reader.bytes(Rule::MessageId)?)
            .ok_or_else(|| Invalid::at(start, Rule::MessageId))?;
        if !id.is_known() {
            return Err(Invalid::at(reader.at() - MessageId::LENGTH, Rule::HashAlgorithm));
        }
        let values = Self {
            id,
            accepted_at: timestamp(&mut reader)?,
            group_id: reader.bytes(Rule::GroupId)?,
            sender_leaf: reader.u32(Rule::LeafIndex)?,
            sender_client: reader.text(Rule::DerivedUrl)?,
            sender: reader.text(Rule::DerivedUrl)?,
            room: reader.text(Rule::DerivedUrl)?,
        };
        reader.finish()?;
        Ok(values)
    }

    /// The bytes of the values.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let out = &mut Writer(&mut bytes);
        out.array(7);
        out.bytes(&self.id.0);
        match self.accepted_at {
            HubTimestamp::Milliseconds(timestamp) => out.unsigned(timestamp.0),
            HubTimestamp::Extended(item) => {
                out.tag(EXTENDED_TIME);
                out.raw(item.as_bytes());
            }
        }
        out.bytes(self.group_id);
        out.unsigned(u64::from(self.sender_leaf));
        out.text(self.sender_client);
        out.text(self.sender);
        out.text(self.room);
        bytes
    }
}

fn timestamp<'a>(reader: &mut Reader<'a>) -> Result<HubTimestamp<'a>, Invalid> {
    let start = reader.at();
    match reader.peek()? >> 5 {
        major::UNSIGNED => reader
            .unsigned(u64::MAX, Rule::Timestamp)
            .map(|number| HubTimestamp::Milliseconds(Timestamp(number))),
        major::TAG if reader.head()?.1 == EXTENDED_TIME => {
            let map = reader.at();
            let mut before = None;
            for _ in 0..reader.map(Rule::Timestamp)? {
                before = Some(extensions::key(reader, before)?);
                // The tag and the map are levels of their own.
                walk::skip(reader, walk::LEVELS - 2)?;
            }
            Ok(HubTimestamp::Extended(Item::checked(reader.between(map, reader.at()))))
        }
        _ => Err(Invalid::at(start, Rule::Timestamp)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::cbor::ItemBuf;

    fn values(accepted_at: HubTimestamp<'_>) -> DerivedValues<'_> {
        DerivedValues {
            id: MessageId([1; 32]),
            accepted_at,
            group_id: &[7; 32],
            sender_leaf: u32::MAX,
            sender_client: "mimi://a.example/d/alice/1",
            sender: "mimi://a.example/u/alice",
            room: "mimi://a.example/r/room",
        }
    }

    #[test]
    fn values_round_trip_with_both_kinds_of_time() {
        let entry = |key, number| (ItemBuf::integer(key), ItemBuf::unsigned(number));
        let extended = ItemBuf::map([entry(1, 1_644_387_225), entry(-3, 19)]).unwrap();
        for accepted_at in [
            HubTimestamp::Milliseconds(Timestamp(1_644_387_225_019)),
            HubTimestamp::Extended(extended.as_item()),
        ] {
            assert_eq!(accepted_at.milliseconds(), Some(Timestamp(1_644_387_225_019)));
            let bytes = values(accepted_at).encode();
            assert_eq!(DerivedValues::decode(&bytes), Ok(values(accepted_at)));
            for end in 0..bytes.len() {
                assert_eq!(
                    DerivedValues::decode(&bytes[..end]),
                    Err(Invalid::at(end, Rule::Truncated))
                );
            }
        }
    }

    #[test]
    fn values_are_strict() {
        let good = values(HubTimestamp::Milliseconds(Timestamp(0))).encode();
        let broken = |at: usize, octet: u8| {
            let mut bytes = good.clone();
            bytes[at] = octet;
            DerivedValues::decode(&bytes).unwrap_err().rule()
        };
        assert_eq!(broken(0, 0x86), Rule::Derived);
        assert_eq!(broken(3, 2), Rule::HashAlgorithm);
        assert_eq!(broken(35, 0x20), Rule::Timestamp);
        assert_eq!(broken(35, 0xc1), Rule::Timestamp);
        assert_eq!(broken(36, 0x78), Rule::GroupId);
        // The names in an extended time are those of extensions.
        let named = |name: ItemBuf| {
            let time = ItemBuf::map([(name, ItemBuf::unsigned(1))]).unwrap();
            let bytes = values(HubTimestamp::Extended(time.as_item())).encode();
            DerivedValues::decode(&bytes).map(|_| ()).map_err(Invalid::rule)
        };
        assert_eq!(named(ItemBuf::text("Z")), Ok(()));
        assert_eq!(named(ItemBuf::text("")), Err(Rule::KeyLength));
        assert_eq!(named(ItemBuf::text(&"Z".repeat(256))), Err(Rule::KeyLength));
        assert_eq!(named(ItemBuf::bytes(&[1])), Err(Rule::KeyType));
    }
}
