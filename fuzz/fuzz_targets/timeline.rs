//! Any conversation, put into a timeline in two orders.
#![no_main]

#[path = "../checks/timeline.rs"]
mod timeline;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| timeline::check(bytes));
