//! Where a provider's endpoints are: the directory document (draft-ietf-mimi-protocol-06, section 5.1).
//!
//! No URL of an endpoint is fixed. A provider serves a JSON document at [`Directory::PATH`] of its own domain, with a
//! URI template for each endpoint that it supports:
//!
//! ```
//! use openmimi::{
//!     env::Limits,
//!     provider::directory::{Directory, Endpoint, Found, Route, Routes},
//!     uri::{Domain, RoomUri},
//! };
//!
//! // What b.example serves …
//! let b = Domain::parse("b.example")?;
//! let own = Directory::standard(b.clone(), "mimi.b.example")?;
//! let document = own.write();
//!
//! // … others read, and find out where to send a request.
//! let directory = Directory::read(b, &Limits::default(), &document)?;
//! let room = RoomUri::parse("mimi://a.example/r/clubhouse")?;
//! let url = directory.url(&Route::Notify(room.clone()))?;
//! assert_eq!(url, "https://mimi.b.example/v1/notify/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse");
//!
//! // There the same directory tells what the request is for.
//! let path = url.strip_prefix("https://mimi.b.example").ok_or("another host")?;
//! let found = Routes::new(own)?.find(&Domain::parse("mimi.b.example")?, path)?;
//! assert_eq!(found, Found::Endpoint(Route::Notify(room)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What the caller owes
//!
//! Fetch the document over TLS from the provider's domain itself, and follow no redirect: that is what binds the
//! hosts in it to the provider (Q-02). Before a connection to a host, see that every address it resolves to is
//! [public](crate::download::is_public) (D-61, D-66): the directory refuses names that say that they are not, but
//! cannot resolve any. Fetch it again
//! when an endpoint is not found where it was.

mod document;
mod endpoint;
mod percent;
mod routes;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

use self::template::Variable;
pub use self::{
    document::DirectoryFault,
    endpoint::{Addressee, Endpoint, Route},
    routes::{Found, RouteFault, Routes},
    template::{Template, TemplateFault},
};
use crate::uri::Domain;

/// The endpoints of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    provider: Domain,
    endpoints: BTreeMap<Endpoint, Result<Template, TemplateFault>>,
}

/// Why there is no URL to send a request to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unreachable {
    /// The provider does not have the endpoint.
    #[error("the provider has no endpoint {0}")]
    Unsupported(Endpoint),
    /// The template of the endpoint cannot be used.
    #[error("the template of {0} is refused: {1}")]
    Template(Endpoint, TemplateFault),
    /// The template asks for a user where the route names a domain only.
    #[error("the template of {0} asks for a user")]
    NoUser(Endpoint),
}

impl Directory {
    /// Where the document is, at the domain of the provider (P-061).
    pub const PATH: &str = "/.well-known/mimi-protocol-directory";

    /// A directory without endpoints.
    #[must_use]
    pub const fn empty(provider: Domain) -> Self {
        Self { provider, endpoints: BTreeMap::new() }
    }

    /// All endpoints at `https://authority/v1/…`, with the names and variables of the draft. The authority is a host,
    /// perhaps with a port.
    ///
    /// # Errors
    /// If the authority is none that others would send requests to.
    pub fn standard(provider: Domain, authority: &str) -> Result<Self, TemplateFault> {
        let mut directory = Self::empty(provider);
        for endpoint in Endpoint::ALL {
            let variable = endpoint.variables().first().map_or("", |variable| variable.name());
            let text = format!("https://{authority}/v1/{endpoint}/{{{variable}}}");
            directory = directory.with(Template::parse(endpoint, &text)?);
        }
        Ok(directory)
    }

    /// The same directory with this template in place of what there was for its endpoint.
    #[must_use]
    pub fn with(mut self, template: Template) -> Self {
        self.endpoints.insert(template.endpoint(), Ok(template));
        self
    }

    /// The same directory without this endpoint.
    #[must_use]
    pub fn without(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.remove(&endpoint);
        self
    }

    /// The provider that it is of.
    #[must_use]
    pub const fn provider(&self) -> &Domain {
        &self.provider
    }

    /// The template of an endpoint.
    ///
    /// # Errors
    /// If there is none, or none that can be used.
    pub fn template(&self, endpoint: Endpoint) -> Result<&Template, Unreachable> {
        match self.endpoints.get(&endpoint) {
            Some(Ok(template)) => Ok(template),
            Some(Err(fault)) => Err(Unreachable::Template(endpoint, *fault)),
            None => Err(Unreachable::Unsupported(endpoint)),
        }
    }

    /// The templates that can be used.
    fn templates(&self) -> impl Iterator<Item = &Template> {
        self.endpoints.values().filter_map(|template| template.as_ref().ok())
    }

    /// The URL to send a request to.
    ///
    /// # Errors
    /// If there is no template for it that can be used.
    pub fn url(&self, route: &Route) -> Result<String, Unreachable> {
        let endpoint = route.endpoint();
        self.template(endpoint)?.expand(route).ok_or(Unreachable::NoUser(endpoint))
    }
}
