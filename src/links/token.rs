//! Opening a token. Everything about a token is hostile until its signature holds, and what is read before that
//! (its `kid`) is only a name to look up.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use uuid::Uuid;

use super::Action;
use super::claims::{LAST_SECOND, Written};
use super::keys::{VerifyingKey, is_kid};
use crate::domain::ids::LinkId;
use crate::domain::time::Timestamp;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 1024;

/// The type in the header; tokens of other kinds have another, so that none passes for a link (LK-11 points 6 and 7).
pub(super) const TYPE: &str = "rc+jwt";

/// How far the clocks of two instances may differ, in seconds.
const LEEWAY: i64 = 5;

/// Why a token opens nothing. One refusal for all that we did not write or that is not for this act; whoever holds
/// one of ours that has ended may be told so (architecture section 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not ours, not whole, or not for this.
    #[error("this link is not valid")]
    Forged,
    /// Ours, for this, and over.
    #[error("this link has expired")]
    Expired {
        /// The record it names.
        link: LinkId,
    },
}

/// A genuine token, in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// What it is for.
    pub action: Action,
    /// The record it names.
    pub link: LinkId,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
}

/// The header as it must be: these members, each once, and nothing else. Whatever would point at another key or
/// another meaning (`jwk`, `jku`, `x5c`, `crit`) is refused for being there at all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    alg: String,
    typ: String,
    kid: String,
}

/// The id of the key that the token claims to be signed with, for the caller to look up among its own. Nothing is
/// proved yet.
pub fn parse_kid(token: &str) -> Result<String, LinkError> {
    if token.len() > MAX_TOKEN {
        return Err(LinkError::Forged);
    }
    let mut parts = token.split('.');
    let (Some(head), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(LinkError::Forged);
    };
    // No padding, no other alphabet, no left-over bits: one token has one spelling.
    let part = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| LinkError::Forged);
    part(claims)?;
    if part(signature)?.len() != 64 {
        return Err(LinkError::Forged);
    }
    let ObjectOf::<Head>(head) = serde_json::from_slice(&part(head)?).map_err(|_| LinkError::Forged)?;
    if head.alg == "EdDSA" && head.typ == TYPE && is_kid(&head.kid) { Ok(head.kid) } else { Err(LinkError::Forged) }
}

/// Opens a token for one act: shape, key id, signature, claims, act, standing of the key, and time, in that order.
/// This is the only way to open one.
pub fn open(token: &str, key: &VerifyingKey, expected: Action, now: Timestamp) -> Result<Opened, LinkError> {
    if parse_kid(token)? != key.kid() {
        return Err(LinkError::Forged);
    }
    let written = verified(token, key, expected).ok_or(LinkError::Forged)?;
    let link = link_id(&written.jti).ok_or(LinkError::Forged)?;
    match (expected.ends(), written.exp) {
        (false, None) => Ok(Opened { action: expected, link, expires: None }),
        (true, Some(exp)) if key.standing().opens_all() => {
            let exp = i64::try_from(exp).ok().filter(|exp| *exp <= LAST_SECOND).ok_or(LinkError::Forged)?;
            if now.seconds() >= exp + LEEWAY {
                return Err(LinkError::Expired { link });
            }
            Ok(Opened { action: expected, link, expires: Some(Timestamp::from_micros(exp * 1_000_000)) })
        }
        (true, Some(_)) | (true, None) | (false, Some(_)) => Err(LinkError::Forged),
    }
}

/// The claims, once the signature holds. The library's own check of time is off: it reads the machine's clock, takes
/// fractions for times and knows nothing of withdrawals; [`open`] checks `exp` itself.
fn verified(token: &str, key: &VerifyingKey, expected: Action) -> Option<Written> {
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.leeway = 0;
    rules.validate_exp = false;
    rules.validate_aud = true;
    rules.set_audience(&[expected.letter()]);
    rules.set_required_spec_claims(&["aud"]);
    let ObjectOf::<Written>(claims) = jsonwebtoken::decode(token, &key.key, &rules).ok()?.claims;
    (claims.aud == expected.letter()).then_some(claims)
}

/// Reads `T` from a JSON object only, never from a list of values in the order of its members.
struct ObjectOf<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ObjectOf<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Object<T> {
            type Value = ObjectOf<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(ObjectOf)
            }
        }
        deserializer.deserialize_map(Object(std::marker::PhantomData))
    }
}

fn link_id(jti: &str) -> Option<LinkId> {
    let bytes = BASE64URL_NOPAD.decode(jti.as_bytes()).ok()?;
    Uuid::from_slice(&bytes).ok().map(LinkId::from_uuid)
}
