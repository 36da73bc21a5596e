//! Links that pretend (content, section 9.6): text and target of a link, compared as a reader would; and where links
//! may lead, found without a parser.

use std::borrow::Cow;

/// Why a user has to be asked before a link is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LinkWarning {
    /// The text is an address, and the target is another one.
    OtherAddress,
    /// The text is no address, and so says nothing about the target.
    OtherText,
    /// The text says https, the target is plain http.
    Downgrade,
    /// A name in front of the host: `https://bank.example@evil.example`.
    Userinfo,
    /// A host with letters that are not ASCII, plainly or as `xn--`: it may look like another one.
    LookAlike,
    /// Characters that change the direction of the text, in the text or in the target.
    Bidi,
    /// Characters that cannot be seen, in the text or in the target.
    Invisible,
    /// A target that runs something rather than leads somewhere: `javascript:`, `data:` and their kin.
    Script,
}

/// What is wrong with a link from `text` to `target`; nothing, if the user need not be asked.
///
/// Nothing is wrong if both are the same, or are so with the scheme left out, its port written, or the host in other
/// letters (C-107). A link to a user who is in the room is a mention, and is not to be asked here.
#[must_use]
pub fn warnings(text: &str, target: &str) -> Vec<LinkWarning> {
    let mut warnings = Vec::new();
    let text = text.trim();
    let followed = as_followed(target);
    let real = Address::parse(&followed);
    if text != target {
        match (Address::parse(text), &real) {
            (Some(shown), Some(real)) => {
                if shown.scheme == Some("https") && real.scheme == Some("http") {
                    warnings.push(LinkWarning::Downgrade);
                }
                if !shown.leads_to(real) {
                    warnings.push(LinkWarning::OtherAddress);
                }
            }
            (Some(_), None) => warnings.push(LinkWarning::OtherAddress),
            (None, _) => warnings.push(LinkWarning::OtherText),
        }
    }
    if real.as_ref().is_some_and(|real| real.userinfo) {
        warnings.push(LinkWarning::Userinfo);
    }
    if [Address::parse(text), real].iter().flatten().any(Address::looks_alike) {
        warnings.push(LinkWarning::LookAlike);
    }
    if text.chars().chain(target.chars()).any(is_bidi) {
        warnings.push(LinkWarning::Bidi);
    }
    if text.chars().chain(target.chars()).any(is_invisible) {
        warnings.push(LinkWarning::Invisible);
    }
    if runs(target) {
        warnings.push(LinkWarning::Script);
    }
    warnings
}

/// Whether a character changes the direction of the text around it.
#[must_use]
pub const fn is_bidi(character: char) -> bool {
    matches!(
        character,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Whether a character takes no room and is not needed in an address: zero-width ones and control characters.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00ad}'
                | '\u{034f}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200d}'
                | '\u{2060}'..='\u{2064}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The schemes whose targets run in the place that shows them.
fn runs(target: &str) -> bool {
    // Those who show links skip white space and control characters within the scheme.
    let scheme: String = target
        .chars()
        .filter(|character| !character.is_whitespace() && !character.is_control())
        .take_while(|character| *character != ':')
        .collect();
    ["javascript", "vbscript", "data", "file", "blob"]
        .iter()
        .any(|bad| scheme.eq_ignore_ascii_case(bad))
}

/// A target as those who follow links read it (URL Standard): without what cannot be seen around it, and without tabs and
/// line feeds in it.
fn as_followed(target: &str) -> Cow<'_, str> {
    let target = target.trim_matches(|it: char| it.is_whitespace() || it.is_control());
    if target.contains(LEFT_OUT) {
        Cow::Owned(target.replace(LEFT_OUT, ""))
    } else {
        Cow::Borrowed(target)
    }
}

const LEFT_OUT: [char; 3] = ['\t', '\n', '\r'];

/// An address of the web, as people write it: `https://example.com:443/a` or `example.com/a`.
struct Address<'a> {
    /// In lower case: one of two.
    scheme: Option<&'static str>,
    userinfo: bool,
    host: &'a str,
    port: Option<&'a str>,
    rest: &'a str,
}

impl<'a> Address<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, after) = match text.split_once("://") {
            Some((scheme, after)) if scheme.eq_ignore_ascii_case("https") => (Some("https"), after),
            Some((scheme, after)) if scheme.eq_ignore_ascii_case("http") => (Some("http"), after),
            Some(_) => return None,
            None => (None, text),
        };
        let end = after.find(['/', '?', '#', '\\']).unwrap_or(after.len());
        let (authority, rest) = after.split_at_checked(end)?;
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((_, host)) => (true, host),
            None => (false, authority),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => {
                (host, Some(port).filter(|port| !port.is_empty()))
            }
            _ => (authority, None),
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        // Without a scheme, only what has a dot between two labels is taken for an address.
        let unfit = |it: char| it.is_whitespace() || it.is_control();
        let named = host.split('.').all(|label| !label.is_empty() && !label.contains(unfit));
        let dotted = host.contains('.') && named && !userinfo;
        (if scheme.is_some() { named } else { dotted }).then_some(Self {
            scheme,
            userinfo,
            host,
            port,
            rest,
        })
    }

    fn looks_alike(&self) -> bool {
        let encoded =
            |label: &str| label.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("xn--"));
        !self.host.is_ascii() || self.host.split('.').any(encoded)
    }

    /// Whether whoever reads this address expects to get to `real`.
    fn leads_to(&self, real: &Self) -> bool {
        let scheme = self.scheme.or(real.scheme);
        let port = |address: &Self| match (address.port, scheme) {
            (Some("443"), Some("https")) | (Some("80"), Some("http")) => None,
            (port, _) => port.map(str::to_owned),
        };
        let path = |rest: &'_ str| if rest == "/" { String::new() } else { rest.to_owned() };
        // Without a scheme, people expect the secure one.
        scheme == real.scheme
            && (self.scheme.is_some() || real.scheme == Some("https"))
            && !real.userinfo
            && self.host.eq_ignore_ascii_case(real.host)
            && port(self) == port(real)
            && path(self.rest) == path(real.rest)
    }
}

/// Whatever a markdown parser may take for the target of a link or an image, and would lead out of the message: the
/// policy's judgement of links rests on it, with and without the feature `markdown`.
///
/// It never misses what a parser finds, and finds more: code and escaped brackets count as well, for where code ends
/// parsers do not agree. What leads nowhere (`[x](y)`) or to a part of the same message (`cid:`) does not count.
pub fn targets(source: &str) -> impl Iterator<Item = &str> {
    let inline = source.split("](").skip(1).map(|rest| destination(rest, |it| it == ')'));
    let defined = source.split("]:").skip(1).map(|rest| destination(rest, |_| false));
    let leads = |target: &&str| target.contains([':', '.', '/', '&', '\\', '(']);
    let bracketed = source.split('<').skip(1).map(|rest| until(rest, |it| it == '>'));
    let auto = bracketed.filter(|it| it.contains([':', '@']) && !it.contains(is_space));
    inline
        .chain(defined)
        .filter(leads)
        .chain(auto)
        .filter(|target| !target.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("cid:")))
}

/// The destination that a source begins with, at most up to where it `ends`. It may stand on the next line of a quote.
fn destination(source: &str, ends: impl Fn(char) -> bool) -> &str {
    let source = source.trim_start_matches(|it| is_space(it) || it == '>');
    match source.strip_prefix('<') {
        Some(bracketed) => until(bracketed, |it| it == '>'),
        None => until(source, |it| is_space(it) || ends(it)),
    }
}

const fn is_space(character: char) -> bool {
    character.is_ascii_whitespace()
}

fn until(source: &str, ends: impl Fn(char) -> bool) -> &str {
    source.split(ends).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{LinkWarning::*, *};

    #[test]
    fn the_same_address_needs_no_question() {
        // C-107: the draft's three examples, and their kin.
        for text in [
            "example.com/foobar",
            "https://example.com/foobar",
            "https://example.com:443/foobar",
            "HTTPS://Example.COM/foobar",
            " https://example.com./foobar ",
        ] {
            assert_eq!(warnings(text, "https://example.com/foobar"), [], "{text}");
        }
        assert_eq!(warnings("example.com", "https://example.com/"), []);
        assert_eq!(warnings("http://example.com:80", "http://example.com"), []);
    }

    #[test]
    fn another_address_or_a_lesser_scheme_is_asked_about() {
        // C-108: the draft's two examples.
        let shown = "https://example.com/foobar";
        assert_eq!(warnings(shown, "https://spearphishers.example/foobar"), [OtherAddress]);
        assert_eq!(warnings(shown, "http://example.com/foobar"), [Downgrade, OtherAddress]);
        assert_eq!(warnings("example.com", "http://example.com"), [OtherAddress]);
        assert_eq!(warnings("https://example.com:8443/", "https://example.com/"), [OtherAddress]);
        assert_eq!(warnings("https://example.com/a", "https://example.com/b"), [OtherAddress]);
        assert_eq!(warnings("https://example.com/Foo", "https://example.com/foo"), [OtherAddress]);
        assert_eq!(warnings("click here", "https://example.com/"), [OtherText]);
        assert_eq!(warnings("example.com", "mailto:a@example.com"), [OtherAddress]);
    }

    #[test]
    fn tricks_are_seen_even_where_text_and_target_agree() {
        for (address, expected) in [
            ("https://example.com@evil.example/", Userinfo),
            ("https://xn--exmple-cua.com/", LookAlike),
            ("https://ex\u{430}mple.com/", LookAlike),
            ("https://example.com/\u{202e}gpj.exe", Bidi),
            ("https://example.com/\u{200b}", Invisible),
        ] {
            assert_eq!(warnings(address, address), [expected], "{address}");
        }
        assert!(warnings("exam\u{2066}ple.com", "https://example.com").contains(&Bidi));
        // What is cut or left out when the link is followed hides nothing.
        for target in
            ["https://xn--e\n", "https://xn--\te", "https://\u{131}.example ", "\0\nxn--e.example"]
        {
            assert!(warnings("click here", target).contains(&LookAlike), "{target:?}");
        }
        for target in ["https://bank.example\t@evil.example", "https://bank.example@evil.example\n"]
        {
            assert!(warnings("click here", target).contains(&Userinfo), "{target:?}");
        }
        for target in ["javascript:alert(1)", "java\nscript:x", " DATA:text/html,x", "file:///etc"]
        {
            assert!(warnings("x", target).contains(&Script), "{target:?}");
        }
        let shown = "https://bank.example/login";
        let target = "https://bank.example@evil.example/login";
        assert_eq!(warnings(shown, target), [OtherAddress, Userinfo]);
        let backslash = "https://evil.example\\@bank.example/login";
        assert!(warnings(shown, backslash).contains(&OtherAddress));
    }

    fn found(source: &str) -> Vec<&str> {
        let mut found: Vec<&str> = targets(source).collect();
        found.dedup();
        found
    }

    #[test]
    fn r_196_targets_are_found_without_a_parser() {
        for source in [
            "[a](https://b.example)",
            "[a]( <https://b.example> \"title\")",
            "> [a](\n> https://b.example)",
            "![a](https://b.example)",
            "[![a](cid:1@local.invalid)](https://b.example)",
            "<https://b.example>",
            "[a][b]\n\n[b]: https://b.example",
            "> [b]:\n> https://b.example\n\n[b]",
            "`[a](https://b.example)`",
        ] {
            assert_eq!(found(source), ["https://b.example"], "{source}");
        }
        assert_eq!(found("<a@b.example>"), ["a@b.example"]);
        assert_eq!(found("[a](b\\)c.example)"), ["b\\"]);
        assert_eq!(found("[a](http&#58;//b.example)"), ["http&#58;//b.example"]);
        assert_eq!(found("[a](mimi://b.example/u/x)"), ["mimi://b.example/u/x"]);
        for source in [
            "https://b.example and www.b.example",
            "[a](b), handlers[i](event), [a](#b), [a]()",
            "![a](cid:0@local.invalid) [a](CID:1@local.invalid)",
            "if a < b.c && d > e: [x] (https://b.example)",
            "<b> <br/> <a href=\"https://b.example\">",
            "",
        ] {
            assert_eq!(found(source), [""; 0], "{source}");
        }
    }
}
