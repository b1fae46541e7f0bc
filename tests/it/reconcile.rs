//! Both sides of a destination are compared: what differs makes a plan, stops are put right by themselves, the rest by
//! leave, and nothing that a person has decided is undone by it.

use std::sync::Arc;
use std::time::Duration;

use reconsent::domain::task::TaskKind;
use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, State};
use reconsent::store::WriteTx;
use reconsent::store::outbox::Reference;
use reconsent::usecases::{Limits, Pieces, Rules};
use serde_json::{Value, json};

use crate::remap::{confirmed, has_stopped, purpose_id, state, until, until_in_step};
use crate::support::world::{CLIENT, LIST, OTHER_LIST, Shop, World, eventually, within};
use crate::support::{Process, TestApp, pages};

/// Has both sides compared and waits until nothing goes on by itself; gives the plan. A worker has to run.
pub async fn compared(app: &TestApp, shop: &Shop) -> Value {
    let path = format!("/v1/destinations/{}/reconciles", shop.destination);
    let begun = app.api().post(&path, json!({})).await.expect(202);
    until_settled(app, &begun.text("id")).await
}

pub async fn until_settled(app: &TestApp, id: &str) -> Value {
    eventually("the comparison comes to rest", async || {
        let plan = app.api().get(&format!("/v1/reconciles/{id}")).await.expect(200).json;
        (!["reading", "applying"].contains(&plan["status"].as_str().unwrap())).then_some(plan)
    })
    .await
}

/// The kinds of a plan, each with its counts.
pub fn kinds(plan: &Value) -> Value {
    let all = plan["differences"].as_array().unwrap().iter();
    all.map(|one| (one["kind"].as_str().unwrap().to_owned(), one["counts"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A call at the provider as the list's owner makes one.
async fn as_owner(world: &World, method: reqwest::Method, path: &str, body: Value) {
    let url = format!("{}/api/v3.3/{path}", world.emulator.base_url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = client.request(method, url).basic_auth(world.emulator.account_key(), Some("x")).json(&body);
    let answer = call.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// People who are in step on the list.
async fn in_step(app: &TestApp, world: &World, shop: &Shop, people: &[&str]) {
    let newsletter = purpose_id(app, "newsletter").await;
    confirmed(app, shop, &newsletter, people).await;
    until(world, LIST, people, State::Active).await;
    until_in_step(app).await;
}

/// Somebody whose yes was never brought there, as if that work had been lost.
async fn confirmed_and_forgotten(app: &TestApp, shop: &Shop, address: &str) {
    confirmed(app, shop, &purpose_id(app, "newsletter").await, &[address]).await;
    let task = (app.scope.controller(), Reference::from_uuid(app.subject_of(address).await.uuid()));
    let work = move |tx: &mut WriteTx<'_>| tx.drop_tasks(TaskKind::Sync, &[task]);
    app.services.store.write(task.1.uuid(), work).await.unwrap();
}

both_engines! {
    async fn stops_are_put_right_by_themselves_and_the_rest_by_leave(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let people = ["ana@example.org", "ben@example.org", "cleo@example.org", "finn@example.org", "gus@example.org"];
        in_step(&app, &world, &shop, &people).await;
        // One stops there unheard, one stopped here and came back there by the provider's form, one was suppressed there by
        // its owner, one bounced, one is known to nobody here.
        assert!(world.emulator.unsubscribe_as_person(LIST, "ben@example.org"));
        app.withdraw_directly("cleo@example.org").await;
        until_in_step(&app).await;
        assert!(world.emulator.subscribe_as_person(LIST, "cleo@example.org"));
        let finn = json!({ "EmailAddresses": ["finn@example.org"] });
        as_owner(&world, reqwest::Method::POST, &format!("clients/{CLIENT}/suppress.json"), finn).await;
        assert!(world.emulator.bounce(LIST, "gus@example.org"));
        assert!(world.emulator.subscribe_as_person(LIST, "Eve@Example.org"));
        worker.stop().await;
        confirmed_and_forgotten(&app, &shop, "hanna@example.org").await;

        let worker = world.worker();
        let plan = compared(&app, &shop).await;
        assert_eq!((&plan["status"], &plan["cause"]), (&json!("planned"), &json!("asked")), "{plan}");
        let found = kinds(&plan);
        assert_eq!(found["stopped_there"]["open"], Value::Null, "{found}");
        assert_eq!(found["stopped_here"], json!({ "applied": 1 }), "{found}");
        assert_eq!(found["unknown_there"], json!({ "open": 1 }), "{found}");
        assert_eq!(found["missing_there"], json!({ "open": 1 }), "{found}");
        for stopped in ["ben@example.org", "finn@example.org"] {
            assert!(has_stopped(&app, stopped).await, "{stopped}: {:?}", app.events_of(stopped).await);
        }
        assert!(!has_stopped(&app, "ana@example.org").await);
        let gus = app.api().post("/v1/subjects/search", json!({ "email": "gus@example.org" })).await.expect(200).json;
        assert!(gus.to_string().contains("undeliverable"), "{gus}");
        until(&world, LIST, &["cleo@example.org"], State::Unsubscribed).await;
        assert_eq!(state(&world, LIST, "eve@example.org"), Some(State::Active), "nobody has said that she may be taken off");

        // What waits is shown without whole addresses.
        let id = plan["id"].as_str().unwrap();
        let unknown = app.api().get(&format!("/v1/reconciles/{id}/findings?kind=unknown_there")).await.expect(200).json;
        let eve = &unknown["items"][0];
        assert_eq!((&eve["there"], &eve["list_id"], &eve["subject_id"]), (&json!("active"), &json!(LIST), &Value::Null), "{eve}");
        assert!(!unknown.to_string().to_lowercase().contains("eve@"), "{unknown}");

        let wanted = json!({ "kinds": ["unknown_there", "missing_there"] });
        app.api().post(&format!("/v1/reconciles/{id}/apply"), wanted.clone()).await.expect(202);
        let plan = until_settled(&app, id).await;
        assert_eq!(plan["status"], "done", "{plan}");
        until(&world, LIST, &["eve@example.org"], State::Deleted).await;
        until(&world, LIST, &["hanna@example.org"], State::Active).await;
        until_in_step(&app).await;
        let again = app.api().post(&format!("/v1/reconciles/{id}/apply"), wanted).await.expect_problem(409, "not-now");
        assert!(again.json["detail"].as_str().unwrap().contains("done"), "{}", again.json);

        // From now on both sides are the same, and another look finds nothing.
        let plan = compared(&app, &shop).await;
        let ben = app.subject_of("ben@example.org").await;
        let ben = app.api().get(&format!("/v1/subjects/{ben}")).await.expect(200).json["destinations"][0].clone();
        assert_eq!((&ben["seen"], &ben["wanted"]), (&json!("unsubscribed"), &json!(false)), "{ben}");
        assert_eq!((&plan["status"], &plan["differences"]), (&json!("done"), &json!([])), "{plan}");
        assert!(plan["rows_read"].as_i64().unwrap() >= 7, "{plan}");
        let all = app.api().get(&format!("/v1/destinations/{}/reconciles", shop.destination)).await.expect(200).json;
        assert_eq!(all["items"].as_array().unwrap().len(), 2);
        worker.stop().await;
    }

    async fn a_yes_that_is_newer_than_the_stop_there_is_brought_there(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let at = |text: &str| Some(text.parse().unwrap());
        world.emulator.freeze_clock(at("2026-11-24T09:30:00Z"));
        let worker = world.worker();
        in_step(&app, &world, &shop, &["ben@example.org"]).await;
        // Ana came to the list by the provider's own form, and left it again.
        assert!(world.emulator.subscribe_as_person(LIST, "ana@example.org"));
        app.clock.advance(Duration::from_secs(3600));
        world.emulator.freeze_clock(at("2026-11-24T10:00:00Z"));
        for address in ["ana@example.org", "ben@example.org"] {
            assert!(world.emulator.unsubscribe_as_person(LIST, address));
        }
        worker.stop().await;
        // Half an hour later she says yes here; nobody brings her there.
        confirmed_and_forgotten(&app, &shop, "ana@example.org").await;
        app.clock.advance(Duration::from_secs(60));
        let worker = world.worker();
        let plan = compared(&app, &shop).await;
        let found = kinds(&plan);
        assert_eq!(found["missing_there"], json!({ "open": 1 }), "{found}");
        assert_eq!(found["stopped_there"], json!({ "applied": 1 }), "{found}");
        let id = plan["id"].as_str().unwrap();
        app.api().post(&format!("/v1/reconciles/{id}/apply"), json!({ "kinds": ["missing_there"] })).await.expect(202);
        until(&world, LIST, &["ana@example.org"], State::Active).await;
        until_in_step(&app).await;
        assert!(!has_stopped(&app, "ana@example.org").await && has_stopped(&app, "ben@example.org").await);
        assert_eq!(state(&world, LIST, "ben@example.org"), Some(State::Unsubscribed));
        worker.stop().await;
    }

    async fn details_that_differ_there_are_named_and_written_by_leave(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        in_step(&app, &world, &shop, &["ana@example.org", "ben@example.org"]).await;
        let before = world.emulator.subscriber(LIST, "ana@example.org").unwrap();
        let changed = json!({ "EmailAddress": "ana@example.org", "ConsentToTrack": "Yes",
            "CustomFields": [{ "Key": "Purposes", "Value": "everything" }, { "Key": "ConsentDate", "Value": "2001/01/01" }] });
        let path = format!("subscribers/{LIST}.json?email=ana%40example.org");
        as_owner(&world, reqwest::Method::PUT, &path, changed).await;
        // Cy was on the list before he said yes here, and nobody has brought him there.
        assert!(world.emulator.subscribe_as_person(LIST, "cy@example.org"));
        eventually("the change is visible", async || {
            (world.emulator.subscriber(LIST, "ana@example.org").unwrap().fields != before.fields).then_some(())
        })
        .await;
        worker.stop().await;
        confirmed_and_forgotten(&app, &shop, "cy@example.org").await;
        let worker = world.worker();
        let plan = compared(&app, &shop).await;
        assert_eq!(kinds(&plan), json!({ "fields_differ": { "open": 2 } }), "{plan}");
        let id = plan["id"].as_str().unwrap();
        let found = app.api().get(&format!("/v1/reconciles/{id}/findings")).await.expect(200).json;
        let mut details: Vec<&str> = found["items"].as_array().unwrap().iter().map(|one| one["detail"].as_str().unwrap()).collect();
        details.sort_unstable();
        assert_eq!(details[0], "ConsentToTrack, ConsentDate, Purposes", "{found}");
        app.api().post(&format!("/v1/reconciles/{id}/apply"), json!({ "kinds": ["fields_differ"] })).await.expect(202);
        assert_eq!(until_settled(&app, id).await["status"], "done");
        until_in_step(&app).await;
        let after = world.emulator.subscriber(LIST, "ana@example.org").unwrap();
        assert_eq!((after.fields, after.tracking), (before.fields, Some(false)));
        assert_eq!(compared(&app, &shop).await["differences"], json!([]));
        // What is on record there is known now: a stop takes him off.
        app.withdraw_directly("cy@example.org").await;
        until(&world, LIST, &["cy@example.org"], State::Unsubscribed).await;
        worker.stop().await;
    }

    async fn what_has_changed_since_the_plan_was_made_is_left_alone(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        in_step(&app, &world, &shop, &["ana@example.org"]).await;
        worker.stop().await;
        for address in ["hanna@example.org", "ida@example.org"] {
            confirmed_and_forgotten(&app, &shop, address).await;
        }
        assert!(world.emulator.subscribe_as_person(LIST, "eve@example.org"));
        assert!(world.emulator.subscribe_as_person(LIST, "joy@example.org"));
        let worker = world.worker();
        let plan = compared(&app, &shop).await;
        assert_eq!(kinds(&plan), json!({ "missing_there": { "open": 2 }, "unknown_there": { "open": 2 } }));
        // Ida stops, Eve says yes here, Joy leaves there by herself.
        app.clock.advance(Duration::from_secs(60));
        app.withdraw_directly("ida@example.org").await;
        let newsletter = purpose_id(&app, "newsletter").await;
        confirmed(&app, &shop, &newsletter, &["eve@example.org"]).await;
        until_in_step(&app).await;
        assert!(world.emulator.unsubscribe_as_person(LIST, "joy@example.org"));
        let id = plan["id"].as_str().unwrap();
        let kinds_wanted = json!({ "kinds": ["missing_there", "unknown_there"] });
        app.api().post(&format!("/v1/reconciles/{id}/apply"), kinds_wanted).await.expect(202);
        let plan = until_settled(&app, id).await;
        assert_eq!(kinds(&plan), json!({ "missing_there": { "applied": 1, "gone": 1 }, "unknown_there": { "gone": 2 } }), "{plan}");
        until_in_step(&app).await;
        until(&world, LIST, &["hanna@example.org", "eve@example.org"], State::Active).await;
        assert_ne!(state(&world, LIST, "ida@example.org"), Some(State::Active));
        assert_eq!(state(&world, LIST, "joy@example.org"), Some(State::Unsubscribed), "her own word stays as it was");
        worker.stop().await;
    }

    async fn a_comparison_goes_on_where_it_was_through_kills_and_faults(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let people: Vec<String> = (0..95).map(|n| format!("p{n:02}@example.org")).collect();
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        in_step(&app, &world, &shop, &people).await;
        worker.stop().await;
        for (n, person) in people.iter().enumerate().take(45) {
            assert!(world.emulator.subscribe_as_person(LIST, &format!("u{n:02}@example.org")));
            assert!(world.emulator.unsubscribe_as_person(LIST, person));
        }
        for (path, kind) in [
            ("active", FaultKind::Status(503)),
            ("active", FaultKind::Html),
            ("unsubscribed", FaultKind::LostAnswer),
            ("suppressionlist", FaultKind::Status(500)),
            // Slow enough to be killed in the middle.
            ("page", FaultKind::Delay(Duration::from_millis(50))),
        ] {
            let times = if path == "page" { 1000 } else { 2 };
            world.emulator.faults().push(Fault { method: Some("GET".to_owned()), path: path.to_owned(), times, kind });
        }
        let path = format!("/v1/destinations/{}/reconciles", shop.destination);
        let id = app.api().post(&path, json!({})).await.expect(202).text("id");
        let same = app.api().post(&path, json!({})).await.expect(202).text("id");
        assert_eq!(id, same, "one comparison at a time");
        world.emulator.forget_requests();
        let small = [
            ("RECONSENT_PIECES_RECONCILE", "10"),
            ("RECONSENT_PIECES_RECONCILE_APPLY", "7"),
            ("RECONSENT_CAMPAIGN_MONITOR_BREAKER_PAUSE", "100ms"),
        ];
        let mut house = Process::new(&app, &small);
        let (mut rows, mut lives) = (0, 0);
        let shown = async || app.api().get(&format!("/v1/reconciles/{id}")).await.expect(200).json;
        let plan = loop {
            lives += 1;
            house.start();
            // Killed as soon as it has come a little further.
            let plan = within(Duration::from_secs(60), "a life comes to something", async || {
                let plan = shown().await;
                let further = plan["rows_read"].as_i64().unwrap() >= rows + 45 || plan["status"] != "reading";
                further.then_some(plan)
            })
            .await;
            house.kill();
            rows = plan["rows_read"].as_i64().unwrap();
            if plan["status"] != "reading" {
                break plan;
            }
        };
        assert_ne!(plan["status"], "failed", "{plan}");
        house.start();
        let plan = within(Duration::from_secs(60), "the stops are recorded", async || {
            let plan = shown().await;
            (plan["status"] == "planned").then_some(plan)
        })
        .await;
        house.kill();
        assert!(lives > 2, "it was killed on the way");
        // The stops are on the suppression list too, and were not recorded twice.
        let expected = json!({ "unknown_there": { "open": 45 }, "stopped_there": { "applied": 45 }, "suppressed_there": { "gone": 45 } });
        assert_eq!(kinds(&plan), expected, "{plan}");
        let pages = world.emulator.requests().into_iter().filter(|request| request.path.contains("page=")).count();
        assert!(pages < 25 + 8 + lives * 2, "a life goes on where the last one stopped: {pages} pages in {lives} lives");
        for (n, person) in people.iter().enumerate() {
            assert_eq!(has_stopped(&app, person).await, n < 45, "{person}");
        }
    }

    async fn who_has_just_asked_for_it_is_not_stopped_by_what_was_there_before(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        assert!(world.emulator.subscribe_as_person(LIST, "ana@example.org"));
        assert!(world.emulator.unsubscribe_as_person(LIST, "ana@example.org"));
        let worker = world.worker();
        app.clock.advance(Duration::from_secs(120));
        let sign_up = json!({ "email": "ana@example.org", "choices": { "newsletter": "yes" } });
        app.nobody().header("origin", "https://www.acme.example").post(&format!("/f/{}", shop.form_key), sign_up).await.expect(202);
        let mail = world.mail_to("ana@example.org").await;
        app.clock.advance(Duration::from_secs(60));
        let plan = compared(&app, &shop).await;
        assert_eq!((&plan["status"], &plan["differences"]), (&json!("done"), &json!([])), "{plan}");
        assert!(!has_stopped(&app, "ana@example.org").await);
        let link = World::link_in(&mail, "/c/");
        let choice = [("choice.newsletter", "yes")];
        pages::answer(&app, &app.nobody(), &link, &choice).await.expect(200);
        until(&world, LIST, &["ana@example.org"], State::Active).await;
        worker.stop().await;
    }

    async fn a_full_plan_takes_in_stops_all_the_same(app: TestApp) {
        let mut app = app;
        let limits = Limits { findings: 3, ..Limits::default() };
        app.services.rules = Arc::new(Rules { limits, pieces: Pieces { reconcile: 10, ..Pieces::default() }, ..Rules::default() });
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        in_step(&app, &world, &shop, &["ana@example.org"]).await;
        for n in 0..25 {
            assert!(world.emulator.subscribe_as_person(LIST, &format!("u{n:02}@example.org")));
        }
        assert!(world.emulator.unsubscribe_as_person(LIST, "ana@example.org"));
        let plan = compared(&app, &shop).await;
        let found = kinds(&plan);
        assert_eq!(found["stopped_there"], json!({ "applied": 1 }), "{plan}");
        assert_eq!(found["unknown_there"], json!({ "open": 10 }), "one page, and no more of what can wait: {plan}");
        assert!(plan["remark"].as_str().unwrap().contains("as many"), "{plan}");
        assert!(has_stopped(&app, "ana@example.org").await);
        worker.stop().await;
    }

    async fn a_list_that_is_gone_does_not_keep_the_others_from_being_compared(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        in_step(&app, &world, &shop, &["ana@example.org"]).await;
        let path = format!("/v1/destinations/{}/lists", shop.destination);
        // Before all others in the order of the ids.
        let gone = "00000000000000000000000000000000";
        let lists = json!([{ "purpose": "newsletter", "list_id": LIST }, { "purpose": "tracking", "list_id": gone }]);
        app.api().put(&path, json!({ "lists": lists })).await.expect(200);
        assert!(world.emulator.unsubscribe_as_person(LIST, "ana@example.org"));
        let plan = compared(&app, &shop).await;
        assert_eq!((&plan["status"], &kinds(&plan)["stopped_there"]), (&json!("done"), &json!({ "applied": 1 })), "{plan}");
        assert!(plan["remark"].as_str().unwrap().contains(gone), "{plan}");
        worker.stop().await;
    }

    async fn strangers_who_are_taken_off_have_stopped_nothing(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        // Our webhook is there, so that what we do comes back.
        let path = format!("/v1/destinations/{}/lists", shop.destination);
        app.api().post(&path, json!({ "purpose": "newsletter", "list_id": LIST })).await.expect(200);
        let worker = world.worker();
        in_step(&app, &world, &shop, &["ana@example.org"]).await;
        assert!(world.emulator.subscribe_as_person(LIST, "eve@example.org"));
        let id = compared(&app, &shop).await["id"].as_str().unwrap().to_owned();
        app.api().post(&format!("/v1/reconciles/{id}/apply"), json!({ "kinds": ["unknown_there"] })).await.expect(202);
        until(&world, LIST, &["eve@example.org"], State::Deleted).await;
        // News comes in order: once this stop is in, so is what came before it.
        assert!(world.emulator.unsubscribe_as_person(LIST, "ana@example.org"));
        eventually("the stop is told", async || has_stopped(&app, "ana@example.org").await.then_some(())).await;
        let never = app.api().get("/v1/suppressions").await.expect(200).json;
        assert_eq!(never["items"].as_array().unwrap().len(), 1, "Ana alone: {never}");
        worker.stop().await;
    }

    async fn a_yes_in_the_moment_of_a_strangers_removal_is_kept(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        let worker = world.worker();
        let late = Duration::from_millis(1500);
        for (who, method, kind) in [
            // While it is looked whether she is still there, and while she is being taken off.
            ("eve@example.org", "GET", FaultKind::LateAnswer(late)),
            ("fay@example.org", "DELETE", FaultKind::Delay(late)),
        ] {
            assert!(world.emulator.subscribe_as_person(LIST, who));
            let id = compared(&app, &shop).await["id"].as_str().unwrap().to_owned();
            let path = format!("subscribers/{LIST}.json?email={}", who.replace('@', "%40"));
            world.emulator.faults().push(Fault { method: Some(method.to_owned()), path, times: 1, kind });
            app.api().post(&format!("/v1/reconciles/{id}/apply"), json!({ "kinds": ["unknown_there"] })).await.expect(202);
            eventually("the call is under way", async || (world.emulator.faults().waiting() == 0).then_some(())).await;
            confirmed(&app, &shop, &newsletter, &[who]).await;
            let plan = until_settled(&app, &id).await;
            assert_eq!(plan["status"], "done", "{plan}");
            until_in_step(&app).await;
            until(&world, LIST, &[who], State::Active).await;
            assert!(!has_stopped(&app, who).await, "{:?}", app.events_of(who).await);
            let gone = json!({ "unknown_there": { (if method == "GET" { "gone" } else { "applied" }): 1 } });
            assert_eq!(kinds(&plan), gone, "{plan}");
        }
        let plan = compared(&app, &shop).await;
        assert_eq!((&plan["status"], &plan["differences"]), (&json!("done"), &json!([])), "{plan}");
        worker.stop().await;
    }

    async fn our_own_unsubscribe_is_no_stop_of_what_was_never_asked(app: TestApp) {
        app.clock.run_with_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let offers = app.purpose("offers").await;
        let path = format!("/v1/destinations/{}/lists", shop.destination);
        let lists = json!([{ "purpose": "newsletter", "list_id": LIST }, { "purpose": "offers", "list_id": OTHER_LIST }]);
        app.api().put(&path, json!({ "lists": lists })).await.expect(200);
        let worker = world.worker();
        in_step(&app, &world, &shop, &["ana@example.org"]).await;
        let ana = app.subject_of("ana@example.org").await;
        let order = json!({ "purposes": ["newsletter"], "reason": "withdrawn" });
        app.api().post(&format!("/v1/subjects/{ana}/stop"), order).await.expect(200);
        until(&world, LIST, &["ana@example.org"], State::Unsubscribed).await;
        until_in_step(&app).await;
        assert!(world.emulator.is_suppressed(CLIENT, "ana@example.org"), "an unsubscribe reaches the whole client");
        let before = app.events_of("ana@example.org").await;
        let plan = compared(&app, &shop).await;
        assert_eq!((&plan["status"], &plan["differences"]), (&json!("done"), &json!([])), "{plan}");
        assert_eq!(app.events_of("ana@example.org").await, before, "nothing is said about {offers}");
        worker.stop().await;
    }

    async fn a_key_that_is_not_taken_ends_a_comparison_and_says_so(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let body = json!({ "base_url": world.emulator.base_url(), "client_id": CLIENT, "api_key": "stranger", "time_zone": "UTC" });
        let stranger = app.api().post("/v1/destinations", body).await.expect(201).text("id");
        let lists = json!({ "lists": [{ "purpose": "tracking", "list_id": OTHER_LIST }] });
        app.api().put(&format!("/v1/destinations/{stranger}/lists"), lists).await.expect(200);
        let worker = world.worker();
        let plan = compared(&app, &Shop { destination: stranger, ..shop }).await;
        assert_eq!(plan["status"], "failed", "{plan}");
        assert!(plan["remark"].as_str().unwrap().contains("100"), "{plan}");
        worker.stop().await;
    }

    async fn both_sides_are_compared_every_week_and_findings_are_forgotten_in_time(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let upkeep = format!("/v1/destinations/{}/upkeep", shop.destination);
        let first = app.api().get(&upkeep).await.expect(200).json;
        assert_eq!((&first["reconcile_every_days"], &first["reconciled_at"]), (&json!(7), &Value::Null), "{first}");
        assert_eq!(first["automatic"], json!(["stopped_here", "stopped_there", "suppressed_there"]));
        for (days, automatic, field) in
            [(366, json!([]), "reconcile_every_days"), (1, json!(["nothing"]), "automatic[0]"), (1, json!(["unconfirmed_there"]), "automatic")]
        {
            app.api().put(&upkeep, json!({ "reconcile_every_days": days, "automatic": automatic })).await.expect_faults(&[field]);
        }
        let wanted = json!({ "reconcile_every_days": 2, "automatic": ["unknown_there"] });
        let set = app.api().put(&upkeep, wanted).await.expect(200).json;
        assert_eq!(set["automatic"], json!(["unknown_there", "stopped_here", "stopped_there", "suppressed_there"]), "stops always are");
        assert!(world.emulator.subscribe_as_person(LIST, "eve@example.org"));
        app.clock.advance_days(2);
        let worker = world.worker();
        let path = format!("/v1/destinations/{}/reconciles", shop.destination);
        let plan = eventually("it is time", async || {
            let all = app.api().get(&path).await.expect(200).json;
            all["items"].as_array().unwrap().iter().find(|one| one["cause"] == "schedule" && one["status"] == "done").cloned()
        })
        .await;
        assert_eq!(kinds(&plan), json!({ "unknown_there": { "applied": 1 } }), "{plan}");
        assert_eq!(state(&world, LIST, "eve@example.org"), Some(State::Deleted));
        let id = plan["id"].as_str().unwrap();
        let findings = format!("/v1/reconciles/{id}/findings");
        assert_eq!(app.api().get(&findings).await.expect(200).json["items"].as_array().unwrap().len(), 1);
        app.clock.advance_days(91);
        eventually("what was found is forgotten", async || {
            let left = app.api().get(&findings).await.expect(200).json;
            left["items"].as_array().unwrap().is_empty().then_some(())
        })
        .await;
        let kept = app.api().get(&format!("/v1/reconciles/{id}")).await.expect(200).json;
        assert_eq!(kinds(&kept), json!({ "unknown_there": { "applied": 1 } }), "what was applied is kept");
        worker.stop().await;
    }
}
