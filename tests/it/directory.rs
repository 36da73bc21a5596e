//! The directory document: served, read, expanded and matched (P-060 … P-063, Q-01, D-66).

use openmimi::{
    env::Limits,
    provider::directory::{
        Addressee, Directory, DirectoryFault, Endpoint, Found, Route, RouteFault, Routes, Template,
        TemplateFault, Unreachable,
    },
    uri::{Domain, RoomUri, UserUri},
};

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn room() -> RoomUri {
    RoomUri::parse("mimi://a.example/r/clubhouse").unwrap()
}

fn bob() -> UserUri {
    UserUri::parse("mimi://b.example/u/bob").unwrap()
}

fn read(document: &str) -> Result<Directory, DirectoryFault> {
    Directory::read(domain("b.example"), &Limits::default(), document.as_bytes())
}

/// The draft's example, its missing colon put right.
const DRAFT: &str = r#"{
  "keyMaterial":
     "https://mimi.example.com/v1/keyMaterial/{targetUser}",
  "update": "https://mimi.example.com/v1/update{roomId}",
  "notify": "https://mimi.example.com/v1/notify/{roomId}",
  "submitMessage":
     "https://mimi.example.com/v1/submitMessage/{roomId}",
  "groupInfo":
     "https://mimi.example.com/v1/groupInfo/{roomId}",
  "requestConsent":
     "https://mimi.example.com/v1/requestConsent/{targetUser}",
  "updateConsent":
     "https://mimi.example.com/v1/updateConsent/{requesterUser}",
  "identifierQuery":
     "https://mimi.example.com/v1/identifierQuery/{domain}",
  "reportAbuse":
     "https://mimi.example.com/v1/reportAbuse/{roomId}",
  "proxyDownload":
     "https://mimi.example.com/v1/proxyDownload/{downloadUrl}"
}"#;

#[test]
fn p_061_p_062_the_document_has_all_ten_names_and_reads_back() {
    let directory = Directory::standard(domain("b.example"), "mimi.b.example:8443").unwrap();
    let golden = r#"{
  "keyMaterial": "https://mimi.b.example:8443/v1/keyMaterial/{targetUser}",
  "update": "https://mimi.b.example:8443/v1/update/{roomId}",
  "notify": "https://mimi.b.example:8443/v1/notify/{roomId}",
  "submitMessage": "https://mimi.b.example:8443/v1/submitMessage/{roomId}",
  "groupInfo": "https://mimi.b.example:8443/v1/groupInfo/{roomId}",
  "requestConsent": "https://mimi.b.example:8443/v1/requestConsent/{targetDomain}",
  "updateConsent": "https://mimi.b.example:8443/v1/updateConsent/{requesterDomain}",
  "identifierQuery": "https://mimi.b.example:8443/v1/identifierQuery/{domain}",
  "reportAbuse": "https://mimi.b.example:8443/v1/reportAbuse/{roomId}",
  "proxyDownload": "https://mimi.b.example:8443/v1/proxyDownload/{downloadUrl}"
}
"#;
    let document = directory.write();
    assert_eq!(std::str::from_utf8(&document).unwrap(), golden);
    assert_eq!(read(golden), Ok(directory.clone()));
    for endpoint in Endpoint::ALL {
        assert!(golden.contains(&format!("\"{endpoint}\"")));
        assert_eq!(directory.template(endpoint).unwrap().endpoint(), endpoint);
    }
    let empty = Directory::empty(domain("b.example"));
    assert_eq!(read(std::str::from_utf8(&empty.write()).unwrap()), Ok(empty));
}

#[test]
fn q_01_the_draft_s_own_document_is_expanded_to_the_letter() {
    let directory = read(DRAFT).unwrap();
    let url = |route: &Route| directory.url(route).unwrap();
    let host = "https://mimi.example.com/v1";
    let encoded = "mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse";
    assert_eq!(url(&Route::Update(room())), format!("{host}/update{encoded}"));
    assert_eq!(url(&Route::Notify(room())), format!("{host}/notify/{encoded}"));
    let bob_encoded = "mimi%3A%2F%2Fb.example%2Fu%2Fbob";
    assert_eq!(url(&Route::KeyMaterial(bob())), format!("{host}/keyMaterial/{bob_encoded}"));
    assert_eq!(
        url(&Route::RequestConsent(Addressee::User(bob()))),
        format!("{host}/requestConsent/{bob_encoded}")
    );
    assert_eq!(
        url(&Route::IdentifierQuery(domain("b.example"))),
        format!("{host}/identifierQuery/b.example")
    );
    // Its consent templates name users: a domain does not say enough.
    let domain_only = Route::UpdateConsent(Addressee::Domain(domain("b.example")));
    assert_eq!(directory.url(&domain_only), Err(Unreachable::NoUser(Endpoint::UpdateConsent)));
}

#[test]
fn q_01_both_variables_of_the_consent_endpoints_are_known() {
    let directory = Directory::empty(domain("b.example"))
        .with(
            Template::parse(Endpoint::RequestConsent, "https://b.example/{targetDomain}").unwrap(),
        )
        .with(
            Template::parse(
                Endpoint::UpdateConsent,
                "https://b.example/{requesterDomain}/of/{requesterUser}",
            )
            .unwrap(),
        );
    let url = |route: &Route| directory.url(route).unwrap();
    let bob = Addressee::User(bob());
    assert_eq!(url(&Route::RequestConsent(bob.clone())), "https://b.example/b.example");
    assert_eq!(
        url(&Route::UpdateConsent(bob.clone())),
        "https://b.example/b.example/of/mimi%3A%2F%2Fb.example%2Fu%2Fbob"
    );
    // Read back, user and domain have to agree.
    let own = Routes::new(directory).unwrap();
    let find = |path: &str| own.find(&domain("b.example"), path);
    let user = "mimi%3A%2F%2Fb.example%2Fu%2Fbob";
    assert_eq!(
        find(&format!("/b.example/of/{user}")),
        Ok(Found::Endpoint(Route::UpdateConsent(bob)))
    );
    let value = Err(RouteFault::Value(Endpoint::UpdateConsent));
    assert_eq!(find(&format!("/c.example/of/{user}")), value);
    assert_eq!(find("/b.example/of/mimi%3A%2F%2Fc.example%2Fu%2Fbob"), value);
    assert_eq!(find("/c.example"), Err(RouteFault::Value(Endpoint::RequestConsent)));
}

#[test]
fn p_061_what_is_missing_is_not_supported_and_what_is_unknown_is_ignored() {
    let directory = read(
        r#"{"x": [{"update": {}}, 1e9, null], "notify": "https://b.example/n/{roomId}", "": "",
            "Update": "https://evil.example/{roomId}"}"#,
    )
    .unwrap();
    assert!(directory.url(&Route::Notify(room())).is_ok());
    for endpoint in Endpoint::ALL.into_iter().filter(|endpoint| *endpoint != Endpoint::Notify) {
        assert_eq!(directory.template(endpoint), Err(Unreachable::Unsupported(endpoint)));
    }
    let without = directory.without(Endpoint::Notify);
    assert_eq!(
        without.url(&Route::Notify(room())),
        Err(Unreachable::Unsupported(Endpoint::Notify))
    );
}

#[test]
fn a_document_that_is_none_is_refused_as_a_whole() {
    for document in [
        "",
        "null",
        "[]",
        "\"https://b.example/{roomId}\"",
        "{",
        "{}{}",
        "{} x",
        "{\"update\"}",
        "{\"proxyDownload\" \"https://b.example/{downloadUrl}\"}",
        "{'update': 'https://b.example/{roomId}'}",
        "\u{feff}{}",
        "{\"update\": \"https://b.example/{roomId}\",}",
        // Which of the two would be taken?
        "{\"update\": \"https://b.example/{roomId}\", \"update\": \"https://c.example/{roomId}\"}",
        "{\"update\": 1, \"upd\\u0061te\": \"https://b.example/{roomId}\"}",
    ] {
        assert_eq!(read(document), Err(DirectoryFault::Json), "{document}");
    }
    let octets = b"{\"x\": \"\xFF\"}";
    let read_octets = Directory::read(domain("b.example"), &Limits::default(), octets);
    assert_eq!(read_octets, Err(DirectoryFault::Json));
    // Nested deeper than any stack, and as long as allowed or longer.
    let limit = Limits::default().directory;
    for name in ["x", "update"] {
        let head = format!("{{\"{name}\":");
        let deep = format!("{head}{}", "[".repeat(limit - head.len()));
        assert_eq!(read(&deep), Err(DirectoryFault::Json));
    }
    let long = format!("{{{}}}", " ".repeat(limit - 2));
    assert!(read(&long).is_ok());
    assert_eq!(read(&(long + " ")), Err(DirectoryFault::TooLarge(limit + 1)));
}

#[test]
fn every_truncation_of_a_document_is_refused() {
    for end in 0..DRAFT.len() {
        assert_eq!(read(DRAFT.get(..end).unwrap()), Err(DirectoryFault::Json), "{end}");
    }
}

#[test]
fn d_66_q_01_a_template_that_must_not_be_used_is_refused_with_its_reason() {
    let rows: &[(&str, TemplateFault)] = &[
        // P-030
        ("http://b.example/{roomId}", TemplateFault::Scheme),
        ("HTTPS://b.example/{roomId}", TemplateFault::Scheme),
        ("//b.example/{roomId}", TemplateFault::Scheme),
        ("/v1/update/{roomId}", TemplateFault::Scheme),
        ("", TemplateFault::Scheme),
        // D-66
        ("https:///{roomId}", TemplateFault::Host),
        ("https://127.0.0.1/{roomId}", TemplateFault::Host),
        ("https://0x7f000001/{roomId}", TemplateFault::Host),
        ("https://[::1]/{roomId}", TemplateFault::Host),
        ("https://169.254.169.254/{roomId}", TemplateFault::Host),
        ("https://localhost/{roomId}", TemplateFault::Host),
        ("https://mimi.localhost/{roomId}", TemplateFault::Host),
        ("https://printer.local/{roomId}", TemplateFault::Host),
        ("https://metadata.google.internal/{roomId}", TemplateFault::Host),
        ("https://router.home.arpa/{roomId}", TemplateFault::Host),
        ("https://intranet/{roomId}", TemplateFault::Host),
        ("https://mimi@b.example/{roomId}", TemplateFault::Host),
        ("https://b.example:443@c.example/{roomId}", TemplateFault::Host),
        ("https://b.example:/{roomId}", TemplateFault::Host),
        ("https://b.example:0/{roomId}", TemplateFault::Host),
        ("https://b.example:65536/{roomId}", TemplateFault::Host),
        ("https://b.example:+80/{roomId}", TemplateFault::Host),
        ("https://B.example/{roomId}", TemplateFault::Host),
        ("https://b.example./{roomId}", TemplateFault::Host),
        ("https://{roomId}/", TemplateFault::Host),
        ("https://b.example", TemplateFault::Path),
        ("https://b.example?{roomId}", TemplateFault::Path),
        ("https://b.example/{roomId}#x", TemplateFault::Path),
        ("https://b.example/ /{roomId}", TemplateFault::Path),
        ("https://b.example/\r\nX: y/{roomId}", TemplateFault::Path),
        ("https://b.example/é/{roomId}", TemplateFault::Path),
        ("https://b.example/%2/{roomId}", TemplateFault::Path),
        ("https://b.example/%/{roomId}", TemplateFault::Path),
        ("https://b.example/\\{roomId}", TemplateFault::Path),
        ("https://b.example/\"/{roomId}", TemplateFault::Path),
        ("https://b.example/{roomId", TemplateFault::Expression),
        ("https://b.example/roomId}", TemplateFault::Expression),
        ("https://b.example/{{roomId}}", TemplateFault::Expression),
        ("https://b.example/{}", TemplateFault::Expression),
        ("https://b.example/{+roomId}", TemplateFault::Expression),
        ("https://b.example{/roomId}", TemplateFault::Host),
        ("https://b.example/x{/roomId}", TemplateFault::Expression),
        ("https://b.example/{roomId*}", TemplateFault::Expression),
        ("https://b.example/{roomId:3}", TemplateFault::Expression),
        ("https://b.example/{roomId,domain}", TemplateFault::Expression),
        ("https://b.example/{room}", TemplateFault::UnknownVariable),
        ("https://b.example/{roomId}/{targetUser}", TemplateFault::UnknownVariable),
        ("https://b.example/{RoomId}", TemplateFault::UnknownVariable),
        ("https://b.example/v1/update", TemplateFault::MissingVariable),
    ];
    for (text, fault) in rows {
        assert_eq!(Template::parse(Endpoint::Update, text), Err(*fault), "{text}");
    }
    let long = format!("https://b.example/{}{{roomId}}", "a".repeat(2048));
    assert_eq!(Template::parse(Endpoint::Update, &long), Err(TemplateFault::TooLong(long.len())));
    // What is odd but says where: taken as it is.
    for text in [
        "https://b.example/{roomId}",
        "https://b.example:8443/v1/{roomId}/update",
        "https://xn--bcher-kva.b.example/a%20b;c=d/{roomId}",
        "https://b.example/mimi?op=update&room={roomId}",
        "https://b.example/{roomId}/{roomId}",
    ] {
        assert_eq!(Template::parse(Endpoint::Update, text).unwrap().as_str(), text);
    }
    // The provider that is addressed says it all.
    for endpoint in [Endpoint::IdentifierQuery, Endpoint::RequestConsent, Endpoint::UpdateConsent] {
        assert!(Template::parse(endpoint, "https://b.example/x").is_ok());
    }
}

#[test]
fn one_bad_template_does_not_take_the_others_along() {
    let directory = read(
        r#"{"update": "http://b.example/{roomId}", "groupInfo": ["https://b.example/{roomId}"],
            "notify": "https://b.example/{roomId}"}"#,
    )
    .unwrap();
    assert!(directory.url(&Route::Notify(room())).is_ok());
    assert_eq!(
        directory.url(&Route::Update(room())),
        Err(Unreachable::Template(Endpoint::Update, TemplateFault::Scheme))
    );
    assert_eq!(
        directory.url(&Route::GroupInfo(room())),
        Err(Unreachable::Template(Endpoint::GroupInfo, TemplateFault::NotText))
    );
}

#[test]
fn p_060_a_changed_path_moves_the_traffic() {
    let moved =
        Template::parse(Endpoint::Update, "https://rooms.b.example/{roomId}/changes").unwrap();
    let directory = Directory::standard(domain("b.example"), "mimi.b.example").unwrap().with(moved);
    let url = directory.url(&Route::Update(room())).unwrap();
    let path = "/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse/changes";
    assert_eq!(url, format!("https://rooms.b.example{path}"));
    let own = Routes::new(directory).unwrap();
    let found = Ok(Found::Endpoint(Route::Update(room())));
    assert_eq!(own.find(&domain("rooms.b.example"), path), found);
    assert_eq!(own.find(&domain("mimi.b.example"), path), Err(RouteFault::Path));
    let old = "/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse";
    assert_eq!(own.find(&domain("mimi.b.example"), old), Err(RouteFault::Path));
}

#[test]
fn a_path_has_one_spelling() {
    let own =
        Routes::new(Directory::standard(domain("b.example"), "mimi.b.example").unwrap()).unwrap();
    let find = |path: &str| own.find(&domain("mimi.b.example"), path);
    let good = "/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse";
    assert_eq!(find(good), Ok(Found::Endpoint(Route::Update(room()))));
    for path in [
        "",
        "/",
        "*",
        "/v1/update",
        "/v1/updates/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        "/v1/Update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        "/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse/",
        "/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse/x",
        "//v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        "/v1//update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        "/v1/./update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        "/v1/x/../update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        "/v1/updat%65/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        "/v1/updatemimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        "/v1/update/mimi://a.example/r/clubhouse",
        "v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        // The directory is at the provider's own domain.
        Directory::PATH,
    ] {
        assert_eq!(find(path), Err(RouteFault::Path), "{path}");
    }
    for path in [
        "/v1/update/",
        "/v1/update/mimi%3a%2f%2fa.example%2fr%2fclubhouse",
        "/v1/update/mimi%253A%252F%252Fa.example%252Fr%252Fclubhouse",
        "/v1/update/mimi:%2F%2Fa.example%2Fr%2Fclubhouse",
        "/v1/update/mimi%3A%2F%2Fa%2Eexample%2Fr%2Fclubhouse",
        "/v1/update/mimi%3A%2F%2FA.example%2Fr%2Fclubhouse",
        "/v1/update/mimi%3A%2F%2Fa.example%2Fu%2Fclubhouse",
        "/v1/update/mimi%3A%2F%2Fa.example%2Fr%2F",
        "/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse?",
        "/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse?x=y",
        "/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse%00",
        "/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse%FF",
        "/v1/update/%",
    ] {
        assert_eq!(find(path), Err(RouteFault::Value(Endpoint::Update)), "{path}");
    }
}

#[test]
fn p_063_a_name_with_an_encoded_slash_round_trips() {
    let directory = Directory::standard(domain("a.example"), "a.example").unwrap();
    let own = Routes::new(directory.clone()).unwrap();
    let user = UserUri::parse("mimi://a.example/u/a%2Fb").unwrap();
    let url = directory.url(&Route::KeyMaterial(user.clone())).unwrap();
    assert_eq!(url, "https://a.example/v1/keyMaterial/mimi%3A%2F%2Fa.example%2Fu%2Fa%252Fb");
    let path = url.strip_prefix("https://a.example").unwrap();
    let found = own.find(&domain("a.example"), path);
    assert_eq!(found, Ok(Found::Endpoint(Route::KeyMaterial(user))));
}

#[test]
fn d_71_each_host_is_known_or_refused() {
    let own =
        Routes::new(Directory::standard(domain("b.example"), "mimi.b.example").unwrap()).unwrap();
    assert_eq!(own.find(&domain("b.example"), Directory::PATH), Ok(Found::Directory));
    let path = "/v1/identifierQuery/b.example";
    let query = Route::IdentifierQuery(domain("b.example"));
    assert_eq!(own.find(&domain("mimi.b.example"), path), Ok(Found::Endpoint(query)));
    assert_eq!(own.find(&domain("b.example"), path), Err(RouteFault::Path));
    assert_eq!(own.find(&domain("c.example"), path), Err(RouteFault::Host));
    assert_eq!(own.find(&domain("c.example"), Directory::PATH), Err(RouteFault::Host));
    // The search is for the users of the provider that is asked.
    let other = own.find(&domain("mimi.b.example"), "/v1/identifierQuery/c.example");
    assert_eq!(other, Err(RouteFault::Value(Endpoint::IdentifierQuery)));
}

#[test]
fn our_own_templates_leave_no_doubt() {
    let with = |endpoint, text: &str| {
        let directory = Directory::standard(domain("b.example"), "b.example").unwrap();
        Routes::new(directory.with(Template::parse(endpoint, text).unwrap()))
    };
    assert!(with(Endpoint::Update, "https://b.example/v2/update/{roomId}").is_ok());
    assert!(with(Endpoint::Update, "https://c.example/v1/notify/{roomId}").is_ok());
    for text in [
        "https://b.example/v1/update{roomId}",
        "https://b.example/v1/{roomId}update/x",
        "https://b.example/v1/{roomId}{roomId}",
        "https://b.example/v1?room={roomId}",
        "https://b.example/{roomId}?",
        "https://b.example/v1/notify/{roomId}",
        "https://b.example/{roomId}/notify/{roomId}",
    ] {
        assert!(with(Endpoint::Update, text).is_err(), "{text}");
    }
}
