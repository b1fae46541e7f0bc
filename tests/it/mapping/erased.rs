//! Somebody who is erased leaves every list where they stand, and what was kept for that goes with them.

use reconsent::domain::ids::SubjectId;
use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, State};
use reconsent::store::subjects::Subject;
use reconsent::store::{ReadTx, WriteTx};
use reconsent::usecases::clockwork::erase_in;
use serde_json::json;

use super::{is_suppressed, keep};
use crate::remap::{confirmed, purpose_id, state, until, until_in_step};
use crate::support::TestApp;
use crate::support::world::{LIST, OTHER_LIST, Shop, World, eventually};

const ANA: &str = "ana@example.org";
const BEN: &str = "ben@example.org";

async fn row(app: &TestApp, subject: SubjectId) -> Subject {
    let scope = app.scope;
    app.services.store.read(move |tx: &mut ReadTx<'_>| tx.subject(scope, subject)).await.unwrap()
}

async fn erase(app: &TestApp, subject: SubjectId) {
    let (scope, now) = (app.scope, app.services.clock.now());
    let erasing = move |tx: &mut WriteTx<'_>| {
        tx.lock_subject(scope, subject)?;
        erase_in(tx, scope, subject, now)
    };
    app.services.store.write(subject.uuid(), erasing).await.unwrap();
}

both_engines! {
    async fn who_is_erased_leaves_every_list_and_then_nothing_of_them_is_left(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        keep(&app, &shop.destination, &[("newsletter", LIST), ("newsletter", OTHER_LIST)]).await;
        let worker = world.worker();
        confirmed(&app, &shop, &newsletter, &[ANA, BEN]).await;
        for list in [LIST, OTHER_LIST] {
            until(&world, list, &[ANA, BEN], State::Active).await;
        }
        until_in_step(&app).await;

        let ana = app.subject_of(ANA).await;
        let down = Fault { method: None, path: format!("{OTHER_LIST}/unsubscribe"), times: 100_000, kind: FaultKind::Status(503) };
        world.emulator.faults().push(down);
        erase(&app, ana).await;
        let found = app.api().post("/v1/subjects/search", json!({ "email": ANA })).await.expect(200).json;
        assert!(found["subject"].is_null(), "nobody finds her any more");
        let view = app.api().get(&format!("/v1/subjects/{ana}")).await.expect(200).json;
        assert!(view["email"].is_null() && view["erased_at"].is_string(), "{view}");
        until(&world, LIST, &[ANA], State::Deleted).await;
        eventually("the other list is tried", async || {
            let view = app.api().get(&format!("/v1/subjects/{ana}")).await.expect(200).json;
            view["destinations"].as_array().unwrap().iter().any(|one| !one["last_error"].is_null()).then_some(())
        }).await;
        let waiting = row(&app, ana).await;
        assert!(!waiting.wrapped_key.is_empty() && waiting.name.is_none(), "as long as she stands somewhere");

        world.emulator.faults().clear();
        until(&world, OTHER_LIST, &[ANA], State::Deleted).await;
        until_in_step(&app).await;
        let gone = row(&app, ana).await;
        assert!(gone.wrapped_key.is_empty() && gone.email.is_empty(), "key and address are destroyed");
        let view = app.api().get(&format!("/v1/subjects/{ana}")).await.expect(200).json;
        let lists = view["destinations"].as_array().unwrap();
        assert!(lists.len() == 2 && lists.iter().all(|one| one["active"] == false && one["last_error"].is_null()), "{view}");
        assert!(is_suppressed(&world, ANA), "no file imported there by hand mails her again");
        assert_eq!(state(&world, LIST, BEN), Some(State::Active));
        worker.stop().await;
    }

    async fn what_a_comparison_found_of_an_address_goes_with_whoever_has_it(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        for address in [ANA, "eve@example.org"] {
            assert!(world.emulator.subscribe_as_person(LIST, address));
        }
        let worker = world.worker();
        let path = format!("/v1/destinations/{}/reconciles", shop.destination);
        let plan = app.api().post(&path, json!({})).await.expect(202).text("id");
        let findings = async || {
            let found = app.api().get(&format!("/v1/reconciles/{plan}/findings")).await.expect(200).json;
            found["items"].as_array().unwrap().len()
        };
        eventually("two strangers are found", async || (findings().await == 2).then_some(())).await;
        // One of them signs up, and is erased later.
        confirmed(&app, &shop, &newsletter, &[ANA]).await;
        until_in_step(&app).await;
        erase(&app, app.subject_of(ANA).await).await;
        assert_eq!(findings().await, 1);
        until(&world, LIST, &[ANA], State::Deleted).await;
        worker.stop().await;
    }

    async fn who_stands_nowhere_is_erased_at_once(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        confirmed(&app, &shop, &newsletter, &[ANA]).await;
        let ana = app.subject_of(ANA).await;
        erase(&app, ana).await;
        assert!(row(&app, ana).await.wrapped_key.is_empty());
        // The work that waited for her comes to nothing.
        let worker = world.worker();
        until_in_step(&app).await;
        worker.stop().await;
        assert_eq!(world.emulator.request_count(), 0);
    }
}
