//! Messages.

use openmimi::{
    content::{Body, Disposition, Expiration, External, Invalid, Message, MessageId, Part},
    franking,
};

use crate::{
    Kind,
    show::{Tree, hex},
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
        // The head of the array and of the byte string come first.
        tree.line(0, Some(2), "salt", &hex(&message.salt().0));
        let id = |id: Option<MessageId>| id.map_or_else(|| "null".to_owned(), |id| id.to_string());
        tree.line(0, None, "replaces", &id(message.replaces()));
        tree.octets(0, "topic", message.topic());
        let expires = match message.expires() {
            None => "never".to_owned(),
            Some(Expiration::Relative(seconds)) => format!("{seconds} s after it was read"),
            Some(Expiration::Absolute(second)) => format!("at second {second}"),
        };
        tree.line(0, None, "expires", &expires);
        tree.line(0, None, "in reply to", &id(message.in_reply_to()));
        tree.line(0, None, "extensions", &message.extensions().len().to_string());
        for (key, value) in message.extensions().iter() {
            let offset = value.as_bytes().as_ptr() as usize - bytes.as_ptr() as usize;
            tree.line(1, Some(offset), &format!("{key:?}"), &format!("{value:?}"));
        }
        part(&mut tree, &message.body(), 0);
        Ok(tree.finish())
    }
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
    for (field, number) in [
        ("expires", u64::from(external.expires())),
        ("size", external.size()),
        ("encryption algorithm", u64::from(external.enc_alg())),
    ] {
        tree.line(level, None, field, &number.to_string());
    }
    tree.octets(level, "key", external.key());
    tree.octets(level, "nonce", external.nonce());
    tree.octets(level, "aad", external.aad());
    tree.line(level, None, "hash algorithm", &external.hash_alg().to_string());
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
