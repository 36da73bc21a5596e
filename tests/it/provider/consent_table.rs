//! P-215 as a table: what is said, and what a claim meets.

use openmimi::{provider::Verdict, uri::RoomUri};

use super::*;

/// What can be said about a requester.
const SAID: [(&str, Option<&str>, Decision); 4] = [
    ("grant", None, Decision::Grant),
    ("grant X", Some(X), Decision::Grant),
    ("revoke", None, Decision::Revoke),
    ("revoke X", Some(X), Decision::Revoke),
];
const X: &str = "mimi://a.example/r/x";
const Y: &str = "mimi://a.example/r/y";

/// What a claim for this room, or for none, is answered: as it is, and in privacy mode.
fn met(stance: Stance, said: &[usize], room: Option<&RoomUri>) -> String {
    let code = |privacy| {
        let policy = policy(|it| it.privacy = privacy);
        let mut bob = bob_with(Limits::default(), policy, stance);
        for place in said {
            let (_, room, decision) = SAID[*place];
            let room = room.map(support::room);
            settle(bob.decide(&Contact { user: user("alice@a.example"), room }, decision).unwrap());
        }
        let given = bob.verdict(&user("alice@a.example"), room) == Verdict::Given;
        let alice = Device::new("alice@a.example", "1");
        let request = alice.request(bob_uri(), room, 1);
        let crypto = RustCrypto::default();
        let code = match bob.claim(&env(&crypto, NOW), &server("a.example"), &request) {
            Ok(step) => response(&step.apply().reply).user_status,
            Err(refusal) => match refusal.answer {
                ClaimAnswer::Response(bytes) => response(&bytes).user_status,
                ClaimAnswer::Status { status, .. } => panic!("{status}"),
            },
        };
        // Bob has no KeyPackages: who may have them, gets none.
        assert_eq!(given, code == Code::NoCompatibleMaterial, "{code:?}");
        code
    };
    let name = |code| {
        let answers = [
            (Code::NoCompatibleMaterial, "given"),
            (Code::NoConsent, "noConsent"),
            (Code::NoConsentForThisRoom, "noConsentForThisRoom"),
        ];
        answers.iter().find(|(answer, _)| *answer == code).expect("one of these").1.to_owned()
    };
    let (open, private) = (name(code(false)), name(code(true)));
    if open == private { open } else { format!("{open}/{private}") }
}

#[test]
fn p_215_the_decision_table() {
    let mut table = String::new();
    for (name, stance) in [("closed", Stance::Closed), ("open", Stance::Open)] {
        let mut histories: Vec<Vec<usize>> = vec![vec![]];
        histories.extend((0..4).map(|one| vec![one]));
        histories.extend((0..4).flat_map(|one| (0..4).map(move |two| vec![one, two])));
        for said in histories {
            let words: Vec<&str> = said.iter().map(|place| SAID[*place].0).collect();
            let words = if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
            let rooms = [Some(support::room(X)), Some(support::room(Y)), None];
            let met = rooms.each_ref().map(|room| met(stance, &said, room.as_ref()));
            let [x, y, none] = met;
            table += &format!("{name:6} | {words:18} | {x:30} | {y:30} | {none}\n");
        }
    }
    let head = "stance | said               | claim for X                    | claim for Y                    | claim for no room\n";
    assert_eq!(head.to_owned() + &table, include_str!("consent_table.txt"));
}
