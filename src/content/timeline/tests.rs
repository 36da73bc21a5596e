use proptest::prelude::*;

use super::*;
use crate::content::{
    Compose, Draft, DraftPart, Expiration, ExtensionKey, Salt,
    known::{ExternalId, Scope},
    status::{Report, ReportEntry},
};

const ROOM: &str = "room";
const ALICE: &str = "alice";
const BOB: &str = "bob";
const NOW: Timestamp = Timestamp(1_000_000);

/// A conversation, to be put in in any order.
#[derive(Clone, Default)]
struct Talk {
    sent: Vec<(Received, Vec<Act>)>,
}

impl Talk {
    fn send(&mut self, at: u64, draft: &Draft<'_>) -> MessageId {
        let own = Act::ALL.into_iter().filter(|act| act.is_own()).collect();
        self.send_with(at, draft, own)
    }

    fn send_with(&mut self, at: u64, draft: &Draft<'_>, may: Vec<Act>) -> MessageId {
        let salt = u128::try_from(self.sent.len()).unwrap().to_be_bytes();
        let message = draft.build(Salt(salt)).unwrap();
        let sender = draft.sender.clone().unwrap().into_owned();
        let id = message.as_message().id(&sender, ROOM).unwrap();
        self.sent.push((Received { id, sender, accepted_at: Timestamp(at), message }, may));
        id
    }

    fn message(&self, id: MessageId) -> Message<'_> {
        let (received, _) = self.sent.iter().find(|(received, _)| received.id == id).unwrap();
        received.message.as_message()
    }

    fn timeline(&self) -> Timeline {
        let mut timeline = Timeline::default();
        for (received, may) in &self.sent {
            timeline.insert(received.clone(), |act| may.contains(&act));
        }
        timeline
    }

    /// The timeline, which must look the same if everything came the other way round.
    fn both_ways(&self) -> Timeline {
        let timeline = self.timeline();
        let mut reversed = self.clone();
        reversed.sent.reverse();
        assert_eq!(timeline.view(NOW), reversed.timeline().view(NOW));
        timeline
    }
}

fn by(sender: &'static str) -> Compose<'static> {
    Compose::new(sender, ROOM)
}

fn texts(timeline: &Timeline) -> Vec<String> {
    let text = |item: &Item<'_>| match item.state {
        State::Shown(message) => match message.body().body() {
            Body::Single(single) => String::from_utf8_lossy(single.content()).into_owned(),
            other @ (Body::Null | Body::External(_) | Body::Multi(_)) => format!("{other:?}"),
        },
        State::Deleted { by, .. } => format!("deleted by {by}"),
        State::Expired => "expired".to_owned(),
    };
    timeline.view(NOW).iter().map(text).collect()
}

#[test]
fn messages_stand_by_time_and_then_by_id() {
    let mut talk = Talk::default();
    talk.send(3, &by(ALICE).text("last"));
    let mut ids = [talk.send(2, &by(ALICE).text("x")), talk.send(2, &by(BOB).text("y"))];
    let first = talk.send(1, &by(BOB).text("first"));
    let timeline = talk.both_ways();
    ids.sort();
    let view = timeline.view(NOW);
    assert_eq!(view[0].id, first);
    assert_eq!([view[1].id, view[2].id], ids);
}

#[test]
fn nothing_stands_before_what_its_sender_had_seen() {
    let mut talk = Talk::default();
    let seen = |ids: &[MessageId]| LastSeen::Messages(ids.to_vec()).to_item().unwrap();
    let question = talk.send(20, &by(ALICE).text("question"));
    let answer = by(BOB).text("answer").extension(ExtensionKey::LAST_SEEN, seen(&[question]));
    let answer = talk.send(10, &answer.unwrap());
    talk.send(15, &by(BOB).text("between"));
    let after = by(ALICE).text("after").extension(ExtensionKey::LAST_SEEN, seen(&[answer]));
    talk.send(5, &after.unwrap());
    assert_eq!(texts(&talk.both_ways()), ["between", "question", "answer", "after"]);
}

#[test]
fn external_ids_order_too() {
    let mut talk = Talk::default();
    let id = ExternalId { id: b"17", scope: Scope::Enterprise(311) };
    let first = by(ALICE).text("first");
    let first = first.extension(ExtensionKey::EXTERNAL_MESSAGE_ID, id.to_item().unwrap());
    talk.send(20, &first.unwrap());
    let seen = LastSeen::External(vec![id]).to_item().unwrap();
    talk.send(10, &by(BOB).text("second").extension(ExtensionKey::LAST_SEEN, seen).unwrap());
    assert_eq!(texts(&talk.both_ways()), ["first", "second"]);
}

#[test]
fn a_circle_of_having_seen_ends() {
    // Real IDs make no circle; these are made up.
    let mut timeline = Timeline::default();
    let ids = [MessageId([1; 32]), MessageId([2; 32])];
    for (id, seen, at) in [(ids[0], ids[1], 2), (ids[1], ids[0], 1)] {
        let seen = LastSeen::Messages(vec![seen]).to_item().unwrap();
        let draft = by(ALICE).text("").extension(ExtensionKey::LAST_SEEN, seen).unwrap();
        let message = draft.build(Salt([0; 16])).unwrap();
        let received = Received { id, sender: ALICE.into(), accepted_at: Timestamp(at), message };
        timeline.insert(received, Act::is_own);
    }
    let order: Vec<_> = timeline.view(NOW).iter().map(|item| item.id).collect();
    assert_eq!(order, [ids[1], ids[0]]);
}

#[test]
fn edits_show_the_newest_and_keep_the_history() {
    let mut talk = Talk::default();
    let id = talk.send(1, &by(ALICE).text("one"));
    let original = talk.message(id).to_buf();
    let original = original.as_message();
    let two = talk.send(2, &by(ALICE).edit(id, &original, DraftPart::text("two")));
    let three = talk.send(3, &by(ALICE).edit(id, &original, DraftPart::text("three")));
    // Not Alice's message: nobody but she edits it. C-103.
    talk.send(4, &by(BOB).edit(id, &original, DraftPart::text("forged")));
    let timeline = talk.both_ways();
    assert_eq!(texts(&timeline), ["three"]);
    let item = timeline.item(&two, NOW).unwrap();
    assert!(item.edited());
    assert_eq!(
        item.versions.iter().map(|version| version.id).collect::<Vec<_>>(),
        [id, two, three]
    );
    assert_eq!(timeline.newest(&id), Some(three));
}

#[test]
fn an_edit_of_an_edit_is_taken_for_one_of_the_first() {
    let mut talk = Talk::default();
    let id = talk.send(1, &by(ALICE).text("one"));
    let mut two = by(ALICE).text("two");
    two.replaces = Some(id);
    let two = talk.send(2, &two);
    let mut three = by(ALICE).text("three");
    three.replaces = Some(two);
    talk.send(3, &three);
    assert_eq!(texts(&talk.both_ways()), ["three"]);
}

#[test]
fn an_edit_changes_the_body_and_nothing_else() {
    let mut talk = Talk::default();
    let id = talk.send(1, &by(ALICE).text("one").topic(&b"t"[..]).reply_to(MessageId([1; 32])));
    let mut edit = by(ALICE).text("two").topic(&b"u"[..]).expires(Expiration::Absolute(1));
    edit.replaces = Some(id);
    talk.send(2, &edit);
    let timeline = talk.both_ways();
    let item = timeline.item(&id, NOW).unwrap();
    assert_eq!((item.topic, item.expires_at), (&b"t"[..], None));
    assert_eq!(item.reply.unwrap().to, MessageId([1; 32]));
    assert_eq!(texts(&timeline), ["two"]);
    // With the right to, the topic moves.
    let mut moved = Talk::default();
    let id = moved.send(1, &by(ALICE).text("one").topic(&b"t"[..]));
    edit.replaces = Some(id);
    moved.send_with(2, &edit, vec![Act::EditOwnTopic]);
    let timeline = moved.both_ways();
    assert_eq!(timeline.item(&id, NOW).unwrap().topic, b"u");
    assert_eq!(texts(&timeline), ["one"]);
}

#[test]
fn others_delete_and_move_only_with_the_right_to() {
    let mut talk = Talk::default();
    let id = talk.send(1, &by(ALICE).text("one"));
    let original = talk.message(id).to_buf();
    let original = original.as_message();
    let delete = by(BOB).delete(id, &original);
    talk.send(2, &delete);
    assert_eq!(texts(&talk.both_ways()), ["one"]);
    // A body that is the same, octet for octet, may come with another topic; another body may not. Q-92.
    let mut same = by(BOB).text("one").topic(&b"t"[..]);
    same.replaces = Some(id);
    let mut other = by(BOB).text("two").topic(&b"u"[..]);
    other.replaces = Some(id);
    talk.send_with(3, &same, vec![Act::EditOtherTopic]);
    talk.send_with(4, &other, vec![Act::EditOtherTopic]);
    let timeline = talk.both_ways();
    assert_eq!(timeline.item(&id, NOW).unwrap().topic, b"t");
    assert_eq!(texts(&timeline), ["one"]);
    talk.send_with(5, &delete, vec![Act::DeleteOtherMessage]);
    assert_eq!(texts(&talk.both_ways()), ["deleted by bob"]);
}

#[test]
fn what_is_deleted_stays_so() {
    let mut talk = Talk::default();
    let id = talk.send(1, &by(ALICE).text("one"));
    let original = talk.message(id).to_buf();
    talk.send(2, &by(ALICE).delete(id, &original.as_message()));
    talk.send(3, &by(ALICE).edit(id, &original.as_message(), DraftPart::text("again")));
    talk.send(4, &by(BOB).reply(id, &original.as_message(), DraftPart::text("reply")));
    let timeline = talk.both_ways();
    assert_eq!(texts(&timeline), ["deleted by alice", "reply"]);
    let view = timeline.view(NOW);
    assert!(view[0].versions.is_empty());
    assert!(view[1].reply.unwrap().gone);
}

#[test]
fn reactions_are_of_users_and_can_be_taken_back() {
    let mut talk = Talk::default();
    let id = talk.send(1, &by(ALICE).text("one"));
    let hearts = talk.send(2, &by(BOB).reactions(id, ["❤", "🥳"]));
    talk.send(3, &by(BOB).reaction(id, "❤"));
    talk.send(3, &by(ALICE).reaction(id, "❤"));
    let timeline = talk.both_ways();
    assert_eq!(texts(&timeline), ["one"]);
    let item = timeline.item(&id, NOW).unwrap();
    let users = item.reactions_by_user();
    assert_eq!((users[BOB].len(), users[ALICE].len()), (2, 1));
    let original = talk.message(hearts).to_buf();
    talk.send(4, &by(BOB).unlike(hearts, &original.as_message()));
    let timeline = talk.both_ways();
    assert_eq!(timeline.item(&id, NOW).unwrap().reactions_by_user()[BOB].len(), 1);
    // Nobody else takes it back.
    talk.send(5, &by(ALICE).unlike(hearts, &original.as_message()));
    assert_eq!(talk.both_ways().item(&id, NOW).unwrap().reactions.len(), 2);
}

#[test]
fn reactions_say_which_version_they_are_for() {
    let mut talk = Talk::default();
    let id = talk.send(1, &by(ALICE).text("May I borow a pen?"));
    talk.send(2, &by(BOB).reaction(id, "👍"));
    let original = talk.message(id).to_buf();
    let edit =
        by(ALICE).edit(id, &original.as_message(), DraftPart::text("May I borrow your car?"));
    let edit = talk.send(3, &edit);
    talk.send(4, &by(BOB).reaction(edit, "👎"));
    let timeline = talk.both_ways();
    let item = timeline.item(&id, NOW).unwrap();
    assert_eq!(item.reactions.iter().map(|it| it.outdated).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn replies_in_a_circle_are_seen() {
    let mut timeline = Timeline::default();
    let known = |octet: u8| {
        let mut id = [octet; 32];
        id[0] = 1;
        MessageId(id)
    };
    let ids = [1, 2, 3, 4].map(known);
    for (id, to) in
        [(ids[0], Some(ids[1])), (ids[1], Some(ids[0])), (ids[2], Some(ids[0])), (ids[3], None)]
    {
        let mut draft = by(ALICE).text("");
        draft.in_reply_to = to;
        let message = draft.build(Salt([0; 16])).unwrap();
        let received = Received { id, sender: ALICE.into(), accepted_at: Timestamp(1), message };
        timeline.insert(received, Act::is_own);
    }
    let looped = |id| timeline.item(id, NOW).unwrap().reply.is_some_and(|reply| reply.looped);
    assert_eq!(ids.each_ref().map(looped), [true, true, true, false]);
}

#[test]
fn expiry_needs_no_network() {
    let mut talk = Talk::default();
    let absolute = talk.send(1, &by(ALICE).text("a").expires(Expiration::Absolute(999)));
    let relative = talk.send(2, &by(ALICE).text("b").expires(Expiration::Relative(10)));
    let mut timeline = talk.both_ways();
    assert_eq!(texts(&timeline), ["expired", "b"]);
    assert_eq!(timeline.next_expiry(Timestamp(0)), Some(Timestamp(999_000)));
    timeline.read(relative, Timestamp(NOW.0 - 10_000));
    timeline.read(relative, NOW);
    assert_eq!(texts(&timeline), ["expired", "expired"]);
    assert_eq!(timeline.next_expiry(NOW), None);
    let before = format!("{:?}", timeline.view(NOW));
    timeline.purge(NOW);
    assert_eq!(format!("{:?}", timeline.view(NOW)), before);
    assert!(timeline.contains(&absolute));
    assert!(timeline.entries.values().all(|entry| entry.message.is_none()));
}

#[test]
fn receipts_follow_each_other_in_time() {
    let mut talk = Talk::default();
    let id = talk.send(1, &by(ALICE).text("one"));
    let report = |status| Report { entries: vec![ReportEntry { id, status }] };
    talk.send(4, &by(BOB).status(&report(Status::READ)));
    talk.send(3, &by(BOB).status(&report(Status::DELIVERED)));
    // After it was read, delivered says nothing. M-005.
    talk.send(5, &by(BOB).status(&report(Status::DELIVERED)));
    let timeline = talk.both_ways();
    assert_eq!(timeline.item(&id, NOW).unwrap().statuses, [(BOB, Status::READ)].into());
    assert_eq!(texts(&timeline), ["one"]);
}

#[test]
fn claims_about_unknown_messages_are_bounded() {
    let mut talk = Talk::default();
    let entries = (0_u32..5000).map(|number| {
        let mut id = [1; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        ReportEntry { id: MessageId(id), status: Status::READ }
    });
    talk.send(1, &by(BOB).status(&Report { entries: entries.collect() }));
    let timeline = talk.timeline();
    let first = MessageId([&[0; 4][..], &[1; 28]].concat().try_into().unwrap());
    let last = MessageId([&[0, 0, 19, 0][..], &[1; 28]].concat().try_into().unwrap());
    assert_eq!(timeline.statuses(&first).len(), 1);
    assert_eq!(timeline.statuses(&last).len(), 0);
}

#[test]
fn what_comes_before_what_it_refers_to_waits() {
    let mut talk = Talk::default();
    let id = talk.send(1, &by(ALICE).text("one"));
    let original = talk.message(id).to_buf();
    let edit = talk.send(2, &by(ALICE).edit(id, &original.as_message(), DraftPart::text("two")));
    let reaction = talk.send(2, &by(BOB).reaction(id, "❤"));
    let first = talk.sent.remove(0);
    let mut timeline = talk.timeline();
    assert!(timeline.view(NOW).is_empty());
    let mut waiting = vec![edit, reaction];
    waiting.sort();
    assert_eq!(timeline.pending(), waiting);
    assert_eq!(timeline.insert(first.0.clone(), Act::is_own), Inserted::New);
    assert_eq!(timeline.insert(first.0, Act::is_own), Inserted::Duplicate);
    assert!(timeline.pending().is_empty());
    assert_eq!(texts(&timeline), ["two"]);
}

#[test]
fn nothing_that_takes_nothing_back_is_not_shown() {
    let mut talk = Talk::default();
    talk.send(1, &by(ALICE).message(DraftPart::null(Disposition::RENDER)));
    assert_eq!(texts(&talk.both_ways()), [] as [&str; 0]);
}

#[test]
fn a_thread_is_what_has_its_topic() {
    let mut talk = Talk::default();
    let id = talk.send(1, &by(ALICE).text("one").topic(&b"t"[..]));
    talk.send(2, &by(BOB).text("two"));
    let original = talk.message(id).to_buf();
    talk.send(3, &by(BOB).reply(id, &original.as_message(), DraftPart::text("three")));
    let timeline = talk.both_ways();
    assert_eq!(timeline.thread(b"t", NOW).len(), 2);
}

/// One thing that someone does, with references to what was done before.
#[derive(Clone, Debug)]
struct Deed {
    bob: bool,
    at: u64,
    what: u8,
    target: prop::sample::Index,
    rights: u8,
}

fn deed() -> impl Strategy<Value = Deed> {
    (any::<bool>(), 0..8_u64, 0..9_u8, any::<prop::sample::Index>(), any::<u8>())
        .prop_map(|(bob, at, what, target, rights)| Deed { bob, at, what, target, rights })
}

fn talk_of(deeds: &[Deed]) -> Talk {
    let mut talk = Talk::default();
    for deed in deeds {
        let compose = by(if deed.bob { BOB } else { ALICE });
        let target = (!talk.sent.is_empty())
            .then(|| talk.sent[deed.target.index(talk.sent.len())].0.clone());
        let draft = match (deed.what, &target) {
            (0, _) | (_, None) => compose.text("new"),
            (1, Some(target)) => {
                compose.reply(target.id, &target.message.as_message(), DraftPart::text("reply"))
            }
            (2, Some(target)) => compose.reaction(target.id, "❤"),
            (3, Some(target)) => {
                compose.edit(target.id, &target.message.as_message(), DraftPart::text("edit"))
            }
            (4, Some(target)) => compose.delete(target.id, &target.message.as_message()),
            (5, Some(target)) => {
                let status = Status(deed.rights % 8);
                compose.status(&Report { entries: vec![ReportEntry { id: target.id, status }] })
            }
            (6, Some(target)) => {
                let seen = LastSeen::Messages(vec![target.id]).to_item().unwrap();
                compose.text("seen").extension(ExtensionKey::LAST_SEEN, seen).unwrap()
            }
            (7, Some(target)) => {
                // The same body in another topic.
                let mut draft = Draft::from(target.message.as_message());
                draft.sender = compose.text("").sender;
                draft.replaces = Some(target.message.as_message().replaces().unwrap_or(target.id));
                draft.topic(vec![deed.rights])
            }
            (_, Some(_)) => compose.text("brief").expires(Expiration::Absolute(999)),
        };
        let draft = draft.into_owned();
        let may = Act::ALL.into_iter().enumerate();
        let may = may.filter(|(bit, _)| deed.rights >> bit & 1 == 1).map(|(_, act)| act);
        let may = may.collect();
        talk.send_with(deed.at, &draft, may);
    }
    talk
}

proptest! {
    #[test]
    fn the_order_of_arrival_leaves_no_trace(
        deeds in prop::collection::vec(deed(), 1..24),
        shuffle in prop::collection::vec(any::<prop::sample::Index>(), 24),
        twice in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let talk = talk_of(&deeds);
        let mut other = talk.clone();
        for (at, index) in shuffle.iter().take(other.sent.len()).enumerate() {
            let with = index.index(other.sent.len());
            other.sent.swap(at, with);
        }
        // A message that comes again, later or earlier, changes nothing but the later time.
        let again = other.sent[twice.index(other.sent.len())].clone();
        other.sent.push((Received { accepted_at: again.0.accepted_at.plus(7), ..again.0 }, again.1));
        let timeline = talk.timeline();
        let mut shuffled = Timeline::default();
        let cut = cut.index(other.sent.len());
        for (at, (received, may)) in other.sent.iter().enumerate() {
            // Purging in between changes nothing either.
            if at == cut {
                shuffled.purge(NOW);
            }
            shuffled.insert(received.clone(), |act| may.contains(&act));
        }
        prop_assert_eq!(timeline.view(NOW), shuffled.view(NOW));
        prop_assert_eq!(timeline.pending(), shuffled.pending());
    }
}
