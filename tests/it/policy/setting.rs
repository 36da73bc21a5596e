//! The lines of a scenario that describe its room.

use openmimi::{
    policy::{
        BaseRoomPolicy, Bounds, Capability, Choice, Claim, Envelope, RoleChange, Roles,
        components::UploadLocation, presets::Preset,
    },
    uri::RoomUri,
};

use super::deed::{index, participant};

/// An operator's envelope: the default one with some choices less.
pub(super) fn envelope_of(choices: &[&str]) -> Envelope {
    let mut envelope = Envelope::default();
    for choice in choices {
        let (field, value) = choice.split_once('=').unwrap();
        let yes = || value.parse::<bool>().unwrap();
        let count = || value.parse::<u32>().unwrap();
        let of_three = || match value {
            "required" => Choice::REQUIRED,
            "forbidden" => Choice::FORBIDDEN,
            _ => Choice::ANY,
        };
        match field {
            "roles" => envelope.roles = Some(vec![Preset::named(value).unwrap().roles()]),
            "forbidden" => {
                envelope.forbidden_capabilities.insert(Capability::named(value).unwrap());
            }
            "hub_enforces" => envelope.hub_enforces = yes(),
            "max_users" => envelope.max_users = Some(count()),
            "max_clients" => envelope.max_clients = Some(count()),
            "persistent" => envelope.persistent = yes(),
            "discoverable" => envelope.discoverable = yes(),
            "pseudonyms" => envelope.pseudonyms = yes(),
            "dependent" => envelope.dependent = yes(),
            "everybody" => envelope.preauthorise_everybody = yes(),
            "links" => envelope.join_links = count() as usize,
            "link_expiration" => envelope.link_expiration = Some(count()),
            "logging" => envelope.logging = of_three(),
            "history" => envelope.history = of_three(),
            "expiring" => envelope.expiring_messages = of_three(),
            "bots" => envelope.bots = yes(),
            "location" => envelope.asset_locations = Some(vec![UploadLocation::LocalProvider]),
            "direct" => envelope.direct_downloads = yes(),
            "octets" => envelope.asset_octets = count().into(),
            "unknown" => envelope.unknown_components = yes(),
            _ => panic!("no such choice: {choice}"),
        }
    }
    envelope
}

pub(super) fn number(text: &str) -> u16 {
    u16::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

pub(super) fn octets(hex: &str) -> Vec<u8> {
    let hex = hex.replace('-', "");
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

pub(super) fn claim_of(claim: &str) -> Claim {
    let (id, value) = claim.split_once('=').unwrap();
    let (credential_type, id, value) = match id {
        "domain" => (Claim::BASIC, Claim::DOMAIN, value.to_owned()),
        "user" => (Claim::BASIC, &b""[..], participant(value).as_str().to_owned()),
        id => (2, id.as_bytes(), value.to_owned()),
    };
    Claim { credential_type, id: id.to_vec(), value: value.into_bytes() }
}

pub(super) fn base_field(base: &mut BaseRoomPolicy, field: &str, value: &str) {
    let yes = || value.parse::<bool>().unwrap();
    let limit = || value.parse::<u32>().ok();
    match field {
        "fixed_membership" => base.fixed_membership = yes(),
        "multi_device" => base.multi_device = yes(),
        "max_clients" => base.max_clients = limit(),
        "max_users" => base.max_users = limit(),
        "pseudonyms_allowed" => base.pseudonyms_allowed = yes(),
        "persistent_room" => base.persistent_room = yes(),
        "discoverable" => base.discoverable = yes(),
        "parent" => base.parent = Some(RoomUri::parse(value).unwrap()),
        _ => panic!("no such field: {field}"),
    }
}

/// The roles with one line's change.
pub(super) fn changed_roles(roles: &Roles, words: &[&str]) -> Roles {
    let mut roles: Vec<_> = roles.iter().cloned().collect();
    let bounds = |text: &str| {
        let (minimum, maximum) = text.split_once("..").unwrap();
        Bounds { minimum: minimum.parse().unwrap(), maximum: maximum.parse().ok() }
    };
    let at = |roles: &Vec<openmimi::policy::Role>, role: &str| {
        roles.iter().position(|it| it.index == index(role)).unwrap()
    };
    match *words {
        ["can", role, name] => {
            let at = at(&roles, role);
            roles[at].capabilities.push(Capability::named(name).unwrap());
        }
        ["cannot", role, name] => {
            let at = at(&roles, role);
            let lost = Capability::named(name).unwrap();
            roles[at].capabilities.retain(|it| *it != lost);
        }
        ["moves", role, ref pairs @ ..] => {
            let at = at(&roles, role);
            roles[at].changes = pairs
                .iter()
                .map(|pair| {
                    let (from, targets) = pair.split_once(':').unwrap();
                    RoleChange {
                        from: index(from),
                        targets: targets.split(',').map(index).collect(),
                    }
                })
                .collect();
        }
        ["bounds", role, range] => {
            let at = at(&roles, role);
            roles[at].participants = bounds(range);
        }
        ["active", role, range] => {
            let at = at(&roles, role);
            roles[at].active = bounds(range);
        }
        ["unnamed", role] => {
            let at = at(&roles, role);
            (roles[at].name, roles[at].description) = (String::new(), String::new());
        }
        ["name", role, name] => {
            let at = at(&roles, role);
            roles[at].name = name.into();
        }
        // The role and every change that leads to or from it.
        ["drop-role", role] => {
            let gone = index(role);
            roles.retain(|it| it.index != gone);
            for role in &mut roles {
                role.changes.retain(|it| it.from != gone);
                role.changes.iter_mut().for_each(|it| it.targets.retain(|to| *to != gone));
            }
        }
        _ => panic!("no such line: {}", words.join(" ")),
    }
    Roles::new(roles).unwrap()
}
