//! Reads MIMI bytes for people and for test suites.
//!
//! ```text
//! inspect content [--sender URI] [--room URI] FILE…       a readable tree, or the exact error
//! inspect content [--sender URI] [--room URI] --hex-lines one message per line of standard input, in hex
//! inspect status   FILE… | --hex-lines                    the same for status reports
//! inspect derived  FILE… | --hex-lines                    the same for MessageDerivedValues
//! ```
//!
//! `FILE` may be `-` for standard input. The exit code is 0 if all files are valid, 1 if one is not, 2 if the command
//! line is not understood.
//!
//! # The line format
//!
//! With `--hex-lines`, one line is written for each line that is read, in order, and flushed at once:
//!
//! ```text
//! ok MESSAGE_ID      a valid message; its ID in 64 lower-case hexadecimal digits
//! ok -               valid, but there is no ID to tell
//! invalid REASON     not valid
//! ```
//!
//! The ID is computed with `--sender` and `--room` where they are given, and otherwise with the URIs that the message
//! itself names (extension keys 1 and 2). For a status report there is none; for derived values it is the one that
//! they hold. `REASON` is `NAME at byte OFFSET`, where `NAME` is one of the names of `content::Rule` and holds no
//! space, or `hex` if the line is not pairs of hexadecimal digits. Only encoding and structure decide the verdict,
//! neither clock nor context. White space at both ends of a line is ignored; an empty line is an empty message, and so
//! is invalid. This format is stable: test suites may rely on it.

mod content;
mod show;
mod values;

use std::{
    fs,
    io::{self, BufRead as _, Read as _, Write as _},
    process::ExitCode,
};

/// How one kind of bytes is read.
pub(crate) trait Kind {
    /// The verdict in one line: an ID or `-`.
    fn line(&self, bytes: &[u8]) -> Result<String, openmimi::content::Invalid>;

    /// A readable tree.
    fn tree(&self, bytes: &[u8]) -> Result<String, openmimi::content::Invalid>;
}

const USAGE: &str =
    "usage: inspect content|status|derived [--sender URI] [--room URI] (--hex-lines | FILE…)";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next();
    let (mut sender, mut room, mut hex_lines, mut files) = (None, None, false, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--sender" => sender = arguments.next(),
            "--room" => room = arguments.next(),
            "--hex-lines" => hex_lines = true,
            _ => files.push(argument),
        }
    }
    let kind: Box<dyn Kind> = match kind.as_deref() {
        Some("content") => Box::new(content::Content { sender, room }),
        Some("status") => Box::new(values::Status),
        Some("derived") => Box::new(values::Derived),
        _ => return usage(),
    };
    if hex_lines != files.is_empty() {
        return usage();
    }
    let result = if hex_lines { lines(&*kind) } else { trees(&*kind, &files) };
    result.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn lines(kind: &dyn Kind) -> io::Result<ExitCode> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = Vec::new();
    let mut code = ExitCode::SUCCESS;
    while input.read_until(b'\n', &mut line)? > 0 {
        let verdict = match unhex(line.trim_ascii()) {
            None => "invalid hex".to_owned(),
            Some(bytes) => match kind.line(&bytes) {
                Ok(id) => format!("ok {id}"),
                Err(error) => format!("invalid {} at byte {}", error.rule().name(), error.offset()),
            },
        };
        if verdict.starts_with("invalid") {
            code = ExitCode::FAILURE;
        }
        writeln!(output, "{verdict}")?;
        output.flush()?;
        line.clear();
    }
    Ok(code)
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |octet: u8| (octet as char).to_digit(16);
    let mut pairs = text.chunks_exact(2);
    let bytes = pairs
        .by_ref()
        .map(|pair| match pair {
            &[high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        })
        .collect();
    if pairs.remainder().is_empty() { bytes } else { None }
}

fn trees(kind: &dyn Kind, files: &[String]) -> io::Result<ExitCode> {
    let mut output = io::stdout().lock();
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let mut bytes = Vec::new();
        if file == "-" {
            io::stdin().lock().read_to_end(&mut bytes)?;
        } else {
            bytes = fs::read(file)
                .map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))?;
        }
        writeln!(output, "{file}: {} octets", bytes.len())?;
        match kind.tree(&bytes) {
            Ok(tree) => writeln!(output, "{tree}")?,
            Err(error) => {
                code = ExitCode::FAILURE;
                writeln!(
                    output,
                    "  invalid: {error} [{}; {}]\n",
                    error.rule().name(),
                    error.rule().source()
                )?;
            }
        }
    }
    Ok(code)
}
