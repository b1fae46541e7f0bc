//! A stop that staff enter after a phone call or a letter (WD-03): for a person on record through the rules, for an
//! address nobody knows on the "never mail" list alone, so that a later import of it is refused (SU-05).

use std::sync::Arc;

use serde_json::json;

use crate::crypto::ControllerKeys;
use crate::domain::consent::{Command, ConsentState};
use crate::domain::email::EmailAddress;
use crate::domain::event::Method;
use crate::domain::ids::{ControllerScope, PurposeId, SubjectId};
use crate::domain::purpose::Purpose;
use crate::domain::suppression::SuppressionReason;
use crate::store::subjects::Subject;
use crate::store::suppressions::{EVERY_PURPOSE, Suppression};
use crate::store::{ReadTx, StoreError, WriteTx};

use super::once::Asker;
use super::people::Whom;
use super::record::{Occasion, Person, apply, entry};
use super::shape::purposes_named;
use super::{Error, Services};

/// What is to stop, and why.
#[derive(Clone, Default)]
pub struct StopOrder {
    /// Purposes by id or short name; none for all of them.
    pub purposes: Vec<String>,
    /// Why. Without a word it is a withdrawal from the purposes named, or an objection to everything.
    pub reason: Option<SuppressionReason>,
    /// What was said; kept as evidence, sealed.
    pub note: Option<String>,
}

/// What stands after a stop.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// The person; none when only the address went on the list.
    pub subject: Option<SubjectId>,
    /// The purposes it reached, with where the person stands now.
    pub purposes: Vec<(Purpose, ConsentState)>,
}

/// Why staff may enter a stop; the other reasons come from mailboxes and links.
const REASONS: &[SuppressionReason] = &[
    SuppressionReason::Withdrawn,
    SuppressionReason::Objected,
    SuppressionReason::Complained,
    SuppressionReason::Manual,
    SuppressionReason::Legal,
    SuppressionReason::Child,
];

impl StopOrder {
    /// The reason that counts. Only a withdrawal is from this or that; every other reason reaches all there is.
    fn settled_reason(&self) -> Result<SuppressionReason, Error> {
        let unsaid = if self.purposes.is_empty() { SuppressionReason::Objected } else { SuppressionReason::Withdrawn };
        let reason = self.reason.unwrap_or(unsaid);
        if !REASONS.contains(&reason) {
            let names: Vec<&str> = REASONS.iter().map(|reason| reason.name()).collect();
            return Err(Error::field("reason", format!("expected one of {}", names.join(", "))));
        }
        if reason != SuppressionReason::Withdrawn && !self.purposes.is_empty() {
            return Err(Error::field("purposes", "only a withdrawal is for some purposes; this reason is for all"));
        }
        Ok(reason)
    }
}

/// Stops it for a person on record.
pub async fn stop_subject(
    services: &Services,
    asker: Asker,
    subject: SubjectId,
    order: StopOrder,
) -> Result<Stopped, Error> {
    run(services, asker, Whom::Subject(subject), order).await
}

/// Stops it for an address, whether anybody is known under it or not.
pub async fn stop_address(
    services: &Services,
    asker: Asker,
    address: EmailAddress,
    order: StopOrder,
) -> Result<Stopped, Error> {
    run(services, asker, Whom::Address(address), order).await
}

async fn run(services: &Services, asker: Asker, whom: Whom, order: StopOrder) -> Result<Stopped, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let reason = order.settled_reason()?;
    let keys = services.keys.of(scope).await?;
    let source = format!("token:{}", asker.token);
    let occasion = Occasion {
        evidence: order.note.as_ref().map(|note| json!({ "note": note, "entered_by": source })),
        ..Occasion::plain(services.clock.now(), Method::Staff, Some(source))
    };
    let route = whom.route(&keys);
    let work = Work { services: services.clone(), scope, keys, whom, order, reason, occasion };
    let stopped = services.store.write(route, move |tx: &mut WriteTx<'_>| work.run(tx)).await?;
    let subject = stopped.subject.map_or_else(|| "nobody".to_owned(), |id| id.to_string());
    tracing::info!(target: "audit", token = %asker.token, subject, reason = reason.name(), "staff entered a stop");
    Ok(stopped)
}

struct Work {
    services: Services,
    scope: ControllerScope,
    keys: Arc<ControllerKeys>,
    whom: Whom,
    order: StopOrder,
    reason: SuppressionReason,
    occasion: Occasion,
}

impl Work {
    fn run(&self, tx: &mut WriteTx<'_>) -> Result<Stopped, Error> {
        let named = purposes_named(tx, self.scope, "purposes", &self.order.purposes)?;
        let rows = self.whom.lock_told(tx, self.scope, &self.keys)?;
        match &self.whom {
            Whom::Subject(_) if rows.is_empty() => return Err(StoreError::NotFound.into()),
            Whom::Address(address) if rows.is_empty() => return self.suppress(tx, address, named),
            Whom::Subject(_) | Whom::Address(_) => {}
        }
        let (mut first, reached) = (None, if named.is_empty() { tx.purposes(self.scope)? } else { named });
        // Who is on record under the address first: the answer names them.
        for row in rows {
            let stopped = self.stop(tx, row, reached.clone())?;
            first.get_or_insert(stopped);
        }
        first.ok_or_else(|| StoreError::NotFound.into())
    }

    fn stop(&self, tx: &mut WriteTx<'_>, row: Subject, reached: Vec<Purpose>) -> Result<Stopped, Error> {
        let person = Person::open(self.scope, &self.keys, row)?;
        let command = match self.reason {
            SuppressionReason::Objected => Command::Object,
            reason => Command::Withdraw { reason },
        };
        let mut purposes = Vec::with_capacity(reached.len());
        for purpose in reached {
            let decision = apply(tx, &*self.services.ids, &self.keys, &person, purpose.id, command, &self.occasion)?;
            purposes.push((purpose, decision.next.state));
        }
        Ok(Stopped { subject: Some(person.row.id), purposes })
    }

    fn suppress(&self, tx: &mut WriteTx<'_>, address: &EmailAddress, named: Vec<Purpose>) -> Result<Stopped, Error> {
        let on_list = |id: PurposeId| entry(&self.keys, self.scope, address, id, self.reason, &self.occasion);
        let entries: Vec<Suppression> = if named.is_empty() {
            vec![on_list(EVERY_PURPOSE)]
        } else {
            named.iter().map(|purpose| on_list(purpose.id)).collect()
        };
        tx.suppress(&entries)?;
        Ok(Stopped { subject: None, purposes: Vec::new() })
    }
}

/// The "never mail" list in the order of its fingerprints, after `after`, with the controller's purposes to name theirs.
pub async fn list_suppressions(
    services: &Services,
    scope: ControllerScope,
    after: Option<(Vec<u8>, PurposeId)>,
    limit: i64,
) -> Result<(Vec<Suppression>, Vec<Purpose>), Error> {
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            Ok::<_, Error>((tx.suppressions_page(scope, after, limit)?, tx.purposes(scope)?))
        })
        .await
}
