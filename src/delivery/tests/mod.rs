//! What the engine alone would let pass, and this service does not; and that what is saved is what is live.

mod commits;
mod kit;
mod proposals;
mod records;
