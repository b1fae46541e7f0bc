//! People on record, put there through the rules rather than the door, for tests about what happens to them later.

use reconsent::domain::consent::{Act, Command};
use reconsent::domain::email::EmailAddress;
use reconsent::domain::event::{EventKind, Method};
use reconsent::domain::ids::{PurposeId, SubjectId};
use reconsent::store::{ReadTx, WriteTx};
use reconsent::usecases::Error;
use reconsent::usecases::record::{Occasion, Person, apply};

use super::TestApp;

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
        let new = Person::new_row(scope, &keys, services.ids.as_ref(), &address, None, None, now);
        let house = services.clone();
        let wrote = services.store.write(new.id.uuid(), move |tx: &mut WriteTx<'_>| {
            let row = tx.find_or_add_subject(scope, &new)?;
            let person = Person::open(scope, &keys, row)?;
            let give = Command::Give { act: Act::SingleOptIn, terms: tx.purpose(scope, purpose)?.terms(now) };
            apply(tx, house.ids.as_ref(), &keys, &person, purpose, give, &occasion)?;
            Ok::<_, Error>(person.row.id)
        });
        wrote.await.expect("the yes is recorded")
    }

    /// The kinds of a person's events, in order.
    pub async fn events(&self, subject: SubjectId) -> Vec<EventKind> {
        let scope = self.scope;
        let events =
            self.services.store.read(move |tx: &mut ReadTx<'_>| tx.events_of(scope, subject, None, 1000)).await;
        events.expect("events can be read").iter().map(|event| event.kind).collect()
    }
}
