//! Any HTTP message for a provider.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openmimi_fuzz::http::check(bytes));
