//! Webhooks are looked after: one that is off is switched on and followed by a comparison, and the secret in their address is
//! replaced without a stop getting lost.

use std::time::Duration;

use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, FaultRule, State, Turn};
use serde_json::{Value, json};

use crate::remap::{confirmed, has_stopped, purpose_id, until, until_in_step};
use crate::support::TestApp;
use crate::support::world::{LIST, Shop, World, eventually};

/// The webhooks of the list, as the provider has them.
async fn hooks(world: &World) -> Vec<Value> {
    let url = format!("{}/api/v3.3/lists/{LIST}/webhooks.json", world.emulator.base_url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).basic_auth(world.emulator.account_key(), Some("x")).send().await.unwrap();
    answer.json().await.unwrap()
}

async fn switch_off(world: &World, id: &str) {
    let url = format!("{}/api/v3.3/lists/{LIST}/webhooks/{id}/deactivate.json", world.emulator.base_url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.put(url).basic_auth(world.emulator.account_key(), Some("x")).body(" ").send().await.unwrap();
    assert!(answer.status().is_success());
}

/// Has the list made ready, which makes the webhook.
async fn ready(app: &TestApp, shop: &Shop) {
    let path = format!("/v1/destinations/{}/lists", shop.destination);
    app.api().post(&path, json!({ "purpose": "newsletter", "list_id": LIST })).await.expect(200);
}

fn stop(address: &str) -> Value {
    json!({ "ListID": LIST, "Events": [{ "Type": "Deactivate", "Date": "2100-01-01 12:00:00", "EmailAddress": address,
        "State": "Unsubscribed" }] })
}

both_engines! {
    async fn a_webhook_that_was_switched_off_is_switched_on_and_what_was_missed_is_found(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        ready(&app, &shop).await;
        let worker = world.worker();
        let newsletter = purpose_id(&app, "newsletter").await;
        confirmed(&app, &shop, &newsletter, &["ana@example.org", "ben@example.org"]).await;
        until(&world, LIST, &["ana@example.org", "ben@example.org"], State::Active).await;
        until_in_step(&app).await;
        let hook = hooks(&world).await[0]["WebhookID"].as_str().unwrap().to_owned();
        switch_off(&world, &hook).await;
        assert!(world.emulator.unsubscribe_as_person(LIST, "ben@example.org"));
        // Trouble on the way delays it, no more.
        for kind in [FaultKind::Status(503), FaultKind::Html, FaultKind::ErrorAfterApplying] {
            world.emulator.faults().push(Fault { method: Some("PUT".to_owned()), path: "webhooks".to_owned(), times: 1, kind });
        }
        app.clock.advance(Duration::from_secs(3601));
        eventually("it is on again", async || (hooks(&world).await[0]["Status"] == "Active").then_some(())).await;
        eventually("the stop is known here", async || has_stopped(&app, "ben@example.org").await.then_some(())).await;
        let path = format!("/v1/destinations/{}/reconciles", shop.destination);
        let plan = eventually("the comparison is over", async || {
            let all = app.api().get(&path).await.expect(200).json;
            all["items"].as_array().unwrap().iter().find(|plan| plan["status"] == "done").cloned()
        })
        .await;
        assert_eq!((&plan["cause"], &plan["differences"][0]["kind"]), (&json!("webhook"), &json!("stopped_there")), "{plan}");
        assert_eq!(hooks(&world).await.len(), 1, "none was made twice");
        assert!(!has_stopped(&app, "ana@example.org").await);

        // Where all is well, nothing is done and nothing compared.
        app.clock.advance(Duration::from_secs(3601));
        let upkeep = format!("/v1/destinations/{}/upkeep", shop.destination);
        let now = app.services.clock.now().to_string();
        eventually("it was looked at", async || {
            (app.api().get(&upkeep).await.expect(200).text("watched_at") == now).then_some(())
        })
        .await;
        assert_eq!(app.api().get(&path).await.expect(200).json["items"].as_array().unwrap().len(), 1);
        worker.stop().await;
    }

    async fn the_secret_of_a_webhook_is_replaced_and_the_old_one_is_heard_for_a_while(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        ready(&app, &shop).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        confirmed(&app, &shop, &newsletter, &["ana@example.org", "ben@example.org", "cy@example.org", "di@example.org"]).await;
        let rotate = format!("/v1/destinations/{}/webhook/rotate", shop.destination);
        let url = app.api().post(&rotate, json!({})).await.expect(200).text("webhook_url");
        assert_ne!(url, format!("{}{}", app.base, shop.webhook));
        app.clock.advance(Duration::from_secs(60));
        // Both are heard while the new one is on its way to the provider.
        app.nobody().post(&shop.webhook, stop("ana@example.org")).await.expect(200);
        app.nobody().post(&url.replace(&app.base, ""), stop("ben@example.org")).await.expect(200);
        assert!(has_stopped(&app, "ana@example.org").await && has_stopped(&app, "ben@example.org").await);

        let worker = world.worker();
        let there = eventually("the new one is registered and the old one is gone", async || {
            let there = hooks(&world).await;
            (there.len() == 1 && there[0]["Url"] == url).then_some(there)
        })
        .await;
        assert_eq!(there[0]["Status"], "Active");
        until(&world, LIST, &["cy@example.org", "di@example.org"], State::Active).await;
        until_in_step(&app).await;
        assert!(world.emulator.unsubscribe_as_person(LIST, "cy@example.org"));
        eventually("it is heard", async || has_stopped(&app, "cy@example.org").await.then_some(())).await;
        let path = format!("/v1/destinations/{}/reconciles", shop.destination);
        let compared = app.api().get(&path).await.expect(200).json;
        assert_eq!(compared["items"], json!([]), "nothing was missed: {compared}");

        // The old one is heard for a day, and is no excuse for the new one being off.
        switch_off(&world, there[0]["WebhookID"].as_str().unwrap()).await;
        assert!(world.emulator.unsubscribe_as_person(LIST, "di@example.org"));
        app.clock.advance(Duration::from_secs(3601));
        eventually("what was missed is found", async || has_stopped(&app, "di@example.org").await.then_some(())).await;
        assert_eq!(hooks(&world).await[0]["Status"], "Active");

        app.clock.advance(Duration::from_secs(86_400 + 3600));
        let old = shop.webhook.clone();
        eventually("the old one is heard no more", async || {
            (app.nobody().post(&old, stop("ana@example.org")).await.status == 404).then_some(())
        })
        .await;
        app.nobody().post(&url.replace(&app.base, ""), stop("ben@example.org")).await.expect(200);
        worker.stop().await;
        for _ in 0..5 {
            app.api().post(&rotate, json!({})).await.expect(200);
        }
        app.api().post(&rotate, json!({})).await.expect_problem(409, "not-now");
    }

    async fn a_webhook_that_cannot_be_put_right_has_both_sides_compared_once_a_day(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let refused = FaultRule { turn: Turn::Every(1), method: Some("POST".to_owned()), path: "webhooks".to_owned(), kind: FaultKind::Status(400) };
        assert!(world.emulator.faults().push(refused));
        let worker = world.worker();
        let path = format!("/v1/destinations/{}/reconciles", shop.destination);
        let upkeep = format!("/v1/destinations/{}/upkeep", shop.destination);
        let mut looks = Vec::new();
        for _ in 0..4 {
            app.clock.advance(Duration::from_secs(3601));
            let now = app.services.clock.now().to_string();
            eventually("it was looked at", async || {
                app.api().get(&upkeep).await.expect(200).json["watched_at"].as_str().is_some_and(|at| *at >= *now).then_some(())
            })
            .await;
            looks.push(app.api().get(&path).await.expect(200).json["items"].as_array().unwrap().len());
        }
        assert_eq!(looks, [1, 1, 1, 1]);
        app.clock.advance_days(1);
        eventually("a day later both sides are compared again", async || {
            (app.api().get(&path).await.expect(200).json["items"].as_array().unwrap().len() == 2).then_some(())
        })
        .await;
        worker.stop().await;
    }
}
