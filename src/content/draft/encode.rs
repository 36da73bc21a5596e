//! From a draft to bytes: one walk that checks and finds room for it all, one that writes.

use super::{Draft, DraftBody, DraftExternal, DraftPart};
use crate::content::{
    Expiration, ExtensionKey, MessageId, PART_LEVELS, PARTS, Rule, Salt, TOPIC_OCTETS,
    cbor::{
        read::major,
        write::{Writer, head_size, string_size},
    },
};

/// The most octets that the head of a string takes: no message has more than `u32::MAX` octets.
const HEAD: usize = head_size(u32::MAX as u64);
/// The most octets that a number takes.
const NUMBER: usize = head_size(u64::MAX);
/// Room for everything in a message but strings, extensions and parts: the array, the salt, two IDs, the heads of the
/// topic and of the expiry with its time, the map, and two URIs with their keys.
const MESSAGE: usize =
    1 + string_size(Salt::LENGTH) + 2 * string_size(MessageId::LENGTH) + 8 * HEAD;
/// Room for what all parts have: the array, the disposition, the head of the language and the cardinality.
const PART: usize = 1 + head_size(u8::MAX as u64) + HEAD + 1;
/// Room for the rest of an external part: nine strings' heads and five numbers, of which the size is the longest.
const EXTERNAL: usize = 13 * HEAD + NUMBER;

fn write_id(out: &mut Writer<'_>, id: Option<MessageId>) {
    match id {
        Some(id) => out.bytes(&id.0),
        None => out.null(),
    }
}

impl Draft<'_> {
    /// The bytes of the message. [`build`](Self::build) gives it to read as well.
    ///
    /// # Errors
    /// The rule that it would break.
    pub fn encode(&self, salt: Salt) -> Result<Vec<u8>, Rule> {
        let mut parts = 1;
        let room = self.head_room()? + self.body.room(1, &mut parts)?;
        let mut bytes = Vec::with_capacity(room);
        let out = &mut Writer(&mut bytes);
        out.array(7);
        out.bytes(&salt.0);
        write_id(out, self.replaces);
        out.bytes(&self.topic);
        match self.expires {
            None => out.null(),
            Some(expires) => {
                let (relative, time) = match expires {
                    Expiration::Relative(time) => (true, time),
                    Expiration::Absolute(time) => (false, time),
                };
                out.array(2);
                out.bool(relative);
                out.unsigned(u64::from(time));
            }
        }
        write_id(out, self.in_reply_to);
        self.write_extensions(out);
        self.body.write(out);
        debug_assert!(bytes.len() <= room, "the first walk finds room for what the second writes");
        if u32::try_from(bytes.len()).is_err() {
            return Err(Rule::TooLong);
        }
        Ok(bytes)
    }

    /// Room for all but the body.
    fn head_room(&self) -> Result<usize, Rule> {
        for id in [self.replaces, self.in_reply_to].iter().flatten() {
            if !id.is_known() {
                return Err(Rule::HashAlgorithm);
            }
        }
        if self.topic.len() > TOPIC_OCTETS {
            return Err(Rule::TopicLength);
        }
        let uris = [&self.sender, &self.room].into_iter().flatten();
        let uris = uris.map(|uri| uri.len()).sum::<usize>();
        let mut room = MESSAGE + self.topic.len() + uris;
        for (key, value) in &self.extensions {
            let key = match key.as_key() {
                ExtensionKey::Number(_) => 0,
                ExtensionKey::Text(text) => text.len(),
            };
            room += NUMBER + key + value.as_item().as_bytes().len();
        }
        Ok(room)
    }

    fn extension_count(&self) -> usize {
        usize::from(self.sender.is_some())
            + usize::from(self.room.is_some())
            + self.extensions.len()
    }

    fn write_extensions(&self, out: &mut Writer<'_>) {
        out.map(self.extension_count());
        // A received message may have the reserved key 0, which sorts before 1 and 2.
        let (zero, rest) = self.extensions.split_at(
            self.extensions.partition_point(|(key, _)| key.as_key() < ExtensionKey::SENDER_URI),
        );
        for (key, value) in zero {
            key.as_key().write(out);
            out.raw(value.as_item().as_bytes());
        }
        if let Some(sender) = &self.sender {
            out.unsigned(1);
            out.text(sender);
        }
        if let Some(room) = &self.room {
            out.unsigned(2);
            out.text(room);
        }
        for (key, value) in rest {
            key.as_key().write(out);
            out.raw(value.as_item().as_bytes());
        }
    }
}

impl DraftPart<'_> {
    /// Room for this part, and the limits of levels and number.
    fn room(&self, level: usize, parts: &mut usize) -> Result<usize, Rule> {
        let DraftBody::Multi { parts: inside, .. } = &self.body else { return self.leaf_room() };
        if inside.len() < 2 {
            return Err(Rule::PartsFew);
        }
        *parts += inside.len();
        if *parts > PARTS {
            return Err(Rule::PartCount);
        }
        if level == PART_LEVELS {
            return Err(Rule::PartDepth);
        }
        let mut room = PART + 1 + HEAD + self.language.len();
        for part in inside {
            room += match part.body {
                DraftBody::Multi { .. } => part.room(level + 1, parts)?,
                DraftBody::Null | DraftBody::Single { .. } | DraftBody::External(_) => {
                    part.leaf_room()?
                }
            };
        }
        Ok(room)
    }

    /// Room for a part that has none within.
    #[inline]
    fn leaf_room(&self) -> Result<usize, Rule> {
        let body = match &self.body {
            DraftBody::Null | DraftBody::Multi { .. } => 0,
            DraftBody::Single { content_type, content } => {
                2 * HEAD + content_type.len() + content.len()
            }
            DraftBody::External(external) => external.room()?,
        };
        Ok(PART + self.language.len() + body)
    }

    fn write(&self, out: &mut Writer<'_>) {
        let (count, cardinality) = match self.body {
            DraftBody::Null => (3, 0),
            DraftBody::Single { .. } => (5, 1),
            DraftBody::External(_) => (15, 2),
            DraftBody::Multi { .. } => (5, 3),
        };
        let language = self.language.as_bytes();
        match u8::try_from(language.len()) {
            // As nearly all parts are: heads of one octet.
            Ok(length @ 0..24) if self.disposition.0 < 24 => {
                let heads = [
                    (major::ARRAY, count),
                    (major::UNSIGNED, self.disposition.0),
                    (major::TEXT, length),
                ];
                out.short_heads(heads);
                if length > 0 {
                    out.raw(language);
                }
                out.short_heads([(major::UNSIGNED, cardinality)]);
            }
            Ok(_) | Err(_) => {
                out.array(count.into());
                out.unsigned(self.disposition.0.into());
                out.text(&self.language);
                out.unsigned(cardinality.into());
            }
        }
        match &self.body {
            DraftBody::Null => {}
            DraftBody::Single { content_type, content } => {
                out.text(content_type);
                out.bytes(content);
            }
            DraftBody::External(external) => external.write(out),
            DraftBody::Multi { semantics, parts } => {
                out.unsigned(u64::from(semantics.code()));
                out.array(parts.len());
                // No deeper than four levels: the first walk has seen to that.
                parts.iter().for_each(|part| part.write(out));
            }
        }
    }
}

impl DraftExternal<'_> {
    fn room(&self) -> Result<usize, Rule> {
        let secret = self.key.len() + self.nonce.len() + self.aad.len();
        if self.enc_alg == 0 && secret > 0 {
            return Err(Rule::KeyWithoutAlg);
        }
        let texts =
            [&self.content_type, &self.url, &self.description, &self.filename].map(|it| it.len());
        Ok(EXTERNAL + secret + self.content_hash.len() + texts.iter().sum::<usize>())
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.text(&self.content_type);
        out.text(&self.url);
        out.unsigned(u64::from(self.expires));
        out.unsigned(self.size);
        out.unsigned(u64::from(self.enc_alg));
        out.bytes(&self.key);
        out.bytes(&self.nonce);
        out.bytes(&self.aad);
        out.unsigned(u64::from(self.hash_alg));
        out.bytes(&self.content_hash);
        out.text(&self.description);
        out.text(&self.filename);
    }
}
