//! The integration tests, one binary: two cores link it once.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod content;
mod follower;
mod policy;
mod provider;
