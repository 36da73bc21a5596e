//! CBOR in its deterministic encoding (RFC 8949, section 4.2.1), read strictly and written once.
//!
//! [`Item`] is one data item that has been checked, over borrowed bytes; [`Item::value`] opens it, one level at a
//! time. [`ItemBuf`] is one that owns its bytes; its constructors build the values of extensions.

mod build;
mod item;
pub(super) mod read;
pub(super) mod walk;
pub(super) mod write;

pub use build::ItemBuf;
pub use item::{Entries, Item, Items, Value};
