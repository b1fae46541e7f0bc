//! Rounds by the provider whose work is cut off: paused in the middle of an import, parked as the key is not taken, or with
//! a download beside it. Whoever stops leaves all the same, and what one has noted the other does not write over.

use std::sync::Arc;

use reconsent::domain::campaign::EntryState;
use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, FaultRule, State, Turn};
use reconsent::store::round_entries::RoundEntry;
use reconsent::usecases::campaigns::{RoundStep, round_step};
use reconsent::usecases::{Pieces, Rules};

use super::handed::*;
use super::*;
use crate::support::world::{self, World, eventually};

/// A round that stands right before its first import.
async fn before_the_import(app: &TestApp, names: &[&str]) -> (World, String, Task, String) {
    let (world, shop) = open(app).await;
    let reader = world.worker();
    let round = prepared(app, &shop, "provider", &csv(names)).await;
    reader.stop().await;
    launch(app, &round).await;
    freeze_all(app, &round).await;
    let task = claim(app).await.expect("the list is asked for");
    // The list is made, and the client's suppression list read.
    for _ in 0..2 {
        assert_eq!(round_step(&app.services, &provider(), &task).await.unwrap(), RoundStep::More);
    }
    let list = list_of(app, &round).await;
    (world, round, task, list)
}

fn strike_the_import(world: &World, kind: FaultKind) {
    world.emulator.faults().push(Fault { method: Some("POST".to_owned()), path: "import".to_owned(), times: 1, kind });
}

async fn entry_of(app: &TestApp, round: &str, name: &str) -> RoundEntry {
    let id = app.subject_of(&address(name)).await;
    entries(app, round).await.into_iter().find(|entry| entry.subject_id == id).unwrap()
}

both_engines! {
    async fn who_stops_while_a_round_is_paused_leaves_although_nobody_knew_of_the_arrival(app: TestApp) {
        let mut app = app;
        let pieces = Pieces { round_rows: 2, ..Pieces::default() };
        app.services.rules = Arc::new(Rules { pieces, ..Rules::default() });
        let (world, round, task, list) = before_the_import(&app, &["ana", "ben", "cleo"]).await;
        strike_the_import(&world, FaultKind::LostAnswer);
        assert!(matches!(round_step(&app.services, &provider(), &task).await.unwrap(), RoundStep::Later(..)));
        assert_eq!(world.emulator.count(&list, State::Active), 2, "they came there, and we do not know it");
        app.api().post(&format!("{round}/pause"), json!({})).await.expect(200);
        let on_the_way: Vec<RoundEntry> =
            entries(&app, &round).await.into_iter().filter(|entry| entry.state == EntryState::Going).collect();
        let [stopped, other] = &on_the_way[..] else { panic!("two were going: {on_the_way:?}") };
        app.api().post(&format!("/v1/subjects/{}/stop", stopped.subject_id), json!({})).await.expect(200);
        let worker = world.worker();
        eventually("the stopped one is off", async || {
            app.clock.advance(Duration::from_secs(1));
            (world.emulator.count(&list, State::Deleted) == 1).then_some(())
        }).await;
        eventually("and that is on record", async || {
            let found = entries(&app, &round).await.into_iter().find(|one| one.subject_id == stopped.subject_id).unwrap();
            (found.state == EntryState::Gone).then_some(())
        }).await;
        let found = entries(&app, &round).await.into_iter().find(|one| one.subject_id == other.subject_id).unwrap();
        assert_eq!(found.state, EntryState::Going, "the other goes on with the round");
        let sum = results(&app, &round).await;
        assert_adds_up(&sum);
        assert_eq!((&sum["handed_to_provider"], counts(&sum["excluded"])), (&json!(0), pairs(&[("opted_out", 1)])), "{sum}");
        app.api().post(&format!("{round}/resume"), json!({})).await.expect(200);
        handed(&app, &round, 2).await;
        worker.stop().await;
        assert_eq!((world.emulator.count(&list, State::Active), world.emulator.count(&list, State::Deleted)), (2, 1));
    }

    async fn a_link_that_was_downloaded_during_an_import_stays_handed_over(app: TestApp) {
        let (world, round, task, list) = before_the_import(&app, &["ana", "ben"]).await;
        // Ana will be refused: the list's owner has taken her off it.
        world.emulator.subscribe_as_person(&list, &address("ana"));
        let path = format!("subscribers/{list}.json?email=ana%40example.org");
        world::api(&world, reqwest::Method::DELETE, &path, None).await;
        strike_the_import(&world, FaultKind::LateAnswer(Duration::from_millis(1500)));
        let services = app.services.clone();
        let step = tokio::spawn(async move { round_step(&services, &provider(), &task).await });
        eventually("the import is under way", async || (world.emulator.faults().waiting() == 0).then_some(())).await;
        let file = app.api().get(&format!("{round}/links.csv")).await.expect(200).body();
        assert_eq!(file.lines().count(), 3, "{file}");
        let given = entry_of(&app, &round, "ana").await.handed_at;
        assert!(given.is_some());
        assert_eq!(step.await.unwrap().unwrap(), RoundStep::More);
        let ana = entry_of(&app, &round, "ana").await;
        assert_eq!((ana.state, ana.handed_at), (EntryState::Gone, given));
        let sum = results(&app, &round).await;
        assert_adds_up(&sum);
        assert_eq!((&sum["asked"], &sum["silent"], counts(&sum["excluded"])), (&json!(2), &json!(2), pairs(&[])), "{sum}");
        assert_eq!(world.emulator.count(&list, State::Active), 1);
    }

    async fn a_round_that_was_parked_for_its_key_goes_on_once_there_is_a_key_that_is_taken(app: TestApp) {
        let (world, shop) = open(&app).await;
        let worker = world.worker();
        let round = prepared(&app, &shop, "provider", &csv(&["ana", "ben"])).await;
        let refused = FaultRule { turn: Turn::Every(1), method: None, path: String::new(), kind: FaultKind::Status(401) };
        assert!(world.emulator.faults().push(refused));
        launch(&app, &round).await;
        let parked = eventually("it is parked", async || {
            let parked = app.api().get("/v1/outbox/parked").await.expect(200).json;
            parked["items"].as_array().unwrap().first().cloned()
        }).await;
        assert_eq!(parked["kind"], "round", "{parked}");
        world.emulator.faults().clear();
        let path = format!("/v1/destinations/{}", shop.destination);
        app.api().patch(&path, json!({ "api_key": "no-such-key" })).await.expect_faults(&["api_key"]);
        app.api().patch(&path, json!({ "api_key": " " })).await.expect_faults(&["api_key"]);
        app.api().patch(&path, json!({})).await.expect_faults(&["on_expiry"]);
        let key = format!(" {} ", world.emulator.account_key());
        let shown = app.api().patch(&path, json!({ "api_key": key })).await.expect(200);
        assert_eq!(shown.json["credential"], "api_key");
        assert!(!shown.body().contains(&world.emulator.account_key()), "a key is never shown again");
        handed(&app, &round, 2).await;
        worker.stop().await;
    }
}
