//! The committed fuzzing corpus, replayed on the stable compiler through the checks of the fuzz targets.
//!
//! `OPENMIMI_WRITE_CORPUS=1 cargo test --test it corpus` writes the seeds anew.

use std::{fs, path::PathBuf};

use openmimi::content::{
    Compose, DerivedValues, DraftPart, ExtensionKey, HubTimestamp, Salt,
    cbor::ItemBuf,
    status::{Report, ReportEntry, Status},
};

use super::examples;

#[path = "../../../fuzz/checks/content.rs"]
mod content;
#[path = "../../../fuzz/checks/timeline.rs"]
mod timeline;

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// One seed for each example, and for what the examples do not have.
fn decoder_seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<_> = examples::all()
        .into_iter()
        .map(|example| (example.name.to_owned(), example.message.into_bytes()))
        .collect();
    let id = examples::all()[0].id;
    let report = Report { entries: vec![ReportEntry { id, status: Status::READ }] };
    seeds.push(("status".to_owned(), report.encode()));
    let values = |accepted_at| DerivedValues {
        id,
        accepted_at,
        group_id: b"group",
        sender_leaf: 4,
        sender_client: "mimi://example.com/d/1",
        sender: examples::ALICE,
        room: examples::ROOM,
    };
    let now = HubTimestamp::Milliseconds(openmimi::env::Timestamp(1_644_387_225_019));
    seeds.push(("derived".to_owned(), values(now).encode()));
    let entry = |key, number| (ItemBuf::integer(key), ItemBuf::unsigned(number));
    let time = ItemBuf::map([entry(1, 1_644_387_225), entry(-3, 19)]).unwrap();
    let extended = values(HubTimestamp::Extended(time.as_item())).encode();
    seeds.push(("derived-extended".to_owned(), extended));
    let all_kinds = ItemBuf::array([
        ItemBuf::map([(ItemBuf::bytes(&[1]), ItemBuf::float(1.5)), entry(-1, u64::MAX)]).unwrap(),
        ItemBuf::tag(32, &ItemBuf::text("https://a")).unwrap(),
        ItemBuf::float(0.1),
        ItemBuf::float(100_000.0),
        ItemBuf::tag(2, &ItemBuf::bytes(&[1; 9])).unwrap(),
        ItemBuf::null(),
    ])
    .unwrap();
    let draft =
        Compose::new("s", "r").text("x").extension(ExtensionKey::Text("all"), all_kinds.clone());
    let message = draft.unwrap().build(Salt([7; 16])).unwrap();
    seeds.push(("extensions".to_owned(), message.into_bytes()));
    seeds.push(("item".to_owned(), all_kinds.as_item().as_bytes().to_vec()));
    let unit = DraftPart::multi(
        openmimi::content::Semantics::SingleUnit,
        [
            DraftPart::text("cid:2@local.invalid"),
            DraftPart::null(openmimi::content::Disposition(200)),
        ],
    );
    let message = Compose::new("s", "r").message(unit).build(Salt([7; 16])).unwrap();
    seeds.push(("single-unit".to_owned(), message.into_bytes()));
    seeds
}

/// Conversations in which each deed follows each other one.
fn timeline_seeds() -> Vec<(String, Vec<u8>)> {
    (0..9_u8)
        .map(|what| {
            let deeds = (0..9_u8).flat_map(|next| {
                [[what, 2 * next, next, 0xff], [next, 3 * what + 1, what + next, next << 4 | what]]
            });
            (format!("deed-{what}"), deeds.flatten().collect())
        })
        .collect()
}

fn replay(target: &str, seeds: Vec<(String, Vec<u8>)>, check: fn(&[u8])) {
    let directory = corpus(target);
    if std::env::var_os("OPENMIMI_WRITE_CORPUS").is_some() {
        fs::create_dir_all(&directory).unwrap();
        for (name, bytes) in &seeds {
            fs::write(directory.join(name), bytes).unwrap();
        }
    }
    for (_, bytes) in seeds {
        check(&bytes);
    }
    // A published crate comes without its corpus.
    let Ok(files) = fs::read_dir(directory) else { return };
    for file in files {
        check(&fs::read(file.unwrap().path()).unwrap());
    }
}

#[test]
fn the_decoder_corpus_holds() {
    replay("decoders", decoder_seeds(), content::check);
}

#[test]
fn the_timeline_corpus_holds() {
    replay("timeline", timeline_seeds(), timeline::check);
}
