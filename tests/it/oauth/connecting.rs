//! Connecting, being told why not, and what becomes of what nobody took up.

use reconsent::domain::ids::ConnectionId;
use reconsent::sandbox::campaign_monitor::State;
use reconsent::store::ReadTx;
use reconsent::usecases::oauth::look_after;

use super::*;
use crate::remap::state;
use crate::support::browser::Browser;
use crate::support::world::LIST;

/// A controller's connections.
async fn connections(app: &TestApp) -> Vec<ConnectionId> {
    let scope = app.scope;
    let all = app.services.store.read(move |tx: &mut ReadTx<'_>| tx.provider_connections(scope)).await.unwrap();
    all.into_iter().map(|row| row.id).collect()
}

both_engines! {
    async fn an_account_is_connected_by_clicking_and_its_lists_are_kept_in_step(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (app, world) = (&agency.app, &agency.world);
        let (connection, url) = agency.begin(&app.api()).await;
        assert_eq!((query(&url, "type"), query(&url, "scope")), ("web_server".to_owned(), "ManageLists,ImportSubscribers".to_owned()));
        let look = json!({ "connection_id": connection, "client_id": CLIENT });
        app.api().post("/v1/destinations/look", look.clone()).await.expect_faults(&["connection_id"]);
        let body = json!({ "client_id": CLIENT, "connection_id": connection, "time_zone": "Europe/Amsterdam" });
        app.api().post("/v1/destinations", body).await.expect_faults(&["connection_id"]);
        agency.allow(&url).await.expect(200);
        let seen = app.api().post("/v1/destinations/look", look).await.expect(200).json;
        assert_eq!((&seen["client"]["name"], &seen["client"]["lists"][0]["id"]), (&json!("Acme"), &json!(LIST)));

        let (shop, destination) = agency.shop().await;
        let found = agency.check(&destination).await;
        assert_eq!(found["ready"], true, "{found}");
        assert!(agency.credential(&destination).await.1.starts_with("the connection is taken"));
        let worker = world.worker();
        agency.confirm(&shop, &["ana@example.org"]).await;
        until(world, OTHER_LIST, &["ana@example.org"], State::Active).await;
        worker.stop().await;
        assert_eq!(agency.calls(), (0, 0), "nothing had to be renewed");
        let listed = app.api().get("/v1/destinations").await.expect(200).json;
        let how = |n: usize| listed["items"][n]["credential"].clone();
        assert_eq!((how(0), how(1)), (json!("api_key"), json!("oauth")));
    }

    async fn a_destination_moves_from_a_key_that_is_refused_to_oauth_and_its_people_follow(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (app, world) = (&agency.app, &agency.world);
        let shop = Shop::open(app, world).await;
        let wrong = json!({ "base_url": world.emulator.base_url(), "client_id": CLIENT, "api_key": "no-such-key",
            "time_zone": "Europe/Amsterdam" });
        let wrong = app.api().post("/v1/destinations", wrong).await.expect(201).text("id");
        let lists = json!({ "lists": [{ "purpose": "newsletter", "list_id": OTHER_LIST }] });
        app.api().put(&format!("/v1/destinations/{wrong}/lists"), lists).await.expect(200);
        let worker = world.worker();
        agency.confirm(&shop, &["ana@example.org", "ben@example.org"]).await;
        let words = format!("Credential: destination {wrong}: ");
        eventually("they are parked", async || {
            let parked = agency.parked().await;
            (parked.len() == 2 && parked.iter().all(|error| error.starts_with(&words))).then_some(())
        }).await;
        let url = agency.begin_again(&wrong).await;
        assert_eq!(agency.credential(&wrong).await.0, "wrong", "the key stays until somebody has allowed it");
        let done = agency.allow(&url).await.expect(200).body();
        assert!(done.contains("in use from now on"), "{done}");
        until(world, OTHER_LIST, &["ana@example.org", "ben@example.org"], State::Active).await;
        worker.stop().await;
        assert_eq!(agency.credential(&wrong).await.0, "good");
        assert_eq!(state(world, LIST, "ana@example.org"), Some(State::Active), "the other list was never in trouble");
    }

    async fn a_destination_moves_from_oauth_to_a_key_and_its_people_follow(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (shop, destination) = agency.shop().await;
        let little = with_query(&agency.begin_again(&destination).await, "scope", "ManageLists");
        agency.allow(&little).await.expect(200);
        let worker = agency.world.worker();
        agency.confirm(&shop, &["ana@example.org"]).await;
        eventually("it is parked", async || (agency.parked().await.len() == 1).then_some(())).await;
        let path = format!("/v1/destinations/{destination}");
        let key = json!({ "api_key": agency.world.emulator.account_key() });
        assert_eq!(agency.app.api().patch(&path, key).await.expect(200).json["credential"], "api_key");
        until(&agency.world, OTHER_LIST, &["ana@example.org"], State::Active).await;
        worker.stop().await;
        assert_eq!(agency.credential(&destination).await.0, "good");
    }

    async fn a_browser_follows_it_from_the_provider_to_the_last_page(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (connection, url) = agency.begin(&agency.app.api()).await;
        let browser = Browser::open(360, false).await;
        browser.go(&url).await;
        browser.press("button[value=allow]").await;
        assert_eq!(browser.text("h1").await, "Connect Campaign Monitor to acme Ltd?");
        browser.press("main button").await;
        assert_eq!(browser.text("h1").await, "Campaign Monitor is connected");
        browser.close().await;
        let look = json!({ "connection_id": connection });
        agency.app.api().post("/v1/destinations/look", look).await.expect(200);
    }

    async fn who_allowed_too_little_connects_again_and_the_people_follow(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (shop, destination) = agency.shop().await;
        let little = with_query(&agency.begin_again(&destination).await, "scope", "ManageLists");
        agency.allow(&little).await.expect(200);
        let worker = agency.world.worker();
        agency.confirm(&shop, &["ana@example.org"]).await;
        eventually("it is parked", async || {
            agency.parked().await.first().is_some_and(|error| error.contains("code 60")).then_some(())
        }).await;
        assert!(!agency.must_connect_again(&destination).await, "the tokens are good");
        agency.allow(&agency.begin_again(&destination).await).await.expect(200);
        until(&agency.world, OTHER_LIST, &["ana@example.org"], State::Active).await;
        worker.stop().await;
    }

    async fn without_an_app_the_doors_say_what_is_missing(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        for path in ["/v1/destinations/oauth".to_owned(), format!("/v1/destinations/{}/oauth", shop.destination)] {
            let refused = app.api().send(Method::POST, &path, None).await.expect_problem(409, "not-set-up");
            assert!(refused.text("detail").contains("RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_ID"), "{}", refused.json);
        }
    }

    async fn what_the_provider_refuses_is_told_plainly(app: TestApp) {
        let agency = Agency::open(&app).await;
        let app = &agency.app;
        let (_, url) = agency.begin(&app.api()).await;
        let page = async |url: &str, status: u16| app.nobody().header("accept-language", "en").get(url).await.expect(status).body();
        let denied = agency.decide(&url, "deny").await;
        assert!(page(&denied, 200).await.contains("Access was denied at Campaign Monitor"));
        let callback = format!("{}/oauth/campaign-monitor/callback", app.base);
        for error in ["unknown_client", "invalid_redirect_uri", "<script>"] {
            let shown = page(&with_query(&callback, "error", error), 502).await;
            assert!(shown.contains("does not accept this service") && !shown.contains("script"), "{shown}");
        }
        assert!(page(&with_query(&callback, "error", "server_error"), 502).await.contains("gave no access this time"));
        assert!(page(&callback, 422).await.contains("could not read"));
        // The app is refused only when the code is to be exchanged; the state is used up, and another beginning works.
        let back = agency.decide(&url, "allow").await;
        let wrong = with_query(&back, "code", "made-up");
        agency.world.emulator.set_oauth_error_status(200);
        assert!(agency.press(&wrong).await.expect(502).body().contains("gave no access this time"));
        assert!(agency.press(&back).await.expect(404).body().contains("no longer good"));
        let german = app.nobody().header("accept-language", "de").get(&back).await.expect(404).body();
        assert!(german.contains("Diese Seite gilt nicht mehr"), "{german}");
        agency.connection().await;
    }

    async fn what_nobody_takes_up_is_forgotten_and_there_is_never_much_of_it(app: TestApp) {
        let agency = Agency::open_with(&app, OauthRules { unused: 3, ..OauthRules::default() }).await;
        let app = &agency.app;
        let (_, destination) = agency.shop().await;
        let in_use = connections(app).await;
        for _ in 0..5 {
            agency.begin(&app.api()).await;
        }
        assert_eq!(connections(app).await.len(), 1 + 3, "the oldest gave way");
        let allowed: ConnectionId = agency.connection().await.parse().unwrap();
        agency.tick(Duration::from_secs(601));
        look_after(&app.services, app.scope).await.unwrap();
        assert_eq!(connections(app).await, [in_use[0], allowed], "nobody allowed the others in time");
        agency.tick(Duration::from_secs(86_400));
        look_after(&app.services, app.scope).await.unwrap();
        assert_eq!(connections(app).await, in_use, "nobody took it up");
        assert_eq!(agency.credential(&destination).await.0, "good");
    }
}
