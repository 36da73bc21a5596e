//! Who may stand in a participant list.

use super::{Domain, ProviderUri, UriError, UserUri, grammar, kinds};

/// Who stands in a participant list or proposes a change: a user, or a provider in its hub role.
///
/// The first path segment tells them apart; every other kind is refused.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParticipantUri {
    /// A user.
    User(UserUri),
    /// A provider; only the hub of the room is ever listed.
    Provider(ProviderUri),
}

impl ParticipantUri {
    /// Reads the URI of a user or of a provider in its strict form.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(uri: impl AsRef<[u8]>) -> Result<Self, UriError> {
        let uri = uri.as_ref();
        match kinds::split(uri)? {
            (_, b"") => ProviderUri::parse(uri).map(Self::Provider),
            _ => UserUri::parse(uri).map(Self::User),
        }
    }

    /// Checks that octets are such a URI, without making one of them; tells whether it is a provider's.
    pub(crate) fn check(uri: &[u8]) -> Result<bool, UriError> {
        match kinds::split(uri)? {
            (_, b"") => Ok(true),
            (_, path) => {
                let name = path.strip_prefix(b"/u/").or_else(|| path.strip_prefix(b"/p/"));
                let name = name.ok_or(UriError::Kind { expected: "/u/ or /p/" })?;
                grammar::check_name(name).map(|()| false)
            }
        }
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::User(user) => user.as_str(),
            Self::Provider(provider) => provider.as_str(),
        }
    }

    /// As octets, the form that is signed, hashed and compared.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }

    /// The domain of the provider that the name belongs to.
    #[must_use]
    pub fn domain(&self) -> Domain {
        match self {
            Self::User(user) => user.domain(),
            Self::Provider(provider) => provider.domain(),
        }
    }

    /// The user, if it is one.
    #[must_use]
    pub const fn user(&self) -> Option<&UserUri> {
        match self {
            Self::User(user) => Some(user),
            Self::Provider(_) => None,
        }
    }
}

impl TryFrom<&[u8]> for ParticipantUri {
    type Error = UriError;

    fn try_from(octets: &[u8]) -> Result<Self, UriError> {
        Self::parse(octets)
    }
}

impl From<UserUri> for ParticipantUri {
    fn from(user: UserUri) -> Self {
        Self::User(user)
    }
}

impl From<ProviderUri> for ParticipantUri {
    fn from(provider: ProviderUri) -> Self {
        Self::Provider(provider)
    }
}

impl AsRef<str> for ParticipantUri {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for ParticipantUri {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl std::fmt::Display for ParticipantUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for ParticipantUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for ParticipantUri {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for ParticipantUri {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}
