//! The draft's fourteen messages, built with our own builders from the field values that it prints.

use openmimi::content::{
    Compose, Disposition, Draft, DraftExternal, DraftPart, Expiration, MessageBuf, MessageId, Salt,
    Semantics, media,
};

pub(super) const ALICE: &str = "mimi://example.com/u/alice-smith";
pub(super) const BOB: &str = "mimi://example.com/u/bob-jones";
pub(super) const CATHY: &str = "mimi://example.com/u/cathy-washington";
pub(super) const ROOM: &str = "mimi://example.com/r/engineering_team";

fn octets<const N: usize>(hex: &str) -> [u8; N] {
    std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

fn markdown(text: &'static str) -> DraftPart<'static> {
    DraftPart::single(media::MARKDOWN, text.as_bytes())
}

fn html(language: &'static str, text: &'static str) -> DraftPart<'static> {
    DraftPart::single(media::HTML, text.as_bytes()).language(language)
}

/// One example: its name, the message and the ID that the draft states.
pub(super) struct Example {
    pub(super) name: &'static str,
    pub(super) message: MessageBuf,
    pub(super) id: MessageId,
}

struct Examples(Vec<Example>);

impl Examples {
    fn add(&mut self, name: &'static str, draft: &Draft<'_>, salt: &str, id: &str) {
        let message = draft.build(Salt(octets(salt))).unwrap();
        self.0.push(Example { name, message, id: MessageId(octets(id)) });
    }

    fn get(&self, name: &str) -> (MessageId, MessageBuf) {
        let example = self.0.iter().find(|example| example.name == name).unwrap();
        (example.id, example.message.clone())
    }
}

/// All fourteen.
pub(super) fn all() -> Vec<Example> {
    let mut examples = Examples(Vec::new());
    conversation(&mut examples);
    assets(&mut examples);
    multipart(&mut examples);
    examples.0
}

fn conversation(examples: &mut Examples) {
    let (alice, bob, cathy) =
        (Compose::new(ALICE, ROOM), Compose::new(BOB, ROOM), Compose::new(CATHY, ROOM));
    examples.add(
        "original",
        &alice.message(markdown("Hi everyone, we just shipped release 2.0. __Good  work__!")),
        "5eed9406c2545547ab6f09f20a18b003",
        "017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4",
    );
    let (original_id, original) = examples.get("original");
    let original = original.as_message();
    examples.add(
        "reply",
        &bob.reply(original_id, &original, markdown("Right on! _Congratulations_ 'all!")),
        "11a458c73b8dd2cf404db4b378b8fe4d",
        "015354973c2b65ca937bf1e035ae53a5ab80e947afa43d46920d4202e5cc0b27",
    );
    examples.add(
        "reaction",
        &cathy.reaction(original_id, "❤"),
        "d37bc0e6a8b4f04e9e6382375f587bf6",
        "0158c4288911e50a8f6be3f47746b6682f10fd91bc8c05557aa589a3157aff68",
    );
    let kudos =
        "Kudos to [@Alice Smith](mimi://example.com/u/alice-smith) for making the release happen!";
    examples.add(
        "mention",
        &cathy.reply(original_id, &original, markdown(kudos)),
        "04f290e215d0f82d1750bfa8b7dc089d",
        "018d825adf9f6be00dcafc5704c4102f5022e74219d0b603e4ba7622654042af",
    );
    let kudos = "<p>Kudos to <a href=\"mimi://example.com/u/alice-smith\">@Alice Smith</a> for making the release happen!</p>";
    examples.add(
        "mention-html",
        &cathy.reply(original_id, &original, html("", kudos)),
        "15d9705fd5bf5e02b0af47c85f8b98fe",
        "01967ff8e9a66819738ad5cf26d2e0388a3b81d86b0f61d129c077d043ee2a4e",
    );
    let (reply_id, reply) = examples.get("reply");
    let reply = reply.as_message();
    examples.add(
        "edit",
        &bob.edit(reply_id, &reply, markdown("Right on! _Congratulations_ y'all!")),
        "b8c2e6d8800ecf45df39be6c45f4c042",
        "014028c0deddbdea56bec26172f6ede953d11024cb82b8192b5e2aea62d7fb47",
    );
    examples.add(
        "delete",
        &bob.delete(reply_id, &reply),
        "0a590d73b2c7761c39168be5ebf7f2e6",
        "011d9efc78d04d4dcf4d82b07d5199bbef37011c1f0c7e004b6111c6dda504b4",
    );
    let (reaction_id, reaction) = examples.get("reaction");
    examples.add(
        "unlike",
        &cathy.unlike(reaction_id, &reaction.as_message()),
        "c5ba86dc9fd272e58ca52ec805b79199",
        "013aadbb8f313253c8930f4e93c6ca54b2ed06d258185bdcec3870534c8a4ec4",
    );
    let warning =
        "__*VPN GOING DOWN*__ I'm rebooting the VPN in ten minutes unless anyone objects.";
    examples.add(
        "expiring",
        &alice.message(markdown(warning)).expires(Expiration::Absolute(1_644_390_004)),
        "33be993eb39f418f9295afc2ae160d2d",
        "01e59db8173939facc2c8a4a0f0ae8d0c7a11a81239626630c9464a8d6717a03",
    );
}

fn assets(examples: &mut Examples) {
    let file = DraftExternal {
        content_type: "video/mp4".into(),
        url: "https://example.com/storage/8ksB4bSrrRE.mp4".into(),
        expires: 0,
        size: 708_234_961,
        enc_alg: 1,
        key: octets::<16>("21399320958a6f4c745dde670d95e0d8").to_vec().into(),
        nonce: octets::<12>("c86cf2c33f21527d1dd76f5b").to_vec().into(),
        aad: Vec::new().into(),
        hash_alg: 1,
        content_hash: octets::<32>(
            "9ab17a8cf0890baaae7ee016c7312fcc080ba46498389458ee44f0276e783163",
        )
        .to_vec()
        .into(),
        description: "2 hours of key signing video".into(),
        filename: "bigfile.mp4".into(),
    };
    let mut attachment = Compose::new(BOB, ROOM).attachment(file);
    attachment.body = attachment.body.language("en");
    examples.add(
        "attachment",
        &attachment,
        "18fac6371e4e53f1aeaf8a013155c166",
        "0176180c7d19a925021fe446d241134d05c38e0d999cdc0f39c391d2377ed9d1",
    );
    examples.add(
        "conferencing",
        &Compose::new(ALICE, ROOM)
            .conference("https://example.com/join/12345", "Join the Foo 118 conference")
            .topic(&b"Foo 118"[..]),
        "678ac6cd54de049c3e9665cd212470fa",
        "01496d15a8dba28d7397f9868b70768e4a67f765d5b5b1ae9e03848c5fdeb0ba",
    );
}

fn multipart(examples: &mut Examples) {
    let alice = Compose::new(ALICE, ROOM);
    let image = &octets::<16>("dc861ebaa718fd7c3ca159f71a2001a7");
    examples.add(
        "multipart-1",
        &alice.message(DraftPart::alternatives([
            markdown("# Welcome!"),
            DraftPart::single("application/vnd.examplevendor-fancy-im-message", &image[..15]),
        ])),
        "261c953e178af653fe3d42641b91d814",
        "01da5a515ec5db42cc4dcc19b90c3c31245d8a1cfcce11318f24eb11dce0990e",
    );
    let mut reactions = alice.reactions(MessageId([1; 32]), ["❤", "🥳", "🤞"]);
    reactions.in_reply_to = None;
    examples.add(
        "multipart-2",
        &reactions,
        "8528dc2d92e4f1944d62042907ab94d0",
        "01d65918c6c51c8e76546337276ae6f4bfd873d867d5cb57c76bcdca3d999dd7",
    );
    let version = |english, french, content_type: &'static str, image: &[u8]| {
        DraftPart::multi(
            Semantics::ProcessAll,
            [
                DraftPart::alternatives([html("en", english), html("fr", french)]),
                DraftPart::single(content_type, image.to_vec()).disposition(Disposition::INLINE),
            ],
        )
    };
    examples.add(
        "multipart-3",
        &alice.message(DraftPart::alternatives([
            version(
                "<html><body><h1>Welcome!</h1>\n<img src=\"cid:5@local.invalid\" alt=\"Welcome image\"/>\n</body></html>",
                "<html><body><h1>Bienvenue!</h1>\n<img src=\"cid:5@local.invalid\" alt=\"Image bienvenue\"/>\n</body></html>",
                "image/gif",
                image,
            ),
            version(
                "<html><body><h1>Welcome!</h1>\n<img src=\"cid:10@local.invalid\" alt=\"Welcome image\"/>\n</body></html>",
                "<html><body><h1>Bienvenue!</h1>\n<img src=\"cid:10@local.invalid\" alt=\"Image bienvenue\"/>\n</body></html>",
                "image/png",
                &octets::<16>("fa444237451a05a72bb0f67037cc1669"),
            ),
        ])),
        "b8362793168d18c049b882d4642a2274",
        "01cfebeadbdb83c1eefb6403ba4852daf8bbbf9cd53bf5035a74d5d741950c9f",
    );
}

#[test]
fn what_we_build_has_the_ids_that_the_draft_states() {
    let examples = all();
    assert_eq!(examples.len(), 14);
    for example in &examples {
        assert_eq!(example.message.as_message().claimed_id(), Some(example.id), "{}", example.name);
    }
}

#[test]
fn a_draft_made_from_a_message_gives_the_same_bytes() {
    for example in all() {
        let message = example.message.as_message();
        let draft = Draft::from(message);
        assert_eq!(draft.encode(message.salt()).unwrap(), message.as_bytes(), "{}", example.name);
        let owned = draft.clone().into_owned();
        assert_eq!(owned, draft);
    }
}

#[test]
fn a_second_edit_refers_to_the_first_version() {
    let examples = all();
    let edit = examples.iter().find(|example| example.name == "edit").unwrap();
    let again =
        Compose::new(BOB, ROOM).edit(edit.id, &edit.message.as_message(), DraftPart::text("!"));
    assert_eq!(again.replaces, edit.message.as_message().replaces());
}
