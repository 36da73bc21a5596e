//! Which parts to show, and in what order (content, section 4.4).
//!
//! The receiver first chooses among alternatives by its own policy, then goes through what is left in order, and
//! skips each part that one before it refers to with a `cid:N@local.invalid` URI, for that one shows it itself.
//!
//! Alternatives can show different people different things (content, section 9.5): [`Message::parts`] has them all.

use std::collections::BTreeSet;

use super::{Body, Message, Part, Semantics, media};

/// How well a part suits the receiver: the higher the better. `None` if it cannot be shown at all.
pub type Score = Option<u32>;

/// What is to be shown of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The parts to show, one after the other. None is a multi part.
    pub shown: Vec<Part<'a>>,
    /// The parts that one of `shown` refers to, which shows them itself.
    pub embedded: Vec<Part<'a>>,
    /// The parts that would be shown if they could be.
    pub unsupported: Vec<Part<'a>>,
}

impl<'a> Message<'a> {
    /// The parts to show, given how well each single, external or null part suits the receiver; [`Taste`] tells that
    /// for the usual case.
    ///
    /// Of a `chooseOne` the best part is taken, the first of equals. A `singleUnit` is shown if all of it can be
    /// (C-033), and is as good as its worst part. A `processAll` is shown as far as possible (C-034), and is as good
    /// as its best part.
    pub fn choose(&self, score: impl Fn(&Part<'a>) -> Score) -> Choice<'a> {
        let mut chosen = Vec::new();
        let mut choice = Choice::default();
        collect(&self.body(), &score, &mut chosen, &mut choice.unsupported);
        let mut referenced = BTreeSet::new();
        for part in chosen {
            if referenced.contains(&part.index()) {
                choice.embedded.push(part);
                continue;
            }
            // Only single and external parts can be referred to, and only they are in the list.
            referenced.extend(part.references());
            choice.shown.push(part);
        }
        choice
    }
}

/// How well a part suits, with all that is in it. No deeper than four levels.
fn rate<'a>(part: &Part<'a>, score: &impl Fn(&Part<'a>) -> Score) -> Score {
    let Body::Multi(multi) = part.body() else { return score(part) };
    let scores = multi.parts().map(|part| rate(&part, score));
    match multi.semantics() {
        Semantics::ChooseOne | Semantics::ProcessAll => scores.flatten().max(),
        Semantics::SingleUnit => scores.min().flatten(),
    }
}

/// Appends the parts to show, and those that cannot be. No deeper than four levels.
fn collect<'a>(
    part: &Part<'a>,
    score: &impl Fn(&Part<'a>) -> Score,
    chosen: &mut Vec<Part<'a>>,
    unsupported: &mut Vec<Part<'a>>,
) {
    let Body::Multi(multi) = part.body() else {
        let list = if score(part).is_some() { chosen } else { unsupported };
        list.push(*part);
        return;
    };
    if rate(part, score).is_none() {
        unsupported.push(*part);
        return;
    }
    match multi.semantics() {
        Semantics::ChooseOne => {
            // The last of equals wins in `max_by_key`, so the parts are turned round.
            let mut parts: Vec<_> = multi.parts().collect();
            parts.reverse();
            if let Some(best) = parts.iter().max_by_key(|part| rate(part, score)) {
                collect(best, score, chosen, unsupported);
            }
        }
        Semantics::SingleUnit | Semantics::ProcessAll => {
            multi.parts().for_each(|part| collect(&part, score, chosen, unsupported));
        }
    }
}

impl<'a> Part<'a> {
    /// The indices of the parts that its text refers to as `cid:N@local.invalid`, in order.
    ///
    /// Only the content of a single part of a text type is looked at. Whether there is such a part, and whether it may
    /// be referred to, is in [`Part::can_be_referenced`].
    pub fn references(&self) -> impl Iterator<Item = usize> + use<'a> {
        let content = match self.body() {
            Body::Single(single) if is_text(single.content_type()) => single.content(),
            Body::Single(_) | Body::Null | Body::External(_) | Body::Multi(_) => &[],
        };
        References { rest: content, before: b' ' }
    }
}

fn is_text(content_type: &str) -> bool {
    let essence = media::essence(content_type);
    essence.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"))
        || essence.eq_ignore_ascii_case("application/xhtml+xml")
}

const SCHEME: &[u8] = b"cid:";
const HOST: &[u8] = b"@local.invalid";

/// The URI that refers to the part with this index, a single or external part.
#[must_use]
pub fn content_id(index: usize) -> String {
    format!("cid:{index}@local.invalid")
}

struct References<'a> {
    rest: &'a [u8],
    before: u8,
}

impl Iterator for References<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while let Some((&first, after)) = self.rest.split_first() {
            let here = self.rest;
            let before = std::mem::replace(&mut self.before, first);
            self.rest = after;
            let starts = !(before.is_ascii_alphanumeric() || matches!(before, b'+' | b'-' | b'.'));
            if first.eq_ignore_ascii_case(&b'c')
                && starts
                && let Some(index) = reference(here)
            {
                return Some(index);
            }
        }
        None
    }
}

/// The index in a content ID that starts here.
fn reference(text: &[u8]) -> Option<usize> {
    let rest = strip(text, SCHEME)?;
    let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let rest = strip(rest, HOST)?;
    // A longer host is another one.
    let longer = match rest {
        [b'.', next, ..] => next.is_ascii_alphanumeric(),
        [next, ..] => next.is_ascii_alphanumeric() || *next == b'-',
        [] => false,
    };
    if longer
        || number.is_empty()
        || number.len() > 4
        || (number.len() > 1 && number.first() == Some(&b'0'))
    {
        return None;
    }
    Some(number.iter().fold(0, |index, digit| index * 10 + usize::from(digit - b'0')))
}

fn strip<'t>(text: &'t [u8], start: &[u8]) -> Option<&'t [u8]> {
    let (head, rest) = text.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}

/// What a receiver likes: media types it can show and languages its user reads, best first.
///
/// Which media types an app can show is its own affair. The draft recommends CommonMark, `text/html`, `image/jpeg` and
/// `image/png` beside those that every client receives (C-082).
///
/// The media type counts before the language. A part in another language is still better than none (C-038), and a
/// part that names no language stands between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taste<'t> {
    media: Vec<&'t str>,
    languages: Vec<&'t str>,
}

impl<'t> Taste<'t> {
    /// For these media types, with the parameters that they need, and no language.
    ///
    /// A type without parameters takes all parameters; `image/*` takes all images.
    #[must_use]
    pub fn new(media: impl IntoIterator<Item = &'t str>) -> Self {
        Self { media: media.into_iter().collect(), languages: Vec::new() }
    }

    /// The same taste for these languages: tags such as `en`, which takes `en-GB` too.
    #[must_use]
    pub fn languages(mut self, languages: impl IntoIterator<Item = &'t str>) -> Self {
        self.languages = languages.into_iter().collect();
        self
    }

    /// How well a part suits. A null part always does, and nothing is worse. An external part without a media type is
    /// a service, which suits as the last of all types.
    #[must_use]
    pub fn score(&self, part: &Part<'_>) -> Score {
        let Some(content_type) = part.content_type() else { return Some(0) };
        let worst = self.media.len();
        let place = match part.body() {
            Body::External(external) if external.content_type().is_empty() => worst,
            Body::Null | Body::Single(_) | Body::External(_) | Body::Multi(_) => {
                self.media.iter().position(|range| takes(range, content_type))?
            }
        };
        let media = u32::try_from(worst - place).unwrap_or(u32::MAX >> 16).min(u32::MAX >> 16);
        Some(media << 16 | self.score_language(part))
    }

    fn score_language(&self, part: &Part<'_>) -> u32 {
        if part.languages().next().is_none() {
            return 1;
        }
        let best = part
            .languages()
            .filter_map(|tag| self.languages.iter().position(|range| speaks(range, tag)))
            .min();
        best.map_or(0, |place| {
            u32::try_from(self.languages.len() - place).unwrap_or(u32::MAX).min(0xfffe) + 1
        })
    }
}

fn takes(range: &str, content_type: &str) -> bool {
    if range.contains(';') {
        return media::same(range, content_type);
    }
    let essence = media::essence(content_type);
    match range.strip_suffix("/*") {
        Some(kind) => {
            essence.split('/').next().is_some_and(|found| found.eq_ignore_ascii_case(kind))
        }
        None => essence.eq_ignore_ascii_case(range),
    }
}

/// Basic filtering of language tags (RFC 4647, section 3.3.1).
fn speaks(range: &str, tag: &str) -> bool {
    match tag.split_at_checked(range.len()) {
        Some((start, rest)) => {
            start.eq_ignore_ascii_case(range) && (rest.is_empty() || rest.starts_with('-'))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Compose, Disposition, DraftExternal, DraftPart, MessageBuf, Salt};

    fn message(body: DraftPart<'_>) -> MessageBuf {
        Compose::new("s", "r").message(body).build(Salt([0; 16])).unwrap()
    }

    fn html(language: &'static str, text: &'static str) -> DraftPart<'static> {
        DraftPart::single(media::HTML, text.as_bytes()).language(language)
    }

    fn image(media: &'static str) -> DraftPart<'static> {
        DraftPart::single(media, &[0; 4][..]).disposition(Disposition::INLINE)
    }

    fn indices(parts: &[Part<'_>]) -> Vec<usize> {
        parts.iter().map(Part::index).collect()
    }

    /// The draft's multipart-3: GIF or PNG, each with English or French.
    fn nested() -> MessageBuf {
        let version = |english, french, media| {
            let texts = DraftPart::alternatives([html("en", english), html("fr", french)]);
            DraftPart::multi(Semantics::ProcessAll, [texts, image(media)])
        };
        message(DraftPart::alternatives([
            version("<img src='cid:5@local.invalid'>", "CID:5@LOCAL.INVALID", "image/gif"),
            version("cid:10@local.invalid", "cid:10@local.invalid", "image/png"),
        ]))
    }

    fn choose(message: &MessageBuf, taste: &Taste<'_>) -> [Vec<usize>; 3] {
        let choice = message.as_message().choose(|part| taste.score(part));
        [&choice.shown, &choice.embedded, &choice.unsupported].map(|parts| indices(parts))
    }

    #[test]
    fn one_of_the_alternatives_is_shown_and_what_it_embeds_is_not_shown_twice() {
        let taste = Taste::new(["image/png", "text/html", "image/gif"]).languages(["fr", "en"]);
        assert_eq!(choose(&nested(), &taste), [vec![9], vec![10], vec![]]);
        let taste = Taste::new(["text/html", "image/*"]).languages(["en"]);
        assert_eq!(choose(&nested(), &taste), [vec![3], vec![5], vec![]]);
        // Without a picture that can be shown, the text still is.
        let taste = Taste::new(["text/html"]);
        assert_eq!(choose(&nested(), &taste), [vec![3], vec![], vec![5]]);
        assert_eq!(choose(&nested(), &Taste::default()), [vec![], vec![], vec![0]]);
    }

    #[test]
    fn a_unit_is_shown_whole_or_not_at_all() {
        let unit = message(DraftPart::multi(
            Semantics::SingleUnit,
            [html("", "a"), image("image/x-unknown")],
        ));
        assert_eq!(choose(&unit, &Taste::new(["text/html"])), [vec![], vec![], vec![0]]);
        assert_eq!(
            choose(&unit, &Taste::new(["*/*", "text/html", "image/*"])),
            [vec![1, 2], vec![], vec![]]
        );
    }

    #[test]
    fn a_unit_among_alternatives_loses_to_what_can_be_shown() {
        let unit = DraftPart::multi(Semantics::SingleUnit, [html("", "a"), image("x/y")]);
        let either = message(DraftPart::alternatives([unit, DraftPart::text("plain")]));
        assert_eq!(
            choose(&either, &Taste::new(["text/html", "text/plain"])),
            [vec![4], vec![], vec![]]
        );
    }

    #[test]
    fn a_service_without_media_type_can_be_shown() {
        let part = DraftExternal::open("https://a", "b").part(Disposition::SESSION);
        assert_eq!(choose(&message(part), &Taste::default()), [vec![0], vec![], vec![]]);
    }

    #[test]
    fn references_are_found_and_only_they() {
        let found = |text: &'static str| -> Vec<usize> {
            message(html("", text)).as_message().body().references().collect()
        };
        assert_eq!(found("![a](cid:5@local.invalid) cid:12@local.invalid."), [5, 12]);
        assert_eq!(found("cid:0@local.invalid"), [0]);
        for none in [
            "cid:05@local.invalid",
            "cid:@local.invalid",
            "cid:5@local.invalid.example",
            "cid:5@local.invalidity",
            "acid:5@local.invalid",
            "cid:99999999999999999999@local.invalid",
            "cid:5@local",
        ] {
            assert_eq!(found(none), [] as [usize; 0], "{none}");
        }
        assert_eq!(content_id(5), "cid:5@local.invalid");
    }

    #[test]
    fn a_reference_to_a_multi_part_changes_nothing() {
        // C-040: part 2 is a multi part, so both of its parts are shown.
        let inner = DraftPart::multi(Semantics::ProcessAll, [html("", "b"), html("", "c")]);
        let outer =
            DraftPart::multi(Semantics::ProcessAll, [html("", "cid:2@local.invalid"), inner]);
        assert_eq!(
            choose(&message(outer), &Taste::new(["text/html"])),
            [vec![1, 3, 4], vec![], vec![]]
        );
    }
}
