//! The committed fuzzing corpora, replayed on the stable compiler through the checks of the fuzz targets; and the
//! seeds that they grew from.
//!
//! `OPENMIMI_WRITE_SEEDS=directory cargo test --test it corpus` writes the seeds, one directory a target.

use std::{collections::BTreeSet, fs, path::PathBuf};

use openmimi::{
    codec::Wire,
    content::{
        Compose, DerivedValues, Disposition, Draft, DraftExternal, DraftPart, Expiration,
        ExtensionKey, HubTimestamp, MessageId, Salt, Semantics,
        cbor::ItemBuf,
        known::LastSeen,
        status::{Report, ReportEntry, Status},
    },
    env::Timestamp,
    policy::{RoleIndex, file::PolicyFile, presets::Preset},
    provider::directory::{Directory, Endpoint},
    room::{ComponentId, ParticipantListUpdate},
    uri::RoomUri,
    wire::{AppDataDictionary, SafeAad},
};

use crate::kit::{Client, World, domain, tls, user};

#[path = "../../fuzz/checks/mod.rs"]
pub(crate) mod checks;

const ALICE: &str = "mimi://a.example/u/alice";
const BOB: &str = "mimi://b.example/u/bob";
const ROOM: &str = "mimi://a.example/r/clubhouse";

/// Checks the seeds and all that is committed for a target.
fn replay(target: &str, seeds: impl IntoIterator<Item = Vec<u8>>, check: fn(&[u8])) {
    let seeds: BTreeSet<Vec<u8>> = seeds.into_iter().collect();
    if let Some(directory) = std::env::var_os("OPENMIMI_WRITE_SEEDS") {
        let directory = PathBuf::from(directory).join(target);
        fs::create_dir_all(&directory).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(directory.join(format!("seed-{number}")), seed).unwrap();
        }
    }
    seeds.iter().for_each(|seed| check(seed));
    // A published crate comes without its corpora.
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let Ok(files) = fs::read_dir(corpus) else { return };
    for file in files {
        check(&fs::read(file.unwrap().path()).unwrap());
    }
}

#[test]
fn content() {
    replay("content", content_seeds(), checks::content::check);
}

#[test]
fn timeline() {
    // Conversations in which each deed follows each other one.
    let seeds = (0..9_u8).map(|what| {
        let deeds = (0..9_u8).flat_map(|next| {
            [[what, 2 * next, next, 0xff], [next, 3 * what + 1, what + next, next << 4 | what]]
        });
        deeds.flatten().collect()
    });
    replay("timeline", seeds, checks::timeline::check);
}

#[test]
fn wire() {
    replay("wire", wire_seeds(), checks::wire::check);
}

#[test]
fn records() {
    let machines = ["hub", "follower", "client", "device", "user"];
    let scripts = checks::records::scripts();
    let seeds = machines.iter().flat_map(|machine| {
        scripts.iter().map(|script| checks::records::input_for(machine, script))
    });
    replay("records", seeds, checks::records::check);
}

#[test]
fn http() {
    replay("http", http_seeds(), checks::http::check);
}

#[test]
fn hub() {
    replay("hub", checks::hub::scripts(), checks::hub::check);
}

#[test]
fn world() {
    replay("world", checks::world::scripts(), checks::world::check);
}

fn content_seeds() -> Vec<Vec<u8>> {
    let seed = checks::content::input_for;
    let (alice, bob) = (Compose::new(ALICE, ROOM), Compose::new(BOB, ROOM));
    let built = |draft: &Draft<'_>| draft.build(Salt([7; 16])).unwrap();
    let first = built(&alice.text("good morning"));
    let message = first.as_message();
    let id = message.claimed_id().unwrap();
    let seen = LastSeen::Messages(vec![id]).to_item().unwrap();
    let part = DraftPart::text;
    let mut nobody = alice.text("from nobody");
    (nobody.sender, nobody.room) = (None, None);
    let drafts = [
        alice.text("good morning"),
        bob.reply(id, &message, part("and to you")),
        bob.reaction(id, "👋"),
        alice.edit(id, &message, part("good evening")),
        alice.delete(id, &message),
        alice.text("brief").expires(Expiration::Relative(60)),
        alice.text("brief").expires(Expiration::Absolute(1_900_000_000)),
        bob.text("about").topic(vec![1, 2, 3]),
        bob.text("seen").extension(ExtensionKey::LAST_SEEN, seen).unwrap(),
        bob.markdown("*hello* [Alice](mimi://a.example/u/alice) <b>"),
        alice.message(
            DraftExternal::open("https://conf.example/7", "a call").part(Disposition::SESSION),
        ),
        alice.message(
            DraftExternal {
                content_type: "image/png".into(),
                size: 1 << 20,
                enc_alg: 1,
                key: vec![1; 16].into(),
                nonce: vec![2; 12].into(),
                hash_alg: 1,
                content_hash: vec![3; 32].into(),
                ..DraftExternal::open("https://files.example/p", "a picture")
            }
            .part(Disposition::ATTACHMENT),
        ),
        alice.message(DraftPart::multi(
            Semantics::SingleUnit,
            [
                DraftPart::single("text/html", b"<img src=\"cid:2@local.invalid\">".as_slice()),
                DraftPart::null(Disposition(200)).language("en,fr"),
                DraftPart::alternatives([
                    DraftPart::multi(Semantics::ProcessAll, [part("a"), part("b")]),
                    part("c").language("de"),
                ]),
            ],
        )),
        alice.text("all").extension(ExtensionKey::Text("all"), all_kinds()).unwrap(),
        nobody,
    ];
    let mut seeds: Vec<_> =
        drafts.iter().map(|draft| seed("message", built(draft).as_bytes())).collect();
    seeds.push(seed("item", all_kinds().as_item().as_bytes()));
    let report = Report { entries: vec![ReportEntry { id, status: Status::READ }; 2] };
    seeds.push(seed("status", &report.encode()));
    let now = HubTimestamp::Milliseconds(Timestamp(1_800_000_000_000));
    seeds.push(seed("derived", &derived(id, now)));
    let entry = |key, number| (ItemBuf::integer(key), ItemBuf::unsigned(number));
    let time = ItemBuf::map([entry(1, 1_800_000_000), entry(-3, 19)]).unwrap();
    seeds.push(seed("derived", &derived(id, HubTimestamp::Extended(time.as_item()))));
    for link in [
        "https://a.example\0http://a.example:80/",
        "a.example\0https://xn--e1afmkfd.example",
        "\u{202e}a\0javascript:alert(1)",
        "https://u@[::1]:443/?q#f",
    ] {
        seeds.push(seed("link", link.as_bytes()));
    }
    for source in [
        "<script>a</script> `<b>` <https://a.example> <!-- c -->",
        "- [ ] <?php ?>\n\n| a | b |\n|--|--|\n| <![CDATA[ | <!D> |\n\n    <pre>",
        "[a](<b\\> \"t\") ![c](d) ~~e~~ &lt;f> \\<g>",
    ] {
        seeds.push(seed("markdown", source.as_bytes()));
    }
    seeds
}

/// Every kind of item that an extension may hold.
fn all_kinds() -> ItemBuf {
    let entry = |key, number| (ItemBuf::integer(key), ItemBuf::unsigned(number));
    ItemBuf::array([
        ItemBuf::map([(ItemBuf::bytes(&[1]), ItemBuf::float(1.5)), entry(-1, u64::MAX)]).unwrap(),
        ItemBuf::tag(32, &ItemBuf::text("https://a")).unwrap(),
        ItemBuf::float(0.1),
        ItemBuf::float(100_000.0),
        ItemBuf::tag(2, &ItemBuf::bytes(&[1; 9])).unwrap(),
        ItemBuf::null(),
    ])
    .unwrap()
}

fn derived(id: MessageId, accepted_at: HubTimestamp<'_>) -> Vec<u8> {
    let values = DerivedValues {
        id,
        accepted_at,
        group_id: b"group",
        sender_leaf: 4,
        sender_client: "mimi://a.example/d/alice/phone",
        sender: ALICE,
        room: ROOM,
    };
    values.encode()
}

/// What a room of three sends, and what rooms are made of.
fn wire_seeds() -> Vec<Vec<u8>> {
    let seed = checks::wire::input_for;
    let mut seeds = Vec::new();
    let mut world = World::clubhouse();
    let dave = Client::new("dave@d.example/phone");
    let key_package = tls(&dave.key_package());
    seeds.push(seed("MlsMessage", &[&[0, 1, 0, 5], key_package.as_slice()].concat()));
    seeds.push(seed("KeyPackage", &key_package));
    let (request, _) = world.hub.group_info_request(&dave);
    seeds.push(seed("GroupInfoRequest", &request.encode()));

    let alice = world.client("alice@a.example");
    let place = alice.place(user("bob@b.example"));
    let update = ParticipantListUpdate {
        changed: vec![(place, RoleIndex(1))],
        added: vec![(dave.user.clone().into(), RoleIndex(2))],
        ..Default::default()
    };
    seeds.push(seed("ParticipantListUpdate", &update.encode()));
    let update = (ComponentId::PARTICIPANT_LIST.0, update.encode());
    let update = [&[1], SafeAad([update].into()).encode().as_slice()].concat();
    seeds.push(seed("component update", &update));
    let proposals = alice.propose(vec![crate::kit::add(dave.key_package())]);
    seeds.push(seed("UpdateRequest", &proposals));
    alice.forget_proposals();
    seeds.push(seed("RatchetTree", &alice.ratchet_tree()));
    seeds.push(seed("GroupInfo", &alice.group_info()));
    let commit = alice.update_path();
    seeds.push(seed("UpdateRequest", &commit.body()));
    seeds.push(seed("PublicMessage", &commit.commit));
    let peer = world.client("alice@a.example").peer();
    let response = world.hub.update(&peer, &commit.body()).unwrap();
    seeds.push(seed("UpdateRoomResponse", &response.encode()));
    let said = world.client("bob@b.example").encrypt(b"hello", Some(&[7; 32]));
    seeds.push(seed("PrivateMessage", &said));
    for (_, messages) in world.deliver() {
        let all = openmimi::wire::notify::encode_all(&messages);
        seeds.push(seed("notification", &all));
        seeds.extend(messages.iter().map(|it| seed("FanoutMessage", &it.encode())));
    }

    let uri = RoomUri::parse(ROOM).unwrap();
    let names = ["RoleData", "BaseRoomPolicy", "ParticipantListData", "RoomMetadata"];
    let ids = [
        ComponentId::ROLES_LIST,
        ComponentId::BASE_ROOM_POLICY,
        ComponentId::PARTICIPANT_LIST,
        ComponentId::ROOM_METADATA,
    ];
    for preset in Preset::ALL {
        let components = preset.room(&uri, &user("alice@a.example"), &[user("bob@b.example")]);
        for (name, id) in names.iter().zip(ids) {
            seeds.push(seed(name, components.get(id).unwrap()));
        }
        let all = components.iter().map(|(id, octets)| (id.0, octets.to_vec())).collect();
        seeds.push(seed("components", &AppDataDictionary(all).encode()));
        seeds.push(seed("policy file", PolicyFile::of_preset(preset).to_json().as_bytes()));
    }
    for uri in [ALICE, ROOM, "mimi://a.example", "mimi://a.example/d/a%20b/c", "x y%"] {
        seeds.push(seed("uri", uri.as_bytes()));
    }
    for line in ["may 2 canSendMessage", "2 ban 3", "add 1 2", "change 2 1 3"] {
        seeds.push(seed("question", line.as_bytes()));
    }
    let directory = Directory::standard(domain("b.example"), "mimi.b.example:8443").unwrap();
    seeds.push(seed("directory", &directory.write()));
    for (number, endpoint) in (0..).zip(Endpoint::ALL) {
        let text = directory.template(endpoint).unwrap().as_str();
        seeds.push(seed("template", &[&[number], text.as_bytes()].concat()));
    }
    seeds
}

fn http_seeds() -> Vec<Vec<u8>> {
    let head = "\nhost:mimi.b.example\nfrom:mimi@a.example";
    let paths = [
        "keyMaterial/mimi%3A%2F%2Fb.example%2Fu%2Fbob",
        "update/mimi%3A%2F%2Fb.example%2Fr%2Fden",
        "notify/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse",
        "submitMessage/mimi%3A%2F%2Fb.example%2Fr%2Fden",
        "groupInfo/mimi%3A%2F%2Fb.example%2Fr%2Fden",
        "reportAbuse/mimi%3A%2F%2Fb.example%2Fr%2Fden",
        "requestConsent/b.example",
        "updateConsent/b.example",
        "identifierQuery/b.example",
        "unknown/b.example",
    ];
    let mut requests: Vec<String> =
        paths.iter().map(|path| format!("POST /v1/{path}{head}\n\nbody")).collect();
    requests.push(format!("GET /.well-known/mimi-protocol-directory{head}"));
    requests.push(format!("GET /v1/proxyDownload/https%3A%2F%2Fa.example%2Ff{head}"));
    requests.push("POST https://mimi.b.example:443/v1/update/x\nfrom:mimi@c.example".to_owned());
    requests.push(format!("POST /v1/identifierQuery/b.example{head}\ncontent-encoding:gzip"));
    let responses = [
        "200\n\n\u{1}\0",
        "201",
        "429\nretry-after:120",
        "503\nretry-after:Fri, 15 Jan 2027 08:00:10 GMT",
        "403",
        "200\ncontent-encoding:gzip\n\nx",
        "200\n\n{\"update\":\"https://mimi.a.example/v1/update/{roomId}\"}",
    ];
    let seed = checks::http::input_for;
    let requests = requests.iter().map(|it| seed("request", it.as_bytes()));
    requests.chain(responses.iter().map(|it| seed("response", it.as_bytes()))).collect()
}
