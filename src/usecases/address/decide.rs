//! The new mailbox decides: an open page of ours, a choice, a yes not too fast, once (LK-03 to LK-06). On a yes all that
//! follows is one commit; whatever has come between since it was asked for leaves everything as it was.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::crypto::ControllerKeys;
use crate::domain::address::ChangeOutcome;
use crate::domain::link::LinkAction;
use crate::domain::time::Timestamp;
use crate::store::addresses::AddressChange;
use crate::store::links::{Link, Used};
use crate::store::{StoreError, WriteTx};

use super::super::answer::Again;
use super::super::linked::{Genuine, verify};
use super::super::nonce::{self, PageSeal};
use super::super::permission::may_ask_address;
use super::super::record::Person;
use super::super::scene::Scene;
use super::super::sign_up::Choice;
use super::super::{Error, Services};
use super::page::{MoveQuestion, MoveStanding, standing};
use super::{new_address, relocate};

/// How an answer went.
#[derive(Debug, Clone)]
pub enum Decided {
    /// It is decided, and so.
    Done(Arc<Scene>, ChangeOutcome),
    /// The page is to be shown once more.
    Again(Box<MoveQuestion>, Again),
    /// The link cannot be answered.
    Not(MoveStanding),
}

/// Takes what came back from the page: its seal, the choice, and what is kept of the client.
pub async fn decide(
    services: &Services,
    token: &str,
    seal: &str,
    choice: Option<Choice>,
    evidence: Value,
) -> Result<Decided, Error> {
    let genuine = verify(services, token, LinkAction::Move).await?;
    let question = match standing(services, genuine).await? {
        MoveStanding::Open(question) => question,
        other => return Ok(Decided::Not(other)),
    };
    let age = match nonce::check(services, &genuine.link.to_string(), seal) {
        PageSeal::Fresh(age) => age,
        PageSeal::Stale | PageSeal::Broken => return Ok(Decided::Again(question, Again::Reload)),
    };
    let Some(choice) = choice else { return Ok(Decided::Again(question, Again::NoChoice)) };
    // A no is never hindered; only a yes may be asked for again.
    if choice == Choice::Yes && age < services.rules.minimum_dwell {
        return Ok(Decided::Again(question, Again::TooFast));
    }
    let keys = services.keys.of(genuine.scope).await?;
    let now = services.clock.now();
    let answer = Answer { services: services.clone(), keys, genuine, choice, now, evidence: kept(evidence, age) };
    let attempt = || {
        let answer = answer.clone();
        services.store.write(genuine.link.uuid(), move |tx: &mut WriteTx<'_>| answer.carry_out(tx))
    };
    let outcome = match attempt().await {
        // Somebody signed up with this address in the same moment: they are on record now.
        Err(Error::Store(StoreError::Conflict)) => attempt().await?,
        other => other?,
    };
    Ok(match outcome {
        Some(outcome) => Decided::Done(question.scene, outcome),
        // Such as when another tab was faster: show what it decided.
        None => Decided::Not(standing(services, genuine).await?),
    })
}

fn kept(mut evidence: Value, age: Duration) -> Value {
    if let Some(object) = evidence.as_object_mut() {
        object.insert("page_open_ms".to_owned(), json!(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
    }
    evidence
}

#[derive(Clone)]
struct Answer {
    services: Services,
    keys: Arc<ControllerKeys>,
    genuine: Genuine,
    choice: Choice,
    now: Timestamp,
    evidence: Value,
}

impl Answer {
    /// Nothing when there is nothing to decide any more.
    fn carry_out(&self, tx: &mut WriteTx<'_>) -> Result<Option<ChangeOutcome>, Error> {
        let (scope, now) = (self.genuine.scope, self.now);
        let wanted = [(scope.controller(), self.genuine.link)];
        // The person first, as everywhere, so that transactions lock in one order.
        let Some((_, subject)) = tx.people_behind(&wanted)?.pop() else { return Ok(None) };
        let row = tx.lock_subject(scope, subject)?;
        let link = tx.lock_links(&wanted)?.pop();
        let Some(link) = link.filter(|link| link.action == LinkAction::Move && link.open_at(now)) else {
            return Ok(None);
        };
        let change = match tx.address_change(scope, link.id) {
            Ok(change) if change.open_at(now) && row.erased_at.is_none() => change,
            Ok(_) | Err(StoreError::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let outcome = match self.choice {
            Choice::No => ChangeOutcome::Refused,
            Choice::Yes => self.relocate(tx, Person::open(scope, &self.keys, row)?, &change, &link)?,
        };
        tx.settle_address_change(scope, change.id, outcome, now)?;
        let answer = json!({ "address": outcome.name() }).to_string();
        tx.use_links(&[Used { controller_id: scope.controller(), id: link.id, at: now, answer }])?;
        tracing::info!(target: "audit", subject = %subject, outcome = outcome.name(), "a change of address was decided");
        Ok(Some(outcome))
    }

    fn relocate(
        &self,
        tx: &mut WriteTx<'_>,
        person: Person,
        change: &AddressChange,
        link: &Link,
    ) -> Result<ChangeOutcome, Error> {
        let address = new_address(&person, change)?;
        let holder = tx.subject_by_fingerprint(person.scope, &self.keys.email_fingerprint(&address.match_key()))?;
        if holder.is_some_and(|holder| holder.id != person.row.id) {
            return Ok(ChangeOutcome::Taken);
        }
        if may_ask_address(tx, &self.keys, &person, &address, self.now, &self.services.rules)?.is_err() {
            return Ok(ChangeOutcome::Suppressed);
        }
        let house = relocate::House { ids: &*self.services.ids, keys: &self.keys, now: self.now };
        relocate::relocate(tx, &house, &person, &address, link, &self.evidence)?;
        Ok(ChangeOutcome::Moved)
    }
}
