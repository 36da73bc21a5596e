//! The matrix of every preset, questions one by one, and policies as files.

use openmimi::policy::{
    file::{PolicyFile, Problem},
    matrix::Matrix,
    presets::Preset,
    question::answer,
};

/// R-150, R-151: the whole matrix of each preset. `UPDATE_GOLDEN=1` writes them anew.
#[test]
fn golden_matrices() {
    for preset in Preset::ALL {
        let matrix = Matrix::of(&preset.roles()).to_string();
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/it/policy/matrix")
            .join(format!("{}.txt", preset.name()));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(file, matrix).unwrap();
        } else {
            assert_eq!(std::fs::read_to_string(file).unwrap(), matrix, "{}", preset.name());
        }
    }
}

fn ask(preset: Preset, questions: &[(&str, &str)]) {
    for (line, expected) in questions {
        let answer = answer(&preset.roles(), line).to_string();
        let start =
            answer.split(' ').take(expected.split(' ').count()).collect::<Vec<_>>().join(" ");
        assert_eq!(&start, expected, "{line}: {answer}");
    }
}

#[test]
fn questions_about_others() {
    ask(
        Preset::Cooperative,
        &[
            ("2 add 0 2", "allow"),
            ("2 add 0 3", "deny role-change"),
            ("4 add 0 1", "deny max-active"),
            ("4 add 2 3", "deny listed"),
            ("4 add 0 77", "deny no-such-role"),
            ("4 add 0 0", "deny no-such-role"),
            ("2 remove 2 0", "allow"),
            ("2 remove 3 0", "deny role-change"),
            ("4 remove 3 0", "allow"),
            ("4 remove 3 0 3=1/1", "deny min-participants"),
            ("5 remove 1 0", "allow"),
            ("4 remove 0 0", "deny not-listed"),
            ("4 kick 2 -", "allow"),
            ("4 kick 1 -", "deny inactive"),
            ("4 kick 5 -", "deny inactive"),
            ("2 kick 2 -", "deny capability"),
            ("3 ban 2 1", "allow"),
            ("3 ban 4 1", "deny role-change"),
            ("3 ban 0 1", "allow"),
            ("5 ban 0 1", "allow"),
            ("2 ban 2 1", "deny capability"),
            ("3 ban 2 2", "deny no-such-role"),
            ("3 unban 1 2", "allow"),
            ("3 unban 2 3", "deny not-banned"),
            ("3 unban 1 4", "deny role-change"),
            ("3 set-role 2 3", "allow"),
            ("3 set-role 2 2", "deny same-role"),
            ("3 set-role 2 0", "deny no-such-role"),
            ("4 set-role 2 1", "deny max-active"),
            ("4 set-role 3 2", "allow"),
            ("4 set-role 3 2 3=1/1", "deny min-participants"),
            ("1 add 0 2", "deny no-participant"),
            ("0 add 0 2", "deny no-participant"),
        ],
    );
}

#[test]
fn questions_about_oneself() {
    ask(
        Preset::Cooperative,
        &[
            ("2 leave - 0", "allow"),
            ("2 leave 2 0", "allow"),
            ("3 leave - 0", "deny min-participants"),
            ("3 leave 3 0", "allow"),
            ("3 leave 3 0 3=1/1", "deny min-participants"),
            ("2 set-own-role - 3", "deny capability"),
            ("2 remove-own-client - -", "allow"),
            ("5 remove-own-client - -", "deny capability"),
            ("2 add-own-client - -", "allow"),
            ("0 open-join - 2", "deny capability"),
            ("2 open-join - 2", "deny listed"),
            ("1 open-join - 2", "deny listed"),
        ],
    );
    ask(
        Preset::Strict,
        &[
            ("0 join-code - 2", "allow"),
            ("0 join-code - 3", "deny role-change"),
            ("0 join-code - 9", "deny no-such-role"),
            ("0 preauth-join - 2", "allow"),
            ("0 preauth-join - 3", "allow"),
            ("0 preauth-join - 5", "deny capability"),
            ("0 preauth-join - 0", "deny not-preauthorized"),
            ("2 set-own-role - 3", "allow"),
            ("2 set-own-role - 2", "deny same-role"),
            ("2 set-own-role - 1", "deny oneself"),
            ("3 set-own-role - 2", "deny min-participants"),
            ("3 set-own-role 3 2", "allow"),
        ],
    );
    ask(
        Preset::MultiOrganization,
        &[
            ("6 remove-own-client - -", "deny min-active"),
            ("6 remove-own-client 6 -", "allow"),
            ("6 add 0 6 6=3/1", "deny max-participants"),
            ("6 set-role 3 6 6=2/1", "allow"),
            ("6 ban 3 1", "allow"),
            ("6 unban 1 3", "deny"),
            ("9 ban 2 1", "deny role-change"),
            ("9 remove 3 0", "allow"),
        ],
    );
}

#[test]
fn questions_about_the_room() {
    ask(
        Preset::Cooperative,
        &[
            ("2 set-name - -", "allow"),
            ("2 set-description - -", "deny capability"),
            ("3 set-description - -", "allow"),
            ("4 set-base-policy - -", "allow"),
            ("4 set-roles - -", "deny capability"),
            ("5 set-roles - -", "allow"),
            ("4 set-preauth - -", "allow"),
            ("4 destroy - -", "allow"),
            ("4 reinit - -", "deny capability"),
            ("2 send - -", "allow"),
            ("1 send - -", "deny no-participant"),
            ("5 send - -", "deny capability"),
            ("2 receive - -", "allow"),
        ],
    );
    ask(Preset::Moderated, &[("3 send - -", "deny capability"), ("4 send - -", "allow")]);
}

#[test]
fn lines_that_are_no_questions() {
    ask(
        Preset::Cooperative,
        &[
            ("", "error"),
            ("2", "error"),
            ("2 add 0", "error"),
            ("2 add - 2", "error"),
            ("2 add 0 -", "error"),
            ("2 fly 0 2", "error"),
            ("77 add 0 2", "error"),
            ("2 remove 77 0", "error"),
            ("2 kick 2 0", "error"),
            ("2 send 2 -", "error"),
            ("2 send - 0", "error"),
            ("0 open-join 0 2", "error"),
            ("two add 0 2", "error"),
            ("2 add 0 2 2=1", "error"),
            ("2 add 0 2 2=1/2", "error"),
            ("2 add 0 2 77=1/1", "error"),
            ("2 add 0 +2", "error"),
        ],
    );
}

/// Every row of the table of questions: what FROM and TO may be, what is no question, and what is denied.
#[test]
fn every_row_of_the_table() {
    ask(
        Preset::Cooperative,
        &[
            // add: 0, and the role given.
            ("3 add 0 3", "allow"),
            ("3 add 2 3", "deny listed"),
            ("3 add - 3", "error FROM"),
            ("3 add 0 -", "error TO"),
            ("3 add 0 99", "deny no-such-role"),
            // remove: the target's role, and 0.
            ("3 remove 2 0", "allow"),
            ("3 remove 2 2", "deny no-such-role"),
            ("3 remove 0 0", "deny not-listed"),
            ("3 remove - 0", "error FROM"),
            ("3 remove 2 -", "error TO"),
            ("3 remove 99 0", "error FROM:"),
            // kick: the target's role, and nothing.
            ("3 kick 2 -", "allow"),
            ("3 kick 2 0", "error TO"),
            ("3 kick - -", "error FROM"),
            ("3 kick 0 -", "deny not-listed"),
            ("3 kick 99 -", "error FROM:"),
            // ban: the target's role or 0, and 1.
            ("3 ban 2 1", "allow"),
            ("3 ban 0 1", "allow"),
            ("3 ban 1 1", "deny"),
            ("3 ban 2 3", "deny no-such-role"),
            ("3 ban - 1", "error FROM"),
            ("3 ban 2 -", "error TO"),
            // unban: 1, and the role given.
            ("3 unban 1 2", "allow"),
            ("3 unban 2 2", "deny not-banned"),
            ("3 unban 0 2", "deny not-banned"),
            ("3 unban 1 0", "deny no-such-role"),
            ("3 unban 1 99", "deny no-such-role"),
            ("3 unban - 2", "error FROM"),
            ("3 unban 1 -", "error TO"),
            // set-role: the target's role, and the role given.
            ("3 set-role 2 3", "allow"),
            ("3 set-role 0 3", "deny not-listed"),
            ("3 set-role 2 99", "deny no-such-role"),
            ("3 set-role 99 2", "error FROM:"),
            ("3 set-role 2 -", "error TO"),
            // leave: nothing or the actor's own role, and 0.
            ("2 leave - 0", "allow"),
            ("2 leave 2 0", "allow"),
            ("2 leave 3 0", "deny others"),
            ("2 leave - 1", "deny no-such-role"),
            ("2 leave - -", "error TO"),
            ("2 leave 99 0", "error FROM:"),
            // remove-own-client: nothing or the actor's own role, and nothing.
            ("2 remove-own-client - -", "allow"),
            ("2 remove-own-client 2 -", "allow"),
            ("2 remove-own-client 3 -", "deny others"),
            ("2 remove-own-client - 0", "error TO"),
            // Joining: nothing, and the role given.
            ("0 open-join - -", "error TO"),
            ("0 open-join 0 2", "error FROM"),
            ("0 join-code 2 2", "error FROM"),
            ("0 preauth-join 0 2", "error FROM"),
            ("2 join-code - 2", "deny listed"),
            ("2 preauth-join - 2", "deny listed"),
            // Who may not act at all.
            ("0 leave - 0", "deny no-participant"),
            ("1 leave - 0", "deny no-participant"),
            ("1 add-own-client - -", "deny no-participant"),
            // Lines that are none.
            ("2 send - - 2=1/1 2=2/2", "error two counts for role 2"),
            ("2 send - - 2=1/2", "error counts"),
            ("2 send - - 99=1/1", "error ROLE:"),
            ("2 send - - more", "error counts"),
            ("2 send -", "error TO"),
            ("2 send", "error FROM"),
            ("2", "error ACTION"),
            ("- send - -", "error ACTOR_ROLE"),
            ("4294967296 send - -", "error ACTOR_ROLE"),
            ("2 Send - -", "error unknown"),
        ],
    );
    for action in ["add-own-client", "set-name", "set-description", "set-avatar", "set-subject"]
        .into_iter()
        .chain(["set-mood", "set-base-policy", "set-roles", "set-preauth", "destroy", "reinit"])
        .chain(["set-operational-policy", "set-other-policy", "send", "receive"])
    {
        let answer = |rest: &str| {
            let line = format!("2 {action} {rest}");
            answer(&Preset::Cooperative.roles(), &line).to_string()
        };
        assert!(!answer("- -").starts_with("error"), "{action}");
        assert!(answer("2 -").starts_with("error FROM"), "{action}");
        assert!(answer("- 2").starts_with("error TO"), "{action}");
    }
    ask(
        Preset::Strict,
        &[
            ("2 set-own-role 2 3", "allow"),
            ("2 set-own-role 3 3", "deny others"),
            ("2 set-own-role - 0", "deny no-such-role"),
            ("2 set-own-role - 99", "deny no-such-role"),
            ("2 set-own-role - -", "error TO"),
            ("0 preauth-join - 99", "deny"),
            ("0 join-code - 1", "deny role-change"),
        ],
    );
}

/// A policy that goes to a file comes back the same.
#[test]
fn presets_as_files() {
    for preset in Preset::ALL {
        let file = PolicyFile::of_preset(preset);
        assert_eq!(file.problems(), []);
        let again = PolicyFile::parse(&file.to_json()).unwrap();
        assert_eq!(again, file);
        assert_eq!(again.roles().unwrap(), preset.roles());
        assert_eq!(again.base_policy(), preset.base_policy());
        assert!(again.components().is_ok());
    }
}

/// Every part of the format, and what it means.
#[test]
fn a_file_with_everything() {
    let text = r#"{
        "roles": [
            {"role_index": 0, "role_name": "no_role", "role_capabilities": ["canOpenJoin"],
             "authorized_role_changes": [{"from_role_index": 0, "target_role_indexes": [2]}]},
            {"role_index": 2, "role_name": "user", "role_description": "anybody",
             "role_capabilities": ["canSendMessage", "0xf001", "0x0007"],
             "minimum_participants_constraint": 1, "maximum_participants_constraint": 9,
             "minimum_active_participants_constraint": 0,
             "maximum_active_participants_constraint": null,
             "authorized_role_changes": []}
        ],
        "base_room_policy": {"max_users": 50, "discoverable": true},
        "preauth_list": [{"claimset": [{"credential_type": 1, "id": "domain", "value": "a.example"},
                                       {"credential_type": 2, "id": "0x551d11", "value": "0x00ff"}],
                          "target_role_index": 2}],
        "mls_operational_policy": {"external_commit_allowed": false,
                                   "pending_proposal_policy": {"random_delay": {"minimum": 1, "maximum": 2}}},
        "status_notification_policy": {"delivery_notifications": "required", "read_receipts": "forbidden"},
        "join_link_policy": {"on_request": true, "multiuser": false, "expiration": 60},
        "link_preview_policy": {"autodetect_hyperlinks_in_text": "optional", "send_link_previews": "optional",
            "automatic_link_previews": "forbidden", "link_preview_proxy_use": "forbidden",
            "link_preview_proxy": null},
        "asset_policy": {"upload_location": "localProvider", "download": {"default": "hubProxy"},
            "max_image": 1, "max_audio": 2, "max_video": 3, "max_attachment": 4,
            "forbidden_media_types": ["text/html"]},
        "logging_policy": {"logging": "optional", "logging_clients": ["mimi://a.example/u/log"]},
        "chat_history_policy": {"history_sharing": "optional", "roles_that_can_share": [2]},
        "bot_policy": {"allowed_bots": []},
        "message_expiration_policy": {"expiring_messages": "required",
            "min_expiration_duration": 1, "max_expiration_duration": 5}
    }"#;
    let file = PolicyFile::parse(text).unwrap();
    assert_eq!(file.problems(), []);
    assert_eq!(PolicyFile::parse(&file.to_json()).unwrap(), file);
    assert_eq!(file.components().unwrap().iter().count(), 12);
    assert_eq!(file.preauth().entries[0].claims[1].value, [0x00, 0xff]);
}

/// All problems are told at once, and each names its role.
#[test]
fn problems_are_all_told() {
    let text = r#"{"roles": [
        {"role_index": 0, "role_name": "none", "role_capabilities": ["canSendMessage"],
         "minimum_participants_constraint": 1},
        {"role_index": 1, "role_name": "banned", "role_capabilities": ["canAddParticipant"],
         "authorized_role_changes": [{"from_role_index": 0, "target_role_indexes": [1]}]},
        {"role_index": 2, "role_name": "a", "role_capabilities": ["canOpenJoin"],
         "minimum_participants_constraint": 5, "maximum_participants_constraint": 4},
        {"role_index": 2, "role_name": "b", "authorized_role_changes": [
            {"from_role_index": 2, "target_role_indexes": [2, 9, 0, 0]},
            {"from_role_index": 2, "target_role_indexes": []},
            {"from_role_index": 8, "target_role_indexes": []}]}
    ], "base_room_policy": {"fixed_membership": true, "max_users": 3}}"#;
    let problems: Vec<String> =
        PolicyFile::parse(text).unwrap().problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "role 0: role 0 may only hold canOpenJoin and canUseJoinCode, not canSendMessage",
            "role 0: nobody on the list holds role 0, so it has no minimum",
            "role 1: the role of the banned may hold nothing, not canAddParticipant",
            "role 1: the role of the banned may change no role",
            "role 2: canOpenJoin may stand on role 0 only",
            "role 2: the constraints cannot be met",
            "role 2: another role has the same index",
            "role 2: a change from role 2 to itself",
            "role 2: a change names role 9, which does not exist",
            "role 2: role 0 stands twice among the targets from role 2",
            "role 2: two entries of role changes start from role 2",
            "role 2: a change names role 8, which does not exist",
            "role 1: canAddParticipant cannot be where membership is fixed",
            "the minima of the roles add up to 5, and max_users is 3",
        ]
    );
    for bad in [
        "{",
        "[]",
        r#"{"roles": [{"role_index": 2}]}"#,
        r#"{"roles": [{"role_index": 2, "role_name": "a", "role_capabilities": ["canFly"]}]}"#,
        r#"{"roles": [{"role_index": -2, "role_name": "a"}]}"#,
        r#"{"roles": [], "bas_room_policy": {}}"#,
        r#"{"roles": [], "base_room_policy": {"max_user": 3}}"#,
        r#"{"roles": [], "message_expiration_policy": {"expiring_messages": "maybe"}}"#,
    ] {
        assert!(matches!(PolicyFile::parse(bad), Err(Problem::Syntax(_))), "{bad}");
    }
}
