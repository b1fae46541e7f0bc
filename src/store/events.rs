//! The append-only events that led to where people stand (PF-06).

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, SmallInt, Text};

use crate::domain::basis::BasisKind;
use crate::domain::event::{EventKind, Method};
use crate::domain::ids::{ControllerId, ControllerScope, EventId, NoticeId, PolicyVersionId, PurposeId, SubjectId};
use crate::domain::time::Timestamp;

use super::bulk::{Bulk, bulk_row, insert_values};
use super::connection::{Conn, on};
use super::error::StoreError;
use super::schema::consent_events;
use super::types::Id;
use super::{ReadTx, WriteTx};

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

bulk_row!(StoredEvent => "consent_events" {
    controller_id: Id,
    id: Id,
    subject_id: Id,
    purpose_id: Id,
    kind: SmallInt,
    at: BigInt,
    method: SmallInt,
    source: Nullable<Text>,
    notice_id: Nullable<Id>,
    policy_version_id: Nullable<Id>,
    basis: Nullable<SmallInt>,
    valid_until: Nullable<BigInt>,
    evidence_sha256: Nullable<Binary>,
    evidence: Nullable<Binary>,
    record_version: SmallInt,
    salt: Binary,
    commitment: Binary,
});

/// A yes, in so far as many are looked at together.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct YesEvent {
    /// Whose.
    pub subject_id: SubjectId,
    /// When.
    pub at: Timestamp,
    /// By which way.
    pub method: Method,
    /// Through what, as kind and id.
    pub source: Option<String>,
}

impl ReadTx<'_> {
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

    /// Every yes of these people to a purpose.
    pub fn yeses(
        &mut self,
        scope: ControllerScope,
        subjects: &[SubjectId],
        purpose: PurposeId,
    ) -> Result<Vec<YesEvent>, StoreError> {
        use consent_events::dsl as t;
        Ok(on!(self.conn, c => t::consent_events.filter(t::controller_id.eq(scope.controller()))
            .filter(t::subject_id.eq_any(subjects)).filter(t::purpose_id.eq(purpose))
            .filter(t::kind.eq_any([EventKind::Given, EventKind::Renewed]))
            .select((t::subject_id, t::at, t::method, t::source)).load(c))?)
    }

    /// An event of a person, if it is there.
    pub fn event(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        id: EventId,
    ) -> Result<Option<StoredEvent>, StoreError> {
        use consent_events::dsl as t;
        Ok(on!(self.conn, c => t::consent_events.find((scope.controller(), id)).filter(t::subject_id.eq(subject))
            .select(StoredEvent::as_select()).first(c).optional())?)
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
}

impl WriteTx<'_> {
    /// Appends events.
    pub fn append_events(&mut self, events: &[StoredEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => insert_values(c, events, "")?,
            Conn::Postgres(c) => drop(Bulk::default().insert(events, "").execute(c)?),
        }
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
