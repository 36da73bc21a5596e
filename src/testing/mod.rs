//! For the tests of those who embed the crate: an in-memory store that can fail, the conformance suite that a real
//! store has to pass, and whole [worlds](world) in which everything goes wrong that can.
//!
//! A store of your own implements [`StoreUnderTest`]; one test of yours gives [`store_conformance`] an empty one. With
//! [`MemoryStore`] and [`Fate`] the rest of your server is tested: what it does when a save is lost, or landed unknown.
//!
//! ```
//! use openmimi::testing::{MemoryStore, store_conformance};
//!
//! store_conformance(&mut MemoryStore::new()); // In your tests: your own store.
//! ```

mod conformance;
#[cfg(test)]
pub(crate) mod mistake;
mod store;
pub mod world;

pub use conformance::{StoreUnderTest, store_conformance};
pub use store::{Fate, MemoryStore, SaveError};
pub use world::World;
