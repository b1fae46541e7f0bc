//! Purposes.

use diesel::prelude::*;

use crate::domain::ids::{ControllerId, ControllerScope, PurposeId};
use crate::domain::purpose::{Channel, Purpose, PurposeKind};
use crate::domain::slug::Slug;
use crate::domain::time::{Period, Timestamp};

use super::connection::on;
use super::error::StoreError;
use super::schema::purposes;
use super::{ReadTx, WriteTx};

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = purposes, treat_none_as_default_value = false)]
struct Row {
    controller_id: ControllerId,
    id: PurposeId,
    slug: String,
    label: String,
    description: String,
    channel: Channel,
    kind: PurposeKind,
    validity: String,
    refresh_window: String,
    double_opt_in: bool,
    mail_corporate: bool,
    created_at: Timestamp,
}

impl Row {
    fn read(self) -> Result<Purpose, StoreError> {
        let unreadable = |what: &str| StoreError::Failed(format!("purpose {}: stored {what} does not read", self.id));
        Ok(Purpose {
            slug: Slug::parse(&self.slug).map_err(|_| unreadable("slug"))?,
            validity: Period::parse(&self.validity).map_err(|_| unreadable("validity"))?,
            refresh_window: Period::parse(&self.refresh_window).map_err(|_| unreadable("refresh window"))?,
            id: self.id,
            label: self.label,
            description: self.description,
            channel: self.channel,
            kind: self.kind,
            double_opt_in: self.double_opt_in,
            mail_corporate: self.mail_corporate,
        })
    }
}

impl ReadTx<'_> {
    /// All purposes of a controller, in order of creation; there are at most 100.
    pub fn purposes(&mut self, scope: ControllerScope) -> Result<Vec<Purpose>, StoreError> {
        use purposes::dsl as t;
        let rows: Vec<Row> = on!(self.conn, c => t::purposes.filter(t::controller_id.eq(scope.controller())).select(Row::as_select()).order(t::id).load(c))?;
        rows.into_iter().map(Row::read).collect()
    }

    /// One purpose.
    pub fn purpose(&mut self, scope: ControllerScope, id: PurposeId) -> Result<Purpose, StoreError> {
        use purposes::dsl as t;
        let row: Row =
            on!(self.conn, c => t::purposes.find((scope.controller(), id)).select(Row::as_select()).first(c))?;
        row.read()
    }

    /// These purposes, in the order asked for; `NotFound` when one is not the controller's.
    pub fn purposes_in_order(&mut self, scope: ControllerScope, ids: &[PurposeId]) -> Result<Vec<Purpose>, StoreError> {
        let all = self.purposes(scope)?;
        ids.iter().map(|id| all.iter().find(|p| p.id == *id).cloned().ok_or(StoreError::NotFound)).collect()
    }
}

impl WriteTx<'_> {
    /// A new purpose; `Conflict` when its short name is taken.
    pub fn insert_purpose(
        &mut self,
        scope: ControllerScope,
        purpose: &Purpose,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = Row {
            controller_id: scope.controller(),
            id: purpose.id,
            slug: purpose.slug.to_string(),
            label: purpose.label.clone(),
            description: purpose.description.clone(),
            channel: purpose.channel,
            kind: purpose.kind,
            validity: purpose.validity.to_string(),
            refresh_window: purpose.refresh_window.to_string(),
            double_opt_in: purpose.double_opt_in,
            mail_corporate: purpose.mail_corporate,
            created_at: now,
        };
        on!(self.writing(), c => diesel::insert_into(purposes::table).values(&row).execute(c))?;
        Ok(())
    }
}
