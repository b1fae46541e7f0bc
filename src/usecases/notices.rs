//! Notices: checked as the tribunals would check them, published at once, and from then on never changed (PF-03).

use crate::crypto::secret::sha256;
use crate::domain::ids::{ControllerScope, NoticeId, PolicyVersionId};
use crate::domain::notice::{NoticeFault, NoticeWording};
use crate::domain::slug::Slug;
use crate::store::policies::Notice;
use crate::store::{ReadTx, WriteTx};

use super::error::FieldFault;
use super::once::{Asker, OnceKey, write_once};
use super::{Error, Services, refresh, shape};

/// A notice to be.
#[derive(Debug, Clone)]
pub struct NewNotice {
    /// Short name, shared by versions and translations.
    pub slug: String,
    /// The wording.
    pub wording: NoticeWording,
    /// The purposes in the order shown, by id or short name.
    pub purposes: Vec<String>,
    /// The policy version it points at.
    pub policy_version: PolicyVersionId,
    /// Earlier consents need a refresh.
    pub material: bool,
}

/// Publishes a notice as the next version of its short name in its language.
pub async fn publish_notice(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    new: NewNotice,
) -> Result<Notice, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let slug = Slug::parse(&new.slug).map_err(|error| Error::field("slug", error))?;
    shape::language("wording.language", &new.wording.language)?;
    let (id, now) = (NoticeId::from_uuid(services.ids.row()), services.clock.now());
    let id = write_once(services, asker, key, scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
        let purposes = shape::purposes_named(tx, scope, "purposes", &new.purposes)?;
        let faults = new.wording.faults(&purposes);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults.into_iter().map(|fault| placed(fault, &new.wording)).collect()));
        }
        tx.policy_version(scope, new.policy_version).map_err(Error::missing_reference("policy_version_id"))?;
        let bytes = new.wording.bytes();
        let notice = Notice {
            id,
            slug: slug.to_string(),
            version: tx.latest_notice_version(scope, slug.as_str(), &new.wording.language)? + 1,
            wording: new.wording.clone(),
            sha256: sha256(&bytes).to_vec(),
            purposes: purposes.iter().map(|purpose| purpose.id).collect(),
            policy_version: new.policy_version,
            material: new.material,
            published_at: now,
        };
        tx.insert_notice(scope, &notice, &bytes).map_err(Error::taken("this version of the notice"))?;
        if notice.material {
            refresh::ask_for(tx, scope, id.uuid(), now, now)?;
        }
        Ok(id)
    })
    .await?;
    find_notice(services, scope, id).await
}

/// A fault at the field that has it.
fn placed(fault: NoticeFault, wording: &NoticeWording) -> FieldFault {
    let field = match &fault {
        NoticeFault::Empty(part) | NoticeFault::TooLong(part, _) => format!("wording.{part}"),
        NoticeFault::ControllerNotNamed(_) | NoticeFault::ChannelNotNamed | NoticeFault::PurposeNotNamed(_) => {
            "wording.introduction".to_owned()
        }
        NoticeFault::Labels(_) => "wording.labels".to_owned(),
        NoticeFault::Category(_) => "wording.third_parties".to_owned(),
        NoticeFault::SameCaptions => "wording.no".to_owned(),
        NoticeFault::Pressing(caption) if *caption == wording.yes => "wording.yes".to_owned(),
        NoticeFault::Pressing(_) => "wording.no".to_owned(),
        NoticeFault::TooManyPurposes => "purposes".to_owned(),
    };
    FieldFault::new(field, fault)
}

/// A page of a controller's notices, newest first.
pub async fn list_notices(
    services: &Services,
    scope: ControllerScope,
    before: Option<NoticeId>,
    limit: i64,
) -> Result<Vec<Notice>, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.notices(scope, before, limit)).await?)
}

/// One notice.
pub async fn find_notice(services: &Services, scope: ControllerScope, id: NoticeId) -> Result<Notice, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.notice(scope, id)).await?)
}
