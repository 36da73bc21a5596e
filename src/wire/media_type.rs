//! Media types of application messages (draft-ietf-mls-extensions-10, section 6.2).

use crate::{
    codec::{Reader, Wire, write_bytes, write_vec},
    error::DecodeError,
};

/// A media type, as the media type in front of an application message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaType {
    /// Type and subtype, as in `application/mimi-content`.
    pub essence: String,
    /// Names and values.
    pub parameters: Vec<(String, String)>,
}

impl MediaType {
    /// A media type without parameters.
    #[must_use]
    pub fn new(essence: &str) -> Self {
        Self { essence: essence.into(), parameters: Vec::new() }
    }

    /// Whether type and subtype are these, in upper or lower case.
    #[must_use]
    pub fn is(&self, essence: &str) -> bool {
        self.essence.eq_ignore_ascii_case(essence)
    }
}

impl Wire for MediaType {
    const NAME: &'static str = "MediaType";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            essence: reader.text("MediaType.media_type")?.into(),
            parameters: reader.vec("MediaType.parameters", |reader| {
                let name = reader.text("Parameter.parameter_name")?.into();
                Ok((name, reader.text("Parameter.parameter_value")?.into()))
            })?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, self.essence.as_bytes());
        write_vec(out, &self.parameters, |(name, value), out| {
            write_bytes(out, name.as_bytes());
            write_bytes(out, value.as_bytes());
        });
    }
}

/// The media types that a leaf receives or a group requires: the data of the component `content_media_types`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaTypeList(pub Vec<MediaType>);

impl Wire for MediaTypeList {
    const NAME: &'static str = "MediaTypeList";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.vec("MediaTypeList.media_types", MediaType::read).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_vec(out, &self.0, MediaType::write);
    }
}

/// What is encrypted in a group that requires media types: the content behind its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationFraming {
    /// What the content is.
    pub media_type: MediaType,
    /// The content.
    pub content: Vec<u8>,
}

impl Wire for ApplicationFraming {
    const NAME: &'static str = "ApplicationFraming";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            media_type: Wire::read(reader)?,
            content: reader.bytes("ApplicationFraming.application_content")?.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.media_type.write(out);
        write_bytes(out, &self.content);
    }
}
