//! Rounds that are being prepared: what is refused at once, who may see them, and how their mail looks.

use reconsent::domain::scope::Scope;
use serde_json::json;

use super::world::{Stands, World};
use crate::support::TestApp;

both_engines! {
    async fn what_cannot_work_on_the_day_is_refused_when_the_round_is_prepared(app: TestApp) {
        let world = World::new(app.clone()).await;
        let (import, _) = world.list(&[Stands::Unheard], 0).await;
        let none = "018f0000-0000-7000-8000-000000000000";
        let cases = [
            ("deadline", json!("2026-11-24T09:30:00Z"), "deadline"),
            ("deadline", json!("tomorrow"), "deadline"),
            ("scheduled_at", json!("2027-02-01T00:00:00Z"), "deadline"),
            ("purposes", json!(["nothing"]), "purposes[0]"),
            ("purposes", json!(["news", "news"]), "purposes[1]"),
            ("purposes", json!(["measuring"]), "purposes"),
            ("import_ids", json!([none]), "import_ids"),
            ("notice_id", json!(none), "notice_id"),
            ("sender_id", json!("x"), "sender_id"),
            ("subject", json!("Win a prize"), "subject"),
            ("subject", json!("{{ answer_link }}"), "subject"),
            ("preheader", json!("a\nb"), "preheader"),
            ("body", json!("{{ nmae }}"), "body"),
        ];
        for (field, value, faulty) in cases {
            let mut body = world.round(&[import]);
            body[field] = value;
            let answer = app.api().post("/v1/campaigns", body).await.expect_problem(422, "validation");
            assert_eq!(answer.json["fields"][0]["field"], faulty, "{}", answer.json);
        }
        let mut unknown = world.round(&[import]);
        unknown["override"] = json!(true);
        app.api().post("/v1/campaigns", unknown).await.expect_problem(400, "bad-request");
        assert_eq!(app.api().get("/v1/campaigns").await.expect(200).json["items"], json!([]));
    }

    async fn rounds_are_listed_shown_and_previewed_by_those_who_may(app: TestApp) {
        let world = World::new(app.clone()).await;
        let (import, _) = world.list(&[Stands::Unheard], 0).await;
        let paths = [world.prepare(import).await, world.prepare(import).await, world.prepare(import).await];
        let first = app.api().get("/v1/campaigns?limit=2").await.expect(200).json;
        assert_eq!(first["items"][0]["id"], paths[2].rsplit('/').next().unwrap());
        assert_eq!(first["items"][0].get("body"), None);
        let cursor = first["next"].as_str().unwrap();
        let second = app.api().get(&format!("/v1/campaigns?limit=2&cursor={cursor}")).await.expect(200).json;
        assert_eq!(second["items"].as_array().unwrap().len(), 1);

        let html = app.api().get(&format!("{}/preview", paths[0])).await.expect(200);
        assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
        assert!(html.header("content-security-policy").starts_with("sandbox"));
        for part in ["Ana", "/r/sample", "/u/sample", "/policies/", "31 January 2027", "1 Green Lane"] {
            assert!(html.body().contains(part), "{part} is not in {}", html.body());
        }
        let text = app.api().get(&format!("{}/preview?format=text", paths[0])).await.expect(200);
        assert!(text.body().contains("/u/sample") && !text.body().contains("<table"));

        let (_, other) = app.other_controller("other").await;
        let settings = app.with_scopes(&[Scope::Settings], None).await;
        for path in ["", "/results", "/preview", "/exclusions"] {
            let path = format!("{}{path}", paths[0]);
            other.get(&path).await.expect_problem(404, "not-found");
            settings.get(&path).await.expect_problem(403, "forbidden");
        }
        for act in ["dry-run", "launch", "pause", "resume", "cancel"] {
            other.post(&format!("{}/{act}", paths[0]), json!({})).await.expect_problem(404, "not-found");
        }
        let mut foreign = world.round(&[import]);
        foreign["purposes"] = json!(["news"]);
        other.post("/v1/campaigns", foreign).await.expect_faults(&["notice_id"]);
    }
}
