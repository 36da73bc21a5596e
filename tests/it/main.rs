//! The integration tests, one binary: two cores link it once.
mod content;

mod follower;
mod provider;
mod provider_crash;
mod provider_support;
