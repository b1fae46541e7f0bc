//! Buckets of the throttles: which tokens are taken, kept so that they survive a restart and hold for all instances
//! together.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, SmallInt};
use diesel::upsert::excluded;

use crate::domain::ids::{ControllerId, MailId};
use crate::domain::throttle::BucketKind;
use crate::domain::time::Timestamp;

use super::WriteTx;
use super::among::among;
use super::bulk::{Bulk, bulk_row, column};
use super::connection::{Conn, on};
use super::dialect::{load_locked, load_unclaimed};
use super::error::StoreError;
use super::prepared::update;
use super::schema::{mails, send_buckets};
use super::types::Id;

/// A bucket.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = send_buckets, treat_none_as_default_value = false)]
pub struct Bucket {
    /// Whose.
    pub controller_id: ControllerId,
    /// The controller's or the sender's id, or a keyed mark of the recipient domain: never the domain.
    pub bucket_key: Vec<u8>,
    /// What it is for.
    pub kind: BucketKind,
    /// The first minute of `taken`, since 1970 UTC.
    pub from_minute: i64,
    /// Tokens taken, two bytes a minute.
    pub taken: Vec<u8>,
    /// From then on it says nothing.
    pub idle_from: Timestamp,
}

bulk_row!(Bucket => "send_buckets" {
    controller_id: Id,
    bucket_key: Binary,
    kind: SmallInt,
    from_minute: BigInt,
    taken: Binary,
    idle_from: BigInt,
});

impl WriteTx<'_> {
    /// These buckets, locked until the commit; those that are not there yet are made, empty. All are locked in the order
    /// of their keys, so that instances do not wait for each other in a circle.
    pub fn lock_buckets(
        &mut self,
        wanted: &[(ControllerId, Vec<u8>, BucketKind)],
        now: Timestamp,
    ) -> Result<Vec<Bucket>, StoreError> {
        let mut found = self.locked_buckets(wanted.iter().map(|(controller, key, _)| (*controller, key.clone())))?;
        if found.len() == wanted.len() {
            return Ok(found);
        }
        let known: HashSet<_> = found.iter().map(|bucket| (bucket.controller_id, bucket.bucket_key.clone())).collect();
        let mut new: Vec<Bucket> = wanted
            .iter()
            .filter(|(controller, key, _)| !known.contains(&(*controller, key.clone())))
            .map(|(controller, key, kind)| Bucket {
                controller_id: *controller,
                bucket_key: key.clone(),
                kind: *kind,
                from_minute: 0,
                taken: Vec::new(),
                idle_from: now,
            })
            .collect();
        new.sort_unstable_by(|a, b| (a.controller_id, &a.bucket_key).cmp(&(b.controller_id, &b.bucket_key)));
        // Waits for an instance that makes one of them just now, and then leaves it as that made it.
        match self.writing() {
            Conn::Sqlite(c) => {
                diesel::insert_into(send_buckets::table).values(&new).on_conflict_do_nothing().execute(&mut **c)?
            }
            Conn::Postgres(c) => Bulk::default().insert(&new, "ON CONFLICT DO NOTHING").execute(c)?,
        };
        found.extend(self.locked_buckets(new.into_iter().map(|bucket| (bucket.controller_id, bucket.bucket_key)))?);
        Ok(found)
    }

    fn locked_buckets(
        &mut self,
        wanted: impl Iterator<Item = (ControllerId, Vec<u8>)>,
    ) -> Result<Vec<Bucket>, StoreError> {
        use send_buckets::dsl as t;
        Ok(load_locked!(
            &mut *self.conn,
            t::send_buckets
                .filter(among(t::controller_id, t::bucket_key, wanted))
                .order((t::controller_id, t::bucket_key))
                .select(Bucket::as_select())
        )?)
    }

    /// Writes buckets down that [`Self::lock_buckets`] gave.
    pub fn save_buckets(&mut self, buckets: &[Bucket]) -> Result<(), StoreError> {
        use send_buckets::dsl as t;
        if buckets.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => diesel::insert_into(t::send_buckets)
                .values(buckets)
                .on_conflict((t::controller_id, t::bucket_key))
                .do_update()
                .set((
                    t::from_minute.eq(excluded(t::from_minute)),
                    t::taken.eq(excluded(t::taken)),
                    t::idle_from.eq(excluded(t::idle_from)),
                ))
                .execute(&mut **c)?,
            Conn::Postgres(c) => Bulk::default()
                .insert(
                    buckets,
                    "ON CONFLICT (controller_id, bucket_key) DO UPDATE SET from_minute = excluded.from_minute, \
                     taken = excluded.taken, idle_from = excluded.idle_from",
                )
                .execute(c)?,
        };
        Ok(())
    }

    /// Gives mails their places in the line of the throttles.
    pub fn place_mails(&mut self, placed: &[(ControllerId, MailId, Timestamp)]) -> Result<(), StoreError> {
        use mails::dsl as t;
        if placed.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => {
                for (controller, mail, at) in placed {
                    update(t::mails.find((controller, mail))).set(t::place_at.eq(at)).execute(&mut **c)?;
                }
            }
            Conn::Postgres(c) => {
                let columns = vec![
                    column::<Id, _>(placed.iter().map(|(controller, ..)| controller)),
                    column::<Id, _>(placed.iter().map(|(_, mail, _)| mail)),
                    column::<BigInt, _>(placed.iter().map(|(.., at)| at)),
                ];
                Bulk::statement(
                    "UPDATE mails SET place_at = v.place_at FROM unnest(",
                    columns,
                    "AS v (controller_id, id, place_at) WHERE mails.controller_id = v.controller_id AND mails.id = v.id",
                )
                .execute(c)?;
            }
        }
        Ok(())
    }

    /// Forgets up to `limit` buckets, of any controllers, that say nothing any more; says how many.
    pub fn forget_idle_buckets(&mut self, now: Timestamp, limit: i64) -> Result<usize, StoreError> {
        use send_buckets::dsl as t;
        let idle: Vec<(ControllerId, Vec<u8>)> = load_unclaimed!(
            &mut *self.conn,
            t::send_buckets
                .filter(t::idle_from.le(now))
                .order(t::idle_from)
                .limit(limit)
                .select((t::controller_id, t::bucket_key))
        )?;
        if idle.is_empty() {
            return Ok(0);
        }
        let gone = t::send_buckets.filter(among(t::controller_id, t::bucket_key, idle));
        Ok(on!(self.writing(), c => diesel::delete(gone).execute(c))?)
    }
}
