//! People on record, put there through the rules rather than the door, for tests about what happens to them later.

use std::time::Duration;

use reconsent::domain::consent::{Act, Command};
use reconsent::domain::email::EmailAddress;
use reconsent::domain::event::{EventKind, Method};
use reconsent::domain::ids::{PurposeId, SubjectId};
use reconsent::domain::suppression::SuppressionReason;
use reconsent::store::subjects::Subject;
use reconsent::store::{ReadTx, StoreError, WriteTx};
use reconsent::usecases::Error;
use reconsent::usecases::record::{Occasion, Person, apply};

use super::TestApp;

/// The person with this address, added if nobody knows it.
pub fn find_or_add(tx: &mut WriteTx<'_>, new: &Subject) -> Result<Subject, StoreError> {
    tx.add_subjects(std::slice::from_ref(new))?;
    let found = tx.lock_people_by_address(&[(new.controller_id, &new.email_key)])?;
    found.into_iter().next().ok_or(StoreError::NotFound)
}

impl TestApp {
    /// Somebody who said yes to a purpose under a notice and a policy version, by a form without confirmation.
    pub async fn consenting(&self, address: &str, purpose: &str, notice: &str, policy_version: &str) -> SubjectId {
        let address = EmailAddress::parse(address).expect("an address");
        let purpose: PurposeId = purpose.parse().expect("a purpose's id");
        let (services, scope, now) = (self.services.clone(), self.scope, self.services.clock.now());
        let keys = services.keys.of(scope).await.expect("the controller has keys");
        let occasion = Occasion {
            notice: Some(notice.parse().expect("a notice's id")),
            policy_version: Some(policy_version.parse().expect("a policy version's id")),
            ..Occasion::plain(now, Method::Form, None)
        };
        let new = Person::newcomer(scope, &keys, services.ids.as_ref(), &address, None, None, now).row;
        let house = services.clone();
        let wrote = services.store.write(new.id.uuid(), move |tx: &mut WriteTx<'_>| {
            let row = find_or_add(tx, &new)?;
            let person = Person::open(scope, &keys, row)?;
            let give = Command::Give { act: Act::SingleOptIn, terms: tx.purpose(scope, purpose)?.terms(now) };
            apply(tx, house.ids.as_ref(), &keys, &person, purpose, give, &occasion)?;
            Ok::<_, Error>(person.row.id)
        });
        wrote.await.expect("the yes is recorded")
    }

    /// Somebody on record asks for a purpose by a form, and confirms it by the link in the mail.
    pub async fn confirming(&self, address: &str, purpose: &str, notice: &str, policy_version: &str) {
        let ask = Command::Request { until: self.services.clock.now().plus(Duration::from_secs(3600)) };
        self.says_yes(address, purpose, notice, policy_version, &[ask], Act::ConfirmedByLink).await;
    }

    /// Somebody whose consent stands says yes again, by the link of a mail that asked.
    pub async fn renewing(&self, address: &str, purpose: &str, notice: &str, policy_version: &str) {
        self.says_yes(address, purpose, notice, policy_version, &[], Act::AnsweredByLink).await;
    }

    async fn says_yes(
        &self,
        address: &str,
        purpose: &str,
        notice: &str,
        policy_version: &str,
        before: &[Command],
        act: Act,
    ) {
        let subject = self.subject_of(address).await;
        let purpose: PurposeId = purpose.parse().expect("a purpose's id");
        let (services, scope, now) = (self.services.clone(), self.scope, self.services.clock.now());
        let keys = services.keys.of(scope).await.expect("the controller has keys");
        let occasion = Occasion {
            notice: Some(notice.parse().expect("a notice's id")),
            policy_version: Some(policy_version.parse().expect("a policy version's id")),
            ..Occasion::plain(now, Method::ConfirmLink, None)
        };
        let (house, before) = (services.clone(), before.to_vec());
        let wrote = services.store.write(subject.uuid(), move |tx: &mut WriteTx<'_>| {
            let person = Person::open(scope, &keys, tx.lock_subject(scope, subject)?)?;
            let give = Command::Give { act, terms: tx.purpose(scope, purpose)?.terms(now) };
            for command in before.iter().copied().chain([give]) {
                apply(tx, house.ids.as_ref(), &keys, &person, purpose, command, &occasion)?;
            }
            Ok::<_, Error>(())
        });
        wrote.await.expect("the yes is recorded");
    }

    /// The kinds of a person's events, in order.
    pub async fn events(&self, subject: SubjectId) -> Vec<EventKind> {
        let scope = self.scope;
        let events =
            self.services.store.read(move |tx: &mut ReadTx<'_>| tx.events_of(scope, subject, None, 1000)).await;
        events.expect("events can be read").iter().map(|event| event.kind).collect()
    }

    /// The person with this address, who has to be on record.
    pub async fn subject_of(&self, address: &str) -> SubjectId {
        let address = EmailAddress::parse(address).expect("an address");
        let keys = self.services.keys.of(self.scope).await.expect("the controller has keys");
        let (scope, fingerprint) = (self.scope, keys.email_fingerprint(&address.match_key()));
        let found =
            self.services.store.read(move |tx: &mut ReadTx<'_>| tx.subject_by_fingerprint(scope, &fingerprint)).await;
        found.expect("people can be looked up").expect("the person is on record").id
    }

    /// The names of the kinds of a person's events, in order.
    pub async fn events_of(&self, address: &str) -> Vec<String> {
        let subject = self.subject_of(address).await;
        self.events(subject).await.iter().map(|kind| kind.name().to_owned()).collect()
    }

    /// A person stops everything, as if by a link of an earlier mail.
    pub async fn withdraw_directly(&self, address: &str) {
        let subject = self.subject_of(address).await;
        let (services, scope) = (self.services.clone(), self.scope);
        let keys = services.keys.of(scope).await.expect("the controller has keys");
        let occasion = Occasion::plain(services.clock.now(), Method::OneClick, None);
        let house = services.clone();
        let wrote = services.store.write(subject.uuid(), move |tx: &mut WriteTx<'_>| {
            let person = Person::open(scope, &keys, tx.lock_subject(scope, subject)?)?;
            for purpose in tx.purposes(scope)? {
                let stop = Command::Withdraw { reason: SuppressionReason::Withdrawn };
                apply(tx, house.ids.as_ref(), &keys, &person, purpose.id, stop, &occasion)?;
            }
            Ok::<_, Error>(())
        });
        wrote.await.expect("the stop is recorded");
    }
}
