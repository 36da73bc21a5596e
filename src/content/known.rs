//! Extensions that are known by their shape (draft-mahy-mimi-content-more-extensions), and the message ID in the
//! clear.
//!
//! A message with a badly shaped one is still a message: its value is refused when it is asked for, and the
//! receiver decides. It may also reject a sender's time that is absurd, before the epoch or leaps, an external ID that
//! was there before or is out of its scope, and an empty `lastSeen` of somebody who has sent before (X-005).

use super::{
    ExtensionKey, Extensions, Invalid, MessageId, Rule,
    cbor::{Item, ItemBuf, Value},
};

/// The Safe AAD component that carries a message ID in the clear, for servers to recognise repetitions.
pub const MESSAGE_ID_COMPONENT: u16 = 0x0040;

/// Whether the Safe AAD item [`MESSAGE_ID_COMPONENT`] is the ID of the message it came with. If not, the message has
/// to be discarded (MA-001).
#[must_use]
pub fn safe_aad_agrees(item: &[u8], id: &MessageId) -> bool {
    item == id.0
}

/// When the sender says that a message was sent (key 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SenderTimestamp {
    /// Seconds since the Unix epoch.
    pub seconds: u64,
    /// The rest of the second.
    pub fraction: Option<Fraction>,
}

/// A part of a second, as fine as its sender cared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fraction {
    /// Thousandths, up to 999.
    Milliseconds(u16),
    /// Millionths, up to 999,999.
    Microseconds(u32),
    /// Up to 999,999,999.
    Nanoseconds(u32),
}

/// The ID of a message in another messaging system (key 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalId<'a> {
    /// The ID itself.
    pub id: &'a [u8],
    /// Where it is unique.
    pub scope: Scope<'a>,
}

/// Where an external ID is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope<'a> {
    /// A private enterprise number of IANA's, not 0.
    Enterprise(u64),
    /// A domain name.
    Domain(&'a str),
    /// A URI.
    Uri(&'a str),
}

/// The latest messages that the sender had seen (key 256): none if it had just joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastSeen<'a> {
    /// By message ID. An empty list is this.
    Messages(Vec<MessageId>),
    /// By external ID.
    External(Vec<ExternalId<'a>>),
}

/// Octets of the longest subject.
pub const SUBJECT_OCTETS: usize = 4096;

/// Messages that one lastSeen may list before it is refused.
pub const LAST_SEEN: usize = 65_535;

/// The tag of a URI (RFC 8949, section 3.4.5.3).
const URI: u64 = 32;

const fn refused<T>(rule: Rule) -> Result<T, Invalid> {
    Err(Invalid::at(0, rule))
}

impl<'a> Extensions<'a> {
    fn known<T>(
        &self,
        key: ExtensionKey<'_>,
        read: impl FnOnce(Item<'a>) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Invalid> {
        self.get(key).map(read).transpose()
    }

    /// When the sender says that the message was sent.
    ///
    /// # Errors
    /// If it is not what the draft says it is. The offset says nothing.
    pub fn sender_timestamp(&self) -> Result<Option<SenderTimestamp>, Invalid> {
        self.known(ExtensionKey::SENDER_TIMESTAMP, SenderTimestamp::read)
    }

    /// The ID of the message in another messaging system.
    ///
    /// # Errors
    /// If it is not what the draft says it is. The offset says nothing.
    pub fn external_id(&self) -> Result<Option<ExternalId<'a>>, Invalid> {
        self.known(ExtensionKey::EXTERNAL_MESSAGE_ID, ExternalId::read)
    }

    /// The subject.
    ///
    /// # Errors
    /// If it is not text of 1 to 4,096 octets. The offset says nothing.
    pub fn subject(&self) -> Result<Option<&'a str>, Invalid> {
        self.known(ExtensionKey::SUBJECT, |item| match item.value().text() {
            Some(text) if (1..=SUBJECT_OCTETS).contains(&text.len()) => Ok(text),
            Some(_) | None => refused(Rule::Subject),
        })
    }

    /// What the sender had seen last.
    ///
    /// # Errors
    /// If it is no list, mixes the kinds of IDs, or has more than [`LAST_SEEN`]. The offset says nothing.
    pub fn last_seen(&self) -> Result<Option<LastSeen<'a>>, Invalid> {
        self.known(ExtensionKey::LAST_SEEN, LastSeen::read)
    }
}

impl SenderTimestamp {
    fn read(item: Item<'_>) -> Result<Self, Invalid> {
        let Value::Map(entries) = item.value() else { return refused(Rule::SenderTimestamp) };
        let mut seconds = None;
        let mut fraction = None;
        for (key, value) in entries {
            let Value::Unsigned(number) = value.value() else {
                return refused(Rule::SenderTimestamp);
            };
            let (most, read): (_, fn(u32) -> Fraction) = match key.value().integer() {
                Some(1) => {
                    seconds = Some(number);
                    continue;
                }
                Some(-3) => {
                    (999, |number| Fraction::Milliseconds(number.try_into().unwrap_or(u16::MAX)))
                }
                Some(-6) => (999_999, Fraction::Microseconds),
                Some(-9) => (999_999_999, Fraction::Nanoseconds),
                _ => return refused(Rule::SenderTimestamp),
            };
            match u32::try_from(number) {
                Ok(number) if number <= most && fraction.is_none() => fraction = Some(read(number)),
                _ => return refused(Rule::SenderTimestamp),
            }
        }
        match seconds {
            Some(seconds) => Ok(Self { seconds, fraction }),
            None => refused(Rule::SenderTimestamp),
        }
    }

    /// The value of the extension.
    ///
    /// # Errors
    /// [`Rule::SenderTimestamp`], if the fraction is a second or more.
    pub fn to_item(self) -> Result<ItemBuf, Invalid> {
        let seconds = (ItemBuf::unsigned(1), ItemBuf::unsigned(self.seconds));
        let fraction = self.fraction.map(|fraction| match fraction {
            Fraction::Milliseconds(number) => (-3, u64::from(number)),
            Fraction::Microseconds(number) => (-6, u64::from(number)),
            Fraction::Nanoseconds(number) => (-9, u64::from(number)),
        });
        let item = ItemBuf::map(std::iter::once(seconds).chain(
            fraction.map(|(key, number)| (ItemBuf::integer(key), ItemBuf::unsigned(number))),
        ))?;
        Self::read(item.as_item())?;
        Ok(item)
    }
}

impl<'a> ExternalId<'a> {
    fn read(item: Item<'a>) -> Result<Self, Invalid> {
        let Value::Array(mut items) = item.value() else { return refused(Rule::ExternalId) };
        let (Some(id), Some(scope), None) = (items.next(), items.next(), items.next()) else {
            return refused(Rule::ExternalId);
        };
        let Value::Bytes(id) = id.value() else { return refused(Rule::ExternalId) };
        let scope = scope.value();
        let scope = if let Value::Unsigned(number @ 1..) = scope {
            Scope::Enterprise(number)
        } else if let Value::Text(domain) = scope {
            Scope::Domain(domain)
        } else if let Value::Tag(URI, uri) = scope
            && let Some(uri) = uri.value().text()
        {
            Scope::Uri(uri)
        } else {
            return refused(Rule::ExternalId);
        };
        Ok(Self { id, scope })
    }

    /// The value of the extension.
    ///
    /// # Errors
    /// [`Rule::ExternalId`], if the scope is 0.
    pub fn to_item(self) -> Result<ItemBuf, Invalid> {
        let scope = match self.scope {
            Scope::Enterprise(number) => ItemBuf::unsigned(number),
            Scope::Domain(domain) => ItemBuf::text(domain),
            Scope::Uri(uri) => ItemBuf::tag(URI, &ItemBuf::text(uri))?,
        };
        let item = ItemBuf::array([ItemBuf::bytes(self.id), scope])?;
        ExternalId::read(item.as_item())?;
        Ok(item)
    }
}

impl<'a> LastSeen<'a> {
    fn read(item: Item<'a>) -> Result<Self, Invalid> {
        let Value::Array(items) = item.value() else { return refused(Rule::LastSeen) };
        if items.len() > LAST_SEEN {
            return refused(Rule::LastSeen);
        }
        let mut messages = Vec::new();
        let mut external = Vec::new();
        for item in items {
            let Some(bytes) = item.value().bytes() else {
                let id = ExternalId::read(item).map_err(|_| Invalid::at(0, Rule::LastSeen))?;
                external.push(id);
                continue;
            };
            match MessageId::from_slice(bytes) {
                Some(id) => messages.push(id),
                None => return refused(Rule::LastSeen),
            }
        }
        match (messages.is_empty(), external.is_empty()) {
            (_, true) => Ok(Self::Messages(messages)),
            (true, false) => Ok(Self::External(external)),
            (false, false) => refused(Rule::LastSeen),
        }
    }

    /// The value of the extension.
    ///
    /// # Errors
    /// [`Rule::LastSeen`], beyond [`LAST_SEEN`] messages; [`Rule::ExternalId`].
    pub fn to_item(&self) -> Result<ItemBuf, Invalid> {
        let item = match self {
            Self::Messages(ids) => ItemBuf::array(ids.iter().map(|id| ItemBuf::bytes(&id.0)))?,
            Self::External(ids) => {
                let ids: Result<Vec<_>, _> = ids.iter().map(|id| id.to_item()).collect();
                ItemBuf::array(ids?)?
            }
        };
        LastSeen::read(item.as_item())?;
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Compose, Draft, MessageBuf, Salt};

    fn with(key: ExtensionKey<'static>, value: ItemBuf) -> MessageBuf {
        let draft: Draft<'_> = Compose::new("s", "r").text("").extension(key, value).unwrap();
        draft.build(Salt([0; 16])).unwrap()
    }

    #[test]
    fn the_sender_timestamp_has_one_fraction_at_most() {
        let key = ExtensionKey::SENDER_TIMESTAMP;
        for fraction in [
            None,
            Some(Fraction::Milliseconds(999)),
            Some(Fraction::Microseconds(462_917)),
            Some(Fraction::Nanoseconds(999_999_999)),
        ] {
            let timestamp = SenderTimestamp { seconds: 1_762_760_377, fraction };
            let message = with(key, timestamp.to_item().unwrap());
            assert_eq!(message.as_message().extensions().sender_timestamp(), Ok(Some(timestamp)));
        }
        let second = SenderTimestamp { seconds: 1, fraction: Some(Fraction::Milliseconds(1000)) };
        assert!(second.to_item().is_err());
        let entry = |key, number| (ItemBuf::integer(key), ItemBuf::unsigned(number));
        for entries in [
            vec![entry(1, 1), entry(-3, 1), entry(-6, 1)],
            vec![entry(-3, 1)],
            vec![entry(1, 1), entry(2, 1)],
        ] {
            let message = with(key, ItemBuf::map(entries).unwrap());
            let error = message.as_message().extensions().sender_timestamp().unwrap_err();
            assert_eq!(error.rule(), Rule::SenderTimestamp);
        }
    }

    #[test]
    fn an_external_id_has_one_of_three_scopes() {
        let key = ExtensionKey::EXTERNAL_MESSAGE_ID;
        for scope in [Scope::Enterprise(311), Scope::Domain("a.example"), Scope::Uri("https://a")] {
            let id = ExternalId { id: &[8, 0xbb], scope };
            let message = with(key, id.to_item().unwrap());
            assert_eq!(message.as_message().extensions().external_id(), Ok(Some(id)));
        }
        assert!(ExternalId { id: &[], scope: Scope::Enterprise(0) }.to_item().is_err());
        let message = with(key, ItemBuf::text("1"));
        assert!(message.as_message().extensions().external_id().is_err());
    }

    #[test]
    fn a_subject_has_1_to_4096_octets() {
        for (length, ok) in [(0, false), (1, true), (4096, true), (4097, false)] {
            let message = with(ExtensionKey::SUBJECT, ItemBuf::text(&"s".repeat(length)));
            assert_eq!(message.as_message().extensions().subject().is_ok(), ok, "{length}");
        }
    }

    #[test]
    fn last_seen_never_mixes_ids() {
        let id = MessageId([1; 32]);
        // Exactly four levels: the map, the list, the ID, the tag. X-006.
        let external = ExternalId { id: &[1], scope: Scope::Uri("https://a") };
        for seen in [
            LastSeen::Messages(vec![]),
            LastSeen::Messages(vec![id, MessageId([2; 32])]),
            LastSeen::External(vec![external]),
        ] {
            let message = with(ExtensionKey::LAST_SEEN, seen.to_item().unwrap());
            assert_eq!(message.as_message().extensions().last_seen(), Ok(Some(seen)));
        }
        let mixed = ItemBuf::array([ItemBuf::bytes(&id.0), external.to_item().unwrap()]).unwrap();
        let message = with(ExtensionKey::LAST_SEEN, mixed);
        assert!(message.as_message().extensions().last_seen().is_err());
    }

    #[test]
    fn the_id_in_the_clear_is_the_raw_id() {
        let id = MessageId([1; 32]);
        assert!(safe_aad_agrees(&[1; 32], &id));
        assert!(!safe_aad_agrees(&[1; 31], &id));
        assert!(!safe_aad_agrees(&[2; 32], &id));
    }
}
