//! The scene of a link: all that its page shows to everybody alike. Many links share one, and of its rows most never
//! change, so it is kept for a moment as forms are.

use std::sync::Arc;

use crate::domain::ids::{ControllerScope, FormId, NoticeId, PurposeId};
use crate::domain::link::LinkAction;
use crate::domain::purpose::Purpose;
use crate::store::ReadTx;
use crate::store::controllers::Controller;
use crate::store::links::Link;
use crate::store::policies::{Notice, PolicyVersion};

use super::kept::Kept;
use super::{Error, Services};

/// What a link's page shows, whoever opens it.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The controller.
    pub scope: ControllerScope,
    /// Who asks.
    pub controller: Controller,
    /// For what, in the order of the notice; all of the controller's for a preference link.
    pub purposes: Vec<Purpose>,
    /// With which words.
    pub notice: Option<Notice>,
    /// Under which policy.
    pub policy: Option<PolicyVersion>,
    /// Key of the form through which a person can sign up again.
    pub form_key: Option<String>,
}

/// Scenes as they were read a moment ago: what somebody changes about one shows within
/// [`Rules::form_refresh`](super::Rules::form_refresh).
pub type Scenes = Kept<Whence, Scene>;

/// What a link's scene follows from: whose it is, its purposes, its notice and its form.
type Whence = (ControllerScope, String, Option<NoticeId>, Option<FormId>);

/// The scene of a link.
pub(super) fn scene_of(
    services: &Services,
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    link: &Link,
) -> Result<Arc<Scene>, Error> {
    // A preference link names no purpose, and no other link does without.
    let whence: Whence = (scope, link.purposes.clone(), link.notice_id, link.form_id);
    if let Some(kept) = services.scenes.get(&whence, services.rules.form_refresh) {
        return Ok(kept);
    }
    let wanted = link.purposes()?;
    let purposes = match link.action {
        LinkAction::Manage => tx.purposes(scope)?,
        LinkAction::Confirm | LinkAction::Answer | LinkAction::Withdraw | LinkAction::NotMe | LinkAction::Move => {
            tx.purposes_in_order(scope, &wanted)?
        }
    };
    let notice = link.notice_id.map(|id| tx.notice(scope, id)).transpose()?;
    let scene = Arc::new(Scene {
        scope,
        controller: tx.controller(scope)?,
        purposes,
        policy: notice.as_ref().map(|notice| tx.policy_version(scope, notice.policy_version)).transpose()?,
        notice,
        form_key: form_for(tx, scope, link, &wanted)?,
    });
    services.scenes.keep(whence, &scene, services.rules.limits.forms_kept);
    Ok(scene)
}

/// The form that the link came through, or the first one that shows all of its purposes.
fn form_for(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    link: &Link,
    wanted: &[PurposeId],
) -> Result<Option<String>, Error> {
    if let Some(id) = link.form_id {
        let form = tx.form(scope, id)?;
        return Ok((!form.disabled).then_some(form.form_key));
    }
    for form in tx.forms(scope)?.into_iter().filter(|form| !form.disabled) {
        let shown = tx.notice(scope, form.notice)?.purposes;
        if wanted.iter().all(|purpose| shown.contains(purpose)) {
            return Ok(Some(form.form_key));
        }
    }
    Ok(None)
}
