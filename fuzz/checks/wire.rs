//! What holds for any octets that are taken for a structure of the protocol, a component, a name, or a policy.

use std::fmt::Debug;

use openmimi::{
    codec::Wire,
    env::Limits,
    error::DecodeError,
    follower::Notice,
    franking::{FrankingAgentData, Tag},
    hub::Event,
    policy::{
        self, BaseRoomPolicy, PreAuth, Roles,
        components::{
            AssetPolicy, BotPolicy, HistoryPolicy, JoinLinkPolicy, JoinLinks, JoinLinksUpdate,
            LinkPreviewPolicy, LoggingPolicy, MediaTypeList, MessageExpiration,
            OperationalParameters, StatusNotificationPolicy,
        },
        file::PolicyFile,
        presets::Preset,
        question,
    },
    provider::directory::{Directory, Endpoint, Template},
    room::{
        ComponentId, ComponentOperation, Components, ParticipantList, ParticipantListUpdate,
        RoomMetadata, RoomState,
    },
    uri::{ClientUri, Domain, GroupUri, ParticipantUri, ProviderUri, RoomUri, UserUri},
    wire::{
        AbuseReport, AppAck, AppDataDictionary, ApplicationFraming, Capabilities, CipherSuite,
        ComponentsList, ConsentEntry, ExternalSender, FanoutMessage, Frank, GroupInfo,
        GroupInfoOption, GroupInfoRatchetTree, GroupInfoRequest, GroupInfoResponse, HttpsUrl,
        IdentifierRequest, IdentifierResponse, IdentityLink, KeyMaterialRequest,
        KeyMaterialResponse, KeyPackage, MlsMessage, MultiCredential, PartialGroupInfo,
        PrivateMessage, PseudonymousCredential, PublicMessage, RatchetTree, RatchetTreeOption,
        RatchetTreeSourceDomains, RequiredCapabilities, SafeAad, SubmitMessageRequest,
        SubmitMessageResponse, UpdateRequest, UpdateRoomResponse, Welcome, WireFormats, notify,
    },
};

use super::Check;

pub const TABLE: &[(&str, Check)] = &[
    ("MlsMessage", wire::<MlsMessage>),
    ("PublicMessage", wire::<PublicMessage>),
    ("PrivateMessage", wire::<PrivateMessage>),
    ("Welcome", wire::<Welcome>),
    ("KeyPackage", wire::<KeyPackage>),
    ("GroupInfo", wire::<GroupInfo>),
    ("PartialGroupInfo", wire::<PartialGroupInfo>),
    ("GroupInfoOption", wire::<GroupInfoOption>),
    ("RatchetTree", wire::<RatchetTree>),
    ("RatchetTreeOption", wire::<RatchetTreeOption>),
    ("RatchetTreeSourceDomains", wire::<RatchetTreeSourceDomains>),
    ("UpdateRequest", wire::<UpdateRequest>),
    ("UpdateRoomResponse", wire::<UpdateRoomResponse>),
    ("SubmitMessageRequest", wire::<SubmitMessageRequest>),
    ("SubmitMessageResponse", wire::<SubmitMessageResponse>),
    ("Frank", wire::<Frank>),
    ("FanoutMessage", wire::<FanoutMessage>),
    ("notification", notification),
    ("GroupInfoRequest", wire::<GroupInfoRequest>),
    ("GroupInfoResponse", wire::<GroupInfoResponse>),
    ("GroupInfoRatchetTree", wire::<GroupInfoRatchetTree>),
    ("KeyMaterialRequest", key_material),
    ("KeyMaterialResponse", wire::<KeyMaterialResponse>),
    ("ConsentEntry", consent),
    ("IdentifierRequest", wire::<IdentifierRequest>),
    ("IdentifierResponse", wire::<IdentifierResponse>),
    ("AbuseReport", wire::<AbuseReport>),
    ("AppAck", wire::<AppAck>),
    ("ApplicationFraming", wire::<ApplicationFraming>),
    ("AppDataDictionary", wire::<AppDataDictionary>),
    ("SafeAAD", wire::<SafeAad>),
    ("ComponentsList", wire::<ComponentsList>),
    ("WireFormats", wire::<WireFormats>),
    ("Capabilities", wire::<Capabilities>),
    ("RequiredCapabilities", wire::<RequiredCapabilities>),
    ("CipherSuite", wire::<CipherSuite>),
    ("ExternalSender", wire::<ExternalSender>),
    ("MultiCredential", wire::<MultiCredential>),
    ("PseudonymousCredential", wire::<PseudonymousCredential>),
    ("IdentityLink", wire::<IdentityLink>),
    ("FrankingTag", wire::<Tag>),
    ("FrankingAgentData", wire::<FrankingAgentData>),
    ("ParticipantListData", wire::<ParticipantList>),
    ("ParticipantListUpdate", wire::<ParticipantListUpdate>),
    ("RoomMetadata", wire::<RoomMetadata>),
    ("RoleData", wire::<Roles>),
    ("PreAuthData", wire::<PreAuth>),
    ("BaseRoomPolicy", wire::<BaseRoomPolicy>),
    ("AssetPolicy", wire::<AssetPolicy>),
    ("BotPolicy", wire::<BotPolicy>),
    ("HistoryPolicy", wire::<HistoryPolicy>),
    ("JoinLinkPolicy", wire::<JoinLinkPolicy>),
    ("JoinLinks", wire::<JoinLinks>),
    ("JoinLinksUpdate", wire::<JoinLinksUpdate>),
    ("LinkPreviewPolicy", wire::<LinkPreviewPolicy>),
    ("LoggingPolicy", wire::<LoggingPolicy>),
    ("MediaTypeList", wire::<MediaTypeList>),
    ("MessageExpiration", wire::<MessageExpiration>),
    ("OperationalParameters", wire::<OperationalParameters>),
    ("StatusNotificationPolicy", wire::<StatusNotificationPolicy>),
    ("components", components),
    ("component update", component_update),
    ("uri", uri),
    ("event", event),
    ("policy file", policy_file),
    ("question", ask),
    ("directory", directory),
    ("template", template),
    ("policy", super::policy::check),
];

pub fn check(input: &[u8]) {
    super::pick(TABLE, input);
}

pub fn input_for(name: &str, bytes: &[u8]) -> Vec<u8> {
    super::input_for(TABLE, name, bytes)
}

/// One encoding, one end, and errors within the input.
fn wire<T: Wire + PartialEq + Debug>(bytes: &[u8]) {
    if one_encoding::<T>(bytes).is_some() {
        one_end::<T>(bytes);
    }
}

fn one_encoding<T: Wire + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let decoded = T::decode(bytes);
    assert_eq!(decoded, T::decode(bytes), "decoding depends on nothing else");
    match decoded {
        Ok(value) => {
            assert_eq!(value.encode(), bytes, "one encoding of {value:?}");
            Some(value)
        }
        Err(error) => {
            within(&error, bytes);
            None
        }
    }
}

fn one_end<T: Wire>(bytes: &[u8]) {
    for end in (0..bytes.len()).rev().take(20).chain(0..bytes.len().min(20)) {
        assert!(T::decode(&bytes[..end]).is_err(), "cut after {end} octets");
    }
    assert!(T::decode(&[bytes, &[0]].concat()).is_err(), "one octet more");
}

/// A request for another protocol has no end that is known here.
fn key_material(bytes: &[u8]) {
    match one_encoding::<KeyMaterialRequest>(bytes) {
        Some(KeyMaterialRequest::Mls10(_)) => one_end::<KeyMaterialRequest>(bytes),
        Some(KeyMaterialRequest::Other { .. }) | None => {}
    }
}

fn within(error: &DecodeError, bytes: &[u8]) {
    assert!(error.offset <= bytes.len(), "{error}");
    assert!(!error.what.is_empty() && !error.to_string().is_empty());
}

/// Messages one after the other, read in both ways.
fn notification(bytes: &[u8]) {
    let notice = Notice::decode(bytes, &Limits::default());
    match notify::decode_all(bytes) {
        Ok(messages) => {
            assert_eq!(notify::encode_all(&messages), bytes);
            let _ = notice.expect("both read it").references().count();
        }
        Err(error) => assert_eq!(notice, Err(error), "both refuse it alike"),
    }
}

/// Of the two endpoints for consent, an entry belongs to exactly one.
fn consent(bytes: &[u8]) {
    wire::<ConsentEntry>(bytes);
    let (asked, told) =
        (ConsentEntry::decode_request(bytes).is_ok(), ConsentEntry::decode_update(bytes).is_ok());
    assert_eq!(ConsentEntry::decode(bytes).is_ok(), asked != told);
    assert!(!(asked && told));
}

fn room() -> RoomUri {
    RoomUri::parse("mimi://a.example/r/clubhouse").unwrap()
}

fn users() -> [UserUri; 2] {
    ["mimi://a.example/u/alice", "mimi://b.example/u/bob"].map(|it| UserUri::parse(it).unwrap())
}

/// A dictionary as a room, in place of what a preset has.
fn components(bytes: &[u8]) {
    let Ok(AppDataDictionary(found)) = AppDataDictionary::decode(bytes) else { return };
    let [alice, bob] = users();
    let mut components = Preset::Cooperative.room(&room(), &alice, std::slice::from_ref(&bob));
    for (id, octets) in found {
        components.insert(ComponentId(id), octets);
    }
    is_whole(components, &[alice, bob]);
}

/// A room holds its components octet for octet, and is made from them again.
fn is_whole(components: Components, users: &[UserUri]) {
    let Ok(state) = RoomState::from_components(components.clone(), users) else { return };
    assert_eq!(state.components(), components, "components are kept as they came");
    assert_eq!(RoomState::from_components(state.components(), users).as_ref(), Ok(&state));
    for user in users {
        let _ = (policy::may_send(&state, user), policy::may_receive(&state, user));
    }
    let _ = PolicyFile::of_room(&state).problems();
}

/// Updates of components in a row, each on the room that the one before has left.
fn component_update(bytes: &[u8]) {
    let Some((&preset, bytes)) = bytes.split_first() else { return };
    let Ok(SafeAad(updates)) = SafeAad::decode(bytes) else { return };
    let users = users();
    let preset = Preset::ALL[usize::from(preset) % Preset::ALL.len()];
    let base = preset.room(&room(), &users[0], &users[1..]);
    let mut state = RoomState::from_components(base, &users).unwrap();
    for (id, octets) in updates {
        let id = ComponentId(id);
        let before = state.clone();
        let operation = ComponentOperation::Update(&octets);
        let folded = state.fold(&[(id, operation)], &[]);
        assert_eq!(before, state, "to compute a change changes nothing");
        let Ok(change) = folded else { continue };
        let mut components = state.components();
        for (id, octets) in change.components(&state) {
            match octets {
                Some(octets) => drop(components.insert(id, octets)),
                None => drop(components.remove(id)),
            }
        }
        state.apply(change);
        assert_eq!(state.components(), components, "the change says what it does");
        is_whole(state.components(), &[]);
    }
}

/// A name is of one kind, and nothing is rewritten.
fn uri(bytes: &[u8]) {
    let kinds = [
        UserUri::parse(bytes).map(|it| it.to_string()),
        ClientUri::parse(bytes).map(|it| it.to_string()),
        RoomUri::parse(bytes).map(|it| it.to_string()),
        GroupUri::parse(bytes).map(|it| it.to_string()),
        ProviderUri::parse(bytes).map(|it| it.to_string()),
    ];
    let mut of: usize = 0;
    for kind in kinds.into_iter().flatten() {
        assert_eq!(kind.as_bytes(), bytes, "kept as it came");
        of += 1;
    }
    assert!(of <= 1, "of one kind");
    if let Ok(participant) = ParticipantUri::parse(bytes) {
        assert_eq!(participant.as_bytes(), bytes);
        assert_eq!(of, 1);
        assert!(Domain::parse(participant.domain().as_str()).is_ok());
    }
    if let Ok(user) = UserUri::parse(bytes) {
        assert_eq!(UserUri::parse(user.as_str()), Ok(user.clone()));
        assert_eq!(user.domain().as_str(), user.host());
    }
    // Whatever the text, escaped it is a name, or too long or empty.
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(user) =
            UserUri::new(&Domain::parse("a.example").unwrap(), openmimi::uri::escape(text))
    {
        assert_eq!(UserUri::parse(user.as_str()), Ok(user));
    }
}

/// The record of an event: whom it is owed to, and its body.
fn event(bytes: &[u8]) {
    match Event::read(bytes) {
        Ok(event) => assert!(bytes.ends_with(event.body())),
        Err(error) => within(&error, bytes),
    }
}

fn policy_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(file) = PolicyFile::parse(text) else { return };
    assert_eq!(PolicyFile::parse(&file.to_json()).as_ref(), Ok(&file));
    let problems = file.problems();
    match file.components() {
        Ok(components) => {
            assert_eq!(problems, [], "a policy without problems");
            let roles = components.get(ComponentId::ROLES_LIST).unwrap();
            assert_eq!(Roles::decode(roles).unwrap(), file.roles().unwrap());
        }
        Err(problem) => assert_eq!(problems.first(), Some(&problem)),
    }
}

fn ask(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    for preset in Preset::ALL {
        let roles = preset.roles();
        let answer = question::answer(&roles, line);
        assert_eq!(format!("{answer:?}"), format!("{:?}", question::answer(&roles, line)));
    }
}

/// What is read of a directory is what is written of it.
fn directory(bytes: &[u8]) {
    let provider = Domain::parse("b.example").unwrap();
    let limits = Limits::default();
    let Ok(directory) = Directory::read(provider.clone(), &limits, bytes) else { return };
    let written = directory.write();
    let again = Directory::read(provider, &limits, &written).expect("our own document");
    for endpoint in Endpoint::ALL {
        match directory.template(endpoint) {
            Ok(template) => assert_eq!(again.template(endpoint), Ok(template)),
            Err(_) => assert!(again.template(endpoint).is_err()),
        }
    }
    assert_eq!(again.write(), written);
}

fn template(bytes: &[u8]) {
    let Some((&endpoint, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let endpoint = Endpoint::ALL[usize::from(endpoint) % Endpoint::ALL.len()];
    if let Ok(template) = Template::parse(endpoint, text) {
        assert_eq!(template.as_str(), text, "kept as it came");
        assert_eq!(template.endpoint(), endpoint);
    }
    if let Ok(url) = HttpsUrl::parse(text.as_bytes()) {
        assert_eq!(url.as_str(), text);
    }
}
