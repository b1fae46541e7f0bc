//! Policies with their versions, and notices. Versions and notices are inserted and never updated (PF-03).

use diesel::prelude::*;

use crate::domain::ids::{ControllerId, ControllerScope, NoticeId, PolicyId, PolicyVersionId, PurposeId};
use crate::domain::notice::NoticeWording;
use crate::domain::policy::PolicyFormat;
use crate::domain::time::Timestamp;

use super::connection::on;
use super::error::StoreError;
use super::schema::{notices, policies, policy_versions};
use super::{ReadTx, WriteTx};

/// A family of policy versions.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = policies, treat_none_as_default_value = false)]
pub struct Policy {
    /// Whose.
    pub controller_id: ControllerId,
    /// Its id.
    pub id: PolicyId,
    /// Its short name.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// A policy version without its bytes.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = policy_versions)]
pub struct PolicyVersion {
    /// Its id.
    pub id: PolicyVersionId,
    /// Of which policy.
    pub policy_id: PolicyId,
    /// What people call it, such as `2026-09-01`.
    pub label: String,
    /// BCP 47.
    pub language: String,
    /// What kind of document.
    pub format: PolicyFormat,
    /// SHA-256 of the bytes.
    pub sha256: Vec<u8>,
    /// Where the controller itself shows it.
    pub public_url: Option<String>,
    /// From when it is in force.
    pub in_force_from: Timestamp,
    /// Earlier consents need a refresh.
    pub material: bool,
    /// Since when it is here.
    pub created_at: Timestamp,
}

/// A policy version to keep, with its bytes.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = policy_versions, treat_none_as_default_value = false)]
#[allow(missing_docs, reason = "as PolicyVersion, with the bytes")]
pub struct NewPolicyVersion {
    pub controller_id: ControllerId,
    pub id: PolicyVersionId,
    pub policy_id: PolicyId,
    pub label: String,
    pub language: String,
    pub format: PolicyFormat,
    pub body: Vec<u8>,
    pub sha256: Vec<u8>,
    pub public_url: Option<String>,
    pub in_force_from: Timestamp,
    pub material: bool,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = notices, treat_none_as_default_value = false)]
struct NoticeRow {
    controller_id: ControllerId,
    id: NoticeId,
    slug: String,
    version: i32,
    language: String,
    wording: Vec<u8>,
    sha256: Vec<u8>,
    purposes: String,
    policy_version_id: PolicyVersionId,
    material: bool,
    published_at: Timestamp,
}

/// A published notice.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Its id.
    pub id: NoticeId,
    /// Its short name, shared by its versions and translations.
    pub slug: String,
    /// Its version, from 1.
    pub version: i32,
    /// The exact wording.
    pub wording: NoticeWording,
    /// SHA-256 of the stored bytes.
    pub sha256: Vec<u8>,
    /// The purposes, in the order shown.
    pub purposes: Vec<PurposeId>,
    /// The policy version it points at.
    pub policy_version: PolicyVersionId,
    /// Earlier consents under this short name need a refresh.
    pub material: bool,
    /// Since when.
    pub published_at: Timestamp,
}

impl NoticeRow {
    fn read(self) -> Result<Notice, StoreError> {
        Ok(Notice {
            id: self.id,
            slug: self.slug,
            version: self.version,
            wording: serde_json::from_slice(&self.wording)?,
            sha256: self.sha256,
            purposes: serde_json::from_str(&self.purposes)?,
            policy_version: self.policy_version_id,
            material: self.material,
            published_at: self.published_at,
        })
    }
}

impl ReadTx<'_> {
    /// A controller's policies; at most 1,000.
    pub fn policies(&mut self, scope: ControllerScope) -> Result<Vec<Policy>, StoreError> {
        use policies::dsl as t;
        Ok(
            on!(self.conn, c => t::policies.filter(t::controller_id.eq(scope.controller())).select(Policy::as_select()).order(t::id).limit(1000).load(c))?,
        )
    }

    /// One policy.
    pub fn policy(&mut self, scope: ControllerScope, id: PolicyId) -> Result<Policy, StoreError> {
        use policies::dsl as t;
        Ok(on!(self.conn, c => t::policies.find((scope.controller(), id)).select(Policy::as_select()).first(c))?)
    }

    /// A policy's versions, newest first; at most 1,000.
    pub fn policy_versions(
        &mut self,
        scope: ControllerScope,
        policy: PolicyId,
    ) -> Result<Vec<PolicyVersion>, StoreError> {
        use policy_versions::dsl as t;
        Ok(
            on!(self.conn, c => t::policy_versions.filter(t::controller_id.eq(scope.controller())).filter(t::policy_id.eq(policy))
            .select(PolicyVersion::as_select()).order(t::id.desc()).limit(1000).load(c))?,
        )
    }

    /// One version.
    pub fn policy_version(&mut self, scope: ControllerScope, id: PolicyVersionId) -> Result<PolicyVersion, StoreError> {
        use policy_versions::dsl as t;
        Ok(
            on!(self.conn, c => t::policy_versions.find((scope.controller(), id)).select(PolicyVersion::as_select()).first(c))?,
        )
    }

    /// These versions, whichever of them are the controller's.
    pub fn policy_versions_among(
        &mut self,
        scope: ControllerScope,
        ids: &[PolicyVersionId],
    ) -> Result<Vec<PolicyVersion>, StoreError> {
        use policy_versions::dsl as t;
        Ok(
            on!(self.conn, c => t::policy_versions.filter(t::controller_id.eq(scope.controller())).filter(t::id.eq_any(ids))
            .select(PolicyVersion::as_select()).load(c))?,
        )
    }

    /// The hashes of these notices.
    pub fn notice_hashes(
        &mut self,
        scope: ControllerScope,
        ids: &[NoticeId],
    ) -> Result<Vec<(NoticeId, Vec<u8>)>, StoreError> {
        use notices::dsl as t;
        Ok(
            on!(self.conn, c => t::notices.filter(t::controller_id.eq(scope.controller())).filter(t::id.eq_any(ids)).select((t::id, t::sha256)).load(c))?,
        )
    }

    /// Whose version this is, its record and its bytes, for everybody: a policy is public, and its id is its address
    /// (`/policies/{id}`).
    pub fn public_policy(&mut self, id: PolicyVersionId) -> Result<(ControllerId, PolicyVersion, Vec<u8>), StoreError> {
        use policy_versions::dsl as t;
        Ok(on!(self.conn, c => t::policy_versions.filter(t::id.eq(id))
            .select((t::controller_id, PolicyVersion::as_select(), t::body)).first(c))?)
    }

    /// A notice.
    pub fn notice(&mut self, scope: ControllerScope, id: NoticeId) -> Result<Notice, StoreError> {
        use notices::dsl as t;
        let row: NoticeRow =
            on!(self.conn, c => t::notices.find((scope.controller(), id)).select(NoticeRow::as_select()).first(c))?;
        row.read()
    }

    /// A controller's notices, newest first, before `before`.
    pub fn notices(
        &mut self,
        scope: ControllerScope,
        before: Option<NoticeId>,
        limit: i64,
    ) -> Result<Vec<Notice>, StoreError> {
        use notices::dsl as t;
        let rows: Vec<NoticeRow> = on!(self.conn, c => {
            let mut query = t::notices.filter(t::controller_id.eq(scope.controller())).select(NoticeRow::as_select()).order(t::id.desc()).limit(limit).into_boxed();
            if let Some(before) = before {
                query = query.filter(t::id.lt(before));
            }
            query.load(c)
        })?;
        rows.into_iter().map(NoticeRow::read).collect()
    }

    /// The latest version number under a short name and language; 0 when there is none.
    pub fn latest_notice_version(
        &mut self,
        scope: ControllerScope,
        slug: &str,
        language: &str,
    ) -> Result<i32, StoreError> {
        use notices::dsl as t;
        let latest: Option<i32> = on!(self.conn, c => t::notices.filter(t::controller_id.eq(scope.controller())).filter(t::slug.eq(slug))
            .filter(t::language.eq(language)).select(diesel::dsl::max(t::version)).first(c))?;
        Ok(latest.unwrap_or(0))
    }

    /// The ids of the notices under a short name that have a lower number, in whatever language (EX-04).
    pub fn earlier_notices(
        &mut self,
        scope: ControllerScope,
        slug: &str,
        version: i32,
    ) -> Result<Vec<NoticeId>, StoreError> {
        use notices::dsl as t;
        Ok(on!(self.conn, c => t::notices.filter(t::controller_id.eq(scope.controller())).filter(t::slug.eq(slug))
            .filter(t::version.lt(version)).select(t::id).load(c))?)
    }
}

impl WriteTx<'_> {
    /// A new policy; `Conflict` when its short name is taken.
    pub fn insert_policy(&mut self, policy: &Policy) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(policies::table).values(policy).execute(c))?;
        Ok(())
    }

    /// A new version; `Conflict` when label and language are taken.
    pub fn insert_policy_version(&mut self, version: &NewPolicyVersion) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(policy_versions::table).values(version).execute(c))?;
        Ok(())
    }

    /// A new notice; `bytes` are what was hashed.
    pub fn insert_notice(&mut self, scope: ControllerScope, notice: &Notice, bytes: &[u8]) -> Result<(), StoreError> {
        let row = NoticeRow {
            controller_id: scope.controller(),
            id: notice.id,
            slug: notice.slug.clone(),
            version: notice.version,
            language: notice.wording.language.clone(),
            wording: bytes.to_vec(),
            sha256: notice.sha256.clone(),
            purposes: serde_json::to_string(&notice.purposes)?,
            policy_version_id: notice.policy_version,
            material: notice.material,
            published_at: notice.published_at,
        };
        on!(self.writing(), c => diesel::insert_into(notices::table).values(&row).execute(c))?;
        Ok(())
    }
}
