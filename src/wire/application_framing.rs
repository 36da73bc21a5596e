//! What is encrypted in a group that requires media types (draft-ietf-mls-extensions-10, section 6.2.3).

use crate::{
    codec::{Reader, Wire, write_bytes},
    error::DecodeError,
    policy::components::{MediaType, MediaTypeList},
};

/// A content behind its type: all that is encrypted in a group whose GroupContext has `content_media_types` (E-085).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationFraming {
    /// What the content is; without it, the first media type that the group requires (E-086).
    pub media_type: Option<MediaType>,
    /// The content.
    pub content: Vec<u8>,
}

impl ApplicationFraming {
    /// What the content is, in a group that requires these media types.
    #[must_use]
    pub fn media_type_in<'a>(&'a self, required: &'a MediaTypeList) -> Option<&'a MediaType> {
        self.media_type.as_ref().or_else(|| required.0.first())
    }
}

impl Wire for ApplicationFraming {
    const NAME: &'static str = "ApplicationFraming";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let media_type = if reader.rest().first() == Some(&0) {
            reader.bytes("MediaType.type")?;
            let parameters = reader.bounded("MediaType.parameters", 0);
            parameters.map(|_| None)?
        } else {
            Some(MediaType::read(reader)?)
        };
        let content = reader.bytes("ApplicationFraming.inner_application_content")?.to_vec();
        Ok(Self { media_type, content })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match &self.media_type {
            Some(media_type) => media_type.write(out),
            // Neither type nor parameters.
            None => out.extend_from_slice(&[0, 0]),
        }
        write_bytes(out, &self.content);
    }
}
