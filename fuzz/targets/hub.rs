//! Any requests for a hub, with a room behind it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openmimi_fuzz::hub::check(bytes));
