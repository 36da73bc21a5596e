//! Join links (room-policy, section 6.2).

use super::{Component, read_uri, write_bool, write_text, write_u32};
use crate::{
    codec::{self, Reader, Wire},
    error::DecodeError,
    room::ComponentId,
};

/// How new join links are made.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinLinkPolicy {
    /// At most one link is in the room; whoever wants another one asks for it at [`JoinLinkPolicy::join_link`].
    pub on_request: bool,
    /// Where to ask for a link; may be empty.
    #[serde(default)]
    pub join_link: String,
    /// A link is good for several users.
    pub multiuser: bool,
    /// Seconds for which a new link is valid.
    pub expiration: u32,
}

impl Component for JoinLinkPolicy {
    const ID: ComponentId = ComponentId::JOIN_LINK_POLICY;
}

impl Wire for JoinLinkPolicy {
    const NAME: &'static str = "JoinLinkPolicy";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            on_request: reader.bool("on_request")?,
            join_link: read_uri(reader, "join_link")?,
            multiuser: reader.bool("multiuser")?,
            expiration: reader.u32("expiration")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bool(out, self.on_request);
        write_text(out, &self.join_link);
        write_bool(out, self.multiuser);
        write_u32(out, self.expiration);
    }
}

/// The links that are in the room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinLinks(pub Vec<Vec<u8>>);

impl JoinLinks {
    /// Whether a joining code is one of them: all of a link, or what follows its last slash.
    #[must_use]
    pub fn accept(&self, code: &[u8]) -> bool {
        !code.is_empty() && self.0.iter().any(|link| link == code || Self::code_of(link) == code)
    }

    /// The code of a link: what follows its last slash, or all of it if nothing does.
    #[must_use]
    pub fn code_of(link: &[u8]) -> &[u8] {
        match link.rsplit(|&octet| octet == b'/').next() {
            Some(code) if !code.is_empty() => code,
            Some(_) | None => link,
        }
    }
}

impl Component for JoinLinks {
    const ID: ComponentId = ComponentId::JOIN_LINKS;
}

impl Wire for JoinLinks {
    const NAME: &'static str = "JoinLinksData";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.vec(Self::NAME, read_link).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_vec(out, &self.0, |link, out| codec::write_bytes(out, link));
    }
}

fn read_link(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    reader.bytes("join_link").map(<[u8]>::to_vec)
}

/// A change of the links. Indices are places in the list at the start of the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinLinksUpdate {
    /// Links that are no longer good, by place.
    pub removed: Vec<u32>,
    /// New links, for the end of the list.
    pub added: Vec<Vec<u8>>,
}

impl Wire for JoinLinksUpdate {
    const NAME: &'static str = "JoinLinksUpdate";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            removed: reader.vec("removedIndices", |reader| reader.u32("removedIndices"))?,
            added: reader.vec("added_links", read_link)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_vec(out, &self.removed, |&place, out| write_u32(out, place));
        codec::write_vec(out, &self.added, |link, out| codec::write_bytes(out, link));
    }
}
