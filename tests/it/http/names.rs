//! Who sends a request, to whom, and what it is for.

use http::{HeaderValue, Method, Request, Uri, header};
use openmimi::{
    env::{Limits, Peer},
    http::{Call, Server, host, request, request_directory},
    provider::directory::{Directory, Endpoint, Route, Unreachable},
    wire::ConsentOperation,
};
use openmls_rust_crypto::RustCrypto;
use proptest::prelude::*;

use super::support::{
    accept, addressee, asset, claim, clubhouse, consent, directory, provider, query, send, status,
};
use crate::provider::support::{NOW, domain, env, room, user};

/// An update of the clubhouse, from b.example to a.example.
fn update() -> Request<Vec<u8>> {
    send("b.example", "a.example", &Route::Update(clubhouse()), b"body".to_vec())
}

/// The status when a header is replaced by these values.
fn with(name: header::HeaderName, values: &[&str]) -> u16 {
    let mut request = update();
    request.headers_mut().remove(&name);
    for value in values {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().append(&name, value);
    }
    status(&accept(&provider("a.example"), "b.example", &request))
}

#[test]
fn every_endpoint_is_reached_by_the_directory_and_made_out() {
    // P-031 … P-034, P-060
    let request = ConsentOperation::Request;
    let through = claim("bob@b.example", "cathy@c.example", Some(clubhouse()));
    let rows = [
        (
            Route::KeyMaterial(user("amy@a.example")),
            claim("bob@b.example", "amy@a.example", None),
            Call::KeyMaterial(user("amy@a.example")),
        ),
        (
            Route::KeyMaterial(user("cathy@c.example")),
            through,
            Call::KeyMaterialForRoom { room: clubhouse(), target: user("cathy@c.example") },
        ),
        (Route::Update(clubhouse()), vec![1], Call::Update(clubhouse())),
        (Route::SubmitMessage(clubhouse()), vec![2], Call::SubmitMessage(clubhouse())),
        (Route::GroupInfo(clubhouse()), vec![3], Call::GroupInfo(clubhouse())),
        (Route::ReportAbuse(clubhouse()), vec![4], Call::ReportAbuse(clubhouse())),
        (
            Route::Notify(room("mimi://b.example/r/x")),
            vec![5],
            Call::Notify(room("mimi://b.example/r/x")),
        ),
        (
            Route::RequestConsent(addressee("amy@a.example")),
            consent(request, "bob@b.example", "amy@a.example"),
            Call::RequestConsent(user("amy@a.example")),
        ),
        (
            Route::UpdateConsent(addressee("amy@a.example")),
            consent(ConsentOperation::Revoke, "amy@a.example", "bob@b.example"),
            Call::UpdateConsent(user("amy@a.example")),
        ),
        (Route::IdentifierQuery(domain("a.example")), query(), Call::IdentifierQuery),
        (Route::ProxyDownload(asset()), vec![], Call::ProxyDownload(asset())),
    ];
    for (route, body, call) in rows {
        let request = send("b.example", "a.example", &route, body.clone());
        assert_eq!(request.headers()["from"], "mimi@b.example");
        assert_eq!(request.headers()["host"], "mimi.a.example");
        assert_eq!(request.uri().scheme_str(), Some("https"));
        let is_download = route.endpoint() == Endpoint::ProxyDownload;
        assert_eq!(request.method(), if is_download { Method::GET } else { Method::POST });
        let media_type = request.headers().get("content-type").map(HeaderValue::as_bytes);
        assert_eq!(media_type, (!is_download).then_some(&b"application/octet-stream"[..]));

        let incoming = accept(&provider("a.example"), "b.example", &request).unwrap();
        assert_eq!(incoming.call, call);
        assert_eq!(incoming.peer, Peer::Server(domain("b.example")));
        assert_eq!(incoming.body, body);
    }
}

#[test]
fn an_endpoint_that_is_not_in_the_directory_gets_no_request() {
    // P-061
    let without = directory("a.example").without(Endpoint::Update);
    let sent = request(&domain("b.example"), &without, &Route::Update(clubhouse()), ());
    assert_eq!(sent.unwrap_err(), Unreachable::Unsupported(Endpoint::Update));
}

#[test]
fn p_061_the_directory_is_fetched_from_the_provider_s_own_domain() {
    let request = request_directory(&domain("b.example"), &domain("a.example"));
    assert_eq!(request.uri(), "https://a.example/.well-known/mimi-protocol-directory");
    assert_eq!(request.method(), Method::GET);
    let server = provider("a.example");
    let incoming = accept(&server, "b.example", &request).unwrap();
    assert_eq!(incoming.call, Call::Directory);
    // Whoever asks: it says nothing about anybody.
    let request = request_directory(&domain("x.example"), &domain("a.example"));
    assert_eq!(accept(&server, "x.example", &request).unwrap().call, Call::Directory);
    let response = server.directory();
    assert_eq!(response.headers()["content-type"], "application/json");
    let read = openmimi::http::directory(NOW, &Limits::default(), &domain("a.example"), &response);
    assert_eq!(read.unwrap(), openmimi::http::Answer::Done(directory("a.example")));
}

#[test]
fn p_032_the_target_is_the_host_whatever_its_port_and_case() {
    for host in ["mimi.a.example", "mimi.a.example:8443", "MIMI.A.Example", "mimi.a.example:"] {
        // As HTTP/1.1 stacks give it: the path in the target, the host in the header.
        let mut request = update();
        *request.uri_mut() = Uri::try_from(request.uri().path()).unwrap();
        request.headers_mut().insert("host", HeaderValue::from_static(host));
        assert_eq!(status(&accept(&provider("a.example"), "b.example", &request)), 200, "{host}");
    }
    // As HTTP/2 stacks give it: both in the target.
    let mut request = update();
    request.headers_mut().remove("host");
    assert_eq!(super::support::status(&accept(&provider("a.example"), "b.example", &request)), 200);
    assert_eq!(host(&request).unwrap(), domain("mimi.a.example"));
}

#[test]
fn p_031_d_71_a_target_that_is_missing_unknown_or_two_is_refused() {
    let mut request = update();
    *request.uri_mut() = Uri::try_from(request.uri().path()).unwrap();
    let mut status = |hosts: &[&'static str]| {
        request.headers_mut().remove("host");
        for host in hosts {
            request.headers_mut().append("host", HeaderValue::from_static(host));
        }
        status(&accept(&provider("a.example"), "b.example", &request))
    };
    assert_eq!(status(&["mimi.a.example"]), 200);
    for hosts in [
        &[][..],
        &[""],
        &["mimi.a.example", "mimi.a.example"],
        &["mimi.a.example, mimi.a.example"],
        &["mimi.a.example:https"],
        &["mimi.a.example:80:80"],
        &["x@mimi.a.example"],
        &["mimi.a.example."],
        &["127.0.0.1"],
        &["[::1]:443"],
        &["https://mimi.a.example"],
    ] {
        assert_eq!(status(hosts), 400, "{hosts:?}");
    }
    for host in ["mimi.b.example", "b.example", "example", "x.mimi.a.example"] {
        assert_eq!(status(&[host]), 421, "{host}");
    }
    // The provider's own domain is known, but its endpoints are elsewhere.
    assert_eq!(status(&["a.example"]), 404);
    // Target and header have to agree.
    assert_eq!(with(header::HOST, &["mimi.a.example:1"]), 200);
    assert_eq!(with(header::HOST, &["mimi.b.example"]), 400);
}

#[test]
fn p_030_plain_http_is_refused() {
    let mut request = update();
    *request.uri_mut() = request.uri().to_string().replacen("https", "http", 1).parse().unwrap();
    assert_eq!(status(&accept(&provider("a.example"), "b.example", &request)), 400);
}

#[test]
fn p_033_p_034_the_source_is_one_addr_spec_with_the_local_part_mimi() {
    for from in ["mimi@b.example", "mimi@B.Example"] {
        assert_eq!(with(header::FROM, &[from]), 200, "{from}");
    }
    for from in [
        &[][..],
        &[""],
        &["mimi"],
        &["mimi@"],
        &["@b.example"],
        &["b.example"],
        &["bob@b.example"],
        &["Mimi@b.example"],
        &["MIMI@b.example"],
        &["mimi+x@b.example"],
        &["\"mimi\"@b.example"],
        &["<mimi@b.example>"],
        &["B <mimi@b.example>"],
        &["mimi@b.example (B)"],
        &["(B)mimi@b.example"],
        &["mimi @b.example"],
        &["mimi@ b.example"],
        &[" mimi@b.example"],
        &["mimi@b.example "],
        &["mimi@mimi@b.example"],
        &["mimi@b.example,mimi@c.example"],
        &["mimi@b.example", "mimi@b.example"],
        &["mimi@b.example."],
        &["mimi@b.example:443"],
        &["mimi@[192.0.2.1]"],
        &["mimi@b\u{e9}.example"],
        &["mimi://b.example"],
    ] {
        assert_eq!(with(header::FROM, from), 400, "{from:?}");
    }
}

#[test]
fn p_035_p_036_d_70_the_source_is_in_the_certificate() {
    let server = provider("a.example");
    let crypto = RustCrypto::default();
    let request = update();
    let accept = |certificate: &[&str]| {
        let certificate: Vec<_> = certificate.iter().map(|name| domain(name)).collect();
        status(&server.accept(&env(&crypto, NOW), &request, &certificate))
    };
    assert_eq!(accept(&["b.example"]), 200);
    assert_eq!(accept(&["mimi.b.example", "b.example"]), 200);
    assert_eq!(accept(&[]), 403);
    assert_eq!(accept(&["c.example"]), 403);
    assert_eq!(accept(&["mimi.b.example", "example", "xb.example"]), 403);
}

#[test]
fn a_path_that_is_none_is_not_found_and_one_that_lies_is_bad() {
    let status = |path: &str| {
        let mut request = update();
        *request.uri_mut() = Uri::try_from(format!("https://mimi.a.example{path}")).unwrap();
        status(&accept(&provider("a.example"), "b.example", &request))
    };
    let good = "/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse";
    assert_eq!(status(good), 200);
    assert_eq!(status(""), 404);
    assert_eq!(status("/v1/update"), 404);
    assert_eq!(status("/v1/update/mimi://a.example/r/clubhouse"), 404);
    assert_eq!(status(&format!("{good}/x")), 404);
    assert_eq!(status(&format!("{good}?x")), 400);
    assert_eq!(status(&good.to_lowercase()), 400);
    assert_eq!(status(&good.replace('%', "%25")), 400);
    assert_eq!(status(&good.replace("%2Fr%2F", "%2Fu%2F")), 400);
}

#[test]
fn q_04_any_media_type_will_do_and_one_method() {
    for media_type in [&[][..], &["application/octet-stream"], &["text/html"], &["nonsense", ""]] {
        assert_eq!(with(header::CONTENT_TYPE, media_type), 200);
    }
    for coding in [&[][..], &["identity"], &["Identity"]] {
        assert_eq!(with(header::CONTENT_ENCODING, coding), 200);
    }
    for coding in [&["gzip"][..], &["identity", "gzip"], &["identity, gzip"], &[""]] {
        assert_eq!(with(header::CONTENT_ENCODING, coding), 415);
    }
    let server = provider("a.example");
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS, Method::CONNECT] {
        let mut request = update();
        *request.method_mut() = method;
        let refusal = accept(&server, "b.example", &request).unwrap_err();
        assert_eq!(
            (refusal.status().as_u16(), &refusal.headers()["allow"]),
            (405, &"POST".parse().unwrap())
        );
    }
    let mut request = request_directory(&domain("b.example"), &domain("a.example"));
    *request.method_mut() = Method::POST;
    let refusal = accept(&server, "b.example", &request).unwrap_err();
    assert_eq!(
        (refusal.status().as_u16(), &refusal.headers()["allow"]),
        (405, &"GET".parse().unwrap())
    );
    assert_eq!(request.uri().path(), Directory::PATH);
}

#[test]
fn a_body_is_bounded_before_it_is_read() {
    let mut limits = Limits::default();
    limits.body = 8;
    let server = Server { limits, ..provider("a.example") };
    for (length, expected) in [(0, 200), (8, 200), (9, 413)] {
        let body = vec![0; length];
        let request = send("b.example", "a.example", &Route::Update(clubhouse()), body);
        assert_eq!(status(&accept(&server, "b.example", &request)), expected);
    }
}

#[test]
fn p_073_d_73_the_body_of_a_claim_agrees_with_its_path() {
    let route = Route::KeyMaterial(user("amy@a.example"));
    let status = |body: Vec<u8>| {
        let request = send("b.example", "a.example", &route, body);
        status(&accept(&provider("a.example"), "b.example", &request))
    };
    let good = claim("bob@b.example", "amy@a.example", None);
    assert_eq!(status(good.clone()), 200);
    assert_eq!(status(claim("bob@b.example", "ada@a.example", None)), 400);
    assert_eq!(status(claim("bob@b.example", "amy@b.example", None)), 400);
    // What cannot be read says nothing; the machine reads what follows the head.
    for end in 0..good.len() - 3 {
        assert_eq!(status(good[..end].to_vec()), 400, "{end}");
    }
}

#[test]
fn q_25_a_claim_goes_through_the_hub_of_its_room_or_comes_from_the_requester_s_provider() {
    let at_a = || Some(clubhouse());
    let at_b = || Some(room("mimi://b.example/r/x"));
    let at_c = || Some(room("mimi://c.example/r/x"));
    // To a.example, from b.example: who asks for whom, for which room.
    for (requester, target, room, expected) in [
        // Its own user, for no room yet.
        ("bob@b.example", "amy@a.example", None, 200),
        ("cathy@c.example", "amy@a.example", None, 403),
        ("amy@a.example", "amy@a.example", None, 403),
        ("bob@b.example", "cathy@c.example", None, 403),
        // As the hub of a room, for whomever.
        ("bob@b.example", "amy@a.example", at_b(), 200),
        ("cathy@c.example", "amy@a.example", at_b(), 200),
        ("bob@b.example", "cathy@c.example", at_b(), 403),
        // Through us as the hub, for its own users only.
        ("bob@b.example", "amy@a.example", at_a(), 200),
        ("bob@b.example", "cathy@c.example", at_a(), 200),
        ("bob@b.example", "ben@b.example", at_a(), 200),
        ("cathy@c.example", "amy@a.example", at_a(), 403),
        // Past the hub of the room (P-012).
        ("bob@b.example", "amy@a.example", at_c(), 403),
    ] {
        let body = claim(requester, target, room.clone());
        let request = send("b.example", "a.example", &Route::KeyMaterial(user(target)), body);
        let accepted = accept(&provider("a.example"), "b.example", &request);
        assert_eq!(status(&accepted), expected, "{requester} {target} {room:?}");
        if let Ok(incoming) = accepted {
            let target = user(target);
            let call = match room.filter(|room| room.host() == "a.example") {
                Some(room) => Call::KeyMaterialForRoom { room, target },
                None => Call::KeyMaterial(target),
            };
            assert_eq!(incoming.call, call);
        }
    }
}

#[test]
fn d_30_p_230_a_room_is_asked_at_its_hub_and_told_by_its_hub() {
    let elsewhere = || room("mimi://b.example/r/x");
    for route in [
        Route::Update(elsewhere()),
        Route::SubmitMessage(elsewhere()),
        Route::GroupInfo(elsewhere()),
        Route::ReportAbuse(elsewhere()),
    ] {
        let request = send("b.example", "a.example", &route, vec![]);
        assert_eq!(status(&accept(&provider("a.example"), "b.example", &request)), 404);
    }
    for (from, expected) in [("b.example", 200), ("c.example", 403)] {
        let request = send(from, "a.example", &Route::Notify(elsewhere()), vec![]);
        assert_eq!(status(&accept(&provider("a.example"), from, &request)), expected, "{from}");
    }
    let request = send("b.example", "a.example", &Route::Notify(clubhouse()), vec![]);
    assert_eq!(status(&accept(&provider("a.example"), "b.example", &request)), 403);
}

#[test]
fn p_201_to_p_205_consent_is_asked_and_given_by_the_provider_of_who_speaks() {
    let amy = "amy@a.example";
    let bob = "bob@b.example";
    let ben = "ben@a.example";
    let cathy = "cathy@c.example";
    let ask = |operation: ConsentOperation, requester: &str, target: &str| {
        let route = Route::RequestConsent(addressee(amy));
        let body = consent(operation, requester, target);
        status(&accept(
            &provider("a.example"),
            "b.example",
            &send("b.example", "a.example", &route, body),
        ))
    };
    assert_eq!(ask(ConsentOperation::Request, bob, amy), 200);
    assert_eq!(ask(ConsentOperation::Cancel, bob, amy), 200);
    assert_eq!(ask(ConsentOperation::Grant(vec![]), bob, amy), 400);
    assert_eq!(ask(ConsentOperation::Revoke, bob, amy), 400);
    assert_eq!(ask(ConsentOperation::Request, cathy, amy), 403);
    assert_eq!(ask(ConsentOperation::Request, bob, cathy), 403);
    assert_eq!(ask(ConsentOperation::Request, amy, bob), 403);
    assert_eq!(ask(ConsentOperation::Request, ben, amy), 403);

    let tell = |operation: ConsentOperation, requester: &str, target: &str| {
        let route = Route::UpdateConsent(addressee(amy));
        let body = consent(operation, requester, target);
        status(&accept(
            &provider("a.example"),
            "b.example",
            &send("b.example", "a.example", &route, body),
        ))
    };
    assert_eq!(tell(ConsentOperation::Grant(vec![]), amy, bob), 200);
    assert_eq!(tell(ConsentOperation::Revoke, amy, bob), 200);
    assert_eq!(tell(ConsentOperation::Request, amy, bob), 400);
    assert_eq!(tell(ConsentOperation::Cancel, amy, bob), 400);
    assert_eq!(tell(ConsentOperation::Grant(vec![]), amy, cathy), 403);
    assert_eq!(tell(ConsentOperation::Grant(vec![]), cathy, bob), 403);
    assert_eq!(tell(ConsentOperation::Grant(vec![]), bob, amy), 403);

    let mut body = consent(ConsentOperation::Request, bob, amy);
    body[0] = 4;
    let route = Route::RequestConsent(addressee(amy));
    let request = send("b.example", "a.example", &route, body);
    assert_eq!(status(&accept(&provider("a.example"), "b.example", &request)), 400);
}

proptest! {
    #[test]
    fn no_request_panics(
        endpoint in 0..10usize,
        path in "[!-~]{0,8}",
        host in "[ -~]{0,6}",
        from in "(mimi@)?[ -~]{0,12}",
        body in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let names = ["a.example", "mimi%3A%2F%2Fa.example%2Fu%2Famy", "mimi%3A%2F%2Fa.example%2Fr%2Fx"];
        for name in names {
            let path = format!("/v1/{}/{name}{path}", Endpoint::ALL[endpoint]);
            let Ok(uri) = Uri::try_from(path) else { continue };
            let mut request = update();
            *request.uri_mut() = uri;
            *request.body_mut() = body.clone();
            let _ = accept(&provider("a.example"), "b.example", &request);
            request.headers_mut().insert("from", HeaderValue::from_str(&from).unwrap());
            let _ = accept(&provider("a.example"), "b.example", &request);
            request.headers_mut().insert("host", HeaderValue::from_str(&host).unwrap());
            prop_assert!(accept(&provider("a.example"), "b.example", &request).is_err());
        }
    }
}
