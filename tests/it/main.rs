//! The integration tests, one binary: two cores link it once.

mod content;
mod directory;
mod follower;
mod http;
mod hub;
mod identifier_query;
mod kit;
mod policy;
mod provider;
mod provider_consent;
mod provider_crash;
mod provider_support;
