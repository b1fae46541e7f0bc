//! What a controller and the operator set up: policies, notices, senders, forms, tokens, controllers, destinations.

use serde_json::{Value, json};

use crate::support::{TestApp, wording};

/// SHA-256 of "hello", as everybody can work out.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

both_engines! {
    async fn a_policy_version_is_served_byte_by_byte_and_markdown_as_a_page_too(app: TestApp) {
        let policy = app.policy("privacy").await;
        let path = format!("/v1/policies/{policy}/versions");
        let query = "label=2026-09&language=en-GB&public_url=https://acme.example/privacy&in_force_from=2026-12-01&material=false";
        let version = app.api().upload(&format!("{path}?{query}"), "text/html; charset=utf-8", "hello").await.expect(201);
        assert_eq!(version.text("sha256"), HELLO);
        assert_eq!(version.text("in_force_from"), "2026-12-01T00:00:00Z");
        assert_eq!(version.text("format"), "text/html");
        let id = version.text("id");
        assert_eq!(app.api().get(&format!("{path}/{id}")).await.expect(200).json, version.json);
        assert_eq!(app.api().get(&path).await.expect(200).json["items"], json!([version.json]));

        let public = app.nobody().get(&format!("/policies/{id}")).await.expect(200);
        assert_eq!(public.body(), "hello");
        assert_eq!(public.header("etag"), format!("\"{HELLO}\""));
        assert_eq!(public.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(public.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(public.header("content-security-policy"), "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:");
        let again = app.nobody().header("if-none-match", &format!("\"{HELLO}\"")).get(&format!("/policies/{id}")).await;
        assert!(again.expect(304).bytes.is_empty());

        for (media, body, shown) in [
            ("text/plain", "Hello", "text/plain; charset=utf-8"),
            ("application/pdf", "%PDF-1.7 …", "application/pdf"),
        ] {
            let label = media.replace('/', "-");
            let made = app.api().upload(&format!("{path}?label={label}&language=en"), media, body).await.expect(201);
            let public = app.nobody().get(&format!("/policies/{}", made.text("id"))).await.expect(200);
            assert_eq!((public.header("content-type"), public.body().as_str()), (shown, body));
        }
        let markdown = "# Hello <b>\r\n\n*You* may [look](https://acme.example/x), [not here](javascript:alert(1)).\n\n<script>alert(1)</script>";
        let made = app.api().upload(&format!("{path}?label=md&language=en"), "text/markdown", markdown).await.expect(201);
        let at = format!("/policies/{}", made.text("id"));
        let page = app.nobody().get(&at).await.expect(200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let html = page.body();
        for part in ["<h1>Hello &lt;b&gt;</h1>", "<em>You</em>", "href=\"https://acme.example/x\"", "acme Ltd", &made.text("sha256")] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("<script") && !html.contains("javascript:") && !html.contains(" style="), "{html}");
        assert!(crate::support::pages::link_on(&html, "/policies/").ends_with("/raw"));
        let raw = app.nobody().get(&format!("{at}/raw")).await.expect(200);
        assert_eq!((raw.body().as_str(), raw.header("content-type")), (markdown, "text/plain; charset=utf-8"));
        assert_eq!(raw.header("etag"), format!("\"{}\"", made.text("sha256")));
        let deep = format!("{}x", "> ".repeat(200));
        let large = "word ".repeat(40_000);
        for (label, body) in [("deep", deep), ("large", large)] {
            let made = app.api().upload(&format!("{path}?label={label}&language=en"), "text/markdown", body.clone()).await.expect(201);
            let plain = app.nobody().get(&format!("/policies/{}", made.text("id"))).await.expect(200);
            assert_eq!((plain.header("content-type"), plain.body()), ("text/plain; charset=utf-8", body), "shown as it is");
        }
        let raw = app.nobody().get(&format!("/policies/{id}/raw")).await.expect(200);
        assert_eq!((raw.body().as_str(), raw.header("content-type")), ("hello", "text/html; charset=utf-8"));
        let text = json!({"text": "hello", "format": "text/markdown", "label": "json", "language": "en"});
        assert_eq!(app.api().post(&path, text).await.expect(201).text("sha256"), HELLO);
    }

    async fn a_policy_version_that_does_not_fit_is_refused(app: TestApp) {
        let policy = app.policy("privacy").await;
        let path = format!("/v1/policies/{policy}/versions");
        let whole = format!("{path}?label=1&language=en");
        let api = app.api();
        api.upload(&path, "text/plain", "x").await.expect_faults(&["label", "language"]);
        api.upload(&whole, "application/pdf", "not a pdf").await.expect_faults(&["body"]);
        api.upload(&whole, "text/html", vec![0xff, 0xfe]).await.expect_faults(&["body"]);
        api.upload(&whole, "text/plain", "").await.expect_faults(&["body"]);
        api.upload(&whole, "image/png", "x").await.expect_problem(415, "unsupported-media-type");
        api.upload(&whole, "text/plain", vec![b'x'; 10 * 1024 * 1024 + 1]).await.expect_problem(413, "too-large");
        api.upload(&format!("{whole}&colour=red"), "text/plain", "x").await.expect_problem(400, "bad-request");
        api.upload(&format!("{path}?label=1&language=english+language"), "text/plain", "x").await.expect_faults(&["language"]);
        api.upload(&format!("{whole}&public_url=http://acme.example"), "text/plain", "x").await.expect_faults(&["public_url"]);
        api.upload(&format!("{whole}&in_force_from=soon"), "text/plain", "x").await.expect_faults(&["in_force_from"]);
        api.upload(&whole, "text/plain", vec![b'x'; 10 * 1024 * 1024]).await.expect(201);
        api.upload(&whole, "text/plain", "x").await.expect_problem(409, "taken");
        api.post("/v1/policies", json!({"slug": "privacy", "name": "Again"})).await.expect_problem(409, "taken");
        api.post("/v1/policies", json!({"slug": "p", "name": "A\nB"})).await.expect_faults(&["name"]);
    }

    async fn a_notice_is_checked_numbered_and_kept(app: TestApp) {
        let news = app.purpose("news").await;
        let policy = app.policy("privacy").await;
        let version = app.policy_version(&policy, "1", false).await;
        let body = json!({"slug": "sign-up", "wording": wording(&["news"]), "purposes": ["news"], "policy_version_id": version});
        let first = app.api().post("/v1/notices", body.clone()).await.expect(201);
        assert_eq!((first.json["version"].as_i64(), &first.json["purposes"]), (Some(1), &json!([news])));
        assert_eq!(first.text("sha256").len(), 64);
        let second = app.api().post("/v1/notices", body.clone()).await.expect(201);
        assert_eq!(second.json["version"], 2);
        assert_eq!(first.text("sha256"), second.text("sha256"), "the same words have the same hash");
        let shown = app.api().get(&format!("/v1/notices/{}", first.text("id"))).await.expect(200);
        assert_eq!(shown.json, first.json);

        let page = app.api().get("/v1/notices?limit=1").await.expect(200);
        assert_eq!(page.json["items"][0]["id"], second.json["id"]);
        let rest = app.api().get(&format!("/v1/notices?limit=1&cursor={}", page.text("next"))).await.expect(200);
        assert_eq!(rest.json["items"][0]["id"], first.json["id"]);
        assert!(rest.json.get("next").is_none());
        app.api().get("/v1/notices?limit=0").await.expect_faults(&["limit"]);
        app.api().get("/v1/notices?limit=501").await.expect_faults(&["limit"]);
        app.api().get("/v1/notices?cursor=x").await.expect_faults(&["cursor"]);

        let spoilt = |change: fn(&mut Value)| { let mut spoilt = body.clone(); change(&mut spoilt); spoilt };
        for (bad, fields) in [
            (spoilt(|b| b["wording"]["withdrawal"] = json!("")), &["wording.withdrawal"][..]),
            (spoilt(|b| b["wording"]["third_parties"] = json!(["our partners"])), &["wording.third_parties"]),
            (spoilt(|b| b["wording"]["no"] = json!("No, I don't like saving")), &["wording.no"]),
            (spoilt(|b| b["wording"]["language"] = json!("English!")), &["wording.language"]),
            (spoilt(|b| b["purposes"] = json!(["news", "news"])), &["purposes[1]"]),
            (spoilt(|b| b["purposes"] = json!(["offers"])), &["purposes[0]"]),
            (spoilt(|b| b["purposes"] = json!([])), &["purposes", "wording.labels"]),
            (spoilt(|b| b["policy_version_id"] = json!("x")), &["policy_version_id"]),
            (spoilt(|b| b["slug"] = json!("Sign up")), &["slug"]),
        ] {
            app.api().post("/v1/notices", bad).await.expect_faults(fields);
        }
        app.api().post("/v1/notices", spoilt(|b| b["extra"] = json!(1))).await.expect_problem(400, "bad-request");
        // There is no way to change one.
        let path = format!("/v1/notices/{}", first.text("id"));
        app.api().patch(&path, body.clone()).await.expect(404);
        app.api().put(&path, body).await.expect(404);
    }

    async fn a_sender_has_an_address_that_every_relay_takes(app: TestApp) {
        let sender = app.sender().await;
        let shown = app.api().get(&format!("/v1/senders/{sender}")).await.expect(200);
        assert_eq!(shown.text("address"), "news@acme.example");
        for (field, bad) in [
            ("name", "Acme\r\nBcc: x@y.example"), ("name", " "), ("postal", "A\u{202e}B"),
            ("address", "näme@acme.example"), ("address", "no address"), ("reply_to", "x@"),
        ] {
            let mut body = json!({"name": "Acme", "address": "a@acme.example", "postal": "Acme Ltd, London"});
            body[field] = json!(bad);
            app.api().post("/v1/senders", body).await.expect_faults(&[field]);
        }
    }

    async fn a_form_has_a_key_and_exact_addresses_and_can_be_pointed_elsewhere(app: TestApp) {
        let (key, id) = app.form_for("news").await;
        assert!(key.starts_with("frm_") && key.len() == 36, "{key}");
        let path = format!("/v1/forms/{id}");
        let form = app.api().get(&path).await.expect(200);
        let version = app.api().get(&format!("/v1/notices/{}", form.text("notice_id"))).await.text("policy_version_id");
        let notice = app.notice("sign-up", &["news"], &version, false).await;
        let changed = app.api().patch(&path, json!({"notice_id": notice, "disabled": true})).await.expect(200);
        assert_eq!((changed.text("notice_id"), changed.json["disabled"].as_bool()), (notice.clone(), Some(true)));
        assert_eq!(changed.text("form_key"), key);
        assert_eq!(changed.json["origins"], form.json["origins"]);
        assert_eq!(app.api().get(&path).await.expect(200).json, changed.json);
        for (field, bad, fault) in [
            ("origins", json!(["https://acme.example/"]), "origins[0]"),
            ("origins", json!(["https://acme.example", "*"]), "origins[1]"),
            ("return_urls", json!(["javascript:alert(1)"]), "return_urls[0]"),
            ("return_urls", json!(["/thanks"]), "return_urls[0]"),
            ("origins", json!(vec!["https://acme.example"; 21]), "origins"),
            ("notice_id", json!("00000000-0000-7000-8000-0000000fffff"), "notice_id"),
            ("sender_id", json!("x"), "sender_id"),
        ] {
            app.api().patch(&path, json!({field: bad.clone()})).await.expect_faults(&[fault]);
            let mut body = json!({"name": "F", "notice_id": notice, "sender_id": form.text("sender_id")});
            body[field] = bad;
            app.api().post("/v1/forms", body).await.expect_faults(&[fault]);
        }
        assert_eq!(app.api().get("/v1/forms").await.expect(200).json["items"].as_array().unwrap().len(), 1);
    }

    async fn a_token_is_told_once_and_ends_when_it_is_revoked(app: TestApp) {
        let body = json!({"name": "Site", "scopes": ["settings", "tokens", "settings"], "expires_at": "2026-12-24"});
        let made = app.api().post("/v1/tokens", body).await.expect(201);
        assert_eq!(made.json["scopes"], json!(["settings", "tokens"]));
        let api = app.with_token(&made.text("token"));
        let list = api.get("/v1/tokens").await.expect(200);
        assert!(!list.body().contains(&made.text("token")));
        assert_eq!(list.json["items"][0]["id"], made.json["id"]);
        let path = format!("/v1/tokens/{}", made.text("id"));
        app.api().delete(&path).await.expect(204);
        app.api().delete(&path).await.expect(204);
        api.get("/v1/tokens").await.expect_problem(401, "unauthorised");
        let list = app.api().get("/v1/tokens").await.expect(200);
        assert_eq!(list.json["items"][0]["revoked_at"], "2026-11-24T09:30:00Z");
        let past = json!({"name": "Old", "scopes": ["consents"], "expires_at": "2026-11-24T09:30:00Z"});
        app.api().post("/v1/tokens", past).await.expect_faults(&["expires_at"]);
    }

    async fn the_operator_founds_controllers_that_work_at_once(app: TestApp) {
        let made = app.operator().post("/v1/controllers", json!({"slug": "bolt", "name": "Bolt Ltd"})).await.expect(201);
        let api = app.with_token(&made.text("token"));
        assert_eq!(api.get("/v1/purposes").await.expect(200).json["items"], json!([]));
        let list = app.operator().get("/v1/controllers").await.expect(200);
        let slugs: Vec<&str> = list.json["items"].as_array().unwrap().iter().map(|c| c["slug"].as_str().unwrap()).collect();
        assert_eq!(slugs, ["acme", "bolt"]);
        assert!(!list.body().contains(&made.text("token")));
        let page = app.operator().get("/v1/controllers?limit=1").await.expect(200);
        let rest = app.operator().get(&format!("/v1/controllers?cursor={}", page.text("next"))).await.expect(200);
        assert_eq!(rest.json["items"], json!([made.json["controller"]]));
        app.operator().post("/v1/controllers", json!({"slug": "bolt", "name": "Other"})).await.expect_problem(409, "taken");

        let keys = app.nobody().get("/.well-known/jwks.json").await.expect(200);
        assert_eq!(keys.header("content-type"), "application/jwk-set+json");
        let keys = keys.json["keys"].as_array().unwrap().clone();
        assert_eq!(keys.len(), 2);
        assert!(keys.iter().all(|key| key["crv"] == "Ed25519" && key.get("d").is_none()));
    }

    async fn a_destination_shows_its_secrets_to_nobody_afterwards(app: TestApp) {
        let (news, offers) = (app.purpose("news").await, app.purpose("offers").await);
        let body = json!({"client_id": "c1", "api_key": "very-secret", "time_zone": "Europe/London"});
        let made = app.api().post("/v1/destinations", body.clone()).await.expect(201);
        assert!(!made.body().contains("very-secret"));
        assert_eq!(made.text("base_url"), "https://api.createsend.com");
        let url = made.text("webhook_url");
        assert!(url.starts_with(&format!("{}/hooks/campaign-monitor/", app.base)), "{url}");
        let path = format!("/v1/destinations/{}", made.text("id"));
        for answer in [app.api().get(&path).await.expect(200), app.api().get("/v1/destinations").await.expect(200)] {
            assert!(!answer.body().contains("very-secret") && !answer.body().contains(&url));
        }

        let lists = format!("{path}/lists");
        let put = json!({"lists": [{"purpose": "news", "list_id": "l1"}, {"purpose": offers, "list_id": "l2"}]});
        let shown = app.api().put(&lists, put).await.expect(200);
        assert_eq!(shown.json["lists"], json!([{"purpose_id": news, "list_id": "l1"}, {"purpose_id": offers, "list_id": "l2"}]));
        let put = json!({"lists": [{"purpose": "offers", "list_id": "l1"}]});
        let shown = app.api().put(&lists, put).await.expect(200);
        assert_eq!(shown.json["lists"], json!([{"purpose_id": offers, "list_id": "l1"}]));
        assert_eq!(app.api().get(&path).await.expect(200).json, shown.json);
        for (bad, fault) in [
            (json!([{"purpose": "none", "list_id": "l1"}]), "lists[0].purpose"),
            (json!([{"purpose": "news", "list_id": "l/1"}]), "lists[0].list_id"),
            (json!([{"purpose": "news", "list_id": "l1"}, {"purpose": "news", "list_id": "l1"}]), "lists[1].purpose"),
        ] {
            app.api().put(&lists, json!({"lists": bad})).await.expect_faults(&[fault]);
        }
        for (field, bad) in [
            ("base_url", "http://api.example.org"), ("base_url", "https://u:p@example.org"), ("client_id", "c 1"),
            ("api_key", ""), ("time_zone", "London"), ("time_zone", "+01:00"),
        ] {
            let mut body = body.clone();
            body[field] = json!(bad);
            app.api().post("/v1/destinations", body).await.expect_faults(&[field]);
        }
        let mut here = body;
        here["base_url"] = json!("http://127.0.0.1:9/");
        assert_eq!(app.api().post("/v1/destinations", here).await.expect(201).text("base_url"), "http://127.0.0.1:9");
    }

    async fn every_problem_is_explained_where_its_type_leads(app: TestApp) {
        let problem = app.api().get("/v1/notices/x").await.expect_problem(404, "not-found");
        let text = app.nobody().get(&problem.text("type")).await.expect(200);
        assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
        assert!(text.body().contains("Status: 404"));
        app.nobody().get("/problems/none").await.expect_problem(404, "not-found");
    }
}
