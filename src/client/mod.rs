//! The client.

mod keys;
mod leaf;
#[expect(unused)]
mod member;
mod storage;
mod store;

pub use keys::{Keys, SigningKey};
