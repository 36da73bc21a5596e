//! Who goes by this name: the identifier query (draft-ietf-mimi-protocol-06, section 5.8).
//!
//! Another provider asks, and its question is judged by what this provider allows ([`SearchPolicy`]). What is allowed
//! becomes a [`Lookup`]: the caller looks the profiles up that may match, in whatever index it has, and the lookup
//! keeps those that do match, by fields that their users let others search ([`Searchable`], P-225). It asks no
//! database, and changes nothing (P-220).
//!
//! ```
//! use openmimi::{
//!     codec::Wire,
//!     env::Limits,
//!     provider::query::{Field, FieldName, Lookup, Profile, SearchPolicy, Searchable},
//!     uri::UserUri,
//!     wire::{AppDataDictionary, IdentifierOutcome, IdentifierRequest, QueryElement, SearchField},
//! };
//!
//! let yolanda = Profile {
//!     user: UserUri::parse("mimi://xyz.example/u/7f3c")?,
//!     fields: vec![Field {
//!         name: FieldName::Handle,
//!         value: "im:yolanda@xyz.example".into(),
//!         searchable: Searchable::Exactly,
//!         shared: false,
//!     }],
//! };
//! let ask = |field, value: &str| {
//!     let query = vec![QueryElement { field, value: value.into() }];
//!     let body = IdentifierRequest { query, extensions: AppDataDictionary::default() }.encode();
//!     let lookup = Lookup::open(&Limits::default(), &SearchPolicy::default(), &body)?;
//!     Ok::<_, openmimi::provider::query::QueryRefusal>(lookup.answer([&yolanda]).outcome)
//! };
//! assert!(matches!(ask(SearchField::Handle, "im:yolanda@xyz.example")?, IdentifierOutcome::Found(_)));
//! assert_eq!(ask(SearchField::Nick, "yolanda")?, IdentifierOutcome::NotFound);
//! assert!(ask(SearchField::PartialName, "yola").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Profiles are the caller's. A user who takes a field back, or leaves, has to be gone from the next lookup, and only
//! that user or its provider may change what it can be found by (UD-009, UD-010).
//!
//! Whoever wants to know who is here asks often. How often a peer may ask is for the caller to bound (D-67); what one
//! question can find, [`Limits::found`] bounds.

mod matching;
mod policy;
mod profile;

use std::collections::BTreeMap;

use thiserror::Error;

pub use self::{
    policy::{Rule, SearchPolicy},
    profile::{Field, FieldName, Profile, Searchable},
};
use super::ClaimAnswer;
use crate::{
    codec::Wire,
    env::Limits,
    error::{DecodeError, Fault},
    uri::UserUri,
    wire::{
        AppDataDictionary, Found, IdentifierOutcome, IdentifierRequest, IdentifierResponse,
        QueryElement, SearchField, UserProfile,
    },
};

/// A question that may be asked, until it is [answered](Lookup::answer).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "whoever asked waits for the answer"]
pub struct Lookup {
    query: Vec<QueryElement>,
    most: usize,
    profiles: bool,
}

/// A question that is not to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryRefusal {
    /// It cannot be read, or is larger than allowed.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Nobody may ask, or not by one of these fields.
    #[error("such a query is not allowed")]
    Forbidden,
    /// This provider does not know one of the fields.
    #[error("a field in it is not supported")]
    UnsupportedField,
    /// It has to be more exact before anybody is found.
    #[error("the query is not exact enough")]
    Ambiguous,
}

impl QueryRefusal {
    /// What to answer (P-226, Q-04).
    #[must_use]
    pub fn answer(&self) -> ClaimAnswer {
        let outcome = match self {
            Self::Malformed(error) => {
                let status = if matches!(error.fault, Fault::TooLarge { .. }) { 413 } else { 400 };
                return ClaimAnswer::Status { status, retry_after: None };
            }
            Self::Forbidden => IdentifierOutcome::Forbidden,
            Self::UnsupportedField => IdentifierOutcome::UnsupportedField,
            Self::Ambiguous => IdentifierOutcome::Ambiguous,
        };
        ClaimAnswer::Response(response(outcome).encode())
    }
}

impl Lookup {
    /// Reads a question, and judges whether it may be asked here.
    ///
    /// # Errors
    /// If not, whatever the profiles: the refusal says nothing about any user.
    pub fn open(limits: &Limits, policy: &SearchPolicy, body: &[u8]) -> Result<Self, QueryRefusal> {
        bound("IdentifierRequest", body.len(), limits.body)?;
        let query = IdentifierRequest::decode(body)?.query;
        bound("IdentifierRequest.query_elements", query.len(), limits.query_elements)?;
        for element in &query {
            bound("QueryElement.searchValue", element.value.len(), limits.query_value)?;
            if let SearchField::OidcStdClaim(name) | SearchField::VcardField(name) = &element.field
            {
                bound("QueryElement.searchType", name.len(), limits.query_value)?;
            }
        }
        policy.judge(&query)?;
        Ok(Self { query, most: limits.found, profiles: policy.profiles })
    }

    /// What to look up. All elements have to match, so whoever matches one of them will do for a start: take the most
    /// selective that there is an index for.
    #[must_use]
    pub fn query(&self) -> &[QueryElement] {
        &self.query
    }

    /// The answer, given all profiles that may match; those that do not are left out, and a user counts once. If more
    /// match than [`Limits::found`], the query was not exact enough.
    #[must_use]
    pub fn answer<'a>(self, profiles: impl IntoIterator<Item = &'a Profile>) -> IdentifierResponse {
        let mut found: BTreeMap<&UserUri, &Profile> = BTreeMap::new();
        for profile in profiles {
            if !self.query.iter().all(|element| matching::matches(profile, element)) {
                continue;
            }
            found.insert(&profile.user, profile);
            if found.len() > self.most {
                return response(IdentifierOutcome::Ambiguous);
            }
        }
        if found.is_empty() {
            return response(IdentifierOutcome::NotFound);
        }
        let found = if self.profiles {
            Found::Profiles(found.into_values().map(shared).collect())
        } else {
            Found::Users(found.into_keys().cloned().collect())
        };
        response(IdentifierOutcome::Found(found))
    }
}

/// What a user shares with whoever finds it.
fn shared(profile: &Profile) -> UserProfile {
    UserProfile {
        user: profile.user.clone(),
        fields: profile.fields.iter().filter_map(Field::shared).collect(),
    }
}

fn response(outcome: IdentifierOutcome) -> IdentifierResponse {
    IdentifierResponse { outcome, extensions: AppDataDictionary::default() }
}

fn bound(what: &'static str, found: usize, limit: usize) -> Result<(), DecodeError> {
    if found <= limit {
        return Ok(());
    }
    let fault = Fault::TooLarge { found: found as u64, limit: limit as u64 };
    Err(DecodeError { offset: 0, what, fault })
}
