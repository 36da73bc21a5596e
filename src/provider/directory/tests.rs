use proptest::prelude::*;

use super::{percent, *};
use crate::uri::{RoomUri, UserUri};

fn encode(value: &str) -> String {
    let mut out = String::new();
    percent::encode(&mut out, value);
    out
}

#[test]
fn all_but_unreserved_octets_are_encoded_in_upper_case() {
    // P-063, Q-01
    assert_eq!(encode("mimi://a.example/u/a%2Fb"), "mimi%3A%2F%2Fa.example%2Fu%2Fa%252Fb");
    assert_eq!(encode("a-._~Z9"), "a-._~Z9");
    assert_eq!(encode("!$&'()*+,;=:@é"), "%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40%C3%A9");
}

#[test]
fn only_the_one_encoding_is_read() {
    for (text, value) in [
        ("", Some("")),
        ("a.example", Some("a.example")),
        ("mimi%3A%2F%2Fa.example", Some("mimi://a.example")),
        ("%25", Some("%")),
        ("%2525", Some("%25")),
        ("%C3%A9", Some("é")),
        // Lower-case digits, a needless escape, what is not escaped although it should be.
        ("%3a", None),
        ("%2D", None),
        ("%61", None),
        ("a:b", None),
        ("a+b", None),
        ("a b", None),
        ("é", None),
        // No escape, and no text.
        ("%", None),
        ("%2", None),
        ("%%25", None),
        ("%+1", None),
        ("%C3", None),
        ("%C0%AF", None),
    ] {
        assert_eq!(percent::decode(text).as_deref(), value, "{text}");
    }
}

/// The route of every endpoint, with the values that need encoding most.
fn routes() -> Vec<Route> {
    let user = || UserUri::parse("mimi://b.example/u/a%2Fb%25").unwrap();
    let room = || RoomUri::parse("mimi://a.example/r/%C3%A9+x").unwrap();
    let url = crate::wire::HttpsUrl::parse(b"https://cdn.c.example/a%20b?c=d&e=%7B").unwrap();
    vec![
        Route::KeyMaterial(user()),
        Route::Update(room()),
        Route::Notify(room()),
        Route::SubmitMessage(room()),
        Route::GroupInfo(room()),
        Route::RequestConsent(Addressee::User(user())),
        Route::UpdateConsent(Addressee::User(user())),
        Route::IdentifierQuery(user().domain()),
        Route::ReportAbuse(room()),
        Route::ProxyDownload(url),
    ]
}

#[test]
fn every_endpoint_has_one_name_and_says_what_it_needs() {
    // P-062: all ten.
    for (endpoint, route) in Endpoint::ALL.into_iter().zip(routes()) {
        assert_eq!(route.endpoint(), endpoint);
        assert_eq!(Endpoint::named(endpoint.name()), Some(endpoint));
        for variable in endpoint.variables() {
            assert!(route.value(*variable).is_some(), "{endpoint} {variable:?}");
        }
        assert!(endpoint.needs().is_none_or(|it| endpoint.variables().contains(&it)));
    }
    assert_eq!(Endpoint::named("Update"), None);
}

#[test]
fn what_is_expanded_is_found_again() {
    // P-060, P-063
    let b = Domain::parse("b.example").unwrap();
    let host = Domain::parse("mimi.b.example").unwrap();
    for authority in ["mimi.b.example", "mimi.b.example:8443"] {
        let directory = Directory::standard(b.clone(), authority).unwrap();
        let own = Routes::new(directory.clone()).unwrap();
        for route in routes() {
            let url = directory.url(&route).unwrap();
            let path = url.strip_prefix("https://").unwrap().strip_prefix(authority).unwrap();
            // The path of a consent endpoint names the domain.
            let domain = || Addressee::Domain(b.clone());
            let found = if let Route::RequestConsent(_) = &route {
                Route::RequestConsent(domain())
            } else if let Route::UpdateConsent(_) = &route {
                Route::UpdateConsent(domain())
            } else {
                route.clone()
            };
            assert_eq!(own.find(&host, path), Ok(Found::Endpoint(found)), "{url}");
        }
    }
}

proptest! {
    #[test]
    fn encoding_and_decoding_are_each_other_s_inverse(value: String, text in "[%0-9A-Fa-z~:/]{0,12}") {
        let encoded = encode(&value);
        let decoded = percent::decode(&encoded);
        prop_assert_eq!(decoded.as_deref(), Some(value.as_str()));
        if let Some(value) = percent::decode(&text) {
            prop_assert_eq!(encode(&value), text);
        }
    }

    #[test]
    fn no_path_panics_and_each_has_one_meaning(path in "/(v1|V1|%76)/(update|notify|groupInfo)/(mimi%3[Aa]%2F%2F|mimi:)a.example%2Fr%2F[ -~]{0,6}") {
        let directory = Directory::standard(
            Domain::parse("a.example").unwrap(), "a.example").unwrap();
        let own = Routes::new(directory.clone()).unwrap();
        if let Ok(Found::Endpoint(route)) = own.find(&Domain::parse("a.example").unwrap(), &path) {
            prop_assert_eq!(directory.url(&route).unwrap(), format!("https://a.example{path}"));
        }
    }

    #[test]
    fn no_template_and_no_document_panics(text in "(https://)?[a-z.:0-9]{0,12}[ -~é]{0,30}", octets: Vec<u8>) {
        for endpoint in Endpoint::ALL {
            let _ = Template::parse(endpoint, &text);
        }
        let _ = Directory::read(Domain::parse("b.example").unwrap(), &Default::default(), &octets);
        let _ = Directory::read(Domain::parse("b.example").unwrap(), &Default::default(), text.as_bytes());
    }
}
