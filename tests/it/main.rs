//! The integration tests, one binary: two cores link it once.

mod content;
mod directory;
mod follower;
mod http;
mod identifier_query;
mod policy;
mod provider;
mod provider_crash;
mod provider_support;
