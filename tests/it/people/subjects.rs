//! People as staff see them, and the stops that staff enter.

use std::sync::{Arc, Mutex};

use reconsent::domain::email::EmailAddress;
use reconsent::domain::ids::TokenId;
use reconsent::domain::scope::Scope;
use reconsent::usecases::once::Asker;
use reconsent::usecases::people::{history, search_person};
use serde_json::json;

use super::ground::{Ground, stance};
use crate::support::TestApp;

/// A log that a test can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

both_engines! {
    async fn whoever_reads_the_evidence_is_logged_without_whom_it_names(app: TestApp) {
        let ground = Ground::of(&app).await;
        let id = ground.confirmed(&app, "ana@example.org", "Ana").await;
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        let listening = tracing::subscriber::set_default(subscriber);
        let reader = Asker::controller(app.scope, TokenId::from_uuid(app.services.ids.row()));
        let facts = history(&app.services, reader, id, None, 10).await.expect("the history is read");
        assert_eq!(facts.len(), 1);
        let address = EmailAddress::parse("ana@example.org").expect("an address");
        assert!(search_person(&app.services, reader, address).await.expect("a search").is_some());
        drop(listening);
        let text = String::from_utf8(log.0.lock().unwrap().clone()).expect("the log is text");
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(" audit: ")).collect();
        assert_eq!(lines.len(), 2, "SE-03: {text}");
        for line in lines {
            assert!(line.contains(&id.to_string()) && line.contains(&reader.token.to_string()), "{line}");
        }
        assert!(!text.contains("ana@"), "{text}");
    }

    async fn a_person_is_found_and_shown_with_where_they_stand(app: TestApp) {
        let ground = Ground::of(&app).await;
        let id = ground.confirmed(&app, "Ana@example.org", "Ana María").await.to_string();
        let staff = app.with_scopes(&[Scope::Subjects], None).await;
        let found = staff.post("/v1/subjects/search", json!({"email": " ana@EXAMPLE.org"})).await.expect(200);
        let person = &found.json["subject"];
        assert_eq!(person["id"], id);
        assert_eq!(person["email"], "Ana@example.org");
        assert_eq!(person["name"], "Ana María");
        assert_eq!(person["purposes"][0]["effective_state"], "confirmed");
        assert_eq!(person["purposes"][0]["basis"], "consent");
        assert_eq!(person["suppressions"], json!([]));
        assert_eq!(staff.get(&format!("/v1/subjects/{id}")).await.expect(200).json, *person);
        staff.post("/v1/subjects/search", json!({"email": "nonsense"})).await.expect_faults(&["email"]);

        let (_, other) = app.other_controller("other").await;
        for path in ["", "/events", "/mails", "/past?at=2026-01-01"] {
            other.get(&format!("/v1/subjects/{id}{path}")).await.expect_problem(404, "not-found");
            staff.get(&format!("/v1/subjects/nobody{path}")).await.expect_problem(404, "not-found");
        }
        other.post(&format!("/v1/subjects/{id}/stop"), json!({})).await.expect_problem(404, "not-found");
        let blind = app.with_scopes(&[Scope::Consents, Scope::Exports, Scope::Campaigns], None).await;
        blind.get(&format!("/v1/subjects/{id}/events")).await.expect_problem(403, "forbidden");
    }

    async fn the_history_comes_page_by_page(app: TestApp) {
        let ground = Ground::of(&app).await;
        let id = ground.confirmed(&app, "ana@example.org", "Ana").await.to_string();
        ground.stopped(&app, "ana@example.org").await;
        app.api().post("/v1/consents", ground.consent("ana@example.org")).await.expect(202);
        let mut kinds = Vec::new();
        let mut path = format!("/v1/subjects/{id}/events?limit=2");
        loop {
            let page = app.api().get(&path).await.expect(200);
            for fact in page.json["items"].as_array().unwrap() {
                kinds.push(fact["kind"].as_str().unwrap().to_owned());
            }
            let Some(next) = page.json["next"].as_str() else { break };
            path = format!("/v1/subjects/{id}/events?limit=2&cursor={next}");
        }
        assert_eq!(kinds, ["consent.given", "consent.withdrawn", "consent.requested"]);
        app.api().get(&format!("/v1/subjects/{id}/events?cursor=x")).await.expect_faults(&["cursor"]);
        app.api().get(&format!("/v1/subjects/{id}/mails?limit=0")).await.expect_faults(&["limit"]);
    }

    async fn where_a_person_stood_is_told_for_any_moment_of_the_past(app: TestApp) {
        let ground = Ground::of(&app).await;
        let start = app.services.clock.now();
        app.clock.advance_days(1);
        let id = ground.confirmed(&app, "ana@example.org", "Ana").await.to_string();
        app.clock.advance_days(10);
        ground.stopped(&app, "ana@example.org").await;
        app.clock.advance_days(10);
        app.api().post("/v1/consents", ground.consent("ana@example.org")).await.expect(202);
        app.clock.advance_days(60);
        let day = |n: u64| start.plus(std::time::Duration::from_secs(n * 86_400)).to_string();
        let at = async |moment: String| app.api().get(&format!("/v1/subjects/{id}/past?at={moment}")).await.expect(200).json;

        assert_eq!(at(day(0)).await, json!({"at": day(0), "purposes": []}), "nothing had been said");
        let confirmed = at(day(5)).await["purposes"][0].clone();
        assert_eq!((&confirmed["purpose"], &confirmed["state"]), (&json!("newsletter"), &json!("confirmed")));
        assert_eq!((&confirmed["since"], &confirmed["event"]), (&json!(day(1)), &json!("consent.given")));
        assert_eq!(confirmed["policy_version_id"], ground.policy_version.to_string());
        let facts = app.api().get(&format!("/v1/subjects/{id}/events")).await.expect(200).json;
        let given = &facts["items"][0];
        for (there, here) in [("id", "event_id"), ("commitment", "commitment"), ("valid_until", "until"), ("notice_id", "notice_id")] {
            assert_eq!(given[there], confirmed[here], "{here}");
        }
        assert_eq!(at(day(1)).await["purposes"][0], confirmed, "from the very moment on");
        assert_eq!(at(day(12)).await["purposes"][0]["state"], "withdrawn");
        assert_eq!(at(day(22)).await["purposes"][0]["state"], "pending");
        let lapsed = at(day(70)).await["purposes"][0].clone();
        assert_eq!(lapsed["state"], "withdrawn", "nobody confirmed the request in its time: {lapsed}");

        app.api().get(&format!("/v1/subjects/{id}/past?at={}", day(90))).await.expect_faults(&["at"]);
        app.api().get(&format!("/v1/subjects/{id}/past?at=soon")).await.expect_faults(&["at"]);
        app.api().get(&format!("/v1/subjects/{id}/past")).await.expect_faults(&["at"]);
    }

    async fn a_stop_by_phone_counts_like_one_by_link(app: TestApp) {
        let ground = Ground::of(&app).await;
        let id = ground.confirmed(&app, "ana@example.org", "Ana").await.to_string();
        let path = format!("/v1/subjects/{id}/stop");
        let one = json!({"purposes": ["newsletter"], "note": "Rang at noon\nfriendly"});
        let stopped = app.api().post(&path, one.clone()).await.expect(200);
        assert_eq!(stopped.json, json!({"subject_id": id, "purposes": [{"purpose": "newsletter", "state": "withdrawn"}]}));
        assert_eq!(app.api().post(&path, one).await.expect(200).json, stopped.json, "WD-06: again is no fault");
        let facts = app.api().get(&format!("/v1/subjects/{id}/events")).await.expect(200);
        let last = facts.json["items"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["kind"], "consent.withdrawn");
        assert_eq!(last["method"], "staff");
        assert_eq!(last["evidence"]["note"], "Rang at noon\nfriendly");

        let all = app.api().post(&path, json!({})).await.expect(200);
        assert_eq!(all.json["purposes"].as_array().unwrap().len(), 2);
        assert_eq!(stance(&app, &id, "offers").await["state"], "objected");
        let shown = app.api().get(&format!("/v1/subjects/{id}")).await.expect(200);
        let reasons: Vec<_> = shown.json["suppressions"].as_array().unwrap().iter()
            .map(|entry| (entry["purpose"].as_str().unwrap().to_owned(), entry["reason"].as_str().unwrap().to_owned()))
            .collect();
        assert!(reasons.contains(&("*".to_owned(), "objected".to_owned())), "{reasons:?}");

        app.api().post(&path, json!({"reason": "legal", "purposes": ["offers"]})).await.expect_faults(&["purposes"]);
        app.api().post(&path, json!({"reason": "hard_bounce"})).await.expect_faults(&["reason"]);
        app.api().post(&path, json!({"reason": "boredom"})).await.expect_faults(&["reason"]);
        app.api().post(&path, json!({"note": "x".repeat(501)})).await.expect_faults(&["note"]);
        app.api().post(&path, json!({"purposes": ["weather"]})).await.expect_faults(&["purposes[0]"]);
    }

    async fn an_address_nobody_knows_goes_on_the_list_and_one_that_is_known_is_stopped(app: TestApp) {
        let ground = Ground::of(&app).await;
        let id = ground.confirmed(&app, "ana@example.org", "Ana").await.to_string();
        let api = app.api();
        let unknown = json!({"email": "who@example.org", "reason": "manual"});
        let added = api.post("/v1/suppressions", unknown).await.expect(200);
        assert_eq!(added.json, json!({"subject_id": null, "purposes": []}));
        let known = json!({"email": "ANA@example.org", "reason": "complained"});
        assert_eq!(api.post("/v1/suppressions", known).await.expect(200).json["subject_id"], id);
        assert_eq!(stance(&app, &id, "newsletter").await["state"], "withdrawn");
        let some = json!({"email": "third@example.org", "reason": "withdrawn", "purposes": ["offers"]});
        api.post("/v1/suppressions", some).await.expect(200);

        let mut seen = Vec::new();
        let mut path = "/v1/suppressions?limit=1".to_owned();
        loop {
            let page = api.get(&path).await.expect(200);
            for entry in page.json["items"].as_array().unwrap() {
                assert_eq!(entry["fingerprint"].as_str().unwrap().len(), 64);
                seen.push((entry["purpose"].as_str().unwrap().to_owned(), entry["reason"].as_str().unwrap().to_owned()));
            }
            assert!(!page.body().contains("example.org"), "no address is told");
            let Some(next) = page.json["next"].as_str() else { break };
            path = format!("/v1/suppressions?limit=1&cursor={next}");
        }
        seen.sort();
        let expected = [("*", "complained"), ("*", "manual"), ("offers", "withdrawn")];
        assert_eq!(seen, expected.map(|(purpose, reason)| (purpose.to_owned(), reason.to_owned())));
        api.get("/v1/suppressions?cursor=zz.1").await.expect_faults(&["cursor"]);
        let exporter = app.with_scopes(&[Scope::Exports], None).await;
        exporter.post("/v1/suppressions", json!({"email": "x@example.org", "reason": "manual"})).await.expect_problem(403, "forbidden");
    }
}
