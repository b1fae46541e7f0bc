//! Mails whose retention time is over. What a person agreed to, and that they were asked, is in the events, and
//! those stay; so do the counts of a round.

use diesel::prelude::*;

use crate::domain::ids::{ControllerScope, MailId};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;

use super::connection::on;
use super::error::StoreError;
use super::schema::{mails, outbox};
use super::{ReadTx, WriteTx};

/// The least id that a mail made at a moment could have (RFC 9562: milliseconds in the first 48 bits).
fn first_id(at: Timestamp) -> MailId {
    let millis = u128::try_from(at.micros() / 1000).unwrap_or(0);
    MailId::from_uuid(uuid::Uuid::from_u128(millis << 80))
}

/// The rows that may go: over since before `$before`, with no work left on them. They are looked for along the primary
/// key, as a mail's id begins with the time it was made; so finishing a mail has no index to keep.
macro_rules! old {
    ($scope:expr, $before:expr) => {{
        use mails::dsl as t;
        let task = outbox::table
            .filter(outbox::controller_id.eq($scope.controller()))
            .filter(outbox::kind.eq(TaskKind::Mail))
            .filter(outbox::reference.eq(t::id));
        t::mails
            .filter(t::controller_id.eq($scope.controller()))
            .filter(t::id.lt(first_id($before)))
            .filter(t::settled_at.lt($before))
            .filter(diesel::dsl::not(diesel::dsl::exists(task)))
    }};
}

impl ReadTx<'_> {
    /// Mails that were over before a moment, the oldest first, up to `limit`.
    pub fn old_mails(
        &mut self,
        scope: ControllerScope,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<MailId>, StoreError> {
        Ok(on!(self.conn, c => old!(scope, before).select(mails::id).order(mails::id).limit(limit).load(c))?)
    }
}

impl WriteTx<'_> {
    /// Forgets those of these mails that were over before a moment; says how many.
    pub fn forget_mails(
        &mut self,
        scope: ControllerScope,
        ids: &[MailId],
        before: Timestamp,
    ) -> Result<usize, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        Ok(on!(self.writing(), c => diesel::delete(old!(scope, before).filter(mails::id.eq_any(ids))).execute(c))?)
    }
}
