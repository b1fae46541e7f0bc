//! The link opener: whatever opens was signed here, in exactly these bytes, for this act.

use reconsent::domain::ids::LinkId;
use reconsent::domain::time::Timestamp;
use reconsent::links::{Action, Claims, KeyStanding, LinkError, SigningKey, VerifyingKey, open, parse_kid};
use uuid::Uuid;

/// One key and everything it ever signed.
pub struct House {
    key: VerifyingKey,
    signed: Vec<(String, Claims)>,
    now: Timestamp,
}

impl House {
    pub fn new() -> Self {
        let (key, _, _) = SigningKey::generate();
        let now = Timestamp::parse("2026-11-24").expect("a date");
        let ends = [Timestamp::parse("2026-12-31"), Timestamp::parse("2020-01-01")].map(|end| end.expect("a date"));
        let mut signed = Vec::new();
        for (n, action) in Action::ALL.iter().enumerate() {
            for end in ends {
                let claims = Claims::until(*action, LinkId::from_uuid(Uuid::from_bytes([n as u8; 16])), end);
                signed.push((key.sign(&claims), claims));
            }
        }
        Self { key: key.verifying(KeyStanding::Active), signed, now }
    }

    /// The genuine tokens, and some that are nearly so.
    pub fn corpus(&self) -> Vec<Vec<u8>> {
        let mut corpus: Vec<Vec<u8>> = self.signed.iter().map(|(token, _)| token.clone().into_bytes()).collect();
        corpus.push(b"eyJhbGciOiJub25lIn0.e30.".to_vec());
        corpus.push(b"..".to_vec());
        corpus
    }

    pub fn run(&self, data: &[u8]) {
        let Ok(token) = std::str::from_utf8(data) else { return };
        let genuine = self.signed.iter().find(|(signed, _)| signed == token);
        assert!(genuine.is_none() || parse_kid(token).as_deref() == Ok(self.key.kid()));
        for action in Action::ALL {
            match (open(token, &self.key, *action, self.now), genuine) {
                (Ok(opened), Some((_, claims))) => {
                    assert_eq!(
                        (opened.action, opened.link, opened.expires),
                        (claims.action(), claims.link(), claims.expires())
                    );
                    assert_eq!(opened.action, *action);
                }
                (Err(LinkError::Expired { link }), Some((_, claims))) => {
                    assert!(link == claims.link() && claims.expires().is_some_and(|end| end < self.now));
                }
                (Err(LinkError::Forged), Some((_, claims))) => assert_ne!(claims.action(), *action),
                (Err(LinkError::Forged), None) => {}
                (opened, None) => panic!("what we never signed opened as {opened:?}"),
            }
        }
    }
}
