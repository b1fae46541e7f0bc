//! Answers kept for a retry with the same `Idempotency-Key` (AP-02), written in the transaction of the effect, and
//! the install-wide caps on confirmation mails.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::domain::ids::{ControllerId, TokenId};
use crate::domain::time::Timestamp;

use super::connection::on;
use super::error::StoreError;
use super::schema::{idempotency_keys, mailbox_caps};
use super::{ReadTx, WriteTx};

/// A kept answer.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = idempotency_keys, treat_none_as_default_value = false)]
pub struct KeptAnswer {
    /// Whose; all zero for the operator.
    pub controller_id: ControllerId,
    /// Which token asked.
    pub token_id: TokenId,
    /// SHA-256 of the key.
    pub key_hash: Vec<u8>,
    /// SHA-256 of method, path and body.
    pub fingerprint: Vec<u8>,
    /// Sealed.
    pub answer: Vec<u8>,
    /// Version of the sealing key.
    pub key_version: i32,
    /// Since when.
    pub created_at: Timestamp,
}

/// Rows forgotten in one commit, so that a day's worth keeps no writer from people.
pub const FORGOTTEN: i64 = 1000;

impl ReadTx<'_> {
    /// The answer kept under a key.
    pub fn kept_answer(
        &mut self,
        controller: ControllerId,
        token: TokenId,
        key_hash: &[u8],
    ) -> Result<Option<KeptAnswer>, StoreError> {
        use idempotency_keys::dsl as t;
        Ok(
            on!(self.conn, c => t::idempotency_keys.find((controller, token, key_hash)).select(KeptAnswer::as_select()).first(c).optional())?,
        )
    }
}

impl WriteTx<'_> {
    /// Keeps an answer; `Conflict` when another call with the key was faster.
    pub fn keep_answer(&mut self, answer: &KeptAnswer) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(idempotency_keys::table).values(answer).execute(c))?;
        Ok(())
    }

    /// Forgets answers older than `before`, up to [`FORGOTTEN`] of them; says how many.
    pub fn forget_answers(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let query = "DELETE FROM idempotency_keys WHERE (controller_id, token_id, key_hash) IN \
                     (SELECT controller_id, token_id, key_hash FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
        Ok(
            on!(self.writing(), c => diesel::sql_query(query).bind::<BigInt, _>(before).bind::<BigInt, _>(FORGOTTEN).execute(c))?,
        )
    }

    /// Counts so many more mails under each mark for a day, each mark once; says how many that makes, mark by mark.
    pub fn count_mails_under(&mut self, more: &[(Vec<u8>, i32)], day: i64) -> Result<Vec<(Vec<u8>, i32)>, StoreError> {
        use mailbox_caps::dsl as t;
        if more.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<_> =
            more.iter().map(|(mark, mails)| (t::fingerprint.eq(mark), t::day.eq(day), t::mails.eq(mails))).collect();
        Ok(on!(self.writing(), c => diesel::insert_into(t::mailbox_caps).values(&rows)
            .on_conflict(t::fingerprint).do_update().set(t::mails.eq(t::mails + diesel::upsert::excluded(t::mails)))
            .returning((t::fingerprint, t::mails)).get_results(c))?)
    }

    /// Forgets the counts of days before `day` (architecture section 0: within 48 hours), up to [`FORGOTTEN`] of them;
    /// says how many.
    pub fn forget_mail_counts(&mut self, day: i64) -> Result<usize, StoreError> {
        let query = "DELETE FROM mailbox_caps WHERE fingerprint IN \
                     (SELECT fingerprint FROM mailbox_caps WHERE day < $1 ORDER BY day LIMIT $2)";
        Ok(
            on!(self.writing(), c => diesel::sql_query(query).bind::<BigInt, _>(day).bind::<BigInt, _>(FORGOTTEN).execute(c))?,
        )
    }
}
