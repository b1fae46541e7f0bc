//! Controllers' keys over time: they are rotated while people come and go, what older versions seal is sealed anew,
//! versions end when nothing rests on them, and a key that is not the one it was is noticed.

mod alarms;
mod running;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use reconsent::crypto::KeyUse;
use reconsent::domain::email::EmailAddress;
use reconsent::domain::ids::SubjectId;
use reconsent::store::WriteTx;
use reconsent::store::key_rows::KeyedRows;
use reconsent::usecases::key_versions::{KeyVersion, StillNeeded, VersionStanding, list_keys, retire_key};
use reconsent::usecases::record::Person;
use reconsent::usecases::reseal::Resealing;
use reconsent::usecases::setup::rotate_key;

use crate::support::TestApp;

/// Until a new version writes in this process.
const SETTLING: Duration = Duration::from_secs(61);
/// Until it writes in every process.
const SETTLED: Duration = Duration::from_secs(91);
/// Until the one before may be retired.
const FREE: Duration = Duration::from_secs(391);

/// People on record who gave no consent; in the order of their making.
async fn people(app: &TestApp, count: usize) -> Vec<SubjectId> {
    let keys = app.services.keys.of(app.scope).await.unwrap();
    let (ids, now) = (Arc::clone(&app.services.ids), app.services.clock.now());
    let address = |n| EmailAddress::parse(&format!("person{n}@example.org")).unwrap();
    let rows: Vec<_> = (0..count)
        .map(|n| Person::newcomer(app.scope, &keys, ids.as_ref(), &address(n), None, None, now).row)
        .collect();
    let made = rows.iter().map(|row| row.id).collect();
    let wrote = app.services.store.write(uuid::Uuid::nil(), move |tx: &mut WriteTx<'_>| tx.add_subjects(&rows)).await;
    wrote.unwrap();
    made
}

async fn version(app: &TestApp, key_use: KeyUse, version: i32) -> KeyVersion {
    let (keys, _) = list_keys(&app.services, app.scope).await.unwrap();
    keys.into_iter().find(|key| (key.key_use, key.version) == (key_use, version)).expect("there is such a version")
}

async fn standing(app: &TestApp, key_use: KeyUse, wanted: i32) -> VersionStanding {
    version(app, key_use, wanted).await.standing
}

async fn rows(app: &TestApp, key_use: KeyUse, wanted: i32, kind: KeyedRows) -> i64 {
    let key = version(app, key_use, wanted).await;
    key.rows.iter().find(|(named, _)| *named == kind).map(|(_, count)| *count).expect("this kind is counted")
}

pub async fn rotate(app: &TestApp, key_use: KeyUse) {
    rotate_key(&app.services, app.scope, key_use).await.unwrap();
}

async fn retire(app: &TestApp, key_use: KeyUse, version: i32) -> Result<(), StillNeeded> {
    retire_key(&app.services, app.scope, key_use, version).await.unwrap()
}

async fn resealing(app: &TestApp) -> Resealing {
    Resealing::begin(&app.services, app.scope).await.unwrap().expect("the newest version writes")
}

/// Works to the end and says how many pieces it took.
async fn finish(resealing: &Resealing) -> usize {
    let mut pieces = 1;
    while resealing.step().await.unwrap() {
        pieces += 1;
        assert!(pieces < 1000, "it never ends");
    }
    pieces
}

/// The address of a person, as staff see it.
async fn shown(app: &TestApp, id: SubjectId) -> String {
    app.api().get(&format!("/v1/subjects/{id}")).await.expect(200).text("email")
}
