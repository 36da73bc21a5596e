//! Media types that MIMI names (content, section 7), and how they compare.

/// The container itself.
pub const CONTENT: &str = "application/mimi-content";
/// A status report; see [`status`](super::status).
pub const STATUS: &str = "application/mimi-message-status";
/// Plain text.
pub const PLAIN: &str = "text/plain;charset=utf-8";
/// GitHub Flavored Markdown without HTML; see [`markdown`](super::markdown).
pub const MARKDOWN: &str = "text/markdown;variant=GFM-MIMI";
/// HTML.
pub const HTML: &str = "text/html;charset=utf-8";

/// What every client can receive (content, section 7.1).
pub const REQUIRED: [&str; 3] = [CONTENT, PLAIN, MARKDOWN];

/// Whether two media types are the same: type, subtype and parameter names in any case, parameters in any order.
///
/// Parameter values are compared as they stand, but those of `charset` and `variant` in any case.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    let parameters = |media: &'_ str| -> Vec<(String, String)> {
        let mut parameters: Vec<_> = media.split(';').skip(1).filter_map(parameter).collect();
        parameters.sort();
        parameters
    };
    essence(one).eq_ignore_ascii_case(essence(other)) && parameters(one) == parameters(other)
}

/// Type and subtype, without parameters.
#[must_use]
pub fn essence(media: &str) -> &str {
    media.split(';').next().unwrap_or_default().trim()
}

fn parameter(parameter: &str) -> Option<(String, String)> {
    let (name, value) = parameter.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    let value = value.trim().trim_matches('"');
    let value = if matches!(&*name, "charset" | "variant") {
        value.to_ascii_lowercase()
    } else {
        value.to_owned()
    };
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_compare_by_meaning() {
        assert!(same(PLAIN, "Text/Plain; Charset=\"UTF-8\""));
        assert!(same(MARKDOWN, "text/markdown; variant=gfm-mimi"));
        assert!(!same(MARKDOWN, "text/markdown;variant=CommonMark"));
        assert!(!same(PLAIN, "text/plain"));
        assert_eq!(essence("image/png; q=1"), "image/png");
    }
}
