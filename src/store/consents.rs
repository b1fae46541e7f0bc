//! Where each person stands towards each purpose.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt};

use crate::domain::basis::{Basis, BasisKind};
use crate::domain::consent::{ConsentState, Standing};
use crate::domain::ids::{ControllerId, ControllerScope, EventId, NoticeId, PolicyVersionId, PurposeId, SubjectId};
use crate::domain::purpose::Terms;
use crate::domain::time::Timestamp;

use super::among::{MOST_KEPT, among};
use super::bulk::{Bulk, bulk_row, insert_values};
use super::connection::{Conn, on};
use super::error::StoreError;
use super::prepared::update;
use super::schema::consents;
use super::types::Id;
use super::{ReadTx, WriteTx};

/// A consent as stored.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = consents, treat_none_as_default_value = false, treat_none_as_null = true)]
#[diesel(primary_key(controller_id, subject_id, purpose_id))]
#[allow(missing_docs, reason = "the columns of `Standing`, and what is named here")]
pub struct Consent {
    pub controller_id: ControllerId,
    pub subject_id: SubjectId,
    pub purpose_id: PurposeId,
    pub state: ConsentState,
    pub fallback: ConsentState,
    pub request_until: Option<Timestamp>,
    pub basis_kind: Option<BasisKind>,
    pub basis_evidenced: bool,
    pub basis_collected_at: Option<Timestamp>,
    pub basis_valid_until: Option<Timestamp>,
    pub valid_until: Option<Timestamp>,
    pub refresh_from: Option<Timestamp>,
    pub needs_refresh: bool,
    /// When last asked by re-permission mail.
    pub asked_at: Option<Timestamp>,
    /// The notice shown at the last act.
    pub notice_id: Option<NoticeId>,
    /// The policy version shown at the last act.
    pub policy_version_id: Option<PolicyVersionId>,
    /// The event that led here.
    pub event_id: EventId,
    /// When it changed.
    pub changed_at: Timestamp,
    /// Since when nothing but an unconfirmed request is known here; nothing once it was seen whether to forget the person.
    pub unconfirmed_since: Option<Timestamp>,
}

bulk_row!(Consent => "consents" {
    controller_id: Id,
    subject_id: Id,
    purpose_id: Id,
    state: SmallInt,
    fallback: SmallInt,
    request_until: Nullable<BigInt>,
    basis_kind: Nullable<SmallInt>,
    basis_evidenced: Bool,
    basis_collected_at: Nullable<BigInt>,
    basis_valid_until: Nullable<BigInt>,
    valid_until: Nullable<BigInt>,
    refresh_from: Nullable<BigInt>,
    needs_refresh: Bool,
    asked_at: Nullable<BigInt>,
    notice_id: Nullable<Id>,
    policy_version_id: Nullable<Id>,
    event_id: Id,
    changed_at: BigInt,
    unconfirmed_since: Nullable<BigInt>,
});

/// What a person's new standing replaces where one is on record: all but when they were last asked.
pub(super) const INSTEAD: &str = "ON CONFLICT (controller_id, subject_id, purpose_id) DO UPDATE SET state = excluded.state, \
     fallback = excluded.fallback, request_until = excluded.request_until, basis_kind = excluded.basis_kind, \
     basis_evidenced = excluded.basis_evidenced, basis_collected_at = excluded.basis_collected_at, \
     basis_valid_until = excluded.basis_valid_until, valid_until = excluded.valid_until, \
     refresh_from = excluded.refresh_from, needs_refresh = excluded.needs_refresh, notice_id = excluded.notice_id, \
     policy_version_id = excluded.policy_version_id, event_id = excluded.event_id, changed_at = excluded.changed_at, \
     unconfirmed_since = excluded.unconfirmed_since";

impl Consent {
    /// What the rules look at.
    pub fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            fallback: self.fallback,
            request_until: self.request_until,
            basis: self.basis_kind.map(|kind| Basis {
                kind,
                evidenced: self.basis_evidenced,
                collected_at: self.basis_collected_at,
                valid_until: self.basis_valid_until,
            }),
            terms: self
                .valid_until
                .zip(self.refresh_from)
                .map(|(valid_until, refresh_from)| Terms { valid_until, refresh_from }),
            needs_refresh: self.needs_refresh,
        }
    }

    /// Takes over what the rules decided at `now`.
    pub fn set_standing(&mut self, next: &Standing, now: Timestamp) {
        self.state = next.state;
        self.fallback = next.fallback;
        self.request_until = next.request_until;
        self.basis_kind = next.basis.map(|b| b.kind);
        self.basis_evidenced = next.basis.is_some_and(|b| b.evidenced);
        self.basis_collected_at = next.basis.and_then(|b| b.collected_at);
        self.basis_valid_until = next.basis.and_then(|b| b.valid_until);
        self.valid_until = next.terms.map(|t| t.valid_until);
        self.refresh_from = next.terms.map(|t| t.refresh_from);
        self.needs_refresh = next.needs_refresh;
        self.changed_at = now;
        self.unconfirmed_since = (next.state == ConsentState::Unknown && next.basis.is_none()).then_some(now);
    }
}

impl ReadTx<'_> {
    /// What is on record about these people, of any controllers.
    pub fn consents_of_all(&mut self, people: &[(ControllerId, SubjectId)]) -> Result<Vec<Consent>, StoreError> {
        use consents::dsl as t;
        if people.is_empty() {
            return Ok(Vec::new());
        }
        Ok(on!(self.conn, c => t::consents.filter(among(t::controller_id, t::subject_id, people.iter().copied()))
            .select(Consent::as_select()).load(c))?)
    }

    /// All that is on record about a person, by purpose.
    pub fn consents_of(&mut self, scope: ControllerScope, subject: SubjectId) -> Result<Vec<Consent>, StoreError> {
        use consents::dsl as t;
        Ok(
            on!(self.conn, c => t::consents.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))
            .select(Consent::as_select()).order(t::purpose_id).load(c))?,
        )
    }

    /// What is on record about these people, for some purposes.
    pub fn consents_among(
        &mut self,
        scope: ControllerScope,
        subjects: &[SubjectId],
        purposes: &[PurposeId],
    ) -> Result<Vec<Consent>, StoreError> {
        use consents::dsl as t;
        Ok(
            on!(self.conn, c => t::consents.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq_any(subjects))
            .filter(t::purpose_id.eq_any(purposes)).select(Consent::as_select()).order((t::subject_id, t::purpose_id)).load(c))?,
        )
    }

    /// Consents past their end, those longest past it first, up to `limit` (EX-03).
    pub fn ended_consents(
        &mut self,
        scope: ControllerScope,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<(SubjectId, PurposeId)>, StoreError> {
        use consents::dsl as t;
        let mut ended = Vec::new();
        // One state at a time, in the order of the index: for both at once SQLite may rather walk through all consents.
        for state in [ConsentState::Confirmed, ConsentState::Renewed] {
            let left = limit - i64::try_from(ended.len()).unwrap_or(limit);
            let found: Vec<(SubjectId, PurposeId)> = on!(&mut *self.conn, c => t::consents
                .filter(t::controller_id.eq(scope.controller())).filter(t::state.eq(state)).filter(t::valid_until.le(now))
                .select((t::subject_id, t::purpose_id)).order(t::valid_until).limit(left).load(c))?;
            ended.extend(found);
        }
        Ok(ended)
    }

    /// Requests that nobody confirmed in time, up to `limit` (DO-03).
    pub fn lapsed_requests(
        &mut self,
        scope: ControllerScope,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<(SubjectId, PurposeId)>, StoreError> {
        use consents::dsl as t;
        Ok(
            on!(self.conn, c => t::consents.filter(t::controller_id.eq(scope.controller())).filter(t::state.eq(ConsentState::Pending))
            .filter(t::request_until.le(now)).select((t::subject_id, t::purpose_id)).limit(limit).load(c))?,
        )
    }

    /// People with a request that lapsed before `before` and was never confirmed, up to `limit`, a person perhaps more
    /// than once; whether anything else is on record about them is for the caller to see, and then to
    /// [note](WriteTx::seen_unconfirmed).
    pub fn never_confirmed(
        &mut self,
        scope: ControllerScope,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<SubjectId>, StoreError> {
        use consents::dsl as t;
        Ok(
            on!(self.conn, c => t::consents.filter(t::controller_id.eq(scope.controller())).filter(t::unconfirmed_since.le(before))
            .select(t::subject_id).order(t::unconfirmed_since).limit(limit).load(c))?,
        )
    }

    /// Valid consents given under one of these notices, or under another version of this policy, that do not yet need
    /// a refresh, up to `limit` (EX-04).
    pub fn consents_to_refresh(
        &mut self,
        scope: ControllerScope,
        notices: &[NoticeId],
        policy_versions: &[PolicyVersionId],
        limit: i64,
    ) -> Result<Vec<(SubjectId, PurposeId)>, StoreError> {
        use consents::dsl as t;
        Ok(on!(self.conn, c => t::consents.filter(t::controller_id.eq(scope.controller()))
            .filter(t::state.eq_any([ConsentState::Confirmed, ConsentState::Renewed])).filter(t::needs_refresh.eq(false))
            .filter(t::notice_id.eq_any(notices).or(t::policy_version_id.eq_any(policy_versions)))
            .select((t::subject_id, t::purpose_id)).limit(limit).load(c))?)
    }

    /// Confirmed people for a purpose, in the order of their ids, after `after`.
    pub fn confirmed_page(
        &mut self,
        scope: ControllerScope,
        purpose: PurposeId,
        now: Timestamp,
        after: Option<SubjectId>,
        limit: i64,
    ) -> Result<Vec<Consent>, StoreError> {
        use consents::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::consents.filter(t::controller_id.eq(scope.controller())).filter(t::purpose_id.eq(purpose))
                .filter(t::state.eq_any([ConsentState::Confirmed, ConsentState::Renewed])).filter(t::valid_until.gt(now))
                .select(Consent::as_select()).order(t::subject_id).limit(limit).into_boxed();
            if let Some(after) = after {
                query = query.filter(t::subject_id.gt(after));
            }
            query.load(c)
        })?)
    }
}

impl WriteTx<'_> {
    /// Writes where many people now stand, one row each.
    pub fn save_consents(&mut self, rows: &[Consent]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => insert_values(c, rows, INSTEAD)?,
            Conn::Postgres(c) => drop(Bulk::default().insert(rows, INSTEAD).execute(c)?),
        }
        Ok(())
    }

    /// Notes that it was seen whether to forget a person whose requests lapsed before `before`.
    pub fn seen_unconfirmed(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        use consents::dsl as t;
        let nothing: Option<Timestamp> = None;
        on!(self.writing(), c => diesel::update(t::consents.filter(t::controller_id.eq(scope.controller()))
            .filter(t::subject_id.eq(subject)).filter(t::unconfirmed_since.le(before)))
            .set(t::unconfirmed_since.eq(nothing)).execute(c))?;
        Ok(())
    }

    /// Notes that these people were asked just now (RP-07).
    pub fn note_asked_all(
        &mut self,
        people: &[(ControllerId, SubjectId)],
        purposes: &[PurposeId],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use consents::dsl as t;
        for (piece, purpose) in
            people.chunks(MOST_KEPT).flat_map(|piece| purposes.iter().map(move |purpose| (piece, purpose)))
        {
            let whose = among(t::controller_id, t::subject_id, piece.iter().copied());
            on!(self.writing(), c => update(t::consents.filter(whose).filter(t::purpose_id.eq(purpose)))
                .set(t::asked_at.eq(now)).execute(c))?;
        }
        Ok(())
    }

    /// Notes that a person was asked just now (RP-07).
    pub fn note_asked(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        purposes: &[PurposeId],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use consents::dsl as t;
        on!(self.writing(), c => diesel::update(t::consents.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))
            .filter(t::purpose_id.eq_any(purposes))).set(t::asked_at.eq(now)).execute(c))?;
        Ok(())
    }
}
