//! What is encrypted: MIMI content, behind the name of its media type where the room asks for names (mls-extensions,
//! section 6.2).

use openmls::group::MlsGroup;

use super::{epoch::Reading, leaf};
use crate::{
    codec::Wire,
    error::Misuse,
    policy::{
        self,
        components::{MediaType, MediaTypeList},
    },
    room::RoomState,
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
    /// A text that travels alone (C-080).
    Text(MediaType, Vec<u8>),
    /// Something that this library does not read.
    Other(MediaType),
}

/// Whether the room forbids MIMI content as such.
pub(super) fn forbids_content(room: &RoomState) -> bool {
    policy::leaf::forbids_media_type(room, &plain(CONTENT))
}

/// Whether the room forbids status reports that travel alone.
pub(super) fn forbids_status(room: &RoomState) -> bool {
    policy::leaf::forbids_media_type(room, &plain(STATUS))
}

/// What was encrypted, and the octets of its framing, if it has any: all that stands before the content's length.
pub(super) fn unframed(data: &[u8], reading: &Reading) -> Option<(Payload, Option<Vec<u8>>)> {
    let Some(required) = &reading.media_types else {
        return Some((Payload::Content(data.to_vec()), None));
    };
    let required = MediaTypeList::decode(required).ok()?;
    let framing = ApplicationFraming::decode(data).ok()?;
    let media_type = framing.media_type_in(&required)?.clone();
    let is = |name: &str| media_type.name.eq_ignore_ascii_case(name);
    let payload = if is(CONTENT) {
        Payload::Content(framing.content)
    } else if is(STATUS) {
        Payload::Status(framing.content)
    } else if (is("text/plain") || is("text/markdown")) && is_unicode(&media_type) {
        Payload::Text(media_type, framing.content)
    } else {
        return Some((Payload::Other(media_type), None));
    };
    let empty = ApplicationFraming { media_type: framing.media_type, content: Vec::new() };
    let mut head = empty.encode();
    // The length of nothing.
    head.pop();
    Some((payload, Some(head)))
}

/// Whether a text is in UTF-8, by its media type: without a charset it has to be, or it is not read.
fn is_unicode(media_type: &MediaType) -> bool {
    let mut parameters = media_type.parameters.iter();
    let charset = parameters.find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    charset.is_none_or(|(_, it)| {
        ["utf-8", "us-ascii"].iter().any(|known| it.eq_ignore_ascii_case(known))
    })
}

/// Refuses to send MIMI content where somebody could not read it: the room requires media types, it is none of them,
/// and a member's leaf does not list it either.
pub(super) fn may_be_content(reading: &Reading, group: &MlsGroup) -> Result<(), Misuse> {
    let Some(required) = &reading.media_types else { return Ok(()) };
    let content = plain(CONTENT);
    let lists = |octets: &[u8]| {
        let list = MediaTypeList::decode(octets);
        list.is_ok_and(|list| list.0.iter().any(|listed| listed.receives(&content)))
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
        let as_text = Payload::Text(plain("text/plain"), b"content".to_vec());
        let data_of = |types: &[&str]| unframed(&data, &reading(types)).map(|it| it.0);
        assert_eq!(data_of(&["text/plain", CONTENT]), Some(as_text));
        assert_eq!(data_of(&["image/png", CONTENT]), Some(Payload::Other(plain("image/png"))));
    }

    #[test]
    fn c_080_texts_are_read_alone_in_utf_8() {
        let there = reading(&[CONTENT]);
        for (name, parameter, is_text) in [
            ("Text/Plain", Some(("Charset", "UTF-8")), true),
            ("text/plain", Some(("charset", "us-ascii")), true),
            ("text/plain", None, true),
            ("text/markdown", Some(("variant", "GFM-MIMI")), true),
            ("text/plain", Some(("charset", "utf-16")), false),
            ("text/html", Some(("charset", "utf-8")), false),
        ] {
            let parameters =
                parameter.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            let media_type = MediaType { name: name.into(), parameters };
            let content = b"hi".to_vec();
            let framing = ApplicationFraming {
                media_type: Some(media_type.clone()),
                content: content.clone(),
            };
            let expected = if is_text {
                Payload::Text(media_type, content)
            } else {
                Payload::Other(media_type)
            };
            assert_eq!(unframed(&framing.encode(), &there).unwrap().0, expected);
        }
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
