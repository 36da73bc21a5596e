//! The grammar of the path, RFC 3986 with one spelling for each name.

use super::UriError;

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Whether an octet stands for itself in a segment: `pchar` of RFC 3986 without percent-encoding.
const fn is_literal(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'-' | b'.' | b'_' | b'~' // unreserved
            | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' // sub-delims
            | b':' | b'@'
        )
}

/// Checks the segments behind the kind.
pub(super) fn check_name(name: &[u8]) -> Result<(), UriError> {
    name.split(|&octet| octet == b'/').try_for_each(check_segment)
}

fn check_segment(segment: &[u8]) -> Result<(), UriError> {
    match segment {
        b"" => return Err(UriError::EmptySegment),
        b"." | b".." => return Err(UriError::DotSegment),
        // Nearly every name; and a list has a hundred thousand of them.
        plain if plain.iter().copied().all(is_literal) => return Ok(()),
        _ => {}
    }
    let mut text = Vec::with_capacity(segment.len());
    let mut octets = segment.iter().copied();
    while let Some(octet) = octets.next() {
        text.push(match octet {
            b'%' => match (octets.next().and_then(digit), octets.next().and_then(digit)) {
                (Some(high), Some(low)) => match high << 4 | low {
                    escaped if is_literal(escaped) => {
                        return Err(UriError::NeedlessEscape(escaped));
                    }
                    escaped => escaped,
                },
                _ => return Err(UriError::Escape),
            },
            b'?' => return Err(UriError::Query),
            b'#' => return Err(UriError::Fragment),
            literal if is_literal(literal) => literal,
            other => return Err(UriError::Octet(other)),
        });
    }
    match std::str::from_utf8(&text) {
        Ok(text) if !text.chars().any(char::is_control) => Ok(()),
        _ => Err(UriError::EscapedText),
    }
}

/// The value of an upper-case hexadecimal digit.
const fn digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

/// Writes any text as one segment of a name, for the `new` of the URI types.
///
/// Control characters are encoded too, but no URI may hold them: `new` refuses them, as it does the empty text,
/// `.` and `..`.
///
/// ```
/// use openmimi::uri::{Domain, UserUri, escape};
/// let domain = Domain::parse("a.example")?;
/// let user = UserUri::new(&domain, escape("a/b é"))?;
/// assert_eq!(user.as_str(), "mimi://a.example/u/a%2Fb%20%C3%A9");
/// # Ok::<(), openmimi::uri::UriError>(())
/// ```
#[must_use]
pub fn escape(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for octet in text.bytes() {
        if is_literal(octet) {
            segment.push(char::from(octet));
        } else {
            segment.push('%');
            for nibble in [octet >> 4, octet & 0xF] {
                segment.extend(UPPER_HEX.get(usize::from(nibble)).copied().map(char::from));
            }
        }
    }
    segment
}
