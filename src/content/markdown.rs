//! GFM-MIMI: GitHub Flavored Markdown without HTML (content, section 7.1.1).
//!
//! Of GFM's extensions there are tables, task lists and strikethrough; bare addresses are no links. No HTML is ever
//! sent: [`without_html`] escapes it, [`DraftPart::markdown`] calls that. HTML that is received is text: treat
//! [`Event::Html`] and its inline kin as such, or use [`plain`] for an app that shows no
//! formatting.

use std::{borrow::Cow, ops::Range};

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

use super::{
    Compose, Draft, DraftPart,
    link::{LinkWarning, warnings},
    media,
};

/// The extensions of GFM that GFM-MIMI has (C-085).
#[must_use]
pub fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH
}

/// A parser of GFM-MIMI. Its HTML events have to be shown as text (C-084).
#[must_use]
pub fn parser(source: &str) -> Parser<'_> {
    Parser::new_ext(source, options())
}

/// Where HTML is in a source.
fn html(source: &str) -> Vec<Range<usize>> {
    parser(source)
        .into_offset_iter()
        .filter_map(|(event, range)| {
            matches!(event, Event::Html(_) | Event::InlineHtml(_)).then_some(range)
        })
        .collect()
}

/// Whether a source holds HTML: then it must not be sent as it is.
#[must_use]
pub fn has_html(source: &str) -> bool {
    parser(source).any(|event| matches!(event, Event::Html(_) | Event::InlineHtml(_)))
}

/// Rounds after which every `<` is escaped, code or not. Each one takes the HTML away that the one before uncovered.
const ROUNDS: usize = 8;

/// The source with `&lt;` for each `<` that would open an HTML tag, a comment, a processing instruction, a
/// declaration or a CDATA section. Code and links in angle brackets stay as they are.
#[must_use]
pub fn without_html(source: &str) -> Cow<'_, str> {
    let mut safe = Cow::Borrowed(source);
    for _ in 0..ROUNDS {
        let ranges = html(&safe);
        if ranges.is_empty() {
            return safe;
        }
        let mut escaped = String::with_capacity(safe.len() + 3 * ranges.len());
        let mut end = 0;
        for range in ranges {
            escaped.push_str(safe.get(end..range.start).unwrap_or_default());
            escaped.push_str(&safe.get(range.clone()).unwrap_or_default().replace('<', "&lt;"));
            end = range.end;
        }
        escaped.push_str(safe.get(end..).unwrap_or_default());
        safe = Cow::Owned(escaped);
    }
    if has_html(&safe) { Cow::Owned(safe.replace('<', "&lt;")) } else { safe }
}

/// The text without formatting, for those who show none: paragraphs apart, list items with a dash, the target of a
/// link behind its text. HTML stands as it was written.
#[must_use]
pub fn plain(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut link: Option<(usize, String)> = None;
    let break_line = |text: &mut String| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
    };
    for event in parser(source) {
        match event {
            Event::Text(part)
            | Event::Code(part)
            | Event::Html(part)
            | Event::InlineHtml(part)
            | Event::InlineMath(part)
            | Event::DisplayMath(part)
            | Event::FootnoteReference(part) => text.push_str(&part),
            Event::SoftBreak | Event::HardBreak => text.push('\n'),
            Event::Rule => {
                break_line(&mut text);
                text.push_str("---\n");
            }
            Event::TaskListMarker(done) => text.push_str(if done { "[x] " } else { "[ ] " }),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                link = Some((text.len(), dest_url.into_string()));
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                if let Some((start, target)) = link.take()
                    && text.get(start..).is_some_and(|shown| shown != target)
                {
                    text.push_str(&format!(" ({target})"));
                }
            }
            Event::Start(Tag::Item) => {
                break_line(&mut text);
                text.push_str("- ");
            }
            Event::End(TagEnd::TableCell) => text.push('\t'),
            Event::Start(Tag::Paragraph | Tag::Heading { .. }) if text.ends_with("- ") => {}
            Event::Start(
                Tag::Paragraph
                | Tag::Heading { .. }
                | Tag::CodeBlock(_)
                | Tag::HtmlBlock
                | Tag::TableRow,
            ) => break_line(&mut text),
            Event::End(
                TagEnd::Paragraph
                | TagEnd::Heading(_)
                | TagEnd::Item
                | TagEnd::TableHead
                | TagEnd::TableRow
                | TagEnd::CodeBlock,
            ) => break_line(&mut text),
            Event::Start(_) | Event::End(_) => {}
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// A link in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub target: String,
    /// What is shown for it, without formatting.
    pub text: String,
    /// Where it stands in the source, in octets.
    pub range: Range<usize>,
    /// Whether it is an image, which would be fetched without anyone following it.
    pub image: bool,
}

impl Link {
    /// Why the user has to be asked before it is followed.
    #[must_use]
    pub fn warnings(&self) -> Vec<LinkWarning> {
        warnings(&self.text, &self.target)
    }
}

/// All links and images in a source, in order.
#[must_use]
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's events are not ours to list")]
pub fn links(source: &str) -> Vec<Link> {
    let mut links = Vec::new();
    // Images may stand in links, and links in the text of images.
    let mut open: Vec<Link> = Vec::new();
    for (event, range) in parser(source).into_offset_iter() {
        match event {
            Event::Start(tag @ (Tag::Link { .. } | Tag::Image { .. })) => {
                let image = matches!(tag, Tag::Image { .. });
                let (Tag::Link { link_type, dest_url, .. }
                | Tag::Image { link_type, dest_url, .. }) = tag
                else {
                    continue;
                };
                let target = match link_type {
                    LinkType::Email => format!("mailto:{dest_url}"),
                    _ => dest_url.into_string(),
                };
                open.push(Link { target, text: String::new(), range, image });
            }
            Event::End(TagEnd::Link | TagEnd::Image) => links.extend(open.pop()),
            Event::Text(part) | Event::Code(part) | Event::InlineHtml(part) => {
                open.iter_mut().for_each(|link| link.text.push_str(&part));
            }
            Event::SoftBreak | Event::HardBreak => {
                open.iter_mut().for_each(|link| link.text.push(' '));
            }
            _ => {}
        }
    }
    links.sort_by_key(|link| link.range.start);
    links
}

/// The links to users who have a member in the group: what the draft calls mentions (C-054).
///
/// `is_participant` is asked about the target of each link, octet for octet. Show the user as the local policy has it,
/// not as [`Link::text`] says: that is only its sender's hint (C-109).
#[must_use]
pub fn mentions(source: &str, is_participant: impl Fn(&str) -> bool) -> Vec<Link> {
    let mut links = links(source);
    links.retain(|link| !link.image && is_participant(&link.target));
    links
}

impl<'a> DraftPart<'a> {
    /// Formatted text, without HTML: see [`without_html`].
    #[must_use]
    pub fn markdown(source: &'a str) -> Self {
        let content = match without_html(source) {
            Cow::Borrowed(safe) => Cow::Borrowed(safe.as_bytes()),
            Cow::Owned(safe) => Cow::Owned(safe.into_bytes()),
        };
        Self::single(media::MARKDOWN, content)
    }
}

impl<'a> Compose<'a> {
    /// Formatted text, without HTML.
    #[must_use]
    pub fn markdown(&self, source: &'a str) -> Draft<'a> {
        self.message(DraftPart::markdown(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_html_is_sent() {
        // C-084: open and closing tags, comments, processing instructions, declarations, CDATA; in a line and alone.
        for source in [
            "<script>alert(1)</script>",
            "a <b>bold</b> word",
            "x <!-- comment --> y",
            "<!-- a\n\nb -->",
            "x <?php echo 1 ?> y",
            "<!DOCTYPE html>",
            "x <![CDATA[ a ]]> y",
            "<div>\n*a* <span onclick='x'>b</span>\n</div>\n\n<p>c",
            "- <img src=x onerror=y>",
            "> <a href=\"javascript:x\">y</a>",
            "| a |\n| - |\n| <b>c</b> |",
            "<div\n<div>",
            "[<b>](https://a)",
        ] {
            let safe = without_html(source);
            assert!(has_html(source), "{source}");
            assert!(!has_html(&safe), "{safe}");
            assert_eq!(safe.replace("&lt;", "<"), source);
        }
    }

    #[test]
    fn code_and_links_in_angle_brackets_stay() {
        for source in [
            "`<b>`",
            "```\n<script>\n```",
            "    <div>",
            "<https://example.com>",
            "<mimi://example.com/u/alice-smith>",
            "1 < 2 and 3 <4",
            "**bold** ~~no~~",
        ] {
            assert_eq!(without_html(source), source);
            assert!(matches!(without_html(source), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn only_the_extensions_of_gfm_mimi_are_known() {
        assert_eq!(links("see www.example.com or https://example.com"), []);
        let footnote = "a[^1]\n\n[^1]: b";
        assert!(!parser(footnote).any(|event| matches!(event, Event::FootnoteReference(_))));
        assert!(parser("| a |\n| - |").any(|event| matches!(event, Event::Start(Tag::Table(_)))));
        assert!(parser("- [x] a").any(|event| matches!(event, Event::TaskListMarker(true))));
        assert!(parser("~~a~~").any(|event| matches!(event, Event::Start(Tag::Strikethrough))));
    }

    #[test]
    fn plain_text_is_what_the_words_say() {
        let source = "# Title\n\nHi **all**,\nsee [here](https://a.example) and <https://b.example>.\n\n- one\n- [x] two\n\n`code` <b>x</b>";
        assert_eq!(
            plain(source),
            "Title\nHi all,\nsee here (https://a.example) and https://b.example.\n- one\n- [x] two\ncode <b>x</b>"
        );
    }

    #[test]
    fn a_mention_is_a_link_to_a_participant() {
        let alice = "mimi://example.com/u/alice-smith";
        // The four examples of section 9.6.
        for source in [
            "<mimi://example.com/u/alice-smith>",
            "[mimi://example.com/u/alice-smith](mimi://example.com/u/alice-smith)",
            "[@AliceSmith](mimi://example.com/u/alice-smith)",
            "[Alice](mimi://example.com/u/alice-smith)",
        ] {
            let found = mentions(source, |uri| uri == alice);
            assert_eq!(found.len(), 1, "{source}");
            assert_eq!(found[0].target, alice);
            assert_eq!(mentions(source, |_| false), []);
        }
        let spoofed = mentions("[Bob](mimi://example.com/u/alice-smith)", |uri| uri == alice);
        assert_eq!((&*spoofed[0].text, &*spoofed[0].target), ("Bob", alice));
        assert_eq!(mentions("![x](mimi://example.com/u/alice-smith)", |_| true), []);
    }

    #[test]
    fn links_are_found_with_their_text_and_their_tricks() {
        let source =
            "[**https://example.com**](https://evil.example) ![i](https://t.example/p.gif)";
        let found = links(source);
        assert_eq!(found[0].text, "https://example.com");
        assert_eq!(found[0].warnings(), [LinkWarning::OtherAddress]);
        assert_eq!(
            &source[found[0].range.clone()],
            "[**https://example.com**](https://evil.example)"
        );
        assert!(found[1].image);
    }

    #[test]
    fn a_message_with_markdown_is_safe() {
        let part = DraftPart::markdown("<b>x</b>");
        assert_eq!(part, DraftPart::single(media::MARKDOWN, &b"&lt;b>x&lt;/b>"[..]));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_holds_no_html_afterwards(source in "[<>!?/a-c =\"'`*\\[\\]()&\n-]{0,60}") {
            let safe = without_html(&source);
            proptest::prop_assert!(!has_html(&safe), "{safe:?}");
        }

        /// R-196: the verdict on links is found without this parser, and misses nothing that it sees.
        #[test]
        fn no_link_escapes_the_judgement_without_a_parser(
            source in r"([\[\]()<>!`\\ \n:#*_'a-c.@/-]|\]\(|\]:|> |https:|&#58;|cid:|x@y|\[a\]){0,24}"
        ) {
            let judged = super::super::link::targets(&source).next().is_some();
            let leads = |link: &Link| {
                link.target.contains([':', '.', '/']) && !link.target.starts_with("cid:")
            };
            let seen: Vec<Link> = links(&source).into_iter().filter(leads).collect();
            proptest::prop_assert!(judged || seen.is_empty(), "{source:?}: {seen:?}");
        }
    }
}
