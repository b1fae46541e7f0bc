//! Access tokens that run out: the credential of an account that was connected by OAuth.
//!
//! Promises: when the provider says that the token of a call is no longer good (reference section 2.3), a token is asked
//! for in its place, once, and the call is repeated with it, once. A call that was refused so was not carried out, and
//! may be repeated. Where tokens come from and who keeps them is for a [`Renewal`] to know.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::CallError;
use super::settings::Secret;

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Its time is over (121): it can be renewed.
    Expired,
    /// It is unknown or was revoked (120, 122): only another one helps, if somebody has put one in its place.
    Refused,
}

/// A token in place of a stale one, or why there is none.
pub type Replacing<'a> = Pin<Box<dyn Future<Output = Result<Secret, CallError>> + Send + 'a>>;

/// Who knows the token in place of one that is no longer good.
pub trait Renewal: Send + Sync {
    /// Gives the token in place of `stale`; [`CallError::ConnectAgain`] when only a person can bring one about.
    fn replace(&self, stale: Secret, why: Stale) -> Replacing<'_>;
}

/// An access token, and who renews it. Clones share what came in its place.
#[derive(Clone)]
pub struct Bearer {
    token: Arc<Mutex<Secret>>,
    renewal: Option<Arc<dyn Renewal>>,
}

impl Bearer {
    /// A token that nobody renews.
    pub fn fixed(token: Secret) -> Self {
        Self { token: Arc::new(Mutex::new(token)), renewal: None }
    }

    /// A token that is renewed.
    pub fn renewed_by(token: Secret, renewal: Arc<dyn Renewal>) -> Self {
        Self { renewal: Some(renewal), ..Self::fixed(token) }
    }

    /// The token for the next call.
    pub(super) fn token(&self) -> Secret {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The token for one more try of a call that `used` this one and was answered so; nothing when the answer is not
    /// about the token.
    pub(super) async fn instead(&self, used: Secret, code: Option<u32>) -> Result<Option<Secret>, CallError> {
        let why = match code {
            Some(121) => Stale::Expired,
            Some(120 | 122) => Stale::Refused,
            _ => return Ok(None),
        };
        let Some(renewal) = &self.renewal else { return Ok(None) };
        let fresh = renewal.replace(used, why).await?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
        Ok(Some(fresh))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(***)")
    }
}
