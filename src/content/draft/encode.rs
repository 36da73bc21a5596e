//! From a draft to bytes: one walk that measures and checks, one that writes.

use super::{Draft, DraftBody, DraftExternal, DraftPart};
use crate::content::{
    Expiration, ExtensionKey, MessageId, PART_LEVELS, PARTS, Rule, Salt, TOPIC_OCTETS,
    cbor::{
        read::major,
        write::{Writer, head_size, string_size},
    },
};

/// Octets of an ID or null.
const fn id_size(id: Option<MessageId>) -> usize {
    if id.is_some() { string_size(MessageId::LENGTH) } else { 1 }
}

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
        let size = self.head_size()? + self.body.size(1, &mut parts)?;
        if u32::try_from(size).is_err() {
            return Err(Rule::TooLong);
        }
        let mut bytes = Vec::with_capacity(size);
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
        debug_assert_eq!(bytes.len(), size, "the first walk measures what the second writes");
        Ok(bytes)
    }

    /// The octets of all but the body.
    fn head_size(&self) -> Result<usize, Rule> {
        for id in [self.replaces, self.in_reply_to].iter().flatten() {
            if !id.is_known() {
                return Err(Rule::HashAlgorithm);
            }
        }
        if self.topic.len() > TOPIC_OCTETS {
            return Err(Rule::TopicLength);
        }
        let expires = match self.expires {
            None => 1,
            Some(Expiration::Relative(time) | Expiration::Absolute(time)) => {
                2 + head_size(u64::from(time))
            }
        };
        let mut size = 1
            + string_size(Salt::LENGTH)
            + id_size(self.replaces)
            + string_size(self.topic.len())
            + expires
            + id_size(self.in_reply_to)
            + head_size(self.extension_count() as u64);
        for uri in [&self.sender, &self.room].into_iter().flatten() {
            size += 1 + string_size(uri.len());
        }
        for (key, value) in &self.extensions {
            size += value.as_item().as_bytes().len();
            size += match key.as_key() {
                ExtensionKey::Number(number) => {
                    let unsigned = if number < 0 { !number } else { number };
                    head_size(unsigned.unsigned_abs())
                }
                ExtensionKey::Text(text) => string_size(text.len()),
            };
        }
        Ok(size)
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
    /// The octets of this part, with the limits of levels and number.
    fn size(&self, level: usize, parts: &mut usize) -> Result<usize, Rule> {
        let DraftBody::Multi { parts: inside, .. } = &self.body else { return self.leaf_size() };
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
        let mut size = self.head_size() + 1 + head_size(inside.len() as u64);
        for part in inside {
            size += match part.body {
                DraftBody::Multi { .. } => part.size(level + 1, parts)?,
                DraftBody::Null | DraftBody::Single { .. } | DraftBody::External(_) => {
                    part.leaf_size()?
                }
            };
        }
        Ok(size)
    }

    /// The octets of a part that has none within.
    #[inline]
    fn leaf_size(&self) -> Result<usize, Rule> {
        let body = match &self.body {
            DraftBody::Null | DraftBody::Multi { .. } => 0,
            DraftBody::Single { content_type, content } => {
                string_size(content_type.len()) + string_size(content.len())
            }
            DraftBody::External(external) => external.size()?,
        };
        Ok(self.head_size() + body)
    }

    /// The octets of what all parts have. The heads of the array and the cardinality take an octet each.
    #[inline]
    fn head_size(&self) -> usize {
        2 + head_size(u64::from(self.disposition.0)) + string_size(self.language.len())
    }

    fn write(&self, out: &mut Writer<'_>) {
        let (count, cardinality) = match self.body {
            DraftBody::Null => (3, 0),
            DraftBody::Single { .. } => (5, 1),
            DraftBody::External(_) => (15, 2),
            DraftBody::Multi { .. } => (5, 3),
        };
        if self.disposition.0 < 24 && self.language.is_empty() {
            // As nearly all parts are: four heads of one octet.
            out.short_heads([
                (major::ARRAY, count),
                (major::UNSIGNED, self.disposition.0),
                (major::TEXT, 0),
                (major::UNSIGNED, cardinality),
            ]);
        } else {
            out.array(count.into());
            out.unsigned(self.disposition.0.into());
            out.text(&self.language);
            out.unsigned(cardinality.into());
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
    fn size(&self) -> Result<usize, Rule> {
        let secret = self.key.len() + self.nonce.len() + self.aad.len();
        if self.enc_alg == 0 && secret > 0 {
            return Err(Rule::KeyWithoutAlg);
        }
        Ok(string_size(self.content_type.len())
            + string_size(self.url.len())
            + head_size(u64::from(self.expires))
            + head_size(self.size)
            + head_size(u64::from(self.enc_alg))
            + string_size(self.key.len())
            + string_size(self.nonce.len())
            + string_size(self.aad.len())
            + head_size(u64::from(self.hash_alg))
            + string_size(self.content_hash.len())
            + string_size(self.description.len())
            + string_size(self.filename.len()))
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
