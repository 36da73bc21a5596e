//! A sans-IO implementation of IETF MIMI (More Instant Messaging Interoperability) on MLS.

pub mod client;
pub mod codec;
pub mod content;
pub mod delivery;
pub mod env;
pub mod error;
pub mod follower;
pub mod franking;
#[cfg(feature = "http")]
pub mod http;
pub mod hub;
pub mod machine;
mod pieces;
pub mod policy;
pub mod provider;
pub mod room;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod uri;
pub mod wire;
