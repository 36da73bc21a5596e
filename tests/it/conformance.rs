//! `tests/conformance.tsv`: every rule of the drafts, and which tests show it.
//!
//! One line a rule, sorted by ID, four columns: the ID, its status, what the status rests on, and `verified` where
//! the code was broken on purpose to see that a test named there fails.
//!
//! | status | third column |
//! | --- | --- |
//! | `tested` | tests as `cargo test` names them, those of this binary after `it::`; golden files by path |
//! | `caller` | the file whose documentation says what the embedder has to do, and names the rule |
//! | `not-applicable` | why |
//! | `open` | the part of the crate, a colon, and what is missing |

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

const TABLE: &str = include_str!("../conformance.tsv");

/// Every draft with the families of its rules, and how many rules each family has.
const DRAFTS: &[(&str, &[(&str, usize)])] = &[
    ("draft-ietf-mimi-protocol-06", &[("P", 225)]),
    ("draft-ietf-mimi-content-08", &[("C", 104)]),
    ("draft-ietf-mimi-room-policy-03", &[("R", 136)]),
    ("draft-ietf-mimi-arch-02", &[("A", 23)]),
    ("draft-ietf-mls-extensions-10, as MIMI uses it", &[("E", 59)]),
    ("draft-ietf-mls-ratchet-tree-options-00", &[("T", 15)]),
    ("Message status", &[("M", 14)]),
    ("Semi-private, targeted and private external messages", &[("SP", 12), ("TM", 5), ("PE", 9)]),
    ("Message IDs in the clear, more extensions of content", &[("MA", 3), ("X", 6)]),
    (
        "Identity, pseudonyms, discovery, group chat and other informative drafts",
        &[("PA", 1), ("PS", 3), ("ID", 4), ("DS", 7), ("UD", 10), ("GC", 4)],
    ),
    ("Every structure on the wire", &[("W", 77)]),
    ("Where the drafts leave a question open", &[("Q", 109)]),
    ("Threats", &[("D", 89)]),
    ("The founding document of the working group", &[("S", 86)]),
];

const STATUSES: [&str; 4] = ["tested", "caller", "not-applicable", "open"];

struct Row {
    id: &'static str,
    family: &'static str,
    status: &'static str,
    rests_on: &'static str,
    verified: bool,
}

fn rows() -> Vec<Row> {
    let mut lines = TABLE.lines();
    assert_eq!(lines.next(), Some("id\tstatus\ttests\tproof"));
    let row = |line: &'static str| {
        let mut cells = line.split('\t');
        let [id, status, rests_on] = [(); 3].map(|()| cells.next().expect(line));
        let proof = cells.next();
        assert!(matches!(proof, None | Some("verified")) && cells.next().is_none(), "{line}");
        let (family, _) = id.split_once('-').expect(line);
        Row { id, family, status, rests_on, verified: proof.is_some() }
    };
    lines.map(row).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files that a module may be in, and whether the test stands in a `mod tests` of that file.
fn homes(modules: &[&str]) -> Vec<(PathBuf, bool)> {
    let (base, modules) = match modules {
        ["it", rest @ ..] => (root().join("tests/it"), rest),
        other => (root().join("src"), other),
    };
    let files = |modules: &[&str]| {
        let module = base.join(modules.join("/"));
        [module.with_extension("rs"), module.join("mod.rs")]
    };
    let mut homes: Vec<_> = files(modules).into_iter().map(|file| (file, false)).collect();
    if let [outer @ .., "tests"] = modules {
        homes.extend(files(outer).into_iter().map(|file| (file, true)));
    }
    homes
}

/// Whether the source has a function of this name with `#[test]`, and without `#[ignore]`.
fn has_test(source: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let at = |line: &&str| line.starts_with(&head);
    let Some(place) = lines.iter().position(at) else { return false };
    let attributes: Vec<_> = lines[..place]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
        .collect();
    attributes.iter().any(|line| **line == "#[test]")
        && !attributes.iter().any(|line| line.starts_with("#[ignore"))
}

fn exists(test: &str) -> bool {
    if test.contains('/') {
        return test.ends_with(".txt") && root().join(test).is_file();
    }
    let path: Vec<&str> = test.split("::").collect();
    let Some((name, modules)) = path.split_last() else { return false };
    homes(modules).iter().any(|(file, inline)| {
        fs::read_to_string(file).is_ok_and(|source| {
            (!inline || source.contains("mod tests {")) && has_test(&source, name)
        })
    })
}

/// Whether the documentation in a file names a rule: by itself, or as one of a range.
fn documents(file: &str, id: &str) -> bool {
    let source = fs::read_to_string(root().join(file)).unwrap_or_default();
    source
        .lines()
        .map(str::trim_start)
        .any(|line| (line.starts_with("//!") || line.starts_with("///")) && line.contains(id))
}

#[test]
fn the_table_is_whole() {
    let rows = rows();
    for pair in rows.windows(2) {
        assert!(pair[0].id < pair[1].id, "{} stands before {}", pair[0].id, pair[1].id);
    }
    let mut families: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *families.entry(row.family).or_default() += 1;
        assert!(STATUSES.contains(&row.status), "{}: {}", row.id, row.status);
        assert!(!row.rests_on.trim().is_empty(), "{} rests on nothing", row.id);
        assert!(!row.verified || row.status == "tested", "{} has no test to verify", row.id);
        assert!(row.status != "open" || row.rests_on.contains(": "), "{}: missing where?", row.id);
    }
    let expected: BTreeMap<&str, usize> =
        DRAFTS.iter().flat_map(|(_, families)| families.iter().copied()).collect();
    assert_eq!(families, expected);
}

#[test]
fn every_test_that_is_named_exists() {
    let mut missing = Vec::new();
    for row in rows() {
        let tests = row.rests_on.split_ascii_whitespace();
        match row.status {
            "tested" => missing.extend(tests.filter(|test| !exists(test)).map(|it| (row.id, it))),
            "caller" if !documents(row.rests_on, row.id) => missing.push((row.id, row.rests_on)),
            _ => {}
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The rules of each draft by status, as the table in the README.
fn tally(rows: &[Row]) -> String {
    let mut table = String::from(
        "| rules of | tested | duty of the caller | not applicable | open | in all |\n\
         | --- | --: | --: | --: | --: | --: |\n",
    );
    let mut line = |name: &str, counts: [usize; 4]| {
        let [tested, caller, not_applicable, open] = counts;
        let all: usize = counts.iter().sum();
        writeln!(table, "| {name} | {tested} | {caller} | {not_applicable} | {open} | {all} |")
            .unwrap();
    };
    let mut sum = [0; 4];
    for (name, families) in DRAFTS {
        let counts = STATUSES.map(|status| {
            let counts = |row: &&Row| {
                row.status == status && families.iter().any(|(family, _)| *family == row.family)
            };
            rows.iter().filter(counts).count()
        });
        for (sum, count) in sum.iter_mut().zip(counts) {
            *sum += count;
        }
        line(name, counts);
    }
    line("all", sum);
    table
}

/// The README holds the tally. `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_readme_holds_the_tally() {
    const START: &str = "<!-- conformance -->\n";
    const END: &str = "<!-- /conformance -->";
    let rows = rows();
    let tally = tally(&rows);
    let verified = rows.iter().filter(|row| row.verified).count();
    println!("{tally}\n{verified} rules were verified by breaking the code");
    let file = root().join("README.md");
    let readme = fs::read_to_string(&file).unwrap();
    let (before, rest) = readme.split_once(START).expect("the README has a place for the tally");
    let (shown, after) = rest.split_once(END).expect("the place ends");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(file, format!("{before}{START}{tally}{END}{after}")).unwrap();
    } else {
        assert_eq!(shown, tally, "run with UPDATE_GOLDEN=1");
    }
}
