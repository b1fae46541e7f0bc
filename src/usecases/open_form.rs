//! A site's form, as a visitor meets it.

use crate::domain::ids::ControllerScope;
use crate::store::policies::{Notice, PolicyVersion};
use crate::store::sites::Form;
use crate::store::{ReadTx, StoreError};

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
    pub entry: Entry,
}

/// Finds a form by the key in its address; one that is switched off is not found.
pub async fn open_form(services: &Services, key: &str) -> Result<OpenForm, Error> {
    let key = key.to_owned();
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let (scope, form) = tx.form_by_key(&key)?;
            if form.disabled {
                return Err(Error::Store(StoreError::NotFound));
            }
            let notice = tx.notice(scope, form.notice)?;
            let policy = tx.policy_version(scope, notice.policy_version)?;
            let entry = form_entry(tx, scope, &form)?;
            Ok(OpenForm { scope, form, notice, policy, entry })
        })
        .await
}
