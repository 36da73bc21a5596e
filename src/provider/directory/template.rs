//! URI templates of level 1 (RFC 6570).

use thiserror::Error;

use super::{Endpoint, Route, percent};
use crate::uri::Domain;

/// The longest template, in octets: that of the longest URL in the protocol.
const MAX_TEMPLATE: usize = 2048;

/// A variable of a template, by the name it has in the draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Variable {
    TargetUser,
    TargetDomain,
    RequesterUser,
    RequesterDomain,
    RoomId,
    Domain,
    DownloadUrl,
}

impl Variable {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TargetUser => "targetUser",
            Self::TargetDomain => "targetDomain",
            Self::RequesterUser => "requesterUser",
            Self::RequesterDomain => "requesterDomain",
            Self::RoomId => "roomId",
            Self::Domain => "domain",
            Self::DownloadUrl => "downloadUrl",
        }
    }
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Variable(Variable),
}

/// The URL of one endpoint, with variables for what a request is about.
///
/// It is one of the provider that serves it, so it is expanded to the letter: what looks like a mistake, as the
/// draft's own `…/update{roomId}`, still leads where that provider wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    endpoint: Endpoint,
    text: String,
    host: Domain,
    /// `https://`, host and port.
    origin: String,
    /// The rest, from the first slash on.
    parts: Vec<Part>,
}

/// Why a template is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TemplateFault {
    /// The directory has something else than text in its place.
    #[error("not text")]
    NotText,
    /// Longer than 2,048 octets.
    #[error("a template of {0} octets is too long")]
    TooLong(usize),
    /// It does not start with `https://` (P-030).
    #[error("not an https URL")]
    Scheme,
    /// Its host is no public domain name in lower case, or its port is none (D-66).
    #[error("the host is not a public domain name")]
    Host,
    /// It has no path, or a character in it that no path and no query may hold.
    #[error("not a path and perhaps a query")]
    Path,
    /// Braces that do not enclose a name, or anything beyond level 1 of RFC 6570.
    #[error("not a URI template of level 1")]
    Expression,
    /// A variable that the endpoint has no value for.
    #[error("an unknown variable")]
    UnknownVariable,
    /// The variable is missing without which the endpoint is not told what a request is about.
    #[error("a variable is missing")]
    MissingVariable,
}

impl Template {
    /// Reads the template of an endpoint.
    ///
    /// # Errors
    /// If it is none, or one that no request must be sent to.
    pub fn parse(endpoint: Endpoint, text: &str) -> Result<Self, TemplateFault> {
        if text.len() > MAX_TEMPLATE {
            return Err(TemplateFault::TooLong(text.len()));
        }
        let rest = text.strip_prefix("https://").ok_or(TemplateFault::Scheme)?;
        let end = rest.find('/').ok_or(TemplateFault::Path)?;
        let (authority, path) = rest.split_at(end);
        let host = match authority.split_once(':') {
            Some((host, port)) if is_port(port) => host,
            Some(_) => return Err(TemplateFault::Host),
            None => authority,
        };
        let host = public_host(host)?;
        let parts = parts(endpoint, path)?;
        let has = |variable| parts.contains(&Part::Variable(variable));
        if endpoint.needs().is_some_and(|needed| !has(needed)) {
            return Err(TemplateFault::MissingVariable);
        }
        let origin = format!("https://{authority}");
        Ok(Self { endpoint, text: text.to_owned(), host, origin, parts })
    }

    /// The endpoint it is of.
    #[must_use]
    pub const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The template itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, without the port. The certificate of its server is checked against it.
    #[must_use]
    pub const fn host(&self) -> &Domain {
        &self.host
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The URL for a route: none if it is of another endpoint, or names only a domain where a user is asked for.
    pub(super) fn expand(&self, route: &Route) -> Option<String> {
        if route.endpoint() != self.endpoint {
            return None;
        }
        let mut url = self.origin.clone();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => url.push_str(literal),
                Part::Variable(variable) => percent::encode(&mut url, &route.value(*variable)?),
            }
        }
        Some(url)
    }
}

/// A port, which is not 0.
fn is_port(port: &str) -> bool {
    port.bytes().all(|digit| digit.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// D-66: a name that is meant for the local network leads to no provider. What the name resolves to is for the caller
/// to check.
fn public_host(host: &str) -> Result<Domain, TemplateFault> {
    let domain = Domain::parse(host).map_err(|_| TemplateFault::Host)?;
    if domain.is_local() { Err(TemplateFault::Host) } else { Ok(domain) }
}

/// Takes a path, and perhaps a query, apart.
fn parts(endpoint: Endpoint, mut rest: &str) -> Result<Vec<Part>, TemplateFault> {
    let mut parts = Vec::new();
    while let Some(open) = rest.find('{') {
        let (literal, expression) = rest.split_at(open);
        push_literal(&mut parts, literal)?;
        let (name, after) = expression
            .strip_prefix('{')
            .and_then(|inside| inside.split_once('}'))
            .ok_or(TemplateFault::Expression)?;
        let is_name = !name.is_empty()
            && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
        if !is_name {
            return Err(TemplateFault::Expression);
        }
        let known = endpoint.variables().iter().find(|variable| variable.name() == name);
        parts.push(Part::Variable(*known.ok_or(TemplateFault::UnknownVariable)?));
        rest = after;
    }
    push_literal(&mut parts, rest)?;
    Ok(parts)
}

fn push_literal(parts: &mut Vec<Part>, literal: &str) -> Result<(), TemplateFault> {
    if literal.contains('}') {
        return Err(TemplateFault::Expression);
    }
    let mut octets = literal.bytes();
    while let Some(octet) = octets.next() {
        let listed = match octet {
            b'%' => [octets.next(), octets.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            other => other.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(&other),
        };
        if !listed {
            return Err(TemplateFault::Path);
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal.to_owned()));
    }
    Ok(())
}
