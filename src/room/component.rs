//! Application components: their numbers, and the octets of a GroupContext's dictionary.

use std::collections::{BTreeMap, btree_map};

/// The number of an application component (draft-ietf-mls-extensions-10, section 4.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId(pub u16);

/// Declares the components once: constant, number, name in its draft, and whether a GroupContext may hold it.
macro_rules! components {
    ($($(#[$doc:meta])* $constant:ident = $number:literal, $name:literal, $group:literal;)*) => {
        impl ComponentId {
            $($(#[$doc])* pub const $constant: Self = Self($number);)*

            /// All components with a number of their own, in order.
            pub const KNOWN: &'static [Self] = &[$(Self::$constant),*];

            /// The name in its draft, if it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }

            /// Whether a GroupContext may hold it ("Where: GC", E-064). Nothing is known of other numbers, so they may.
            #[must_use]
            pub const fn in_group_context(self) -> bool {
                match self.0 {
                    $($number => $group,)*
                    _ => true,
                }
            }
        }
    };
}

components! {
    /// The components that a leaf supports, or that a group requires (mls-extensions, section 5).
    APP_COMPONENTS = 0x0001, "app_components", true;
    /// The Safe AAD items that a leaf supports, or that a group requires (mls-extensions, section 4.9).
    SAFE_AAD = 0x0002, "safe_aad", true;
    /// The media types that a leaf receives, or that a group requires (mls-extensions, section 6.2).
    CONTENT_MEDIA_TYPES = 0x0003, "content_media_types", true;
    /// Marks a KeyPackage of last resort (mls-extensions, section 6.4).
    LAST_RESORT_KEY_PACKAGE = 0x0004, "last_resort_key_package", false;
    /// Acknowledges application messages (mls-extensions, section 6.1).
    APP_ACK = 0x0005, "app_ack", false;
    /// The key pair of a private-external group (draft-ietf-mls-private-external).
    ROOT_PRIVATE_SIGNATURE_KEY = 0x000A, "root_private_signature_key", true;
    /// The key for private external messages.
    EXTERNAL_ENCRYPTION_PUBLIC_KEY = 0x000B, "external_encryption_public_key", false;
    /// The franking tag in the authenticated data (mimi-protocol, section 5.4.1.1).
    FRANK_AAD = 0x0020, "frank_aad", false;
    /// The key that franks messages (mimi-protocol, section 5.4.1.2; Q-51). A room keeps it: to change it takes a new
    /// room, since groups are not started afresh (P-134, P-135, Q-113).
    FRANKING_AGENT = 0x0021, "franking_agent", true;
    /// Who takes part, and in which role (mimi-protocol, section 7.5).
    PARTICIPANT_LIST = 0x0022, "participant_list", true;
    /// Name, descriptions, avatar, subject and mood (mimi-protocol, section 7.6).
    ROOM_METADATA = 0x0023, "room_metadata", true;
    /// Parameters of MLS itself (room-policy, section 7).
    MLS_OPERATIONAL_POLICY = 0x0024, "mls_operational_policy", true;
    /// What each role may do (room-policy, section 3).
    ROLES_LIST = 0x0025, "roles_list", true;
    /// Who may take a role by virtue of a credential (room-policy, section 4).
    PREAUTH_LIST = 0x0026, "preauth_list", true;
    /// Rules of membership (room-policy, section 5).
    BASE_ROOM_POLICY = 0x0027, "base_room_policy", true;
    /// Delivery and read notifications (room-policy, section 6.1).
    STATUS_NOTIFICATION_POLICY = 0x0028, "status_notification_policy", true;
    /// How join links are made (room-policy, section 6.2).
    JOIN_LINK_POLICY = 0x0029, "join_link_policy", true;
    /// The join links that are active (room-policy, section 6.2).
    JOIN_LINKS = 0x002A, "join_links", true;
    /// Link previews (room-policy, section 6.3).
    LINK_PREVIEW_POLICY = 0x002B, "link_preview_policy", true;
    /// Attachments (room-policy, section 6.4).
    ASSET_POLICY = 0x002C, "asset_policy", true;
    /// Logging clients (room-policy, section 6.5).
    LOGGING_POLICY = 0x002D, "logging_policy", true;
    /// Sharing of history with those who join (room-policy, section 6.6).
    CHAT_HISTORY_POLICY = 0x002E, "chat_history_policy", true;
    /// Bots (room-policy, section 6.7).
    BOT_POLICY = 0x002F, "bot_policy", true;
    /// Expiring messages (room-policy, section 6.8).
    MESSAGE_EXPIRATION_POLICY = 0x0030, "message_expiration_policy", true;
    /// The message ID in the authenticated data (draft-mahy-mls-msgid-aad).
    MESSAGE_ID = 0x0040, "message_id", false;
}

impl ComponentId {
    /// Whether it is one of the policy components that a base policy lists.
    #[must_use]
    pub const fn is_policy(self) -> bool {
        matches!(self.0, 0x0024..=0x0030)
            && self.0 != Self::BASE_ROOM_POLICY.0
            && self.0 != Self::JOIN_LINKS.0
    }

    /// Whether every room has it for good.
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        matches!(
            self,
            Self::APP_COMPONENTS
                | Self::SAFE_AAD
                | Self::CONTENT_MEDIA_TYPES
                | Self::PARTICIPANT_LIST
                | Self::ROOM_METADATA
                | Self::ROLES_LIST
                | Self::BASE_ROOM_POLICY
        )
    }

    /// Whether the number is one of those that carry nothing and only keep others tolerant (mls-extensions, section 5.1).
    #[must_use]
    pub const fn is_grease(self) -> bool {
        self.0 & 0x0F0F == 0x0A0A && self.0 >> 8 == self.0 & 0xFF && self.0 < 0x8000
    }
}

impl std::fmt::Debug for ComponentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for ComponentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "0x{:04x}", self.0),
        }
    }
}

impl std::str::FromStr for ComponentId {
    type Err = &'static str;

    /// Reads a name of its draft, or a number in hexadecimal after `0x`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix("0x").and_then(|hex| u16::from_str_radix(hex, 16).ok());
        number
            .map(Self)
            .or_else(|| Self::KNOWN.iter().copied().find(|id| id.name() == Some(text)))
            .ok_or("neither the name of a component nor a number like 0x8001")
    }
}

/// By name where people read it, by number in records.
impl serde::Serialize for ComponentId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> serde::Deserialize<'de> for ComponentId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u16::deserialize(deserializer).map(Self);
        }
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What an AppDataUpdate does to one component (E-020), not yet judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentOperation<'a> {
    /// Brings octets that the component understands. Most are replaced whole; a participant list and the join links
    /// take changes.
    Update(&'a [u8]),
    /// Takes the component out of the dictionary.
    Remove,
}

/// The components of a GroupContext, octet for octet as they came: members hash and sign them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Components(BTreeMap<ComponentId, Vec<u8>>);

impl Components {
    /// No component.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The octets of one component.
    #[must_use]
    pub fn get(&self, id: ComponentId) -> Option<&[u8]> {
        self.0.get(&id).map(Vec::as_slice)
    }

    /// Whether a component is there.
    #[must_use]
    pub fn contains(&self, id: ComponentId) -> bool {
        self.0.contains_key(&id)
    }

    /// Puts a component, and gives back what was there.
    pub fn insert(&mut self, id: ComponentId, octets: Vec<u8>) -> Option<Vec<u8>> {
        self.0.insert(id, octets)
    }

    /// Takes a component out.
    pub fn remove(&mut self, id: ComponentId) -> Option<Vec<u8>> {
        self.0.remove(&id)
    }

    /// All components, in the order of their numbers, as the dictionary has them (E-010).
    pub fn iter(&self) -> impl Iterator<Item = (ComponentId, &[u8])> {
        self.0.iter().map(|(&id, octets)| (id, octets.as_slice()))
    }

    /// Octets of all components together, for [`Limits::components`](crate::env::Limits::components).
    #[must_use]
    pub fn octets(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

impl FromIterator<(ComponentId, Vec<u8>)> for Components {
    fn from_iter<I: IntoIterator<Item = (ComponentId, Vec<u8>)>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl IntoIterator for Components {
    type Item = (ComponentId, Vec<u8>);
    type IntoIter = btree_map::IntoIter<ComponentId, Vec<u8>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
