//! What is encrypted: MIMI content, behind the name of its media type where the room asks for names (mls-extensions,
//! section 6.2).

use openmls::group::MlsGroup;

use super::{epoch::Reading, leaf};
use crate::{
    codec::Wire,
    error::Misuse,
    policy::components::{MediaType, MediaTypeList},
    wire::ApplicationFraming,
};

/// The media type of MIMI content.
const CONTENT: &str = "application/mimi-content";
/// The media type of a status report that travels alone.
const STATUS: &str = "application/mimi-message-status";

/// Media types that a leaf says its client receives (E-080): what this library reads as application messages, and what
/// every client shows inside MIMI content (C-080).
pub(super) const RECEIVED: [&str; 4] =
    [CONTENT, STATUS, "text/plain;charset=utf-8", "text/markdown;variant=GFM-MIMI"];

fn plain(name: &str) -> MediaType {
    MediaType { name: name.into(), parameters: Vec::new() }
}

/// All that is encrypted for some content (E-085).
pub(super) fn framed(content: &[u8], reading: &Reading) -> Vec<u8> {
    if reading.media_types.is_none() {
        return content.to_vec();
    }
    let framing =
        ApplicationFraming { media_type: Some(plain(CONTENT)), content: content.to_vec() };
    framing.encode()
}

/// What was encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// MIMI content.
    Content(Vec<u8>),
    /// A status report that travels alone.
    Status(Vec<u8>),
    /// Something that this library does not read.
    Other,
}

/// What was encrypted, and the octets of its framing, if it has any: all that stands before the content's length.
pub(super) fn unframed(data: &[u8], reading: &Reading) -> Option<(Payload, Option<Vec<u8>>)> {
    let Some(required) = &reading.media_types else {
        return Some((Payload::Content(data.to_vec()), None));
    };
    let required = MediaTypeList::decode(required).ok()?;
    let framing = ApplicationFraming::decode(data).ok()?;
    let is = |name: &str| {
        framing.media_type_in(&required).is_some_and(|it| it.name.eq_ignore_ascii_case(name))
    };
    let kind = if is(CONTENT) {
        Payload::Content
    } else if is(STATUS) {
        Payload::Status
    } else {
        return Some((Payload::Other, None));
    };
    let empty = ApplicationFraming { media_type: framing.media_type.clone(), content: Vec::new() };
    let mut head = empty.encode();
    // The length of nothing.
    head.pop();
    Some((kind(framing.content), Some(head)))
}

/// Refuses to send MIMI content where somebody could not read it: the room requires media types, it is none of them,
/// and a member's leaf does not list it either.
pub(super) fn may_be_content(reading: &Reading, group: &MlsGroup) -> Result<(), Misuse> {
    let Some(required) = &reading.media_types else { return Ok(()) };
    let content = plain(CONTENT);
    let lists = |octets: &[u8]| {
        let list = MediaTypeList::decode(octets);
        list.is_ok_and(|list| list.0.iter().any(|listed| listed.matches(&content)))
    };
    let everybody = || {
        group.members().all(|member| {
            let leaf = group.public_group().leaf(member.index);
            leaf.and_then(|leaf| leaf.extensions().app_data_dictionary())
                .and_then(|it| it.dictionary().get(&leaf::CONTENT_MEDIA_TYPES))
                .is_some_and(lists)
        })
    };
    if lists(required) || everybody() {
        return Ok(());
    }
    Err(Misuse::Argument("not everybody in the room can read MIMI content"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(types: &[&str]) -> Reading {
        let list = MediaTypeList(types.iter().map(|name| plain(name)).collect());
        Reading { media_types: Some(list.encode()), ..Reading::default() }
    }

    fn opaque(octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        crate::codec::write_bytes(&mut out, octets);
        out
    }

    #[test]
    fn content_stands_behind_its_type_where_the_room_asks_for_it() {
        // E-085
        let content = vec![7; 100];
        assert_eq!(framed(&content, &Reading::default()), content);
        let there = reading(&[CONTENT]);
        let data = framed(&content, &there);
        let head = [opaque(CONTENT.as_bytes()), vec![0]].concat();
        assert_eq!(data, [head.clone(), opaque(&content)].concat());
        assert_eq!(unframed(&data, &there), Some((Payload::Content(content), Some(head))));
    }

    #[test]
    fn no_type_is_the_first_that_the_room_requires() {
        // E-086
        let data = [vec![0, 0], opaque(b"content")].concat();
        let as_content = Some((Payload::Content(b"content".to_vec()), Some(vec![0, 0])));
        assert_eq!(unframed(&data, &reading(&[CONTENT, STATUS])), as_content);
        let as_status = Some((Payload::Status(b"content".to_vec()), Some(vec![0, 0])));
        assert_eq!(unframed(&data, &reading(&[STATUS, CONTENT])), as_status);
        assert_eq!(unframed(&data, &reading(&["text/plain"])), Some((Payload::Other, None)));
    }

    #[test]
    fn what_is_framed_wrong_is_nothing() {
        // D-5A
        for data in [
            b"content without a frame".to_vec(),
            [opaque(CONTENT.as_bytes()), vec![0], opaque(b"content"), vec![0]].concat(),
            [opaque(b"no type"), vec![0], opaque(b"content")].concat(),
            Vec::new(),
        ] {
            assert_eq!(unframed(&data, &reading(&[CONTENT])), None);
        }
    }
}
