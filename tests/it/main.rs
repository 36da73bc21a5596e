//! The integration tests, one binary: two cores link it once.

mod content;
mod follower;
mod forged;
mod hub;
mod hub_refusals;
mod kit;
mod policy;
mod provider;
mod provider_crash;
mod provider_support;
