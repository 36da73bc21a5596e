//! The integration tests, one binary: two cores link it once.

mod directory;
