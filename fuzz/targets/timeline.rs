//! Any conversation, put into a timeline in two orders.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openmimi_fuzz::timeline::check(bytes));
