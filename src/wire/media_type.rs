//! Media types of application messages (draft-ietf-mls-extensions-10, section 6.2).

use crate::{
    codec::{Reader, Wire, write_bytes, write_vec},
    error::{DecodeError, Fault},
};

/// The longest type or subtype, in octets (RFC 6838, section 4.2).
const MAX_NAME: usize = 127;

/// A media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// A media type: `essence` is type and subtype, as in `application/mimi-content`. Values of parameters are
    /// without the quotation marks and backslashes that their text form may need.
    ///
    /// # Errors
    /// If `essence` is not of that form.
    pub fn new(essence: &str, parameters: Vec<(String, String)>) -> Result<Self, Fault> {
        match essence.split_once('/') {
            Some((top, sub)) if is_name(top) && is_name(sub) => {
                Ok(Self { essence: essence.into(), parameters })
            }
            _ => Err(Fault::Contradiction("not a media type and subtype")),
        }
    }

    /// Type and subtype.
    #[must_use]
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// Names and values of the parameters, in their order.
    #[must_use]
    pub fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// Whether type and subtype are these, in upper or lower case.
    #[must_use]
    pub fn is(&self, essence: &str) -> bool {
        self.essence.eq_ignore_ascii_case(essence)
    }
}

/// Whether it is a `restricted-name` (RFC 6838, section 4.2).
fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&octet))
}

fn read_parameters(reader: &mut Reader<'_>) -> Result<Vec<(String, String)>, DecodeError> {
    reader.vec("MediaType.parameters", |reader| {
        let name = reader.text("Parameter.parameter_name")?.into();
        Ok((name, reader.text("Parameter.parameter_value")?.into()))
    })
}

impl Wire for MediaType {
    const NAME: &'static str = "MediaType";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let essence = reader.text("MediaType.type")?;
        let parameters = read_parameters(reader)?;
        Self::new(essence, parameters).map_err(|fault| start.error("MediaType.type", fault))
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, self.essence.as_bytes());
        write_vec(out, &self.parameters, |(name, value), out| {
            write_bytes(out, name.as_bytes());
            write_bytes(out, value.as_bytes());
        });
    }
}

/// The media types that a leaf receives or a group requires, at least one: the data of the component
/// `content_media_types` (E-082).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaTypeList(pub Vec<MediaType>);

impl Wire for MediaTypeList {
    const NAME: &'static str = "MediaTypeList";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let list = reader.vec("MediaTypeList.media_type_list", MediaType::read)?;
        if list.is_empty() {
            return Err(start.error("MediaTypeList.media_type_list", Fault::Empty));
        }
        Ok(Self(list))
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_vec(out, &self.0, MediaType::write);
    }
}

/// What is encrypted in a group that requires media types: the content behind its type (E-085).
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
        let start = reader.clone();
        let media_type = if reader.rest().first() == Some(&0) {
            reader.bytes("MediaType.type")?;
            if !read_parameters(reader)?.is_empty() {
                let fault = Fault::Contradiction("parameters without a media type");
                return Err(start.error("MediaType.parameters", fault));
            }
            None
        } else {
            Some(MediaType::read(reader)?)
        };
        let content = reader.bytes("ApplicationFraming.inner_application_content")?.to_vec();
        Ok(Self { media_type, content })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match &self.media_type {
            Some(media_type) => media_type.write(out),
            None => out.extend_from_slice(&[0, 0]),
        }
        write_bytes(out, &self.content);
    }
}
