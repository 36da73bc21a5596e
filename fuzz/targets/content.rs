//! Any octets for the decoders of content.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openmimi_fuzz::content::check(bytes));
