//! Lists that marketers upload: each row reported, nobody confirmed, nobody mailed without evidence, nobody brought
//! back who stopped it; and a crash in the middle that neither skips nor doubles a row.

use std::collections::BTreeMap;

use reconsent::domain::basis::BasisKind;
use reconsent::domain::consent::{Act, Command, ConsentState};
use reconsent::domain::email::EmailAddress;
use reconsent::domain::event::Method;
use reconsent::domain::ids::{ImportId, PurposeId, SubjectId};
use reconsent::domain::suppression::SuppressionReason;
use reconsent::domain::task::TaskKind;
use reconsent::domain::time::Timestamp;
use reconsent::store::consents::Consent;
use reconsent::store::subjects::Subject;
use reconsent::store::{ReadTx, WriteTx};
use reconsent::usecases::Error;
use reconsent::usecases::imports::{ImportReading, Step, forget_unfinished, read_import_chunk};
use reconsent::usecases::record::{Occasion, Person, apply};
use serde_json::{Value, json};

use crate::support::world::{World, eventually};
use crate::support::{Answer, TestApp};

mod claims;
mod crashes;
mod fairness;
mod provider;
mod stops;
mod uploads;

const DECLARED: &str = "basis=consent&collected_at=2026-03-01&how=till&statement=Signed%20cards&attester=B.%20Lee";

async fn purpose(app: &TestApp, slug: &str) -> PurposeId {
    let body = json!({ "slug": slug, "label": slug, "description": "A letter a month", "validity": "P24M" });
    app.api().post("/v1/purposes", body).await.expect(201).text("id").parse().unwrap()
}

async fn upload(app: &TestApp, query: &str, csv: impl Into<Vec<u8>>) -> Answer {
    app.api().upload(&format!("/v1/imports?{query}"), "text/csv", csv).await.expect(202)
}

/// Reads an import to its end as the worker does.
async fn work(app: &TestApp, id: &str) -> Value {
    let id: ImportId = id.parse().unwrap();
    if let Some(mut reading) = ImportReading::open(&app.services, app.scope, id).await.unwrap() {
        while reading.step().await.unwrap() == Step::More {}
    }
    app.api().get(&format!("/v1/imports/{id}")).await.expect(200).json
}

/// Uploads and reads; gives the import's last word.
async fn import(app: &TestApp, query: &str, csv: impl Into<Vec<u8>>) -> Value {
    let id = upload(app, query, csv).await.text("id");
    work(app, &id).await
}

/// Row, outcome and detail of the whole report.
async fn report(app: &TestApp, done: &Value) -> Vec<(i64, String, String)> {
    let page = app.api().get(&format!("/v1/imports/{}/rows?limit=500", done["id"].as_str().unwrap())).await.expect(200);
    let rows = page.json["items"].as_array().unwrap().iter().map(|row| {
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        (row["row"].as_i64().unwrap(), text("outcome"), text("detail"))
    });
    rows.collect()
}

fn outcomes(done: &Value) -> BTreeMap<String, i64> {
    serde_json::from_value(done["outcomes"].clone()).unwrap()
}

async fn subject(app: &TestApp, address: &str) -> Option<Subject> {
    let keys = app.services.keys.of(app.scope).await.unwrap();
    let key = keys.email_fingerprint(&EmailAddress::parse(address).unwrap().match_key());
    let scope = app.scope;
    app.services.store.read(move |tx: &mut ReadTx<'_>| tx.subject_by_fingerprint(scope, &key)).await.unwrap()
}

async fn consents(app: &TestApp, subject: SubjectId) -> Vec<Consent> {
    let scope = app.scope;
    app.services.store.read(move |tx: &mut ReadTx<'_>| tx.consents_of(scope, subject)).await.unwrap()
}

async fn consent(app: &TestApp, address: &str) -> Consent {
    consents(app, subject(app, address).await.unwrap().id).await.remove(0)
}

/// Does something in a person's name.
async fn act(app: &TestApp, address: &str, purpose: PurposeId, command: Command) {
    let (house, scope) = (app.services.clone(), app.scope);
    let keys = house.keys.of(scope).await.unwrap();
    let row = subject(app, address).await.unwrap();
    let occasion = Occasion::plain(house.clock.now(), Method::Staff, None);
    let written = app.services.store.write(row.id.uuid(), move |tx: &mut WriteTx<'_>| {
        let row = tx.lock_subject(scope, row.id)?;
        let person = Person::open(scope, &keys, row)?;
        apply(tx, &*house.ids, &keys, &person, purpose, command, &occasion).map(|_| ())
    });
    written.await.unwrap();
}

async fn sync_is_asked_for(app: &TestApp, subject: SubjectId) -> bool {
    let scope = app.scope;
    let task = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.task(scope, TaskKind::Sync, subject.uuid())).await;
    task.unwrap().is_some()
}

fn give(app: &TestApp) -> Command {
    use reconsent::domain::purpose::Terms;
    let valid_until = app.services.clock.now().plus(std::time::Duration::from_secs(86_400 * 700));
    Command::Give { act: Act::SingleOptIn, terms: Terms { valid_until, refresh_from: valid_until } }
}
