//! Messages.

use openmimi::{
    content::{Body, Disposition, Expiration, External, Invalid, Message, MessageId, Part, Salt},
    franking,
};

use crate::{
    Kind,
    show::{Tree, head, hex},
};

/// How messages are read: with the URIs that were authenticated, or else with those that they claim.
pub(crate) struct Content {
    pub(crate) sender: Option<String>,
    pub(crate) room: Option<String>,
}

impl Content {
    fn id(&self, message: &Message<'_>) -> Option<MessageId> {
        let sender = self.sender.as_deref().or(message.sender())?;
        let room = self.room.as_deref().or(message.room())?;
        message.id(sender, room).ok()
    }
}

impl Kind for Content {
    fn line(&self, bytes: &[u8]) -> Result<String, Invalid> {
        let message = Message::decode(bytes)?;
        Ok(self.id(&message).map_or_else(|| "-".to_owned(), |id| id.to_string()))
    }

    fn tree(&self, bytes: &[u8]) -> Result<String, Invalid> {
        let message = Message::decode(bytes)?;
        let mut tree = Tree::new(bytes);
        let id = self
            .id(&message)
            .map_or_else(|| "unknown: no sender or room".to_owned(), |id| id.to_string());
        tree.line(0, None, "message ID", &id);
        // Of the message alone, as in a room that does not frame its content.
        let tag = franking::tag(&message.salt().0, bytes);
        tree.line(0, None, "franking tag", &hex(&tag.0));
        // After the head of the array.
        tree.go_to(1);
        tree.next(0, string(Salt::LENGTH), "salt", &hex(&message.salt().0));
        id_or_null(&mut tree, "replaces", message.replaces());
        tree.octets(0, "topic", message.topic());
        let (octets, expires) = match message.expires() {
            None => (1, "never".to_owned()),
            Some(Expiration::Relative(seconds)) => {
                (2 + head(seconds.into()), format!("{seconds} s after it was read"))
            }
            Some(Expiration::Absolute(second)) => {
                (2 + head(second.into()), format!("at second {second}"))
            }
        };
        tree.next(0, octets, "expires", &expires);
        id_or_null(&mut tree, "in reply to", message.in_reply_to());
        let extensions = message.extensions();
        tree.number(0, "extensions", extensions.len() as u64);
        for (key, value) in extensions.iter() {
            let offset = tree.offset(value.as_bytes());
            tree.line(1, Some(offset), &format!("{key:?}"), &format!("{value:?}"));
        }
        part(&mut tree, &message.body(), 0);
        Ok(tree.finish())
    }
}

fn id_or_null(tree: &mut Tree<'_>, field: &str, id: Option<MessageId>) {
    match id {
        Some(id) => tree.next(0, string(MessageId::LENGTH), field, &id.to_string()),
        None => tree.next(0, 1, field, "null"),
    }
}

/// The octets of a string of this length.
const fn string(length: usize) -> usize {
    head(length as u64) + length
}

/// One part with all that is in it: at most four levels.
fn part(tree: &mut Tree<'_>, part: &Part<'_>, level: usize) {
    let kind = match part.body() {
        Body::Null => "null".to_owned(),
        Body::Single(_) => "single".to_owned(),
        Body::External(_) => "external".to_owned(),
        Body::Multi(multi) => format!("{:?} of {}", multi.semantics(), multi.parts().len()),
    };
    let name = format!("part {}", part.index());
    let value = format!("{kind}, {}", disposition(part.disposition()));
    tree.line(level, Some(part.offset()), &name, &value);
    let inside = level + 1;
    if !part.language().is_empty() {
        tree.text(inside, "language", part.language());
    }
    match part.body() {
        Body::Null => {}
        Body::Single(single) => {
            tree.text(inside, "content type", single.content_type());
            tree.octets(inside, "content", single.content());
        }
        Body::External(it) => external(tree, &it, inside),
        Body::Multi(multi) => multi.parts().for_each(|it| self::part(tree, &it, inside)),
    }
}

fn external(tree: &mut Tree<'_>, external: &External<'_>, level: usize) {
    tree.text(level, "content type", external.content_type());
    tree.text(level, "url", external.url());
    tree.number(level, "expires", external.expires().into());
    tree.number(level, "size", external.size());
    tree.number(level, "encryption algorithm", external.enc_alg().into());
    tree.octets(level, "key", external.key());
    tree.octets(level, "nonce", external.nonce());
    tree.octets(level, "aad", external.aad());
    tree.number(level, "hash algorithm", external.hash_alg().into());
    tree.octets(level, "content hash", external.content_hash());
    tree.text(level, "description", external.description());
    tree.text(level, "filename", external.filename());
}

fn disposition(disposition: Disposition) -> String {
    let name = match disposition {
        Disposition::UNSPECIFIED => "unspecified",
        Disposition::RENDER => "render",
        Disposition::REACTION => "reaction",
        Disposition::PROFILE => "profile",
        Disposition::INLINE => "inline",
        Disposition::ICON => "icon",
        Disposition::ATTACHMENT => "attachment",
        Disposition::SESSION => "session",
        Disposition::PREVIEW => "preview",
        Disposition(number) => return format!("disposition {number} (unknown, as render)"),
    };
    name.to_owned()
}
