//! The preference link in the row of everybody at a list: a custom field carries the token alone, as that of a round does
//! (`campaigns::handed`), and the marketer's design the constant address before it. The link has no end and is the
//! person's for good: one record, made when they are first brought to a list, and signed anew for each writing. So what
//! stands there is genuine whichever key signed it, and a key's rotation changes nobody's row: fingerprints are made over
//! the record's id, and a comparison takes any token of the person's own that holds.

use std::collections::HashMap;
use std::sync::Arc;

use crate::campaign_monitor::{FieldValue, NewSubscriber};
use crate::domain::ids::{ControllerScope, LinkId, SubjectId};
use crate::domain::link::LinkAction;
use crate::domain::time::Timestamp;
use crate::links::{Claims, SigningKey, VerifyingKey, open, parse_kid};
use crate::store::ReadTx;
use crate::store::links::Link;

use super::super::record::Person;
use super::super::{Error, Services};
use super::row::PREFERENCES;

/// What a design there has to hold for each reader to come to their page.
pub fn preference_address(services: &Services) -> String {
    format!("{}/{}/[{PREFERENCES}]", services.base_url, LinkAction::Manage.path())
}

/// The record of a person's preference link. It is about all purposes of the controller, whichever there are by the time
/// it is opened, so it names none.
pub(super) fn record(scope: ControllerScope, subject: SubjectId, id: LinkId, now: Timestamp) -> Link {
    Link {
        controller_id: scope.controller(),
        id,
        action: LinkAction::Manage,
        subject_id: subject,
        purposes: "[]".to_owned(),
        notice_id: None,
        campaign_id: None,
        form_id: None,
        on_site: false,
        created_at: now,
        expires_at: None,
        superseded_at: None,
        used_at: None,
        answer: None,
    }
}

/// The fingerprint of what is written about a person, with the link by its id.
pub(super) fn mark(person: &Person, row: &NewSubscriber, link: LinkId) -> Result<Vec<u8>, Error> {
    Ok(person.key.mark("row", &serde_json::to_vec(&(row, link))?).to_vec())
}

/// Puts the link's token into a row. A signature takes some twenty microseconds, so this is for outside of transactions.
pub(super) fn add_token(row: &mut NewSubscriber, link: LinkId, signer: &SigningKey) -> Result<(), Error> {
    let field = FieldValue::text(PREFERENCES, &signer.sign(&Claims::preferences(link)));
    row.custom_fields.push(field.map_err(|error| Error::Internal(format!("a token does not fit its field: {error}")))?);
    Ok(())
}

/// Tells whether what stands in the field there leads the person to their page.
pub struct Tokens {
    scope: ControllerScope,
    signer: Arc<SigningKey>,
    links: HashMap<SubjectId, LinkId>,
    /// The controller's keys by name, read when the first token of another key than today's is met.
    keys: Option<HashMap<String, VerifyingKey>>,
}

impl Tokens {
    /// Reads the links of these people.
    pub fn read(
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
        signer: Arc<SigningKey>,
        people: &[SubjectId],
    ) -> Result<Self, Error> {
        let links = tx.preference_links(scope, people)?.into_iter().collect();
        Ok(Self { scope, signer, links, keys: None })
    }

    /// Whether this is a token of the person's own link. Nobody's is right for who has none yet: they get it when they are
    /// next brought in step.
    pub fn is_of(
        &mut self,
        tx: &mut ReadTx<'_>,
        person: SubjectId,
        token: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let Some(link) = self.links.get(&person).copied() else { return Ok(false) };
        let Ok(kid) = parse_kid(token) else { return Ok(false) };
        // Signing takes less than verifying, and the same key signs the same link in the same bytes.
        if kid == self.signer.kid() {
            return Ok(token == self.signer.sign(&Claims::preferences(link)));
        }
        let key = self.keys(tx)?.get(&kid);
        Ok(key.is_some_and(|key| open(token, key, LinkAction::Manage, now).is_ok_and(|opened| opened.link == link)))
    }

    fn keys(&mut self, tx: &mut ReadTx<'_>) -> Result<&HashMap<String, VerifyingKey>, Error> {
        if self.keys.is_none() {
            let rows = tx.link_keys(self.scope)?.into_iter();
            let key = |row: crate::store::controllers::LinkKey| {
                let public = row.public_key.as_slice().try_into().ok()?;
                Some((row.kid.clone(), VerifyingKey::new(&row.kid, public, row.standing).ok()?))
            };
            self.keys = Some(rows.filter_map(key).collect());
        }
        Ok(self.keys.get_or_insert_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign_monitor::ConsentToTrack;

    #[test]
    fn a_token_fits_the_field_whatever_the_key_and_the_link() {
        let (signer, ..) = SigningKey::generate();
        let token = signer.sign(&Claims::preferences(LinkId::from_uuid(uuid::Uuid::max())));
        // The kid has 20 characters and the link 22, whichever they are; there is no end that could grow.
        assert_eq!(token.len(), 223);
        let mut row = NewSubscriber {
            email_address: "ana@example.org".to_owned(),
            name: None,
            custom_fields: Vec::new(),
            consent_to_track: ConsentToTrack::No,
        };
        add_token(&mut row, LinkId::from_uuid(uuid::Uuid::max()), &signer).expect("it fits");
        assert_eq!((row.custom_fields.len(), row.custom_fields[0].value()), (1, token.as_str()));
    }
}
