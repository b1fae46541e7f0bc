//! Tokens of a controller: made by a token that has at least the same rights, listed, revoked.

use crate::domain::ids::{ControllerScope, TokenId};
use crate::domain::scope::Scope;
use crate::domain::time::Timestamp;
use crate::store::controllers::ApiToken;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::once::{Asker, OnceKey, write_once};
use super::setup::{IssuedToken, new_token};
use super::{Error, Services, shape};

/// A token to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Until when; for ever, if it is not said.
    pub expires_at: Option<Timestamp>,
}

/// Issues a token. Nobody can hand out a right that they do not have (AP-10).
pub async fn issue_token(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    new: NewToken,
) -> Result<(ApiToken, IssuedToken), Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let name = shape::line("name", &new.name, 100)?;
    let now = services.clock.now();
    if new.scopes.is_empty() {
        return Err(Error::field("scopes", "a token needs at least one scope"));
    }
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::field("expires_at", "expected a time to come"));
    }
    let mut scopes = new.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let (row, issued) = new_token(services, Some(scope), &name, &scopes, new.expires_at);
    let most = services.rules.limits.tokens;
    let issued = write_once(services, asker, key, scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
        let own = tx.token(Some(scope), asker.token)?.scopes;
        if let Some(index) = scopes.iter().position(|wanted| !own.split(' ').any(|name| name == wanted.name())) {
            let what = format!("this token has no `{}` scope to hand on", scopes[index]);
            return Err(Error::field("scopes", what));
        }
        let in_force = tx.tokens_in_force(scope, now)?;
        if in_force >= i64::try_from(most).unwrap_or(i64::MAX) {
            return Err(Error::field("name", format!("a controller has at most {most} tokens in force")));
        }
        tx.insert_token(&row)?;
        Ok(issued.clone())
    })
    .await?;
    let id = issued.id;
    tracing::info!(target: "audit", token = %asker.token, made = %id, "a token was made");
    let row = services.store.read(move |tx: &mut ReadTx<'_>| tx.token(Some(scope), id)).await?;
    Ok((row, issued))
}

/// A page of a controller's tokens, newest first, those no longer in force too.
pub async fn list_tokens(
    services: &Services,
    scope: ControllerScope,
    before: Option<TokenId>,
    limit: i64,
) -> Result<Vec<ApiToken>, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.tokens_page(scope, before, limit)).await?)
}

/// Revokes a token; from the next request on it names nobody. Asking twice is no fault.
pub async fn revoke_token(services: &Services, scope: ControllerScope, by: TokenId, id: TokenId) -> Result<(), Error> {
    let now = services.clock.now();
    services
        .store
        .write(scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
            if !tx.revoke_token(Some(scope), id, now)? {
                tx.token(Some(scope), id)?;
            }
            Ok::<_, StoreError>(())
        })
        .await?;
    tracing::info!(target: "audit", token = %by, revoked = %id, "a token was revoked");
    Ok(())
}
