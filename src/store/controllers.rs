//! Controllers, their keys, the keys of their links, and API tokens. Here are the few look-ups that find the
//! controller: a token's hash and a link key's `kid`.

use diesel::prelude::*;

use crate::domain::ids::{ControllerId, ControllerScope, TokenId};
use crate::domain::link::KeyStanding;
use crate::domain::time::Timestamp;

use super::connection::on;
use super::error::StoreError;
use super::schema::{api_tokens, controller_keys, controllers, install, key_canaries, link_keys};
use super::{ReadTx, WriteTx};

/// A controller.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = controllers, treat_none_as_default_value = false)]
pub struct Controller {
    /// Its id.
    pub id: ControllerId,
    /// Its short name.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Leave a mail whose answer was lost, rather than try once more.
    pub hold_uncertain: bool,
    /// Since when.
    pub created_at: Timestamp,
}

/// A key of a controller, sealed under the root key.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = controller_keys, treat_none_as_default_value = false)]
pub struct SealedKey {
    /// Whose.
    pub controller_id: ControllerId,
    /// What for; see `crypto::KeyUse`.
    pub key_use: String,
    /// Its version.
    pub version: i32,
    /// The sealed bytes; none once retired.
    pub sealed: Vec<u8>,
    /// Since when.
    pub created_at: Timestamp,
    /// Retired when: its bytes are gone.
    pub retired_at: Option<Timestamp>,
}

/// What a key in use has to open before anything else.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = key_canaries, treat_none_as_default_value = false)]
pub struct KeyCanary {
    /// Whose.
    pub controller_id: ControllerId,
    /// Of which key.
    pub key_use: String,
    /// Of which version.
    pub version: i32,
    /// Sealed under that key.
    pub sealed: Vec<u8>,
}

/// A signing key of links.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = link_keys, treat_none_as_default_value = false)]
pub struct LinkKey {
    /// Its name in tokens.
    pub kid: String,
    /// Whose.
    pub controller_id: ControllerId,
    /// The public half.
    pub public_key: Vec<u8>,
    /// The private half, sealed under the root key.
    pub sealed: Vec<u8>,
    /// What it may still do.
    pub standing: KeyStanding,
    /// Since when.
    pub created_at: Timestamp,
}

/// An API token; the secret itself is not kept.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = api_tokens, treat_none_as_default_value = false)]
pub struct ApiToken {
    /// SHA-256 of the secret.
    pub hash: Vec<u8>,
    /// Its id.
    pub id: TokenId,
    /// Whose; none for the operator.
    pub controller_id: Option<ControllerId>,
    /// What people call it.
    pub name: String,
    /// Names of scopes, separated by blanks.
    pub scopes: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Revoked when.
    pub revoked_at: Option<Timestamp>,
}

impl ReadTx<'_> {
    /// The sealed canary of the install, if it has been set up.
    pub fn canary(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        use install::dsl as i;
        Ok(on!(self.conn, c => i::install.find(1_i16).select(i::canary).first(c).optional())?)
    }

    /// Every controller, for the operator and for the worker's round; at most `limit`, in the order of their ids.
    pub fn all_controllers(&mut self, after: Option<ControllerId>, limit: i64) -> Result<Vec<Controller>, StoreError> {
        use controllers::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::controllers.select(Controller::as_select()).order(t::id).limit(limit).into_boxed();
            if let Some(after) = after {
                query = query.filter(t::id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// One controller, by the scope that names it.
    pub fn controller(&mut self, scope: ControllerScope) -> Result<Controller, StoreError> {
        use controllers::dsl as t;
        Ok(on!(self.conn, c => t::controllers.find(scope.controller()).select(Controller::as_select()).first(c))?)
    }

    /// A controller by its short name, for the operator's command line.
    pub fn controller_by_slug(&mut self, slug: &str) -> Result<Controller, StoreError> {
        use controllers::dsl as t;
        Ok(on!(self.conn, c => t::controllers.filter(t::slug.eq(slug)).select(Controller::as_select()).first(c))?)
    }

    /// All key versions of a controller.
    pub fn controller_keys(&mut self, scope: ControllerScope) -> Result<Vec<SealedKey>, StoreError> {
        use controller_keys::dsl as t;
        Ok(
            on!(self.conn, c => t::controller_keys.filter(t::controller_id.eq(scope.controller())).select(SealedKey::as_select())
            .order((t::key_use, t::version)).load(c))?,
        )
    }

    /// The canaries of a controller's keys.
    pub fn key_canaries(&mut self, scope: ControllerScope) -> Result<Vec<KeyCanary>, StoreError> {
        use key_canaries::dsl as t;
        Ok(
            on!(self.conn, c => t::key_canaries.filter(t::controller_id.eq(scope.controller())).select(KeyCanary::as_select()).load(c))?,
        )
    }

    /// Finds a link key, and with it the controller, by the name that a token carries.
    pub fn link_key(&mut self, kid: &str) -> Result<LinkKey, StoreError> {
        use link_keys::dsl as t;
        Ok(on!(self.conn, c => t::link_keys.find(kid).select(LinkKey::as_select()).first(c))?)
    }

    /// A controller's link keys, newest first.
    pub fn link_keys(&mut self, scope: ControllerScope) -> Result<Vec<LinkKey>, StoreError> {
        use link_keys::dsl as t;
        Ok(
            on!(self.conn, c => t::link_keys.filter(t::controller_id.eq(scope.controller())).select(LinkKey::as_select())
            .order((t::created_at.desc(), t::kid)).load(c))?,
        )
    }

    /// The public halves of all link keys of the install, for its JWKS.
    pub fn all_link_keys(&mut self, limit: i64) -> Result<Vec<LinkKey>, StoreError> {
        use link_keys::dsl as t;
        Ok(
            on!(self.conn, c => t::link_keys.select(LinkKey::as_select()).order((t::created_at.desc(), t::kid)).limit(limit).load(c))?,
        )
    }

    /// Finds a token, and with it the controller, by its hash.
    pub fn token_by_hash(&mut self, hash: &[u8]) -> Result<ApiToken, StoreError> {
        use api_tokens::dsl as t;
        Ok(on!(self.conn, c => t::api_tokens.find(hash).select(ApiToken::as_select()).first(c))?)
    }

    /// One token of a controller, or of the operator.
    pub fn token(&mut self, controller: Option<ControllerScope>, id: TokenId) -> Result<ApiToken, StoreError> {
        use api_tokens::dsl as t;
        Ok(on!(self.conn, c => {
            let query = t::api_tokens.filter(t::id.eq(id)).select(ApiToken::as_select()).into_boxed();
            match controller {
                Some(scope) => query.filter(t::controller_id.eq(scope.controller())).first(c),
                None => query.filter(t::controller_id.is_null()).first(c),
            }
        })?)
    }

    /// A controller's tokens, newest first, before `before`.
    pub fn tokens_page(
        &mut self,
        scope: ControllerScope,
        before: Option<TokenId>,
        limit: i64,
    ) -> Result<Vec<ApiToken>, StoreError> {
        use api_tokens::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::api_tokens.filter(t::controller_id.eq(scope.controller())).select(ApiToken::as_select())
                .order(t::id.desc()).limit(limit).into_boxed();
            if let Some(before) = before {
                query = query.filter(t::id.lt(before));
            }
            query.load(c)
        })?)
    }

    /// How many of a controller's tokens are in force.
    pub fn tokens_in_force(&mut self, scope: ControllerScope, now: Timestamp) -> Result<i64, StoreError> {
        use api_tokens::dsl as t;
        Ok(
            on!(self.conn, c => t::api_tokens.filter(t::controller_id.eq(scope.controller())).filter(t::revoked_at.is_null())
            .filter(t::expires_at.is_null().or(t::expires_at.gt(now))).count().get_result(c))?,
        )
    }

    /// A controller's tokens, or the operator's; at most 1,000.
    pub fn tokens(&mut self, controller: Option<ControllerScope>) -> Result<Vec<ApiToken>, StoreError> {
        use api_tokens::dsl as t;
        Ok(on!(self.conn, c => {
            let query = t::api_tokens.select(ApiToken::as_select()).order(t::id).limit(1000).into_boxed();
            match controller {
                Some(scope) => query.filter(t::controller_id.eq(scope.controller())).load(c),
                None => query.filter(t::controller_id.is_null()).load(c),
            }
        })?)
    }
}

impl WriteTx<'_> {
    /// Sets the install up with its canary; `Conflict` when it is already.
    pub fn insert_canary(&mut self, canary: &[u8], now: Timestamp) -> Result<(), StoreError> {
        use install::dsl as i;
        on!(self.writing(), c => diesel::insert_into(i::install).values((i::id.eq(1_i16), i::canary.eq(canary), i::created_at.eq(now))).execute(c))?;
        Ok(())
    }

    /// Replaces the canary, at the end of a rotation of the root key.
    pub fn replace_canary(&mut self, canary: &[u8]) -> Result<(), StoreError> {
        use install::dsl as i;
        on!(self.writing(), c => diesel::update(i::install.find(1_i16)).set(i::canary.eq(canary)).execute(c))?;
        Ok(())
    }

    /// A new controller; `Conflict` when its short name is taken.
    pub fn insert_controller(&mut self, controller: &Controller) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(controllers::table).values(controller).execute(c))?;
        Ok(())
    }

    /// Another version of a controller's key.
    pub fn insert_controller_key(&mut self, key: &SealedKey) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(controller_keys::table).values(key).execute(c))?;
        Ok(())
    }

    /// The canary of a key.
    pub fn insert_key_canary(&mut self, canary: &KeyCanary) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(key_canaries::table).values(canary).execute(c))?;
        Ok(())
    }

    /// Takes the canary of a key away: without one the key is not used.
    pub fn drop_key_canary(&mut self, scope: ControllerScope, key_use: &str, version: i32) -> Result<(), StoreError> {
        use key_canaries::dsl as t;
        on!(self.writing(), c => diesel::delete(t::key_canaries.find((scope.controller(), key_use, version))).execute(c))?;
        Ok(())
    }

    /// Destroys a version of a key and its canary; that it was there stays on record.
    pub fn retire_controller_key(
        &mut self,
        scope: ControllerScope,
        key_use: &str,
        version: i32,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.drop_key_canary(scope, key_use, version)?;
        use controller_keys::dsl as t;
        on!(self.writing(), c => diesel::update(t::controller_keys.find((scope.controller(), key_use, version)))
            .set((t::sealed.eq(Vec::<u8>::new()), t::retired_at.eq(now))).execute(c))?;
        Ok(())
    }

    /// Seals a key anew under another root key.
    pub fn reseal_controller_key(
        &mut self,
        scope: ControllerScope,
        key_use: &str,
        version: i32,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        use controller_keys::dsl as t;
        on!(self.writing(), c => diesel::update(t::controller_keys.find((scope.controller(), key_use, version))).set(t::sealed.eq(sealed)).execute(c))?;
        Ok(())
    }

    /// A new link key.
    pub fn insert_link_key(&mut self, key: &LinkKey) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(link_keys::table).values(key).execute(c))?;
        Ok(())
    }

    /// Seals a link key anew under another root key.
    pub fn reseal_link_key(&mut self, scope: ControllerScope, kid: &str, sealed: &[u8]) -> Result<(), StoreError> {
        use link_keys::dsl as t;
        on!(self.writing(), c => diesel::update(t::link_keys.filter(t::kid.eq(kid)).filter(t::controller_id.eq(scope.controller())))
            .set(t::sealed.eq(sealed)).execute(c))?;
        Ok(())
    }

    /// Changes what a link key may still do.
    pub fn set_link_key_standing(
        &mut self,
        scope: ControllerScope,
        kid: &str,
        standing: KeyStanding,
    ) -> Result<(), StoreError> {
        use link_keys::dsl as t;
        let changed = on!(self.writing(), c => diesel::update(t::link_keys.filter(t::kid.eq(kid)).filter(t::controller_id.eq(scope.controller())))
            .set(t::standing.eq(standing)).execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// A new token.
    pub fn insert_token(&mut self, token: &ApiToken) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(api_tokens::table).values(token).execute(c))?;
        Ok(())
    }

    /// Revokes a token; says whether there was one to revoke.
    pub fn revoke_token(
        &mut self,
        controller: Option<ControllerScope>,
        id: TokenId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        use api_tokens::dsl as t;
        let changed = on!(self.writing(), c => {
            let these = t::api_tokens.filter(t::id.eq(id)).filter(t::revoked_at.is_null());
            match controller {
                Some(scope) => diesel::update(these.filter(t::controller_id.eq(scope.controller()))).set(t::revoked_at.eq(now)).execute(c),
                None => diesel::update(these.filter(t::controller_id.is_null())).set(t::revoked_at.eq(now)).execute(c),
            }
        })?;
        Ok(changed > 0)
    }
}
