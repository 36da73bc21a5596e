//! The morning: people find each other, and the room comes together. Each scene says what it promises.

use openmimi::{
    client::Message,
    codec::Wire,
    content::{self, Body, asset},
    download::{AssetChoice, LocalRules},
    hub::Wish,
    policy::{
        RoleIndex,
        components::{
            AssetPolicy, Component as _, DownloadPrivacy, DownloadType, UploadDomains,
            UploadLocation,
        },
    },
    provider::{Contact, directory::Route},
    room::ComponentId,
    uri::UserUri,
    wire::{
        ClientMaterial, Found, GroupInfoAnswer, HttpsUrl, IdentifierOutcome, KeyMaterialResponse,
        KeyMaterialUserCode,
    },
};

use super::{
    net::{domain, user},
    shared::{
        phone::SUITE,
        stage::{Broken, promise},
    },
    story::{ALICE, BOB, CATHY, DAVE, PRESET, Story},
};

/// Who may add others in the room.
const ADMINISTRATOR: RoleIndex = RoleIndex(3);

impl Story {
    /// P-220 … P-226: by the handle in full, among those who want to be found, and by whom the provider lets ask.
    pub fn search(&mut self) -> Result<(), Broken> {
        let b = domain("b.example");
        let found = self.world.search(self.alice, &b, "im:bob@b.example");
        let bob = Found::Users(vec![user(BOB)]);
        promise(found == IdentifierOutcome::Found(bob), || format!("Bob: {found:?}"))?;
        let hidden = self.world.search(self.alice, &b, "im:zoe@b.example");
        let absent = self.world.search(self.alice, &b, "im:nobody@b.example");
        promise([&hidden, &absent] == [&IdentifierOutcome::NotFound; 2], || {
            format!("Zoe: {hidden:?}, nobody: {absent:?}")
        })?;
        // d.example may not search here, and cannot tell that from Bob's absence (S-04).
        let shut = self.world.search(self.dave, &b, "im:bob@b.example");
        promise(shut == IdentifierOutcome::NotFound, || format!("Dave finds Bob: {shut:?}"))?;
        // Nor can it pose as another: its certificate says who it is (P-036).
        let (a, d) = (domain("a.example"), domain("d.example"));
        let answer = self.world.pose(&d, &a, &b, &Route::IdentifierQuery(b.clone()));
        let status = answer.map_or(0, |response| response.status().as_u16());
        promise(status == 403, || format!("d.example poses as a.example: {status}"))
    }

    /// P-200 … P-215: no KeyPackage without consent; the request goes from provider to provider.
    pub fn consent(&mut self) -> Result<(), Broken> {
        self.create_room()?;
        let (room, bob) = (self.room.clone(), user(BOB));
        let refused = self.world.key_material(self.alice, &room, &bob)?;
        promise(refused.user_status == KeyMaterialUserCode::NoConsent, || {
            format!("before consent: {:?}", refused.user_status)
        })?;
        let about = |user: &UserUri| Contact { user: user.clone(), room: Some(room.clone()) };
        self.world.ask_consent(self.alice, &about(&bob))?;
        self.world.settle();
        let asked = self.world.grant_consent(self.bob)?;
        promise(asked == [about(&user(ALICE))], || format!("Bob is asked by {asked:?}"))?;
        self.world.settle();
        let told = self.world.told(self.alice)?;
        promise(told == [about(&bob)], || format!("Alice is told {told:?}"))?;
        self.add(self.alice, BOB, 2)?;
        self.expect(&[ALICE, BOB], &[ALICE, BOB, BOB])
    }

    /// The hub offers, the creator builds, the hub takes it up (section 3.1). The room has a policy for assets.
    fn create_room(&mut self) -> Result<(), Broken> {
        let (now, creator, hub) = (self.world.now, user(ALICE), self.room.domain());
        let mut policy = PRESET.room(&self.room, &creator, &[]);
        let assets = AssetPolicy {
            upload_location: UploadLocation::LocalProvider,
            upload_domains: vec![UploadDomains {
                provider: domain("c.example"),
                destinations: vec![domain("files.c.example")],
            }],
            download: DownloadPrivacy {
                allowed: vec![DownloadType::HubProxy],
                forbidden: Vec::new(),
                default: DownloadType::HubProxy,
            },
            max_image: 1 << 20,
            max_audio: 1 << 20,
            max_video: 1 << 20,
            max_attachment: 1 << 20,
            forbidden_media_types: Vec::new(),
            permitted_media_types: None,
        };
        policy.insert(AssetPolicy::ID, assets.encode());
        let mut base = PRESET.base_policy();
        base.policy_component_ids.push(AssetPolicy::ID);
        policy.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
        let wish = Wish { room: self.room.clone(), creator, ciphersuite: SUITE, policy };
        let offer = self.world.provider(&hub).offer(now, &wish);
        let created = self.world.phones[self.alice].create(now, &offer);
        let peer = self.world.phones[self.alice].peer();
        self.world.provider(&hub).create(now, &peer, &offer, &created);
        self.world.trace.note("Alice", format!("creates {}", self.room));
        self.expect(&[ALICE], &[ALICE])
    }

    /// Adds a user with all clients.
    fn add(&mut self, by: usize, whom: &str, clients: usize) -> Result<(), Broken> {
        let material = self.world.key_material(by, &self.room, &user(whom))?;
        promise(packages(&material) == clients, || {
            format!("{whom}: {} KeyPackages instead of {clients}", packages(&material))
        })?;
        let (room, role) = (self.room.clone(), PRESET.ordinary());
        self.world.act(by, &room, |room, env, token| room.add(env, token, role, &material))?;
        self.world.settle();
        Ok(())
    }

    /// P-012: the KeyPackages of a third provider's user come through the hub.
    pub fn add_cathy(&mut self) -> Result<(), Broken> {
        let (room, bob) = (self.room.clone(), user(BOB));
        self.world.act(self.alice, &room, |room, env, token| {
            room.set_role(env, token, &bob.clone().into(), ADMINISTRATOR)
        })?;
        self.world.settle();
        self.add(self.bob, CATHY, 1)?;
        let direct = self.world.hops(&domain("b.example"), &domain("c.example"));
        promise(direct == 0, || format!("b.example has asked c.example directly {direct} times"))?;
        self.world.say(self.cathy, &room, "Hello from c.example!")?;
        let line = "cathy: Hello from c.example! [Valid]";
        self.only_read_by(line, &[self.alice, self.bob, self.laptop])?;
        self.expect(&[ALICE, BOB, CATHY], &[ALICE, BOB, BOB, CATHY])
    }

    /// P-180 (d), P-183, Q-35: whoever has the code may join; it names no role, so it is the ordinary one.
    pub fn join_link(&mut self) -> Result<(), Broken> {
        let (now, room, hub) = (self.world.now, self.room.clone(), self.room.domain());
        self.code = loop {
            if let Ok(Ok(code)) = self.world.provider(&hub).make_code(now, &room, 2) {
                break code;
            }
        };
        self.world.trace.note("Alice", "has a link made, and gives it to Dave".to_owned());
        let (_, guessed) = self.world.group_info(self.dave, &room, Some("guessed"));
        promise(guessed.answer == GroupInfoAnswer::NotAuthorized, || {
            "a guessed code opens the room".into()
        })?;
        promise(!self.may_propose("d.example"), || "d.example may propose already".into())?;
        let code = self.code.clone();
        self.world.join(self.dave, &room, Some(&code))?;
        self.world.say(self.dave, &room, "Nice place.")?;
        let line = "dave: Nice place. [Valid]";
        self.only_read_by(line, &[self.alice, self.bob, self.laptop, self.cathy])?;
        // P-280: with its first user the provider has become an external sender.
        for provider in ["a.example", "b.example", "c.example", "d.example"] {
            promise(self.may_propose(provider), || format!("{provider} may not propose"))?;
        }
        self.expect(&[ALICE, BOB, CATHY, DAVE], &[ALICE, BOB, BOB, CATHY, DAVE])
    }

    /// P-241 … P-247, D-60 … D-66: only the hub of the room asks the host, and only for what lies where it may.
    pub fn picture(&mut self) -> Result<(), Broken> {
        let (room, host) = (self.room.clone(), domain("files.c.example"));
        let picture = vec![0x89; 2_000];
        let url = "https://files.c.example/4f1d";
        self.world.addresses.insert(host, [192, 0, 43, 8].into());
        let (sealed, mut file) = asset::seal(&*self.world.crypto, asset::Aead::default(), &picture)
            .map_err(|error| error.to_string())?;
        self.world.files.insert(url.into(), sealed);
        file.content_type = "image/png".into();
        file.url = url.into();
        file.filename = "mountain.png".into();
        self.world.write(self.cathy, &room, |compose| compose.inline(file))?;
        let line = "cathy: (mountain.png) [Valid]";
        self.only_read_by(line, &[self.alice, self.bob, self.laptop, self.dave])?;

        let message = self.message(self.bob, CATHY)?;
        let opened = self.open_picture(self.bob, &message)?;
        promise(opened == picture, || "Bob sees another picture".into())?;

        // No open proxy: not a host that is no peer's, and not a name that leads inside.
        let mut inside = |url: &str, address: Option<[u8; 4]>| {
            if let Some(address) = address {
                self.world.addresses.insert(domain("files.c.example"), address.into());
            }
            let url = HttpsUrl::parse(url.as_bytes()).map_err(|fault| fault.to_string())?;
            let response = self.world.download(self.bob, &room, &Route::ProxyDownload(url));
            let status = response.map_or(0, |response| response.status().as_u16());
            promise(status == 403 || status == 502, || format!("a download is answered {status}"))
        };
        inside("https://files.x.example/", None)?;
        inside(url, Some([10, 0, 0, 1]))
    }

    /// The newest message of somebody that a device has.
    pub fn message(&self, phone: usize, sender: &str) -> Result<Message, Broken> {
        let mut inbox = self.world.phones[phone].inbox.values();
        let found = inbox.rfind(|message| message.sender.as_str() == sender);
        found.cloned().ok_or_else(|| format!("no message of {sender}"))
    }

    /// The app decides how to get an asset, gets it, and opens it.
    fn open_picture(&mut self, phone: usize, message: &Message) -> Result<Vec<u8>, Broken> {
        let content = content::Message::decode(&message.content).map_err(|it| it.to_string())?;
        let Body::External(file) = content.body().body() else { return Err("no picture".into()) };
        let reader = self.owner(phone);
        let policy = self.world.phones[phone].rooms[&self.room].committed().policy::<AssetPolicy>();
        let local = LocalRules::default();
        let choice = AssetChoice { room: policy.as_ref(), local: &local, user: &reader };
        let download = choice
            .download(&message.sender, &file, false)
            .map_err(|refusal| refusal.to_string())?;
        promise(download.automatic, || "the app has to ask its user".into())?;
        let route = download.route().ok_or("not through the hub")?;
        let response = self.world.download(phone, &self.room.clone(), &route).ok_or("no answer")?;
        let rules = asset::AssetRules { most: download.most, ..asset::AssetRules::default() };
        asset::open(&*self.world.crypto, &file, &rules, response.body(), self.world.now)
            .map_err(|refusal| refusal.to_string())
    }
}

/// How many KeyPackages there are in an answer.
fn packages(material: &KeyMaterialResponse) -> usize {
    let has = |client: &&openmimi::wire::ClientKeyMaterial| {
        matches!(client.material, ClientMaterial::KeyPackage(_))
    };
    material.clients.iter().filter(has).count()
}
