//! What a controller's sites and mails use: senders and forms. A form's key finds the controller.

use diesel::prelude::*;

use crate::domain::ids::{ControllerId, ControllerScope, FormId, NoticeId, SenderId};
use crate::domain::time::Timestamp;

use super::connection::on;
use super::error::StoreError;
use super::schema::{forms, senders};
use super::{ReadTx, WriteTx};

/// In whose name mail goes out.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = senders, treat_none_as_default_value = false)]
pub struct Sender {
    /// Whose.
    pub controller_id: ControllerId,
    /// Its id.
    pub id: SenderId,
    /// The visible name.
    pub name: String,
    /// The from-address.
    pub address: String,
    /// Where answers go, if elsewhere.
    pub reply_to: Option<String>,
    /// The postal line (PE-05).
    pub postal: String,
    /// Mails in its name in an hour, at most.
    pub max_per_hour: Option<i32>,
    /// Since when.
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = forms, treat_none_as_default_value = false)]
struct FormRow {
    controller_id: ControllerId,
    id: FormId,
    form_key: String,
    name: String,
    notice_id: NoticeId,
    sender_id: SenderId,
    origins: String,
    return_urls: String,
    disabled: bool,
    created_at: Timestamp,
}

/// A site form.
#[derive(Debug, Clone)]
pub struct Form {
    /// Its id.
    pub id: FormId,
    /// The key in its address; names, does not authenticate (AP-09).
    pub form_key: String,
    /// What people call it.
    pub name: String,
    /// The wording it shows, and with it the purposes.
    pub notice: NoticeId,
    /// Who sends its confirmation mails.
    pub sender: SenderId,
    /// Exact origins that may post it from a script.
    pub origins: Vec<String>,
    /// Exact addresses it may lead back to.
    pub return_urls: Vec<String>,
    /// Takes no more sign-ups.
    pub disabled: bool,
    /// Since when.
    pub created_at: Timestamp,
}

impl FormRow {
    fn read(self) -> Result<Form, StoreError> {
        Ok(Form {
            id: self.id,
            form_key: self.form_key,
            name: self.name,
            notice: self.notice_id,
            sender: self.sender_id,
            origins: serde_json::from_str(&self.origins)?,
            return_urls: serde_json::from_str(&self.return_urls)?,
            disabled: self.disabled,
            created_at: self.created_at,
        })
    }
}

impl ReadTx<'_> {
    /// A controller's senders; at most 1,000.
    pub fn senders(&mut self, scope: ControllerScope) -> Result<Vec<Sender>, StoreError> {
        use senders::dsl as t;
        Ok(
            on!(self.conn, c => t::senders.filter(t::controller_id.eq(scope.controller())).select(Sender::as_select()).order(t::id).limit(1000).load(c))?,
        )
    }

    /// One sender.
    pub fn sender(&mut self, scope: ControllerScope, id: SenderId) -> Result<Sender, StoreError> {
        use senders::dsl as t;
        Ok(on!(self.conn, c => t::senders.find((scope.controller(), id)).select(Sender::as_select()).first(c))?)
    }

    /// A controller's forms; at most 1,000.
    pub fn forms(&mut self, scope: ControllerScope) -> Result<Vec<Form>, StoreError> {
        use forms::dsl as t;
        let rows: Vec<FormRow> = on!(self.conn, c => t::forms.filter(t::controller_id.eq(scope.controller())).select(FormRow::as_select()).order(t::id).limit(1000).load(c))?;
        rows.into_iter().map(FormRow::read).collect()
    }

    /// One form.
    pub fn form(&mut self, scope: ControllerScope, id: FormId) -> Result<Form, StoreError> {
        use forms::dsl as t;
        let row: FormRow =
            on!(self.conn, c => t::forms.find((scope.controller(), id)).select(FormRow::as_select()).first(c))?;
        row.read()
    }

    /// Finds a form, and with it the controller, by the key in its address.
    pub fn form_by_key(&mut self, key: &str) -> Result<(ControllerScope, Form), StoreError> {
        use forms::dsl as t;
        let row: FormRow =
            on!(self.conn, c => t::forms.filter(t::form_key.eq(key)).select(FormRow::as_select()).first(c))?;
        Ok((ControllerScope::granted(row.controller_id), row.read()?))
    }
}

impl WriteTx<'_> {
    /// A new sender.
    pub fn insert_sender(&mut self, sender: &Sender) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(senders::table).values(sender).execute(c))?;
        Ok(())
    }

    /// How many mails may go out in a sender's name in an hour; who it is stays as it was shown.
    pub fn set_sender_rate(
        &mut self,
        scope: ControllerScope,
        id: SenderId,
        most: Option<i32>,
    ) -> Result<(), StoreError> {
        let row = senders::table.find((scope.controller(), id));
        let changed = on!(self.writing(), c => diesel::update(row).set(senders::max_per_hour.eq(most)).execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// A new form.
    pub fn insert_form(&mut self, scope: ControllerScope, form: &Form) -> Result<(), StoreError> {
        let row = FormRow {
            controller_id: scope.controller(),
            id: form.id,
            form_key: form.form_key.clone(),
            name: form.name.clone(),
            notice_id: form.notice,
            sender_id: form.sender,
            origins: serde_json::to_string(&form.origins)?,
            return_urls: serde_json::to_string(&form.return_urls)?,
            disabled: form.disabled,
            created_at: form.created_at,
        };
        on!(self.writing(), c => diesel::insert_into(forms::table).values(&row).execute(c))?;
        Ok(())
    }

    /// Points a form at another notice, as its wording is never edited in place; or switches it off or on.
    pub fn update_form(&mut self, scope: ControllerScope, form: &Form) -> Result<(), StoreError> {
        use forms::dsl as t;
        let changed = on!(self.writing(), c => diesel::update(t::forms.find((scope.controller(), form.id))).set((
            t::name.eq(&form.name),
            t::notice_id.eq(form.notice),
            t::sender_id.eq(form.sender),
            t::origins.eq(serde_json::to_string(&form.origins)?),
            t::return_urls.eq(serde_json::to_string(&form.return_urls)?),
            t::disabled.eq(form.disabled),
        )).execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}
