//! Domain names of providers and hosts.

use std::sync::Arc;

use super::UriError;

/// The longest domain name, in octets.
const MAX_DOMAIN: usize = 253;
/// The longest label of a domain name, in octets.
const MAX_LABEL: usize = 63;

/// The domain name of a provider, in lower case: `a.example`.
///
/// Internationalised names are in their ASCII form (`xn--…`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Arc<str>);

impl Domain {
    /// Reads a domain name in its strict form.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(domain: impl AsRef<[u8]>) -> Result<Self, UriError> {
        let domain = domain.as_ref();
        check(domain)?;
        Ok(Self(std::str::from_utf8(domain).expect("labels are ASCII").into()))
    }
}

/// Checks a host.
pub(super) fn check(host: &[u8]) -> Result<(), UriError> {
    if host.is_empty() || host.len() > MAX_DOMAIN {
        return Err(UriError::Host);
    }
    let mut last = host;
    for label in host.split(|octet| *octet == b'.') {
        let listed = label.iter().all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if label.is_empty()
            || label.len() > MAX_LABEL
            || !listed
            || label.starts_with(b"-")
            || label.ends_with(b"-")
        {
            return Err(UriError::Label);
        }
        last = label;
    }
    // No top-level domain starts with a digit; IPv4 addresses do, in whatever notation.
    if last.first().is_some_and(u8::is_ascii_digit) {
        return Err(UriError::Host);
    }
    Ok(())
}

impl Domain {
    /// Whether the name is meant for a local network, so that it leads to no provider (D-61, D-66): a single label, or
    /// one under `localhost`, `local`, `localdomain`, `internal` or `home.arpa`.
    ///
    /// What a name resolves to is another matter: [`is_public`](crate::download::is_public).
    #[must_use]
    pub fn is_local(&self) -> bool {
        const LOCAL: [&str; 5] = ["localhost", "local", "localdomain", "internal", "home.arpa"];
        let name: &str = &self.0;
        let under = |top: &&str| {
            name == *top || name.strip_suffix(*top).is_some_and(|rest| rest.ends_with('.'))
        };
        !name.contains('.') || LOCAL.iter().any(under)
    }

    /// Whether this name is the other one, or a name under it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let above = self.0.strip_suffix(other.as_str());
        above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// A host that [`check`] passed.
    pub(super) fn checked(host: &str) -> Self {
        Self(host.into())
    }
}

super::kinds::text_impls!(Domain);
