//! MIMI content against the draft's example messages, property by property.

mod examples;
mod vectors;
