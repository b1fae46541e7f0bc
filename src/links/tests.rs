//! What a link promises: who may sign, who may open, and for how long.

use super::*;
use crate::domain::ids::LinkId;
use crate::domain::time::Timestamp;
use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use uuid::Uuid;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn link(byte: u8) -> LinkId {
    LinkId::from_uuid(Uuid::from_bytes([byte; 16]))
}

/// A link for the act that ends, if it ends, with 2026.
fn claims(action: Action) -> Claims {
    Claims::until(action, link(7), at("2026-12-31"))
}

/// Links that are to work for ever.
const STOPPING: [Action; 2] = [Action::Withdraw, Action::Manage];

const STANDINGS: &[KeyStanding] = KeyStanding::ALL;

#[test]
fn a_link_opens_for_its_own_act_and_for_no_other() {
    let (key, _, _) = SigningKey::generate();
    let verifying = key.verifying(KeyStanding::Active);
    for made_for in Action::ALL.iter().copied() {
        let token = key.sign(&claims(made_for));
        for asked in Action::ALL.iter().copied() {
            let opened = open(&token, &verifying, asked, at("2026-11-24"));
            if asked == made_for {
                let expires = (!STOPPING.contains(&made_for)).then(|| at("2026-12-31"));
                assert_eq!(opened, Ok(Opened { action: asked, link: link(7), expires }));
            } else {
                assert_eq!(opened, Err(LinkError::Forged), "a link to {made_for} was taken to {asked}");
            }
        }
    }
}

#[test]
fn each_act_has_a_letter_and_a_path_of_its_own() {
    let letters: std::collections::BTreeSet<_> = Action::ALL.iter().map(|action| action.letter()).collect();
    let paths: std::collections::BTreeSet<_> = Action::ALL.iter().map(|action| action.path()).collect();
    assert_eq!((letters.len(), paths.len()), (Action::ALL.len(), Action::ALL.len()));
}

#[test]
fn what_a_key_is_still_good_for() {
    let (key, _, _) = SigningKey::generate();
    for action in Action::ALL.iter().copied() {
        let token = key.sign(&claims(action));
        for standing in STANDINGS.iter().copied() {
            let expected = match (action, standing) {
                (Action::Withdraw | Action::Manage, _) => true,
                (_, KeyStanding::Active | KeyStanding::VerifyOnly) => true,
                (_, KeyStanding::Compromised | KeyStanding::Retired) => false,
            };
            let opened = open(&token, &key.verifying(standing), action, at("2026-11-24"));
            assert_eq!(opened.is_ok(), expected, "{action} under {standing}: {opened:?}");
            if !expected {
                assert_eq!(opened, Err(LinkError::Forged), "no oracle for the standing of a key");
            }
        }
    }
}

#[test]
fn what_stops_opens_for_ever_and_every_other_link_ends() {
    let (key, _, _) = SigningKey::generate();
    let active = key.verifying(KeyStanding::Active);
    let years_later = at("2126-01-01");
    for (action, claims) in STOPPING.into_iter().zip([Claims::withdrawal(link(9)), Claims::preferences(link(9))]) {
        let token = key.sign(&claims);
        assert!(open(&token, &key.verifying(KeyStanding::Retired), action, years_later).is_ok());
        assert_eq!(Claims::until(action, link(9), at("2026-12-31")), claims);
    }

    for action in [Action::Confirm, Action::Answer, Action::NotMe] {
        let token = key.sign(&claims(action));
        let opens_at = |now: &str| open(&token, &active, action, at(now));
        assert!(opens_at("2026-12-30T23:59:59Z").is_ok());
        assert!(opens_at("2026-12-31T00:00:04.999Z").is_ok(), "clocks may differ by less than five seconds");
        assert_eq!(opens_at("2026-12-31T00:00:05Z"), Err(LinkError::Expired { link: link(7) }));
        let compromised = key.verifying(KeyStanding::Compromised);
        assert_eq!(
            open(&token, &compromised, action, years_later),
            Err(LinkError::Forged),
            "what was forged has no end"
        );
    }
}

#[test]
fn tokens_are_short_say_nothing_and_carry_exactly_what_they_must() {
    let (key, _, _) = SigningKey::generate();
    for action in Action::ALL.iter().copied() {
        // The longest a token gets: an end in the year 2286.
        let token = key.sign(&Claims::until(action, link(255), Timestamp::from_micros(i64::MAX)));
        assert!(token.len() <= MAX_TOKEN);
        let address = format!("https://{}/{}/{token}", "h".repeat(40), action.path());
        assert!(address.len() < 300, "{} characters", address.len());

        let part = |n: usize| -> serde_json::Value {
            let text = token.split('.').nth(n).unwrap();
            serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
        };
        assert_eq!(part(0), serde_json::json!({"alg": "EdDSA", "typ": "rc+jwt", "kid": key.kid()}));
        let mut expected = serde_json::json!({"aud": action.letter(), "jti": BASE64URL_NOPAD.encode(&[255; 16])});
        if !STOPPING.contains(&action) {
            expected["exp"] = 9_999_999_999_i64.into();
        }
        assert_eq!(part(1), expected);
    }
}

#[test]
fn an_end_before_1970_or_within_a_second_is_held_at_what_can_be_written() {
    assert_eq!(Claims::until(Action::Confirm, link(1), at("1950-01-01")).expires(), Some(at("1970-01-01")));
    let token_end = Claims::until(Action::Confirm, link(1), at("2026-12-31T10:00:00.9Z")).expires();
    assert_eq!(token_end, Some(at("2026-12-31T10:00:00Z")));
}

#[test]
fn a_stored_key_goes_on_signing_and_a_broken_one_is_refused() {
    let (key, pkcs8, public) = SigningKey::generate();
    let stored = SigningKey::from_pkcs8(key.kid(), &pkcs8).unwrap();
    let verifying = VerifyingKey::new(key.kid(), public, KeyStanding::Active).unwrap();
    let token = stored.sign(&claims(Action::Answer));
    assert_eq!(token, key.sign(&claims(Action::Answer)), "Ed25519 signs the same way each time");
    assert_eq!(parse_kid(&token).as_deref(), Ok(key.kid()));
    assert!(open(&token, &verifying, Action::Answer, at("2026-11-24")).is_ok());

    assert_eq!(SigningKey::from_pkcs8(key.kid(), &pkcs8[1..]).unwrap_err(), InvalidKey::Private);
    for kid in ["", "short", "AAAAAAAAAAAAAAAAAAAAA", "../../../etc/passwd1", "AAAAAAAAAAAAAAAAAA=="] {
        assert_eq!(SigningKey::from_pkcs8(kid, &pkcs8).unwrap_err(), InvalidKey::Kid, "{kid}");
        assert_eq!(VerifyingKey::new(kid, public, KeyStanding::Active).unwrap_err(), InvalidKey::Kid, "{kid}");
    }
}

#[test]
fn keys_do_not_print_and_are_published_without_their_private_half() {
    let (key, pkcs8, public) = SigningKey::generate();
    assert_eq!(format!("{key:?}"), format!("SigningKey({}, ***)", key.kid()));
    let (retired, _, _) = SigningKey::generate();
    let (stolen, _, _) = SigningKey::generate();
    let document = jwks(&[
        key.verifying(KeyStanding::Active),
        retired.verifying(KeyStanding::Retired),
        stolen.verifying(KeyStanding::Compromised),
    ]);
    let entry = |kid: &str, x: &[u8]| {
        let x = BASE64URL_NOPAD.encode(x);
        serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig"})
    };
    let retired_public = *retired.verifying(KeyStanding::Retired).public();
    assert_eq!(
        document,
        serde_json::json!({"keys": [entry(key.kid(), &public), entry(retired.kid(), &retired_public)]})
    );
    assert!(!document.to_string().contains(&BASE64URL_NOPAD.encode(&pkcs8[16..48])), "the seed");
}

proptest! {
    /// ML-04: whatever is flipped, nothing opens.
    #[test]
    fn a_token_with_any_bit_flipped_is_refused(action in 0..Action::ALL.len(), id: [u8; 16], place: prop::sample::Index, bit in 0_u32..8) {
        let action = Action::ALL[action];
        let (key, _, _) = SigningKey::generate();
        let token = key.sign(&Claims::until(action, LinkId::from_uuid(Uuid::from_bytes(id)), at("2026-12-31")));
        let mut bytes = token.into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        // A flip that leaves no text never reaches us: what comes in by a request's path is text.
        if let Ok(flipped) = String::from_utf8(bytes) {
            let opened = open(&flipped, &key.verifying(KeyStanding::Active), action, at("2026-11-24"));
            prop_assert_eq!(opened, Err(LinkError::Forged));
        }
    }

    #[test]
    fn what_was_signed_opens_as_what_it_is(action in 0..Action::ALL.len(), id: [u8; 16], seconds in 0_i64..4_000_000_000) {
        let action = Action::ALL[action];
        let (key, _, _) = SigningKey::generate();
        let link = LinkId::from_uuid(Uuid::from_bytes(id));
        let claims = Claims::until(action, link, Timestamp::from_micros(seconds * 1_000_000));
        let opened = open(&key.sign(&claims), &key.verifying(KeyStanding::Active), action, Timestamp::from_micros(0)).unwrap();
        prop_assert_eq!((opened.action, opened.link, opened.expires), (claims.action(), claims.link(), claims.expires()));
    }
}
