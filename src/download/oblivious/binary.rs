//! Requests and responses in binary (RFC 9292), as far as a download needs them: a GET, and what came.

use std::io::Cursor;

use bhttp::{Message, Mode, StatusCode};

use crate::wire::HttpsUrl;

/// A GET of a URL and nothing else: whatever else a client could say would tell it from others.
pub(super) fn request(url: &HttpsUrl) -> Vec<u8> {
    let authority = match url.port() {
        443 => url.host().to_string(),
        port => format!("{}:{port}", url.host()),
    };
    let message = Message::request(
        b"GET".to_vec(),
        b"https".to_vec(),
        authority.into_bytes(),
        url.target().into_bytes(),
    );
    write(&message)
}

/// The URL of a request: none if it is not a GET of one. Its headers say nothing that the hub would pass on, so they
/// are not looked at.
pub(super) fn read_request(octets: &[u8]) -> Option<HttpsUrl> {
    let message = read(octets)?;
    let control = message.control();
    let is_get = control.method() == Some(b"GET") && control.scheme() == Some(b"https");
    let (authority, path) = (control.authority()?, control.path()?);
    // Octets that are no part of one cannot be smuggled into the other: no host holds them, and a path starts so.
    let listed = !authority.contains(&b'/') && !authority.contains(&b'?') && path.starts_with(b"/");
    if !is_get || !listed || !message.content().is_empty() {
        return None;
    }
    HttpsUrl::parse(&[b"https://".as_slice(), authority, path].concat()).ok()
}

/// A response, with what the proxy says of every asset.
pub(super) fn response(
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: &[u8],
) -> Vec<u8> {
    let status = StatusCode::try_from(status).or_else(|_| StatusCode::try_from(500_u16));
    let status = status.expect("500 is a status");
    let mut message = Message::response(status);
    for (name, value) in headers {
        message.put_header(*name, *value);
    }
    message.write_content(body);
    write(&message)
}

/// The status of a response, and its content.
pub(super) fn read_response(octets: &[u8]) -> Option<(u16, Vec<u8>)> {
    let message = read(octets)?;
    let status = message.control().status()?;
    Some((status.code(), message.content().to_vec()))
}

fn read(octets: &[u8]) -> Option<Message> {
    let mut cursor = Cursor::new(octets);
    let message = Message::read_bhttp::<_, Cursor<&[u8]>>(&mut cursor).ok()?;
    // What follows is padding: zeros (RFC 9292, section 3.8).
    let end = usize::try_from(cursor.position()).ok()?;
    octets.get(end..)?.iter().all(|octet| *octet == 0).then_some(message)
}

fn write(message: &Message) -> Vec<u8> {
    let mut octets = Vec::new();
    message
        .write_bhttp(Mode::KnownLength, &mut octets)
        .expect("a vector takes all, and no length is above 2^62");
    octets
}
