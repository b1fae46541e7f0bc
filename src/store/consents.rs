//! Where each person stands towards each purpose, and the append-only events that led there.

use diesel::prelude::*;
use diesel::upsert::excluded;

use crate::domain::basis::{Basis, BasisKind};
use crate::domain::consent::{ConsentState, Standing};
use crate::domain::event::{EventKind, Method};
use crate::domain::ids::{ControllerId, ControllerScope, EventId, NoticeId, PolicyVersionId, PurposeId, SubjectId};
use crate::domain::purpose::Terms;
use crate::domain::time::Timestamp;

use super::connection::on;
use super::dialect::first_locked;
use super::error::StoreError;
use super::schema::{consent_events, consents};
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
}

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

    /// Takes over what the rules decided.
    pub fn set_standing(&mut self, next: &Standing) {
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
    }
}

/// An event as stored.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = consent_events, treat_none_as_default_value = false)]
#[allow(missing_docs, reason = "the parts of `domain::event::ConsentEvent`, and what is named here")]
pub struct StoredEvent {
    pub controller_id: ControllerId,
    pub id: EventId,
    pub subject_id: SubjectId,
    pub purpose_id: PurposeId,
    pub kind: EventKind,
    pub at: Timestamp,
    pub method: Method,
    pub source: Option<String>,
    pub notice_id: Option<NoticeId>,
    pub policy_version_id: Option<PolicyVersionId>,
    pub basis: Option<BasisKind>,
    pub valid_until: Option<Timestamp>,
    pub evidence_sha256: Option<Vec<u8>>,
    /// Sealed JSON.
    pub evidence: Option<Vec<u8>>,
    /// Version of the canonical record.
    pub record_version: i16,
    /// Sealed.
    pub salt: Vec<u8>,
    /// TE-05.
    pub commitment: Vec<u8>,
}

impl ReadTx<'_> {
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

    /// A person's events in order, after `after`.
    pub fn events_of(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        after: Option<EventId>,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        use consent_events::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::consent_events.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))
                .select(StoredEvent::as_select()).order(t::id).limit(limit).into_boxed();
            if let Some(after) = after {
                query = query.filter(t::id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// The newest event of a kind about a person and purpose.
    pub fn latest_event(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        purpose: PurposeId,
        kind: EventKind,
    ) -> Result<Option<StoredEvent>, StoreError> {
        use consent_events::dsl as t;
        Ok(
            on!(self.conn, c => t::consent_events.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))
            .filter(t::purpose_id.eq(purpose)).filter(t::kind.eq(kind)).select(StoredEvent::as_select()).order(t::id.desc()).first(c).optional())?,
        )
    }

    /// When each of these people last said yes to a purpose.
    pub fn given_at(
        &mut self,
        scope: ControllerScope,
        subjects: &[SubjectId],
        purpose: PurposeId,
    ) -> Result<Vec<(SubjectId, Timestamp)>, StoreError> {
        use consent_events::dsl as t;
        let found: Vec<(SubjectId, Option<i64>)> = on!(self.conn, c => t::consent_events.filter(t::controller_id.eq(scope.controller()))
            .filter(t::subject_id.eq_any(subjects)).filter(t::purpose_id.eq(purpose))
            .filter(t::kind.eq_any([EventKind::Given, EventKind::Renewed]))
            .group_by(t::subject_id).select((t::subject_id, diesel::dsl::max(t::at))).load(c))?;
        Ok(found.into_iter().filter_map(|(id, at)| Some((id, Timestamp::from_micros(at?)))).collect())
    }

    /// Consents past their end, up to `limit` (EX-03).
    pub fn ended_consents(
        &mut self,
        scope: ControllerScope,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<(SubjectId, PurposeId)>, StoreError> {
        use consents::dsl as t;
        Ok(on!(self.conn, c => t::consents.filter(t::controller_id.eq(scope.controller()))
            .filter(t::state.eq_any([ConsentState::Confirmed, ConsentState::Renewed])).filter(t::valid_until.le(now))
            .select((t::subject_id, t::purpose_id)).limit(limit).load(c))?)
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

    /// People with a request that lapsed before `before` and was never confirmed, up to `limit`; whether anything else
    /// is on record about them is for the caller to see.
    pub fn never_confirmed(
        &mut self,
        scope: ControllerScope,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<SubjectId>, StoreError> {
        use super::schema::subjects;
        use consents::dsl as t;
        Ok(on!(self.conn, c => t::consents
            .inner_join(subjects::table.on(subjects::controller_id.eq(t::controller_id).and(subjects::id.eq(t::subject_id))))
            .filter(t::controller_id.eq(scope.controller()))
            .filter(t::state.eq(ConsentState::Unknown))
            .filter(t::basis_kind.is_null())
            .filter(t::changed_at.le(before))
            .filter(subjects::erased_at.is_null())
            .select(t::subject_id).distinct().limit(limit).load(c))?)
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
    /// What is on record about a person and a purpose, locked until the commit.
    pub fn lock_consent(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        purpose: PurposeId,
    ) -> Result<Option<Consent>, StoreError> {
        use consents::dsl as t;
        let found = first_locked!(
            &mut *self.conn,
            t::consents.find((scope.controller(), subject, purpose)).select(Consent::as_select())
        );
        Ok(found.optional()?)
    }

    /// Writes where a person now stands.
    pub fn save_consent(&mut self, consent: &Consent) -> Result<(), StoreError> {
        use consents::dsl as t;
        on!(self.writing(), c => diesel::insert_into(t::consents).values(consent)
            .on_conflict((t::controller_id, t::subject_id, t::purpose_id)).do_update().set(consent).execute(c))?;
        Ok(())
    }

    /// Writes where many people now stand, one row each.
    pub fn save_consents(&mut self, rows: &[Consent]) -> Result<(), StoreError> {
        use consents::dsl as t;
        if rows.is_empty() {
            return Ok(());
        }
        on!(self.writing(), c => diesel::insert_into(t::consents).values(rows)
            .on_conflict((t::controller_id, t::subject_id, t::purpose_id)).do_update().set((
                t::basis_kind.eq(excluded(t::basis_kind)),
                t::basis_evidenced.eq(excluded(t::basis_evidenced)),
                t::basis_collected_at.eq(excluded(t::basis_collected_at)),
                t::basis_valid_until.eq(excluded(t::basis_valid_until)),
                t::state.eq(excluded(t::state)),
                t::fallback.eq(excluded(t::fallback)),
                t::request_until.eq(excluded(t::request_until)),
                t::valid_until.eq(excluded(t::valid_until)),
                t::refresh_from.eq(excluded(t::refresh_from)),
                t::needs_refresh.eq(excluded(t::needs_refresh)),
                t::notice_id.eq(excluded(t::notice_id)),
                t::policy_version_id.eq(excluded(t::policy_version_id)),
                t::event_id.eq(excluded(t::event_id)),
                t::changed_at.eq(excluded(t::changed_at)),
            )).execute(c))?;
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

    /// Appends events.
    pub fn append_events(&mut self, events: &[StoredEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        on!(self.writing(), c => diesel::insert_into(consent_events::table).values(events).execute(c))?;
        Ok(())
    }

    /// Forgets what an erased person's events held; the commitments stay (TE-06).
    pub fn shred_events(&mut self, scope: ControllerScope, subject: SubjectId) -> Result<(), StoreError> {
        use consent_events::dsl as t;
        let nothing: Option<Vec<u8>> = None;
        on!(self.writing(), c => diesel::update(t::consent_events.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject)))
            .set((t::evidence.eq(&nothing), t::salt.eq(Vec::<u8>::new()))).execute(c))?;
        Ok(())
    }
}
