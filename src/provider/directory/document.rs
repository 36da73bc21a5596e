//! The directory as a JSON document.

use std::{collections::BTreeMap, fmt};

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use thiserror::Error;

use super::{Directory, Endpoint, Template, TemplateFault};
use crate::{env::Limits, uri::Domain};

/// Why a document is not a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DirectoryFault {
    /// It is longer than [`Limits::directory`].
    #[error("a document of {0} octets is too long")]
    TooLarge(usize),
    /// It is not a JSON object in which each endpoint stands at most once.
    #[error("not a JSON object in which each endpoint stands at most once")]
    Json,
}

impl Directory {
    /// Reads the document of a provider. Members that are not known are ignored, and an endpoint that is missing is
    /// not supported (P-061); a template that cannot be used is an error only for who wants to use it.
    ///
    /// # Errors
    /// If it is too long, or no JSON object.
    pub fn read(
        provider: Domain,
        limits: &Limits,
        document: &[u8],
    ) -> Result<Self, DirectoryFault> {
        if document.len() > limits.directory {
            return Err(DirectoryFault::TooLarge(document.len()));
        }
        let text = std::str::from_utf8(document).map_err(|_| DirectoryFault::Json)?;
        let mut json = serde_json::Deserializer::from_str(text);
        let endpoints = json.deserialize_map(Members).map_err(|_| DirectoryFault::Json)?;
        json.end().map_err(|_| DirectoryFault::Json)?;
        Ok(Self { provider, endpoints })
    }

    /// The document to serve, as `application/json`.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        // No character of a template is escaped in JSON.
        let member = |template: &Template| {
            format!("\n  \"{}\": \"{}\"", template.endpoint(), template.as_str())
        };
        let members: Vec<String> = self.templates().map(member).collect();
        format!("{{{}\n}}\n", members.join(",")).into_bytes()
    }
}

/// The members of the document that are endpoints.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = BTreeMap<Endpoint, Result<Template, TemplateFault>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut endpoints = BTreeMap::new();
        while let Some(name) = members.next_key::<String>()? {
            let Some(endpoint) = Endpoint::named(&name) else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            let template = match members.next_value::<serde_json::Value>()? {
                serde_json::Value::String(text) => Template::parse(endpoint, &text),
                serde_json::Value::Null
                | serde_json::Value::Bool(_)
                | serde_json::Value::Number(_)
                | serde_json::Value::Array(_)
                | serde_json::Value::Object(_) => Err(TemplateFault::NotText),
            };
            // Two readers might take two different ones.
            if endpoints.insert(endpoint, template).is_some() {
                return Err(A::Error::custom("an endpoint stands twice"));
            }
        }
        Ok(endpoints)
    }
}
