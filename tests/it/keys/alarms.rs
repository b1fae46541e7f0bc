//! Keys that are not the ones they were, and canary records that somebody opens.

use reconsent::crypto::{Key, Place, RootKeys};
use reconsent::http::ops::{OpsDoor, Readiness};
use reconsent::store::ReadTx;
use reconsent::usecases::clockwork::expire_due;
use serde_json::json;
use tokio::runtime::Handle;

use super::*;
use crate::support::ROOT_KEY;

/// What readiness says of the whole, and of keys.
async fn readiness(app: &TestApp) -> (&'static str, &'static str) {
    let url = reconsent::store::DatabaseUrl::parse(app.database_url()).unwrap();
    let report = Readiness::new(&app.services, url, 1000, Handle::current(), &OpsDoor::default()).look().await;
    (report.status, report.keys)
}

/// Puts another key in the place of one, sealed under the right root key; gives the one that was there.
async fn swap(app: &TestApp, key_use: KeyUse, sealed: Option<Vec<u8>>) -> Vec<u8> {
    let (scope, controller) = (app.scope, app.scope.controller().uuid());
    let keys = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.controller_keys(scope)).await.unwrap();
    let before = keys.into_iter().find(|key| key.key_use == key_use.name()).unwrap().sealed;
    let root = RootKeys::parse(ROOT_KEY, None).unwrap();
    let place = Place { table: "controller_keys", column: key_use.name(), controller, row: controller, key_version: 1 };
    let sealed = sealed.unwrap_or_else(|| root.seal(&place, Key::random().bytes()));
    let swapped = move |tx: &mut WriteTx<'_>| tx.reseal_controller_key(scope, key_use.name(), 1, &sealed);
    app.services.store.write(controller, swapped).await.unwrap();
    app.services.keys.forget();
    before
}

both_engines! {
    async fn a_key_that_is_not_the_one_it_was_stops_its_controller_and_nobody_else(app: TestApp) {
        let (_, other) = app.other_controller("other").await;
        let ana = people(&app, 1).await[0];
        for key_use in KeyUse::ALL {
            assert_eq!(readiness(&app).await, ("ready", "ok"));
            let right = swap(&app, key_use, None).await;
            app.api().get(&format!("/v1/subjects/{ana}")).await.expect(500);
            assert!(expire_due(&app.services, app.scope).await.is_err(), "the clock finds it without anybody asking");
            assert_eq!(app.services.keys.alarms().wrong_keys(), 1, "{key_use:?}");
            assert_eq!(readiness(&app).await, ("ready", "wrong key"));
            other.post("/v1/subjects/search", json!({"email": "ana@example.org"})).await.expect(200);
            assert!(rotate_key(&app.services, app.scope, KeyUse::Data).await.is_err(), "nothing is built on it");

            swap(&app, key_use, Some(right)).await;
            assert_eq!(shown(&app, ana).await, "person0@example.org");
        }
        assert_eq!(readiness(&app).await, ("ready", "ok"));
        let nothing = swap(&app, KeyUse::Index, Some(Vec::new())).await;
        assert!(app.services.keys.of(app.scope).await.is_err(), "one that does not open at all is no better");
        swap(&app, KeyUse::Index, Some(nothing)).await;

        let scope = app.scope;
        let lost = move |tx: &mut WriteTx<'_>| tx.drop_key_canary(scope, "suppression", 1);
        app.services.store.write(uuid::Uuid::nil(), lost).await.unwrap();
        app.services.keys.forget();
        assert!(app.services.keys.of(app.scope).await.is_err(), "a canary cannot be taken away");
        assert_eq!(app.services.keys.alarms().wrong_keys(), 1);
    }

    async fn who_goes_through_everybody_opens_a_canary_and_that_is_told(app: TestApp) {
        let ana = people(&app, 1).await[0];
        rotate(&app, KeyUse::Data).await;
        app.clock.advance(SETTLED);
        finish(&resealing(&app).await).await;
        app.clock.advance(FREE);
        retire(&app, KeyUse::Data, 1).await.unwrap();
        shown(&app, ana).await;
        app.api().post("/v1/subjects/search", json!({"email": "person0@example.org"})).await.expect(200);
        assert_eq!(app.services.keys.alarms().canaries_opened(), 0, "daily work opens none");

        let decoys: Vec<_> = app.services.keys.of(app.scope).await.unwrap().decoys().collect();
        assert_eq!(decoys.len(), 2, "one from the beginning, whose key is retired, and one from the rotation");
        for (n, decoy) in (1..).zip(&decoys) {
            let email = shown(&app, SubjectId::from_uuid(*decoy)).await;
            assert!(email.ends_with(".invalid"), "nothing can be sent there");
            assert_eq!(app.services.keys.alarms().canaries_opened(), 2 * n - 1);
            app.api().post("/v1/subjects/search", json!({"email": email})).await.expect(200);
            assert_eq!(readiness(&app).await, ("ready", "canary opened"));
        }
    }
}
