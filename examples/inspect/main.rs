//! Reads MIMI bytes for people and for test suites.
//!
//! ```text
//! inspect content [--sender URI] [--room URI] FILE…       a readable tree, or the exact error
//! inspect content [--sender URI] [--room URI] --hex-lines one message per line of standard input, in hex
//! inspect status   FILE… | --hex-lines                    the same for status reports
//! inspect derived  FILE… | --hex-lines                    the same for MessageDerivedValues
//! ```
//!
//! In front of each line of a tree stands the byte at which the value begins, its head included: the same count as in
//! errors. `FILE` may be `-` for standard input. The exit code is 0 if all files are valid, 1 if one is not or cannot be read,
//! 2 if the command line is not understood.
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

const USAGE: &str = "usage: inspect content [--sender URI] [--room URI] (--hex-lines | FILE…)
       inspect status  (--hex-lines | FILE…)
       inspect derived (--hex-lines | FILE…)";

/// What the command line asks for.
struct Wish {
    kind: Box<dyn Kind>,
    hex_lines: bool,
    files: Vec<String>,
}

impl Wish {
    /// Reads the command line. What follows `--` are files, whatever they are called.
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let kind = arguments.next().ok_or("what is to be inspected?")?;
        let (mut sender, mut room, mut hex_lines, mut files) = (None, None, false, Vec::new());
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--sender" | "--room" if kind != "content" => {
                    return Err(format!("{argument} is for content only"));
                }
                "--sender" => sender = Some(arguments.next().ok_or("--sender needs a URI")?),
                "--room" => room = Some(arguments.next().ok_or("--room needs a URI")?),
                "--hex-lines" => hex_lines = true,
                "--" => files.extend(arguments.by_ref()),
                option if option.starts_with("--") => {
                    return Err(format!("there is no option {option}"));
                }
                _ => files.push(argument),
            }
        }
        let kind: Box<dyn Kind> = match kind.as_str() {
            "content" => Box::new(content::Content { sender, room }),
            "status" => Box::new(values::Status),
            "derived" => Box::new(values::Derived),
            other => return Err(format!("there is nothing known of {other}")),
        };
        match (hex_lines, files.is_empty()) {
            (true, false) => Err("either --hex-lines or files".to_owned()),
            (false, true) => Err("which files?".to_owned()),
            (true, true) | (false, false) => Ok(Self { kind, hex_lines, files }),
        }
    }
}

fn main() -> ExitCode {
    if std::env::args().skip(1).any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let wish = match Wish::read(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let result = if wish.hex_lines { lines(&*wish.kind) } else { trees(&*wish.kind, &wish.files) };
    match result {
        Ok(code) => code,
        // Whoever reads this has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
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
        let bytes = match read(file) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("{file}: {error}");
                code = ExitCode::FAILURE;
                continue;
            }
        };
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

fn read(file: &str) -> io::Result<Vec<u8>> {
    if file != "-" {
        return fs::read(file);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
