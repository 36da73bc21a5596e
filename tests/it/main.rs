//! The integration tests, one binary: two cores link it once.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod clubhouse;
mod content;
mod follower;
mod hub;
mod kit;
mod policy;
mod provider;
