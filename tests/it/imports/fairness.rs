//! Lists take turns: who posts a short one does not wait for somebody else's long one (R-49, P12).

use std::time::Duration;

use reconsent::worker::WorkerSettings;

use super::*;
use crate::support::world::quick;

/// A worker whose turns are as short as can be.
fn in_turns() -> WorkerSettings {
    WorkerSettings { import_turn: Duration::ZERO, ..quick() }
}

fn list(rows: usize, differing: usize) -> String {
    let mut csv = "email\n".to_owned();
    (0..rows).for_each(|n| csv.push_str(&format!("person{}@example.org\n", n % differing)));
    csv
}

/// Waits for an import's end while time goes on, as a list that gave way is not due at once.
async fn done(app: &TestApp, api: &crate::support::Api, id: &str) -> Value {
    for _ in 0..3000 {
        let now = api.get(&format!("/v1/imports/{id}")).await.expect(200).json;
        if now["status"] == "done" {
            return now;
        }
        app.clock.advance(Duration::from_millis(23));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the import does not come to its end");
}

async fn lane_of(app: &TestApp, id: &str) -> i16 {
    let (scope, import): (_, ImportId) = (app.scope, id.parse().unwrap());
    let task =
        app.services.store.read(move |tx: &mut ReadTx<'_>| tx.task(scope, TaskKind::Import, import.uuid())).await;
    task.unwrap().unwrap().lane
}

both_engines! {
    async fn a_short_do_not_mail_list_does_not_wait_for_another_controllers_long_list(app: TestApp) {
        purpose(&app, "newsletter").await;
        let (_, other) = app.other_controller("umbrella").await;
        let world = World::around(&app);
        let query = format!("kind=contacts&purposes=newsletter&{DECLARED}");
        let long = upload(&app, &query, list(15_000, 15_000)).await.text("id");
        let worker = world.worker_with(in_turns());
        let (api, path) = (app.api(), format!("/v1/imports/{long}"));
        eventually("the long list is being read", async || {
            (api.get(&path).await.expect(200).json["status"] == "reading").then_some(())
        }).await;

        let short = other.upload("/v1/imports?kind=do-not-mail", "text/csv", "email\nana@example.org\n").await.expect(202);
        done(&app, &other, &short.text("id")).await;
        let meanwhile = api.get(&path).await.expect(200).json;
        assert_eq!(meanwhile["status"], "reading", "the long list has hardly begun: {meanwhile}");
        assert!(meanwhile["rows"].as_i64().unwrap() < 10_000, "{meanwhile}");
        let whole = done(&app, &api, &long).await;
        assert_eq!(outcomes(&whole), BTreeMap::from([("added".to_owned(), 15_000)]));
        worker.stop().await;
    }

    async fn lists_that_take_turns_on_two_instances_are_read_to_the_letter(app: TestApp) {
        purpose(&app, "newsletter").await;
        let (_, other) = app.other_controller("umbrella").await;
        let new = json!({ "slug": "newsletter", "label": "News", "description": "A letter a month" });
        other.post("/v1/purposes", new).await.expect(201);
        let world = World::around(&app);
        let path = format!("/v1/imports?kind=contacts&purposes=newsletter&{DECLARED}");
        let mut ids = Vec::new();
        for api in [app.api(), app.api(), other.clone()] {
            // The second half repeats the first: what was read in an earlier turn has to be remembered.
            ids.push((api.clone(), api.upload(&path, "text/csv", list(6000, 3000)).await.expect(202).text("id")));
        }
        let (one, two) = (world.worker_with(in_turns()), world.worker_with(in_turns()));
        let mut added = 0;
        for (api, id) in ids {
            let done = done(&app, &api, &id).await;
            let found = outcomes(&done);
            assert_eq!(found["duplicate"], 3000, "{found:?}");
            added += found.get("added").copied().unwrap_or(0);
            assert_eq!(found.values().sum::<i64>(), 6000, "no row twice, none left out: {found:?}");
        }
        assert_eq!(added, 6000, "two controllers with three thousand people each");
        one.stop().await;
        two.stop().await;
    }

    async fn stops_go_before_contacts_and_short_lists_before_long_ones(app: TestApp) {
        purpose(&app, "newsletter").await;
        let query = format!("kind=contacts&purposes=newsletter&{DECLARED}");
        let long = upload(&app, &query, list(20_000, 20_000)).await.text("id");
        let short = upload(&app, &query, list(10, 10)).await.text("id");
        let stops = upload(&app, "kind=do-not-mail", list(20_000, 20_000)).await.text("id");
        let lanes = (lane_of(&app, &stops).await, lane_of(&app, &short).await, lane_of(&app, &long).await);
        assert!(lanes.0 < lanes.1 && lanes.1 < lanes.2, "{lanes:?}");
    }
}
