use openmls_rust_crypto::RustCrypto;
use proptest::prelude::*;

use super::*;

fn domain() -> Domain {
    Domain::parse("a.example").unwrap()
}

#[test]
fn the_five_kinds_of_the_draft_are_read_and_printed_as_they_are() {
    // P-005
    assert_eq!(ProviderUri::parse("mimi://a.example").unwrap().as_str(), "mimi://a.example");
    assert_eq!(UserUri::parse("mimi://a.example/u/alice").unwrap().name(), "alice");
    assert_eq!(ClientUri::parse("mimi://a.example/d/ClientA1").unwrap().name(), "ClientA1");
    assert_eq!(RoomUri::parse("mimi://a.example/r/clubhouse").unwrap().host(), "a.example");
    assert_eq!(GroupUri::parse("mimi://a.example/g/clubhouse").unwrap().domain(), domain());
    let client = "mimi://example.com/d/3b52249d-68f9-45ce-8bf5-c799f3cad7ec/0003";
    assert_eq!(ClientUri::parse(client).unwrap().to_string(), client);
}

#[test]
fn a_kind_does_not_pass_for_another() {
    // D-72
    let kind = |expected| UriError::Kind { expected };
    assert_eq!(UserUri::parse("mimi://a.example/d/alice"), Err(kind("/u/")));
    assert_eq!(UserUri::parse("mimi://a.example"), Err(kind("/u/")));
    assert_eq!(UserUri::parse("mimi://a.example/U/alice"), Err(kind("/u/")));
    assert_eq!(ClientUri::parse("mimi://a.example/u/alice"), Err(kind("/d/")));
    assert_eq!(RoomUri::parse("mimi://a.example/g/x"), Err(kind("/r/")));
    assert_eq!(RoomUri::parse("mimi://a.example/clubhouse"), Err(kind("/r/")));
    assert_eq!(GroupUri::parse("mimi://a.example/r/x"), Err(kind("/g/")));
    assert_eq!(ProviderUri::parse("mimi://a.example/"), Err(kind("")));
    assert_eq!(ProviderUri::parse("mimi://a.example/u/alice"), Err(kind("")));
    assert_eq!(ParticipantUri::parse("mimi://a.example/d/x"), Err(kind("/u/")));
    assert_eq!(ParticipantUri::parse("mimi://a.example/"), Err(kind("/u/")));
}

#[test]
fn a_participant_is_told_by_its_form() {
    let user = ParticipantUri::parse("mimi://a.example/u/alice").unwrap();
    assert_eq!(user, UserUri::parse("mimi://a.example/u/alice").unwrap().into());
    assert_eq!(user.user().map(UserUri::name), Some("alice"));
    let hub = ParticipantUri::parse("mimi://a.example").unwrap();
    assert_eq!(hub, ProviderUri::new(&domain()).into());
    assert_eq!(hub.user(), None);
    assert_eq!((user.domain(), hub.domain()), (domain(), domain()));
}

/// PS-002: to check octets says what reading them says, for every kind of name.
#[test]
fn what_is_checked_is_what_is_read() {
    for uri in [
        "mimi://a.example",
        "mimi://a.example/u/alice",
        "mimi://a.example/p/7d444840",
        "mimi://a.example/d/alice/1",
        "mimi://a.example/r/room",
        "mimi://a.example/g/group",
        "mimi://a.example/u/",
        "mimi://a.example/p/",
        "mimi://a.example/u/a b",
        "mimi://a.example/p/%2f",
        "mimi://A.example/p/x",
        "mimi://a.example/",
        "",
    ] {
        let read = ParticipantUri::parse(uri).map(|it| it.user().is_none());
        assert_eq!(ParticipantUri::check(uri.as_bytes()).ok(), read.ok(), "{uri}");
    }
}

#[test]
fn a_pseudonym_is_a_user_of_another_name() {
    // ID-003, PS-002
    let pseudonym = UserUri::parse("mimi://a.example/p/7d444840").unwrap();
    assert_eq!((pseudonym.name(), pseudonym.host()), ("7d444840", "a.example"));
    assert_ne!(pseudonym, UserUri::parse("mimi://a.example/u/7d444840").unwrap());
    assert_eq!(ParticipantUri::parse(pseudonym.as_bytes()), Ok(pseudonym.into()));
    assert_eq!(UserUri::parse("mimi://a.example/p/"), Err(UriError::EmptySegment));
    assert!(RoomUri::parse("mimi://a.example/p/x").is_err());
}

#[test]
fn another_spelling_is_refused_with_its_reason() {
    //
    let rows: &[(&str, UriError)] = &[
        ("", UriError::Scheme),
        ("mimi:", UriError::Scheme),
        ("mimi:/a.example/u/a", UriError::Scheme),
        ("MIMI://a.example/u/a", UriError::Scheme),
        ("https://a.example/u/a", UriError::Scheme),
        (" mimi://a.example/u/a", UriError::Scheme),
        ("mimi://bob@a.example/u/a", UriError::Userinfo),
        ("mimi://@a.example/u/a", UriError::Userinfo),
        ("mimi://a.example:/u/a", UriError::Port),
        ("mimi://a.example:443/u/a", UriError::Port),
        ("mimi:///u/a", UriError::Host),
        ("mimi://127.0.0.1/u/a", UriError::Host),
        ("mimi://0x7f000001/u/a", UriError::Host),
        ("mimi://2130706433/u/a", UriError::Host),
        ("mimi://[::1]/u/a", UriError::Label),
        ("mimi://A.example/u/a", UriError::Label),
        ("mimi://a.example./u/a", UriError::Label),
        ("mimi://.example/u/a", UriError::Label),
        ("mimi://a..example/u/a", UriError::Label),
        ("mimi://-a.example/u/a", UriError::Label),
        ("mimi://a-.example/u/a", UriError::Label),
        ("mimi://a_b.example/u/a", UriError::Label),
        ("mimi://%61.example/u/a", UriError::Label),
        ("mimi://bücher.example/u/a", UriError::Label),
        ("mimi://a.example?u/a", UriError::Query),
        ("mimi://a.example#u/a", UriError::Fragment),
        ("mimi://a.example/u/a?", UriError::Query),
        ("mimi://a.example/u/a#b", UriError::Fragment),
        ("mimi://a.example/u/", UriError::EmptySegment),
        ("mimi://a.example/u//a", UriError::EmptySegment),
        ("mimi://a.example/u/a/", UriError::EmptySegment),
        ("mimi://a.example/u/a//b", UriError::EmptySegment),
        ("mimi://a.example/u/.", UriError::DotSegment),
        ("mimi://a.example/u/../u/a", UriError::DotSegment),
        ("mimi://a.example/u/a/./b", UriError::DotSegment),
        ("mimi://a.example/u/%2E", UriError::NeedlessEscape(b'.')),
        ("mimi://a.example/u/%61", UriError::NeedlessEscape(b'a')),
        ("mimi://a.example/u/%40", UriError::NeedlessEscape(b'@')),
        ("mimi://a.example/u/a%2fb", UriError::Escape),
        ("mimi://a.example/u/a%2", UriError::Escape),
        ("mimi://a.example/u/%", UriError::Escape),
        ("mimi://a.example/u/%%20", UriError::Escape),
        ("mimi://a.example/u/%+1", UriError::Escape),
        ("mimi://a.example/u/%00", UriError::EscapedText),
        ("mimi://a.example/u/a%0Ab", UriError::EscapedText),
        ("mimi://a.example/u/%C2%85", UriError::EscapedText),
        ("mimi://a.example/u/%C3", UriError::EscapedText),
        ("mimi://a.example/u/%C0%AF", UriError::EscapedText),
        ("mimi://a.example/u/a b", UriError::Octet(b' ')),
        ("mimi://a.example/u/a\0", UriError::Octet(0)),
        ("mimi://a.example/u/é", UriError::Octet(0xC3)),
        ("mimi://a.example/u/a\\b", UriError::Octet(b'\\')),
        ("mimi://a.example/u/[a]", UriError::Octet(b'[')),
    ];
    for (uri, error) in rows {
        assert_eq!(UserUri::parse(uri), Err(*error), "{uri}");
        assert!(ParticipantUri::parse(uri).is_err(), "{uri}");
        assert!(ProviderUri::parse(uri).is_err(), "{uri}");
    }
    assert_eq!(UserUri::parse(b"mimi://a.example/u/\xFF"), Err(UriError::Octet(0xFF)));
    assert_eq!(UserUri::parse(b"mimi://a\xFF.example/u/a"), Err(UriError::Label));
}

#[test]
fn names_that_need_percent_encoding_have_it() {
    // P-063
    for uri in [
        "mimi://a.example/u/a%2Fb",
        "mimi://a.example/u/a%25b",
        "mimi://a.example/u/Ren%C3%A9%20X",
        "mimi://a.example/u/a:@!$&'()*+,;=-._~",
        "mimi://a.example/u/...",
        "mimi://xn--bcher-kva.example/u/a",
        "mimi://localhost/u/a",
        "mimi://1a.b2/u/a",
    ] {
        assert_eq!(UserUri::parse(uri).unwrap().as_str(), uri);
    }
}

#[test]
fn lengths_are_bounded() {
    let label = "a".repeat(63);
    let long = [&*label, &*label, &*label, &"a".repeat(61)].join(".");
    assert_eq!(long.len(), 253);
    assert!(Domain::parse(&long).is_ok());
    assert_eq!(Domain::parse(format!("{long}a")), Err(UriError::Host));
    assert_eq!(Domain::parse(format!("{label}a")), Err(UriError::Label));
    let name = "a".repeat(MAX_URI - "mimi://a.example/u/".len());
    assert_eq!(UserUri::new(&domain(), &name).unwrap().as_bytes().len(), MAX_URI);
    assert_eq!(UserUri::new(&domain(), name + "a"), Err(UriError::TooLong(MAX_URI + 1)));
}

#[test]
fn a_name_cannot_escape_its_place() {
    for name in ["", ".", "..", "a/../b", "a?b", "a#b", "a/"] {
        assert!(RoomUri::new(&domain(), name).is_err(), "{name}");
    }
}

#[test]
fn fresh_names_are_uuids_and_differ() {
    // P-261
    let crypto = RustCrypto::default();
    let pseudonym = UserUri::fresh(&domain(), &crypto).unwrap();
    assert_eq!(UserUri::parse(pseudonym.as_str()).unwrap(), pseudonym);
    assert_eq!(pseudonym.name().len(), 36);
    assert_eq!(pseudonym.name().as_bytes()[14], b'4', "a random UUID has version 4");
    assert_ne!(pseudonym, UserUri::fresh(&domain(), &crypto).unwrap());
    let longest = [&*"a".repeat(63), &"a".repeat(63), &"a".repeat(63), &"a".repeat(61)].join(".");
    let room = RoomUri::fresh(&Domain::parse(longest).unwrap(), &crypto).unwrap();
    assert_eq!(RoomUri::parse(room.as_bytes()).unwrap(), room);
    assert!(
        GroupUri::fresh(&domain(), &crypto).unwrap().as_str().starts_with("mimi://a.example/g/")
    );
    assert!(
        ClientUri::fresh(&domain(), &crypto).unwrap().as_str().starts_with("mimi://a.example/d/")
    );
}

#[test]
fn records_hold_the_text_and_are_checked_when_read() {
    let user = UserUri::new(&domain(), "alice").unwrap();
    let record = postcard::to_allocvec(&user).unwrap();
    assert_eq!(record, postcard::to_allocvec("mimi://a.example/u/alice").unwrap());
    assert_eq!(postcard::from_bytes::<UserUri>(&record).unwrap(), user);
    assert!(postcard::from_bytes::<RoomUri>(&record).is_err());
    assert_eq!(postcard::from_bytes::<ParticipantUri>(&record).unwrap(), user.into());
}

/// Another spelling that a lenient reader takes for the same name.
fn respell(uri: &str, how: usize, at: usize) -> Option<String> {
    let path = "mimi://a.example".len();
    let position = path + 3 + at % uri.len().checked_sub(path + 3).filter(|&n| n > 0)?;
    let (before, after) = (uri.get(..position)?, uri.get(position..)?);
    let first = after.bytes().next()?;
    Some(match how {
        0 => uri.replacen("mimi", "Mimi", 1),
        1 => uri.replacen("a.example", "a.Example", 1),
        2 => uri.replacen("a.example", "a.example.", 1),
        3 => uri.replacen("a.example", "a.example:443", 1),
        4 => uri.replacen("/u/", "/./u/", 1),
        5 => uri.replacen("/u/", "//u/", 1),
        6 => format!("{uri}/"),
        7 => format!("{uri}#"),
        8 if first != b'%'
            && !before.ends_with('%')
            && !before.get(before.len() - 2..)?.starts_with('%') =>
        {
            format!("{before}%{first:02X}{}", after.get(1..)?)
        }
        9 if uri.contains("%2F") => uri.replacen("%2F", "%2f", 1),
        _ => return None,
    })
}

proptest! {
    #[test]
    fn what_is_accepted_prints_as_it_was(octets: Vec<u8>, name in "[ -~]{0,12}") {
        prop_assume!(UserUri::parse(&octets).is_err());
        if let Ok(user) = UserUri::parse(format!("mimi://a.example/u/{name}")) {
            prop_assert_eq!(user.as_str(), format!("mimi://a.example/u/{name}"));
            prop_assert_eq!(user.name(), &name);
        }
    }

    #[test]
    fn every_printable_name_has_one_spelling(text in "\\PC{1,20}", how in 0..10usize, at: usize) {
        prop_assume!(text != "." && text != "..");
        let user = UserUri::new(&domain(), escape(&text)).unwrap();
        prop_assert_eq!(&UserUri::parse(user.as_str()).unwrap(), &user);
        if let Some(other) = respell(user.as_str(), how, at) {
            prop_assert!(UserUri::parse(&other).is_err(), "{} and {}", user, other);
        }
    }

    #[test]
    fn no_input_panics(octets: Vec<u8>) {
        let _ = (ParticipantUri::parse(&octets), ClientUri::parse(&octets), Domain::parse(&octets));
    }
}
