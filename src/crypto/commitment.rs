//! The commitment to an event (TE-05): a keyed hash of its canonical record under a salt of its own. The salt is
//! kept sealed under the subject's key; once that is destroyed, the commitment says nothing about anybody (TE-06).

use super::secret::hmac256;

/// HMAC-SHA-256(salt, "consent-event:v1" 0x00 record).
pub fn commit(salt: &[u8; 32], canonical_record: &[u8]) -> [u8; 32] {
    hmac256(salt, &[b"consent-event:v1", canonical_record])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_commitment_vector_holds() {
        // consent-law section 9.5
        let salt: [u8; 32] = std::array::from_fn(|i| 0x20 + u8::try_from(i).unwrap());
        let commitment = super::commit(&salt, br#"{"event":"consent.given","purpose":"newsletter"}"#);
        assert_eq!(
            data_encoding::HEXLOWER.encode(&commitment),
            "c01873a205f3089129734ed394170f67bc66bea879cb9c2ce2157778aa4c2153"
        );
    }
}
