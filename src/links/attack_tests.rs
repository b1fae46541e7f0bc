//! The attack corpus of LK-11 and T-26. Each entry is what somebody could send; a part of them is signed with the
//! genuine key, to show that a signature alone opens nothing.

use super::*;
use crate::domain::time::Timestamp;
use aws_lc_rs::signature::Ed25519KeyPair;
use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD};

struct House {
    key: SigningKey,
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

const JTI: &str = "BwcHBwcHBwcHBwcHBwcHBw";

impl House {
    fn new() -> Self {
        let (key, pkcs8, public) = SigningKey::generate();
        Self { key, pair: Ed25519KeyPair::from_pkcs8(&pkcs8).unwrap(), public }
    }

    fn head(&self) -> String {
        format!(r#"{{"typ":"rc+jwt","alg":"EdDSA","kid":"{}"}}"#, self.key.kid())
    }

    /// Signs whatever is asked with the genuine key.
    fn sign(&self, head: &str, claims: &str) -> String {
        let message = unsigned(head, claims);
        let signature = self.pair.sign(message.as_bytes());
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    fn open(&self, token: &str, action: Action) -> Result<Opened, LinkError> {
        open(token, &self.key.verifying(KeyStanding::Active), action, Timestamp::parse("2026-11-24").unwrap())
    }

    fn refuses(&self, token: &str, why: &str) {
        for action in Action::ALL {
            assert_eq!(self.open(token, *action), Err(LinkError::Forged), "{why}: {token}");
        }
    }
}

fn unsigned(head: &str, claims: &str) -> String {
    format!("{}.{}", BASE64URL_NOPAD.encode(head.as_bytes()), BASE64URL_NOPAD.encode(claims.as_bytes()))
}

fn confirm_claims() -> String {
    format!(r#"{{"aud":"c","jti":"{JTI}","exp":1800000000}}"#)
}

#[test]
fn the_test_signs_as_the_house_does() {
    let house = House::new();
    assert!(house.open(&house.sign(&house.head(), &confirm_claims()), Action::Confirm).is_ok());
}

#[test]
fn no_other_algorithm_is_taken() {
    let house = House::new();
    let kid = house.key.kid();
    for alg in ["none", "None", "NONE", "", "HS256", "RS256", "ES256", "Ed25519", "eddsa", "EdDSA "] {
        let head = format!(r#"{{"typ":"rc+jwt","alg":"{alg}","kid":"{kid}"}}"#);
        house.refuses(&format!("{}.", unsigned(&head, &confirm_claims())), "no signature");
        house.refuses(&house.sign(&head, &confirm_claims()), alg);
    }
    // The public key as the secret of an HMAC, raw and as a DER file would hold it.
    let spki = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(), &house.public].concat();
    for secret in [house.public.as_slice(), &spki] {
        for alg in ["HS256", "EdDSA"] {
            let head = format!(r#"{{"typ":"rc+jwt","alg":"{alg}","kid":"{kid}"}}"#);
            let message = unsigned(&head, &confirm_claims());
            let mac_key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
            let tag = aws_lc_rs::hmac::sign(&mac_key, message.as_bytes());
            house.refuses(&format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref())), "HMAC with the public key");
        }
    }
    house.refuses(&format!("{}.", unsigned(&house.head(), &confirm_claims())), "no signature");
    let zeros = BASE64URL_NOPAD.encode(&[0; 64]);
    house.refuses(&format!("{}.{zeros}", unsigned(&house.head(), &confirm_claims())), "a signature of zeros");
}

#[test]
fn the_header_is_exactly_ours() {
    let house = House::new();
    let kid = house.key.kid().to_owned();
    let own_jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, BASE64URL_NOPAD.encode(&house.public));
    let with = |member: &str| format!(r#"{{"typ":"rc+jwt","alg":"EdDSA","kid":"{kid}",{member}}}"#);
    for head in [
        with(r#""crit":["exp"]"#),
        with(r#""crit":[]"#),
        with(r#""jku":"https://evil.example/jwks.json""#),
        with(&format!(r#""jwk":{own_jwk}"#)),
        with(r#""x5u":"https://evil.example/x.pem""#),
        with(r#""x5c":[]"#),
        with(r#""cty":"JWT""#),
        with(r#""b64":false"#),
        with(r#""zip":"DEF""#),
        with(r#""note":1"#),
        with(r#""alg":"EdDSA""#),
        with(r#""typ":"rc+jwt""#),
        with(&format!(r#""kid":"{kid}""#)),
        with(&format!(r#""k\u0069d":"{kid}""#)),
        format!(r#"{{"typ":"JWT","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"RC+JWT","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"application/rc+jwt","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"receipt+jwt","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"rc+jwt","kid":"{kid}"}}"#),
        r#"{"typ":"rc+jwt","alg":"EdDSA"}"#.to_owned(),
        r#"{"typ":"rc+jwt","alg":"EdDSA","kid":null}"#.to_owned(),
        r#"{"typ":"rc+jwt","alg":"EdDSA","kid":7}"#.to_owned(),
        format!(r#"["EdDSA","rc+jwt","{kid}"]"#),
        format!("{}x", house.head()),
        format!("{} {{}}", house.head()),
        "\u{feff}".to_owned() + &house.head(),
        String::new(),
        "null".to_owned(),
    ] {
        house.refuses(&house.sign(&head, &confirm_claims()), &head);
    }
}

#[test]
fn a_key_id_is_only_ever_a_name() {
    let house = House::new();
    for kid in [
        "../../../../dev/null",
        "' OR 1=1 --",
        "AAAAAAAAAAAAAAAAAA==",
        "AAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAA+/",
        "http://evil.example/",
        "",
    ] {
        let head = format!(r#"{{"typ":"rc+jwt","alg":"EdDSA","kid":"{kid}"}}"#);
        let token = house.sign(&head, &confirm_claims());
        assert_eq!(parse_kid(&token), Err(LinkError::Forged), "{kid}");
        house.refuses(&token, kid);
    }
    // A well-formed id of another key: found as a name, refused as a key, whoever signed.
    let other = House::new();
    let foreign = other.sign(&other.head(), &confirm_claims());
    assert_eq!(parse_kid(&foreign).as_deref(), Ok(other.key.kid()));
    house.refuses(&foreign, "another controller's key");
    house.refuses(&other.sign(&house.head(), &confirm_claims()), "our key id, another's signature");
    house.refuses(&house.sign(&other.head(), &confirm_claims()), "another's key id, our signature");
}

#[test]
fn the_claims_are_exactly_ours() {
    let house = House::new();
    for claims in [
        format!(r#"{{"aud":"x","jti":"{JTI}","exp":1800000000}}"#),
        format!(r#"{{"aud":"C","jti":"{JTI}","exp":1800000000}}"#),
        format!(r#"{{"aud":"","jti":"{JTI}","exp":1800000000}}"#),
        format!(r#"{{"aud":["c"],"jti":"{JTI}","exp":1800000000}}"#),
        format!(r#"{{"aud":["c","r","u","n"],"jti":"{JTI}","exp":1800000000}}"#),
        format!(r#"{{"aud":null,"jti":"{JTI}","exp":1800000000}}"#),
        format!(r#"{{"jti":"{JTI}","exp":1800000000}}"#),
        r#"{"aud":"c","exp":1800000000}"#.to_owned(),
        format!(r#"{{"aud":"c","jti":"{JTI}"}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":null}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":"1800000000"}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":1800000000.0}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":1.8e9}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":-1}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":[1800000000]}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":true}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":10000000000}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":9223372036854775807}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":18446744073709551615}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":99999999999999999999999999}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":1800000000,"exp":1900000000}}"#),
        format!(r#"{{"aud":"u","aud":"c","jti":"{JTI}","exp":1800000000}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","jti":"{JTI}","exp":1800000000}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":1800000000,"sub":"1"}}"#),
        format!(r#"{{"aud":"c","jti":"{JTI}","exp":1800000000,"nbf":0}}"#),
        r#"{"aud":"c","jti":"BwcHBwcHBwcHBwcHBwcHB","exp":1800000000}"#.to_owned(),
        r#"{"aud":"c","jti":"BwcHBwcHBwcHBwcHBwcHBx","exp":1800000000}"#.to_owned(),
        r#"{"aud":"c","jti":"BwcHBwcHBwcHBwcHBwcHBw==","exp":1800000000}"#.to_owned(),
        r#"{"aud":"c","jti":"07070707-0707-0707-0707-070707070707","exp":1800000000}"#.to_owned(),
        r#"{"aud":"c","jti":7,"exp":1800000000}"#.to_owned(),
        format!(r#"["c","{JTI}",1800000000]"#),
        format!("{} ", confirm_claims()) + "x",
        confirm_claims() + "{}",
        String::new(),
        "null".to_owned(),
        // What stops has no end; one that has was not written by us.
        format!(r#"{{"aud":"u","jti":"{JTI}","exp":1800000000}}"#),
        format!(r#"{{"aud":"u","jti":"{JTI}","exp":null}}"#),
        format!(r#"{{"aud":"p","jti":"{JTI}","exp":1800000000}}"#),
        format!(r#"{{"aud":"p","jti":"{JTI}","exp":null}}"#),
        format!(r#"{{"aud":"P","jti":"{JTI}"}}"#),
        format!(r#"{{"aud":["p"],"jti":"{JTI}"}}"#),
        format!(r#"{{"aud":["u","p"],"jti":"{JTI}"}}"#),
        format!(r#"{{"aud":"p","jti":"{JTI}","iat":1700000000}}"#),
        r#"{"aud":"p"}"#.to_owned(),
    ] {
        house.refuses(&house.sign(&house.head(), &claims), &claims);
    }
}

#[test]
fn an_expired_link_is_told_apart_only_when_it_is_ours_and_for_this_act() {
    let house = House::new();
    let expired = format!(r#"{{"aud":"c","jti":"{JTI}","exp":1700000000}}"#);
    let token = house.sign(&house.head(), &expired);
    assert!(matches!(house.open(&token, Action::Confirm), Err(LinkError::Expired { .. })));
    assert_eq!(house.open(&token, Action::Answer), Err(LinkError::Forged));
    let mut broken = token.into_bytes();
    broken[100] ^= 1;
    assert_eq!(house.open(std::str::from_utf8(&broken).unwrap(), Action::Confirm), Err(LinkError::Forged));
}

#[test]
fn one_token_has_one_spelling() {
    let house = House::new();
    let token = house.sign(&house.head(), &confirm_claims());
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, signature] = parts.as_slice() else { panic!("three parts") };
    let padded = |text: &str| BASE64URL.encode(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap());
    let plain = |text: &str| BASE64.encode(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap());
    for other in [
        format!("{token}."),
        format!("{token}.x"),
        format!(".{token}"),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}\0"),
        format!("{token}A"),
        format!("{token}="),
        format!("{token}%20"),
        format!("{token}é"),
        format!("{head}.{claims}.{}", padded(signature)),
        format!("{}.{claims}.{signature}=", head),
        format!("{head}=.{claims}.{signature}"),
        format!("{head}.{}=.{signature}", claims),
        format!("{head}.{claims}.{}", plain(signature)),
        format!("{head}.{claims}.{}\n{}", &signature[..40], &signature[40..]),
        format!("{head}.{signature}"),
        format!("{head}..{signature}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}"),
        format!("{claims}.{head}.{signature}"),
        token.to_ascii_uppercase(),
        String::new(),
        "..".to_owned(),
        ".".repeat(MAX_TOKEN),
    ] {
        house.refuses(&other, "another spelling");
    }
    // The last character of a signature holds two bits; its four left-over bits must be zero.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let same_bytes = alphabet.chars().filter(|last| {
        let spelled = format!("{}{last}", &token[..token.len() - 1]);
        house.open(&spelled, Action::Confirm).is_ok()
    });
    assert_eq!(same_bytes.count(), 1);
}

#[test]
fn a_signature_has_one_form() {
    // Ed25519 without the check that s is below the group order would take s + order as well.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let house = House::new();
    let token = house.sign(&house.head(), &confirm_claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let mut carry = 0_u16;
    for (byte, add) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    house.refuses(&format!("{message}.{}", BASE64URL_NOPAD.encode(&bytes)), "the other form of the signature");
}

#[test]
fn nothing_long_is_looked_at() {
    let house = House::new();
    let blanks = " ".repeat(MAX_TOKEN);
    let long = house.sign(&format!("{{{blanks}{}", &house.head()[1..]), &confirm_claims());
    assert_eq!(parse_kid(&long), Err(LinkError::Forged));
    house.refuses(&long, "over a kibibyte, genuinely signed");
    let fits = house.sign(&house.head(), &format!("{{{}{}", " ".repeat(500), &confirm_claims()[1..]));
    assert!(fits.len() <= MAX_TOKEN && house.open(&fits, Action::Confirm).is_ok());
}
