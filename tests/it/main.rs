//! The integration tests, one binary: two cores link it once.

mod content;
mod follower;
mod hub;
mod kit;
mod policy;
mod provider;
mod provider_consent;
mod provider_crash;
mod provider_support;
