//! Any bytes, given to every decoder.
#![no_main]

#[path = "../checks/content.rs"]
mod content;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| content::check(bytes));
