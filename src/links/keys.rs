//! The keys of links: one that signs, and those that verify what was signed before. A key is known by its `kid`,
//! 15 random bytes that name one controller and tell nothing about it. It is a name, not a secret; 15 bytes are 20
//! characters without left-over bits, and one byte more would take the longest address to 300 characters.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::domain::link::KeyStanding;

use super::claims::{Claims, Written};
use super::token::TYPE;

/// The bytes were not a link key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not the base64url of 15 bytes.
    #[error("a link key's id is 20 characters of base64url")]
    Kid,
    /// Not an Ed25519 key in PKCS#8.
    #[error("not an Ed25519 private key in PKCS#8")]
    Private,
}

/// Writes links. The token library reads the private key anew for each signature, which takes as long as the signature
/// itself; here it is read once, and the library checks what it wrote when the link comes back.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    pair: Arc<Ed25519KeyPair>,
    public: [u8; 32],
    /// The header, encoded, with its dot.
    head: String,
}

impl SigningKey {
    /// A fresh key with a fresh id; its private half, to be sealed and stored; and its public half.
    pub fn generate() -> (Self, Zeroizing<Vec<u8>>, [u8; 32]) {
        let mut id = [0; 15];
        aws_lc_rs::rand::fill(&mut id).expect("the operating system gives randomness; without it nothing here may run");
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .expect("the operating system gives randomness; without it nothing here may run");
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        let key = Self::from_pkcs8(&BASE64URL_NOPAD.encode(&id), &pkcs8).expect("what was just generated is a key");
        let public = key.public;
        (key, pkcs8, public)
    }

    /// A stored key.
    pub fn from_pkcs8(kid: &str, pkcs8: &[u8]) -> Result<Self, InvalidKey> {
        if !is_kid(kid) {
            return Err(InvalidKey::Kid);
        }
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| InvalidKey::Private)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| InvalidKey::Private)?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(kid.to_owned());
        let header = serde_json::to_vec(&header).expect("a header has no odd keys");
        let head = format!("{}.", BASE64URL_NOPAD.encode(&header));
        Ok(Self { kid: kid.to_owned(), pair: Arc::new(pair), public, head })
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What verifies its links.
    pub fn verifying(&self, standing: KeyStanding) -> VerifyingKey {
        VerifyingKey::build(self.kid.clone(), self.public, standing)
    }

    /// Writes a token, well under [`super::MAX_TOKEN`] bytes.
    pub fn sign(&self, claims: &Claims) -> String {
        let written = Written {
            aud: claims.action().letter().to_owned(),
            jti: BASE64URL_NOPAD.encode(claims.link().uuid().as_bytes()),
            exp: claims.expires().map(|at| u64::try_from(at.seconds()).unwrap_or(0)),
        };
        let claims = serde_json::to_vec(&written).expect("these claims have no odd keys");
        let mut token = self.head.clone();
        BASE64URL_NOPAD.encode_append(&claims, &mut token);
        let signature = self.pair.sign(token.as_bytes());
        token.push('.');
        BASE64URL_NOPAD.encode_append(signature.as_ref(), &mut token);
        token
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ***)", self.kid)
    }
}

/// Reads links.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: String,
    public: [u8; 32],
    standing: KeyStanding,
    pub(super) key: DecodingKey,
}

impl VerifyingKey {
    /// A stored key.
    pub fn new(kid: &str, public: [u8; 32], standing: KeyStanding) -> Result<Self, InvalidKey> {
        if is_kid(kid) { Ok(Self::build(kid.to_owned(), public, standing)) } else { Err(InvalidKey::Kid) }
    }

    fn build(kid: String, public: [u8; 32], standing: KeyStanding) -> Self {
        Self { kid, public, standing, key: DecodingKey::from_ed_der(&public) }
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its public half.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// What it is still good for.
    pub fn standing(&self) -> KeyStanding {
        self.standing
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {})", self.kid, self.standing)
    }
}

/// The document at `/.well-known/jwks.json` (LK-12, RFC 8037). A compromised key is left out: who verifies by this
/// document does not tell a withdrawal from the rest.
pub fn jwks(keys: &[VerifyingKey]) -> Value {
    let published = keys.iter().filter(|key| key.standing != KeyStanding::Compromised);
    let entry = |key: &VerifyingKey| {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": BASE64URL_NOPAD.encode(&key.public),
            "kid": key.kid,
            "alg": "EdDSA",
            "use": "sig",
        })
    };
    json!({ "keys": published.map(entry).collect::<Vec<_>>() })
}

/// 15 bytes in base64url. Checked before anybody looks it up, so that a `kid` is never more than
/// a name (LK-11 point 5).
pub(super) fn is_kid(text: &str) -> bool {
    text.len() == 20 && BASE64URL_NOPAD.decode(text.as_bytes()).is_ok()
}
