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
mod forged_bundles;
mod forged_commits;
mod forged_joins;
mod forged_leaves;
mod http;
mod hub;
mod hub_abuse;
mod hub_audience;
mod hub_claims;
mod hub_creation;
mod hub_ending;
mod hub_epochs;
mod hub_fanout;
mod hub_floods;
mod hub_growth;
mod hub_limits;
mod hub_omitted;
mod hub_refusals;
mod hub_removals;
mod hub_retries;
mod hub_senders;
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
