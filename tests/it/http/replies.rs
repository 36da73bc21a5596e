//! What goes back, and what comes back.

use http::{HeaderValue, Response};
use openmimi::{
    codec::Wire,
    env::{Limits, Timestamp},
    follower::Fault,
    http::{Answer, AnswerFault, Reply, answer, directory, respond},
    hub::{self, KeysClaimedRefusal, SubmitRefusal, UpdateRefusal},
    machine::Revision,
    provider::{ClaimAnswer, directory::DirectoryFault, query::QueryRefusal},
    wire::{
        ErrorDescription, GroupInfoAnswer, GroupInfoResponse, SubmitMessageResponse, UpdateOutcome,
        UpdateRoomResponse,
    },
};

use super::support::clubhouse;
use crate::provider::support::{NOW, domain};

fn malformed() -> openmimi::error::DecodeError {
    openmimi::error::DecodeError {
        offset: 0,
        what: "x",
        fault: openmimi::error::Fault::Truncated(1),
    }
}

fn refused<R>(reason: R) -> hub::Refusal<R> {
    hub::Refusal { reason, judged_at: Revision(7) }
}

#[test]
fn q_04_each_answer_has_its_status_and_its_body() {
    let update = UpdateRoomResponse {
        error_description: ErrorDescription::default(),
        outcome: UpdateOutcome::Success { accepted_timestamp: Timestamp(5) },
    };
    let group_info =
        GroupInfoResponse { room: clubhouse(), answer: GroupInfoAnswer::NotAuthorized };
    let stale = |code: u8| vec![1, code, 0, 0, 0, 0, 0, 0, 0, 9];
    let status = |status| ClaimAnswer::Status { status, retry_after: None };
    let rows: Vec<(Reply, u16, Vec<u8>)> = vec![
        ((&update).into(), 200, update.encode()),
        (vec![1, 2, 3].into(), 200, vec![1, 2, 3]),
        (hub::Answer::Response(group_info.clone()).into(), 200, group_info.encode()),
        (hub::Answer::<GroupInfoResponse>::Status(400).into(), 400, vec![]),
        (refused(SubmitRefusal::EpochTooOld { current: 9 }).into(), 200, stale(2)),
        (refused(SubmitRefusal::Denied).into(), 200, SubmitMessageResponse::NotAllowed.encode()),
        (refused(SubmitRefusal::Malformed(malformed())).into(), 400, vec![]),
        (refused(SubmitRefusal::TooLarge(1)).into(), 413, vec![]),
        (refused(UpdateRefusal::Malformed(malformed())).into(), 400, vec![]),
        (refused(UpdateRefusal::TooLarge(1)).into(), 413, vec![]),
        (refused(KeysClaimedRefusal::Peer).into(), 403, vec![]),
        (refused(KeysClaimedRefusal::NotAParticipant).into(), 403, vec![]),
        (refused(KeysClaimedRefusal::Repeated).into(), 502, vec![]),
        (refused(KeysClaimedRefusal::TooMany(1)).into(), 429, vec![]),
        (ClaimAnswer::Response(vec![4]).into(), 200, vec![4]),
        (status(403).into(), 403, vec![]),
        (QueryRefusal::Forbidden.into(), 200, vec![3, 0, 0, 0]),
        (QueryRefusal::Malformed(malformed()).into(), 400, vec![]),
        (Fault::Malformed(malformed()).into(), 400, vec![]),
        (Fault::NotTheHub.into(), 403, vec![]),
        (Fault::UnknownRoom.into(), 404, vec![]),
        (Fault::TooEarly.into(), 503, vec![]),
        // P-172, P-206, Q-110
        (Reply::Received, 201, vec![]),
        (Reply::Status { status: 9, retry_after: None }, 500, vec![]),
    ];
    for (reply, status, body) in rows {
        let response = respond(reply.clone());
        assert_eq!(response.status().as_u16(), status, "{reply:?}");
        assert_eq!(response.body(), &body, "{reply:?}");
        let media_type = response.headers().get("content-type").map(HeaderValue::as_bytes);
        assert_eq!(media_type, (status == 200).then_some(&b"application/octet-stream"[..]));
        assert!(!response.headers().contains_key("retry-after"));
    }
}

#[test]
fn a_wait_is_whole_seconds_and_never_shorter() {
    for (milliseconds, seconds) in
        [(0, "0"), (1, "1"), (1000, "1"), (1001, "2"), (u64::MAX, "18446744073709552")]
    {
        let response = respond(Reply::too_many(milliseconds));
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], seconds);
        let claim = ClaimAnswer::Status { status: 503, retry_after: Some(milliseconds) };
        assert_eq!(respond(claim).headers()["retry-after"], seconds);
    }
}

/// A response of another provider.
fn response(status: u16, retry_after: Option<&str>, body: &[u8]) -> Response<Vec<u8>> {
    let mut builder = Response::builder().status(status);
    if let Some(wait) = retry_after {
        builder = builder.header("retry-after", wait);
    }
    builder.body(body.to_vec()).unwrap()
}

fn read(response: &Response<Vec<u8>>) -> Answer<&[u8]> {
    answer(NOW, &Limits::default(), response).unwrap()
}

#[test]
fn q_110_any_success_is_one_and_p_174_everything_else_is_tried_later_or_not_at_all() {
    for status in [200, 201, 202, 204] {
        assert_eq!(read(&response(status, Some("9"), b"x")), Answer::Done(&b"x"[..]));
    }
    for status in [408, 425, 429, 500, 502, 503, 504] {
        assert_eq!(
            read(&response(status, None, b"x")),
            Answer::Later { status, retry_after: None }
        );
        let heeded = Answer::Later { status, retry_after: Some(30_000) };
        assert_eq!(read(&response(status, Some("30"), b"")), heeded);
    }
    // No redirect is followed.
    for status in [301, 302, 307, 308, 400, 401, 403, 404, 405, 410, 413, 415, 421] {
        assert_eq!(read(&response(status, Some("30"), b"")), Answer::Refused { status });
    }
}

#[test]
fn d_09_a_wait_is_capped() {
    let day = 24 * 60 * 60 * 1000;
    for wait in [
        "86401",
        "18446744073709551616",
        "99999999999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        let capped = Answer::Later { status: 503, retry_after: Some(day) };
        assert_eq!(read(&response(503, Some(wait), b"")), capped, "{wait}");
    }
    let past = Answer::Later { status: 503, retry_after: Some(0) };
    assert_eq!(read(&response(503, Some("Sun, 06 Nov 1994 08:49:37 GMT"), b"")), past);
    for nonsense in ["", "-1", "soon", "1e9", "30, 60"] {
        let none = Answer::Later { status: 503, retry_after: None };
        assert_eq!(read(&response(503, Some(nonsense), b"")), none, "{nonsense}");
    }
}

#[test]
fn a_body_is_read_as_what_it_should_be_or_not_at_all() {
    let accepted = SubmitMessageResponse::EpochTooOld { current_epoch: 9 };
    let good = response(200, None, &accepted.encode());
    assert_eq!(read(&good).decode(), Ok(Answer::Done(accepted)));
    for end in 0..good.body().len() {
        let cut = response(200, None, &good.body()[..end]);
        let decoded = read(&cut).decode::<SubmitMessageResponse>();
        assert!(matches!(decoded, Err(AnswerFault::Malformed(_))), "{end}");
    }
    let refused = response(403, None, b"<html>");
    let decoded = read(&refused).decode::<SubmitMessageResponse>();
    assert_eq!(decoded, Ok(Answer::Refused { status: 403 }));

    let mut limits = Limits::default();
    limits.body = good.body().len();
    assert!(answer(NOW, &limits, &good).is_ok());
    limits.body -= 1;
    assert_eq!(answer(NOW, &limits, &good), Err(AnswerFault::TooLarge(good.body().len())));
    let mut encoded = good;
    encoded.headers_mut().insert("content-encoding", HeaderValue::from_static("br"));
    assert_eq!(answer(NOW, &Limits::default(), &encoded), Err(AnswerFault::Encoded));
}

#[test]
fn a_directory_that_is_none_is_not_taken() {
    let a = domain("a.example");
    let read = |response| directory(NOW, &Limits::default(), &a, &response);
    let html = read(response(200, None, b"<html>"));
    assert_eq!(html, Err(AnswerFault::Directory(DirectoryFault::Json)));
    assert_eq!(read(response(404, None, b"{}")), Ok(Answer::Refused { status: 404 }));
    let moved = read(response(301, None, b"{}"));
    assert_eq!(moved, Ok(Answer::Refused { status: 301 }));
}
