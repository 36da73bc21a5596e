//! The integration tests, one binary: two cores link it once.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod follower;
mod provider;
mod provider_consent;
mod provider_crash;
mod provider_support;
