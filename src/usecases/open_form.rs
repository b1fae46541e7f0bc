//! A site's form, as a visitor meets it.

use std::sync::Arc;

use crate::domain::ids::ControllerScope;
use crate::store::policies::{Notice, PolicyVersion};
use crate::store::sites::Form;
use crate::store::{ReadTx, StoreError};

use super::kept::Kept;
use super::sign_up::{Entry, form_entry};
use super::{Error, Services};

/// A form with everything that its page shows.
#[derive(Debug, Clone)]
pub struct OpenForm {
    /// The controller.
    pub scope: ControllerScope,
    /// The form.
    pub form: Form,
    /// Its wording.
    pub notice: Notice,
    /// The policy version that it points at.
    pub policy: PolicyVersion,
    /// What a post through it is recorded as.
    pub entry: Arc<Entry>,
}

/// Forms as they were read a moment ago. A visitor's post then costs no reading, and what somebody changes about a form
/// shows within [`Rules::form_refresh`](super::Rules::form_refresh).
pub type FormCache = Kept<String, OpenForm>;

/// Finds a form by the key in its address; one that is switched off is not found.
pub async fn open_form(services: &Services, key: &str) -> Result<Arc<OpenForm>, Error> {
    if let Some(kept) = services.forms.get(key, services.rules.form_refresh) {
        return Ok(kept);
    }
    let wanted = key.to_owned();
    let read = services.store.read(move |tx: &mut ReadTx<'_>| {
        let (scope, form) = tx.form_by_key(&wanted)?;
        if form.disabled {
            return Err(Error::Store(StoreError::NotFound));
        }
        let notice = tx.notice(scope, form.notice)?;
        let policy = tx.policy_version(scope, notice.policy_version)?;
        let entry = Arc::new(form_entry(tx, scope, &form)?);
        Ok(OpenForm { scope, form, notice, policy, entry })
    });
    let form = Arc::new(read.await?);
    services.forms.keep(key.to_owned(), &form, services.rules.limits.forms_kept);
    Ok(form)
}
