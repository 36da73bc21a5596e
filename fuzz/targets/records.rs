//! Any records for each machine to restore from.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openmimi_fuzz::records::check(bytes));
