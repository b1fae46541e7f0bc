//! A site's own server hands in choices that a person made there, with what it holds as proof. A token speaks for the
//! site, never for a mailbox: where a purpose has double opt-in, the person confirms by mail all the same (DO-01).

use std::sync::Arc;

use crate::domain::event::Method;
use crate::domain::ids::{ControllerScope, FormId, NoticeId, SenderId, SubjectId};
use crate::store::ReadTx;

use super::once::{Asker, OnceKey};
use super::sign_up::{Entry, Submission, form_entry, sign_up_once};
use super::{Error, Services};

/// What was shown to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// One of our forms.
    Form(FormId),
    /// A notice on a page of the site's own, and who sends the confirmation mail.
    Notice(NoticeId, SenderId),
}

/// Takes the choices in, once per idempotency key.
pub async fn record_site_consent(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    shown: Shown,
    submission: Submission,
) -> Result<SubjectId, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let source = format!("token:{}", asker.token);
    let entry =
        services.store.read(move |tx: &mut ReadTx<'_>| Ok::<_, Error>(Entry { source, ..entry(tx, scope, shown)? }));
    let entry = entry.await?;
    sign_up_once(services, scope, asker, key, Arc::new(entry), submission).await
}

fn entry(tx: &mut ReadTx<'_>, scope: ControllerScope, shown: Shown) -> Result<Entry, Error> {
    match shown {
        Shown::Form(id) => {
            let form = tx.form(scope, id).map_err(Error::missing_reference("form_id"))?;
            if form.disabled {
                return Err(Error::field("form_id", "this form takes no more sign-ups"));
            }
            Ok(Entry { method: Method::SiteServer, ..form_entry(tx, scope, &form)? })
        }
        Shown::Notice(notice, sender) => {
            let notice = tx.notice(scope, notice).map_err(Error::missing_reference("notice_id"))?;
            let sender = tx.sender(scope, sender).map_err(Error::missing_reference("sender_id"))?;
            Ok(Entry {
                purposes: tx.purposes_in_order(scope, &notice.purposes)?,
                notice: notice.id,
                policy_version: notice.policy_version,
                sender: sender.id,
                form: None,
                method: Method::SiteServer,
                source: String::new(),
            })
        }
    }
}
