//! States, codes and connections in the wrong hands.

use super::*;

both_engines! {
    async fn a_state_is_used_once_and_not_for_ever(app: TestApp) {
        let agency = Agency::open(&app).await;
        let app = &agency.app;
        let (connection, url) = agency.begin(&app.api()).await;
        let back = agency.decide(&url, "allow").await;
        for _ in 0..3 {
            app.nobody().get(&back).await.expect(200);
        }
        let look = json!({ "connection_id": connection });
        app.api().post("/v1/destinations/look", look.clone()).await.expect_faults(&["connection_id"]);
        agency.press(&back).await.expect(200);
        app.api().post("/v1/destinations/look", look).await.expect(200);
        agency.press(&back).await.expect(404);
        app.nobody().get(&back).await.expect(404);
        assert_eq!(agency.calls().0, 1, "the code was exchanged once");

        let (_, late) = agency.begin(&app.api()).await;
        let late = agency.decide(&late, "allow").await;
        agency.tick(Duration::from_secs(600));
        app.nobody().get(&late).await.expect(404);
        agency.press(&late).await.expect(404);
        for state in ["", "x", &"y".repeat(3000), &query(&back, "state").to_lowercase()] {
            agency.press(&with_query(&late, "state", state)).await.expect(404);
        }
        assert_eq!(agency.calls().0, 0, "nothing was asked of the provider");
    }

    async fn two_who_press_at_once_connect_once(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (_, url) = agency.begin(&agency.app.api()).await;
        let back = agency.decide(&url, "allow").await;
        let (one, other) = tokio::join!(agency.press(&back), agency.press(&back));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!((statuses, agency.calls().0), ([200, 404], 1));
    }

    async fn the_state_of_one_controller_connects_nothing_of_anothers(app: TestApp) {
        let agency = Agency::open(&app).await;
        let app = &agency.app;
        let (shop, destination) = agency.shop().await;
        let (scope, other) = app.other_controller("other").await;
        let (theirs, url) = agency.begin(&other).await;
        let back = agency.decide(&url, "allow").await;
        // Whoever is sent to the page sees whose it is before anything happens.
        let page = app.nobody().get(&back).await.expect(200).body();
        assert!(page.contains("to other Ltd?") && !page.contains("acme"), "{page}");
        agency.press(&back).await.expect(200);
        let body = |connection: &str| json!({ "client_id": CLIENT, "connection_id": connection, "time_zone": "Europe/Amsterdam" });
        for path in ["/v1/destinations", "/v1/destinations/look"] {
            let mut named = body(&theirs);
            if path.ends_with("look") {
                named.as_object_mut().unwrap().remove("time_zone");
            }
            let foreign = app.api().post(path, named.clone()).await.expect_faults(&["connection_id"]).json;
            named["connection_id"] = json!("00000000-0000-7000-8000-0000000fffff");
            let missing = app.api().post(path, named).await.expect_faults(&["connection_id"]).json;
            assert_eq!(foreign, missing, "what is another's is told from what is missing");
        }
        other.send(Method::POST, &format!("/v1/destinations/{destination}/oauth"), None).await.expect_problem(404, "not-found");
        let made = other.post("/v1/destinations", body(&theirs)).await.expect(201);
        assert_eq!(other.get(&format!("/v1/destinations/{}", made.text("id"))).await.expect(200).json["credential"], "oauth");
        // The code of one flow does nothing under the state of another but be refused, and what there is stays.
        let before = reads(&app.services, app.scope).await;
        let again = agency.decide(&agency.begin_again(&destination).await, "allow").await;
        let (_, elsewhere) = agency.begin(&other).await;
        let elsewhere = agency.decide(&elsewhere, "allow").await;
        let mixed = with_query(&elsewhere, "code", &query(&again, "code"));
        let page = app.nobody().get(&mixed).await.expect(200).body();
        assert!(page.contains("to other Ltd?"), "the state says whose it is: {page}");
        let mine = reads(&app.services, app.scope).await;
        agency.press(&mixed).await.expect(200);
        assert_eq!(reads(&app.services, app.scope).await, mine, "nothing of the first controller's has moved");
        assert_eq!(before.len(), mine.len());
        assert_eq!(reads(&app.services, scope).await.len(), 2);
        assert_eq!(agency.credential(&destination).await.0, "good");
        assert!(!shop.webhook.is_empty());
    }

    async fn only_the_newest_beginning_for_a_destination_counts(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (_, destination) = agency.shop().await;
        let first = agency.decide(&agency.begin_again(&destination).await, "allow").await;
        let second = agency.decide(&agency.begin_again(&destination).await, "allow").await;
        agency.press(&first).await.expect(404);
        agency.press(&second).await.expect(200);
        assert_eq!(agency.credential(&destination).await.0, "good");
    }

    async fn tokens_go_nowhere_but_to_where_they_come_from(app: TestApp) {
        let agency = Agency::open(&app).await;
        let app = &agency.app;
        let connection = agency.connection().await;
        let stranger = World::around(app);
        stranger.emulator.forget_requests();
        let mut body = json!({ "base_url": stranger.emulator.base_url(), "connection_id": connection, "client_id": CLIENT });
        app.api().post("/v1/destinations/look", body.clone()).await.expect_faults(&["base_url"]);
        body["time_zone"] = json!("Europe/Amsterdam");
        app.api().post("/v1/destinations", body.clone()).await.expect_faults(&["base_url"]);
        body["api_key"] = json!("both");
        app.api().post("/v1/destinations", body).await.expect_faults(&["api_key", "connection_id"]);
        assert_eq!(stranger.emulator.request_count(), 0);
        // Nor does the app's secret go where a controller says.
        let elsewhere = json!({ "base_url": stranger.emulator.base_url(), "client_id": CLIENT, "api_key": "k", "time_zone": "Europe/Amsterdam" });
        let elsewhere = app.api().post("/v1/destinations", elsewhere).await.expect(201).text("id");
        app.api().send(Method::POST, &format!("/v1/destinations/{elsewhere}/oauth"), None).await.expect_faults(&["base_url"]);
    }
}

/// Id, revision and state of each connection of a controller.
async fn reads(
    services: &reconsent::usecases::Services,
    scope: reconsent::domain::ids::ControllerScope,
) -> Vec<(String, i64, Option<Vec<u8>>)> {
    let read = move |tx: &mut reconsent::store::ReadTx<'_>| tx.provider_connections(scope);
    let all = services.store.read(read).await.unwrap();
    all.into_iter().map(|row| (row.id.to_string(), row.rev, row.tokens)).collect()
}
