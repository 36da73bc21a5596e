//! Whoever may not talk to us gets the answer that there is nobody here (S-04, P-214, D-67).

use openmimi::{
    codec::Wire,
    env::Limits,
    http::{Server, respond},
    provider::{
        Policy, Stance, User,
        directory::{Endpoint, Route},
        peering::{Access, Peering},
    },
    wire::{AbuseReport, AppDataDictionary, ConsentOperation},
};
use openmls_rust_crypto::RustCrypto;

use super::support::{accept, addressee, asset, claim, clubhouse, consent, provider, query, send};
use crate::provider::support::{Device, NOW, domain, env, room, user};

/// Status and body.
type Seen = (u16, Vec<u8>);

/// A request of each kind that can be read without a group, from x.example to a.example.
fn requests() -> Vec<(Route, Vec<u8>)> {
    let report = AbuseReport {
        reporting_user: None,
        alleged_abuser: user("amy@a.example"),
        reason_code: 0,
        note: String::new(),
        messages: vec![],
        extensions: AppDataDictionary::default(),
    };
    let xena = Device::new("xena@x.example", "phone");
    let amy = user("amy@a.example");
    vec![
        (Route::KeyMaterial(amy.clone()), xena.request(&amy, None, 1)),
        (Route::KeyMaterial(amy), claim("xena@x.example", "amy@a.example", None)),
        (Route::Notify(room("mimi://x.example/r/x")), vec![]),
        (
            Route::RequestConsent(addressee("amy@a.example")),
            consent(ConsentOperation::Request, "xena@x.example", "amy@a.example"),
        ),
        (
            Route::UpdateConsent(addressee("amy@a.example")),
            consent(ConsentOperation::Revoke, "amy@a.example", "xena@x.example"),
        ),
        (Route::IdentifierQuery(domain("a.example")), query()),
        (Route::ReportAbuse(clubhouse()), report.encode()),
        (Route::ProxyDownload(asset()), vec![]),
        // What cannot be read is told so, here as there.
        (Route::Update(clubhouse()), vec![1]),
        (Route::SubmitMessage(clubhouse()), vec![1]),
        (Route::GroupInfo(clubhouse()), vec![1]),
        (Route::IdentifierQuery(domain("a.example")), vec![1]),
        (Route::ReportAbuse(clubhouse()), vec![1]),
    ]
}

fn server(privacy: bool, peering: Peering) -> Server {
    let mut policy = Policy::default();
    policy.privacy = privacy;
    Server { peering, policy, ..provider("a.example") }
}

/// What x.example sees if it is refused.
fn stranger(privacy: bool, route: &Route, body: &[u8]) -> Seen {
    let request = send("x.example", "a.example", route, body.to_vec());
    let refusal = accept(&server(privacy, Peering::default()), "x.example", &request).unwrap_err();
    (refusal.status().as_u16(), refusal.into_body())
}

/// What x.example sees if it is a peer and there is no such room or user.
fn peer(privacy: bool, route: &Route, body: &[u8]) -> Seen {
    let request = send("x.example", "a.example", route, body.to_vec());
    let server = server(privacy, Peering::open());
    let incoming = accept(&server, "x.example", &request).unwrap();
    let crypto = RustCrypto::default();
    let response = server.unknown(&env(&crypto, NOW), &incoming);
    (response.status().as_u16(), response.into_body())
}

#[test]
fn s_04_p_214_a_stranger_sees_what_a_peer_sees_of_nobody() {
    for privacy in [false, true] {
        for (route, body) in requests() {
            assert_eq!(stranger(privacy, &route, &body), peer(privacy, &route, &body), "{route:?}");
        }
    }
}

#[test]
fn p_089_p_206_in_privacy_mode_nobody_and_somebody_look_alike() {
    // A user who exists and has consented to nothing.
    let mut policy = Policy::default();
    policy.privacy = true;
    let amy = user("amy@a.example");
    let founding = User::found(Limits::default(), policy, amy.clone(), Stance::Closed);
    let (mut known, _) = founding.apply();
    let crypto = RustCrypto::default();
    let xena = Device::new("xena@x.example", "phone");
    let body = xena.request(&amy, None, 1);
    let x = openmimi::env::Peer::Server(domain("x.example"));
    let refused = respond(known.claim(&env(&crypto, NOW), &x, &body).unwrap_err());
    let seen = (refused.status().as_u16(), refused.into_body());
    assert_eq!(stranger(true, &Route::KeyMaterial(amy), &body), seen);
}

#[test]
fn the_statuses_of_nobody() {
    let rows: Vec<(Endpoint, u16, u16)> = requests()
        .into_iter()
        .map(|(route, body)| {
            (route.endpoint(), stranger(false, &route, &body).0, stranger(true, &route, &body).0)
        })
        .collect();
    assert_eq!(
        rows,
        [
            // endpoint, open, in privacy mode
            (Endpoint::KeyMaterial, 200, 200),
            (Endpoint::KeyMaterial, 200, 200),
            (Endpoint::Notify, 400, 400),
            (Endpoint::RequestConsent, 404, 201),
            (Endpoint::UpdateConsent, 404, 201),
            (Endpoint::IdentifierQuery, 200, 200),
            (Endpoint::ReportAbuse, 404, 201),
            (Endpoint::ProxyDownload, 403, 403),
            (Endpoint::Update, 400, 400),
            (Endpoint::SubmitMessage, 400, 400),
            (Endpoint::GroupInfo, 400, 400),
            (Endpoint::IdentifierQuery, 400, 400),
            (Endpoint::ReportAbuse, 400, 400),
        ]
    );
}

#[test]
fn p_214_peering_is_for_each_endpoint() {
    let b = domain("b.example");
    let none = Peering::default();
    let some = Peering::default().with(b.clone(), Access::NONE.with(Endpoint::Notify));
    let others = Peering::open().with(b.clone(), Access::NONE);
    let all_but = Peering::default().with_others(Access::ALL.without(Endpoint::IdentifierQuery));
    for endpoint in Endpoint::ALL {
        assert!(!none.admits(&b, endpoint));
        assert_eq!(some.admits(&b, endpoint), endpoint == Endpoint::Notify);
        assert!(!some.admits(&domain("c.example"), endpoint));
        assert!(!others.admits(&b, endpoint));
        assert!(others.admits(&domain("c.example"), endpoint));
        assert_eq!(all_but.admits(&b, endpoint), endpoint != Endpoint::IdentifierQuery);
    }
    assert_eq!(some.peers().collect::<Vec<_>>(), [&b]);
    assert_eq!(others.peers().count(), 0);

    let request = |peering| {
        let route = Route::Update(clubhouse());
        let request = send("b.example", "a.example", &route, vec![]);
        accept(&Server { peering, ..provider("a.example") }, "b.example", &request).is_ok()
    };
    assert!(request(Peering::open()));
    assert!(request(Peering::default().with(b.clone(), Access::NONE.with(Endpoint::Update))));
    assert!(!request(Peering::default().with(b.clone(), Access::ALL.without(Endpoint::Update))));
    assert!(!request(Peering::default()));
}
