//! What is looked after at a destination by itself, and secrets of its webhook that were replaced and are still heard.

use diesel::prelude::*;

use crate::domain::ids::{ControllerId, ControllerScope, DestinationId};
use crate::domain::time::Timestamp;

use super::connection::on;
use super::destinations::Destination;
use super::error::StoreError;
use super::schema::{destination_upkeep, destinations, former_webhooks};
use super::{ReadTx, WriteTx};

/// What is looked after at one destination.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = destination_upkeep, treat_none_as_default_value = false, treat_none_as_null = true)]
#[diesel(primary_key(controller_id, destination_id))]
pub struct Upkeep {
    /// Whose.
    pub controller_id: ControllerId,
    /// Of which destination.
    pub destination_id: DestinationId,
    /// When its webhooks were last found as they should be.
    pub watched_at: Option<Timestamp>,
    /// When both sides were last compared, or began to be.
    pub reconciled_at: Option<Timestamp>,
    /// Days between two comparisons; 0: only when asked for.
    pub reconcile_every: i16,
    /// A webhook was found off or missing: both sides have to be compared once it is on.
    pub stops_missed: bool,
    /// Kinds of differences that are put right without asking, as bits.
    pub automatic: i16,
}

/// A secret of a webhook that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = former_webhooks)]
pub struct FormerWebhook {
    /// Whose.
    pub controller_id: ControllerId,
    /// SHA-256 of the secret.
    pub webhook_hash: Vec<u8>,
    /// Of which destination.
    pub destination_id: DestinationId,
    /// Since when it is replaced.
    pub replaced_at: Timestamp,
}

impl ReadTx<'_> {
    /// What is looked after at the controller's destinations; none where nothing was ever said or done.
    pub fn upkeeps(&mut self, scope: ControllerScope) -> Result<Vec<Upkeep>, StoreError> {
        use destination_upkeep::dsl as t;
        Ok(on!(self.conn, c => t::destination_upkeep.filter(t::controller_id.eq(scope.controller()))
            .select(Upkeep::as_select()).order(t::destination_id).limit(100).load(c))?)
    }

    /// What is looked after at one destination, if anything was ever said or done.
    pub fn upkeep(&mut self, scope: ControllerScope, id: DestinationId) -> Result<Option<Upkeep>, StoreError> {
        use destination_upkeep::dsl as t;
        Ok(
            on!(self.conn, c => t::destination_upkeep.find((scope.controller(), id)).select(Upkeep::as_select()).first(c)
            .optional())?,
        )
    }

    /// The secrets of a destination's webhook that were replaced, the newest first.
    pub fn former_webhooks(
        &mut self,
        scope: ControllerScope,
        id: DestinationId,
    ) -> Result<Vec<FormerWebhook>, StoreError> {
        use former_webhooks::dsl as t;
        Ok(on!(self.conn, c => t::former_webhooks.filter(t::controller_id.eq(scope.controller()))
            .filter(t::destination_id.eq(id)).select(FormerWebhook::as_select())
            .order((t::replaced_at.desc(), t::webhook_hash)).limit(100).load(c))?)
    }

    /// Finds a destination, and with it the controller, by the hash of a secret that was replaced.
    pub fn destination_by_former_webhook(&mut self, webhook_hash: &[u8]) -> Result<Destination, StoreError> {
        use destinations::dsl as t;
        let former: FormerWebhook = on!(&mut *self.conn, c => former_webhooks::table
            .filter(former_webhooks::webhook_hash.eq(webhook_hash)).select(FormerWebhook::as_select()).first(c))?;
        Ok(on!(self.conn, c => t::destinations.find((former.controller_id, former.destination_id))
            .select(Destination::as_select()).first(c))?)
    }
}

impl WriteTx<'_> {
    /// Says what is looked after.
    pub fn save_upkeep(&mut self, upkeep: &Upkeep) -> Result<(), StoreError> {
        use destination_upkeep::dsl as t;
        on!(self.writing(), c => diesel::insert_into(t::destination_upkeep).values(upkeep)
            .on_conflict((t::controller_id, t::destination_id)).do_update().set(upkeep).execute(c))?;
        Ok(())
    }

    /// Gives a destination's webhook another secret; the one before is still heard.
    pub fn replace_webhook(
        &mut self,
        destination: &Destination,
        webhook_hash: &[u8],
        webhook_secret: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use destinations::dsl as t;
        let former = FormerWebhook {
            controller_id: destination.controller_id,
            webhook_hash: destination.webhook_hash.clone(),
            destination_id: destination.id,
            replaced_at: now,
        };
        on!(self.writing(), c => diesel::insert_into(former_webhooks::table).values(&former).execute(c))?;
        on!(self.writing(), c => diesel::update(t::destinations.find((destination.controller_id, destination.id)))
            .set((t::webhook_hash.eq(webhook_hash), t::webhook_secret.eq(webhook_secret))).execute(c))?;
        Ok(())
    }

    /// Hears the secrets no more that were replaced before `before`.
    pub fn forget_former_webhooks(
        &mut self,
        scope: ControllerScope,
        id: DestinationId,
        before: Timestamp,
    ) -> Result<usize, StoreError> {
        use former_webhooks::dsl as t;
        Ok(on!(self.writing(), c => diesel::delete(t::former_webhooks.filter(t::controller_id.eq(scope.controller()))
            .filter(t::destination_id.eq(id)).filter(t::replaced_at.lt(before))).execute(c))?)
    }
}
