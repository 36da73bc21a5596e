//! Media types as application components hold them (mls-extensions, section 6.2).

use super::{Component, write_text};
use crate::{
    codec::{self, Reader, Wire},
    error::{DecodeError, Fault},
    room::ComponentId,
};

/// A media type and its parameters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MediaType {
    /// Type and subtype, as in `text/markdown`.
    pub name: String,
    /// Parameters, name and value, in their order; without quotes (E-082).
    pub parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Whether `other` is of this kind: the same type with all parameters of this one. Without parameters, it matches
    /// all of that type.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.covers(other, |name, value, its| its.is_some_and(|its| same(name, value, its)))
    }

    /// Whether who receives this receives `wanted` too (E-083): it is of this kind, or leaves out what takes nothing
    /// away. A text without `charset` is in ASCII or in UTF-8 (RFC 6657), a markdown without `variant` is whatever its
    /// receiver takes it for (RFC 7763): who receives `text/plain;charset=utf-8` receives `text/plain`. Who receives
    /// videos of one codec does not receive all videos.
    #[must_use]
    pub fn receives(&self, wanted: &Self) -> bool {
        let is_text = self.name.get(..5).is_some_and(|it| it.eq_ignore_ascii_case("text/"));
        let is_markdown = self.name.eq_ignore_ascii_case("text/markdown");
        self.covers(wanted, |name, value, asked| {
            let any_text = is_text && is_charset(name) && value.eq_ignore_ascii_case("utf-8");
            match asked {
                Some(asked) => {
                    same(name, value, asked) || any_text && asked.eq_ignore_ascii_case("us-ascii")
                }
                None => any_text || is_markdown && is_variant(name),
            }
        })
    }

    /// Whether `other` has this name, and each parameter of this one agrees with what `other` has there.
    fn covers(&self, other: &Self, agrees: impl Fn(&str, &str, Option<&str>) -> bool) -> bool {
        let of_other = |name: &str| {
            let mut parameters = other.parameters.iter();
            parameters.find(|(its, _)| its.eq_ignore_ascii_case(name)).map(|(_, it)| it.as_str())
        };
        self.name.eq_ignore_ascii_case(&other.name)
            && self.parameters.iter().all(|(name, value)| agrees(name, value, of_other(name)))
    }
}

fn is_charset(name: &str) -> bool {
    name.eq_ignore_ascii_case("charset")
}

fn is_variant(name: &str) -> bool {
    name.eq_ignore_ascii_case("variant")
}

/// Whether two values of a parameter are one. Those that name a charset or a variant of markdown are in any case; of
/// others it is not known (RFC 2045, section 5.1).
fn same(name: &str, value: &str, other: &str) -> bool {
    let any_case = is_charset(name) || is_variant(name);
    value == other || any_case && value.eq_ignore_ascii_case(other)
}

impl std::fmt::Display for MediaType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        self.parameters.iter().try_for_each(|(name, value)| write!(f, ";{name}={value}"))
    }
}

impl std::str::FromStr for MediaType {
    type Err = &'static str;

    /// Reads `top/sub;name=value;…`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_owned();
        if !is_type(&name) {
            return Err("not a media type");
        }
        let parameters = parts
            .map(|part| match part.split_once('=') {
                Some((name, value)) if is_token(name) && is_value(value) => {
                    Ok((name.to_owned(), value.to_owned()))
                }
                Some(_) | None => Err("not a parameter of a media type"),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { name, parameters })
    }
}

impl serde::Serialize for MediaType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for MediaType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|it| it.is_ascii_alphanumeric() || "!#$&-^_.+%'*`|~".contains(it))
}

fn is_type(text: &str) -> bool {
    text.split_once('/').is_some_and(|(top, sub)| is_token(top) && is_token(sub))
}

fn is_value(text: &str) -> bool {
    !text.contains(['"', '\\', ';']) && !text.chars().any(char::is_control)
}

impl Wire for MediaType {
    const NAME: &'static str = "MediaType";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let name = reader.text("media_type")?.to_owned();
        if !is_type(&name) {
            return Err(start.error("media_type", Fault::Contradiction("not a media type")));
        }
        let parameters = reader.vec("parameters", |reader| {
            let start = reader.clone();
            let name = reader.text("parameter_name")?.to_owned();
            let value = reader.text("parameter_value")?.to_owned();
            if is_token(&name) && is_value(&value) {
                return Ok((name, value));
            }
            Err(start.error("parameters", Fault::Contradiction("not a parameter")))
        })?;
        Ok(Self { name, parameters })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_text(out, &self.name);
        codec::write_vec(out, &self.parameters, |(name, value), out| {
            write_text(out, name);
            write_text(out, value);
        });
    }
}

/// The media types that a leaf receives or a group requires, at least one (E-082).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaTypeList(pub Vec<MediaType>);

impl Component for MediaTypeList {
    const ID: ComponentId = ComponentId::CONTENT_MEDIA_TYPES;
}

impl Wire for MediaTypeList {
    const NAME: &'static str = "MediaTypeList";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        match reader.vec(Self::NAME, MediaType::read)? {
            types if types.is_empty() => Err(start.error(Self::NAME, Fault::Empty)),
            types => Ok(Self(types)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        codec::write_vec(out, &self.0, MediaType::write);
    }
}
