//! `GET /v1/confirmed`.

use serde_json::json;

use super::ground::Ground;
use crate::support::TestApp;

both_engines! {
    async fn confirmed_people_are_downloaded_without_formulas_and_without_who_stopped(app: TestApp) {
        let ground = Ground::of(&app).await;
        ground.confirmed(&app, "ana@example.org", "=HYPERLINK(\"http://evil\")").await;
        ground.confirmed(&app, "bo@example.org", "Bo, junior").await;
        ground.confirmed(&app, "gone@example.org", "Gone").await;
        ground.imported(&app, "list@example.org").await;
        app.api().post("/v1/suppressions", json!({"email": "gone@example.org", "reason": "withdrawn"})).await.expect(200);
        let got = app.api().get("/v1/confirmed?purpose=newsletter").await.expect(200);
        assert_eq!(got.header("content-type"), "text/csv; charset=utf-8");
        let disposition = got.header("content-disposition").to_owned();
        assert!(disposition.starts_with("attachment; filename=\"confirmed-newsletter-"), "{disposition}");
        let body = got.body();
        let mut lines = body.split("\r\n");
        assert_eq!(lines.next(), Some("email,name,purpose,basis,given_at,valid_until,policy_version,notice_id"));
        let mut rest: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        rest.sort_unstable();
        assert_eq!(rest.len(), 2, "{body}");
        assert!(rest[0].starts_with("ana@example.org,\"'=HYPERLINK(\"\"http://evil\"\")\",newsletter,consent,20"));
        assert!(rest[0].ends_with(&format!(",'=2026-09,{}", ground.notice)), "{}", rest[0]);
        assert!(rest[1].contains("\"Bo, junior\""));
        let none = app.api().get("/v1/confirmed?purpose=offers").await.expect(200);
        assert_eq!(none.body().lines().count(), 1);
        app.api().get("/v1/confirmed?purpose=weather").await.expect_faults(&["purpose"]);
        app.api().get("/v1/confirmed").await.expect_faults(&["purpose"]);
        let (_, other) = app.other_controller("other").await;
        other.get(&format!("/v1/confirmed?purpose={}", ground.newsletter)).await.expect_faults(&["purpose"]);
    }

    async fn a_list_of_several_pages_is_whole(app: TestApp) {
        let ground = Ground::of(&app).await;
        let mut writes = Vec::new();
        for n in 0..2300_u32 {
            let (app, ground) = (app.clone(), ground.clone());
            writes.push(tokio::spawn(async move {
                ground.confirmed(&app, &format!("p{n}@example.org"), "P").await;
            }));
            if writes.len() == 500 {
                for write in writes.drain(..) {
                    write.await.unwrap();
                }
            }
        }
        for write in writes {
            write.await.unwrap();
        }
        let got = app.api().get("/v1/confirmed?purpose=newsletter").await.expect(200);
        let mut addresses: Vec<String> =
            got.body().lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 2300);
        assert_eq!(got.body().lines().count(), 2301);
    }
}
