//! What holds for any request that a provider gets, and any response to one of its own.

use std::cell::OnceCell;

use http::{Request, Response, StatusCode};
use openmimi::{
    env::{Env, Limits, Peer, Timestamp},
    http::{Answer, Call, Incoming, Refusal, Server, answer, directory, host, request},
    provider::{
        Policy,
        directory::{Directory, Route, Routes},
        peering::{Access, Peering},
    },
    uri::Domain,
    wire::UpdateRoomResponse,
};
use openmls_rust_crypto::RustCrypto;

use super::Check;
use crate::kit;

pub const TABLE: &[(&str, Check)] = &[("request", requested), ("response", answered)];

pub fn check(input: &[u8]) {
    super::pick(TABLE, input);
}

pub fn input_for(name: &str, bytes: &[u8]) -> Vec<u8> {
    super::input_for(TABLE, name, bytes)
}

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// First line, headers, body.
type Parts<'a> = (&'a str, Vec<(&'a str, &'a [u8])>, &'a [u8]);

/// A head in lines, an empty line, the body. The head is a first line and headers, as in HTTP/1.1 but bare.
fn parse(bytes: &[u8]) -> Option<Parts<'_>> {
    let (head, body) = match bytes.windows(2).position(|two| two == b"\n\n") {
        Some(end) => (&bytes[..end], &bytes[end + 2..]),
        None => (bytes, &[][..]),
    };
    let mut lines = head.split(|&octet| octet == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let mut headers = Vec::new();
    for line in lines {
        let colon = line.iter().position(|&octet| octet == b':')?;
        headers.push((std::str::from_utf8(&line[..colon]).ok()?, &line[colon + 1..]));
    }
    Some((first, headers, body))
}

thread_local! {
    static HERE: OnceCell<(Server, RustCrypto, Directory)> = const { OnceCell::new() };
}

/// The provider b.example, which talks with a.example and not with c.example.
fn here() -> (Server, RustCrypto, Directory) {
    let (a, b) = (kit::domain("a.example"), kit::domain("b.example"));
    let directory = Directory::standard(b, "mimi.b.example").unwrap();
    let server = Server {
        routes: Routes::new(directory.clone()).unwrap(),
        peering: Peering::default().with(a, Access::ALL),
        policy: Policy::default(),
        limits: Limits::default(),
    };
    (server, RustCrypto::default(), directory)
}

fn requested(bytes: &[u8]) {
    let Some((first, headers, body)) = parse(bytes) else { return };
    let Some((method, uri)) = first.split_once(' ') else { return };
    let mut builder = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let Ok(request) = builder.body(body) else { return };
    HERE.with(|here_cell| {
        let (server, crypto, ours) = here_cell.get_or_init(here);
        let env = Env { now: NOW, crypto, keys: &() };
        let authenticated = [kit::domain("a.example"), kit::domain("c.example")];
        let accepted = server.accept(&env, &request, &authenticated);
        let again = server.accept(&env, &request, &authenticated);
        assert_eq!(summary(&accepted), summary(&again), "the same request, the same verdict");
        // P-035: nobody is believed without a certificate.
        let refusal = server.accept(&env, &request, &[]).unwrap_err();
        assert!(refusal.status().is_client_error() && refusal.body().is_empty());
        match accepted {
            Ok(incoming) => taken(server, &env, ours, &request, &incoming),
            Err(refusal) => {
                assert!(!refusal.status().is_server_error());
                if refusal.status() == StatusCode::OK {
                    assert!(!refusal.body().is_empty(), "an answer as to an unknown user");
                }
            }
        }
    });
}

fn summary(accepted: &Result<Incoming<'_>, Refusal>) -> String {
    match accepted {
        Ok(incoming) => format!("{incoming:?}"),
        Err(refusal) => format!("{:?} {:?}", refusal.status(), refusal.headers()),
    }
}

/// An accepted request is from whom it says and for us, and is what we would send for it.
fn taken(
    server: &Server,
    env: &Env<'_, RustCrypto, ()>,
    ours: &Directory,
    request_: &Request<&[u8]>,
    incoming: &Incoming<'_>,
) {
    let here = ours.provider();
    let Peer::Server(peer) = &incoming.peer else { panic!("a provider") };
    // The directory and the keys of the gateway are for everybody.
    let open = matches!(incoming.call, Call::Directory | Call::GatewayKeys);
    assert!(open || peer.as_str() == "a.example", "no other is admitted");
    assert!(server.routes.is_host(&host(request_).unwrap()));
    assert_eq!(incoming.body, *request_.body());
    let route = match &incoming.call {
        Call::Directory | Call::GatewayKeys | Call::Gateway => return,
        Call::KeyMaterial(user) => {
            assert_eq!(user.host(), here.as_str());
            Route::KeyMaterial(user.clone())
        }
        Call::KeyMaterialForRoom { room, target } => {
            assert_eq!(room.host(), here.as_str());
            Route::KeyMaterial(target.clone())
        }
        Call::Update(room) => {
            assert_eq!(room.host(), here.as_str());
            Route::Update(room.clone())
        }
        Call::Notify(room) => {
            assert_eq!(room.host(), peer.as_str(), "D-30: from its hub");
            Route::Notify(room.clone())
        }
        Call::SubmitMessage(room) => {
            assert_eq!(room.host(), here.as_str());
            Route::SubmitMessage(room.clone())
        }
        Call::GroupInfo(room) => {
            assert_eq!(room.host(), here.as_str());
            Route::GroupInfo(room.clone())
        }
        Call::ReportAbuse(room) => {
            assert_eq!(room.host(), here.as_str());
            Route::ReportAbuse(room.clone())
        }
        Call::RequestConsent(user) | Call::UpdateConsent(user) => {
            assert_eq!(user.host(), here.as_str());
            return;
        }
        Call::IdentifierQuery => Route::IdentifierQuery(here.clone()),
        Call::ProxyDownload(url) => Route::ProxyDownload(url.clone()),
    };
    let sent = request(peer, ours, &route, incoming.body).expect("a standard directory");
    let received = server.accept(env, &sent, std::slice::from_ref(peer)).expect("it was accepted");
    assert_eq!(received.call, incoming.call);
    let unknown = server.unknown(env, incoming);
    assert!(!unknown.status().is_server_error());
}

fn answered(bytes: &[u8]) {
    let Some((first, headers, body)) = parse(bytes) else { return };
    let Ok(status) = first.parse::<u16>() else { return };
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let Ok(response) = builder.body(body) else { return };
    let limits = Limits::default();
    match answer(NOW, &limits, &response) {
        Ok(Answer::Done(octets)) => {
            assert!(response.status().is_success());
            assert_eq!(octets, body);
            let read = answer(NOW, &limits, &response).unwrap().decode::<UpdateRoomResponse>();
            assert!(!matches!(read, Ok(Answer::Later { .. } | Answer::Refused { .. })));
        }
        Ok(Answer::Later { status: found, retry_after }) => {
            assert_eq!(found, status);
            assert!(retry_after.is_none_or(|wait| wait <= limits.retry_after));
        }
        Ok(Answer::Refused { status: found }) => assert_eq!(found, status),
        Err(_) => assert!(response.status().is_success()),
    }
    let of = Domain::parse("a.example").unwrap();
    if let Ok(Answer::Done(found)) = directory(NOW, &limits, &of, &response) {
        assert_eq!(*found.provider(), of);
    }
}
