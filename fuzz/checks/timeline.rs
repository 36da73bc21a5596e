//! A conversation made from any bytes comes out the same whatever the order of arrival.

use openmimi::{
    content::{
        Compose, Draft, DraftPart, Expiration, ExtensionKey, Salt,
        known::LastSeen,
        status::{Report, ReportEntry, Status},
        timeline::{Act, Received, Timeline},
    },
    env::Timestamp,
};

const ROOM: &str = "room";
const NOW: Timestamp = Timestamp(1_000_000);

/// Octets that make one message.
const DEED: usize = 4;

/// Panics if the order of arrival leaves a trace.
pub fn check(bytes: &[u8]) {
    let mut sent: Vec<(Received, u8)> = Vec::new();
    // Few are enough, and what is shown costs more than linear time.
    for (number, deed) in bytes.chunks_exact(DEED).take(64).enumerate() {
        let &[what, who_and_when, target, rights] = deed else { continue };
        let target =
            sent.get(usize::from(target) % sent.len().max(1)).map(|(sent, _)| sent.clone());
        let sender = if who_and_when & 1 == 0 { "alice" } else { "bob" };
        let draft = draft(sender, what, target.as_ref(), rights);
        let mut salt = [0; Salt::LENGTH];
        salt[0] = u8::try_from(number).expect("at most 64");
        let message = draft.build(Salt(salt)).expect("a valid draft");
        let id = message.as_message().id(sender, ROOM).expect("short URIs");
        let accepted_at = Timestamp(u64::from(who_and_when >> 1 & 7));
        sent.push((Received { id, sender: sender.to_owned(), accepted_at, message }, rights));
    }
    let fold = |sent: &mut dyn Iterator<Item = &(Received, u8)>, purge: bool| {
        let mut timeline = Timeline::default();
        for (received, rights) in sent {
            let may = |act| {
                Act::ALL.iter().position(|it| *it == act).is_some_and(|bit| rights >> bit & 1 == 1)
            };
            timeline.insert(received.clone(), may);
            if purge {
                timeline.purge(NOW);
            }
        }
        timeline
    };
    let straight = fold(&mut sent.iter(), false);
    let reversed = fold(&mut sent.iter().rev(), true);
    assert_eq!(straight.view(NOW), reversed.view(NOW));
    assert_eq!(straight.pending(), reversed.pending());
}

/// One message, which may refer to an earlier one.
fn draft(sender: &'static str, what: u8, target: Option<&Received>, rights: u8) -> Draft<'static> {
    let compose = Compose::new(sender, ROOM);
    let Some(target) = target else { return compose.text("new") };
    let message = target.message.as_message();
    match what % 9 {
        0 => compose.text("new"),
        1 => compose.reply(target.id, &message, DraftPart::text("reply")).into_owned(),
        2 => compose.reaction(target.id, "❤"),
        3 => compose.edit(target.id, &message, DraftPart::text("edit")).into_owned(),
        4 => compose.delete(target.id, &message).into_owned(),
        5 => {
            let status = Status(rights % 8);
            compose.status(&Report { entries: vec![ReportEntry { id: target.id, status }] })
        }
        6 => {
            let seen = LastSeen::Messages(vec![target.id]).to_item().expect("one ID");
            compose.text("seen").extension(ExtensionKey::LAST_SEEN, seen).expect("a good key")
        }
        7 => {
            let mut moved = Draft::from(message).into_owned();
            moved.sender = Some(sender.into());
            moved.replaces = Some(message.replaces().unwrap_or(target.id));
            moved.topic(vec![rights])
        }
        _ => compose.text("brief").expires(Expiration::Absolute(999)),
    }
}
