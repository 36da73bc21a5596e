//! Messages in a scenario.
//!
//! ```text
//! > say bob as m1: text hello; topic lunch     a message, remembered as m1
//! > say alice: reply m1; text yes; topic lunch
//! > say alice: delete m1
//! ```
//!
//! What a message is made of, with `;` between: `text WORD`, `null`, `link`, `preview`, `shows TYPE` (an external part to
//! be rendered), `attaches TYPE`, `holds TYPE OCTETS` (a part in the message), `at URL`, `size OCTETS`; `reply`, `react`,
//! `edit`, `delete` LABEL; `topic WORD`, `expires SECONDS`, `until SECONDS` (from the present), `report STATUS LABEL`;
//! `missing` if the message that it refers to is not at hand.

use std::collections::BTreeMap;

use openmimi::{
    codec::Wire,
    content::{
        Compose, Disposition, Draft, DraftExternal, DraftPart, Expiration, MessageBuf, MessageId,
        Salt, Semantics,
        status::{Report, ReportEntry, Status},
    },
    env::Timestamp,
    policy::{
        components::{
            AssetPolicy, DownloadPrivacy, DownloadType, LinkPreviewPolicy, MessageExpiration,
            Optionality, StatusNotificationPolicy, UploadDomains, UploadLocation,
        },
        message::{Earlier, Sent, download, judge},
    },
    room::{ComponentId, RoomState},
    uri::{Domain, UserUri},
};

use super::{deed::user, scenario::told};

const ROOM: &str = "mimi://hub.example/r/room";
const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// What has been said.
#[derive(Default)]
pub(crate) struct Said(BTreeMap<String, (UserUri, MessageBuf, MessageId)>, u8);

fn optionality(word: &str) -> Optionality {
    match word {
        "optional" => Optionality::Optional,
        "required" => Optionality::Required,
        "forbidden" => Optionality::Forbidden,
        _ => panic!("no such word: {word}"),
    }
}

/// The component that a line of the setting stands for.
pub(crate) fn component(words: &[&str]) -> Option<(ComponentId, Vec<u8>)> {
    match *words {
        ["receipts", delivery, read] => {
            let policy = StatusNotificationPolicy {
                delivery_notifications: optionality(delivery),
                read_receipts: optionality(read),
            };
            Some((ComponentId::STATUS_NOTIFICATION_POLICY, policy.encode()))
        }
        ["expiration", optional, minimum, maximum] => {
            let policy = MessageExpiration {
                expiring_messages: optionality(optional),
                min_expiration_duration: minimum.parse().unwrap(),
                max_expiration_duration: maximum.parse().unwrap(),
                default_expiration_duration: None,
            };
            Some((ComponentId::MESSAGE_EXPIRATION_POLICY, policy.encode()))
        }
        ["previews", send] => {
            let policy = LinkPreviewPolicy {
                autodetect_hyperlinks_in_text: Optionality::Optional,
                send_link_previews: optionality(send),
                automatic_link_previews: Optionality::Optional,
                link_preview_proxy_use: Optionality::Forbidden,
                link_preview_proxy: None,
            };
            Some((ComponentId::LINK_PREVIEW_POLICY, policy.encode()))
        }
        ["assets", location, provider, host, largest, forbidden] => {
            let policy = AssetPolicy {
                upload_location: match location {
                    "anywhere" => UploadLocation::Unspecified,
                    "local" => UploadLocation::LocalProvider,
                    _ => UploadLocation::Hub,
                },
                upload_domains: vec![UploadDomains {
                    provider: Domain::parse(provider).unwrap(),
                    destinations: vec![Domain::parse(host).unwrap()],
                }],
                download: DownloadPrivacy {
                    allowed: Vec::new(),
                    forbidden: Vec::new(),
                    default: DownloadType::HubProxy,
                },
                max_image: largest.parse().unwrap(),
                max_audio: 2 * largest.parse::<u64>().unwrap(),
                max_video: 3 * largest.parse::<u64>().unwrap(),
                max_attachment: 4 * largest.parse::<u64>().unwrap(),
                forbidden_media_types: vec![forbidden.parse().unwrap()],
                permitted_media_types: None,
            };
            Some((ComponentId::ASSET_POLICY, policy.encode()))
        }
        _ => None,
    }
}

impl Said {
    fn id(&self, label: &str) -> MessageId {
        self.0[label].2
    }

    fn draft(&self, from: &UserUri, words: &str) -> (Draft<'static>, bool, bool) {
        let compose = Compose::new(from.as_str().to_owned(), ROOM);
        let mut parts: Vec<DraftPart<'static>> = Vec::new();
        let mut draft = compose.text("");
        let (mut has_link, mut missing, mut disposition) = (false, false, None);
        let external = |kind: &str| DraftExternal {
            content_type: kind.replace(',', ";").into(),
            url: "https://files.a.example/1".into(),
            ..DraftExternal::default()
        };
        let change = |draft: &mut Draft<'static>, label: &str| {
            let original = self.0[label].1.as_message();
            draft.replaces = Some(original.replaces().unwrap_or_else(|| self.id(label)));
            draft.topic = original.topic().to_vec().into();
            draft.in_reply_to = original.in_reply_to();
            draft.expires = original.expires();
            original.body().disposition()
        };
        for deed in words.split(';').map(str::trim).filter(|it| !it.is_empty()) {
            match *deed.split_whitespace().collect::<Vec<_>>() {
                ["text", word] => parts.push(DraftPart::text(word.to_owned())),
                ["link"] => {
                    has_link = true;
                    let link = "[here](https://example.com)";
                    parts
                        .push(DraftPart::single("text/markdown;variant=GFM-MIMI", link.as_bytes()));
                }
                ["preview"] => parts.push(
                    DraftPart::single("text/html", &b"<p>"[..]).disposition(Disposition::PREVIEW),
                ),
                ["shows", kind] => parts.push(external(kind).part(Disposition::RENDER)),
                ["attaches", kind] => parts.push(external(kind).part(Disposition::ATTACHMENT)),
                ["holds", kind, octets] => {
                    let content = vec![0; octets.parse().unwrap()];
                    parts.push(DraftPart::single(kind.to_owned(), content));
                }
                ["at", url] => {
                    let part = parts.pop().unwrap();
                    let openmimi::content::DraftBody::External(mut body) = part.body else {
                        panic!()
                    };
                    body.url = url.to_owned().into();
                    parts.push(body.part(part.disposition));
                }
                ["size", octets] => {
                    let part = parts.pop().unwrap();
                    let openmimi::content::DraftBody::External(mut body) = part.body else {
                        panic!()
                    };
                    body.size = octets.parse().unwrap();
                    parts.push(body.part(part.disposition));
                }
                ["reply", label] => draft.in_reply_to = Some(self.id(label)),
                ["react", label] => {
                    draft.in_reply_to = Some(self.id(label));
                    disposition = Some(Disposition::REACTION);
                }
                ["edit", label] => {
                    let kept = change(&mut draft, label);
                    disposition = (kept == Disposition::REACTION).then_some(kept);
                }
                ["delete", label] => {
                    let kept = change(&mut draft, label);
                    parts.push(DraftPart::null(kept));
                }
                ["null"] => parts.push(DraftPart::null(Disposition::RENDER)),
                ["topic"] => draft.topic = Vec::new().into(),
                ["topic", word] => draft.topic = word.as_bytes().to_vec().into(),
                ["expires", seconds] => {
                    draft.expires = Some(Expiration::Relative(seconds.parse().unwrap()));
                }
                ["until", seconds] => {
                    let from = u32::try_from(NOW.seconds()).unwrap();
                    draft.expires =
                        Some(Expiration::Absolute(from + seconds.parse::<u32>().unwrap()));
                }
                ["report", status, label] => {
                    let status = match status {
                        "delivered" => Status::DELIVERED,
                        "read" => Status::READ,
                        _ => Status::ERROR,
                    };
                    let entries = vec![ReportEntry { id: self.id(label), status }];
                    draft = compose.status(&Report { entries }).into_owned();
                    parts.push(draft.body.clone());
                }
                ["missing"] => missing = true,
                _ => panic!("no such part of a message: {deed}"),
            }
        }
        let body = match parts.len() {
            1 => parts.remove(0),
            _ => DraftPart::multi(Semantics::ProcessAll, parts),
        };
        draft.body = match disposition {
            Some(disposition) => body.disposition(disposition),
            None => body,
        };
        (draft, has_link, missing)
    }

    pub(crate) fn say(
        &mut self,
        room: &RoomState,
        who: &str,
        label: Option<&str>,
        words: &str,
    ) -> Vec<String> {
        let sender = user(who);
        let (draft, has_link, missing) = self.draft(&sender, words);
        self.1 += 1;
        let message = draft.build(Salt([self.1; 16])).unwrap();
        let view = message.as_message();
        // What the parser finds is what the scenario says.
        assert_eq!(openmimi::policy::message::has_link(room, &view), has_link);
        let id = view.id(sender.as_str(), ROOM).unwrap();
        let earlier = |wanted: &MessageId| {
            let (sender, message, _) = self.0.values().find(|(_, _, id)| id == wanted)?;
            (!missing).then(|| Earlier { sender: sender.as_str(), message: message.as_message() })
        };
        let sent = Sent { message: &view, sender: &sender, accepted_at: NOW, has_link };
        let verdict = match judge(room, &sent, earlier) {
            Ok(allowed) if allowed.waits => "allow, for now".to_owned(),
            Ok(_) => "allow".to_owned(),
            Err(denied) => told(&denied),
        };
        if let Some(label) = label {
            self.0.insert(label.to_owned(), (sender, message, id));
        }
        vec![verdict]
    }

    pub(crate) fn download(&self, room: &RoomState, who: &str, label: &str) -> Vec<String> {
        let (sender, message, _) = &self.0[label];
        let parts = message.as_message();
        let judged: Result<(), _> =
            parts.parts().try_for_each(|part| download(room, &user(who), sender, &part));
        vec![judged.map_or_else(|denied| told(&denied), |()| "allow".to_owned())]
    }
}
