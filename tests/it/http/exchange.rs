//! Requests and answers in both directions, for every endpoint; and bodies that end within their head.

use allocation_counter::measure;
use openmimi::{
    codec::Wire,
    env::Limits,
    http::{Answer, AnswerFault, Reply, answer, request, respond},
    provider::{
        directory::{Endpoint, Route},
        query::QueryRefusal,
    },
    wire::{
        ConsentOperation, GroupInfoAnswer, GroupInfoResponse, IdentifierOutcome,
        IdentifierResponse, KeyMaterialResponse, KeyMaterialUserCode, SubmitMessageResponse,
        UpdateOutcome, UpdateRoomResponse,
    },
};

use super::support::{
    accept, addressee, claim, clubhouse, consent, directory, provider, send, status,
};
use crate::provider::support::{NOW, domain, user};

/// What comes back is what was answered.
fn comes_back<T: Wire + PartialEq + std::fmt::Debug>(response: &T) {
    let sent = respond(response);
    let read = answer(NOW, &Limits::default(), &sent).unwrap();
    assert_eq!(&read.decode::<T>().unwrap(), &Answer::Done(T::decode(&response.encode()).unwrap()));
}

#[test]
fn every_answer_comes_back_as_what_it_was() {
    for endpoint in Endpoint::ALL {
        match endpoint {
            Endpoint::KeyMaterial => comes_back(&KeyMaterialResponse {
                protocol: 1,
                user_status: KeyMaterialUserCode::UserUnknown,
                user: user("amy@a.example"),
                clients: vec![],
            }),
            Endpoint::Update => comes_back(&UpdateRoomResponse {
                error_description: openmimi::wire::ErrorDescription::shortened("too late"),
                outcome: UpdateOutcome::WrongEpoch { current_epoch: 9 },
            }),
            Endpoint::SubmitMessage => {
                comes_back(&SubmitMessageResponse::EpochTooOld { current_epoch: 9 });
            }
            Endpoint::GroupInfo => comes_back(&GroupInfoResponse {
                room: clubhouse(),
                answer: GroupInfoAnswer::NoSuchRoom,
            }),
            Endpoint::IdentifierQuery => {
                let sent = respond(QueryRefusal::Forbidden);
                let read = answer(NOW, &Limits::default(), &sent).unwrap();
                let Answer::Done(response) = read.decode::<IdentifierResponse>().unwrap() else {
                    panic!("no success");
                };
                assert_eq!(response.outcome, IdentifierOutcome::Forbidden);
            }
            // P-172, P-206, P-233: received, and nothing is said about what becomes of it.
            Endpoint::Notify
            | Endpoint::RequestConsent
            | Endpoint::UpdateConsent
            | Endpoint::ReportAbuse => {
                let sent = respond(Reply::Received);
                assert_eq!((sent.status().as_u16(), sent.body().len()), (201, 0));
                assert_eq!(sent.headers().len(), 0);
                let read = answer(NOW, &Limits::default(), &sent);
                assert_eq!(read, Ok(Answer::Done(&[][..])));
                // Nobody looks for a response where there is none.
                let read = read.unwrap().decode::<UpdateRoomResponse>();
                assert!(matches!(read, Err(AnswerFault::Malformed(_))));
            }
            Endpoint::ProxyDownload => {
                let sent = openmimi::http::asset(b"asset".to_vec());
                let read = openmimi::http::downloaded(NOW, &Limits::default(), &sent);
                assert_eq!(read, Ok(Answer::Done(&b"asset"[..])));
            }
        }
    }
}

/// D-73: what is compared with the path is there, or the request is none.
#[test]
fn d_73_a_body_that_ends_within_its_head_is_refused() {
    let bodies = [
        (
            Route::KeyMaterial(user("amy@a.example")),
            claim("bob@b.example", "amy@a.example", None),
            // What follows the head is the machine's to read.
            3,
        ),
        (
            Route::RequestConsent(addressee("amy@a.example")),
            consent(ConsentOperation::Request, "bob@b.example", "amy@a.example"),
            2,
        ),
        (
            Route::UpdateConsent(addressee("amy@a.example")),
            consent(ConsentOperation::Revoke, "amy@a.example", "bob@b.example"),
            2,
        ),
    ];
    for (route, body, rest) in bodies {
        for end in 0..=body.len() {
            let sent = send("b.example", "a.example", &route, body[..end].to_vec());
            let status = status(&accept(&provider("a.example"), "b.example", &sent));
            let expected = if end < body.len() - rest { 400 } else { 200 };
            assert_eq!(status, expected, "{route:?} cut at {end}");
        }
        // Names that are none, or in another spelling, do not get past it either (D-72).
        for at in 0..body.len() - rest {
            let mut bad = body.clone();
            bad[at] = 0xFF;
            let sent = send("b.example", "a.example", &route, bad);
            let accepted = accept(&provider("a.example"), "b.example", &sent);
            assert!(accepted.is_err() || at == 0, "{route:?} at {at}");
        }
    }
}

/// The name in whose name a request is made is the peer's, or the hub says so.
#[test]
fn a_request_says_in_whose_name_it_is_made() {
    let rows = [
        (
            Route::KeyMaterial(user("amy@a.example")),
            claim("bob@b.example", "amy@a.example", None),
            Some(user("bob@b.example")),
        ),
        (
            Route::RequestConsent(addressee("amy@a.example")),
            consent(ConsentOperation::Request, "bob@b.example", "amy@a.example"),
            Some(user("bob@b.example")),
        ),
        (
            Route::UpdateConsent(addressee("amy@a.example")),
            consent(ConsentOperation::Revoke, "amy@a.example", "bob@b.example"),
            Some(user("bob@b.example")),
        ),
        (Route::Update(clubhouse()), vec![1], None),
    ];
    for (route, body, requester) in rows {
        let sent = send("b.example", "a.example", &route, body);
        let incoming = accept(&provider("a.example"), "b.example", &sent).unwrap();
        assert_eq!(incoming.requester(), requester.as_ref());
        assert_eq!(incoming.endpoint(), Some(route.endpoint()));
    }
    let asked = openmimi::http::request_directory(&domain("b.example"), &domain("a.example"));
    let incoming = accept(&provider("a.example"), "b.example", &asked).unwrap();
    assert_eq!((incoming.requester(), incoming.endpoint()), (None, None));
}

/// One notification goes to many providers, and is in memory once.
#[test]
fn a_request_borrows_its_body() {
    let (a, to, route) = (domain("a.example"), directory("b.example"), Route::Notify(clubhouse()));
    let body = vec![7; 1 << 20];
    let used = measure(|| {
        for _ in 0..300 {
            let sent = request(&a, &to, &route, &body[..]).unwrap();
            assert_eq!(sent.body().as_ptr(), body.as_ptr());
        }
    });
    assert!(used.bytes_max < 10_000, "{used:?}");
}
