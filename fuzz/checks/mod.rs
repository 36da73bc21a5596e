//! What holds for any octets, one file a fuzz target. A check panics if something does not hold.

#![allow(dead_code, unreachable_pub, reason = "each user of this takes a part of it")]
#![allow(clippy::unwrap_used, reason = "a check fails by panicking")]

pub mod content;
mod edit;
pub mod http;
pub mod hub;
pub mod policy;
pub mod records;
pub mod timeline;
pub mod wire;
pub mod world;

/// One of the checks of a target.
pub type Check = fn(&[u8]);

/// Gives the input to the check that its first octet names. New checks go at the end of a table, so that the corpora
/// keep their meaning.
fn pick(table: &[(&str, Check)], input: &[u8]) {
    if let Some((&number, bytes)) = input.split_first()
        && let Some((_, check)) = table.get(usize::from(number))
    {
        check(bytes);
    }
}

/// The input that gives `bytes` to the check of this name.
fn input_for(table: &[(&str, Check)], name: &str, bytes: &[u8]) -> Vec<u8> {
    let number = table.iter().position(|(it, _)| *it == name).expect("a check of this target");
    let number = u8::try_from(number).expect("fewer than 256 checks");
    [&[number], bytes].concat()
}
