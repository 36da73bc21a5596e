//! The integration tests, one binary: two cores link it once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clubhouse;
mod content;
mod directory;
mod follower;
mod forged;
mod http;
mod hub;
mod hub_refusals;
mod identifier_query;
mod kit;
mod policy;
mod provider;
mod world;
