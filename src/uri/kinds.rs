//! The kinds of URI that stand for one thing each.

use std::sync::Arc;

use openmls_traits::random::OpenMlsRand;

use super::{Domain, MAX_URI, UriError, domain, grammar};
use crate::error::Misuse;

const SCHEME: &[u8] = b"mimi://";

/// What every type around one checked `Arc<str>` can do.
macro_rules! text_impls {
    ($name:ident) => {
        impl $name {
            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// As octets, the form that is signed, hashed and compared.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::uri::UriError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::uri::UriError;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::parse(text)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = $crate::uri::UriError;

            fn try_from(octets: &[u8]) -> Result<Self, Self::Error> {
                Self::parse(octets)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(text.as_bytes()).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(super) use text_impls;

/// The host and the rest of a URI, the host checked.
pub(super) fn split(uri: &[u8]) -> Result<(&[u8], &[u8]), UriError> {
    if uri.len() > MAX_URI {
        return Err(UriError::TooLong(uri.len()));
    }
    let rest = uri.strip_prefix(SCHEME).ok_or(UriError::Scheme)?;
    let ends = |octet: &u8| matches!(octet, b'/' | b'?' | b'#');
    let (host, path) = rest.split_at(rest.iter().position(ends).unwrap_or(rest.len()));
    match (domain::check(host), path.first()) {
        (Err(_), _) if host.contains(&b'@') => Err(UriError::Userinfo),
        (Err(_), _) if host.contains(&b':') && !host.starts_with(b"[") => Err(UriError::Port),
        (_, Some(b'?')) => Err(UriError::Query),
        (_, Some(b'#')) => Err(UriError::Fragment),
        (checked, _) => checked.map(|()| (host, path)),
    }
}

/// What every URI type can do.
macro_rules! uri {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The domain of the provider that the name belongs to.
            #[must_use]
            pub fn domain(&self) -> Domain {
                Domain::checked(self.host())
            }

            /// The domain of the provider that the name belongs to, as text.
            #[must_use]
            pub fn host(&self) -> &str {
                let rest = self.0.get(SCHEME.len()..).unwrap_or_default();
                rest.split('/').next().unwrap_or_default()
            }
        }

        text_impls!($name);
    };
}

/// What the types of URI with a name behind the host can do: `$path` stands between the two, or `$other`, which is
/// as long.
macro_rules! named_uri {
    ($(#[$doc:meta])* $name:ident, $path:literal $(or $other:literal)?) => {
        uri!($(#[$doc])* $name);

        impl $name {
            /// Reads a URI of this kind in its strict form.
            ///
            /// # Errors
            /// If it is anything else.
            pub fn parse(uri: impl AsRef<[u8]>) -> Result<Self, UriError> {
                let uri = uri.as_ref();
                let (_, path) = split(uri)?;
                let kind = UriError::Kind { expected: $path };
                let name = path.strip_prefix($path.as_bytes());
                $(let name = name.or_else(|| path.strip_prefix($other.as_bytes()));)?
                grammar::check_name(name.ok_or(kind)?)?;
                let text = std::str::from_utf8(uri).expect("scheme, host, kind and name are ASCII");
                Ok(Self(text.into()))
            }

            /// The URI of `name` at a provider. The name is in the form it has in the URI; see
            /// [`escape`](super::escape).
            ///
            /// # Errors
            /// If the name is not in the strict form, or too long.
            pub fn new(domain: &Domain, name: impl AsRef<str>) -> Result<Self, UriError> {
                Self::parse(format!(concat!("mimi://{}", $path, "{}"), domain, name.as_ref()))
            }

            /// A URI with a random UUID as its name.
            ///
            /// # Errors
            /// If there is no randomness.
            pub fn fresh(domain: &Domain, rand: &impl OpenMlsRand) -> Result<Self, Misuse> {
                let random = rand.random_array().map_err(|_| Misuse::Crypto("no randomness"))?;
                let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
                Ok(Self(format!(concat!("mimi://{}", $path, "{}"), domain, uuid).into()))
            }

            /// What follows the segment of the kind, as it stands in the URI.
            #[must_use]
            pub fn name(&self) -> &str {
                let prefix = SCHEME.len() + self.host().len() + $path.len();
                self.0.get(prefix..).unwrap_or_default()
            }
        }
    };
}

uri! {
    /// A provider: `mimi://a.example`. Servers' credentials hold it, and the hub's entry in the participant list.
    ProviderUri
}

impl ProviderUri {
    /// Reads a provider URI in its strict form.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(uri: impl AsRef<[u8]>) -> Result<Self, UriError> {
        match split(uri.as_ref())? {
            (host, b"") => Domain::parse(host).map(|domain| Self::new(&domain)),
            _ => Err(UriError::Kind { expected: "" }),
        }
    }

    /// The URI of a provider.
    #[must_use]
    pub fn new(domain: &Domain) -> Self {
        Self(format!("mimi://{domain}").into())
    }
}

named_uri! {
    /// A user: `mimi://a.example/u/alice`. Leaf credentials and participant lists hold it.
    ///
    /// A pseudonym has the same form, with a UUID as its name ([`UserUri::fresh`]), so that it tells nobody that it is
    /// one; those that others write with `/p/` are read too.
    UserUri, "/u/" or "/p/"
}
named_uri! {
    /// A client, one device of a user: `mimi://a.example/d/alice/ClientA1`. It stands in key material responses, in
    /// no leaf.
    ClientUri, "/d/"
}
named_uri! {
    /// A room: `mimi://a.example/r/clubhouse`. Its host is the hub.
    RoomUri, "/r/"
}
named_uri! {
    /// The MLS group of a room: `mimi://a.example/g/clubhouse`. Its octets are the group ID.
    GroupUri, "/g/"
}
