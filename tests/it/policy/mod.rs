//! Room policy from outside: scenarios in plain text with their verdicts.

mod decide;
mod deed;
mod property;
mod say;
mod scenario;
mod setting;

/// Every scenario gives the verdicts that are written below its lines. `UPDATE_GOLDEN=1` writes them anew.
#[test]
fn golden_scenarios() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/policy/golden");
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let written = std::fs::read_to_string(&file).unwrap();
        let played = scenario::play(&written);
        if played != written {
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&file, played).unwrap();
            } else {
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                let differs =
                    written.lines().zip(played.lines()).enumerate().find(|(_, (a, b))| a != b);
                wrong.push(format!("{name}: {differs:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
