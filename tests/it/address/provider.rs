//! The entry there is given the new address; whatever goes wrong on the way, nobody is active there twice, and whoever has
//! stopped is active there under no address.

use reconsent::sandbox::campaign_monitor::{FaultRule, State};
use serde_json::json;

use super::*;
use crate::remap::{state, until, until_in_step};
use crate::support::world::{LIST, eventually};

fn fault(world: &World, rule: &str) {
    world.emulator.faults().push(rule.parse::<FaultRule>().unwrap());
}

fn field(world: &World, address: &str, name: &str) -> Option<String> {
    let found = world.emulator.subscriber(LIST, address)?;
    found.fields.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Has the provider tell us what happens on the list.
async fn listen(app: &TestApp, world: &World, shop: &Shop) {
    let hook = json!({ "Events": ["Subscribe", "Deactivate", "Update"], "Url": format!("{}{}", app.base, shop.webhook),
        "PayloadFormat": "json" });
    crate::support::world::api(world, reqwest::Method::POST, &format!("lists/{LIST}/webhooks.json"), Some(hook)).await;
}

async fn stop(app: &TestApp, ana: &Ana) {
    let order = json!({ "purposes": ["newsletter"], "reason": "withdrawn" });
    app.api().post(&format!("/v1/subjects/{}/stop", ana.id), order).await.expect(200);
}

both_engines! {
    async fn the_entry_is_given_the_new_address_and_its_proof_stays(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        listen(&app, &world, &ana.shop).await;
        let worker = world.worker();
        until(&world, LIST, &[OLD], State::Active).await;
        let proof = field(&world, OLD, "ConsentDate");
        assert!(proof.is_some());
        let link = ana.asked(&app, &world, NEW).await;
        until_in_step(&app).await;
        assert_eq!((state(&world, LIST, OLD), state(&world, LIST, NEW)), (Some(State::Active), None), "not before the yes");
        pages::answer(&app, &app.nobody(), &link, &[("choice", "yes")]).await.expect(200);
        until(&world, LIST, &[NEW], State::Active).await;
        until_in_step(&app).await;
        assert_eq!(state(&world, LIST, OLD), None, "one person, one entry");
        assert_eq!(field(&world, NEW, "ConsentDate"), proof);
        assert_eq!(field(&world, NEW, "Purposes").as_deref(), Some("newsletter"));
        // Our own change has come back by the webhook by now, and is no stop.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert_eq!(ana.events(&app).await, ["consent.given", "address.changed"]);
        stop(&app, &ana).await;
        until(&world, LIST, &[NEW], State::Unsubscribed).await;
        worker.stop().await;
    }

    async fn a_lost_answer_ends_in_one_active_address(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        until(&world, LIST, &[OLD], State::Active).await;
        until_in_step(&app).await;
        let weather = [
            "next 1 PUT subscribers: 504 after",
            "next 1 PUT subscribers: lost",
            "next 2 PUT subscribers: 503",
            "next 1 POST import: 504 after",
            "next 1 GET subscribers: 503",
        ];
        let mut before = OLD.to_owned();
        for (n, rule) in weather.into_iter().enumerate() {
            app.clock.advance_days(2); // one person is asked only so often a day
            let after = format!("ana{n}@example.com");
            fault(&world, rule);
            ana.moves(&app, &world, &after).await;
            until(&world, LIST, &[&after], State::Active).await;
            until_in_step(&app).await;
            assert_eq!(state(&world, LIST, &before), None, "{rule}");
            before = after;
        }
        assert_eq!(world.emulator.count(LIST, State::Active), 1);
        assert_eq!(ana.newsletter(&app).await, "confirmed");
        worker.stop().await;
    }

    async fn who_stops_before_the_provider_has_heard_of_the_move_is_active_under_no_address(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        until(&world, LIST, &[OLD], State::Active).await;
        until_in_step(&app).await;
        fault(&world, "every 1 subscribers: 503");
        ana.moves(&app, &world, NEW).await;
        ana.moves(&app, &world, "ana.third@example.com").await;
        stop(&app, &ana).await;
        assert_eq!(state(&world, LIST, OLD), Some(State::Active));
        world.emulator.faults().clear();
        until(&world, LIST, &[OLD], State::Unsubscribed).await;
        until_in_step(&app).await;
        for address in [NEW, "ana.third@example.com"] {
            assert_ne!(state(&world, LIST, address), Some(State::Active));
        }
        worker.stop().await;
    }

    async fn who_moves_twice_before_the_provider_hears_of_it_is_there_once(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        until(&world, LIST, &[OLD], State::Active).await;
        until_in_step(&app).await;
        // The first change is made there, and its answer is lost, and then nothing is heard for a while.
        fault(&world, "next 1 PUT subscribers: 504 after");
        fault(&world, "every 1 import: 503");
        ana.moves(&app, &world, NEW).await;
        until(&world, LIST, &[NEW], State::Active).await;
        ana.moves(&app, &world, "ana.third@example.com").await;
        world.emulator.faults().clear();
        until(&world, LIST, &["ana.third@example.com"], State::Active).await;
        until_in_step(&app).await;
        for address in [OLD, NEW] {
            assert_eq!(state(&world, LIST, address), None, "{address}");
        }
        // And back again: the old address is theirs once more.
        ana.moves(&app, &world, OLD).await;
        until(&world, LIST, &[OLD], State::Active).await;
        until_in_step(&app).await;
        assert_eq!(state(&world, LIST, "ana.third@example.com"), None);
        let former = ana.view(&app).await["former_addresses"].clone();
        assert!(former.as_array().unwrap().iter().all(|one| one["email"] != OLD), "{former}");
        worker.stop().await;
    }

    async fn an_entry_of_its_own_under_the_new_address_stays_and_the_old_one_goes(app: TestApp) {
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        until(&world, LIST, &[OLD], State::Active).await;
        until_in_step(&app).await;
        let row = json!({ "Subscribers": [{ "EmailAddress": NEW, "ConsentToTrack": "No" }], "Resubscribe": false });
        crate::support::world::api(&world, reqwest::Method::POST, &format!("subscribers/{LIST}/import.json"), Some(row)).await;
        ana.moves(&app, &world, NEW).await;
        until(&world, LIST, &[OLD], State::Deleted).await;
        until_in_step(&app).await;
        assert_eq!(state(&world, LIST, NEW), Some(State::Active));
        assert_eq!(field(&world, NEW, "Purposes").as_deref(), Some("newsletter"));
        worker.stop().await;
    }

    async fn a_stop_that_the_provider_holds_under_the_old_address_is_heard(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let ana = Ana::at_home(&app, &world).await;
        let worker = world.worker();
        until(&world, LIST, &[OLD], State::Active).await;
        until_in_step(&app).await;
        let link = ana.asked(&app, &world, NEW).await;
        // They stop there, and no webhook tells.
        assert!(world.emulator.unsubscribe_as_person(LIST, OLD));
        pages::answer(&app, &app.nobody(), &link, &[("choice", "yes")]).await.expect(200);
        eventually("the stop is on record", async || (ana.newsletter(&app).await == "withdrawn").then_some(())).await;
        until_in_step(&app).await;
        assert_ne!(state(&world, LIST, NEW), Some(State::Active));
        worker.stop().await;
    }
}
