//! The integration tests, one binary: two cores link it once.

mod follower;
mod hub;
mod kit;
mod provider;
mod provider_crash;
mod provider_support;
