//! What a test, or a person at the page, lets tokens do: run out, be taken back, be forgotten.

use super::super::Emulator;
use super::{Book, Grant};
use jiff::Timestamp;
use std::time::Duration;

impl Emulator {
    fn oauth<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        self.shared.work(true, |desk, _| change(&mut desk.world.oauth))
    }

    /// How long access tokens hold that are given from now on.
    pub fn set_token_life(&self, life: Duration) {
        self.oauth(|book| book.manners.expires_in = u32::try_from(life.as_secs()).unwrap_or(u32::MAX));
    }

    /// The status at which the token endpoint refuses; the provider's own varies.
    pub fn set_oauth_error_status(&self, status: u16) {
        self.oauth(|book| book.manners.error_status = status);
    }

    /// Whether each refresh brings a new refresh token and ends the old one.
    pub fn rotate_refresh_tokens(&self, rotating: bool) {
        self.oauth(|book| book.manners.rotating = rotating);
    }

    /// Ends every access token given so far, as if its time had come (Code 121).
    pub fn expire_access_tokens(&self) {
        self.oauth(|book| {
            for access in book.grants.iter_mut().flat_map(|grant| &mut grant.access) {
                access.until = Timestamp::MIN;
            }
        });
    }

    /// Somebody takes back what all apps were allowed (Code 122).
    pub fn revoke_oauth(&self) {
        self.oauth(|book| book.grants.iter_mut().for_each(|grant| grant.revoked = true));
    }

    /// Forgets every access token given so far (Code 120); refresh tokens stay.
    pub fn forget_access_tokens(&self) {
        self.oauth(|book| book.grants.iter_mut().for_each(|grant| grant.access.clear()));
    }

    /// The live access and refresh tokens, for tests that look for them where they must not be.
    pub fn oauth_secrets(&self) -> Vec<String> {
        self.oauth(|book| {
            let of = |grant: &Grant| {
                let access = grant.access.iter().map(|access| access.token.clone());
                access.chain([grant.refresh_token.clone()]).collect::<Vec<_>>()
            };
            book.grants.iter().flat_map(of).collect()
        })
    }
}
