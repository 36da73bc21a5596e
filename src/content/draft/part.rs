//! The parts of a message to be sent.

use std::borrow::Cow;

use crate::content::{Body, Disposition, External, Part, Semantics, media};

/// A part to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftPart<'a> {
    /// What it is for.
    pub disposition: Disposition,
    /// Its language: empty, or language tags with commas between.
    pub language: Cow<'a, str>,
    /// What is in it.
    pub body: DraftBody<'a>,
}

/// What is in a part to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DraftBody<'a> {
    /// Nothing.
    Null,
    /// The content itself.
    Single {
        /// Its media type, with parameters.
        content_type: Cow<'a, str>,
        /// Its octets.
        content: Cow<'a, [u8]>,
    },
    /// A reference to content elsewhere.
    External(DraftExternal<'a>),
    /// More parts: at least two.
    Multi {
        /// How the parts belong together.
        semantics: Semantics,
        /// The parts, in order.
        parts: Vec<DraftPart<'a>>,
    },
}

/// A reference to content elsewhere (content, section 4.5). [`asset::seal`](crate::content::asset::seal) encrypts
/// private content and fills in the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftExternal<'a> {
    /// Its media type, or nothing where the URL is a service.
    pub content_type: Cow<'a, str>,
    /// Where it is.
    pub url: Cow<'a, str>,
    /// The second since the Unix epoch after which it is invalid; 0 for never.
    pub expires: u32,
    /// Its octets, as they are at the URL; 0 for unknown.
    pub size: u64,
    /// The AEAD it is encrypted with, in IANA's registry; 0 for none.
    pub enc_alg: u16,
    /// The key of the AEAD; empty without one.
    pub key: Cow<'a, [u8]>,
    /// The nonce of the AEAD; empty without one.
    pub nonce: Cow<'a, [u8]>,
    /// The additional data of the AEAD; empty without one.
    pub aad: Cow<'a, [u8]>,
    /// The hash algorithm, in IANA's registry of named information; 0 for none.
    pub hash_alg: u8,
    /// The hash of what is at the URL.
    pub content_hash: Cow<'a, [u8]>,
    /// Words about it.
    pub description: Cow<'a, str>,
    /// A name to save it under.
    pub filename: Cow<'a, str>,
}

impl<'a> DraftPart<'a> {
    /// A part to be rendered, of any media type.
    #[must_use]
    pub fn single(
        content_type: impl Into<Cow<'a, str>>,
        content: impl Into<Cow<'a, [u8]>>,
    ) -> Self {
        let body = DraftBody::Single { content_type: content_type.into(), content: content.into() };
        Self { disposition: Disposition::RENDER, language: Cow::Borrowed(""), body }
    }

    /// Plain text.
    #[must_use]
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        let content = match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Self::single(media::PLAIN, content)
    }

    /// Nothing: to delete or unlike.
    #[must_use]
    pub const fn null(disposition: Disposition) -> Self {
        Self { disposition, language: Cow::Borrowed(""), body: DraftBody::Null }
    }

    /// Several parts.
    #[must_use]
    pub fn multi(semantics: Semantics, parts: impl IntoIterator<Item = Self>) -> Self {
        let body = DraftBody::Multi { semantics, parts: parts.into_iter().collect() };
        Self { disposition: Disposition::RENDER, language: Cow::Borrowed(""), body }
    }

    /// The same content in several languages or formats, of which the receiver picks one, by its own policy. The
    /// best comes first.
    #[must_use]
    pub fn alternatives(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::multi(Semantics::ChooseOne, parts)
    }

    /// The same part for another purpose.
    #[must_use]
    pub const fn disposition(mut self, disposition: Disposition) -> Self {
        self.disposition = disposition;
        self
    }

    /// The same part in a language: language tags with commas between (RFC 5646).
    #[must_use]
    pub fn language(mut self, language: impl Into<Cow<'a, str>>) -> Self {
        self.language = language.into();
        self
    }

    /// The same part with its own bytes.
    #[must_use]
    pub fn into_owned(self) -> DraftPart<'static> {
        let body = match self.body {
            DraftBody::Null => DraftBody::Null,
            DraftBody::Single { content_type, content } => {
                DraftBody::Single { content_type: own(content_type), content: own(content) }
            }
            DraftBody::External(external) => DraftBody::External(external.into_owned()),
            DraftBody::Multi { semantics, parts } => DraftBody::Multi {
                semantics,
                parts: parts.into_iter().map(DraftPart::into_owned).collect(),
            },
        };
        DraftPart { disposition: self.disposition, language: own(self.language), body }
    }
}

fn own<T: ToOwned + ?Sized>(value: Cow<'_, T>) -> Cow<'static, T> {
    Cow::Owned(value.into_owned())
}

impl<'a> DraftExternal<'a> {
    /// The same reference as a part.
    #[must_use]
    pub const fn part(self, disposition: Disposition) -> DraftPart<'a> {
        DraftPart { disposition, language: Cow::Borrowed(""), body: DraftBody::External(self) }
    }

    /// A service, such as a conference, or content that is not private: without encryption.
    #[must_use]
    pub fn open(url: impl Into<Cow<'a, str>>, description: impl Into<Cow<'a, str>>) -> Self {
        Self { url: url.into(), description: description.into(), ..Self::default() }
    }

    /// The same reference with its own bytes.
    #[must_use]
    pub fn into_owned(self) -> DraftExternal<'static> {
        DraftExternal {
            content_type: own(self.content_type),
            url: own(self.url),
            expires: self.expires,
            size: self.size,
            enc_alg: self.enc_alg,
            key: own(self.key),
            nonce: own(self.nonce),
            aad: own(self.aad),
            hash_alg: self.hash_alg,
            content_hash: own(self.content_hash),
            description: own(self.description),
            filename: own(self.filename),
        }
    }
}

impl<'a> From<Part<'a>> for DraftPart<'a> {
    fn from(part: Part<'a>) -> Self {
        let body = match part.body() {
            Body::Null => DraftBody::Null,
            Body::Single(single) => DraftBody::Single {
                content_type: single.content_type().into(),
                content: single.content().into(),
            },
            Body::External(external) => DraftBody::External(external.into()),
            // A decoded message has no more than four levels.
            Body::Multi(multi) => DraftBody::Multi {
                semantics: multi.semantics(),
                parts: multi.parts().map(Self::from).collect(),
            },
        };
        Self { disposition: part.disposition(), language: part.language().into(), body }
    }
}

impl<'a> From<External<'a>> for DraftExternal<'a> {
    fn from(external: External<'a>) -> Self {
        Self {
            content_type: external.content_type().into(),
            url: external.url().into(),
            expires: external.expires(),
            size: external.size(),
            enc_alg: external.enc_alg(),
            key: external.key().into(),
            nonce: external.nonce().into(),
            aad: external.aad().into(),
            hash_alg: external.hash_alg(),
            content_hash: external.content_hash().into(),
            description: external.description().into(),
            filename: external.filename().into(),
        }
    }
}
