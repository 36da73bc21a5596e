//! What the engine alone would let pass, and this service does not; and that what is saved is what is live.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the one variant it expects")]

mod bundles;
mod client;
mod commits;
mod founding;
mod joiners;
mod parts;
mod proposals;
mod records;
mod room;
mod servers;
