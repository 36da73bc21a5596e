use openmls_rust_crypto::RustCrypto;

use super::*;
use crate::content::{Body, Compose, Disposition, MessageBuf, Salt};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const RULES: AssetRules = AssetRules { most: 1 << 20, http: false, unverified: false };

fn sent(external: DraftExternal<'_>) -> MessageBuf {
    Compose::new("s", "r")
        .message(external.part(Disposition::ATTACHMENT))
        .build(Salt([0; 16]))
        .unwrap()
}

fn received(message: &MessageBuf) -> External<'_> {
    let Body::External(external) = message.as_message().body().body() else { panic!() };
    external
}

fn opened(
    external: &DraftExternal<'_>,
    rules: &AssetRules,
    bytes: &[u8],
) -> Result<Vec<u8>, AssetRefusal> {
    open(&RustCrypto::default(), &received(&sent(external.clone())), rules, bytes, NOW)
}

#[test]
fn a_file_goes_round_with_every_aead() {
    let crypto = RustCrypto::default();
    for aead in Aead::ALL {
        let (sealed, external) = seal(&crypto, aead, b"a film").unwrap();
        assert_eq!(external.enc_alg, aead.code());
        assert_eq!(Aead::from_code(aead.code()), Some(aead));
        assert_eq!(opened(&external, &RULES, &sealed), Ok(b"a film".to_vec()));
        // Each file has its own key. D-49.
        assert_ne!(seal(&crypto, aead, b"a film").unwrap().1.key, external.key);
    }
}

#[test]
fn aes_128_gcm_is_the_algorithm_of_the_registry() {
    // The second test case of McGrew and Viega: a block of zeros under a key of zeros.
    let sealed = [
        0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe,
        0x78, 0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec, 0x13, 0xbd, 0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57,
        0xbd, 0xdf,
    ];
    let external = DraftExternal {
        enc_alg: 1,
        key: vec![0; 16].into(),
        nonce: vec![0; 12].into(),
        ..DraftExternal::default()
    };
    assert_eq!(opened(&external, &RULES, &sealed), Ok(vec![0; 16]));
}

#[test]
fn what_is_not_what_the_sender_meant_is_refused_before_it_is_decrypted() {
    let (sealed, external) = seal(&RustCrypto::default(), Aead::Aes128Gcm, b"a film").unwrap();
    let mut changed = sealed.clone();
    changed[3] ^= 1;
    assert_eq!(opened(&external, &RULES, &changed), Err(AssetRefusal::Hash));
    let longer = [&sealed[..], &[0; 17]].concat();
    let most = external.size + Aead::TAG;
    assert_eq!(opened(&external, &RULES, &longer), Err(AssetRefusal::TooLarge(most)));
    let found = sealed.len() as u64 - 1;
    let short = AssetRefusal::Size { found, expected: external.size };
    assert_eq!(opened(&external, &RULES, &sealed[1..]), Err(short));
    // With a right hash over wrong content, the AEAD still says no.
    let forged =
        DraftExternal { content_hash: Sha256::digest(&changed).to_vec().into(), ..external };
    assert_eq!(opened(&forged, &RULES, &changed), Err(AssetRefusal::Decryption));
}

#[test]
fn the_size_may_be_that_of_the_plaintext() {
    let (sealed, mut external) = seal(&RustCrypto::default(), Aead::Aes256Gcm, b"a film").unwrap();
    external.size = 6;
    assert_eq!(opened(&external, &RULES, &sealed), Ok(b"a film".to_vec()));
    external.size = 7;
    assert!(opened(&external, &RULES, &sealed).is_err());
    external.size = 0;
    assert_eq!(opened(&external, &RULES, &sealed), Ok(b"a film".to_vec()));
}

#[test]
fn references_that_cannot_be_used_are_refused_before_anything_is_fetched() {
    let (_, good) = seal(&RustCrypto::default(), Aead::Aes128Gcm, b"a film").unwrap();
    let refusal = |external: DraftExternal<'_>| {
        Incoming::new(&received(&sent(external)), &RULES, NOW).map(drop).unwrap_err()
    };
    let second = 1_699_999_999;
    let expired = DraftExternal { expires: second, ..good.clone() };
    assert_eq!(refusal(expired), AssetRefusal::Expired(second));
    let unknown = DraftExternal { enc_alg: 30, ..good.clone() };
    assert_eq!(refusal(unknown), AssetRefusal::Aead(30));
    let short = DraftExternal { key: vec![0; 15].into(), ..good.clone() };
    assert_eq!(refusal(short), AssetRefusal::KeyLength);
    let hash = DraftExternal { hash_alg: 99, ..good.clone() };
    assert_eq!(refusal(hash), AssetRefusal::HashAlgorithm(99));
    let hash = DraftExternal { content_hash: vec![0; 31].into(), ..good.clone() };
    assert_eq!(refusal(hash), AssetRefusal::HashLength);
    let huge = DraftExternal { size: RULES.most + 1, ..good };
    assert_eq!(refusal(huge), AssetRefusal::TooLarge(RULES.most));
    assert_eq!(refusal(DraftExternal::open("https://a", "")), AssetRefusal::Unverified);
}

#[test]
fn a_stream_is_stopped_at_its_limit() {
    let message = sent(DraftExternal::open("https://a", ""));
    let rules = AssetRules { most: 10, unverified: true, ..RULES };
    let mut incoming = Incoming::new(&received(&message), &rules, NOW).unwrap();
    assert_eq!(incoming.push(&[0; 6]), Ok(()));
    assert_eq!(incoming.left(), 4);
    assert_eq!(incoming.push(&[0; 5]), Err(AssetRefusal::TooLarge(10)));
}

#[test]
fn longer_hashes_are_known_too() {
    use sha2::{Sha384, Sha512};
    for (hash_alg, hash) in [(7, Sha384::digest(b"x").to_vec()), (8, Sha512::digest(b"x").to_vec())]
    {
        let external =
            DraftExternal { hash_alg, content_hash: hash.into(), ..DraftExternal::default() };
        assert_eq!(opened(&external, &RULES, b"x"), Ok(b"x".to_vec()));
        assert_eq!(opened(&external, &RULES, b"y"), Err(AssetRefusal::Hash));
    }
}

#[test]
fn locations_are_https_without_userinfo() {
    let parse = Location::parse;
    let location = parse("HTTPS://Example.com:8443/a?b#c").unwrap();
    assert_eq!((location.host(), location.port()), ("Example.com", 8443));
    assert_eq!(parse("https://[::1]/a").map(|it| (it.host(), it.port())), Ok(("[::1]", 443)));
    for (url, error) in [
        ("ftp://a", LocationError::Scheme),
        ("javascript:alert(1)", LocationError::Scheme),
        ("https://user@a/b", LocationError::Userinfo),
        ("https://a.example:pw@evil.example", LocationError::Userinfo),
        ("https:///path", LocationError::Host),
        ("https://a:99999/", LocationError::Port),
        ("https://a:/", LocationError::Port),
        ("https://[::g]/", LocationError::Host),
        ("https://a\\@b", LocationError::Character),
        ("https://a b", LocationError::Character),
        ("https://a\n", LocationError::Character),
        ("https://ä.example", LocationError::Character),
    ] {
        assert_eq!(parse(url), Err(error), "{url}");
    }
}

#[test]
fn plain_http_is_for_encrypted_content_and_on_request() {
    let (_, mut external) = seal(&RustCrypto::default(), Aead::Aes128Gcm, b"").unwrap();
    external.url = "http://a.example/b".into();
    let message = sent(external);
    let asked = AssetRules { http: true, ..RULES };
    assert_eq!(Location::of(&received(&message), &RULES), Err(LocationError::Http));
    assert!(Location::of(&received(&message), &asked).is_ok());
    let message = sent(DraftExternal::open("http://a.example/b", ""));
    assert_eq!(Location::of(&received(&message), &asked), Err(LocationError::HttpUnencrypted));
}
