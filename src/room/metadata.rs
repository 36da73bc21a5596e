//! The component `room_metadata` (mimi-protocol, section 7.6).

use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    uri::RoomUri,
};

/// A description of the room, in one form and language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RichDescription {
    /// Its media type; empty means `text/plain;charset=utf-8` (P-289).
    pub media_type: String,
    /// Its language, as in RFC 5646; empty is unknown.
    pub language_tag: String,
    /// The description.
    pub content: Vec<u8>,
}

/// What people see of a room. Peers' text: show it as untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomMetadata {
    /// The room's ID; never changes.
    pub room_uri: RoomUri,
    /// Its name.
    pub name: String,
    /// Its descriptions.
    pub descriptions: Vec<RichDescription>,
    /// An `https` URI of a picture; empty is none (P-290).
    pub avatar: String,
    /// Its subject.
    pub subject: String,
    /// Its mood.
    pub mood: String,
}

impl RoomMetadata {
    /// A room without any text.
    #[must_use]
    pub const fn new(room_uri: RoomUri) -> Self {
        Self {
            room_uri,
            name: String::new(),
            descriptions: Vec::new(),
            avatar: String::new(),
            subject: String::new(),
            mood: String::new(),
        }
    }
}

impl Wire for RichDescription {
    const NAME: &'static str = "RichDescription";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            media_type: reader.text("media_type")?.to_owned(),
            language_tag: reader.text("language_tag")?.to_owned(),
            content: reader.bytes("description_content")?.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_bytes(out, self.media_type.as_bytes());
        codec::write_bytes(out, self.language_tag.as_bytes());
        codec::write_bytes(out, &self.content);
    }
}

impl Wire for RoomMetadata {
    const NAME: &'static str = "RoomMetaData";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let room_uri = RoomUri::parse(reader.bytes("room_uri")?)
            .map_err(|fault| start.error("room_uri", fault.into()))?;
        let name = reader.text("room_name")?.to_owned();
        let descriptions = reader.vec("room_descriptions", RichDescription::read)?;
        let start = reader.clone();
        let avatar = reader.text("room_avatar")?.to_owned();
        if !(avatar.is_empty() || avatar.starts_with("https://")) {
            return Err(start.error("room_avatar", Fault::Contradiction("an avatar is https")));
        }
        Ok(Self {
            room_uri,
            name,
            descriptions,
            avatar,
            subject: reader.text("room_subject")?.to_owned(),
            mood: reader.text("room_mood")?.to_owned(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_bytes(out, self.room_uri.as_bytes());
        codec::write_bytes(out, self.name.as_bytes());
        codec::write_vec(out, &self.descriptions, RichDescription::write);
        for text in [&self.avatar, &self.subject, &self.mood] {
            codec::write_bytes(out, text.as_bytes());
        }
    }
}
