//! Policies for people: who may do what, whether a file is a policy, and answers to single questions.
//!
//! ```text
//! cargo run --example policy -- matrix PRESET|FILE.json [--html FILE]
//! cargo run --example policy -- check FILE.json
//! cargo run --example policy -- decide --policy PRESET|FILE.json --lines
//! cargo run --example policy -- show PRESET
//! ```
//!
//! PRESET is one of `cooperative`, `strict`, `moderated`, `multi-organization`, `direct-message`, `announcement`.
//! The format of files is documented in `openmimi::policy::file`, that of questions and answers in
//! `openmimi::policy::question`; README.md beside this file has both in short. They are stable interfaces.

mod html;

use std::{
    io::{BufRead, Write},
    process::ExitCode,
};

use openmimi::policy::{Roles, file::PolicyFile, matrix::Matrix, presets::Preset, question};

const USAGE: &str = "usage: policy matrix PRESET|FILE.json [--html FILE]
       policy check FILE.json
       policy decide --policy PRESET|FILE.json --lines
       policy show PRESET

PRESET: cooperative, strict, moderated, multi-organization, direct-message, announcement";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match *words.as_slice() {
        ["matrix", policy] => matrix(policy, None),
        ["matrix", policy, "--html", file] | ["matrix", "--html", file, policy] => {
            matrix(policy, Some(file))
        }
        ["check", file] => check(file),
        ["decide", "--policy", policy, "--lines"] | ["decide", "--lines", "--policy", policy] => {
            decide(policy)
        }
        ["show", name] => show(name),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Reads a policy file, whether or not it is sound.
fn read(path: &str) -> Result<PolicyFile, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    PolicyFile::parse(&text).map_err(|problem| format!("{path}: {problem}"))
}

/// The roles of a preset or of a file that is a policy.
fn roles(policy: &str) -> Result<Roles, String> {
    if let Some(preset) = Preset::named(policy) {
        return Ok(preset.roles());
    }
    let file = read(policy)?;
    refuse(policy, &file)?;
    file.roles().map_err(|fault| format!("{policy}: {fault}"))
}

/// Every problem of a file, a line for each.
fn refuse(path: &str, file: &PolicyFile) -> Result<(), String> {
    let problems = file.problems();
    if problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = problems.iter().map(|problem| format!("{path}: {problem}")).collect();
    Err(lines.join("\n"))
}

fn matrix(policy: &str, html: Option<&str>) -> Result<(), String> {
    let matrix = Matrix::of(&roles(policy)?);
    match html {
        None => print!("{matrix}"),
        Some(path) => std::fs::write(path, html::page(policy, &matrix))
            .map_err(|error| format!("{path}: {error}"))?,
    }
    Ok(())
}

fn check(path: &str) -> Result<(), String> {
    refuse(path, &read(path)?)?;
    println!("{path}: a policy");
    Ok(())
}

fn show(name: &str) -> Result<(), String> {
    let preset = Preset::named(name).ok_or_else(|| format!("no preset {name}\n\n{USAGE}"))?;
    println!("{}", PolicyFile::of_preset(preset).to_json());
    Ok(())
}

/// One answer for each line, at once.
fn decide(policy: &str) -> Result<(), String> {
    let roles = roles(policy)?;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line.map_err(|error| error.to_string())?;
        let answer = question::answer(&roles, &String::from_utf8_lossy(&line));
        let written = writeln!(out, "{answer}").and_then(|()| out.flush());
        if written.is_err() {
            // Nobody reads the answers any more.
            break;
        }
    }
    Ok(())
}
