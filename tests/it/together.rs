//! Many people are brought in step together: one call for hundreds, each of them judged as if they had gone alone.

use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, LoggedRequest, State};
use serde_json::Value;

use crate::remap::{confirmed, has_stopped, purpose_id, state, until, until_in_step};
use crate::support::TestApp;
use crate::support::world::{LIST, Shop, World, eventually};

/// The imports that were asked for, as (addresses, whether they start people again).
fn imports(world: &World) -> Vec<(Vec<String>, bool)> {
    let asked = world.emulator.requests().into_iter().filter(|request| request.path.contains("/import"));
    asked.map(|LoggedRequest { body, .. }| (addresses(&body), body["Resubscribe"] == true)).collect()
}

fn addresses(import: &Value) -> Vec<String> {
    let rows = import["Subscribers"].as_array().expect("an import has rows");
    rows.iter().map(|row| row["EmailAddress"].as_str().expect("a row has an address").to_owned()).collect()
}

/// A shop whose people have said yes while nobody told the provider.
async fn waiting(app: &TestApp, world: &World, people: usize) -> (Shop, Vec<String>) {
    app.clock.follow_the_machine();
    let shop = Shop::open(app, world).await;
    let newsletter = purpose_id(app, "newsletter").await;
    let people: Vec<String> = (0..people).map(|n| format!("p{n}@example.org")).collect();
    confirmed(app, &shop, &newsletter, &people.iter().map(String::as_str).collect::<Vec<_>>()).await;
    (shop, people)
}

both_engines! {
    async fn hundreds_of_people_go_to_a_list_in_one_call_each_of_them_once(app: TestApp) {
        let world = World::around(&app);
        let (_shop, people) = waiting(&app, &world, 120).await;
        let worker = world.worker();
        eventually("everybody is there", async || (world.emulator.count(LIST, State::Active) == 120).then_some(())).await;
        until_in_step(&app).await;
        worker.stop().await;
        let imports = imports(&world);
        assert_eq!(imports.len(), 1, "{} calls", imports.len());
        let mut rows: Vec<String> = imports.into_iter().flat_map(|(rows, _)| rows).collect();
        rows.sort();
        let mut expected = people;
        expected.sort();
        assert_eq!(rows, expected);
    }

    async fn a_row_that_is_refused_holds_nobody_up_and_is_a_stop_here_or_a_start_there_by_its_own_dates(app: TestApp) {
        let world = World::around(&app);
        let (_shop, people) = waiting(&app, &world, 40).await;
        // Both have stopped there and nobody told us: one before the yes here, one after it.
        let (before, after) = (people[7].as_str(), people[3].as_str());
        let stop = |address: &str| {
            assert!(world.emulator.subscribe_as_person(LIST, address));
            assert!(world.emulator.unsubscribe_as_person(LIST, address));
        };
        stop(after);
        let yesterday = jiff::Timestamp::from_microsecond(app.services.clock.now().micros() - 86_400_000_000).unwrap();
        world.emulator.freeze_clock(Some(yesterday));
        stop(before);
        world.emulator.freeze_clock(None);
        let worker = world.worker();
        let others: Vec<&str> = people.iter().map(String::as_str).filter(|address| *address != after).collect();
        until(&world, LIST, &others, State::Active).await;
        until_in_step(&app).await;
        worker.stop().await;
        assert!(has_stopped(&app, after).await, "the later stop there is a stop here");
        assert_eq!(state(&world, LIST, after), Some(State::Unsubscribed));
        assert!(!has_stopped(&app, before).await, "the later yes stands");
        let imports = imports(&world);
        let again: Vec<_> = imports.iter().filter(|(_, again)| *again).collect();
        assert_eq!(again, [&(vec![before.to_owned()], true)], "started again alone, and named");
        assert_eq!(imports.len(), 2, "nobody else went twice");
    }

    async fn an_answer_that_is_lost_is_asked_for_again_and_changes_nothing(app: TestApp) {
        let world = World::around(&app);
        let lost = FaultKind::ErrorAfterApplying;
        assert!(world.emulator.faults().push(Fault { method: None, path: "/import".to_owned(), times: 1, kind: lost }));
        let (_shop, people) = waiting(&app, &world, 30).await;
        let worker = world.worker();
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        until(&world, LIST, &people, State::Active).await;
        until_in_step(&app).await;
        worker.stop().await;
        for address in people {
            assert!(!has_stopped(&app, address).await);
        }
        assert!(imports(&world).iter().all(|(_, again)| !again), "nobody is started again");
        assert!(imports(&world).len() >= 2);
    }
}
