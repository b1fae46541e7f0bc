//! What a signed link leads to: the record behind it, and how it stands. Opening changes nothing (LK-01).

use std::ops::Deref;
use std::sync::Arc;

use crate::domain::consent::ConsentState;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{ControllerScope, LinkId, PurposeId};
use crate::domain::link::LinkAction;
use crate::domain::time::Timestamp;
use crate::links::{LinkError, open, parse_kid};
use crate::store::links::Link;
use crate::store::{ReadTx, StoreError};

use super::record::Person;
use super::scene::{Scene, scene_of};
use super::{Error, Services};

/// A token that we signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Genuine {
    /// The controller that its key belongs to.
    pub scope: ControllerScope,
    /// The record it names.
    pub link: LinkId,
    /// Its time is over, by its own word.
    pub expired: bool,
}

/// Checks a token for an action. Everything that is wrong with it is one and the same refusal, but for a genuine
/// one whose time is over.
pub async fn verify(services: &Services, token: &str, action: LinkAction) -> Result<Genuine, Error> {
    let kid = parse_kid(token).map_err(|_| Error::UnknownLink)?;
    let found = services.keys.link_key(&kid).await?;
    match open(token, &found.key, action, services.clock.now()) {
        Ok(opened) => Ok(Genuine { scope: found.scope, link: opened.link, expired: false }),
        Err(LinkError::Expired { link }) => Ok(Genuine { scope: found.scope, link, expired: true }),
        Err(LinkError::Forged) => Err(Error::UnknownLink),
    }
}

/// What a link's page shows to whoever holds the link.
#[derive(Debug, Clone)]
pub struct Question {
    /// What it shows to everybody.
    pub scene: Arc<Scene>,
    /// The link's record.
    pub link: Link,
    /// The address, masked (LK-08).
    pub masked_address: String,
    /// The name, masked.
    pub masked_name: Option<String>,
    /// What stands on record now, and since when.
    pub present: Vec<Present>,
}

/// How a person stands towards a purpose, and since when.
pub type Present = (PurposeId, ConsentState, Timestamp);

impl Deref for Question {
    type Target = Scene;
    fn deref(&self) -> &Scene {
        &self.scene
    }
}

/// How a genuine link stands.
#[derive(Debug, Clone)]
pub enum LinkStanding {
    /// It can be answered.
    Open(Box<Question>),
    /// Its time is over.
    Expired(Box<Question>),
    /// A newer link took its place.
    Superseded(Box<Question>),
    /// It was answered: what, and when.
    Used(Box<Question>, Option<String>, Timestamp),
    /// Nobody is on record behind it any more; a withdrawal has then reached its goal.
    Gone,
}

/// Opens a link for its page.
pub async fn open_link(services: &Services, token: &str, action: LinkAction) -> Result<LinkStanding, Error> {
    let genuine = verify(services, token, action).await?;
    standing(services, genuine, action).await
}

/// How a genuine link stands now.
pub async fn standing(services: &Services, genuine: Genuine, action: LinkAction) -> Result<LinkStanding, Error> {
    let keys = services.keys.of(genuine.scope).await?;
    let now = services.clock.now();
    let (scope, at_hand) = (genuine.scope, services.clone());
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let link = match tx.link(scope, genuine.link) {
                Ok(link) if link.action == action => link,
                Ok(_) => return Err(Error::UnknownLink),
                Err(StoreError::NotFound) => return Ok(LinkStanding::Gone),
                Err(error) => return Err(error.into()),
            };
            let subject = tx.subject(scope, link.subject_id)?;
            if subject.erased_at.is_some() {
                return Ok(LinkStanding::Gone);
            }
            let person = Person::open(scope, &keys, subject)?;
            let question = Box::new(question(&at_hand, tx, scope, link, &person, now)?);
            let link = &question.link;
            Ok(match (link.used_at, link.superseded_at) {
                (Some(used), _) => {
                    let answer = link.answer.clone();
                    LinkStanding::Used(question, answer, used)
                }
                (None, Some(_)) => LinkStanding::Superseded(question),
                (None, None) if genuine.expired || link.expires_at.is_some_and(|end| end <= now) => {
                    LinkStanding::Expired(question)
                }
                (None, None) => LinkStanding::Open(question),
            })
        })
        .await
}

fn question(
    services: &Services,
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    link: Link,
    person: &Person,
    now: Timestamp,
) -> Result<Question, Error> {
    let consents = tx.consents_among(scope, &[person.row.id], &link.purposes()?)?;
    Ok(Question {
        scene: scene_of(services, tx, scope, &link)?,
        masked_address: EmailAddress::masked(&person.address),
        masked_name: person.name()?.map(|name| name.masked()),
        present: consents.iter().map(|c| (c.purpose_id, c.standing().effective(now), c.changed_at)).collect(),
        link,
    })
}
