//! That the harness itself holds: a house of its own for each test, on either engine.

use serde_json::json;

use crate::support::{Answer, TestApp};

both_engines! {
    async fn a_house_opens_and_answers(app: TestApp) {
        let made: Answer = app.api().post("/v1/purposes", json!({
            "slug": "news", "label": "News", "description": "A letter a month",
        })).await.expect(201);
        let id = made.text("id");
        let shown = app.api().get(&format!("/v1/purposes/{id}")).await.expect(200);
        assert_eq!(shown.json, made.json);
        app.operator().get("/v1/purposes").await.expect_problem(403, "forbidden");
        app.nobody().get("/v1/purposes").await.expect_problem(401, "unauthorised");
    }
}
