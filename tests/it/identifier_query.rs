//! The identifier query: what may be asked, who is found, what is answered (P-220 … P-228, Q-103, Q-104).

use std::fmt::Write as _;

use openmimi::{
    codec::Wire,
    env::Limits,
    provider::{
        ClaimAnswer,
        query::{Field, FieldName, Lookup, Profile, QueryRefusal, Rule, SearchPolicy, Searchable},
    },
    wire::{
        AppDataDictionary, Found, IdentifierOutcome, IdentifierRequest, IdentifierResponse,
        QueryElement, SearchField,
    },
};

use crate::provider::support::user;

fn field(name: FieldName, value: &str, searchable: Searchable) -> Field {
    Field { name, value: value.into(), searchable, shared: false }
}

fn claim(name: &str, value: &str, searchable: Searchable) -> Field {
    field(FieldName::OidcStdClaim(name.into()), value, searchable)
}

fn property(name: &str, value: &str, searchable: Searchable) -> Field {
    field(FieldName::VcardField(name.into()), value, searchable)
}

fn handle(value: &str, searchable: Searchable) -> Field {
    field(FieldName::Handle, value, searchable)
}

/// The three users of the draft's example, and some of its names.
fn profiles() -> Vec<Profile> {
    use Searchable::{Exactly, No, Partly};
    let profile =
        |name: &str, fields| Profile { user: user(&format!("{name}@xyz.example")), fields };
    vec![
        profile(
            "xavier",
            vec![
                handle("im:xavier.matali@xyz.example", Partly),
                claim("given_name", "Xavier", Partly),
                claim("family_name", "Matali", Partly),
                claim("email", "xm@xyz.example", Exactly),
                property("ORG", "Sales Ltd", Partly),
                property("TEL", "tel:+12125551212", Exactly),
            ],
        ),
        profile(
            "yolanda",
            vec![
                handle("im:yolanda@xyz.example", Exactly),
                claim("given_name", "Yolanda", No),
                claim("nickname", "yo", No),
            ],
        ),
        profile(
            "zach",
            vec![
                handle("im:zach@xyz.example", No),
                claim("given_name", "Matthew", No),
                claim("email", "zach@xyz.example", No),
                claim("phone_number", "+13125551212", No),
            ],
        ),
        profile(
            "matthew",
            vec![
                handle("mimi://xyz.example/u/matthew", Partly),
                claim("given_name", "MATTHEW", Partly),
                claim("family_name", "Mather", Exactly),
                property("NICKNAME", "matt", Exactly),
                property("EMAIL", "matthew@xyz.example", Exactly),
                // Not in the form that is searched for.
                claim("phone_number", "(313) 555-1212", Exactly),
                property("TEL", "+", Exactly),
                property("org", "Sales Ltd", Exactly),
            ],
        ),
    ]
}

/// Everything may be asked, alone.
fn everything() -> SearchPolicy {
    [
        SearchField::PartialName,
        SearchField::WholeProfile,
        SearchField::OidcStdClaim("given_name".into()),
        SearchField::OidcStdClaim("family_name".into()),
        SearchField::VcardField("ORG".into()),
    ]
    .into_iter()
    .fold(SearchPolicy::default(), |policy, field| policy.with(field, Rule::Alone))
}

fn body(query: &[(SearchField, &str)]) -> Vec<u8> {
    let element = |(field, value): &(SearchField, &str)| QueryElement {
        field: field.clone(),
        value: (*value).into(),
    };
    let query = query.iter().map(element).collect();
    IdentifierRequest { query, extensions: AppDataDictionary::default() }.encode()
}

fn ask(
    policy: &SearchPolicy,
    limits: &Limits,
    query: &[(SearchField, &str)],
) -> Result<IdentifierOutcome, QueryRefusal> {
    let lookup = Lookup::open(limits, policy, &body(query))?;
    let answer = lookup.answer(&profiles());
    assert_eq!(IdentifierResponse::decode(&answer.encode()), Ok(answer.clone()));
    Ok(answer.outcome)
}

/// The names found, or the code.
fn outcome(policy: &SearchPolicy, query: &[(SearchField, &str)]) -> String {
    match ask(policy, &Limits::default(), query) {
        Ok(IdentifierOutcome::Found(Found::Users(users))) => {
            users.iter().map(|user| user.name()).collect::<Vec<_>>().join(" ")
        }
        Ok(other) => format!("{other:?}"),
        Err(refusal) => format!("{refusal:?}"),
    }
}

fn table(policy: &SearchPolicy, rows: &[&[(SearchField, &str)]]) -> String {
    rows.iter().fold(String::new(), |mut table, query| {
        let words: Vec<String> = query
            .iter()
            .map(|(field, value)| match field {
                SearchField::OidcStdClaim(name) | SearchField::VcardField(name) => {
                    format!("{name}={value}")
                }
                SearchField::Handle
                | SearchField::Nick
                | SearchField::Email
                | SearchField::Phone
                | SearchField::PartialName
                | SearchField::WholeProfile => format!("{field:?}={value}"),
            })
            .collect();
        writeln!(table, "{} → {}", words.join(" & "), outcome(policy, query)).unwrap();
        table
    })
}

#[test]
fn p_222_to_p_225_each_search_finds_whom_it_should() {
    use SearchField::{
        Email, Handle, Nick, OidcStdClaim, PartialName, Phone, VcardField, WholeProfile,
    };
    let given = || OidcStdClaim("given_name".into());
    let family = || OidcStdClaim("family_name".into());
    let org = || VcardField("ORG".into());
    let found = table(
        &everything(),
        &[
            &[(Handle, "im:xavier.matali@xyz.example")],
            &[(Handle, "im:yolanda@xyz.example")],
            &[(Handle, "im:zach@xyz.example")],
            &[(Handle, "mimi://xyz.example/u/matthew")],
            &[(Handle, "im:Xavier.matali@xyz.example")],
            &[(Handle, "xavier.matali@xyz.example")],
            &[(Handle, "")],
            &[(Nick, "xavier.matali")],
            &[(Nick, "xavier")],
            &[(Nick, "yolanda")],
            &[(Nick, "yo")],
            &[(Nick, "zach")],
            &[(Nick, "matthew")],
            &[(Nick, "matt")],
            &[(Nick, "")],
            &[(Email, "xm@xyz.example")],
            &[(Email, "XM@xyz.example")],
            &[(Email, "matthew@xyz.example")],
            &[(Email, "zach@xyz.example")],
            &[(Phone, "+12125551212")],
            &[(Phone, "12125551212")],
            &[(Phone, "tel:+12125551212")],
            &[(Phone, "+13125551212")],
            &[(Phone, "(313) 555-1212")],
            &[(Phone, "+")],
            &[(PartialName, "mat")],
            &[(PartialName, "MATT")],
            &[(PartialName, "mather")],
            &[(PartialName, "xavi")],
            &[(PartialName, "sales")],
            &[(WholeProfile, "Sales")],
            &[(WholeProfile, "sales")],
            &[(WholeProfile, "xyz.example")],
            &[(given(), "Xavier")],
            &[(given(), "xavier")],
            &[(given(), "Matthew")],
            &[(family(), "Mather")],
            &[(org(), "Sales Ltd")],
            &[(org(), "Sales")],
            &[(org(), "Sales Ltd"), (family(), "Mather")],
            &[(given(), "Xavier"), (family(), "Matali")],
            &[(given(), "Xavier"), (family(), "Mather")],
            &[(given(), "Xavier"), (given(), "Xavier")],
            &[(given(), "Xavier"), (given(), "Matthew")],
        ],
    );
    assert_eq!(
        found,
        "\
Handle=im:xavier.matali@xyz.example → xavier
Handle=im:yolanda@xyz.example → yolanda
Handle=im:zach@xyz.example → NotFound
Handle=mimi://xyz.example/u/matthew → matthew
Handle=im:Xavier.matali@xyz.example → NotFound
Handle=xavier.matali@xyz.example → NotFound
Handle= → NotFound
Nick=xavier.matali → xavier
Nick=xavier → NotFound
Nick=yolanda → NotFound
Nick=yo → NotFound
Nick=zach → NotFound
Nick=matthew → matthew
Nick=matt → matthew
Nick= → NotFound
Email=xm@xyz.example → xavier
Email=XM@xyz.example → NotFound
Email=matthew@xyz.example → matthew
Email=zach@xyz.example → NotFound
Phone=+12125551212 → xavier
Phone=12125551212 → NotFound
Phone=tel:+12125551212 → NotFound
Phone=+13125551212 → NotFound
Phone=(313) 555-1212 → NotFound
Phone=+ → NotFound
PartialName=mat → matthew xavier
PartialName=MATT → matthew
PartialName=mather → NotFound
PartialName=xavi → xavier
PartialName=sales → NotFound
WholeProfile=Sales → xavier
WholeProfile=sales → NotFound
WholeProfile=xyz.example → matthew xavier
given_name=Xavier → xavier
given_name=xavier → NotFound
given_name=Matthew → NotFound
family_name=Mather → matthew
ORG=Sales Ltd → matthew xavier
ORG=Sales → NotFound
ORG=Sales Ltd & family_name=Mather → matthew
given_name=Xavier & family_name=Matali → xavier
given_name=Xavier & family_name=Mather → NotFound
given_name=Xavier & given_name=Xavier → xavier
given_name=Xavier & given_name=Matthew → NotFound
"
    );
}

#[test]
fn p_226_what_may_not_be_asked_gets_its_code_whoever_is_there() {
    use SearchField::{Email, Handle, Nick, OidcStdClaim, PartialName, VcardField, WholeProfile};
    let given = || OidcStdClaim("given_name".into());
    let family = || OidcStdClaim("family_name".into());
    let policy = SearchPolicy::default()
        .with(given(), Rule::WithAnother)
        .with(family(), Rule::WithAnother)
        .with(PartialName, Rule::Alone)
        .with(VcardField("NOTE".into()), Rule::Never)
        .with(Nick, Rule::Never)
        .without(&Email);
    let rows: &[&[(SearchField, &str)]] = &[
        &[(Handle, "im:xavier.matali@xyz.example")],
        &[(given(), "Xavier")],
        &[(given(), "Xavier"), (given(), "Xavier")],
        &[(given(), "Xavier"), (family(), "Matali")],
        &[(given(), "Xavier"), (Handle, "im:xavier.matali@xyz.example")],
        &[(PartialName, "xa")],
        &[(PartialName, "éa")],
        &[(PartialName, "")],
        &[(PartialName, "xav"), (PartialName, "m")],
        &[(PartialName, "xav")],
        &[(Email, "xm@xyz.example")],
        &[(WholeProfile, "Sales")],
        &[(VcardField("TEL".into()), "+12125551212")],
        &[(OidcStdClaim("NOTE".into()), "x")],
        &[(VcardField("NOTE".into()), "x")],
        &[(VcardField("note".into()), "x"), (Handle, "im:xavier.matali@xyz.example")],
        &[(Nick, "xavier.matali")],
        &[(Nick, "xavier.matali"), (Email, "xm@xyz.example")],
    ];
    assert_eq!(
        table(&policy, rows),
        "\
Handle=im:xavier.matali@xyz.example → xavier
given_name=Xavier → Ambiguous
given_name=Xavier & given_name=Xavier → Ambiguous
given_name=Xavier & family_name=Matali → xavier
given_name=Xavier & Handle=im:xavier.matali@xyz.example → xavier
PartialName=xa → Ambiguous
PartialName=éa → Ambiguous
PartialName= → Ambiguous
PartialName=xav & PartialName=m → Ambiguous
PartialName=xav → xavier
Email=xm@xyz.example → UnsupportedField
WholeProfile=Sales → UnsupportedField
TEL=+12125551212 → UnsupportedField
NOTE=x → UnsupportedField
NOTE=x → Forbidden
note=x & Handle=im:xavier.matali@xyz.example → Forbidden
Nick=xavier.matali → Forbidden
Nick=xavier.matali & Email=xm@xyz.example → UnsupportedField
"
    );
    let short = policy.clone().with_shortest_part(2);
    assert_eq!(outcome(&short, &[(PartialName, "xa")]), "xavier");
    assert_eq!(outcome(&short, &[(PartialName, "x")]), "Ambiguous");
    // Nothing is a part of everything.
    assert_eq!(outcome(&short.with_shortest_part(0), &[(PartialName, "")]), "Ambiguous");
    for query in rows {
        assert_eq!(outcome(&SearchPolicy::closed(), query), "Forbidden");
    }
}

#[test]
fn p_226_each_refusal_has_its_code_on_the_wire() {
    for (refusal, code) in [
        (QueryRefusal::Ambiguous, 2),
        (QueryRefusal::Forbidden, 3),
        (QueryRefusal::UnsupportedField, 4),
    ] {
        // The code, no user, no profile, no extension.
        assert_eq!(refusal.answer(), ClaimAnswer::Response(vec![code, 0, 0, 0]));
    }
}

#[test]
fn q_103_profiles_hold_what_users_share_and_nothing_else() {
    let policy = everything().with_profiles();
    let mut profiles = profiles();
    for field in &mut profiles[0].fields {
        field.shared = field.name != FieldName::OidcStdClaim("email".into());
    }
    let lookup =
        Lookup::open(&Limits::default(), &policy, &body(&[(SearchField::PartialName, "mat")]))
            .unwrap();
    let IdentifierOutcome::Found(Found::Profiles(found)) = lookup.answer(&profiles).outcome else {
        panic!("profiles were asked for");
    };
    let names: Vec<(&str, Vec<&str>)> = found
        .iter()
        .map(|profile| {
            (profile.user.name(), profile.fields.iter().map(|it| it.name.as_str()).collect())
        })
        .collect();
    assert_eq!(
        names,
        [("matthew", vec![]), ("xavier", vec!["given_name", "family_name", "ORG", "TEL"])]
    );
}

#[test]
fn p_220_p_227_an_answer_depends_on_the_profiles_alone() {
    let open = || {
        let query = body(&[(SearchField::PartialName, "mat")]);
        Lookup::open(&Limits::default(), &everything(), &query).unwrap()
    };
    assert_eq!(open().query().len(), 1);
    let first = open().answer(&profiles());
    assert_eq!(first.outcome, open().answer(&profiles()).outcome);
    // In whatever order, and however often, the caller finds them.
    let again: Vec<Profile> = profiles().into_iter().rev().chain(profiles()).collect();
    assert_eq!(first, open().answer(&again));
    assert_eq!(open().answer([]).outcome, IdentifierOutcome::NotFound);
}

#[test]
fn what_is_too_large_is_not_asked_and_too_many_are_not_answered() {
    let ask = |limits: &Limits, query: &[(SearchField, &str)]| ask(&everything(), limits, query);
    let limit = |set: fn(&mut Limits)| {
        let mut limits = Limits::default();
        set(&mut limits);
        limits
    };
    let two = [(SearchField::Nick, "matt"), (SearchField::Nick, "matt")];
    assert!(ask(&limit(|it| it.query_elements = 2), &two).is_ok());
    let too_large = |result: Result<IdentifierOutcome, QueryRefusal>| {
        result.unwrap_err().answer() == ClaimAnswer::Status { status: 413, retry_after: None }
    };
    assert!(too_large(ask(&limit(|it| it.query_elements = 1), &two)));
    assert!(ask(&limit(|it| it.query_value = 4), &two).is_ok());
    assert!(too_large(ask(&limit(|it| it.query_value = 3), &two)));
    let named = [(SearchField::OidcStdClaim("given_name".into()), "x")];
    assert!(too_large(ask(&limit(|it| it.query_value = 9), &named)));
    assert!(too_large(ask(&limit(|it| it.body = 4), &two)));

    let many = [(SearchField::PartialName, "mat")];
    let found = ask(&limit(|it| it.found = 2), &many).unwrap();
    assert!(matches!(found, IdentifierOutcome::Found(_)));
    assert_eq!(ask(&limit(|it| it.found = 1), &many).unwrap(), IdentifierOutcome::Ambiguous);
}

#[test]
fn what_cannot_be_read_is_not_asked() {
    let good = body(&[(SearchField::Nick, "matt"), (SearchField::VcardField("ORG".into()), "x")]);
    let open = |body: &[u8]| Lookup::open(&Limits::default(), &everything(), body);
    assert!(open(&good).is_ok());
    for end in 0..good.len() {
        let refusal = open(&good[..end]).unwrap_err();
        assert_eq!(
            refusal.answer(),
            ClaimAnswer::Status { status: 400, retry_after: None },
            "{end}"
        );
    }
    assert!(open(&[good, vec![0]].concat()).is_err());
}
