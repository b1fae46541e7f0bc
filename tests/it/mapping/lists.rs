//! Several purposes on one list, one purpose on several lists.

use std::time::Duration;

use reconsent::sandbox::campaign_monitor::State;
use serde_json::json;

use super::{field, held, is_suppressed, keep, ready, stop, until_field, yes};
use crate::remap::{confirmed, purpose_id, state, until, until_in_step};
use crate::support::TestApp;
use crate::support::world::{LIST, OTHER_LIST, Shop, World, eventually};

const ANA: &str = "ana@example.org";

both_engines! {
    async fn a_person_is_on_a_list_as_long_as_one_of_its_purposes_holds(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let (newsletter, offers) = (purpose_id(&app, "newsletter").await, app.purpose("offers").await);
        keep(&app, &shop.destination, &[("newsletter", LIST), ("offers", LIST)]).await;
        let worker = world.worker();
        confirmed(&app, &shop, &newsletter, &[ANA, "ben@example.org"]).await;
        until_field(&world, LIST, ANA, "Purposes", "newsletter").await;
        yes(&app, &shop, &offers, ANA).await;
        until_field(&world, LIST, ANA, "Purposes", "newsletter, offers").await;

        stop(&app, ANA, &["newsletter"]).await;
        until_field(&world, LIST, ANA, "Purposes", "offers").await;
        assert_eq!(state(&world, LIST, ANA), Some(State::Active));
        stop(&app, ANA, &["offers"]).await;
        until(&world, LIST, &[ANA], State::Unsubscribed).await;
        assert_eq!(state(&world, LIST, "ben@example.org"), Some(State::Active), "one person's stop is no other's");

        yes(&app, &shop, &offers, ANA).await;
        until(&world, LIST, &[ANA], State::Active).await;
        until_field(&world, LIST, ANA, "Purposes", "offers").await;
        worker.stop().await;
    }

    async fn what_is_kept_on_a_list_may_change_without_anybody_leaving_it(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let (newsletter, offers) = (purpose_id(&app, "newsletter").await, app.purpose("offers").await);
        let worker = world.worker();
        confirmed(&app, &shop, &newsletter, &[ANA, "ben@example.org"]).await;
        yes(&app, &shop, &offers, ANA).await;
        until_field(&world, LIST, ANA, "Purposes", "newsletter").await;
        until(&world, LIST, &["ben@example.org"], State::Active).await;
        until_in_step(&app).await;

        world.emulator.forget_requests();
        keep(&app, &shop.destination, &[("newsletter", LIST), ("offers", LIST)]).await;
        until_field(&world, LIST, ANA, "Purposes", "newsletter, offers").await;
        until_in_step(&app).await;
        let written = world.emulator.requests().into_iter().filter(|request| request.path.contains("/import"));
        let rows = written.map(|import| import.body["Subscribers"].as_array().map_or(0, Vec::len)).sum::<usize>();
        assert_eq!(rows, 1, "whose row is as it was is not written again");

        keep(&app, &shop.destination, &[("offers", LIST)]).await;
        until_field(&world, LIST, ANA, "Purposes", "offers").await;
        until(&world, LIST, &["ben@example.org"], State::Deleted).await;
        until_in_step(&app).await;
        worker.stop().await;
        assert_eq!(held(&app, "ben@example.org").await, ["newsletter"], "a change of lists ends no consent");
    }

    async fn a_purpose_kept_on_two_lists_ends_on_both_wherever_the_stop_comes_from(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        ready(&app, &shop, json!({ "list_id": LIST })).await;
        let alone = ready(&app, &shop, json!({ "title": "Alone", "unsubscribe": "this_list" })).await;
        let view = app.api().get(&format!("/v1/destinations/{}", shop.destination)).await.expect(200).json;
        assert_eq!(view["lists"].as_array().unwrap().len(), 2, "{view}");
        let worker = world.worker();
        let people = ["here@example.org", "there@example.org", "silent@example.org"];
        confirmed(&app, &shop, &newsletter, &people).await;
        until(&world, LIST, &people, State::Active).await;
        until(&world, &alone, &people, State::Active).await;
        until_in_step(&app).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;

        stop(&app, people[0], &["newsletter"]).await;
        // Their stop on the one list reaches no other list at the provider: we take it there.
        assert!(world.emulator.unsubscribe_as_person(&alone, people[1]));
        for address in &people[..2] {
            for list in [LIST, &alone] {
                until(&world, list, &[address], State::Unsubscribed).await;
            }
            assert!(held(&app, address).await.is_empty());
        }
        // The provider never tells of this one; we find it when there is something to write.
        let hooks = format!("{}/api/v3.3/lists/{alone}/webhooks", world.emulator.base_url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let account = world.emulator.account_key();
        let there = http.get(format!("{hooks}.json")).basic_auth(&account, Some("x")).send().await.unwrap();
        let there: serde_json::Value = there.json().await.unwrap();
        let hook = there[0]["WebhookID"].as_str().unwrap();
        http.delete(format!("{hooks}/{hook}.json")).basic_auth(&account, Some("x")).send().await.unwrap();
        assert!(world.emulator.unsubscribe_as_person(&alone, people[2]));
        let tracking = purpose_id(&app, "tracking").await;
        confirmed(&app, &shop, &tracking, &[people[2]]).await;
        until(&world, LIST, &[people[2]], State::Unsubscribed).await;
        assert_eq!(held(&app, people[2]).await, ["tracking"]);
        worker.stop().await;
    }

    async fn who_leaves_one_list_of_a_client_stays_on_the_other(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let (newsletter, offers) = (purpose_id(&app, "newsletter").await, app.purpose("offers").await);
        ready(&app, &shop, json!({ "list_id": LIST })).await;
        ready(&app, &shop, json!({ "list_id": OTHER_LIST })).await;
        keep(&app, &shop.destination, &[("newsletter", LIST), ("offers", OTHER_LIST)]).await;
        let worker = world.worker();
        yes(&app, &shop, &newsletter, ANA).await;
        yes(&app, &shop, &offers, ANA).await;
        until(&world, LIST, &[ANA], State::Active).await;
        until(&world, OTHER_LIST, &[ANA], State::Active).await;
        until_in_step(&app).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;

        // An unsubscribe would reach both lists of this client, and its suppression list.
        stop(&app, ANA, &["newsletter"]).await;
        until(&world, LIST, &[ANA], State::Deleted).await;
        until_in_step(&app).await;
        assert_eq!((state(&world, OTHER_LIST, ANA), is_suppressed(&world, ANA)), (Some(State::Active), false));
        assert_eq!(held(&app, ANA).await, ["offers"]);
        // A later yes brings her back, although the provider calls her deleted by then.
        yes(&app, &shop, &newsletter, ANA).await;
        until(&world, LIST, &[ANA], State::Active).await;
        until_in_step(&app).await;

        // A stop of hers on a list whose setting reaches all is one for all.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert!(world.emulator.unsubscribe_as_person(LIST, ANA));
        eventually("both stops are told", async || held(&app, ANA).await.is_empty().then_some(())).await;
        until_in_step(&app).await;
        assert_eq!(state(&world, LIST, ANA), Some(State::Unsubscribed), "her own word stays as it is there");
        assert_eq!(state(&world, OTHER_LIST, ANA), Some(State::Unsubscribed));

        // A newer yes for one purpose starts that one alone.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        yes(&app, &shop, &offers, ANA).await;
        until(&world, OTHER_LIST, &[ANA], State::Active).await;
        until_in_step(&app).await;
        assert_eq!((held(&app, ANA).await, state(&world, LIST, ANA)), (vec!["offers".to_owned()], Some(State::Unsubscribed)));
        assert_eq!(field(&world, OTHER_LIST, ANA, "Purposes").as_deref(), Some("offers"));
        worker.stop().await;
    }

    async fn a_newer_yes_for_one_purpose_does_not_bring_back_another_that_was_stopped_there(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let (newsletter, offers) = (purpose_id(&app, "newsletter").await, app.purpose("offers").await);
        keep(&app, &shop.destination, &[("newsletter", LIST), ("offers", LIST)]).await;
        let worker = world.worker();
        let people = [ANA, "told@example.org"];
        confirmed(&app, &shop, &newsletter, &people).await;
        until(&world, LIST, &people, State::Active).await;
        until_in_step(&app).await;
        worker.stop().await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        // No webhook tells: the stop is found, or told late.
        for address in people {
            assert!(world.emulator.unsubscribe_as_person(LIST, address));
        }
        let stopped_at = app.services.clock.now();
        // The provider's dates are as fine as a minute.
        app.clock.set(&stopped_at.plus(Duration::from_secs(120)).to_string());
        confirmed(&app, &shop, &offers, &people).await;
        let zone = jiff::tz::TimeZone::get("Europe/Amsterdam").unwrap();
        let date = jiff::Timestamp::from_microsecond(stopped_at.micros()).unwrap().to_zoned(zone).strftime("%F %T").to_string();
        let late = json!({ "ListID": LIST, "Events": [{ "Type": "Deactivate", "Date": date, "EmailAddress": people[1],
            "Name": "", "State": "Unsubscribed", "CustomFields": [] }] });
        app.nobody().post(&shop.webhook, late).await.expect(200);
        assert_eq!(held(&app, people[1]).await, ["offers"], "late news is about what was consented to before it");

        let worker = world.worker();
        until(&world, LIST, &people, State::Active).await;
        until_in_step(&app).await;
        worker.stop().await;
        for address in people {
            assert_eq!(held(&app, address).await, ["offers"]);
            assert_eq!(field(&world, LIST, address, "Purposes").as_deref(), Some("offers"));
        }
    }

    async fn a_purpose_put_on_a_list_that_a_person_has_left_before_does_not_bring_them_back(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let (newsletter, offers) = (purpose_id(&app, "newsletter").await, app.purpose("offers").await);
        let worker = world.worker();
        yes(&app, &shop, &newsletter, ANA).await;
        yes(&app, &shop, &offers, ANA).await;
        until(&world, LIST, &[ANA], State::Active).await;
        stop(&app, ANA, &["newsletter"]).await;
        until(&world, LIST, &[ANA], State::Unsubscribed).await;
        until_in_step(&app).await;

        keep(&app, &shop.destination, &[("newsletter", LIST), ("offers", LIST)]).await;
        until_in_step(&app).await;
        let subject = app.subject_of(ANA).await;
        let view = app.api().get(&format!("/v1/subjects/{subject}")).await.expect(200).json;
        let there = &view["destinations"][0];
        assert_eq!((&there["active"], state(&world, LIST, ANA)), (&json!(false), Some(State::Unsubscribed)), "{view}");
        assert!(there["last_error"].as_str().unwrap().contains("only a newer one"), "{view}");
        assert_eq!(held(&app, ANA).await, ["offers"], "nor is a stop made up");
        // A newer yes does.
        yes(&app, &shop, &newsletter, ANA).await;
        until(&world, LIST, &[ANA], State::Active).await;
        until_field(&world, LIST, ANA, "Purposes", "newsletter, offers").await;
        worker.stop().await;
    }

    async fn a_list_is_at_one_destination_and_moves_as_a_whole(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        app.purpose("offers").await;
        keep(&app, &shop.destination, &[("newsletter", LIST), ("offers", LIST)]).await;
        let other = app.api().post("/v1/destinations", json!({ "base_url": world.emulator.base_url(), "client_id": crate::support::world::CLIENT,
            "api_key": world.emulator.account_key(), "time_zone": "Europe/Amsterdam" })).await.expect(201).text("id");
        let path = format!("/v1/destinations/{other}/lists");
        let pair = |purpose: &str, list: &str| json!({ "purpose": purpose, "list_id": list });
        app.api().put(&path, json!({ "lists": [pair("newsletter", LIST)] })).await.expect_faults(&["lists[0].list_id"]);
        app.api().post(&path, json!({ "purpose": "tracking", "list_id": LIST })).await.expect_faults(&["list_id"]);
        let twice = json!({ "lists": [pair("newsletter", OTHER_LIST), pair("newsletter", OTHER_LIST)] });
        app.api().put(&path, twice).await.expect_faults(&["lists[1].purpose"]);
        // A purpose may be kept on lists of two destinations.
        app.api().put(&path, json!({ "lists": [pair("newsletter", OTHER_LIST)] })).await.expect(200);
        let lists = async |id: &str| {
            let view = app.api().get(&format!("/v1/destinations/{id}")).await.expect(200).json;
            view["lists"].as_array().unwrap().len()
        };
        assert_eq!((lists(&shop.destination).await, lists(&other).await), (2, 1));
        app.api().put(&path, json!({ "lists": [pair("newsletter", LIST), pair("offers", LIST)] })).await.expect(200);
        assert_eq!((lists(&shop.destination).await, lists(&other).await), (0, 2));
    }
}
