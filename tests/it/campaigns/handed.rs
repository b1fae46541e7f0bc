//! Rounds whose links others hand over: Campaign Monitor from a list made for the round, or whoever downloads them. Exactly
//! those who may be asked, each by a link that works; answers count, whoever answers or stops leaves, and in the end
//! nobody is left there, whatever fails between.

use std::collections::BTreeSet;
use std::sync::Arc;

use reconsent::domain::campaign::EntryState;
use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, State};
use reconsent::store::round_entries::RoundEntry;
use reconsent::usecases::campaigns::{FIELD, RoundStep, round_step};
use reconsent::usecases::sync::{Provider, ProviderSettings};
use reconsent::usecases::{Pieces, Rules};

use super::*;
use crate::support::pages;
use crate::support::world::{self, CLIENT, LIST, Shop, eventually, import};

const DECLARED: &str = "kind=contacts&basis=consent&collected_at=2026-03-01&how=till&statement=Cards&attester=B.%20Lee";

/// A round over these addresses, prepared; and its path.
pub(super) async fn prepared(app: &TestApp, shop: &Shop, delivery: &str, list: &str) -> String {
    let import = import(app, DECLARED, list).await;
    let deadline = app.services.clock.now().plus(Duration::from_secs(14 * 86_400)).to_string();
    let mut body = json!({ "name": "Autumn round", "purposes": ["newsletter", "tracking"], "import_ids": [import],
        "notice_id": shop.notice, "sender_id": shop.sender, "deadline": deadline, "delivery": delivery });
    if delivery == "provider" {
        body["destination_id"] = json!(shop.destination);
    }
    let made = app.api().post("/v1/campaigns", body).await.expect(201);
    format!("/v1/campaigns/{}", made.text("id"))
}

pub(super) async fn launch(app: &TestApp, round: &str) {
    app.api().post(&format!("{round}/launch"), json!({})).await.expect(200);
}

pub(super) fn csv(names: &[&str]) -> String {
    names.iter().fold("email,name\n".to_owned(), |csv, name| csv + &format!("{name}@example.org,Somebody\n"))
}

pub(super) fn address(name: &str) -> String {
    format!("{name}@example.org")
}

pub(super) async fn results(app: &TestApp, round: &str) -> Value {
    app.api().get(&format!("{round}/results")).await.expect(200).json
}

/// The round's list at the provider, once it is made.
pub(super) async fn list_of(app: &TestApp, round: &str) -> String {
    eventually("the round's list is made", async || {
        app.api().get(round).await.expect(200).json["round_list"]["list_id"].as_str().map(str::to_owned)
    })
    .await
}

/// Waits until so many were handed to the provider.
pub(super) async fn handed(app: &TestApp, round: &str, people: u64) {
    eventually("the links are handed over", async || {
        (results(app, round).await["handed_to_provider"] == people).then_some(())
    })
    .await;
}

pub(super) fn state(world: &world::World, list: &str, name: &str) -> Option<State> {
    world.emulator.subscriber(list, &address(name)).map(|found| found.state)
}

pub(super) async fn until(world: &world::World, list: &str, name: &str, expected: State) {
    eventually(&format!("{name} is {expected:?}"), async || (state(world, list, name) == Some(expected)).then_some(()))
        .await;
}

/// What the marketer's design makes of the person's field.
async fn merged(app: &TestApp, world: &world::World, round: &str, list: &str, name: &str) -> String {
    let view = app.api().get(round).await.expect(200).json;
    let design = view["round_list"]["link"].as_str().unwrap().to_owned();
    let person = world.emulator.subscriber(list, &address(name)).expect("they are on the list");
    let (_, token) = person.fields.into_iter().find(|(key, _)| key == FIELD).expect("they have a token");
    assert!(token.encode_utf16().count() <= 250, "{} characters", token.len());
    design.replace(&format!("[{FIELD}]"), &token)
}

pub(super) async fn entries(app: &TestApp, round: &str) -> Vec<RoundEntry> {
    let (scope, id) = (app.scope, id_in(round));
    let read = move |tx: &mut ReadTx<'_>| tx.round_entries_page(scope, id, None, 1000);
    app.services.store.read(read).await.unwrap()
}

/// The claim under which a round's list is seen to.
pub(super) async fn claim(app: &TestApp) -> Option<Task> {
    let now = app.services.clock.now();
    let claim = move |tx: &mut WriteTx<'_>| tx.claim(TaskKind::Round, 1, now, Duration::from_secs(300));
    app.services.store.write(uuid::Uuid::nil(), claim).await.unwrap().pop()
}

/// Claims made for it run out soon, as the worker of a test dies.
pub(super) fn provider() -> Provider {
    Provider::new(ProviderSettings { lease: Duration::from_secs(1), ..ProviderSettings::default() })
}

/// A house with a world and a shop; the provider's clock stands with the house's.
pub(super) async fn open(app: &TestApp) -> (world::World, Shop) {
    let world = world::World::around(app);
    let shop = Shop::open(app, &world).await;
    tell_the_time(app, &world);
    (world, shop)
}

fn tell_the_time(app: &TestApp, world: &world::World) {
    world.emulator.freeze_clock(Some(app.services.clock.now().to_string().parse().unwrap()));
}

/// Lines of the download: address, link, token.
async fn download(app: &TestApp, round: &str) -> Vec<(String, String, String)> {
    let file = app.api().get(&format!("{round}/links.csv")).await.expect(200);
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    let mut lines = file.body().lines().map(str::to_owned).collect::<Vec<_>>().into_iter();
    assert_eq!(lines.next().as_deref(), Some("email,name,link,token"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            (cells[0].to_owned(), cells[2].to_owned(), cells[3].to_owned())
        })
        .collect()
}

both_engines! {
    async fn a_round_goes_through_the_provider_from_freezing_to_an_empty_list(app: TestApp) {
        let (world, shop) = open(&app).await;
        let worker = world.worker();
        import(&app, "kind=do-not-mail", "email\neve@example.org\n").await;
        let round = prepared(&app, &shop, "provider", &csv(&["ana", "ben", "cleo", "dan", "eve"])).await;
        launch(&app, &round).await;
        handed(&app, &round, 4).await;
        let list = list_of(&app, &round).await;
        assert_ne!(list, LIST);
        let there = results(&app, &round).await;
        assert_adds_up(&there);
        assert_eq!((&there["queued"], &there["asked"], &there["silent"]), (&json!(0), &json!(4), &json!(4)), "{there}");
        for name in ["ana", "ben", "cleo", "dan"] {
            assert_eq!(state(&world, &list, name), Some(State::Active), "{name}");
            assert_eq!(world.emulator.subscriber(&list, &address(name)).unwrap().tracking, Some(false));
            assert_eq!(state(&world, LIST, name), None, "to be asked is not to be subscribed");
        }
        assert_eq!(state(&world, &list, "eve"), None, "who may not be asked is not there");
        assert!(world.catcher.messages_to("ana@example.org").is_empty(), "we send nothing");

        // Ana says yes, Ben says no, Cleo stops at the provider, and Dan is silent.
        app.clock.advance(Duration::from_secs(3600));
        tell_the_time(&app, &world);
        let link = merged(&app, &world, &round, &list, "ana").await;
        pages::answer(&app, &app.nobody(), &link, &[("choice.newsletter", "yes")]).await;
        let link = merged(&app, &world, &round, &list, "ben").await;
        pages::answer(&app, &app.nobody(), &link, &[("choice.newsletter", "no")]).await;
        assert!(world.emulator.unsubscribe_as_person(&list, &address("cleo")));
        until(&world, LIST, "ana", State::Active).await;
        until(&world, &list, "ana", State::Deleted).await;
        until(&world, &list, "ben", State::Deleted).await;
        eventually("Cleo's stop is known", async || {
            app.events_of(&address("cleo")).await.iter().any(|kind| kind == "consent.withdrawn").then_some(())
        }).await;
        let sum = results(&app, &round).await;
        assert_adds_up(&sum);
        assert_eq!((&sum["yes"], &sum["no"], &sum["silent"]), (&json!(1), &json!(2), &json!(1)), "{sum}");
        assert_eq!(state(&world, &list, "dan"), Some(State::Active));

        // Silence runs out with the round: Dan keeps what he had, and leaves the list.
        app.clock.advance_days(15);
        tell_the_time(&app, &world);
        until(&world, &list, "dan", State::Deleted).await;
        eventually("the list is empty", async || {
            app.api().get(&round).await.expect(200).json["round_list"]["emptied_at"].is_string().then_some(())
        }).await;
        assert_eq!(world.emulator.count(&list, State::Active), 0);
        assert_eq!(state(&world, LIST, "dan"), None);
        assert!(!app.events_of(&address("dan")).await.iter().any(|kind| kind == "consent.withdrawn"));
        assert_eq!(state(&world, LIST, "ana"), Some(State::Active), "who said yes stays where she is wanted");
        worker.stop().await;
    }

    async fn who_has_answered_is_asked_no_more_although_something_was_left_open(app: TestApp) {
        let (world, shop) = open(&app).await;
        let worker = world.worker();
        let letters = json!({ "slug": "offers", "label": "Offers", "description": "Offers", "kind": "marketing" });
        app.api().post("/v1/purposes", letters).await.expect(201);
        let mut wording = world::wording();
        wording["labels"].as_array_mut().unwrap().push(json!({ "purpose": "offers", "label": "Offers" }));
        let notice = json!({ "slug": "both", "wording": wording, "purposes": ["newsletter", "tracking", "offers"],
            "policy_version_id": shop.policy_version });
        let notice = app.api().post("/v1/notices", notice).await.expect(201).text("id");
        let query = format!("/v1/imports?purposes=newsletter,offers&{DECLARED}");
        let import = app.api().upload(&query, "text/csv", csv(&["ana", "ben"])).await.expect(202).text("id");
        eventually("it is read", async || (app.api().get(&format!("/v1/imports/{import}")).await.text("status") == "done").then_some(())).await;
        let deadline = app.services.clock.now().plus(Duration::from_secs(14 * 86_400)).to_string();
        let body = json!({ "name": "Both", "purposes": ["newsletter", "offers"], "import_ids": [import], "notice_id": notice,
            "sender_id": shop.sender, "deadline": deadline, "delivery": "provider", "destination_id": shop.destination });
        let round = format!("/v1/campaigns/{}", app.api().post("/v1/campaigns", body).await.expect(201).text("id"));
        launch(&app, &round).await;
        handed(&app, &round, 2).await;
        let list = list_of(&app, &round).await;
        app.clock.advance(Duration::from_secs(60));
        tell_the_time(&app, &world);
        let link = merged(&app, &world, &round, &list, "ana").await;
        pages::answer(&app, &app.nobody(), &link, &[("choice.newsletter", "yes")]).await.expect(200);
        until(&world, &list, "ana", State::Deleted).await;
        let left: Vec<String> = download(&app, &round).await.into_iter().map(|(email, ..)| email).collect();
        assert_eq!(left, ["ben@example.org"]);
        worker.stop().await;
    }

    async fn whoever_is_suppressed_there_is_left_out_and_has_stopped_nothing(app: TestApp) {
        let (world, shop) = open(&app).await;
        // The round's list does not look at that list: an unsubscribe from it reaches no other.
        let suppressed = json!({ "EmailAddresses": ["Ana@example.org", "stranger@example.org"] });
        world::api(&world, reqwest::Method::POST, &format!("clients/{CLIENT}/suppress.json"), Some(suppressed)).await;
        let down = Fault { method: None, path: "suppressionlist".to_owned(), times: 1, kind: FaultKind::Status(503) };
        world.emulator.faults().push(down);
        let worker = world.worker();
        let round = prepared(&app, &shop, "provider", &csv(&["ana", "ben"])).await;
        launch(&app, &round).await;
        handed(&app, &round, 1).await;
        let list = list_of(&app, &round).await;
        assert_eq!((state(&world, &list, "ana"), state(&world, &list, "ben")), (None, Some(State::Active)));
        worker.stop().await;
        let sum = results(&app, &round).await;
        assert_adds_up(&sum);
        assert!(!app.events_of("ana@example.org").await.iter().any(|kind| kind == "consent.withdrawn"));
    }

    async fn whose_permission_ends_by_itself_leaves_the_list(app: TestApp) {
        let (world, shop) = open(&app).await;
        let worker = world.worker();
        let until_then = app.services.clock.now().plus(Duration::from_secs(3 * 86_400)).to_string();
        let list = format!("email,valid_until\nana@example.org,{until_then}\nben@example.org,2027-11-01\n");
        let round = prepared(&app, &shop, "provider", &list).await;
        launch(&app, &round).await;
        handed(&app, &round, 2).await;
        let list = list_of(&app, &round).await;
        app.clock.advance_days(4);
        tell_the_time(&app, &world);
        // A look that was under way when the time passed is followed by the next in some hours.
        eventually("ana has left", async || {
            app.clock.advance(Duration::from_secs(600));
            (state(&world, &list, "ana") == Some(State::Deleted)).then_some(())
        })
        .await;
        assert_eq!(state(&world, &list, "ben"), Some(State::Active));
        // Paused: nobody is written any more, and who is there stays; gone on with and ended, the list is emptied at once.
        app.api().post(&format!("{round}/pause"), json!({})).await.expect(200);
        app.api().post(&format!("{round}/resume"), json!({})).await.expect(200);
        app.api().post(&format!("{round}/cancel"), json!({})).await.expect(200);
        until(&world, &list, "ben", State::Deleted).await;
        worker.stop().await;
        let sum = results(&app, &round).await;
        assert_adds_up(&sum);
        assert_eq!((&sum["handed_to_provider"], &sum["silent"]), (&json!(2), &json!(2)), "{sum}");
    }

    async fn the_list_is_made_for_the_round_and_serves_nothing_else(app: TestApp) {
        let (world, shop) = open(&app).await;
        let worker = world.worker();
        let round = prepared(&app, &shop, "provider", &csv(&["ana"])).await;
        launch(&app, &round).await;
        handed(&app, &round, 1).await;
        let list = list_of(&app, &round).await;
        let (_, title) = world.emulator.lists(CLIENT).into_iter().find(|(id, _)| *id == list).unwrap();
        assert!(title.starts_with("Autumn round (") && round.ends_with(title[14..].trim_end_matches(')')), "{title}");
        let made = world.emulator.requests().into_iter().find(|call| call.method == "POST" && call.path.ends_with(&format!("/lists/{CLIENT}.json"))).unwrap();
        let body = &made.body;
        assert_eq!((&body["ConfirmedOptIn"], &body["UnsubscribeSetting"]), (&json!(false), &json!("OnlyThisList")));
        // Nothing that is said about lists of subscribers may name it.
        let path = format!("/v1/destinations/{}", shop.destination);
        let body = json!({ "lists": [{ "purpose": "newsletter", "list_id": list }] });
        app.api().put(&format!("{path}/lists"), body).await.expect_faults(&["lists[0].list_id"]);
        let body = json!({ "purpose": "newsletter", "list_id": list });
        app.api().post(&format!("{path}/lists"), body).await.expect_faults(&["list_id"]);
        let path = format!("{path}/lists/{list}/imports?purposes=newsletter&basis=consent");
        app.api().post(&path, json!({})).await.expect_faults(&["list_id"]);
        worker.stop().await;
    }

    async fn what_a_round_by_others_needs_is_checked_when_it_is_prepared(app: TestApp) {
        let (world, shop) = open(&app).await;
        let worker = world.worker();
        let import = import(&app, DECLARED, &csv(&["ana"])).await;
        worker.stop().await;
        let deadline = app.services.clock.now().plus(Duration::from_secs(86_400)).to_string();
        let body = |delivery: Value, destination: Value| json!({ "name": "Round", "purposes": ["newsletter"],
            "import_ids": [import], "notice_id": shop.notice, "sender_id": shop.sender, "deadline": deadline,
            "delivery": delivery, "destination_id": destination });
        let nobodys = "00000000-0000-7000-8000-0000000fffff";
        app.api().post("/v1/campaigns", body(json!("pigeon"), Value::Null)).await.expect_faults(&["delivery"]);
        for (delivery, destination) in [("provider", Value::Null), ("mail", json!(shop.destination)), ("provider", json!(nobodys))] {
            app.api().post("/v1/campaigns", body(json!(delivery), destination)).await.expect_faults(&["destination_id"]);
        }
        let (_, other) = app.other_controller("other").await;
        other.post("/v1/campaigns", body(json!("provider"), json!(shop.destination))).await.expect(422);
        let made = app.api().post("/v1/campaigns", body(Value::Null, Value::Null)).await.expect(201);
        assert_eq!(made.json["delivery"], "mail");
        app.api().get(&format!("/v1/campaigns/{}/links.csv", made.text("id"))).await.expect_faults(&["delivery"]);
        let made = app.api().post("/v1/campaigns", body(json!("export"), Value::Null)).await.expect(201);
        app.api().get(&format!("/v1/campaigns/{}/links.csv", made.text("id"))).await.expect_faults(&["status"]);
    }

    async fn links_are_downloaded_by_those_who_may_and_work(app: TestApp) {
        let (world, shop) = open(&app).await;
        let worker = world.worker();
        let list = csv(&["ana", "ben"]) + "cleo@example.org,=HYPERLINK(1)\n+dan@example.org,Dan\n";
        let round = prepared(&app, &shop, "export", &list).await;
        launch(&app, &round).await;
        eventually("it is frozen", async || app.api().get(&round).await.expect(200).json["frozen_at"].is_string().then_some(())).await;
        let before = results(&app, &round).await;
        assert_eq!((&before["queued"], &before["asked"]), (&json!(4), &json!(0)), "nobody is asked before the links leave");
        let file = app.api().get(&format!("{round}/links.csv")).await.expect(200).body();
        assert!(file.contains("'=HYPERLINK(1)") && file.contains("'+dan@example.org"), "{file}");
        let first = download(&app, &round).await;
        assert_eq!(first.len(), 4);
        assert_eq!(download(&app, &round).await, first, "fetched again it is the same");
        for (_, link, token) in &first {
            assert!(link.ends_with(&format!("/r/{token}")) && token.len() <= 250, "{}", token.len());
        }
        let after = results(&app, &round).await;
        assert_adds_up(&after);
        assert_eq!((&after["queued"], &after["handed_to_provider"]), (&json!(0), &json!(4)), "{after}");
        let asked = |kinds: Vec<String>| kinds.iter().filter(|kind| *kind == "permission.asked").count();
        let once = asked(app.events_of("ana@example.org").await);
        assert_eq!(once, 2, "once for each purpose, however often the file is fetched");

        let link_of = |name: &str| first.iter().find(|(email, ..)| *email == address(name)).unwrap().1.clone();
        app.clock.advance(Duration::from_secs(60));
        pages::answer(&app, &app.nobody(), &link_of("ana"), &[("choice.newsletter", "yes")]).await;
        pages::answer(&app, &app.nobody(), &link_of("ben"), &[("choice.newsletter", "no")]).await;
        let left: BTreeSet<String> = download(&app, &round).await.into_iter().map(|(email, ..)| email).collect();
        assert_eq!(left, ["cleo@example.org".to_owned(), "'+dan@example.org".to_owned()].into(), "who has answered is not asked again");
        let sum = results(&app, &round).await;
        assert_adds_up(&sum);
        assert_eq!((&sum["yes"], &sum["no"], &sum["silent"]), (&json!(1), &json!(1), &json!(2)), "{sum}");
        until(&world, LIST, "ana", State::Active).await;
        // A paused or ended round gives out nothing, and its links end with it.
        app.api().post(&format!("{round}/pause"), json!({})).await.expect(200);
        app.api().get(&format!("{round}/links.csv")).await.expect_faults(&["status"]);
        app.api().post(&format!("{round}/resume"), json!({})).await.expect(200);
        app.clock.advance_days(15);
        app.nobody().get(&link_of("cleo").replace(&app.base, "")).await.expect(410);
        worker.stop().await;
    }

    async fn a_worker_killed_between_import_and_record_asks_nobody_twice(app: TestApp) {
        let mut app = app;
        let pieces = Pieces { round_rows: 2, ..Pieces::default() };
        app.services.rules = Arc::new(Rules { pieces, ..Rules::default() });
        let (world, shop) = open(&app).await;
        let reader = world.worker();
        let round = prepared(&app, &shop, "provider", &csv(&["ana", "ben", "cleo", "dan", "eve"])).await;
        reader.stop().await;
        launch(&app, &round).await;
        freeze_all(&app, &round).await;
        let task = claim(&app).await.expect("the list is asked for");
        assert_eq!(round_step(&app.services, &provider(), &task).await.unwrap(), RoundStep::More);
        let list = list_of(&app, &round).await;
        // Then the client's suppression list is read.
        assert_eq!(round_step(&app.services, &provider(), &task).await.unwrap(), RoundStep::More);
        // The first import is applied and its answer lost: then the worker is gone.
        world.emulator.faults().push(Fault { method: Some("POST".to_owned()), path: "import".to_owned(), times: 1, kind: FaultKind::LostAnswer });
        assert!(matches!(round_step(&app.services, &provider(), &task).await.unwrap(), RoundStep::Later(..)));
        let going: Vec<RoundEntry> = entries(&app, &round).await.into_iter().filter(|entry| entry.state == EntryState::Going).collect();
        assert_eq!((going.len(), world.emulator.count(&list, State::Active)), (2, 2));
        assert_eq!(results(&app, &round).await["handed_to_provider"], 0);
        let tokens = async || {
            let mut tokens = BTreeSet::new();
            for name in ["ana", "ben", "cleo", "dan", "eve"] {
                if state(&world, &list, name).is_some() {
                    tokens.insert(merged(&app, &world, &round, &list, name).await);
                }
            }
            tokens
        };
        let before = tokens().await;
        // One of the two stops meanwhile: nobody knows yet that he is there.
        let stopped = going[0].subject_id;
        app.api().post(&format!("/v1/subjects/{stopped}/stop"), json!({})).await.expect(200);
        let worker = world.worker();
        eventually("the stopped one is off", async || {
            let there = entries(&app, &round).await;
            let gone = there.iter().find(|entry| entry.subject_id == stopped).unwrap().state == EntryState::Gone;
            (gone && there.iter().filter(|entry| entry.state == EntryState::There).count() == 4).then_some(())
        }).await;
        worker.stop().await;
        assert_eq!((world.emulator.count(&list, State::Active), world.emulator.count(&list, State::Deleted)), (4, 1));
        let after = tokens().await;
        assert!(before.is_subset(&after) && after.len() == 5, "the same links as before");
        let sum = results(&app, &round).await;
        assert_adds_up(&sum);
        assert_eq!(sum["handed_to_provider"], 4, "{sum}");
        assert_eq!(counts(&sum["excluded"]), pairs(&[("opted_out", 1)]));
        for entry in entries(&app, &round).await.iter().filter(|entry| entry.state == EntryState::There) {
            let asked = app.events(entry.subject_id).await.iter().filter(|kind| kind.name() == "permission.asked").count();
            assert_eq!(asked, 2, "once for each purpose");
        }
    }

    async fn faults_of_the_provider_delay_a_round_and_lose_nobody(app: TestApp) {
        let (world, shop) = open(&app).await;
        let worker = world.worker();
        let round = prepared(&app, &shop, "provider", &csv(&["ana", "ben", "cleo"])).await;
        let strike = |method: &str, path: &str, kind| {
            world.emulator.faults().push(Fault { method: Some(method.to_owned()), path: path.to_owned(), times: 1, kind });
        };
        strike("POST", &format!("/lists/{CLIENT}"), FaultKind::LostAnswer);
        strike("POST", "customfields", FaultKind::ErrorAfterApplying);
        strike("POST", "webhooks", FaultKind::Html);
        strike("POST", "import", FaultKind::ErrorAfterApplying);
        strike("POST", "import", FaultKind::Status(504));
        strike("DELETE", "subscribers", FaultKind::Status(503));
        strike("DELETE", "subscribers", FaultKind::LostAnswer);
        launch(&app, &round).await;
        handed(&app, &round, 3).await;
        let list = list_of(&app, &round).await;
        assert_eq!(world.emulator.lists(CLIENT).iter().filter(|(_, title)| title.starts_with("Autumn round")).count(), 1);
        app.clock.advance(Duration::from_secs(60));
        tell_the_time(&app, &world);
        let link = merged(&app, &world, &round, &list, "ana").await;
        pages::answer(&app, &app.nobody(), &link, &[("choice.newsletter", "yes")]).await;
        until(&world, &list, "ana", State::Deleted).await;
        // Cancelled: the others leave too.
        app.api().post(&format!("{round}/cancel"), json!({})).await.expect(200);
        until(&world, &list, "ben", State::Deleted).await;
        until(&world, &list, "cleo", State::Deleted).await;
        worker.stop().await;
        assert_eq!(world.emulator.faults().waiting(), 0);
    }

    async fn who_is_refused_there_as_stopped_has_stopped(app: TestApp) {
        let (world, shop) = open(&app).await;
        let reader = world.worker();
        let round = prepared(&app, &shop, "provider", &csv(&["ana", "ben"])).await;
        reader.stop().await;
        launch(&app, &round).await;
        freeze_all(&app, &round).await;
        let task = claim(&app).await.unwrap();
        assert_eq!(round_step(&app.services, &provider(), &task).await.unwrap(), RoundStep::More);
        let list = list_of(&app, &round).await;
        // Then the client's suppression list is read.
        assert_eq!(round_step(&app.services, &provider(), &task).await.unwrap(), RoundStep::More);
        // Ana left the new list before we came, such as by another's import and the provider's own page.
        world.emulator.subscribe_as_person(&list, &address("ana"));
        assert!(world.emulator.unsubscribe_as_person(&list, &address("ana")));
        assert_eq!(round_step(&app.services, &provider(), &task).await.unwrap(), RoundStep::More);
        let sum = results(&app, &round).await;
        assert_adds_up(&sum);
        assert_eq!((&sum["handed_to_provider"], counts(&sum["excluded"])), (&json!(1), pairs(&[("opted_out", 1)])), "{sum}");
        assert!(app.events_of(&address("ana")).await.iter().any(|kind| kind == "consent.withdrawn"));
        assert_eq!(state(&world, &list, "ben"), Some(State::Active));
    }

    async fn a_stop_that_nobody_told_is_heard_before_the_list_is_emptied(app: TestApp) {
        let (world, shop) = open(&app).await;
        let worker = world.worker();
        let round = prepared(&app, &shop, "provider", &csv(&["ana", "ben"])).await;
        launch(&app, &round).await;
        handed(&app, &round, 2).await;
        let list = list_of(&app, &round).await;
        // The webhook is gone, so the stop is not told.
        for call in world.emulator.requests().iter().filter(|call| call.method == "POST" && call.path.contains("webhooks")) {
            assert!(call.path.contains(&list));
        }
        let hooks = world::api(&world, reqwest::Method::GET, &format!("lists/{list}/webhooks.json"), None).await;
        for hook in hooks.as_array().unwrap() {
            let path = format!("lists/{list}/webhooks/{}.json", hook["WebhookID"].as_str().unwrap());
            world::api(&world, reqwest::Method::DELETE, &path, None).await;
        }
        app.clock.advance(Duration::from_secs(60));
        tell_the_time(&app, &world);
        assert!(world.emulator.unsubscribe_as_person(&list, &address("ana")));
        app.clock.advance_days(15);
        eventually("the list is empty", async || {
            app.api().get(&round).await.expect(200).json["round_list"]["emptied_at"].is_string().then_some(())
        }).await;
        worker.stop().await;
        assert!(app.events_of(&address("ana")).await.iter().any(|kind| kind == "consent.withdrawn"));
        assert!(!app.events_of(&address("ben")).await.iter().any(|kind| kind == "consent.withdrawn"));
        assert_eq!(results(&app, &round).await["no"], 1);
        assert_eq!(world.emulator.count(&list, State::Active), 0);
    }
}
