//! MIMI content: the draft's examples, every rule, what holds for every message, and other libraries as witnesses.

mod allocations;
mod author;
mod differential;
mod examples;
mod inspect;
mod oracles;
mod properties;
mod rules;
mod support;
mod vectors;
