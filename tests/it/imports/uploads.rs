//! How lists come in: as a body or a form, once, previewed, refused by name, and forgotten when they break off.

use super::*;

both_engines! {
    async fn a_form_brings_list_and_document(app: TestApp) {
        purpose(&app, "newsletter").await;
        let part = |name: &str, extra: &str, body: &str| {
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{extra}\r\n\r\n{body}\r\n")
        };
        let head = part("kind", "", "contacts") + &part("purposes", "", "newsletter") + &part("basis", "", "consent")
            + &part("collected_at", "", "2026-03-01") + &part("how", "", "event")
            + &part("document", "; filename=\"proof.pdf\"", "%PDF-1.7 proof");
        let file = part("file", "; filename=\"list.csv\"", "email\r\nana@example.org\r\n");
        let send = |body: String| {
            let api = app.api().once("form-1");
            async move { api.upload("/v1/imports", "multipart/form-data; boundary=XX", body).await }
        };
        let taken = send(format!("{head}{file}--XX--\r\n")).await.expect(202);
        let again = send(format!("{head}{file}--XX--\r\n")).await.expect(202);
        assert_eq!(taken.text("id"), again.text("id"), "a retry is one import");
        let done = work(&app, &taken.text("id")).await;
        assert_eq!(outcomes(&done), BTreeMap::from([("added".to_owned(), 1)]));
        assert!(consent(&app, "ana@example.org").await.basis_evidenced, "a document attests it");
        let document = app.api().get(&format!("/v1/imports/{}/document", taken.text("id"))).await.expect(200);
        assert_eq!(document.body(), "%PDF-1.7 proof");
        let other = format!("{head}{}--XX--\r\n", part("file", "", "email\r\nben@example.org\r\n"));
        send(other).await.expect_problem(422, "idempotency-key-reused");
        let list = app.api().get("/v1/imports").await.expect(200);
        assert_eq!(list.json["items"].as_array().unwrap().len(), 1, "what was sent again is forgotten");
        let api = app.api();
        let form = "multipart/form-data; boundary=XX";
        api.upload("/v1/imports", form, format!("{file}--XX--\r\n")).await.expect_faults(&["kind"]);
        api.upload("/v1/imports", form, format!("{head}--XX--\r\n")).await.expect_faults(&["file"]);
        api.upload("/v1/imports", form, format!("{head}{file}{}--XX--\r\n", part("how", "", "x"))).await.expect_faults(&["file"]);
        api.upload("/v1/imports", form, format!("{head}{file}")).await.expect_problem(400, "bad-request");
    }

    async fn a_retry_with_the_same_key_is_one_import(app: TestApp) {
        purpose(&app, "newsletter").await;
        let path = format!("/v1/imports?kind=contacts&purposes=newsletter&{DECLARED}");
        let api = app.api().once("list-1");
        let first = api.upload(&path, "text/csv", "email\nana@example.org\n").await.expect(202);
        let second = api.upload(&path, "text/csv", "email\nana@example.org\n").await.expect(202);
        assert_eq!(first.text("id"), second.text("id"));
        api.upload(&path, "text/csv", "email\nben@example.org\n").await.expect_problem(422, "idempotency-key-reused");
        assert_eq!(app.api().get("/v1/imports").await.expect(200).json["items"].as_array().unwrap().len(), 1);
    }

    async fn a_preview_judges_the_first_rows_and_stores_nothing(app: TestApp) {
        let newsletter = purpose(&app, "newsletter").await;
        let query = format!("kind=contacts&purposes=newsletter&{DECLARED}");
        import(&app, &query, "email\nana@example.org\nben@example.org\n").await;
        act(&app, "ana@example.org", newsletter, Command::Refuse).await;
        let mut csv = "email,collected_at\nana@example.org,\nben@example.org,\nnew@example.org,\nnew@example.org,\nlate@example.org,2030-01-01\nbad,\n".to_owned();
        (0..30).for_each(|n| csv.push_str(&format!("more{n}@example.org,\n")));
        let seen = app.api().upload(&format!("/v1/imports/preview?{query}"), "text/csv", csv).await.expect(200);
        let rows = seen.json["items"].as_array().or_else(|| seen.json["rows"].as_array()).unwrap();
        assert_eq!(rows.len(), 20);
        let first: Vec<&str> = rows.iter().take(6).map(|row| row["outcome"].as_str().unwrap()).collect();
        assert_eq!(first, ["suppressed", "updated", "added", "duplicate", "added", "invalid_address"]);
        assert!(rows[4]["detail"].as_str().unwrap().contains("lies in the future"));
        assert_eq!(seen.json["columns"], json!(["email", "collected_at"]));
        assert!(subject(&app, "new@example.org").await.is_none());
        assert_eq!(app.api().get("/v1/imports").await.expect(200).json["items"].as_array().unwrap().len(), 1);
    }

    async fn what_is_asked_wrongly_is_refused_by_name(app: TestApp) {
        purpose(&app, "newsletter").await;
        let api = app.api();
        let post = |query: &'static str| { let api = api.clone(); async move { api.upload(&format!("/v1/imports?{query}"), "text/csv", "email\n").await } };
        post("").await.expect_faults(&["kind"]);
        post("kind=contacts").await.expect_faults(&["purposes"]);
        post("kind=contacts&purposes=nonesuch").await.expect_faults(&["purposes"]);
        post("kind=contacts&purposes=newsletter&basis=guess&collected_at=yesterday&refusal_offered=maybe").await
            .expect_faults(&["basis", "refusal_offered", "collected_at"]);
        post("kind=contacts&purposes=newsletter&tenant=other").await.expect_problem(400, "bad-request");
        api.upload("/v1/imports?kind=do-not-mail", "application/json", "{}").await.expect_problem(415, "unsupported-media-type");
        let (_, other) = app.other_controller("umbrella").await;
        let mine = post("kind=do-not-mail").await.expect(202).text("id");
        for path in ["", "/rows", "/document"] {
            other.get(&format!("/v1/imports/{mine}{path}")).await.expect_problem(404, "not-found");
        }
        other.upload("/v1/imports?kind=contacts&purposes=newsletter", "text/csv", "email\n").await.expect_faults(&["purposes"]);
        app.nobody().get("/v1/imports").await.expect_problem(401, "unauthorised");
        app.with_scopes(&[reconsent::domain::scope::Scope::Campaigns], None).await.get("/v1/imports").await.expect_problem(403, "forbidden");
    }

    async fn an_upload_that_broke_off_is_read_by_nobody_and_forgotten(app: TestApp) {
        use reconsent::domain::list::Declaration;
        use reconsent::store::rows::ImportKind;
        use reconsent::usecases::imports::{NewImport, Upload};
        let new = NewImport { kind: ImportKind::DoNotMail, name: "list".into(), purposes: Vec::new(), declaration: Declaration::default() };
        let mut upload = Upload::begin(&app.services, app.scope, new, Some(b"proof".to_vec())).await.unwrap();
        upload.take(&vec![b'x'; 300_000]).await.unwrap();
        drop(upload);
        let list = app.api().get("/v1/imports").await.expect(200);
        assert_eq!(list.json["items"][0]["status"], "receiving");
        let id: ImportId = list.json["items"][0]["id"].as_str().unwrap().parse().unwrap();
        assert!(ImportReading::open(&app.services, app.scope, id).await.unwrap().is_none());
        assert_eq!(forget_unfinished(&app.services, app.scope).await.unwrap(), 0);
        app.clock.advance(std::time::Duration::from_secs(7200));
        assert_eq!(forget_unfinished(&app.services, app.scope).await.unwrap(), 1);
        app.api().get(&format!("/v1/imports/{id}")).await.expect_problem(404, "not-found");
    }
}
