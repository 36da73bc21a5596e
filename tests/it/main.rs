//! The integration tests, one binary: two cores link it once.

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
