//! Connecting a destination: looking at an account, having a list made ready, and being told what is missing.

use reconsent::sandbox::Emulator;
use reconsent::sandbox::campaign_monitor::{ClientSeed, CustomFieldSeed, Fault, FaultKind, ListSeed, State};
use serde_json::{Value, json};

use crate::remap::{confirmed, has_stopped, purpose_id, until};
use crate::support::TestApp;
use crate::support::world::{CLIENT, LIST, OTHER_LIST, Shop, World, eventually};

const BAD_LIST: &str = "d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4";

/// A destination at this emulator.
async fn destination(app: &TestApp, emulator: &Emulator, key: &str, client: &str, zone: &str) -> String {
    let body = json!({ "base_url": emulator.base_url(), "client_id": client, "api_key": key, "time_zone": zone });
    app.api().post("/v1/destinations", body).await.expect(201).text("id")
}

async fn check(app: &TestApp, destination: &str) -> Value {
    app.api().get(&format!("/v1/destinations/{destination}/check")).await.expect(200).json
}

/// Matter and standing of each finding that is not good, in their order.
fn troubles(check: &Value) -> Vec<(String, String)> {
    let word = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let all = check["findings"].as_array().unwrap().iter();
    all.map(|finding| (word(finding, "matter"), word(finding, "standing"))).filter(|(_, how)| how != "good").collect()
}

fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(matter, standing)| ((*matter).to_owned(), (*standing).to_owned())).collect()
}

both_engines! {
    async fn an_account_is_looked_at_before_anything_is_stored(app: TestApp) {
        let world = World::around(&app);
        let look = async |key: &str, client: Option<&str>| {
            let body = json!({ "base_url": world.emulator.base_url(), "api_key": key, "client_id": client });
            app.api().post("/v1/destinations/look", body).await
        };
        let key = world.emulator.account_key();
        let seen = look(&key, None).await.expect(200).json;
        assert_eq!(seen["clients"], json!([{ "id": CLIENT, "name": "Acme" }]));
        assert!(seen["client"].is_null() && seen["clock"].as_str().is_some_and(|clock| clock.len() == 19), "{seen}");

        let seen = look(&key, Some(CLIENT)).await.expect(200).json["client"].clone();
        assert_eq!((&seen["name"], &seen["time_zone"]), (&json!("Acme"), &json!("Europe/Amsterdam")), "{seen}");
        assert!(seen["time_zone_label"].as_str().unwrap().starts_with("(GMT+01:00)"), "{seen}");
        let mut lists: Vec<&str> = seen["lists"].as_array().unwrap().iter().map(|list| list["id"].as_str().unwrap()).collect();
        lists.sort_unstable();
        assert_eq!(lists, [LIST, OTHER_LIST]);

        let of_client = world.emulator.client_key(CLIENT).unwrap();
        let seen = look(&of_client, Some(CLIENT)).await.expect(200).json;
        assert_eq!(seen["client"]["id"], CLIENT, "the key of one client does as well");
        look("no-such-key", None).await.expect_faults(&["api_key"]);
        look(&key, Some(BAD_LIST)).await.expect_faults(&["client_id"]);
        app.api().post("/v1/destinations/look", json!({ "base_url": "https://example.org", "api_key": key })).await
            .expect_faults(&["base_url"]);
        world.emulator.faults().push(Fault { method: None, path: String::new(), times: 1, kind: FaultKind::Html });
        let failed = look(&key, None).await.expect_problem(502, "provider");
        assert!(failed.json["detail"].as_str().unwrap().contains("502"), "{}", failed.json);
        assert_eq!(app.api().get("/v1/destinations").await.expect(200).json["items"], json!([]));
    }

    async fn a_list_is_made_ready_in_one_call_and_works_from_then_on(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let path = format!("/v1/destinations/{}/lists", shop.destination);
        let wanted = json!({ "purpose": "newsletter", "title": "Garden letters", "unsubscribe": "this_list" });
        let made = app.api().post(&path, wanted.clone()).await.expect(200).json;
        assert_eq!((&made["list_made"], &made["webhook"]), (&json!(true), &json!("made")), "{made}");
        assert_eq!(made["fields_made"], json!(["ConsentDate", "PolicyVersion", "Purposes", "Basis", "Source", "ReconsentPreferences"]));
        let list = made["list_id"].as_str().unwrap();
        let newsletter = purpose_id(&app, "newsletter").await;
        assert_eq!(made["destination"]["lists"], json!([{ "purpose_id": newsletter, "list_id": list }]));
        let found = check(&app, &shop.destination).await;
        assert_eq!((&found["ready"], troubles(&found)), (&json!(true), of(&[("unsubscribe", "note")])), "{found}");

        let worker = world.worker();
        confirmed(&app, &shop, &newsletter, &["ana@example.org"]).await;
        until(&world, list, &["ana@example.org"], State::Active).await;
        let there = world.emulator.subscriber(list, "ana@example.org").unwrap();
        let keys: Vec<&str> = there.fields.iter().map(|(key, _)| key.as_str()).collect();
        assert!(["ConsentDate", "PolicyVersion", "Purposes", "Basis", "Source", "ReconsentPreferences"].iter().all(|key| keys.contains(key)), "{keys:?}");
        // A stop there comes here by the webhook that was made.
        app.clock.advance(std::time::Duration::from_secs(3 * 3600));
        assert!(world.emulator.unsubscribe_as_person(list, "ana@example.org"));
        eventually("the stop is known here", async || has_stopped(&app, "ana@example.org").await.then_some(())).await;
        worker.stop().await;

        // Whoever asks again is told which list has the title, and may use it.
        let taken = app.api().post(&path, wanted).await.expect_faults(&["title"]);
        assert!(taken.json["fields"][0]["message"].as_str().unwrap().contains(list), "{}", taken.json);
        let kept = app.api().post(&path, json!({ "purpose": newsletter, "list_id": list })).await.expect(200).json;
        assert_eq!((&kept["list_made"], &kept["fields_made"], &kept["webhook"]), (&json!(false), &json!([]), &json!("kept")));
    }

    async fn a_call_that_was_cut_short_can_be_made_again(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let path = format!("/v1/destinations/{}/lists", shop.destination);
        let strike = |method: &str, path: &str, kind| {
            world.emulator.faults().push(Fault { method: Some(method.to_owned()), path: path.to_owned(), times: 1, kind })
        };
        let wanted = json!({ "purpose": "newsletter", "title": "Letters anew", "unsubscribe": "all_lists" });
        // The list is made and its answer lost.
        strike("POST", &format!("/lists/{CLIENT}"), FaultKind::LostAnswer);
        app.api().post(&path, wanted.clone()).await.expect_problem(502, "provider");
        let hint = app.api().post(&path, wanted).await.expect_faults(&["title"]);
        let lists = world.emulator.lists(CLIENT);
        let (list, _) = lists.iter().find(|(_, title)| title == "Letters anew").expect("it was made once");
        assert!(hint.json["fields"][0]["message"].as_str().unwrap().contains(list.as_str()), "{}", hint.json);
        // So is a field, and then the webhook.
        let wanted = json!({ "purpose": "newsletter", "list_id": list });
        strike("POST", "customfields", FaultKind::ErrorAfterApplying);
        app.api().post(&path, wanted.clone()).await.expect_problem(502, "provider");
        strike("POST", "webhooks", FaultKind::LostAnswer);
        app.api().post(&path, wanted.clone()).await.expect_problem(502, "provider");
        let before = app.api().get(&format!("/v1/destinations/{}", shop.destination)).await.expect(200).json;
        assert_eq!(before["lists"][0]["list_id"], LIST, "nothing is kept there before all of it is ready");
        let ready = app.api().post(&path, wanted).await.expect(200).json;
        assert_eq!((&ready["fields_made"], &ready["webhook"]), (&json!([]), &json!("kept")), "{ready}");
        assert_eq!(check(&app, &shop.destination).await["ready"], true);
    }

    async fn a_webhook_that_is_off_or_tells_too_little_is_put_right(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let hooks = format!("{}/api/v3.3/lists/{LIST}/webhooks", world.emulator.base_url());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let call = async |request: reqwest::RequestBuilder| {
            let answer = request.basic_auth(world.emulator.account_key(), Some("x")).send().await.unwrap();
            assert!(answer.status().is_success());
            answer.text().await.unwrap()
        };
        let there = async || serde_json::from_str::<Value>(&call(http.get(format!("{hooks}.json"))).await).unwrap();
        let some = json!({ "Events": ["Subscribe"], "Url": format!("{}{}", app.base, shop.webhook), "PayloadFormat": "json" });
        call(http.post(format!("{hooks}.json")).json(&some)).await;
        let text = async || {
            let found = check(&app, &shop.destination).await;
            let hook = found["findings"].as_array().unwrap().iter().find(|one| one["matter"] == "webhook").cloned();
            hook.unwrap()["text"].as_str().unwrap().to_owned()
        };
        assert!(text().await.contains("not tell of all kinds"));

        let path = format!("/v1/destinations/{}/lists", shop.destination);
        // Ids are the provider's, in its spelling.
        let wanted = json!({ "purpose": "newsletter", "list_id": LIST.to_uppercase() });
        let ready = app.api().post(&path, wanted.clone()).await.expect(200).json;
        assert_eq!((&ready["webhook"], &ready["list_id"]), (&json!("made"), &json!(LIST)), "{ready}");
        let whole = there().await;
        assert_eq!(whole.as_array().unwrap().len(), 1, "the one that told too little is gone: {whole}");
        assert!(text().await.contains("told here"));

        let id = whole[0]["WebhookID"].as_str().unwrap();
        call(http.put(format!("{hooks}/{id}/deactivate.json")).body(" ")).await;
        assert!(text().await.contains("switched off"));
        let ready = app.api().post(&path, wanted).await.expect(200).json;
        assert_eq!(ready["webhook"], "activated", "{ready}");
        assert_eq!((there().await[0]["Status"].clone(), text().await.contains("told here")), (json!("Active"), true));
    }

    async fn a_list_that_cannot_be_is_refused_before_anything_is_made(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let path = format!("/v1/destinations/{}/lists", shop.destination);
        world.emulator.forget_requests();
        for (body, fields) in [
            (json!({ "purpose": "nothing", "title": "T", "unsubscribe": "all_lists" }), &["purpose"][..]),
            (json!({ "purpose": "newsletter", "title": "T" }), &["unsubscribe"]),
            (json!({ "purpose": "newsletter" }), &["list_id", "title"]),
            (json!({ "purpose": "newsletter", "title": "T", "list_id": LIST, "unsubscribe": "all_lists" }), &["list_id", "title"]),
            (json!({ "purpose": "newsletter", "title": " ", "unsubscribe": "all_lists" }), &["title"]),
            (json!({ "purpose": "newsletter", "list_id": "../clients" }), &["list_id"]),
        ] {
            app.api().post(&path, body).await.expect_faults(fields);
        }
        assert_eq!(world.emulator.request_count(), 0, "the provider was not asked");
        app.api().post(&path, json!({ "purpose": "newsletter", "list_id": BAD_LIST })).await.expect_faults(&["list_id"]);
    }

    async fn a_check_names_each_thing_that_is_missing(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let found = check(&app, &shop.destination).await;
        assert_eq!(troubles(&found), of(&[("unsubscribe", "note"), ("webhook", "missing")]), "{found}");
        assert_eq!(found["ready"], false);

        let emulator = Emulator::builder()
            .client(ClientSeed { id: CLIENT.to_owned(), time_zone: "Australia/Sydney".to_owned(), ..ClientSeed::default() })
            .list(ListSeed {
                client_id: CLIENT.to_owned(),
                id: BAD_LIST.to_owned(),
                title: "Odd".to_owned(),
                confirmed_opt_in: true,
                custom_fields: vec![CustomFieldSeed::text("ConsentDate"), CustomFieldSeed::text("Purposes")],
                ..ListSeed::default()
            })
            .start()
            .unwrap();
        let odd = destination(&app, &emulator, &emulator.account_key(), CLIENT, "Australia/Brisbane").await;
        let found = check(&app, &odd).await;
        // Brisbane has no daylight saving: the same clock in winter, another in summer.
        assert_eq!(troubles(&found), of(&[("time_zone", "wrong"), ("lists", "wrong")]), "{found}");
        let lists = json!({ "lists": [{ "purpose": "tracking", "list_id": BAD_LIST }] });
        app.api().put(&format!("/v1/destinations/{odd}/lists"), lists).await.expect(200);
        let found = check(&app, &odd).await;
        let wanted = [
            ("time_zone", "wrong"), ("confirmation", "wrong"), ("unsubscribe", "note"), ("field", "wrong"),
            ("field", "missing"), ("field", "missing"), ("field", "missing"), ("field", "missing"), ("webhook", "missing"),
        ];
        assert_eq!(troubles(&found), of(&wanted), "{found}");
        assert!(found["findings"].as_array().unwrap().iter().any(|one| one["list_id"] == BAD_LIST));

        let stranger = destination(&app, &emulator, "no-such-key", CLIENT, "Australia/Sydney").await;
        assert_eq!(troubles(&check(&app, &stranger).await), of(&[("credential", "wrong")]));
        let foreign = destination(&app, &emulator, &emulator.account_key(), BAD_LIST, "Australia/Sydney").await;
        assert_eq!(troubles(&check(&app, &foreign).await), of(&[("client", "wrong")]));
        emulator.faults().push(Fault { method: None, path: "systemdate".to_owned(), times: 1, kind: FaultKind::Status(503) });
        assert_eq!(troubles(&check(&app, &odd).await), of(&[("credential", "unknown")]));
        emulator.stop().unwrap();
        assert_eq!(troubles(&check(&app, &odd).await), of(&[("credential", "unknown")]), "nobody is there");
    }
}
