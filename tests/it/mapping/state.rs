//! What was brought about at the destinations is seen: list by list for one person, and in numbers for all.

use std::time::Duration;

use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, State};
use serde_json::{Value, json};

use super::{keep, stop};
use crate::remap::{purpose_id, until, until_in_step};
use crate::support::{Process, TestApp};

use crate::support::world::{LIST, OTHER_LIST, Shop, World, eventually};

const ANA: &str = "ana@example.org";

async fn view(app: &TestApp) -> Value {
    let subject = app.subject_of(ANA).await;
    app.api().get(&format!("/v1/subjects/{subject}")).await.expect(200).json
}

fn on<'a>(view: &'a Value, list: &str) -> &'a Value {
    view["destinations"].as_array().unwrap().iter().find(|one| one["list_id"] == list).unwrap()
}

both_engines! {
    async fn where_a_person_stands_is_shown_list_by_list(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        keep(&app, &shop.destination, &[("newsletter", LIST), ("tracking", OTHER_LIST)]).await;
        app.consenting(ANA, &newsletter, &shop.notice, &shop.policy_version).await;
        let waiting = view(&app).await;
        assert_eq!(waiting["destinations"], json!([{ "destination_id": shop.destination, "list_id": LIST,
            "purposes": ["newsletter"], "wanted": true, "active": false, "synced_at": null, "event_id": null, "event": null,
            "event_at": null, "last_error": null, "seen": null, "seen_at": null }]));
        assert_eq!((&waiting["sync"]["state"], &waiting["sync"]["attempts"]), (&json!("queued"), &json!(0)), "{waiting}");

        let worker = world.worker();
        until(&world, LIST, &[ANA], State::Active).await;
        until_in_step(&app).await;
        let there = view(&app).await;
        let list = on(&there, LIST);
        assert_eq!((&list["active"], &list["event"], &list["last_error"]), (&json!(true), &json!("consent.given"), &Value::Null));
        assert!(list["synced_at"].is_string() && list["event_id"].is_string() && there["sync"].is_null(), "{there}");

        let down = Fault { method: Some("POST".to_owned()), path: "unsubscribe".to_owned(), times: 100_000, kind: FaultKind::Status(503) };
        world.emulator.faults().push(down);
        stop(&app, ANA, &["newsletter"]).await;
        let troubled = eventually("the trouble is seen", async || {
            let seen = view(&app).await;
            (!on(&seen, LIST)["last_error"].is_null() && seen["sync"]["attempts"].as_i64() > Some(0)).then_some(seen)
        }).await;
        let list = on(&troubled, LIST);
        assert_eq!((&list["wanted"], &list["active"], &list["purposes"]), (&json!(false), &json!(true), &json!([])), "{troubled}");
        assert!(list["last_error"].as_str().unwrap().contains("503"), "{troubled}");
        world.emulator.faults().clear();
        until(&world, LIST, &[ANA], State::Unsubscribed).await;
        until_in_step(&app).await;
        let gone = view(&app).await;
        assert_eq!((&on(&gone, LIST)["active"], &on(&gone, LIST)["event"]), (&json!(false), &json!("consent.withdrawn")));

        // A list that the account does not have needs a person, who is told.
        keep(&app, &shop.destination, &[("newsletter", "d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4")]).await;
        app.confirming(ANA, &newsletter, &shop.notice, &shop.policy_version).await;
        let stuck = eventually("the work is parked", async || {
            let seen = view(&app).await;
            (seen["sync"]["state"] == "parked").then_some(seen)
        }).await;
        assert!(stuck["sync"]["last_error"].is_string(), "{stuck}");
        worker.stop().await;
    }

    async fn how_long_changes_wait_for_the_provider_is_a_number_without_names(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let ops = format!("127.0.0.1:{port}");
        let mut process = Process::new(&app, &[("RECONSENT_OPS_LISTEN", &ops)]);
        process.start();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let numbers = async || {
            let answer = http.get(format!("http://{ops}/metrics")).send().await.ok()?;
            answer.text().await.ok()
        };
        let lag = |numbers: &str| {
            let line = numbers.lines().find_map(|line| line.strip_prefix("reconsent_sync_lag_seconds "))?;
            line.trim().parse::<f64>().ok()
        };
        eventually("nothing waits", async || (lag(&numbers().await?)? == 0.0).then_some(())).await;

        world.emulator.stop().unwrap();
        let now = app.services.clock.now();
        app.clock.set(&now.minus(Duration::from_secs(3600)).to_string());
        app.consenting(ANA, &newsletter, &shop.notice, &shop.policy_version).await;
        let told = eventually("the lag is told", async || {
            let told = numbers().await?;
            (lag(&told)? >= 3600.0).then_some(told)
        }).await;
        assert!(lag(&told).unwrap() < 3700.0, "{told}");
        let depth = |state: &str| {
            let name = format!("reconsent_outbox_depth{{kind=\"sync\",state=\"{state}\"}} ");
            told.lines().find_map(|line| line.strip_prefix(name.as_str())).map(|text| text.trim().to_owned())
        };
        let depths: Vec<f64> = ["queued", "claimed", "parked"].iter().map(|state| depth(state).unwrap().parse().unwrap()).collect();
        assert_eq!(depths.iter().sum::<f64>(), 1.0, "{told}");
        assert!(!told.contains("acme") && !told.contains(&app.scope.controller().to_string()), "{told}");
    }
}
