//! Purposes: create, list, find.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{ControllerScope, PurposeId};
use crate::domain::purpose::{Channel, Purpose, PurposeKind};
use crate::domain::slug::Slug;
use crate::domain::time::Period;
use crate::store::{ReadTx, WriteTx};

use super::once::{Asker, OnceKey, write_once};
use super::{Error, Services};

/// A purpose to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewPurpose {
    /// Short name.
    pub slug: String,
    /// Name as people read it.
    pub label: String,
    /// What will be done.
    pub description: String,
    /// Marketing or tracking.
    pub kind: PurposeKind,
    /// How long a consent lasts.
    pub validity: Period,
    /// How long before its end it may be renewed.
    pub refresh_window: Period,
    /// Whether a yes is confirmed by a mailed link.
    pub double_opt_in: bool,
    /// Whether corporate subscribers may be mailed.
    pub mail_corporate: bool,
}

/// Creates a purpose; its short name must be free.
pub async fn create_purpose(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    new: NewPurpose,
) -> Result<Purpose, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let slug = Slug::parse(&new.slug).map_err(|error| Error::field("slug", error))?;
    let (id, now) = (PurposeId::from_uuid(services.ids.row()), services.clock.now());
    let purpose = Purpose {
        id,
        slug,
        label: new.label.trim().to_owned(),
        description: new.description.trim().to_owned(),
        channel: Channel::Email,
        kind: new.kind,
        validity: new.validity,
        refresh_window: new.refresh_window,
        double_opt_in: new.double_opt_in,
        mail_corporate: new.mail_corporate,
    };
    let most = services.rules.limits.purposes;
    let made = write_once(services, asker, key, scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
        if tx.purposes(scope)?.len() >= most {
            return Err(Error::field("slug", format!("a controller has at most {most} purposes")));
        }
        tx.insert_purpose(scope, &purpose, now).map_err(Error::taken("the short name"))?;
        Ok(purpose.id)
    })
    .await?;
    find_purpose(services, scope, made).await
}

/// All purposes of a controller.
pub async fn list_purposes(services: &Services, scope: ControllerScope) -> Result<Vec<Purpose>, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.purposes(scope)).await?)
}

/// One purpose.
pub async fn find_purpose(services: &Services, scope: ControllerScope, id: PurposeId) -> Result<Purpose, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.purpose(scope, id)).await?)
}
