//! Controllers' keys over time: they are rotated while people come and go, and a
//! key that is not the one it was is noticed.

mod alarms;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use reconsent::crypto::KeyUse;
use reconsent::domain::email::EmailAddress;
use reconsent::domain::ids::SubjectId;
use reconsent::store::WriteTx;
use reconsent::usecases::record::Person;
use reconsent::usecases::setup::rotate_key;

use crate::support::TestApp;

/// Until a new version writes in this process.
const SETTLING: Duration = Duration::from_secs(61);

/// People on record who gave no consent; in the order of their making.
async fn people(app: &TestApp, count: usize) -> Vec<SubjectId> {
    let keys = app.services.keys.of(app.scope).await.unwrap();
    let (ids, now) = (Arc::clone(&app.services.ids), app.services.clock.now());
    let address = |n| EmailAddress::parse(&format!("person{n}@example.org")).unwrap();
    let rows: Vec<_> =
        (0..count).map(|n| Person::new_row(app.scope, &keys, ids.as_ref(), &address(n), None, None, now)).collect();
    let made = rows.iter().map(|row| row.id).collect();
    let wrote = app.services.store.write(uuid::Uuid::nil(), move |tx: &mut WriteTx<'_>| tx.add_subjects(&rows)).await;
    wrote.unwrap();
    made
}

async fn rotate(app: &TestApp, key_use: KeyUse) {
    rotate_key(&app.services, app.scope, key_use).await.unwrap();
}

/// The address of a person, as staff see it.
async fn shown(app: &TestApp, id: SubjectId) -> String {
    app.api().get(&format!("/v1/subjects/{id}")).await.expect(200).text("email")
}
