//! The "never mail" list: keyed fingerprints per controller (SU-01 to SU-07). An entry for a purpose outranks the one
//! for all of them, so that a fresh confirmed opt-in to one purpose lifts that purpose alone (RP-04).

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text};
use diesel::upsert::excluded;

use crate::domain::ids::{ControllerId, ControllerScope, PurposeId};
use crate::domain::purpose::Channel;
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;

use super::among::among;
use super::bulk::{Bulk, bulk_row, insert_values};
use super::connection::{Conn, on};
use super::error::StoreError;
use super::schema::suppressions;
use super::types::Id;
use super::{ReadTx, WriteTx};

/// Stands for every purpose.
pub const EVERY_PURPOSE: PurposeId = PurposeId::from_uuid(uuid::Uuid::nil());

/// An entry.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = suppressions, treat_none_as_default_value = false)]
pub struct Suppression {
    /// Whose list.
    pub controller_id: ControllerId,
    /// Keyed fingerprint of the address.
    pub fingerprint: Vec<u8>,
    /// For which purpose; [`EVERY_PURPOSE`] for all.
    pub purpose_id: PurposeId,
    /// Version of the key that made the fingerprint.
    pub key_version: i32,
    /// By which channel.
    pub channel: Channel,
    /// Why.
    pub reason: SuppressionReason,
    /// Kind and id of what led to it.
    pub source: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// Taken off for this purpose.
    pub lifted_at: Option<Timestamp>,
}

bulk_row!(Suppression => "suppressions" {
    controller_id: Id,
    fingerprint: Binary,
    purpose_id: Id,
    key_version: Integer,
    channel: SmallInt,
    reason: SmallInt,
    source: Nullable<Text>,
    created_at: BigInt,
    lifted_at: Nullable<BigInt>,
});

/// What an entry replaces where one stands already; see [`WriteTx::suppress`]. The numbers are those of the reasons that
/// no fresh opt-in lifts.
pub(super) const INSTEAD: &str = "ON CONFLICT (controller_id, fingerprint, purpose_id) DO UPDATE SET \
     reason = CASE WHEN suppressions.reason IN (5, 6, 7, 8) AND suppressions.lifted_at IS NULL \
              THEN suppressions.reason ELSE excluded.reason END, \
     source = excluded.source, created_at = excluded.created_at, lifted_at = excluded.lifted_at";

/// The reason that holds for a purpose among an address's entries.
pub fn reason_for(entries: &[Suppression], purpose: PurposeId) -> Option<SuppressionReason> {
    let newest = |wanted: PurposeId| entries.iter().filter(|e| e.purpose_id == wanted).max_by_key(|e| e.created_at);
    match newest(purpose) {
        Some(own) if own.lifted_at.is_none() => Some(own.reason),
        // Lifted for this purpose: an older entry for all of them no longer covers it.
        Some(own) => newest(EVERY_PURPOSE).filter(|all| Some(all.created_at) > own.lifted_at).map(|all| all.reason),
        None => newest(EVERY_PURPOSE).map(|all| all.reason),
    }
}

impl ReadTx<'_> {
    /// Entries under any of these fingerprints, of any controllers.
    pub fn suppressions_under(&mut self, wanted: &[(ControllerId, Vec<u8>)]) -> Result<Vec<Suppression>, StoreError> {
        use suppressions::dsl as t;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = wanted.iter().map(|(controller, fingerprint)| (*controller, fingerprint.as_slice()));
        Ok(on!(self.conn, c => t::suppressions.filter(among(t::controller_id, t::fingerprint, wanted))
            .select(Suppression::as_select()).load(c))?)
    }

    /// Entries under any of these fingerprints.
    pub fn suppressions_among(
        &mut self,
        scope: ControllerScope,
        fingerprints: &[Vec<u8>],
    ) -> Result<Vec<Suppression>, StoreError> {
        // Named by controller and fingerprint together: with the controller apart, PostgreSQL may rather compare every
        // entry of the controller with each fingerprint.
        let wanted: Vec<(ControllerId, Vec<u8>)> =
            fingerprints.iter().map(|fingerprint| (scope.controller(), fingerprint.clone())).collect();
        self.suppressions_under(&wanted)
    }

    /// The list, in the order of its fingerprints, after `after`.
    pub fn suppressions_page(
        &mut self,
        scope: ControllerScope,
        after: Option<(Vec<u8>, PurposeId)>,
        limit: i64,
    ) -> Result<Vec<Suppression>, StoreError> {
        use suppressions::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::suppressions.filter(t::controller_id.eq(scope.controller())).select(Suppression::as_select())
                .order((t::fingerprint, t::purpose_id)).limit(limit).into_boxed();
            if let Some((fingerprint, purpose)) = after {
                query = query.filter(t::fingerprint.gt(fingerprint.clone()).or(t::fingerprint.eq(fingerprint).and(t::purpose_id.gt(purpose))));
            }
            query.load(c)
        })?)
    }
}

impl WriteTx<'_> {
    /// Puts addresses on the list; one that is lifted in the same moment leaves its mark. The newest reason holds, but one that a fresh opt-in cannot lift (SU-06) is never
    /// weakened to one that it can.
    pub fn suppress(&mut self, entries: &[Suppression]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => insert_values(c, entries, INSTEAD)?,
            Conn::Postgres(c) => drop(Bulk::default().insert(entries, INSTEAD).execute(c)?),
        }
        Ok(())
    }

    /// Takes one purpose off the list for an address, by a mark of its own that outranks an entry for all.
    pub fn lift_suppression(&mut self, mark: &Suppression) -> Result<(), StoreError> {
        use suppressions::dsl as t;
        on!(self.writing(), c => diesel::insert_into(t::suppressions).values(mark).on_conflict((t::controller_id, t::fingerprint, t::purpose_id))
            .do_update().set(t::lifted_at.eq(excluded(t::lifted_at))).execute(c))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(purpose: PurposeId, created: i64, lifted: Option<i64>) -> Suppression {
        Suppression {
            controller_id: ControllerId::from_uuid(uuid::Uuid::nil()),
            fingerprint: vec![1],
            purpose_id: purpose,
            key_version: 1,
            channel: Channel::Email,
            reason: SuppressionReason::Withdrawn,
            source: None,
            created_at: Timestamp::from_micros(created),
            lifted_at: lifted.map(Timestamp::from_micros),
        }
    }

    #[test]
    fn the_statement_names_the_reasons_that_no_fresh_opt_in_lifts() {
        let strong = SuppressionReason::ALL.iter().filter(|reason| !reason.lifted_by_fresh_opt_in());
        let codes: Vec<String> = strong.map(|reason| reason.code().to_string()).collect();
        assert!(INSTEAD.contains(&format!("IN ({})", codes.join(", "))), "{codes:?}");
    }

    #[test]
    fn a_lifted_purpose_is_free_until_the_person_stops_again() {
        let news = PurposeId::from_uuid(uuid::Uuid::from_u128(1));
        let offers = PurposeId::from_uuid(uuid::Uuid::from_u128(2));
        let all = entry(EVERY_PURPOSE, 10, None);
        assert!(reason_for(std::slice::from_ref(&all), news).is_some());
        let lifted = entry(news, 10, Some(20));
        assert!(reason_for(&[all.clone(), lifted.clone()], news).is_none());
        assert!(reason_for(&[all, lifted.clone()], offers).is_some(), "only the purpose signed up for is freed");
        assert!(
            reason_for(&[entry(EVERY_PURPOSE, 30, None), lifted], news).is_some(),
            "a later objection covers it again"
        );
    }
}
