//! Any octets for the decoders of the protocol, the policy and names.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| openmimi_fuzz::wire::check(bytes));
