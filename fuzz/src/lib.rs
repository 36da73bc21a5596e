//! What the fuzz targets check, shared with the tests of the crate, which replay the corpora on the stable compiler.

#[path = "../checks/mod.rs"]
mod checks;
#[path = "../../tests/it/kit/mod.rs"]
mod kit;

pub use checks::{content, http, hub, records, timeline, wire, world};
