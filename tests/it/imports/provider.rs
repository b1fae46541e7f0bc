//! A list of the provider's as the audience of a round: its active people with their dates and fields, its stops as stops,
//! whatever fails, dies or moves while it is read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, State};
use reconsent::usecases::imports::{PageStep, ProviderReading};
use reconsent::usecases::sync::{Provider, ProviderSettings};
use reconsent::usecases::{Pieces, Rules};

use super::*;
use crate::support::world::{CLIENT, LIST, OTHER_LIST};

const WORDS: &str = "basis=consent&how=web%20form&statement=Signed%20up%20there&attester=B.%20Lee";

async fn call(world: &World, method: reqwest::Method, path: &str, body: Value) {
    crate::support::world::api(world, method, path, Some(body)).await;
}

async fn put_there(world: &World, list: &str, people: &[String], resubscribe: bool) {
    for some in people.chunks(1000) {
        let rows = some.iter().map(|email| {
            json!({ "EmailAddress": email, "Name": "Somebody", "ConsentToTrack": "No",
                "CustomFields": [{ "Key": "Town", "Value": "York" }, { "Key": "Basis", "Value": "consent" },
                    { "Key": "ReconsentPreferences", "Value": "a-token" }] })
        });
        let body = json!({ "Subscribers": rows.collect::<Vec<_>>(), "Resubscribe": resubscribe });
        call(world, reqwest::Method::POST, &format!("subscribers/{list}/import.json"), body).await;
    }
}

fn at(world: &World, moment: &str) {
    world.emulator.freeze_clock(Some(moment.parse().unwrap()));
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{name}@example.org")).collect()
}

fn numbered(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|n| format!("person{n}@example.org")).collect()
}

async fn destination(api: &crate::support::Api, world: &World, client: &str) -> String {
    let body = json!({ "base_url": world.emulator.base_url(), "client_id": client,
        "api_key": world.emulator.account_key(), "time_zone": "Europe/Amsterdam" });
    api.post("/v1/destinations", body).await.expect(201).text("id")
}

/// The world around a house with a purpose and a destination, and a custom field on the list.
async fn ready(app: &TestApp) -> (World, String, PurposeId) {
    let newsletter = purpose(app, "newsletter").await;
    let world = World::around(app);
    let field = json!({ "FieldName": "Town", "DataType": "Text", "Options": [], "VisibleInPreferenceCenter": true });
    call(&world, reqwest::Method::POST, &format!("lists/{LIST}/customfields.json"), field).await;
    let id = destination(&app.api(), &world, CLIENT).await;
    at(&world, "2026-03-02T08:15:00Z");
    (world, id, newsletter)
}

async fn ask_for(app: &TestApp, destination: &str, list: &str) -> ImportId {
    let path = format!("/v1/destinations/{destination}/lists/{list}/imports?purposes=newsletter&{WORDS}");
    app.api().post(&path, json!({})).await.expect(202).text("id").parse().unwrap()
}

async fn open(app: &TestApp, id: ImportId) -> Option<ProviderReading> {
    let provider = Provider::new(ProviderSettings::default());
    ProviderReading::open(&app.services, &provider, app.scope, id).await.unwrap()
}

/// One step, as another worker does after a kill.
async fn step_anew(app: &TestApp, id: ImportId) -> PageStep {
    open(app, id).await.unwrap().step().await.unwrap()
}

async fn look(app: &TestApp, id: ImportId) -> Value {
    app.api().get(&format!("/v1/imports/{id}")).await.expect(200).json
}

async fn finished(app: &TestApp, id: ImportId) -> Value {
    eventually("the import has its outcome", async || {
        let now = look(app, id).await;
        ["done", "failed"].contains(&now["status"].as_str().unwrap()).then_some(now)
    })
    .await
}

fn of(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
    pairs.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect()
}

/// A house that reads ten rows at once.
fn in_small_pieces(mut app: TestApp) -> TestApp {
    let pieces = Pieces { import_rows: 10, ..Pieces::default() };
    app.services.rules = Arc::new(Rules { pieces, ..Rules::default() });
    app
}

both_engines! {
    async fn active_people_come_with_date_and_fields_and_stops_come_as_stops(app: TestApp) {
        let (world, destination, newsletter) = ready(&app).await;
        put_there(&world, LIST, &named(&["ana", "ben", "cleo", "dan", "eve", "fay", "gus", "ivy"]), false).await;
        // A list that asks by itself leaves somebody unconfirmed.
        let settings = |asks: bool| json!({ "Title": "Newsletter", "UnsubscribeSetting": "AllClientLists", "ConfirmedOptIn": asks });
        call(&world, reqwest::Method::PUT, &format!("lists/{LIST}.json"), settings(true)).await;
        world.emulator.set_add_delay(Duration::ZERO);
        let hal = json!({ "EmailAddress": "hal@example.org", "ConsentToTrack": "No", "Resubscribe": false });
        call(&world, reqwest::Method::POST, &format!("subscribers/{LIST}.json"), hal).await;
        call(&world, reqwest::Method::PUT, &format!("lists/{LIST}.json"), settings(false)).await;
        at(&world, "2026-05-01T10:00:00Z");
        assert!(world.emulator.unsubscribe_as_person(LIST, "cleo@example.org"));
        assert!(world.emulator.bounce(LIST, "dan@example.org"));
        assert!(world.emulator.complain(LIST, "eve@example.org"));
        // Started again by somebody at the provider, and suppressed all the same (campaign-monitor 15.2).
        assert!(world.emulator.unsubscribe_as_person(LIST, "fay@example.org"));
        put_there(&world, LIST, &named(&["fay"]), true).await;
        assert!(world.emulator.is_suppressed(CLIENT, "fay@example.org"));
        call(&world, reqwest::Method::DELETE, &format!("subscribers/{LIST}.json?email=gus%40example.org"), json!({})).await;
        // Ivy said stop here, and nobody told the provider.
        import(&app, &format!("kind=contacts&purposes=newsletter&{DECLARED}"), "email\nivy@example.org\n").await;
        act(&app, "ivy@example.org", newsletter, Command::Withdraw { reason: SuppressionReason::Withdrawn }).await;

        let worker = world.worker();
        let id = ask_for(&app, &destination, LIST).await;
        let done = finished(&app, id).await;
        worker.stop().await;
        assert_eq!((&done["status"], &done["kind"]), (&json!("done"), &json!("contacts")), "{done}");
        assert_eq!(done["provider_list"], json!({ "destination_id": destination, "list_id": LIST, "reading": "suppressed_since" }));
        // Cleo, Dan and Eve, by their state and by the client's list, and Fay by that list.
        let seen = outcomes(&done);
        assert_eq!((seen["added"], seen["suppressed"]), (2, 2), "Ana and Ben; Fay and Ivy: {seen:?}");
        assert!(seen["stopped_there"] >= 4 && seen.keys().all(|key| ["added", "suppressed", "stopped_there", "duplicate"].contains(&key.as_str())), "{seen:?}");

        let ana = consent(&app, "ana@example.org").await;
        assert_eq!(ana.basis_collected_at, Some(Timestamp::parse("2026-03-02T08:15:00Z").unwrap()), "09:15 on the client's clock");
        assert_eq!((ana.state, ana.basis_kind, ana.basis_evidenced), (ConsentState::Unknown, Some(BasisKind::Consent), true));
        let keys = app.services.keys.of(app.scope).await.unwrap();
        let person = Person::open(app.scope, &keys, subject(&app, "ana@example.org").await.unwrap()).unwrap();
        assert_eq!(person.name().unwrap().unwrap().as_str(), "Somebody");
        assert_eq!(person.fields().unwrap().unwrap(), json!({ "town": "York" }), "what sync wrote there is no field of hers");
        for nobody in ["cleo", "dan", "eve", "fay", "gus", "hal"] {
            assert!(subject(&app, &format!("{nobody}@example.org")).await.is_none(), "{nobody} is nobody here");
        }
        assert_eq!(consent(&app, "ivy@example.org").await.state, ConsentState::Withdrawn);
        // Who stopped there stays out whoever brings them; who was deleted or never confirmed may come by another way.
        let everybody = "email\ncleo@example.org\ndan@example.org\neve@example.org\nfay@example.org\ngus@example.org\nhal@example.org\n";
        let later = import(&app, &format!("kind=contacts&purposes=newsletter&{DECLARED}"), everybody).await;
        let later: Vec<String> = report(&app, &later).await.into_iter().map(|(_, outcome, _)| outcome).collect();
        assert_eq!(later, ["suppressed", "suppressed", "suppressed", "suppressed", "added", "added"]);
    }

    async fn the_audience_of_a_round_is_who_was_active_and_may_be_asked(app: TestApp) {
        let world = World::around(&app);
        let shop = crate::support::world::Shop::open(&app, &world).await;
        at(&world, "2026-03-02T08:15:00Z");
        put_there(&world, OTHER_LIST, &named(&["ana", "ben", "cleo", "fay"]), false).await;
        world.emulator.unsubscribe_as_person(OTHER_LIST, "cleo@example.org");
        world.emulator.unsubscribe_as_person(OTHER_LIST, "fay@example.org");
        put_there(&world, OTHER_LIST, &named(&["fay"]), true).await;
        let worker = world.worker();
        let id = ask_for(&app, &shop.destination, OTHER_LIST).await;
        finished(&app, id).await;
        let deadline = app.services.clock.now().plus(Duration::from_secs(14 * 86_400)).to_string();
        let body = json!({ "name": "Round", "purposes": ["newsletter"], "import_ids": [id.to_string()],
            "notice_id": shop.notice, "sender_id": shop.sender, "deadline": deadline });
        let campaign = app.api().post("/v1/campaigns", body).await.expect(201).text("id");
        let dry = app.api().post(&format!("/v1/campaigns/{campaign}/dry-run"), json!({})).await.expect(200).json;
        // Fay was active and is suppressed; Cleo was not in the audience at all.
        assert_eq!((&dry["total"], &dry["eligible"], &dry["outsiders"]), (&json!(3), &json!(2), &json!(1)), "{dry}");
        app.api().post(&format!("/v1/campaigns/{campaign}/launch"), json!({})).await.expect(200);
        world.mail_to("ana@example.org").await;
        world.mail_to("ben@example.org").await;
        worker.stop().await;
        assert!(world.catcher.messages_to("cleo@example.org").is_empty() && world.catcher.messages_to("fay@example.org").is_empty());
    }

    async fn faults_of_the_provider_are_waited_out(app: TestApp) {
        let (world, destination, _) = ready(&app).await;
        put_there(&world, LIST, &numbered(0, 1200), false).await;
        world.emulator.unsubscribe_as_person(LIST, "person7@example.org");
        let strike = |path: &str, kind| {
            assert!(world.emulator.faults().push(Fault { method: None, path: path.to_owned(), times: 1, kind }));
        };
        strike(&format!("clients/{CLIENT}/lists"), FaultKind::Status(503));
        strike(&format!("lists/{LIST}/unsubscribed"), FaultKind::Html);
        strike(&format!("lists/{LIST}/bounced"), FaultKind::LostAnswer);
        strike(&format!("lists/{LIST}/active.json?date=&includetrackingpreference=true&page=2"), FaultKind::Status(504));
        strike("suppressionlist", FaultKind::Status(429));
        let worker = world.worker();
        let id = ask_for(&app, &destination, LIST).await;
        eventually("it waits as the provider asks", async || {
            (world.emulator.faults().waiting() == 1 && look(&app, id).await["provider_list"]["reading"] == "suppressed").then_some(())
        }).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(look(&app, id).await["provider_list"]["reading"], "suppressed", "a 429 is no reason to hurry");
        app.clock.advance(Duration::from_secs(31));
        let done = finished(&app, id).await;
        worker.stop().await;
        assert_eq!(world.emulator.faults().waiting(), 0);
        let seen = outcomes(&done);
        assert_eq!((seen["added"], &done["status"]), (1199, &json!("done")), "{done}");
    }

    async fn another_worker_goes_on_where_a_dead_one_stopped(app: TestApp) {
        let app = in_small_pieces(app);
        let (world, destination, _) = ready(&app).await;
        put_there(&world, LIST, &numbered(0, 35), false).await;
        for n in 0..12 {
            world.emulator.unsubscribe_as_person(LIST, &format!("person{n}@example.org"));
        }
        let id = ask_for(&app, &destination, LIST).await;
        let mut steps = 0;
        while step_anew(&app, id).await == PageStep::More {
            steps += 1;
            assert!(steps < 50, "{}", look(&app, id).await);
        }
        assert!(steps > 7, "a page is a step: {steps}");
        let done = look(&app, id).await;
        let seen = outcomes(&done);
        assert_eq!((seen["added"], &done["status"]), (23, &json!("done")), "{done}");
        assert!(open(&app, id).await.is_none(), "there is nothing left to read");
        let rows = report(&app, &done).await;
        let numbers: BTreeSet<i64> = rows.iter().map(|(row, ..)| *row).collect();
        assert_eq!(numbers, (1..=rows.len() as i64).collect(), "no row twice, and none left out");
    }

    async fn two_workers_on_one_list_of_the_providers_take_each_page_once(app: TestApp) {
        let app = in_small_pieces(app);
        let (world, destination, _) = ready(&app).await;
        put_there(&world, LIST, &numbered(0, 45), false).await;
        let id = ask_for(&app, &destination, LIST).await;
        let (mut one, mut two) = (open(&app, id).await.unwrap(), open(&app, id).await.unwrap());
        let (mut over_one, mut over_two) = (false, false);
        while !(over_one && over_two) {
            over_one = over_one || one.step().await.unwrap() == PageStep::Done;
            over_two = over_two || two.step().await.unwrap() == PageStep::Done;
        }
        let done = look(&app, id).await;
        assert_eq!((outcomes(&done), &done["status"]), (of(&[("added", 45)]), &json!("done")), "{done}");
    }

    async fn nobody_is_passed_over_because_others_left_meanwhile(app: TestApp) {
        let app = in_small_pieces(app);
        let (world, destination, _) = ready(&app).await;
        for n in 0..40 {
            at(&world, &format!("2026-03-02T08:{n:02}:00Z"));
            put_there(&world, LIST, &numbered(n, n + 1), false).await;
        }
        let id = ask_for(&app, &destination, LIST).await;
        while look(&app, id).await["provider_list"]["reading"] != "active" {
            assert_eq!(step_anew(&app, id).await, PageStep::More);
        }
        assert_eq!(step_anew(&app, id).await, PageStep::More);
        // Five of the first page leave, and those behind move up.
        at(&world, "2026-11-24T10:00:00Z");
        for n in 0..5 {
            assert!(world.emulator.unsubscribe_as_person(LIST, &format!("person{n}@example.org")));
        }
        while step_anew(&app, id).await == PageStep::More {}
        for n in 0..40 {
            let address = format!("person{n}@example.org");
            let state = consent(&app, &address).await.state;
            assert_eq!(state, if n < 5 { ConsentState::Withdrawn } else { ConsentState::Unknown }, "{address}");
        }
        let seen = outcomes(&look(&app, id).await);
        assert_eq!(seen["added"], 40);
    }

    async fn a_yes_here_outweighs_an_older_stop_there(app: TestApp) {
        let (world, destination, newsletter) = ready(&app).await;
        put_there(&world, LIST, &named(&["ana", "ben"]), false).await;
        import(&app, &format!("kind=contacts&purposes=newsletter&{DECLARED}"), "email\nana@example.org\nben@example.org\n").await;
        at(&world, "2026-05-01T10:00:00Z");
        world.emulator.unsubscribe_as_person(LIST, "ana@example.org");
        act(&app, "ana@example.org", newsletter, give(&app)).await;
        act(&app, "ben@example.org", newsletter, give(&app)).await;
        at(&world, "2026-11-25T10:00:00Z");
        world.emulator.unsubscribe_as_person(LIST, "ben@example.org");
        app.clock.advance_days(3);
        let id = ask_for(&app, &destination, LIST).await;
        let mut reading = open(&app, id).await.unwrap();
        while reading.step().await.unwrap() == PageStep::More {}
        assert_eq!(consent(&app, "ana@example.org").await.state, ConsentState::Confirmed);
        assert_eq!(consent(&app, "ben@example.org").await.state, ConsentState::Withdrawn);
        let seen = outcomes(&look(&app, id).await);
        assert!(seen["already_confirmed"] >= 1 && seen["stopped_there"] >= 1, "{seen:?}");
        let events = app.events_of("ben@example.org").await;
        assert_eq!(events.iter().filter(|kind| *kind == "consent.withdrawn").count(), 1, "{events:?}");
    }

    async fn whom_we_took_off_there_ourselves_has_not_stopped(app: TestApp) {
        let (world, destination, newsletter) = ready(&app).await;
        let body = json!({ "lists": [{ "purpose": "newsletter", "list_id": LIST }] });
        app.api().put(&format!("/v1/destinations/{destination}/lists"), body).await.expect(200);
        import(&app, &format!("kind=contacts&purposes=newsletter&{DECLARED}"), "email\nana@example.org\n").await;
        // An unsubscribe there reaches the client's suppression list, and an expiry is to be one.
        app.api().patch(&format!("/v1/destinations/{destination}"), json!({ "on_expiry": "unsubscribe" })).await.expect(200);
        let settings = json!({ "Title": "Newsletter", "UnsubscribeSetting": "AllClientLists", "ConfirmedOptIn": false });
        call(&world, reqwest::Method::PUT, &format!("lists/{LIST}.json"), settings).await;
        let worker = world.worker();
        act(&app, "ana@example.org", newsletter, give(&app)).await;
        let is = |state: State| world.emulator.subscriber(LIST, "ana@example.org").is_some_and(|ana| ana.state == state);
        eventually("she is there", async || is(State::Active).then_some(())).await;
        // Her consent ends, and she is taken off.
        app.clock.advance_days(701);
        at(&world, &app.services.clock.now().to_string());
        eventually("she is off", async || is(State::Unsubscribed).then_some(())).await;
        let id = ask_for(&app, &destination, LIST).await;
        let done = finished(&app, id).await;
        worker.stop().await;
        assert_eq!(consent(&app, "ana@example.org").await.state, ConsentState::Expired);
        let told: Vec<(String, String)> = report(&app, &done).await.into_iter().map(|(_, outcome, why)| (outcome, why)).collect();
        assert!(world.emulator.is_suppressed(CLIENT, "ana@example.org"));
        assert!(told.iter().all(|(outcome, why)| outcome == "ended_here" && why.contains("taken off there by this service")), "{told:?}");
    }

    async fn one_controllers_import_reads_and_stops_nothing_of_anothers(app: TestApp) {
        let (world, destination, _) = ready(&app).await;
        put_there(&world, LIST, &named(&["ana"]), false).await;
        world.emulator.unsubscribe_as_person(LIST, "ana@example.org");
        let (_, other) = app.other_controller("other").await;
        let body = json!({ "slug": "newsletter", "label": "Letters", "description": "Letters" });
        other.post("/v1/purposes", body).await.expect(201);
        let path = |destination: &str| format!("/v1/destinations/{destination}/lists/{LIST}/imports?purposes=newsletter&{WORDS}");
        other.post(&path(&destination), json!({})).await.expect_problem(404, "not-found");
        // The key of the agency's account opens the list; the client it belongs to is somebody else's.
        let body = json!({ "base_url": world.emulator.base_url(), "client_id": "d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2",
            "api_key": world.emulator.account_key(), "time_zone": "Europe/Amsterdam" });
        let theirs = other.post("/v1/destinations", body).await.expect(201).text("id");
        let worker = world.worker();
        let id = other.post(&path(&theirs), json!({})).await.expect(202).text("id");
        let failed = eventually("it is refused", async || {
            let now = other.get(&format!("/v1/imports/{id}")).await.expect(200).json;
            (now["status"] == "failed").then_some(now)
        }).await;
        assert!(failed["failure"].as_str().unwrap().contains("no such client or list"), "{failed}");
        assert_eq!(failed["rows"], 0);
        let own = ask_for(&app, &destination, LIST).await;
        finished(&app, own).await;
        let upload = format!("/v1/imports?kind=contacts&purposes=newsletter&{DECLARED}");
        let id = other.upload(&upload, "text/csv", "email\nana@example.org\n").await.expect(202).text("id");
        let theirs = eventually("their list is read", async || {
            let now = other.get(&format!("/v1/imports/{id}")).await.expect(200).json;
            (now["status"] == "done").then_some(now)
        }).await;
        worker.stop().await;
        assert_eq!(outcomes(&theirs), of(&[("added", 1)]), "a stop of the one is none of the other's");
    }

    async fn what_cannot_be_read_says_so(app: TestApp) {
        let (world, destination, _) = ready(&app).await;
        let worker = world.worker();
        let id = ask_for(&app, &destination, "e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5").await;
        let failed = finished(&app, id).await;
        assert_eq!((&failed["status"], &failed["failure"]), (&json!("failed"), &json!("the client has no such list")));
        let body = json!({ "base_url": world.emulator.base_url(), "client_id": CLIENT, "api_key": "wrong", "time_zone": "UTC" });
        let wrong = app.api().post("/v1/destinations", body).await.expect(201).text("id");
        let id = ask_for(&app, &wrong, LIST).await;
        let failed = finished(&app, id).await;
        assert!(failed["failure"].as_str().unwrap().contains("does not take the destination's key"), "{failed}");
        worker.stop().await;
        let path = format!("/v1/destinations/{destination}/lists/{LIST}/imports");
        app.api().post(&format!("{path}?basis=consent"), json!({})).await.expect_faults(&["purposes"]);
        app.api().post(&format!("{path}?purposes=newsletter&kind=do-not-mail"), json!({})).await.expect_faults(&["kind"]);
        app.api().post(&format!("{path}?purposes=newsletter&basis=hope"), json!({})).await.expect_faults(&["basis"]);
    }

    async fn a_document_may_prove_the_basis_and_a_retry_is_one_import(app: TestApp) {
        let (world, destination, _) = ready(&app).await;
        put_there(&world, LIST, &named(&["ana"]), false).await;
        let path = format!("/v1/destinations/{destination}/lists/{LIST}/imports");
        let part = |name: &str, more: &str, value: &str| {
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n")
        };
        let head = part("purposes", "", "newsletter") + &part("basis", "", "consent") + &part("how", "", "web form");
        let proof = part("document", "; filename=\"proof.pdf\"", "%PDF-1.7 proof");
        let send = async |body: String| {
            app.api().once("letters-1").upload(&path, "multipart/form-data; boundary=XX", body).await
        };
        let taken = send(format!("{head}{proof}--XX--\r\n")).await.expect(202).text("id");
        assert_eq!(send(format!("{head}{proof}--XX--\r\n")).await.expect(202).text("id"), taken);
        send(format!("{head}--XX--\r\n")).await.expect_problem(422, "idempotency-key-reused");
        let file = part("file", "; filename=\"list.csv\"", "email\r\nben@example.org\r\n");
        send(format!("{head}{file}--XX--\r\n")).await.expect_faults(&["file"]);
        let mut reading = open(&app, taken.parse().unwrap()).await.unwrap();
        while reading.step().await.unwrap() == PageStep::More {}
        assert!(consent(&app, "ana@example.org").await.basis_evidenced, "a document attests it");
        let document = app.api().get(&format!("/v1/imports/{taken}/document")).await.expect(200);
        assert_eq!(document.body(), "%PDF-1.7 proof");
        assert_eq!(app.api().get("/v1/imports").await.expect(200).json["items"].as_array().unwrap().len(), 1);
    }

    async fn a_stop_while_the_list_is_read_is_known_at_the_end(app: TestApp) {
        let (world, destination, _) = ready(&app).await;
        put_there(&world, LIST, &named(&["ana", "ben"]), false).await;
        let id = ask_for(&app, &destination, LIST).await;
        while look(&app, id).await["provider_list"]["reading"] != "unsubscribed_since" {
            assert_eq!(step_anew(&app, id).await, PageStep::More);
        }
        at(&world, "2026-11-24T09:31:00Z");
        assert_eq!(world.emulator.count(LIST, State::Active), 2);
        assert!(world.emulator.unsubscribe_as_person(LIST, "ana@example.org"));
        while step_anew(&app, id).await == PageStep::More {}
        assert_eq!(consent(&app, "ana@example.org").await.state, ConsentState::Withdrawn);
        assert_eq!(consent(&app, "ben@example.org").await.state, ConsentState::Unknown);
    }
}
