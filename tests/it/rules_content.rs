//! Rules of content that are not about one encoding: C-012, C-036 … C-038, C-106, M-010 … M-014, X-005.

use std::cell::Cell;

use openmimi::{
    content::{
        Body, Compose, Disposition, DraftPart, ExtensionKey, MessageBuf, MessageId, Part, Salt,
        cbor::ItemBuf,
        choose::Taste,
        known::{LAST_SEEN, LastSeen},
        status::{self, Report, ReportEntry, Status},
    },
    error::Misuse,
    policy::components::Optionality,
};
use openmls_traits::random::OpenMlsRand;

const ALICE: &str = "mimi://a.example/u/alice";
const ROOM: &str = "mimi://a.example/r/club";

fn built(body: DraftPart<'_>) -> MessageBuf {
    Compose::new(ALICE, ROOM).message(body).build(Salt([7; 16])).unwrap()
}

/// Randomness that counts what it gave, until it has no more.
struct Dice {
    left: Cell<u8>,
}

#[derive(Debug, thiserror::Error)]
#[error("no more")]
struct Empty;

impl OpenMlsRand for Dice {
    type Error = Empty;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], Empty> {
        let left = self.left.get().checked_sub(1).ok_or(Empty)?;
        self.left.set(left);
        Ok([left; N])
    }

    fn random_vec(&self, length: usize) -> Result<Vec<u8>, Empty> {
        self.random_array::<1>().map(|[octet]| vec![octet; length])
    }
}

/// C-012: a salt is the caller's randomness, new each time, and nothing else takes its place.
#[test]
fn c_012_salts_are_the_callers_randomness() {
    let dice = Dice { left: Cell::new(2) };
    assert_eq!(Salt::random(&dice).unwrap(), Salt([1; 16]));
    assert_eq!(Salt::random(&dice).unwrap(), Salt([0; 16]));
    assert_eq!(Salt::random(&dice), Err(Misuse::Crypto("no randomness")));
}

/// C-036, C-037, S-26: the registry of dispositions; those that nobody knows are rendered.
#[test]
fn c_036_c_037_dispositions() {
    for (disposition, number) in [
        (Disposition::UNSPECIFIED, 0),
        (Disposition::RENDER, 1),
        (Disposition::REACTION, 2),
        (Disposition::PROFILE, 3),
        (Disposition::INLINE, 4),
        (Disposition::ICON, 5),
        (Disposition::ATTACHMENT, 6),
        (Disposition::SESSION, 7),
        (Disposition::PREVIEW, 8),
    ] {
        assert_eq!(disposition.0, number);
        assert_eq!(disposition.effective(), disposition);
        let message = built(DraftPart::text("x").disposition(disposition));
        assert_eq!(message.as_message().body().disposition(), disposition);
    }
    for unknown in 9..=u8::MAX {
        assert_eq!(Disposition(unknown).effective(), Disposition::RENDER);
        let message = built(DraftPart::text("x").disposition(Disposition(unknown)));
        assert_eq!(message.as_message().body().disposition().0, unknown, "kept as it is");
    }
}

/// C-038, Q-95: a list of languages, spaces and bad tags in it.
#[test]
fn c_038_q_95_languages() {
    let message = built(DraftPart::text("colour").language("en , de-AT,, not a tag!,en-GB"));
    let message = message.as_message();
    let languages: Vec<_> = message.body().languages().collect();
    assert_eq!(languages, ["en", "de-AT", "not a tag!", "en-GB"]);
    assert_eq!(built(DraftPart::text("x")).as_message().body().languages().count(), 0);
    // A tag that nobody can use is in nobody's way.
    let taste = Taste::new(["text/plain"]).languages(["de"]);
    let odd = built(DraftPart::text("x").language("not a tag!"));
    let odd = odd.as_message();
    assert_eq!(odd.choose(|part| taste.score(part)).shown.len(), 1);
    let both = built(DraftPart::alternatives([
        DraftPart::text("x").language("not a tag!"),
        DraftPart::text("y").language("xx, de-AT"),
    ]));
    let both = both.as_message();
    let shown: Vec<_> =
        both.choose(|part| taste.score(part)).shown.iter().map(Part::index).collect();
    assert_eq!(shown, [2]);
}

/// C-106, D-44: alternatives can tell different people different things, so an app can see all of them.
#[test]
fn c_106_all_alternatives_can_be_seen() {
    let message = built(DraftPart::alternatives([
        DraftPart::single("text/html", b"<b>yes</b>"),
        DraftPart::text("no"),
    ]));
    let message = message.as_message();
    let taste = Taste::new(["text/html", "text/plain"]);
    assert_eq!(message.choose(|part| taste.score(part)).shown.len(), 1);
    let said: Vec<_> = message
        .parts()
        .filter_map(|part| match part.body() {
            Body::Single(single) => Some(single.content().to_vec()),
            Body::Null | Body::External(_) | Body::Multi(_) => None,
        })
        .collect();
    assert_eq!(said, [b"<b>yes</b>".to_vec(), b"no".to_vec()]);
}

/// M-010, R-050, R-072, D-52: three modes; only where a thing is optional the user's wish counts.
#[test]
fn m_010_what_is_optional_is_the_users_choice() {
    for (optionality, unwished, wished) in [
        (Optionality::Optional, false, true),
        (Optionality::Required, true, true),
        (Optionality::Forbidden, false, false),
    ] {
        assert_eq!([false, true].map(|wish| optionality.decide(wish)), [unwished, wished]);
    }
}

fn report_on(id: MessageId) -> MessageBuf {
    let report = Report { entries: vec![ReportEntry { id, status: Status::DELIVERED }] };
    Compose::new(ALICE, ROOM).status(&report).build(Salt([9; 16])).unwrap()
}

/// M-013, D-52: whoever asks before it reports does not answer a report with a report.
#[test]
fn m_013_no_receipts_for_receipts() {
    let mut message = built(DraftPart::text("hello"));
    let mut reports = 0;
    while !status::is_report(&message.as_message()) {
        reports += 1;
        message = report_on(message.as_message().id(ALICE, ROOM).unwrap());
    }
    assert_eq!(reports, 1);
    // One that is not well formed deserves none either, nor does one with another spelling of its type.
    for media in ["application/mimi-message-status", "Application/MIMI-Message-Status"] {
        let broken = built(DraftPart::single(media, b"no CBOR"));
        assert!(status::is_report(&broken.as_message()), "{media}");
    }
}

/// of lists of what was seen, those beyond the draft's bound are refused, and nothing else of the message is.
#[test]
fn x_005_a_list_of_what_was_seen_is_bounded() {
    let with = |count: usize| {
        let ids = vec![ItemBuf::bytes(&[&[1][..], &[0; 31]].concat()); count];
        let draft = Compose::new(ALICE, ROOM).text("late");
        let draft = draft.extension(ExtensionKey::LAST_SEEN, ItemBuf::array(ids).unwrap()).unwrap();
        draft.build(Salt([7; 16])).unwrap()
    };
    let most = with(LAST_SEEN);
    let seen = most.as_message().extensions().last_seen().unwrap();
    assert!(matches!(seen, Some(LastSeen::Messages(ids)) if ids.len() == LAST_SEEN));
    let more = with(LAST_SEEN + 1);
    assert!(more.as_message().extensions().last_seen().is_err());
    assert!(matches!(more.as_message().body().body(), Body::Single(_)));
}

/// no verdict depends on a feature of the crate. What a feature brings are modules, whole; `cargo test` itself
/// cannot show it, for the tests need the features.
#[test]
fn r_196_features_bring_modules_and_change_nothing_else() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let mut lines = text.lines();
            while let Some(line) = lines.next() {
                if line.contains("feature = ") && !line.trim_start().starts_with("//") {
                    let next = lines.next().unwrap_or_default();
                    let gate = line.starts_with("#[cfg(") && line.ends_with(")]");
                    let brings = next.starts_with("pub mod ") || next.starts_with("pub use ");
                    assert!(gate && brings, "{}: {line} {next}", path.display());
                    found += 1;
                }
            }
        }
    }
    assert!(found > 3, "there are features");
}
