//! How often others may ask.

use openmimi::{
    env::{Limits, Peer, Timestamp},
    provider::{
        directory::Endpoint,
        pace::{Pace, TooOften},
    },
};

use super::support::{Device, NOW, server, user};

fn pace(change: impl FnOnce(&mut Limits)) -> Pace {
    let mut limits = Limits::default();
    change(&mut limits);
    Pace::new(limits)
}

#[test]
fn d_96_a_peer_asks_as_often_as_it_may_and_then_at_its_pace() {
    let mut pace = pace(|it| {
        it.asks_by_peer = 3;
        it.tells_by_peer = 1;
    });
    let (b, c) = (server("b.example"), server("c.example"));
    let mut ask =
        |peer: &Peer, after: u64, endpoint| pace.take(NOW.plus(after), peer, None, endpoint);
    for endpoint in [Endpoint::KeyMaterial, Endpoint::IdentifierQuery, Endpoint::GroupInfo] {
        assert_eq!(ask(&b, 0, endpoint), Ok(()));
    }
    // All endpoints that ask are counted as one, and a refusal is not counted.
    for endpoint in [
        Endpoint::KeyMaterial,
        Endpoint::GroupInfo,
        Endpoint::RequestConsent,
        Endpoint::UpdateConsent,
        Endpoint::IdentifierQuery,
        Endpoint::ReportAbuse,
        Endpoint::ProxyDownload,
    ] {
        assert_eq!(ask(&b, 0, endpoint), Err(TooOften { retry_after: 20_000 }), "{endpoint}");
    }
    assert_eq!(ask(&b, 19_999, Endpoint::GroupInfo), Err(TooOften { retry_after: 1 }));
    assert_eq!(ask(&b, 20_000, Endpoint::GroupInfo), Ok(()));
    assert_eq!(ask(&b, 20_000, Endpoint::GroupInfo), Err(TooOften { retry_after: 20_000 }));
    // Another peer, and what is told, have their own.
    assert_eq!(ask(&c, 0, Endpoint::GroupInfo), Ok(()));
    assert_eq!(ask(&b, 0, Endpoint::Notify), Ok(()));
    for endpoint in [Endpoint::Notify, Endpoint::Update, Endpoint::SubmitMessage] {
        assert_eq!(ask(&b, 0, endpoint), Err(TooOften { retry_after: 60_000 }), "{endpoint}");
    }
    // Who was away has a full minute again, and no more.
    for _ in 0..3 {
        assert_eq!(ask(&b, 900_000, Endpoint::GroupInfo), Ok(()));
    }
    assert!(ask(&b, 900_000, Endpoint::GroupInfo).is_err());
}

#[test]
fn d_67_d_95_a_user_asks_as_often_as_it_may_wherever_it_asks() {
    let mut pace = pace(|it| it.asks_by_user = 2);
    let (alice, amy) = (user("alice@b.example"), user("amy@b.example"));
    let b = server("b.example");
    let mut ask = |peer: &Peer, user| pace.take(NOW, peer, user, Endpoint::KeyMaterial);
    assert_eq!((ask(&b, Some(&alice)), ask(&b, Some(&alice))), (Ok(()), Ok(())));
    assert_eq!(ask(&b, Some(&alice)), Err(TooOften { retry_after: 30_000 }));
    assert_eq!(ask(&b, Some(&amy)), Ok(()));
    // What another peer says in her name, it says for itself.
    let x = server("x.example");
    assert_eq!(ask(&x, Some(&alice)), Ok(()));
    assert_eq!(ask(&b, None), Ok(()));
    // A client of ours is its user, whatever it says.
    let own = Device::new("bob@a.example", "phone").peer();
    assert_eq!((ask(&own, None), ask(&own, Some(&amy))), (Ok(()), Ok(())));
    assert_eq!(ask(&own, None), Err(TooOften { retry_after: 30_000 }));
    // Rooms are not asked about users: nobody is counted for what it tells.
    let tell = pace.take(NOW, &own, None, Endpoint::SubmitMessage);
    assert_eq!(tell, Ok(()));
}

#[test]
fn what_is_remembered_of_paces_is_bounded_and_who_asks_most_stays() {
    let mut pace = pace(|it| {
        it.paced = 8;
        it.asks_by_peer = 2;
        it.asks_by_user = 0;
    });
    let busy = server("busy.example");
    let ask = |pace: &mut Pace, peer: &Peer, after| {
        pace.take(Timestamp(NOW.0 + after), peer, None, Endpoint::IdentifierQuery)
    };
    ask(&mut pace, &busy, 0).unwrap();
    ask(&mut pace, &busy, 0).unwrap();
    for number in 0..100 {
        let peer = server(&format!("p{number}.example"));
        assert_eq!(ask(&mut pace, &peer, 0), Ok(()));
        assert!(ask(&mut pace, &busy, 0).is_err(), "still known after {number}");
    }
    // Of none in a minute, none is taken.
    let alice = user("alice@b.example");
    let b = server("b.example");
    let refused = pace.take(NOW, &b, Some(&alice), Endpoint::KeyMaterial);
    assert_eq!(refused, Err(TooOften { retry_after: 1 }));
    // Time may end, and no sum overflows.
    let end = Timestamp(u64::MAX);
    assert_eq!(pace.take(end, &b, None, Endpoint::GroupInfo), Ok(()));
}
