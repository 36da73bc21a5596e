//! The integration tests, one binary: two cores link it once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

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
mod hub_audience;
mod hub_duties;
mod hub_ending;
mod hub_growth;
mod hub_limits;
mod hub_refusals;
mod hub_threats;
mod hub_trees;
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
#[path = "../../examples/shared/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the modules of an example are its own")]
#[allow(clippy::disallowed_methods, reason = "an example has a clock")]
mod shared;
mod stories;
mod world;
