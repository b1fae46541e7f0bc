//! One signed re-consent link for one person (RP-08): to be shown on the site to that person, who is there; or to be
//! mailed by the site, which only goes through the gate that every mail goes through (RP-01, RP-05).

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::crypto::ControllerKeys;
use crate::domain::consent::{ConsentState, Refusal, Standing};
use crate::domain::event::{EventKind, Method};
use crate::domain::gate::MailKind;
use crate::domain::ids::{ControllerScope, LinkId, NoticeId, PurposeId};
use crate::domain::link::LinkAction;
use crate::domain::purpose::Purpose;
use crate::domain::time::{Period, Timestamp};
use crate::links::Claims;
use crate::store::WriteTx;
use crate::store::consents::Consent;
use crate::store::links::Link;
use crate::store::policies::Notice;

use super::once::{Asker, OnceKey, write_once};
use super::people::Whom;
use super::permission::permitted;
use super::record::{Occasion, Person, seal_event};
use super::shape::purposes_named;
use super::{Error, Services};

/// How long a link is to work.
#[derive(Debug, Clone, Copy)]
pub enum Lifetime {
    /// Seconds.
    Seconds(u64),
    /// Calendar days and more.
    Period(Period),
}

/// A link to be.
#[derive(Debug, Clone)]
pub struct NewLink {
    /// For whom.
    pub whom: Whom,
    /// About which purposes, by id or short name.
    pub purposes: Vec<String>,
    /// With which wording it asks.
    pub notice: NoticeId,
    /// Whether it may be mailed.
    pub mailable: bool,
    /// How long it works; as long as an answer link may when not said.
    pub lifetime: Option<Lifetime>,
}

/// A link as it is told to who asked for it.
#[derive(Debug, Clone)]
pub struct IssuedLink {
    /// Its address, a secret of the person's.
    pub url: String,
    /// Its id.
    pub id: LinkId,
    /// Until when it works.
    pub expires_at: Timestamp,
    /// The purposes it asks about: of those named, the ones that may be asked about.
    pub purposes: Vec<PurposeId>,
}

/// What is kept for a retry: ids and a time, from which the same link is signed again.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    id: LinkId,
    expires_at: Timestamp,
    purposes: Vec<PurposeId>,
}

/// Issues a link, once per idempotency key.
pub async fn issue_link(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    new: NewLink,
) -> Result<IssuedLink, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let now = services.clock.now();
    let end = end_of(new.lifetime, services.rules.answer_link_min_ttl, services.rules.answer_link_max_ttl, now)?;
    let id = LinkId::from_uuid(services.ids.random());
    let expires_at = Claims::until(LinkAction::Answer, id, end).expires().unwrap_or(end);
    let keys = services.keys.of(scope).await?;
    let source = format!("token:{}", asker.token);
    let occasion = Occasion::plain(now, Method::SiteServer, Some(source));
    let route = new.whom.route(&keys);
    let work = Work { services: services.clone(), scope, keys, new, id, expires_at, occasion };
    let kept: Kept = write_once(services, asker, key, route, move |tx: &mut WriteTx<'_>| work.run(tx)).await?;
    let signer = services.keys.signer(scope).await?;
    let token = signer.sign(&Claims::until(LinkAction::Answer, kept.id, kept.expires_at));
    Ok(IssuedLink {
        url: format!("{}/{}/{token}", services.base_url, LinkAction::Answer.path()),
        id: kept.id,
        expires_at: kept.expires_at,
        purposes: kept.purposes,
    })
}

fn end_of(lifetime: Option<Lifetime>, least: Duration, most: Duration, now: Timestamp) -> Result<Timestamp, Error> {
    let latest = now.plus(most);
    let end = match lifetime {
        None => latest,
        Some(Lifetime::Seconds(seconds)) => now.plus(Duration::from_secs(seconds)),
        Some(Lifetime::Period(period)) => period.after(now),
    };
    if end < now.plus(least) || end > latest {
        let (least, days) = (least.as_secs(), most.as_secs() / 86_400);
        return Err(Error::field("expires_in", format!("expected {least} seconds to {days} days")));
    }
    Ok(end)
}

#[derive(Clone)]
struct Work {
    services: Services,
    scope: ControllerScope,
    keys: Arc<ControllerKeys>,
    new: NewLink,
    id: LinkId,
    expires_at: Timestamp,
    occasion: Occasion,
}

impl Work {
    fn run(&self, tx: &mut WriteTx<'_>) -> Result<Kept, Error> {
        let (scope, now) = (self.scope, self.occasion.now);
        let row = self.new.whom.lock(tx, scope, &self.keys)?.ok_or_else(|| match self.new.whom {
            Whom::Subject(_) => Error::field("subject_id", "there is none with this id"),
            Whom::Address(_) => Error::field("email", "nobody with this address is on record; use POST /v1/consents"),
        })?;
        let person = Person::open(scope, &self.keys, row)?;
        let named = purposes_named(tx, scope, "purposes", &self.new.purposes)?;
        let notice = tx.notice(scope, self.new.notice).map_err(Error::missing_reference("notice_id"))?;
        if let Some(index) = named.iter().position(|purpose| !notice.purposes.contains(&purpose.id)) {
            return Err(Error::field(format!("purposes[{index}]"), "the notice does not ask about this purpose"));
        }
        let purposes = if self.new.mailable {
            let allowed =
                permitted(tx, &self.keys, &person, MailKind::Repermission, &named, now, &self.services.rules)?;
            allowed.map_err(|reason| Error::NobodyToMail(vec![(reason, 1)]))?
        } else {
            self.answerable(tx, &person, &named)?
        };
        if self.new.mailable {
            self.count_as_asked(tx, &person, &notice, &purposes)?;
        }
        tx.insert_links(&[Link {
            controller_id: scope.controller(),
            id: self.id,
            action: LinkAction::Answer,
            subject_id: person.row.id,
            purposes: serde_json::to_string(&purposes)?,
            notice_id: Some(notice.id),
            campaign_id: None,
            form_id: None,
            on_site: !self.new.mailable,
            created_at: now,
            expires_at: Some(self.expires_at),
            superseded_at: None,
            used_at: None,
            answer: None,
        }])?;
        Ok(Kept { id: self.id, expires_at: self.expires_at, purposes })
    }

    /// A link that could not be answered with yes is not issued: who stopped, or is on the "never mail" list, starts
    /// again by a new sign-up alone (RP-04). To press them on the site would be no better than by mail.
    fn answerable(&self, tx: &mut WriteTx<'_>, person: &Person, purposes: &[Purpose]) -> Result<Vec<PurposeId>, Error> {
        let ids: Vec<PurposeId> = purposes.iter().map(|purpose| purpose.id).collect();
        let consents = tx.consents_among(self.scope, &[person.row.id], &ids)?;
        for id in &ids {
            let consent = consents.iter().find(|consent| consent.purpose_id == *id);
            let standing = consent.map_or(Standing::NONE, Consent::standing);
            if standing.state == ConsentState::Terminated {
                return Err(Refusal::PurposeEnded.into());
            }
            if standing.is_never() || person.suppression(tx, &self.keys, *id)?.is_some() {
                return Err(Refusal::Stopped.into());
            }
        }
        Ok(ids)
    }

    /// Who hands out a link for mailing has asked, as far as the cooldown goes (RP-07); mailed links that are open
    /// give way to it (LK-06). A link shown on the site does neither: the mail in somebody's mailbox goes on working.
    fn count_as_asked(
        &self,
        tx: &mut WriteTx<'_>,
        person: &Person,
        notice: &Notice,
        purposes: &[PurposeId],
    ) -> Result<(), Error> {
        let now = self.occasion.now;
        let occasion =
            Occasion { notice: Some(notice.id), policy_version: Some(notice.policy_version), ..self.occasion.clone() };
        let events: Vec<_> = purposes
            .iter()
            .map(|id| seal_event(&*self.services.ids, person, *id, EventKind::Asked, &Standing::NONE, &occasion))
            .collect();
        tx.append_events(&events)?;
        tx.note_asked(self.scope, person.row.id, purposes, now)?;
        Ok(tx.supersede_links(self.scope, person.row.id, LinkAction::Answer, purposes, now)?)
    }
}
