//! Messages of all shapes, for properties.

use openmimi::content::{
    Disposition, Draft, DraftBody, DraftExternal, DraftPart, Expiration, ExtensionKey, MessageId,
    Semantics, cbor::ItemBuf,
};
use proptest::prelude::*;

/// Octets to be written over others, somewhere.
pub(super) fn changes(
    number: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), number)
}

/// The same with those octets.
pub(super) fn changed(mut bytes: Vec<u8>, changes: Vec<(prop::sample::Index, u8)>) -> Vec<u8> {
    for (at, octet) in changes {
        let at = at.index(bytes.len());
        bytes[at] = octet;
    }
    bytes
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z/;=-]{0,30}", "\\PC{0,12}", "[a-z]{250,260}"]
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::collection::vec(any::<u8>(), 250..300),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u64>(), any::<u32>().prop_map(u64::from), 65_530..65_540_u64]
}

fn scalar() -> impl Strategy<Value = ItemBuf> {
    prop_oneof![
        number().prop_map(ItemBuf::unsigned),
        any::<i64>().prop_map(ItemBuf::integer),
        text().prop_map(|text| ItemBuf::text(&text)),
        octets().prop_map(|octets| ItemBuf::bytes(&octets)),
        any::<bool>().prop_map(ItemBuf::bool),
        Just(ItemBuf::null()),
        any::<f64>().prop_map(ItemBuf::float),
        any::<f32>().prop_map(|float| ItemBuf::float(float.into())),
        (-70_000..70_000_i32).prop_map(|number| ItemBuf::float(f64::from(number) / 4.0)),
        prop::collection::vec(1..=255_u8, 9..20).prop_map(|big| ItemBuf::tag(
            2,
            &ItemBuf::bytes(&big)
        )
        .unwrap()),
    ]
}

fn map_key() -> impl Strategy<Value = ItemBuf> {
    prop_oneof![
        (-(1_i64 << 53) + 1..1 << 53).prop_map(ItemBuf::integer),
        (-30..30_i64).prop_map(ItemBuf::integer),
        text().prop_map(|text| ItemBuf::text(&text)),
        octets().prop_map(|octets| ItemBuf::bytes(&octets)),
    ]
}

/// The value of an extension, of up to three levels.
pub(super) fn value() -> impl Strategy<Value = ItemBuf> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_filter_map("too deep", |items| ItemBuf::array(items).ok()),
            prop::collection::btree_map(map_key(), inner.clone(), 0..4)
                .prop_filter_map("too deep", |entries| ItemBuf::map(entries).ok()),
            // Tags 0 to 3 say what must be in them.
            (4..70_000_u64, inner)
                .prop_filter_map("too deep", |(tag, item)| ItemBuf::tag(tag, &item).ok()),
        ]
    })
}

fn external() -> impl Strategy<Value = DraftExternal<'static>> {
    (
        (text(), text(), any::<u32>(), number(), any::<u16>()),
        (octets(), octets(), octets()),
        (any::<u8>(), octets(), text(), text()),
    )
        .prop_map(|((content_type, url, expires, size, enc_alg), secret, rest)| {
            let (key, nonce, aad) = if enc_alg == 0 { Default::default() } else { secret };
            let (hash_alg, content_hash, description, filename) = rest;
            DraftExternal {
                content_type: content_type.into(),
                url: url.into(),
                expires,
                size,
                enc_alg,
                key: key.into(),
                nonce: nonce.into(),
                aad: aad.into(),
                hash_alg,
                content_hash: content_hash.into(),
                description: description.into(),
                filename: filename.into(),
            }
        })
}

fn leaf() -> impl Strategy<Value = DraftBody<'static>> {
    prop_oneof![
        1 => Just(DraftBody::Null),
        3 => (text(), octets()).prop_map(|(content_type, content)| DraftBody::Single {
            content_type: content_type.into(),
            content: content.into(),
        }),
        1 => external().prop_map(DraftBody::External),
    ]
}

fn part_of(
    body: impl Strategy<Value = DraftBody<'static>>,
) -> impl Strategy<Value = DraftPart<'static>> {
    (any::<u8>(), text(), body).prop_map(|(disposition, language, body)| DraftPart {
        disposition: Disposition(disposition),
        language: language.into(),
        body,
    })
}

/// A part of up to four levels.
pub(super) fn part() -> impl Strategy<Value = DraftPart<'static>> {
    part_of(leaf()).prop_recursive(3, 20, 4, |inner| {
        let semantics = prop_oneof![
            Just(Semantics::ChooseOne),
            Just(Semantics::SingleUnit),
            Just(Semantics::ProcessAll)
        ];
        let body = (semantics, prop::collection::vec(inner, 2..5))
            .prop_map(|(semantics, parts)| DraftBody::Multi { semantics, parts });
        part_of(body)
    })
}

fn id() -> impl Strategy<Value = Option<MessageId>> {
    prop::option::of(any::<[u8; 32]>().prop_map(|mut id| {
        id[0] = MessageId::SHA_256;
        MessageId(id)
    }))
}

fn expires() -> impl Strategy<Value = Option<Expiration>> {
    prop::option::of(prop_oneof![
        any::<u32>().prop_map(Expiration::Relative),
        any::<u32>().prop_map(Expiration::Absolute)
    ])
}

/// Any message that may be sent.
pub(super) fn draft() -> impl Strategy<Value = Draft<'static>> {
    let numbers = prop_oneof![-400..400_i64, -(1_i64 << 53) + 1..1 << 53];
    let extensions = prop::collection::vec((numbers, "[a-z]{1,3}", any::<bool>(), value()), 0..4);
    let head =
        (prop::option::of(text()), prop::option::of(text()), id(), octets(), expires(), id());
    (head, extensions, part()).prop_map(|(head, extensions, body)| {
        let (sender, room, replaces, topic, expires, in_reply_to) = head;
        let mut draft = Draft::new("", "", body).topic(topic);
        draft.sender = sender.map(Into::into);
        draft.room = room.map(Into::into);
        draft.replaces = replaces;
        draft.expires = expires;
        draft.in_reply_to = in_reply_to;
        for (number, text, is_text, value) in extensions {
            let key =
                if is_text { ExtensionKey::Text(&text) } else { ExtensionKey::Number(number) };
            // 0, 1 and 2 cannot be set so.
            if let Ok(more) = draft.clone().into_owned_with(key, value) {
                draft = more;
            }
        }
        draft
    })
}

/// Keys that live shorter than the draft.
trait WithKey {
    fn into_owned_with(
        self,
        key: ExtensionKey<'_>,
        value: ItemBuf,
    ) -> Result<Draft<'static>, openmimi::content::Rule>;
}

impl WithKey for Draft<'static> {
    fn into_owned_with(
        self,
        key: ExtensionKey<'_>,
        value: ItemBuf,
    ) -> Result<Draft<'static>, openmimi::content::Rule> {
        let shorter: Draft<'_> = self;
        shorter.extension(key, value).map(Draft::into_owned)
    }
}
