//! The stable line format of the `inspect` example, which `cargo test` builds beside the tests.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use super::examples;

/// The example's executable, if it was built.
fn executable() -> Option<PathBuf> {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent()?.parent()?.join("examples/inspect");
    if !path.exists() {
        eprintln!("skipped: the example was not built");
    }
    path.exists().then_some(path)
}

fn verdicts(arguments: &[&str], lines: &str) -> Option<(String, Option<i32>)> {
    let mut child = Command::new(executable()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((String::from_utf8(output.stdout).unwrap(), output.status.code()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn each_line_has_its_verdict_in_order() {
    let examples = examples::all();
    let mut lines = String::new();
    let mut expected = String::new();
    for example in &examples {
        let bytes = example.message.as_bytes();
        lines.push_str(&format!("{}\n{}\n", hex(bytes), hex(&bytes[..40])));
        expected.push_str(&format!("ok {}\ninvalid truncated at byte 40\n", example.id));
    }
    lines.push_str("zz\n\n8\n");
    expected.push_str("invalid hex\ninvalid truncated at byte 0\ninvalid hex\n");
    let Some((output, code)) = verdicts(&["content", "--hex-lines"], &lines) else { return };
    assert_eq!((output, code), (expected, Some(1)));
}

#[test]
fn the_id_is_for_the_uris_that_are_given() {
    let example = &examples::all()[0];
    let id = example.message.as_message().id("bob", examples::ROOM).unwrap();
    let line = hex(example.message.as_bytes());
    let arguments = ["content", "--sender", "bob", "--hex-lines"];
    let Some(verdict) = verdicts(&arguments, &line) else { return };
    assert_eq!(verdict, (format!("ok {id}\n"), Some(0)));
}
