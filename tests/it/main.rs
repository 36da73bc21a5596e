//! The integration tests, one binary: two cores link it once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::duplicate_mod, reason = "each example brings the modules that they share")]

mod clubhouse;
mod conformance;
mod content;
mod corpus;
mod directory;
mod download;
mod federation;
mod follower;
mod forged;
mod forged_commits;
mod forged_leaves;
mod http;
mod hub;
mod hub_abuse;
mod hub_duties;
mod hub_limits;
mod hub_refusals;
mod identifier_query;
mod kit;
mod policy;
mod policy_codes;
mod policy_lifecycle;
mod policy_rooms;
mod provider;
mod rules_components;
mod rules_content;
mod rules_hub;
mod world;
