//! For the tests of those who embed the crate: an in-memory store that can fail, the conformance suite that a real
//! store has to pass, and whole [worlds](world) in which everything goes wrong that can.

mod conformance;
#[cfg(test)]
pub(crate) mod mistake;
mod store;
pub mod world;

pub use conformance::{StoreUnderTest, store_conformance};
pub use store::{Fate, MemoryStore, SaveError};
pub use world::World;
