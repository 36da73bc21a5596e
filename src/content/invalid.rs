//! Why some bytes are not MIMI content: the rule they break, and where.

use std::fmt;

/// Bytes that are not what they should be.
///
/// Eight octets wide, so that the decoder passes it in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Invalid {
    offset: u32,
    rule: Rule,
}

impl Invalid {
    #[cold]
    #[inline(never)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "every decoder refuses inputs beyond `u32::MAX` first"
    )]
    pub(crate) const fn at(offset: usize, rule: Rule) -> Self {
        Self { offset: offset as u32, rule }
    }

    /// Octets of the input before the fault.
    #[must_use]
    pub const fn offset(self) -> usize {
        self.offset as usize
    }

    /// The rule that is broken.
    #[must_use]
    pub const fn rule(self) -> Rule {
        self.rule
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.rule, self.offset)
    }
}

impl std::error::Error for Invalid {}

/// Declares [`Rule`] with the name, the source and the words of each rule, side by side.
macro_rules! rules {
    ($($rule:ident, $name:literal, $source:literal, $words:literal;)*) => {
        /// A rule of encoding or structure. [`Rule::name`] is stable: test suites may rely on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = concat!("Broken by: ", $words, " (", $source, ").")] $rule,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)*];

            /// A stable name without spaces.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }

            /// Where the rule stands.
            #[must_use]
            pub const fn source(self) -> &'static str {
                match self { $(Self::$rule => $source,)* }
            }

            const fn words(self) -> &'static str {
                match self { $(Self::$rule => $words,)* }
            }
        }
    };
}

rules! {
    Truncated, "truncated", "RFC 8949, section 3", "the input ends too early";
    Trailing, "trailing", "RFC 8949, section 5.1", "something follows the end";
    TooLong, "too-long", "local limit", "more than 4 GiB";
    Reserved, "reserved", "RFC 8949, section 3", "a reserved head";
    Indefinite, "indefinite", "RFC 8949, section 4.2.1", "an indefinite length";
    NotShortest, "not-shortest", "RFC 8949, section 4.2.1", "a number or length not in its shortest form";
    FloatNotShortest, "float-not-shortest", "RFC 8949, section 4.2.1", "a float not in its shortest form";
    Nan, "nan", "content, section 6.2", "a NaN other than f97e00";
    Bignum, "bignum", "content, section 6.1", "a big integer that fits a plain one or is not in its shortest form";
    KeyOrder, "key-order", "RFC 8949, section 4.2.1", "map keys not in bytewise order";
    KeyTwice, "key-twice", "content, section 4.3", "a map key that stands twice";
    KeyType, "key-type", "content, section 6.2", "a map key of a type that is not allowed here";
    KeyRange, "key-range", "content, section 6.2", "an integer key beyond 2^53-1";
    KeyLength, "key-length", "content, section 4.3", "a text key of no or more than 255 octets";
    Utf8, "utf-8", "content, section 6.2", "text that is not UTF-8";
    ExtensionDepth, "extension-depth", "content, section 6.3", "extensions of more than 4 levels";
    Message, "message", "content, section 4.1", "a message that is not an array of 7";
    Salt, "salt", "content, section 4.1", "a salt that is not a byte string of 16 octets";
    Replaces, "replaces", "content, section 4.1", "replaces is neither null nor a byte string of 32 octets";
    InReplyTo, "in-reply-to", "content, section 4.1", "inReplyTo is neither null nor a byte string of 32 octets";
    HashAlgorithm, "hash-algorithm", "content, section 9.1", "a message ID of an unknown hash algorithm";
    Topic, "topic", "content, section 4.1", "a topicId that is not a byte string";
    TopicLength, "topic-length", "content, section 9.1", "a topicId of more than 4096 octets";
    Expires, "expires", "content, section 4.1", "expires is neither null nor [bool, uint32]";
    Extensions, "extensions", "content, section 4.3", "extensions that are not a map";
    SenderUri, "sender-uri", "content, section 4.3", "extension 1 (senderUri) is not text";
    RoomUri, "room-uri", "content, section 4.3", "extension 2 (roomUri) is not text";
    Part, "part", "content, section 4.4", "a part that is not an array of the length its cardinality asks for";
    PartDepth, "part-depth", "content, section 6.3", "parts of more than 4 levels";
    PartCount, "part-count", "content, section 9.1", "more than 1024 parts";
    Disposition, "disposition", "content, section 4.4", "a disposition that is not a number up to 255";
    Language, "language", "content, section 4.4", "a language that is not text";
    Cardinality, "cardinality", "content, section 4.4", "a cardinality that is not 0, 1, 2 or 3";
    ContentType, "content-type", "content, section 4.4", "a contentType that is not text";
    Content, "content", "content, section 4.4", "a content that is not a byte string";
    Semantics, "part-semantics", "content, section 9.1", "a partSemantics that is not 0, 1 or 2";
    Parts, "parts", "content, section 4.4", "parts that are not an array";
    PartsFew, "parts-few", "content, section 4.4", "a multi part of fewer than 2 parts";
    Url, "url", "content, section 4.5", "a url that is not text";
    UrlExpires, "url-expires", "content, section 4.5", "an expires of an external part that is not a uint32";
    Size, "size", "content, section 4.5", "a size that is not a uint64";
    EncAlg, "enc-alg", "content, section 4.5", "an encAlg that is not a uint16";
    Key, "key", "content, section 4.5", "a key that is not a byte string";
    Nonce, "nonce", "content, section 4.5", "a nonce that is not a byte string";
    Aad, "aad", "content, section 4.5", "an aad that is not a byte string";
    KeyWithoutAlg, "key-without-alg", "content, section 4.5", "a key, nonce or aad although encAlg is 0";
    HashAlg, "hash-alg", "content, section 4.5", "a hashAlg that is not a uint8";
    ContentHash, "content-hash", "content, section 4.5", "a contentHash that is not a byte string";
    Description, "description", "content, section 4.5", "a description that is not text";
    Filename, "filename", "content, section 4.5", "a filename that is not text";
    Derived, "derived", "content, section 4.6", "MessageDerivedValues that are not an array of 7";
    MessageId, "message-id", "content, section 4.6", "a message ID that is not a byte string of 32 octets";
    Timestamp, "timestamp", "content, section 4.6", "a timestamp that is neither a uint64 nor tag 1001 over a map";
    GroupId, "group-id", "content, section 4.6", "an mlsGroupId that is not a byte string";
    LeafIndex, "leaf-index", "content, section 4.6", "a senderLeafIndex that is not a uint32";
    DerivedUrl, "derived-url", "content, section 4.6", "a URL of the derived values that is not text";
    Report, "report", "message-status, section 3", "a status report that is not an array";
    ReportEntry, "report-entry", "message-status, section 3", "an entry that is not [message ID, status]";
    Status, "status", "message-status, section 3", "a status that is not a number up to 255";
    SenderTimestamp, "sender-timestamp", "more-extensions, section 3", "a senderTimestamp that is not {1: seconds, one fraction at most}";
    ExternalId, "external-id", "more-extensions, section 4", "an external message ID that is not [bytes, scope]";
    Subject, "subject", "more-extensions, section 5", "a subject that is not text of 1 to 4096 octets";
    LastSeen, "last-seen", "more-extensions, section 6", "a lastSeen that is not a list of one kind of IDs";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl std::error::Error for Rule {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small_and_names_rule_and_place() {
        assert_eq!(size_of::<Invalid>(), 8);
        assert_eq!(
            Invalid::at(17, Rule::NotShortest).to_string(),
            "a number or length not in its shortest form at byte 17"
        );
    }

    #[test]
    fn names_are_unique_words() {
        let names: std::collections::BTreeSet<_> =
            Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        assert!(names.iter().all(|name| !name.contains(char::is_whitespace)));
    }
}
