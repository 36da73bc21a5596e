//! Percent-encoding as the simple expansion of URI templates does it (RFC 6570, section 3.2.2): everything but
//! unreserved octets, in upper-case digits. So there is one encoding of each value, and only that one is read.

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";

/// `unreserved` of RFC 3986: what stands for itself.
const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// Appends `value` in the one form that [`decode`] reads.
pub(super) fn encode(out: &mut String, value: &str) {
    for octet in value.bytes() {
        if is_unreserved(octet) {
            out.push(char::from(octet));
        } else {
            out.push('%');
            for nibble in [octet >> 4, octet & 0xF] {
                out.extend(UPPER_HEX.get(usize::from(nibble)).copied().map(char::from));
            }
        }
    }
}

/// The value of which `text` is the encoding: none if `text` is not the encoding of anything, because an octet is
/// encoded without need, or in lower-case digits, or not although it should be.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut value = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        value.push(match octet {
            b'%' => {
                let escaped = digit(octets.next()?)? << 4 | digit(octets.next()?)?;
                if is_unreserved(escaped) {
                    return None;
                }
                escaped
            }
            literal if is_unreserved(literal) => literal,
            _ => return None,
        });
    }
    String::from_utf8(value).ok()
}

/// The value of an upper-case hexadecimal digit.
const fn digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}
