//! What a signed link leads to: the record behind it, and how it stands. Opening changes nothing (LK-01).

use crate::domain::consent::ConsentState;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{ControllerScope, LinkId, PurposeId};
use crate::domain::link::LinkAction;
use crate::domain::purpose::Purpose;
use crate::domain::time::Timestamp;
use crate::links::{LinkError, open, parse_kid};
use crate::store::controllers::Controller;
use crate::store::links::Link;
use crate::store::policies::{Notice, PolicyVersion};
use crate::store::{ReadTx, StoreError};

use super::record::Person;
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

/// What a link's page shows.
#[derive(Debug, Clone)]
pub struct Question {
    /// The controller.
    pub scope: ControllerScope,
    /// Who asks.
    pub controller: Controller,
    /// The link's record.
    pub link: Link,
    /// For what, in the order of the notice.
    pub purposes: Vec<Purpose>,
    /// With which words.
    pub notice: Option<Notice>,
    /// Under which policy.
    pub policy: Option<PolicyVersion>,
    /// The address, masked (LK-08).
    pub masked_address: String,
    /// The name, masked.
    pub masked_name: Option<String>,
    /// Key of the form through which the person can sign up again.
    pub form_key: Option<String>,
    /// What a writing call about the person is routed by.
    pub route: uuid::Uuid,
    /// What stands on record now, and since when.
    pub present: Vec<(PurposeId, ConsentState, Timestamp)>,
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
    let scope = genuine.scope;
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
            let question = Box::new(question(tx, scope, link, &person, now)?);
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
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    link: Link,
    person: &Person,
    now: Timestamp,
) -> Result<Question, Error> {
    let purposes = tx.purposes_in_order(scope, &link.purposes()?)?;
    let notice = link.notice_id.map(|id| tx.notice(scope, id)).transpose()?;
    let policy = notice.as_ref().map(|notice| tx.policy_version(scope, notice.policy_version)).transpose()?;
    let form_key = form_for(tx, scope, &link)?;
    let consents = tx.consents_among(scope, &[person.row.id], &link.purposes()?)?;
    let present = consents.iter().map(|c| (c.purpose_id, c.standing().effective(now), c.changed_at)).collect();
    Ok(Question {
        scope,
        controller: tx.controller(scope)?,
        purposes,
        notice,
        policy,
        masked_address: EmailAddress::masked(&person.address),
        masked_name: person.name()?.map(|name| name.masked()),
        form_key,
        route: person.route(),
        present,
        link,
    })
}

/// The form that the link came through, or the first one that shows all of its purposes.
fn form_for(tx: &mut ReadTx<'_>, scope: ControllerScope, link: &Link) -> Result<Option<String>, Error> {
    if let Some(id) = link.form_id {
        let form = tx.form(scope, id)?;
        return Ok((!form.disabled).then_some(form.form_key));
    }
    let wanted = link.purposes()?;
    for form in tx.forms(scope)?.into_iter().filter(|form| !form.disabled) {
        let shown = tx.notice(scope, form.notice)?.purposes;
        if wanted.iter().all(|purpose| shown.contains(purpose)) {
            return Ok(Some(form.form_key));
        }
    }
    Ok(None)
}
