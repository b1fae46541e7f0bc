//! Site forms: which wording a form shows, who sends its confirmations, which sites may post it, and where it may
//! lead back to.

use crate::domain::ids::{ControllerScope, FormId, NoticeId, SenderId};
use crate::store::sites::Form;
use crate::store::{ReadTx, WriteTx};

use super::once::{Asker, OnceKey, write_once};
use super::{Error, Services, shape};

/// A form to be.
#[derive(Debug, Clone)]
pub struct NewForm {
    /// What people call it.
    pub name: String,
    /// The wording it shows.
    pub notice: NoticeId,
    /// Who sends its confirmation mails.
    pub sender: SenderId,
    /// Exact origins that may post it from a script.
    pub origins: Vec<String>,
    /// Exact addresses it may lead back to.
    pub return_urls: Vec<String>,
}

/// What is to be different on a form; what is not named stays.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "as NewForm")]
pub struct FormChange {
    pub name: Option<String>,
    pub notice: Option<NoticeId>,
    pub sender: Option<SenderId>,
    pub origins: Option<Vec<String>>,
    pub return_urls: Option<Vec<String>>,
    /// Takes no more sign-ups.
    pub disabled: Option<bool>,
}

/// Creates a form with a key of its own.
pub async fn create_form(services: &Services, asker: Asker, key: Option<OnceKey>, new: NewForm) -> Result<Form, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let (most, most_addresses) = (services.rules.limits.forms, services.rules.limits.form_addresses);
    let form = Form {
        id: FormId::from_uuid(services.ids.row()),
        // 128 random bits: nobody finds a form by trying. It names the form and is no credential (AP-09).
        form_key: format!("frm_{}", services.ids.random().simple()),
        name: shape::line("name", &new.name, 100)?,
        notice: new.notice,
        sender: new.sender,
        origins: origins(&new.origins, most_addresses)?,
        return_urls: return_urls(&new.return_urls, most_addresses)?,
        disabled: false,
        created_at: services.clock.now(),
    };
    let id = write_once(services, asker, key, scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
        if tx.forms(scope)?.len() >= most {
            return Err(Error::field("name", format!("a controller has at most {most} forms")));
        }
        check_references(tx, scope, &form)?;
        tx.insert_form(scope, &form)?;
        Ok(form.id)
    })
    .await?;
    find_form(services, scope, id).await
}

fn origins(list: &[String], most: usize) -> Result<Vec<String>, Error> {
    addresses("origins", list, most, shape::origin)
}

fn return_urls(list: &[String], most: usize) -> Result<Vec<String>, Error> {
    addresses("return_urls", list, most, shape::web_address)
}

fn addresses(
    field: &str,
    list: &[String],
    most: usize,
    check: impl Fn(&str, &str) -> Result<String, Error>,
) -> Result<Vec<String>, Error> {
    if list.len() > most {
        return Err(Error::field(field, format!("at most {most}")));
    }
    list.iter().enumerate().map(|(index, text)| check(&format!("{field}[{index}]"), text)).collect()
}

fn check_references(tx: &mut ReadTx<'_>, scope: ControllerScope, form: &Form) -> Result<(), Error> {
    tx.notice(scope, form.notice).map_err(Error::missing_reference("notice_id"))?;
    tx.sender(scope, form.sender).map_err(Error::missing_reference("sender_id"))?;
    Ok(())
}

/// Points a form at another notice, or changes what else may change; its key stays.
pub async fn change_form(
    services: &Services,
    scope: ControllerScope,
    id: FormId,
    change: FormChange,
) -> Result<Form, Error> {
    let name = change.name.map(|text| shape::line("name", &text, 100)).transpose()?;
    let most = services.rules.limits.form_addresses;
    let origins = change.origins.map(|list| origins(&list, most)).transpose()?;
    let return_urls = change.return_urls.map(|list| return_urls(&list, most)).transpose()?;
    services
        .store
        .write(scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
            let old = tx.form(scope, id)?;
            let form = Form {
                name: name.clone().unwrap_or(old.name),
                notice: change.notice.unwrap_or(old.notice),
                sender: change.sender.unwrap_or(old.sender),
                origins: origins.clone().unwrap_or(old.origins),
                return_urls: return_urls.clone().unwrap_or(old.return_urls),
                disabled: change.disabled.unwrap_or(old.disabled),
                ..old
            };
            check_references(tx, scope, &form)?;
            tx.update_form(scope, &form)?;
            Ok(form)
        })
        .await
}

/// All forms of a controller.
pub async fn list_forms(services: &Services, scope: ControllerScope) -> Result<Vec<Form>, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.forms(scope)).await?)
}

/// One form.
pub async fn find_form(services: &Services, scope: ControllerScope, id: FormId) -> Result<Form, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.form(scope, id)).await?)
}
