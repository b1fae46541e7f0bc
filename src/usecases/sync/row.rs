//! What is written about a person at a list: the proof of the consent in custom fields, the way to their preferences, and
//! whether they may be tracked.

use std::sync::Arc;

use crate::campaign_monitor::{ConsentToTrack, FieldError, FieldType, FieldValue, NewSubscriber, Zone};
use crate::domain::ids::{ControllerScope, SubjectId};
use crate::domain::time::Timestamp;
use crate::links::SigningKey;
use crate::store::ReadTx;
use crate::store::consents::Consent;
use crate::store::destinations::Destination;

use super::super::Error;
use super::super::destination_fields::{cut, need_custom, written};
use super::super::record::Person;
use super::common::{Common, Yes};
use super::preferences::Tokens;

/// Custom fields that a list has for proof; keys that a list lacks are dropped there without a word (section 4.4).
pub const CONSENT_DATE: &str = "ConsentDate";
/// The policy version's label.
pub const POLICY_VERSION: &str = "PolicyVersion";
/// The purposes, by name.
pub const PURPOSES: &str = "Purposes";
/// The basis (PE-04).
pub const BASIS: &str = "Basis";
/// Where the newest yes came from: a form, a round, a site.
pub const SOURCE: &str = "Source";

/// The token of the person's preference link.
pub const PREFERENCES: &str = "ReconsentPreferences";

/// The fields that every list is to have, and their types.
pub const FIELDS: [(&str, FieldType); 6] = [
    (CONSENT_DATE, FieldType::Date),
    (POLICY_VERSION, FieldType::Text),
    (PURPOSES, FieldType::Text),
    (BASIS, FieldType::Text),
    (SOURCE, FieldType::Text),
    (PREFERENCES, FieldType::Text),
];

/// The row that makes the person active there, with the proof in custom fields; the token of the preference link is added
/// to what is sent (see `preferences`). `valid` is not empty; `newest` is the newest yes among them.
pub fn subscriber(
    tx: &mut ReadTx<'_>,
    common: &mut Common,
    person: &Person,
    destination: &Destination,
    valid: &[&Consent],
    tracked: bool,
    newest: &Yes,
) -> Result<NewSubscriber, Error> {
    let scope = person.scope;
    let policy = valid.iter().filter_map(|consent| consent.policy_version_id).max();
    let policy = policy.map(|id| common.label(tx, scope, id).map(cut)).transpose()?;
    let known = &common.purposes;
    let names: Vec<&str> = known
        .iter()
        .filter(|purpose| valid.iter().any(|c| c.purpose_id == purpose.id))
        .map(|p| p.slug.as_str())
        .collect();
    let unfit = |error: &dyn std::fmt::Display| Error::Internal(format!("a custom field does not fit: {error}"));
    let zone = Zone::named(&destination.time_zone).map_err(|e| unfit(&e))?;
    let day = zone.day_of(newest.at.micros()).map_err(|e| unfit(&e))?;
    let mut fields = vec![
        FieldValue::date(CONSENT_DATE, day).map_err(|e| unfit(&e))?,
        FieldValue::text(PURPOSES, &cut(&names.join(", "))).map_err(|e| unfit(&e))?,
        FieldValue::text(BASIS, "consent").map_err(|e| unfit(&e))?,
        text(POLICY_VERSION, policy.as_deref()).map_err(|e| unfit(&e))?,
        text(SOURCE, Some(&cut(&common.source(tx, scope, newest)?))).map_err(|e| unfit(&e))?,
    ];
    let notice = valid.iter().find(|consent| consent.purpose_id == newest.purpose).and_then(|c| c.notice_id);
    let language = notice.map(|id| common.language(tx, scope, id).map(str::to_owned)).transpose()?;
    let maps = common.fields.get(&destination.id).map_or(&[][..], Vec::as_slice);
    let custom = if need_custom(maps) { person.fields()? } else { None };
    for map in maps {
        fields.push(written(map, custom.as_ref(), language.as_deref()).map_err(|e| unfit(&e))?);
    }
    Ok(NewSubscriber {
        email_address: person.address.as_sent(),
        name: person.name()?.map(|name| name.as_str().to_owned()),
        custom_fields: fields,
        // Always said (TR-01, PR-08): consent to mail is not consent to be tracked in it.
        consent_to_track: if tracked { ConsentToTrack::Yes } else { ConsentToTrack::No },
    })
}

/// A value, or none: what was there before is then emptied.
fn text(name: &str, value: Option<&str>) -> Result<FieldValue, FieldError> {
    match value.filter(|value| !value.is_empty()) {
        Some(value) => FieldValue::text(name, value),
        None => FieldValue::clear(name),
    }
}

/// The rows that many people are to have on lists, made from what was read about them at once.
pub struct Rows {
    common: Common,
    tokens: Tokens,
}

impl Rows {
    /// Reads what all of a controller's people have in common, and the preference links of these.
    pub fn read(
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
        signer: Arc<SigningKey>,
        people: &[SubjectId],
        most_former: i64,
    ) -> Result<Self, Error> {
        Ok(Self { common: Common::read(tx, scope, most_former)?, tokens: Tokens::read(tx, scope, signer, people)? })
    }

    /// See [`Tokens::is_of`].
    pub fn is_token_of(
        &mut self,
        tx: &mut ReadTx<'_>,
        person: SubjectId,
        token: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.tokens.is_of(tx, person, token, now)
    }

    /// A person's row on a list where these consents hold, `newest` being the newest yes to one of them. All their
    /// `consents` say whether they may be tracked. Without the token of the preference link, see [`Self::is_token_of`].
    #[allow(clippy::too_many_arguments, reason = "what a row is made of")]
    pub fn of(
        &mut self,
        tx: &mut ReadTx<'_>,
        person: &Person,
        destination: &Destination,
        consents: &[Consent],
        valid: &[&Consent],
        newest: &Yes,
        now: Timestamp,
    ) -> Result<NewSubscriber, Error> {
        let tracked = self.common.tracks(consents, now);
        subscriber(tx, &mut self.common, person, destination, valid, tracked, newest)
    }
}
