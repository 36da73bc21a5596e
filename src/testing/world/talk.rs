//! What people say, and what they report.

use super::{World, WorldCrypto, model::Deed, network::Origin, report::Invariant, slot::Halt};
use crate::{
    client,
    codec::Wire,
    content::{Compose, Message, Salt},
    hub,
    uri::UserUri,
};

impl<C: WorldCrypto> World<C> {
    pub(super) fn compose(&mut self, by: usize, room: usize) -> (Compose<'static>, Salt, u32) {
        self.said += 1;
        let text = self.said;
        let user = self.people[self.phones[by].user].uri.to_string();
        let mut salt = [0; 16];
        salt[..4].copy_from_slice(&text.to_be_bytes());
        salt[4..12].copy_from_slice(&self.seed.to_be_bytes());
        (Compose::new(user, self.sites[room].uri.to_string()), Salt(salt), text)
    }

    pub(super) fn post_content(
        &mut self,
        by: usize,
        room: usize,
        text: u32,
        content: Vec<u8>,
    ) -> bool {
        let said = self.member_does(by, room, Deed::Say(text), |room, env, token| {
            room.send(env, token, &content)
        });
        // The ID is that of the content: it is the same whether or not anybody knows that it was saved.
        let user = self.people[self.phones[by].user].uri.to_string();
        let uri = self.sites[room].uri.to_string();
        if let Ok(id) =
            Message::decode(&content).map_or(Err(()), |it| it.id(&user, &uri).map_err(|_| ()))
        {
            self.texts.insert(id, text);
            if said.is_some() {
                self.phones[by].apps.entry(room).or_default().own = Some((id, content));
            }
        }
        said.is_some()
    }

    pub(super) fn say(&mut self, by: usize, room: usize) -> bool {
        let (compose, salt, text) = self.compose(by, room);
        match compose.text(format!("text {text}")).encode(salt) {
            Ok(content) => self.post_content(by, room, text, content),
            Err(_) => false,
        }
    }

    pub(super) fn react(&mut self, by: usize, room: usize) -> bool {
        let newest = self.phones[by].apps.get(&room).and_then(|app| app.newest.clone());
        let Some((id, _)) = newest else { return false };
        let (compose, salt, text) = self.compose(by, room);
        match compose.reaction(id, "❤").encode(salt) {
            Ok(content) => self.post_content(by, room, text, content),
            Err(_) => false,
        }
    }

    pub(super) fn edit(&mut self, by: usize, room: usize) -> bool {
        let own = self.phones[by].apps.get(&room).and_then(|app| app.own.clone());
        let Some((id, original)) = own else { return false };
        let (compose, salt, text) = self.compose(by, room);
        let Ok(original) = Message::decode(&original) else { return false };
        let body = crate::content::DraftPart::text(format!("text {text}, better"));
        match compose.edit(id, &original, body).encode(salt) {
            Ok(content) => self.post_content(by, room, text, content),
            Err(_) => false,
        }
    }

    /// A member reports the newest message that it has read; the hub finds it genuine.
    pub(super) fn report_abuse(&mut self, by: usize, room: usize) -> bool {
        let newest = self.phones[by].apps.get(&room).and_then(|app| app.newest.clone());
        let Some((id, content)) = newest else { return false };
        let Ok(message) = Message::decode(&content) else { return false };
        let about = message.sender().and_then(|uri| UserUri::parse(uri).ok());
        let (Some(about), Some(machine)) = (about, self.phones[by].room(room)) else {
            return false;
        };
        if !machine.is_reportable(&id) {
            return false;
        }
        let complaint = client::Complaint {
            about,
            reason: 0,
            note: String::new(),
            messages: vec![content.clone()],
            anonymous: false,
        };
        let Ok(report) = machine.report(&complaint) else { return false };
        let (peer, body) = (self.peer_at_hub(by, room), report.encode());
        let done =
            self.at_hub(room, &Origin::Nobody, |hub, env| hub.report_abuse(env, &peer, &body));
        if let Err(Halt::Refused(refusal)) = &done {
            if matches!(refusal.reason, hub::ReportRefusal::Full(_)) {
                // Somebody looks at them, one after the other.
                let hub = self.providers[self.sites[room].hub].hub(room);
                let oldest = hub.and_then(|hub| hub.reports().next());
                let _ = self.at_hub::<(), ()>(room, &Origin::Nobody, |hub, env| {
                    Ok(hub.reviewed(env, oldest.unwrap_or(0)))
                });
                return false;
            }
            let found = format!("a genuine report is refused: {}", refusal.reason);
            self.break_if(Some((Invariant::OneVerdict, found)));
        }
        done.is_ok()
    }
}
