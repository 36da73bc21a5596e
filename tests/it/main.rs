//! The integration tests, one binary: two cores link it once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clubhouse;
mod conformance;
mod content;
mod directory;
mod download;
mod federation;
mod follower;
mod forged;
mod http;
mod hub;
mod hub_refusals;
mod identifier_query;
mod kit;
mod policy;
mod policy_codes;
mod policy_lifecycle;
mod provider;
