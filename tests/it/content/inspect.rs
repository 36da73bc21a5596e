//! What the `inspect` example says, which `cargo test` builds beside the tests: its stable line format, its trees, and
//! its errors.

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use openmimi::{
    content::{
        Compose, DerivedValues, Disposition, DraftExternal, DraftPart, Expiration, ExtensionKey,
        HubTimestamp, MessageId, Salt, Semantics,
        cbor::ItemBuf,
        status::{Report, ReportEntry, Status},
    },
    env::Timestamp,
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

/// Standard output and error, and the exit code.
type Said = (String, String, Option<i32>);

fn inspect(arguments: &[&str], input: &[u8]) -> Option<Said> {
    let mut child = Command::new(executable()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some((text(output.stdout), text(output.stderr), output.status.code()))
}

fn verdicts(arguments: &[&str], lines: &str) -> Option<(String, Option<i32>)> {
    let (said, error, code) = inspect(arguments, lines.as_bytes())?;
    assert_eq!(error, "");
    Some((said, code))
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

/// A message without URIs has an ID only for those who know who sent it where.
#[test]
fn without_uris_there_is_no_id() {
    let mut draft = Compose::new("a", "b").text("hello");
    (draft.sender, draft.room) = (None, None);
    let message = draft.build(Salt([7; 16])).unwrap();
    let line = hex(message.as_bytes());
    let Some(verdict) = verdicts(&["content", "--hex-lines"], &line) else { return };
    assert_eq!(verdict, ("ok -\n".to_owned(), Some(0)));
    let (said, _, code) = inspect(&["content", "-"], message.as_bytes()).unwrap();
    assert!(said.contains("message ID: unknown: no sender or room"), "{said}");
    assert_eq!(code, Some(0));
    let both = ["content", "--sender", "a", "--room", "b", "--hex-lines"];
    let id = message.as_message().id("a", "b").unwrap();
    assert_eq!(verdicts(&both, &line), Some((format!("ok {id}\n"), Some(0))));
}

fn report() -> Vec<u8> {
    let entry = |first, status| ReportEntry { id: MessageId([first; 32]), status };
    let entries = vec![entry(1, Status::READ), entry(2, Status(200))];
    Report { entries }.encode()
}

fn derived() -> Vec<u8> {
    let values = DerivedValues {
        id: MessageId([1; 32]),
        accepted_at: HubTimestamp::Milliseconds(Timestamp(1_800_000_000_000)),
        group_id: b"group",
        sender_leaf: 4,
        sender_client: "mimi://a.example/d/alice/phone",
        sender: "mimi://a.example/u/alice",
        room: "mimi://a.example/r/clubhouse",
    };
    values.encode()
}

#[test]
fn status_reports_and_derived_values_have_lines_too() {
    let lines = format!("{}\n{}\n", hex(&report()), hex(&derived()));
    let Some(verdict) = verdicts(&["status", "--hex-lines"], &lines) else { return };
    assert_eq!(verdict, ("ok -\ninvalid report-entry at byte 1\n".to_owned(), Some(1)));
    let verdict = verdicts(&["derived", "--hex-lines"], &lines).unwrap();
    let id = "01".repeat(32);
    assert_eq!(verdict, (format!("invalid derived-values at byte 0\nok {id}\n"), Some(1)));
}

/// What a tree is to look like is written in `tests/it/content/trees`; `UPDATE_GOLDEN=1` writes it anew.
#[track_caller]
fn golden(name: &str, arguments: &[&str], input: &[u8]) {
    let Some((said, error, code)) = inspect(arguments, input) else { return };
    assert_eq!((error.as_str(), code), ("", Some(0)));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/content/trees");
    let path = path.join(name).with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, said).unwrap();
    } else {
        assert_eq!(said, fs::read_to_string(path).unwrap());
    }
}

#[test]
fn the_tree_of_a_message() {
    let picture = DraftExternal {
        content_type: "image/png".into(),
        size: 1 << 20,
        enc_alg: 1,
        key: vec![1; 16].into(),
        nonce: vec![2; 12].into(),
        hash_alg: 1,
        content_hash: vec![3; 32].into(),
        filename: "cat.png\u{202e}\n".into(),
        ..DraftExternal::open("https://files.example/p", "a cat")
    };
    let body = DraftPart::multi(
        Semantics::SingleUnit,
        [
            DraftPart::text("l\u{7}ng ".repeat(100)).language("en,fr"),
            picture.part(Disposition::INLINE),
            DraftPart::alternatives([
                DraftPart::single("application/x", vec![0xff; 70]),
                DraftPart::null(Disposition(200)),
            ]),
        ],
    );
    let message = Compose::new("mimi://a.example/u/alice", "mimi://a.example/r/clubhouse")
        .message(body)
        .topic(b"cats".as_slice())
        .expires(Expiration::Relative(60))
        .reply_to(MessageId([1; 32]))
        .extension(ExtensionKey::Text("mood"), ItemBuf::array([ItemBuf::null()]).unwrap())
        .unwrap()
        .build(Salt([7; 16]))
        .unwrap();
    golden("message", &["content", "-"], message.as_bytes());
}

#[test]
fn the_trees_of_a_report_and_of_derived_values() {
    golden("status", &["status", "-"], &report());
    golden("derived", &["derived", "-"], &derived());
}

/// Each file is looked at, whatever is wrong with the others, and each error says what and where.
#[test]
fn wrong_files_are_told_one_by_one() {
    let directory = std::env::temp_dir().join(format!("openmimi-inspect-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good", &report());
    let short = file("short", &report()[..9]);
    let missing = directory.join("missing").to_str().unwrap().to_owned();
    let said = inspect(&["status", &missing, &short, &good], b"");
    let empty = inspect(&["content", "-"], b"");
    fs::remove_dir_all(&directory).unwrap();
    let (Some((said, error, code)), Some((of_nothing, _, nothing))) = (said, empty) else { return };
    assert!(error.starts_with(&format!("{missing}: ")), "{error}");
    let start = format!("{short}: 9 octets\n  invalid: ");
    assert!(said.starts_with(&start) && said.contains("[truncated; "), "{said}");
    assert!(said.contains(&format!("{good}: {} octets\n", report().len())), "{said}");
    assert_eq!(code, Some(1));
    assert!(of_nothing.starts_with("-: 0 octets\n  invalid: "), "{of_nothing}");
    assert_eq!(nothing, Some(1));
}

#[test]
fn a_command_line_that_is_not_understood_is_said_so() {
    for (arguments, why) in [
        (&[][..], "what is to be inspected?"),
        (&["franking", "-"], "there is nothing known of franking"),
        (&["content"], "which files?"),
        (&["content", "--hex-lines", "file"], "either --hex-lines or files"),
        (&["content", "--sender"], "--sender needs a URI"),
        (&["status", "--room", "r", "-"], "--room is for content only"),
        (&["content", "--hexlines"], "there is no option --hexlines"),
    ] {
        let Some((said, error, code)) = inspect(arguments, b"") else { return };
        assert_eq!((said.as_str(), code), ("", Some(2)), "{arguments:?}");
        assert!(error.starts_with(&format!("{why}\nusage: inspect content")), "{error}");
    }
    let Some((said, error, code)) = inspect(&["--help"], b"") else { return };
    assert_eq!((error.as_str(), code), ("", Some(0)));
    assert!(said.starts_with("usage: "), "{said}");
}
