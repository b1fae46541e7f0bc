//! A purpose's list changes: confirmed people are brought to the new one and leave the old one, and nobody's stop gets
//! lost on the way, nor is one made up.

use std::sync::Arc;

use reconsent::domain::ids::SubjectId;
use reconsent::domain::task::TaskKind;
use reconsent::sandbox::campaign_monitor::State;
use reconsent::store::outbox::Task;
use reconsent::store::{ReadTx, WriteTx};
use reconsent::usecases::remap::{Piece, remap_chunk};
use reconsent::usecases::{Pieces, Rules};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::world::{CLIENT, LIST, OTHER_LIST, Shop, World, eventually};

/// The id of a purpose of the shop.
pub async fn purpose_id(app: &TestApp, slug: &str) -> String {
    let all = app.api().get("/v1/purposes").await.expect(200).json;
    let found = all["items"].as_array().unwrap().iter().find(|purpose| purpose["slug"] == slug).cloned();
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

/// People who have said yes to a purpose of the shop.
pub async fn confirmed(app: &TestApp, shop: &Shop, purpose: &str, people: &[&str]) {
    for address in people {
        app.consenting(address, purpose, &shop.notice, &shop.policy_version).await;
    }
}

async fn set_lists(app: &TestApp, destination: &str, lists: Value) {
    app.api().put(&format!("/v1/destinations/{destination}/lists"), json!({ "lists": lists })).await.expect(200);
}

pub fn state(world: &World, list: &str, address: &str) -> Option<State> {
    world.emulator.subscriber(list, address).map(|found| found.state)
}

/// Waits until these people stand so on a list.
pub async fn until(world: &World, list: &str, people: &[&str], expected: State) {
    eventually(&format!("{people:?} are {expected:?} on {list}"), async || {
        people.iter().all(|address| state(world, list, address) == Some(expected)).then_some(())
    })
    .await;
}

/// Waits until nothing is left to be brought in step.
pub async fn until_in_step(app: &TestApp) {
    eventually("everything is in step", async || {
        let counts = app.services.store.read(|tx: &mut ReadTx<'_>| tx.outbox_counts()).await.unwrap();
        let open = [TaskKind::Sync.code(), TaskKind::Remap.code()];
        counts.iter().all(|count| !open.contains(&count.kind)).then_some(())
    })
    .await;
}

/// Has the provider call our webhook about a list, from now on.
async fn register(app: &TestApp, world: &World, shop: &Shop, list: &str) {
    let url = format!("{}/api/v3.3/lists/{list}/webhooks.json", world.emulator.base_url());
    let hook = json!({ "Events": ["Subscribe", "Deactivate", "Update"], "Url": format!("{}{}", app.base, shop.webhook),
        "PayloadFormat": "json" });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let made = client.post(url).basic_auth(world.emulator.account_key(), Some("x")).json(&hook).send().await.unwrap();
    assert_eq!(made.status().as_u16(), 201, "{}", made.text().await.unwrap());
}

/// What the provider tells when somebody has left a list.
fn told(app: &TestApp, list: &str, address: &str, state: &str) -> Value {
    use reconsent::campaign_monitor::Zone;
    let zone = Zone::named("Europe/Amsterdam").unwrap();
    let day = zone.day_of(app.services.clock.now().micros()).unwrap();
    json!({ "ListID": list, "Events": [{ "Type": "Deactivate", "Date": format!("{day} 23:59:00"), "EmailAddress": address,
        "Name": "", "State": state, "CustomFields": [] }] })
}

pub async fn has_stopped(app: &TestApp, address: &str) -> bool {
    app.events_of(address).await.iter().any(|kind| kind == "consent.withdrawn")
}

both_engines! {
    async fn confirmed_people_move_to_the_new_list_and_back_and_nobody_is_taken_for_stopped(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        register(&app, &world, &shop, LIST).await;
        register(&app, &world, &shop, OTHER_LIST).await;
        let worker = world.worker();
        let (newsletter, people) = (purpose_id(&app, "newsletter").await, ["ana@example.org", "ben@example.org", "cy@example.org"]);
        confirmed(&app, &shop, &newsletter, &people).await;
        confirmed(&app, &shop, &newsletter, &["dee@example.org"]).await;
        until(&world, LIST, &people, State::Active).await;

        set_lists(&app, &shop.destination, json!([{ "purpose": "newsletter", "list_id": OTHER_LIST }])).await;
        until(&world, OTHER_LIST, &people, State::Active).await;
        until(&world, LIST, &people, State::Deleted).await;
        until_in_step(&app).await;
        set_lists(&app, &shop.destination, json!([{ "purpose": "newsletter", "list_id": LIST }])).await;
        until(&world, LIST, &people, State::Active).await;
        until(&world, OTHER_LIST, &people, State::Deleted).await;
        until_in_step(&app).await;
        // What we did comes back as an echo, which is in when this stop is, as the provider tells in order.
        assert!(world.emulator.unsubscribe_as_person(LIST, "dee@example.org"));
        eventually("the stop is told", async || has_stopped(&app, "dee@example.org").await.then_some(())).await;
        until_in_step(&app).await;
        worker.stop().await;
        for address in people {
            assert!(!has_stopped(&app, address).await, "{address} has stopped nothing: {:?}", app.events_of(address).await);
            assert_eq!(state(&world, LIST, address), Some(State::Active));
            assert!(!world.emulator.is_suppressed(CLIENT, address), "a move reaches no other list");
        }
    }

    async fn who_has_another_purpose_on_the_old_list_stays_there(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        let offers = app.purpose("offers").await;
        let lists = json!([{ "purpose": "newsletter", "list_id": LIST }, { "purpose": "offers", "list_id": LIST }]);
        set_lists(&app, &shop.destination, lists).await;
        confirmed(&app, &shop, &newsletter, &["both@example.org", "one@example.org"]).await;
        confirmed(&app, &shop, &offers, &["both@example.org"]).await;
        let worker = world.worker();
        until(&world, LIST, &["both@example.org", "one@example.org"], State::Active).await;
        until_in_step(&app).await;

        let lists = json!([{ "purpose": "offers", "list_id": LIST }, { "purpose": "newsletter", "list_id": OTHER_LIST }]);
        set_lists(&app, &shop.destination, lists).await;
        until(&world, OTHER_LIST, &["both@example.org", "one@example.org"], State::Active).await;
        until(&world, LIST, &["one@example.org"], State::Deleted).await;
        until_in_step(&app).await;
        assert_eq!(state(&world, LIST, "both@example.org"), Some(State::Active));

        // Two purposes change places.
        let lists = json!([{ "purpose": "newsletter", "list_id": LIST }, { "purpose": "offers", "list_id": OTHER_LIST }]);
        set_lists(&app, &shop.destination, lists).await;
        until(&world, LIST, &["both@example.org", "one@example.org"], State::Active).await;
        until(&world, OTHER_LIST, &["one@example.org"], State::Deleted).await;
        until_in_step(&app).await;
        assert_eq!(state(&world, OTHER_LIST, "both@example.org"), Some(State::Active));
        worker.stop().await;
        assert!(!has_stopped(&app, "one@example.org").await && !has_stopped(&app, "both@example.org").await);
    }

    async fn who_is_on_a_list_that_serves_no_purpose_any_more_leaves_it_and_keeps_the_consent(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let newsletter = purpose_id(&app, "newsletter").await;
        confirmed(&app, &shop, &newsletter, &["ana@example.org"]).await;
        until(&world, LIST, &["ana@example.org"], State::Active).await;

        // Another destination takes the list over: nobody leaves it.
        let made = app.api().post("/v1/destinations", json!({ "base_url": world.emulator.base_url(), "client_id": CLIENT,
            "api_key": world.emulator.account_key(), "time_zone": "Europe/Amsterdam" })).await.expect(201).text("id");
        set_lists(&app, &made, json!([{ "purpose": "newsletter", "list_id": LIST }])).await;
        until_in_step(&app).await;
        assert_eq!(state(&world, LIST, "ana@example.org"), Some(State::Active));

        set_lists(&app, &made, json!([])).await;
        until(&world, LIST, &["ana@example.org"], State::Deleted).await;
        until_in_step(&app).await;
        assert!(!has_stopped(&app, "ana@example.org").await);
        set_lists(&app, &shop.destination, json!([{ "purpose": "newsletter", "list_id": OTHER_LIST }])).await;
        until(&world, OTHER_LIST, &["ana@example.org"], State::Active).await;
        worker.stop().await;
    }

    async fn a_stop_during_or_after_a_move_holds_on_both_lists(app: TestApp) {
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        let people = ["here@example.org", "told@example.org", "silent@example.org", "late@example.org"];
        confirmed(&app, &shop, &newsletter, &people).await;
        let worker = world.worker();
        until(&world, LIST, &people, State::Active).await;
        until_in_step(&app).await;
        worker.stop().await;

        set_lists(&app, &shop.destination, json!([{ "purpose": "newsletter", "list_id": OTHER_LIST }])).await;
        app.withdraw_directly("here@example.org").await;
        assert!(world.emulator.unsubscribe_as_person(LIST, "told@example.org"));
        app.nobody().post(&shop.webhook, told(&app, LIST, "told@example.org", "Unsubscribed")).await.expect(200);
        // The provider never tells of this one.
        assert!(world.emulator.unsubscribe_as_person(LIST, "silent@example.org"));
        let worker = world.worker();
        until(&world, OTHER_LIST, &["late@example.org"], State::Active).await;
        until(&world, LIST, &["late@example.org"], State::Deleted).await;
        until_in_step(&app).await;
        for address in &people[..3] {
            for list in [LIST, OTHER_LIST] {
                assert_ne!(state(&world, list, address), Some(State::Active), "{address} on {list}");
            }
            assert!(has_stopped(&app, address).await, "{address}: {:?}", app.events_of(address).await);
        }
        assert_eq!(state(&world, LIST, "here@example.org"), Some(State::Unsubscribed));

        // The link of an old mail from the list that was given up: the provider says it in other words than for us.
        app.nobody().post(&shop.webhook, told(&app, LIST, "late@example.org", "Deleted")).await.expect(200);
        assert!(!has_stopped(&app, "late@example.org").await, "that was us");
        app.nobody().post(&shop.webhook, told(&app, LIST, "late@example.org", "Unsubscribed")).await.expect(200);
        assert!(has_stopped(&app, "late@example.org").await);
        until(&world, OTHER_LIST, &["late@example.org"], State::Unsubscribed).await;
        worker.stop().await;
    }

    async fn a_first_list_is_filled_piece_by_piece_and_the_pieces_wait_for_the_provider(app: TestApp) {
        let mut app = app;
        let pieces = Pieces { remap: 200, remap_ahead: 400, ..Pieces::default() };
        app.services.rules = Arc::new(Rules { pieces, ..Rules::default() });
        app.clock.follow_the_machine();
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        set_lists(&app, &shop.destination, json!([])).await;
        let newsletter = purpose_id(&app, "newsletter").await;
        let people: Vec<String> = (0..210).map(|n| format!("p{n}@example.org")).collect();
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        confirmed(&app, &shop, &newsletter, &people).await;
        let worker = world.worker();
        until_in_step(&app).await;
        worker.stop().await;
        assert_eq!(world.emulator.count(LIST, State::Active), 0);

        set_lists(&app, &shop.destination, json!([{ "purpose": "newsletter", "list_id": LIST }])).await;
        // Each call goes on where the last commit stopped, as another worker does after a kill.
        assert_eq!(remap_chunk(&app.services, app.scope).await.unwrap(), Piece::More);
        let (scope, now) = (app.scope, app.services.clock.now());
        let strangers: Vec<Uuid> = (0..100).map(|n| SubjectId::from_uuid(Uuid::from_u128(n)).uuid()).collect();
        let ahead: Vec<Task> = strangers.iter().map(|id| Task::new(scope, TaskKind::Sync, *id, 2, now, now)).collect();
        app.services.store.write(Uuid::nil(), move |tx: &mut WriteTx<'_>| tx.enqueue(&ahead)).await.unwrap();
        assert_eq!(remap_chunk(&app.services, app.scope).await.unwrap(), Piece::Enough);
        let worker = world.worker();
        eventually("everybody is there", async || (world.emulator.count(LIST, State::Active) == 210).then_some(())).await;
        until_in_step(&app).await;
        worker.stop().await;
        let requests = world.emulator.requests().into_iter().filter(|request| request.path.contains("/import"));
        let written = requests.map(|import| import.body["Subscribers"].as_array().map_or(0, Vec::len)).sum::<usize>();
        assert_eq!(written, 210, "everybody once");
    }
}
