//! Anything that happens in a world of providers and people.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openmimi_fuzz::world::check(bytes));
