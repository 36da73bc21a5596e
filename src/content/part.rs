//! The parts of a body (content, section 4.4), as they stand in the bytes.

use super::{Invalid, Rule, cbor::read::Reader, external::External};

/// Levels of parts, the root being the first (content, section 6.3).
pub const PART_LEVELS: usize = 4;

/// Parts of one message, multi parts and the root among them (content, section 9.1).
pub const PARTS: usize = 1024;

/// What a part is for (content, section 8.2.2). Those from 9 on are unknown, kept, and treated as [`RENDER`].
///
/// [`RENDER`]: Self::RENDER
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Disposition(pub u8);

impl Disposition {
    /// Nothing said.
    pub const UNSPECIFIED: Self = Self(0);
    /// To be rendered by local policy.
    pub const RENDER: Self = Self(1);
    /// A reaction to another message.
    pub const REACTION: Self = Self(2);
    /// A profile of the sender.
    pub const PROFILE: Self = Self(3);
    /// To be rendered in the conversation.
    pub const INLINE: Self = Self(4);
    /// An icon.
    pub const ICON: Self = Self(5);
    /// To be downloaded.
    pub const ATTACHMENT: Self = Self(6);
    /// A multimedia session, or a way to join one.
    pub const SESSION: Self = Self(7);
    /// A preview that the sender made.
    pub const PREVIEW: Self = Self(8);

    /// The disposition to act on: an unknown one is treated as [`Self::RENDER`] (content, section 9.1).
    #[must_use]
    pub const fn effective(self) -> Self {
        if self.0 > Self::PREVIEW.0 { Self::RENDER } else { self }
    }
}

/// How the parts of a multi part belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Semantics {
    /// The receiver picks exactly one, by its own policy.
    ChooseOne,
    /// All or none.
    SingleUnit,
    /// As many as possible.
    ProcessAll,
}

impl Semantics {
    /// Its number in the encoding.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::ChooseOne => 0,
            Self::SingleUnit => 1,
            Self::ProcessAll => 2,
        }
    }
}

/// One part, which borrows from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    index: usize,
    offset: usize,
    disposition: Disposition,
    language: Text<'a>,
    body: Body<'a>,
}

impl<'a> Part<'a> {
    /// Its place in the depth-first order, the root being 0: what `cid:N@local.invalid` refers to.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// Octets of the message before it.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What it is for, as it stands in the message; act on [`Disposition::effective`].
    #[must_use]
    pub const fn disposition(&self) -> Disposition {
        self.disposition
    }

    /// Its language: empty, or language tags with commas between. Nothing about the tags is checked.
    #[must_use]
    pub fn language(&self) -> &'a str {
        self.language.get()
    }

    /// Its language tags, without the spaces around them.
    pub fn languages(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.language().split(',').map(str::trim).filter(|tag| !tag.is_empty())
    }

    /// What is in it.
    #[must_use]
    pub const fn body(&self) -> Body<'a> {
        self.body
    }

    /// The media type of a single or external part.
    #[must_use]
    pub fn content_type(&self) -> Option<&'a str> {
        match self.body {
            Body::Single(single) => Some(single.content_type()),
            Body::External(external) => Some(external.content_type()),
            Body::Null | Body::Multi(_) => None,
        }
    }

    /// Whether a content ID may refer to it: to single and external parts only (C-040).
    #[must_use]
    pub const fn can_be_referenced(&self) -> bool {
        matches!(self.body, Body::Single(_) | Body::External(_))
    }

    /// Reads the part up to its end, or for a multi part up to its first part, which follows.
    #[inline(always)]
    pub(super) fn read(reader: &mut Reader<'a>, index: usize) -> Result<Self, Invalid> {
        let offset = reader.at();
        let count = reader.array(Rule::Part)?;
        if !matches!(count, 3 | 5 | 15) {
            return Err(Invalid::at(offset, Rule::Part));
        }
        let disposition = Disposition(reader.u8(Rule::Disposition)?);
        let language = Text(reader.skip_text(Rule::Language)?);
        let cardinality = reader.unsigned(3, Rule::Cardinality)?;
        let body = match (cardinality, count) {
            (0, 3) => Body::Null,
            (1, 5) => Body::Single(Single {
                content_type: Text(reader.skip_text(Rule::ContentType)?),
                content: reader.bytes(Rule::Content)?,
            }),
            (2, 15) => Body::External(External::read(reader)?),
            (3, 5) => Body::Multi(Multi::read(reader, index)?),
            _ => return Err(Invalid::at(offset, Rule::Part)),
        };
        Ok(Self { index, offset, disposition, language, body })
    }

    /// The parts that follow directly inside it.
    const fn inside(&self) -> usize {
        match self.body {
            Body::Multi(multi) => multi.count,
            Body::Null | Body::Single(_) | Body::External(_) => 0,
        }
    }
}

/// What is in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Nothing: the message deletes or unlikes what it replaces.
    Null,
    /// The content itself.
    Single(Single<'a>),
    /// A reference to content elsewhere.
    External(External<'a>),
    /// More parts.
    Multi(Multi<'a>),
}

/// Octets that were found to be UTF-8 when the message was decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl<'a> Text<'a> {
    pub(super) fn get(self) -> &'a str {
        std::str::from_utf8(self.0).unwrap_or_default()
    }
}

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// Content that is in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Single<'a> {
    content_type: Text<'a>,
    content: &'a [u8],
}

impl<'a> Single<'a> {
    /// Its media type, with parameters.
    #[must_use]
    pub fn content_type(&self) -> &'a str {
        self.content_type.get()
    }

    /// Its octets.
    #[must_use]
    pub const fn content(&self) -> &'a [u8] {
        self.content
    }
}

/// Parts in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multi<'a> {
    semantics: Semantics,
    count: usize,
    first: usize,
    reader: Inside<'a>,
}

impl<'a> Multi<'a> {
    #[inline(always)]
    fn read(reader: &mut Reader<'a>, index: usize) -> Result<Self, Invalid> {
        let semantics = match reader.unsigned(2, Rule::Semantics)? {
            0 => Semantics::ChooseOne,
            1 => Semantics::SingleUnit,
            _ => Semantics::ProcessAll,
        };
        let at = reader.at();
        let count = reader.array(Rule::Parts)?;
        if count < 2 {
            return Err(Invalid::at(at, Rule::PartsFew));
        }
        Ok(Self { semantics, count, first: index + 1, reader: Inside(*reader) })
    }

    /// How the parts belong together.
    #[must_use]
    pub const fn semantics(&self) -> Semantics {
        self.semantics
    }

    /// The parts directly inside, in order.
    #[must_use]
    pub const fn parts(&self) -> Parts<'a> {
        Parts { reader: self.reader.0, index: self.first, left: self.count }
    }
}

/// The place where the parts of a multi part begin. Two are equal if they hold the same bytes from there on.
#[derive(Clone, Copy, Debug)]
struct Inside<'a>(Reader<'a>);

impl PartialEq for Inside<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.rest() == other.0.rest()
    }
}

impl Eq for Inside<'_> {}

/// The parts directly inside a multi part, or the root alone.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    reader: Reader<'a>,
    index: usize,
    left: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        self.left = self.left.checked_sub(1)?;
        // All was read once when the message was decoded, so reading it again succeeds.
        let part = Part::read(&mut self.reader, self.index).ok()?;
        self.index += 1;
        let mut inside = part.inside();
        while inside > 0 {
            inside += Part::read(&mut self.reader, self.index).ok()?.inside();
            inside -= 1;
            self.index += 1;
        }
        Some(part)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Parts<'_> {}

/// All parts of a message, depth first: in the order of [`Part::index`].
#[derive(Clone, Debug)]
pub struct AllParts<'a> {
    reader: Reader<'a>,
    index: usize,
    left: usize,
}

impl<'a> AllParts<'a> {
    pub(super) const fn new(reader: Reader<'a>, count: usize) -> Self {
        Self { reader, index: 0, left: count }
    }
}

impl<'a> Iterator for AllParts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        self.left = self.left.checked_sub(1)?;
        let part = Part::read(&mut self.reader, self.index).ok()?;
        self.index += 1;
        Some(part)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for AllParts<'_> {}

/// Walks over the root part and all parts inside, with the limits of levels and number. Returns their number.
pub(super) fn walk(reader: &mut Reader<'_>) -> Result<usize, Invalid> {
    // Parts that are still to come on each level above the innermost.
    let mut above = [0; PART_LEVELS];
    let mut level = 0;
    let mut here = 1;
    let mut read = 0;
    let mut announced = 1;
    loop {
        let at = reader.at();
        let inside = Part::read(reader, read)?.inside();
        read += 1;
        here -= 1;
        if inside > 0 {
            level += 1;
            let Some(outer) = above.get_mut(level).filter(|_| level < PART_LEVELS) else {
                return Err(Invalid::at(reader.at(), Rule::PartDepth));
            };
            announced += inside;
            if announced > PARTS {
                return Err(Invalid::at(at, Rule::PartCount));
            }
            *outer = here;
            here = inside;
        }
        while here == 0 {
            if level == 0 {
                return Ok(read);
            }
            here = above.get(level).copied().unwrap_or_default();
            level -= 1;
        }
    }
}
