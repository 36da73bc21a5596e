//! The paths of our own directory, read back.

use thiserror::Error;

use super::{Directory, Endpoint, Route, Variable, percent, template::Part};
use crate::{download::GATEWAY_PATH, error::Misuse, uri::Domain};

/// A provider's own directory, ready to tell what a request is for.
///
/// Its templates are stricter than those of others: each variable takes up a whole segment of the path, and there is
/// no query. So a path has one meaning, and no two endpoints share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    directory: Directory,
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    endpoint: Endpoint,
    host: Domain,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Variable(Variable),
}

/// What a path is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The directory document itself.
    Directory,
    /// The gateway for Oblivious HTTP, at [`GATEWAY_PATH`] (P-249).
    Gateway,
    /// An endpoint.
    Endpoint(Route),
}

/// Why a path is for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RouteFault {
    /// The host is none of this provider's (D-71).
    #[error("the host is none of this provider's")]
    Host,
    /// There is nothing at this path.
    #[error("nothing at this path")]
    Path,
    /// What stands for a variable of this endpoint is not what it should be, in the one encoding it has (P-063, D-72).
    #[error("what stands in the path of {0} is not its name in its one encoding")]
    Value(Endpoint),
}

impl Routes {
    /// The routes of a directory.
    ///
    /// # Errors
    /// If a variable takes up less than a segment, a template has a query, or two endpoints share a path.
    pub fn new(directory: Directory) -> Result<Self, Misuse> {
        let mut patterns: Vec<Pattern> = Vec::new();
        for template in directory.templates() {
            let segments = segments(template.parts()).ok_or(Misuse::Argument(
                "a template of our own has a query, or a variable that is not a whole segment",
            ))?;
            let (endpoint, host) = (template.endpoint(), template.host().clone());
            let pattern = Pattern { endpoint, host, segments };
            if patterns.iter().any(|other| other.overlaps(&pattern)) {
                return Err(Misuse::Argument("two endpoints of our own share a path"));
            }
            patterns.push(pattern);
        }
        Ok(Self { directory, patterns })
    }

    /// The provider.
    #[must_use]
    pub const fn provider(&self) -> &Domain {
        self.directory.provider()
    }

    /// The directory.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether requests for this host are for this provider: its own domain, where the directory is, or the host of
    /// an endpoint.
    #[must_use]
    pub fn is_host(&self, host: &Domain) -> bool {
        host == self.provider() || self.patterns.iter().any(|pattern| pattern.host == *host)
    }

    /// What a path at a host is for. The path is taken as it came, undecoded, from the slash on; a query belongs to
    /// it.
    ///
    /// # Errors
    /// If it is for nothing.
    pub fn find(&self, host: &Domain, path: &str) -> Result<Found, RouteFault> {
        if !self.is_host(host) {
            return Err(RouteFault::Host);
        }
        if path == Directory::PATH && host == self.provider() {
            return Ok(Found::Directory);
        }
        if path == GATEWAY_PATH && host == self.provider() {
            return Ok(Found::Gateway);
        }
        let matched = self
            .patterns
            .iter()
            .filter(|pattern| pattern.host == *host)
            .find_map(|pattern| Some((pattern.endpoint, pattern.values(path)?)));
        let (endpoint, values) = matched.ok_or(RouteFault::Path)?;
        values
            .into_iter()
            .map(|(variable, text)| Some((variable, percent::decode(text)?)))
            .collect::<Option<Vec<_>>>()
            .and_then(|values| Route::made_of(endpoint, self.provider(), &values))
            .map(Found::Endpoint)
            .ok_or(RouteFault::Value(endpoint))
    }
}

impl Pattern {
    /// Whether some path fits both.
    fn overlaps(&self, other: &Self) -> bool {
        let fit = |pair: (&Segment, &Segment)| match pair {
            (Segment::Literal(one), Segment::Literal(two)) => one == two,
            (Segment::Variable(_), _) | (_, Segment::Variable(_)) => true,
        };
        self.host == other.host
            && self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(fit)
    }

    /// What stands in the places of the variables: none if the path is another one.
    fn values<'a>(&self, path: &'a str) -> Option<Vec<(Variable, &'a str)>> {
        let mut values = Vec::new();
        let mut found = path.split('/');
        for segment in &self.segments {
            match (segment, found.next()?) {
                (Segment::Literal(literal), text) if literal == text => {}
                (Segment::Literal(_), _) => return None,
                (Segment::Variable(variable), text) => values.push((*variable, text)),
            }
        }
        found.next().is_none().then_some(values)
    }
}

/// The segments of a path: none if it has a query, or a variable that shares its segment with something.
fn segments(parts: &[Part]) -> Option<Vec<Segment>> {
    let mut segments = vec![Segment::Literal(String::new())];
    for part in parts {
        match (part, segments.last_mut()?) {
            (Part::Literal(literal), _) if literal.contains('?') => return None,
            (Part::Literal(literal), last) => {
                let mut texts = literal.split('/');
                let first = texts.next().unwrap_or_default();
                match last {
                    Segment::Literal(text) => text.push_str(first),
                    Segment::Variable(_) if first.is_empty() => {}
                    Segment::Variable(_) => return None,
                }
                segments.extend(texts.map(|text| Segment::Literal(text.to_owned())));
            }
            (Part::Variable(variable), Segment::Literal(text)) if text.is_empty() => {
                *segments.last_mut()? = Segment::Variable(*variable);
            }
            (Part::Variable(_), _) => return None,
        }
    }
    Some(segments)
}
