//! Where an external part is, checked before anyone goes there.

use super::AssetRules;
use crate::content::External;

/// How a part is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `https`.
    Https,
    /// `http`, on the caller's own wish.
    Http,
}

/// A URL that may be fetched: https, or http if asked for; a host, and nobody's name in front of it.
///
/// The host may still be anything, also an address inside the caller's network. Resolve it once, refuse private
/// addresses, connect to the address that was checked, and follow no redirect to another host (D-61, D-62).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Location<'a> {
    url: &'a str,
    scheme: Scheme,
    host: &'a str,
    port: Option<u16>,
}

/// Why a URL must not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Neither https nor http.
    #[error("neither https nor http")]
    Scheme,
    /// Plain http, which was not asked for.
    #[error("plain http")]
    Http,
    /// Plain http for content that is not encrypted.
    #[error("plain http for content that is not encrypted")]
    HttpUnencrypted,
    /// A user name or password in front of the host.
    #[error("a user name in front of the host")]
    Userinfo,
    /// No host, or one that no URL can have.
    #[error("no host")]
    Host,
    /// Not a port.
    #[error("not a port")]
    Port,
    /// A character that no URL may have.
    #[error("a character that no URL may have")]
    Character,
}

impl<'a> Location<'a> {
    /// Where `external` is.
    ///
    /// # Errors
    /// Why it must not be fetched.
    pub fn of(external: &External<'a>, rules: &AssetRules) -> Result<Self, LocationError> {
        let location = Self::parse(external.url())?;
        match location.scheme {
            Scheme::Https => Ok(location),
            Scheme::Http if !rules.http => Err(LocationError::Http),
            Scheme::Http if external.enc_alg() == 0 => Err(LocationError::HttpUnencrypted),
            Scheme::Http => Ok(location),
        }
    }

    /// Reads a URL, http or https.
    ///
    /// # Errors
    /// Why it must not be fetched.
    pub fn parse(url: &'a str) -> Result<Self, LocationError> {
        // A backslash is a slash to some readers of URLs and not to others.
        if url.bytes().any(|octet| !octet.is_ascii_graphic() || b"\\\"<>^`{|}".contains(&octet)) {
            return Err(LocationError::Character);
        }
        let (scheme, rest) = url.split_once("://").ok_or(LocationError::Scheme)?;
        let scheme = if scheme.eq_ignore_ascii_case("https") {
            Scheme::Https
        } else if scheme.eq_ignore_ascii_case("http") {
            Scheme::Http
        } else {
            return Err(LocationError::Scheme);
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(LocationError::Userinfo);
        }
        let (host, port) = host_and_port(authority)?;
        Ok(Self { url, scheme, host, port })
    }

    /// The URL, as it stands in the message.
    #[must_use]
    pub const fn url(&self) -> &'a str {
        self.url
    }

    /// How it is fetched.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, in whatever case; an address of IPv6 with its brackets.
    #[must_use]
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// The port, its own or that of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            Scheme::Https => 443,
            Scheme::Http => 80,
        })
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), LocationError> {
    // The colons of an IPv6 address are within brackets.
    let end = authority.rfind(']').map_or(0, |at| at + 1);
    let colon = authority.get(end..).and_then(|rest| rest.find(':')).map(|at| end + at);
    let (host, port) = match colon.and_then(|at| authority.split_at_checked(at)) {
        None => (authority, None),
        Some((host, port)) => {
            let digits = port.get(1..).unwrap_or_default();
            if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                return Err(LocationError::Port);
            }
            (host, Some(digits.parse().map_err(|_| LocationError::Port)?))
        }
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|octet| {
                    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'%')
                })
        }
    };
    if good { Ok((host, port)) } else { Err(LocationError::Host) }
}
