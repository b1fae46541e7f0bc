//! Tokens that run out, are renewed, refused, revoked; and people who wait meanwhile.

use reconsent::crypto::KeyUse;
use reconsent::domain::ids::ConnectionId;
use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, State};
use reconsent::store::WriteTx;
use reconsent::usecases::reseal::Resealing;
use reconsent::usecases::setup::rotate_key;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn strike(world: &World, path: &str, times: u32, kind: FaultKind) {
    world.emulator.faults().push(Fault { method: None, path: path.to_owned(), times, kind });
}

both_engines! {
    async fn tokens_are_renewed_before_their_time_is_over(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (shop, destination) = agency.shop().await;
        let worker = agency.world.worker();
        agency.tick(12 * DAY);
        agency.confirm(&shop, &["ana@example.org"]).await;
        until(&agency.world, OTHER_LIST, &["ana@example.org"], State::Active).await;
        assert_eq!(agency.calls(), (0, 0), "there are two days left");
        agency.tick(DAY + Duration::from_secs(1));
        agency.confirm(&shop, &["ben@example.org"]).await;
        until(&agency.world, OTHER_LIST, &["ben@example.org"], State::Active).await;
        assert_eq!(agency.calls(), (1, 0), "renewed ahead of time, and no call was refused");
        agency.confirm(&shop, &["cy@example.org"]).await;
        until(&agency.world, OTHER_LIST, &["cy@example.org"], State::Active).await;
        assert_eq!(agency.calls(), (0, 0));
        // Nobody called for more than their whole life.
        agency.tick(40 * DAY);
        agency.confirm(&shop, &["dee@example.org"]).await;
        until(&agency.world, OTHER_LIST, &["dee@example.org"], State::Active).await;
        assert_eq!(agency.calls(), (1, 0));
        worker.stop().await;
        assert_eq!(agency.credential(&destination).await.0, "good");
    }

    async fn while_the_provider_cannot_renew_what_is_there_is_used_to_its_end(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (shop, destination) = agency.shop().await;
        let worker = agency.world.worker();
        agency.tick(13 * DAY + Duration::from_secs(1));
        strike(&agency.world, "/oauth/token", 1000, FaultKind::Status(503));
        agency.confirm(&shop, &["ana@example.org"]).await;
        until(&agency.world, OTHER_LIST, &["ana@example.org"], State::Active).await;
        assert_eq!(agency.credential(&destination).await.0, "good");
        assert_eq!(agency.calls(), (1, 0), "it was tried once, and not again within a minute");
        agency.tick(DAY);
        // Now nobody can be brought there: they wait, and nobody has to do anything about it.
        agency.confirm(&shop, &["ben@example.org"]).await;
        eventually("it is tried again", async || (agency.world.emulator.request_count() > 3).then_some(())).await;
        assert_eq!(agency.credential(&destination).await.0, "unknown");
        assert_eq!((agency.parked().await.len(), agency.must_connect_again(&destination).await), (0, false));
        agency.world.emulator.faults().clear();
        // The account's breaker goes by our clock.
        agency.tick(Duration::from_secs(1));
        until(&agency.world, OTHER_LIST, &["ben@example.org"], State::Active).await;
        worker.stop().await;
    }

    async fn a_token_that_ends_in_the_middle_is_renewed_once_and_the_call_repeated(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (shop, destination) = agency.shop().await;
        let worker = agency.world.worker();
        agency.world.emulator.expire_access_tokens();
        agency.confirm(&shop, &["ana@example.org"]).await;
        until(&agency.world, OTHER_LIST, &["ana@example.org"], State::Active).await;
        worker.stop().await;
        assert_eq!(agency.calls(), (1, 1), "one call was refused, one renewal, and the call went again");
        // A check makes many calls with what it was given at first.
        agency.world.emulator.expire_access_tokens();
        assert_eq!(agency.check(&destination).await["ready"], true);
        assert_eq!(agency.calls(), (1, 1));
    }

    async fn a_revoked_connection_stops_the_work_until_somebody_connects_again(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (shop, destination) = agency.shop().await;
        let worker = agency.world.worker();
        agency.world.emulator.revoke_oauth();
        let people: Vec<String> = (0..30).map(|n| format!("person{n}@example.org")).collect();
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        agency.confirm(&shop, &people).await;
        let parked = eventually("all are parked", async || Some(agency.parked().await).filter(|all| all.len() == 30)).await;
        assert!(parked.iter().all(|error| error.contains("connect again")), "{parked:?}");
        let (renewals, refused) = agency.calls();
        assert_eq!(renewals, 0, "a revoked token is not renewed");
        assert!((1..=8).contains(&refused), "those under way at the first refusal, and none after it: {refused}");
        assert!(agency.must_connect_again(&destination).await);
        let (standing, text) = agency.credential(&destination).await;
        assert_eq!(standing, "wrong");
        assert!(text.contains("connect again"), "{text}");
        let account = agency.app.api().get(&format!("/v1/destinations/{destination}/account")).await.expect_problem(502, "provider");
        assert!(account.text("detail").contains("connect again"), "{}", account.json);
        assert_eq!(agency.calls(), (0, 0), "the provider is left alone");

        let done = agency.allow(&agency.begin_again(&destination).await).await.expect(200).body();
        assert!(done.contains("in use from now on"), "{done}");
        until(&agency.world, OTHER_LIST, &people, State::Active).await;
        eventually("nothing is parked", async || agency.parked().await.is_empty().then_some(())).await;
        worker.stop().await;
        assert!(!agency.must_connect_again(&destination).await);
        assert_eq!(agency.credential(&destination).await.0, "good");
    }

    async fn who_is_parked_after_somebody_has_connected_again_goes_on_all_the_same(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (shop, destination) = agency.shop().await;
        agency.confirm(&shop, &["ana@example.org"]).await;
        // As by a worker that had been refused before, and wrote it down late.
        let (words, scope) = (format!("Credential: destination {destination}: late"), agency.app.scope);
        let park = move |tx: &mut WriteTx<'_>| {
            use reconsent::domain::task::{TaskKind, TaskState};
            let now = reconsent::domain::time::Timestamp::from_micros(i64::MAX / 2);
            let claimed = tx.claim(TaskKind::Sync, 10, now, Duration::from_secs(60))?;
            for task in &claimed {
                tx.put_back(task, TaskState::Parked, now, &words)?;
            }
            Ok::<_, reconsent::store::StoreError>(claimed.len())
        };
        let parked = agency.app.services.store.write(scope.controller().uuid(), park).await.unwrap();
        assert_eq!((parked, agency.parked().await.len()), (1, 1));
        let worker = agency.world.worker();
        until(&agency.world, OTHER_LIST, &["ana@example.org"], State::Active).await;
        worker.stop().await;
    }

    async fn a_refused_renewal_needs_a_person_at_whatever_status_it_comes(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (_, destination) = agency.shop().await;
        for status in [200, 400, 401, 500] {
            agency.world.emulator.set_oauth_error_status(status);
            agency.world.emulator.revoke_oauth();
            agency.tick(15 * DAY);
            agency.calls();
            let (standing, text) = agency.credential(&destination).await;
            assert!(standing == "wrong" && text.contains("connect again"), "{status}: {standing} {text}");
            assert!(agency.must_connect_again(&destination).await);
            assert_eq!(agency.calls().0, 1);
            agency.world.emulator.set_oauth_error_status(400);
            agency.allow(&agency.begin_again(&destination).await).await.expect(200);
            assert_eq!(agency.credential(&destination).await.0, "good");
        }
    }

    async fn a_renewal_whose_answer_is_lost_is_made_again(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (_, destination) = agency.shop().await;
        agency.world.emulator.expire_access_tokens();
        strike(&agency.world, "/oauth/token", 1, FaultKind::LostAnswer);
        assert_eq!(agency.credential(&destination).await.0, "unknown");
        assert_eq!(agency.credential(&destination).await.0, "good", "the refresh token is still the same");
        // Where each renewal ends the refresh token before it, the answer took the new one with it.
        agency.world.emulator.rotate_refresh_tokens(true);
        agency.world.emulator.expire_access_tokens();
        assert_eq!(agency.credential(&destination).await.0, "good", "what comes back is kept");
        agency.world.emulator.expire_access_tokens();
        strike(&agency.world, "/oauth/token", 1, FaultKind::LostAnswer);
        assert_eq!(agency.credential(&destination).await.0, "unknown");
        assert_eq!(agency.credential(&destination).await.0, "wrong");
        assert!(agency.must_connect_again(&destination).await);
    }

    async fn two_processes_renew_once_between_them(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (_, destination) = agency.shop().await;
        let (second, _door) = instance(&agency);
        agency.world.emulator.rotate_refresh_tokens(true);
        for _ in 0..3 {
            agency.world.emulator.expire_access_tokens();
            agency.calls();
            strike(&agency.world, "/oauth/token", 1, FaultKind::LateAnswer(Duration::from_millis(400)));
            let path = format!("/v1/destinations/{destination}/account");
            let seen = async |app: &TestApp| app.api().get(&path).await.status;
            let all = tokio::join!(seen(&agency.app), seen(&second), seen(&agency.app), seen(&second));
            assert_eq!(all, (200, 200, 200, 200));
            assert_eq!(agency.calls().0, 1, "one of the four renewed");
        }
        assert!(!agency.must_connect_again(&destination).await);
    }

    async fn whoever_dies_while_renewing_is_taken_over_from(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (_, destination) = agency.shop().await;
        let scope = agency.app.scope;
        let claim = move |tx: &mut WriteTx<'_>| {
            let id: ConnectionId = tx.provider_connections(scope)?.last().expect("one").id;
            let mut row = tx.lock_provider_connection(scope, id)?;
            tx.claim_renewal(&mut row, Duration::from_secs(2))
        };
        assert!(agency.app.services.store.write(scope.controller().uuid(), claim).await.unwrap());
        agency.world.emulator.expire_access_tokens();
        let begun = std::time::Instant::now();
        assert_eq!(agency.credential(&destination).await.0, "good");
        assert!(begun.elapsed() > Duration::from_secs(1), "it waited until the claim had lapsed");
        assert_eq!(agency.calls().0, 1);
    }

    async fn a_process_killed_between_the_providers_answer_and_the_commit_is_taken_over_from(app: TestApp) {
        let agency = Agency::open(&app).await;
        app.clock.follow_the_machine();
        let (_, destination) = agency.shop().await;
        let (scope, store, base) = (agency.app.scope, agency.app.services.store.clone(), agency.world.emulator.base_url().to_owned());
        let mut process = Process::new(&agency.app, &[
            ("RECONSENT_CAMPAIGN_MONITOR_BASE_URL", base.as_str()),
            ("RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_ID", APP),
            ("RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_SECRET", APP_SECRET),
        ]);
        process.start();
        let door = process.door();
        door.until_up().await;
        agency.world.emulator.expire_access_tokens();
        // The provider has given other tokens; the process dies before it hears of them.
        strike(&agency.world, "/oauth/token", 1, FaultKind::LateAnswer(Duration::from_secs(4)));
        let path = format!("/v1/destinations/{destination}/check");
        let ask = reqwest::Client::builder().no_proxy().build().unwrap().get(format!("{}{path}", door.base));
        let ask = ask.bearer_auth(door.token());
        let asked = tokio::spawn(async move { ask.send().await.is_ok() });
        eventually("the process is at it", async || {
            let read = move |tx: &mut reconsent::store::ReadTx<'_>| tx.provider_connections(scope);
            let rows = store.read(read).await.unwrap();
            (rows.last().is_some_and(|row| row.claimed_until.micros() > 0) && agency.world.emulator.oauth_secrets().len() == 3).then_some(())
        }).await;
        process.kill();
        assert!(!asked.await.unwrap(), "it died before it answered");
        let begun = std::time::Instant::now();
        while agency.credential(&destination).await.0 != "good" {
            assert!(begun.elapsed() < Duration::from_secs(45), "nobody took over");
        }
        assert!(!agency.must_connect_again(&destination).await);
        assert_eq!(agency.world.emulator.oauth_secrets().len(), 4, "renewed once more with the refresh token on record");
    }

    async fn another_token_that_somebody_has_put_there_is_used_before_anything_is_given_up(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (_, destination) = agency.shop().await;
        // A check is under way with the old token when somebody connects again and the old one ends.
        strike(&agency.world, &format!("/clients/{CLIENT}"), 1, FaultKind::Delay(Duration::from_millis(900)));
        let again = agency.decide(&agency.begin_again(&destination).await, "allow").await;
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            agency.world.emulator.forget_access_tokens();
            agency.press(&again).await.expect(200);
        };
        let (found, ()) = tokio::join!(agency.check(&destination), meanwhile);
        assert_eq!(found["ready"], true, "{found}");
        assert_eq!(agency.calls(), (1, 1), "one call was refused; the one call for tokens is the code's");
        assert!(!agency.must_connect_again(&destination).await);
    }

    async fn tokens_are_sealed_anew_with_everything_else(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (_, destination) = agency.shop().await;
        rotate_key(&agency.app.services, agency.app.scope, KeyUse::Data).await.unwrap();
        agency.tick(Duration::from_secs(120));
        let resealing = Resealing::begin(&agency.app.services, agency.app.scope).await.unwrap().expect("it is time");
        while resealing.step().await.unwrap() {}
        let scope = agency.app.scope;
        let read = move |tx: &mut reconsent::store::ReadTx<'_>| tx.provider_connections(scope);
        let rows = agency.app.services.store.read(read).await.unwrap();
        assert!(!rows.is_empty() && rows.iter().all(|row| row.key_version == 2), "{rows:?}");
        assert_eq!(agency.credential(&destination).await.0, "good");
        agency.world.emulator.expire_access_tokens();
        assert_eq!(agency.credential(&destination).await.0, "good");
    }
}
