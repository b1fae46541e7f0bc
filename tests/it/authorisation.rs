//! Who may do what (R-15): every operation of the document, asked by everybody. An operation without a line in the
//! table fails the test, and so does a line without an operation.

use std::time::Duration;

use reconsent::domain::scope::Scope;
use reqwest::Method;
use serde_json::json;

use crate::openapi::operations;
use crate::support::{Answer, Api, TestApp, wording};

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum May {
    /// Everybody.
    Open,
    /// A controller's token with this scope.
    With(Scope),
    /// The operator.
    Operator,
}

/// Method, path, who may, the body sent (of a GET the query), and what who may is answered.
type Line = (&'static str, &'static str, May, &'static str, u16);

const SETTINGS: May = May::With(Scope::Settings);
const CAMPAIGNS: May = May::With(Scope::Campaigns);
const IMPORTS: May = May::With(Scope::Imports);
const CONSENTS: May = May::With(Scope::Consents);
const SUBJECTS: May = May::With(Scope::Subjects);
const EXPORTS: May = May::With(Scope::Exports);
const TOKENS: May = May::With(Scope::Tokens);

/// A body of `{}` is let in and found wanting: 400.
const TABLE: &[Line] = &[
    ("GET", "/.well-known/jwks.json", May::Open, "", 200),
    ("GET", "/openapi.json", May::Open, "", 200),
    ("GET", "/problems/{slug}", May::Open, "", 200),
    ("GET", "/policies/{id}", May::Open, "", 200),
    ("GET", "/policies/{id}/raw", May::Open, "", 200),
    ("GET", "/f/{form_key}", May::Open, "", 200),
    ("OPTIONS", "/f/{form_key}", May::Open, "", 403),
    ("POST", "/f/{form_key}", May::Open, "{}", 400),
    ("GET", "/a/{token}", May::Open, "", 404),
    ("POST", "/a/{token}", May::Open, "{}", 415),
    ("GET", "/c/{token}", May::Open, "", 404),
    ("POST", "/c/{token}", May::Open, "{}", 415),
    ("GET", "/r/{token}", May::Open, "", 404),
    ("POST", "/r/{token}", May::Open, "{}", 415),
    ("GET", "/u/{token}", May::Open, "", 404),
    ("POST", "/u/{token}", May::Open, "{}", 404),
    ("GET", "/p/{token}", May::Open, "", 404),
    ("POST", "/p/{token}", May::Open, "{}", 404),
    ("GET", "/n/{token}", May::Open, "", 404),
    ("POST", "/n/{token}", May::Open, "", 404),
    ("POST", "/hooks/campaign-monitor/{secret}", May::Open, "{}", 404),
    ("GET", "/oauth/campaign-monitor/callback", May::Open, "code=x&state=no-such-state", 404),
    ("POST", "/oauth/campaign-monitor/callback", May::Open, "", 404),
    ("GET", "/assets/{name}", May::Open, "", 404),
    ("POST", "/v1/imports", IMPORTS, "{}", 415),
    ("POST", "/v1/imports/preview", IMPORTS, "{}", 415),
    ("POST", "/v1/destinations/{id}/lists/{list_id}/imports", IMPORTS, "", 422),
    ("GET", "/v1/imports", IMPORTS, "", 200),
    ("GET", "/v1/imports/{id}", IMPORTS, "", 200),
    ("GET", "/v1/imports/{id}/rows", IMPORTS, "", 200),
    ("GET", "/v1/imports/{id}/document", IMPORTS, "", 404),
    ("POST", "/v1/campaigns", CAMPAIGNS, "{}", 400),
    ("GET", "/v1/campaigns", CAMPAIGNS, "", 200),
    ("GET", "/v1/campaigns/{id}", CAMPAIGNS, "", 200),
    ("POST", "/v1/campaigns/{id}/dry-run", CAMPAIGNS, "", 200),
    ("GET", "/v1/campaigns/{id}/exclusions", CAMPAIGNS, "", 200),
    ("GET", "/v1/campaigns/{id}/results", CAMPAIGNS, "", 200),
    ("GET", "/v1/campaigns/{id}/preview", CAMPAIGNS, "", 200),
    ("GET", "/v1/campaigns/{id}/links.csv", EXPORTS, "", 422),
    ("POST", "/v1/campaigns/{id}/launch", CAMPAIGNS, "", 422),
    ("POST", "/v1/campaigns/{id}/pause", CAMPAIGNS, "", 409),
    ("POST", "/v1/campaigns/{id}/resume", CAMPAIGNS, "", 409),
    ("POST", "/v1/campaigns/{id}/cancel", CAMPAIGNS, "", 200),
    ("POST", "/v1/controllers", May::Operator, "{}", 400),
    ("GET", "/v1/controllers", May::Operator, "", 200),
    ("POST", "/v1/purposes", SETTINGS, "{}", 400),
    ("GET", "/v1/purposes", SETTINGS, "", 200),
    ("GET", "/v1/purposes/{id}", SETTINGS, "", 200),
    ("POST", "/v1/policies", SETTINGS, "{}", 400),
    ("GET", "/v1/policies", SETTINGS, "", 200),
    ("GET", "/v1/policies/{id}", SETTINGS, "", 200),
    ("POST", "/v1/policies/{id}/versions", SETTINGS, r#"{"text":"T","label":"new","language":"en"}"#, 201),
    ("GET", "/v1/policies/{id}/versions", SETTINGS, "", 200),
    ("GET", "/v1/policies/{id}/versions/{version_id}", SETTINGS, "", 200),
    ("POST", "/v1/notices", SETTINGS, "{}", 400),
    ("GET", "/v1/notices", SETTINGS, "", 200),
    ("GET", "/v1/notices/{id}", SETTINGS, "", 200),
    ("POST", "/v1/senders", SETTINGS, "{}", 400),
    ("GET", "/v1/senders", SETTINGS, "", 200),
    ("GET", "/v1/senders/{id}", SETTINGS, "", 200),
    ("PATCH", "/v1/senders/{id}", SETTINGS, "{}", 200),
    ("POST", "/v1/forms", SETTINGS, "{}", 400),
    ("GET", "/v1/forms", SETTINGS, "", 200),
    ("GET", "/v1/forms/{id}", SETTINGS, "", 200),
    ("PATCH", "/v1/forms/{id}", SETTINGS, "{}", 200),
    ("POST", "/v1/destinations", SETTINGS, "{}", 400),
    ("GET", "/v1/destinations", SETTINGS, "", 200),
    ("GET", "/v1/destinations/{id}", SETTINGS, "", 200),
    ("PUT", "/v1/destinations/{id}/lists", SETTINGS, r#"{"lists":[]}"#, 200),
    ("PATCH", "/v1/destinations/{id}", SETTINGS, r#"{"on_expiry":"remove"}"#, 200),
    ("PUT", "/v1/destinations/{id}/fields", SETTINGS, r#"{"fields":[]}"#, 200),
    ("POST", "/v1/destinations/look", SETTINGS, "{}", 422),
    ("POST", "/v1/destinations/oauth", SETTINGS, "", 409),
    ("POST", "/v1/destinations/{id}/oauth", SETTINGS, "", 409),
    ("GET", "/v1/destinations/{id}/account", SETTINGS, "", 502),
    ("GET", "/v1/destinations/{id}/check", SETTINGS, "", 200),
    ("POST", "/v1/destinations/{id}/lists", SETTINGS, r#"{"purpose":"news","list_id":"a1"}"#, 502),
    ("GET", "/v1/destinations/{id}/upkeep", SETTINGS, "", 200),
    ("PUT", "/v1/destinations/{id}/upkeep", SETTINGS, r#"{"reconcile_every_days":7,"automatic":[]}"#, 200),
    ("POST", "/v1/destinations/{id}/webhook/rotate", SETTINGS, "", 200),
    ("POST", "/v1/destinations/{id}/reconciles", SETTINGS, "", 409),
    ("GET", "/v1/destinations/{id}/reconciles", SETTINGS, "", 200),
    ("GET", "/v1/reconciles/{id}", SETTINGS, "", 200),
    ("GET", "/v1/reconciles/{id}/findings", SETTINGS, "", 200),
    ("POST", "/v1/reconciles/{id}/apply", SETTINGS, r#"{"kinds":["missing_there"]}"#, 202),
    ("POST", "/v1/reconciles/{id}/dismiss", SETTINGS, "", 200),
    ("POST", "/v1/tokens", TOKENS, "{}", 400),
    ("GET", "/v1/tokens", TOKENS, "", 200),
    ("DELETE", "/v1/tokens/{id}", TOKENS, "", 204),
    ("POST", "/v1/consents", CONSENTS, "{}", 400),
    ("POST", "/v1/links", CONSENTS, "{}", 400),
    ("POST", "/v1/subjects/search", SUBJECTS, "{}", 400),
    ("GET", "/v1/subjects/{id}", SUBJECTS, "", 200),
    ("GET", "/v1/subjects/{id}/events", SUBJECTS, "", 200),
    ("GET", "/v1/subjects/{id}/mails", SUBJECTS, "", 200),
    ("GET", "/v1/subjects/{id}/past", SUBJECTS, "at=2026-01-01", 200),
    ("POST", "/v1/subjects/{id}/address", SUBJECTS, r#"{"email":"moved@example.org"}"#, 202),
    ("POST", "/v1/subjects/{id}/stop", SUBJECTS, "{}", 200),
    ("GET", "/v1/suppressions", EXPORTS, "", 200),
    ("POST", "/v1/suppressions", SUBJECTS, "{}", 400),
    ("GET", "/v1/confirmed", EXPORTS, "", 422),
    ("GET", "/v1/outbox/parked", CAMPAIGNS, "", 200),
    ("POST", "/v1/outbox/{kind}/{reference}/retry", CAMPAIGNS, "", 404),
    ("POST", "/v1/outbox/{kind}/{reference}/drop", CAMPAIGNS, "", 404),
];

#[test]
fn the_table_and_the_document_name_the_same_operations_and_scopes() {
    for (method, path, operation) in operations() {
        let line = TABLE.iter().find(|line| line.0 == method && line.1 == path);
        let (_, _, may, _, _) = line.unwrap_or_else(|| panic!("{method} {path} has no line in the table of rights"));
        let scope = &operation["security"][0]["token"][0];
        match may {
            May::Open => assert!(scope.is_null(), "{method} {path}"),
            May::With(wanted) => assert_eq!(scope, wanted.name(), "{method} {path}"),
            May::Operator => assert_eq!(scope, "operator", "{method} {path}"),
        }
    }
    for (method, path, ..) in TABLE {
        let there = operations().iter().any(|(m, p, _)| m == method && p == path);
        assert!(there, "{method} {path} is in the table of rights and not in the document");
    }
}

/// What the first controller has, by which the paths are filled.
struct Owned {
    pairs: Vec<(&'static str, String)>,
}

impl Owned {
    async fn make(app: &TestApp) -> Self {
        let (form_key, form) = app.form_for("news").await;
        let first = async |path: &str| {
            app.api().get(path).await.expect(200).json["items"][0]["id"].as_str().unwrap().to_owned()
        };
        let policy = first("/v1/policies").await;
        let destination = json!({"client_id": "c1", "api_key": "secret", "time_zone": "Europe/London"});
        let destination = app.api().post("/v1/destinations", destination).await.expect(201).text("id");
        let lists = json!({"lists": [{"purpose": "news", "list_id": "a1"}]});
        app.api().put(&format!("/v1/destinations/{destination}/lists"), lists).await.expect(200);
        let compared = format!("/v1/destinations/{destination}/reconciles");
        let reconcile = app.api().post(&compared, json!({})).await.expect(202).text("id");
        let token = app.api().post("/v1/tokens", json!({"name": "Spare", "scopes": ["consents"]})).await.expect(201);
        let import = "/v1/imports?kind=contacts&purposes=news&name=list";
        let import = app.api().upload(import, "text/csv", "email\nana@example.org\n").await.expect(202).text("id");
        let (notice, sender) = (first("/v1/notices").await, first("/v1/senders").await);
        let campaign = json!({"name": "Round", "purposes": ["news"], "import_ids": [import], "notice_id": notice,
            "sender_id": sender, "deadline": "2100-01-01"});
        let campaign = app.api().post("/v1/campaigns", campaign).await.expect(201).text("id");
        let consent = json!({"email": "ana@example.org", "choices": {"news": "yes"}, "form_id": form});
        let subject = app.api().post("/v1/consents", consent).await.expect(202).text("subject_id");
        Self {
            pairs: vec![
                ("/v1/subjects/{id}", subject.clone()),
                ("{kind}", "sync".to_owned()),
                ("{reference}", subject),
                ("/v1/imports/{id}", import),
                ("/v1/campaigns/{id}", campaign),
                ("/v1/purposes/{id}", first("/v1/purposes").await),
                ("{list_id}", "a1".to_owned()),
                ("{version_id}", first(&format!("/v1/policies/{policy}/versions")).await),
                ("/v1/policies/{id}", policy.clone()),
                ("/policies/{id}", first(&format!("/v1/policies/{policy}/versions")).await),
                ("/v1/notices/{id}", first("/v1/notices").await),
                ("/v1/senders/{id}", first("/v1/senders").await),
                ("/v1/forms/{id}", form),
                ("/v1/destinations/{id}", destination),
                ("/v1/reconciles/{id}", reconcile),
                ("/v1/tokens/{id}", token.text("id")),
                ("/problems/{slug}", "validation".to_owned()),
                ("{form_key}", form_key),
                ("{token}", "no-such-token".to_owned()),
                ("{secret}", "no-such-secret".to_owned()),
                ("{name}", "no-such-name".to_owned()),
            ],
        }
    }

    /// The path with this controller's ids, or with `instead`.
    fn fill(&self, path: &str, instead: Option<&str>) -> String {
        let mut path = path.to_owned();
        for (place, id) in &self.pairs {
            if path.contains(place) && (place.starts_with('{') || path.starts_with(place)) {
                let (from, to) = (place.find('{').unwrap(), place.find('}').unwrap());
                let filled = format!("{}{}", &place[..from], instead.unwrap_or(id)) + &place[to + 1..];
                path = path.replace(place, &filled);
            }
        }
        assert!(!path.contains('{'), "{path} is not filled: add the id to `Owned`");
        path
    }

    fn names_any(&self, answer: &Answer) -> bool {
        let body = answer.body();
        self.pairs.iter().any(|(place, id)| !place.contains("slug") && body.contains(id.as_str()))
    }
}

async fn ask(api: &Api, line: &Line, path: &str) -> Answer {
    let method = Method::from_bytes(line.0.as_bytes()).unwrap();
    if method == Method::GET && !line.3.is_empty() {
        return api.send(method, &format!("{path}?{}", line.3), None).await;
    }
    let body = (!line.3.is_empty()).then(|| ("application/json", line.3.as_bytes().to_vec()));
    api.send(method, path, body).await
}

both_engines! {
    async fn every_operation_lets_in_who_may_and_nobody_else(app: TestApp) {
        let owned = Owned::make(&app).await;
        let (_, other) = app.other_controller("other").await;
        let now = app.services.clock.now();
        let expired = app.with_scopes(Scope::CONTROLLER, Some(now.plus(Duration::from_secs(60)))).await;
        app.clock.advance(Duration::from_secs(60));
        let revoked = app.api().post("/v1/tokens", json!({"name": "Gone", "scopes": ["settings", "tokens"]})).await.expect(201);
        app.api().delete(&format!("/v1/tokens/{}", revoked.text("id"))).await.expect(204);
        let revoked = app.with_token(&revoked.text("token"));

        for line in TABLE {
            let (_, template, may, _, own) = *line;
            let path = owned.fill(template, None);
            if may == May::Open {
                ask(&app.nobody(), line, &path).await.expect(own);
                ask(&revoked, line, &path).await.expect(own);
                continue;
            }
            for stranger in [&app.nobody(), &revoked, &expired, &app.with_token("rc_unknown"), &app.with_token("")] {
                let answer = ask(stranger, line, &path).await.expect_problem(401, "unauthorised");
                assert_eq!(answer.header("www-authenticate"), "Bearer");
            }
            let May::With(scope) = may else {
                ask(&app.api(), line, &path).await.expect_problem(403, "forbidden");
                ask(&app.operator(), line, &path).await.expect(own);
                continue;
            };
            let others: Vec<Scope> = Scope::CONTROLLER.iter().copied().filter(|one| *one != scope).collect();
            ask(&app.with_scopes(&others, None).await, line, &path).await.expect_problem(403, "forbidden");
            ask(&app.operator(), line, &path).await.expect_problem(403, "forbidden");

            let foreign = ask(&other, line, &path).await;
            if template.contains('{') {
                let foreign = foreign.expect_problem(404, "not-found");
                for nobodys in ["00000000-0000-7000-8000-0000000fffff", "not-an-id"] {
                    let missing = ask(&other, line, &owned.fill(template, Some(nobodys))).await.expect(404);
                    assert_eq!(foreign.bytes, missing.bytes, "{template}: what is foreign is told from what is missing");
                    assert_eq!(foreign.headers.len(), missing.headers.len());
                }
            } else {
                assert!(!owned.names_any(&foreign.expect(own)), "{template} shows what is another controller's");
            }
            // Last, as it may take away what the line is about.
            ask(&app.with_scopes(&[scope], None).await, line, &path).await.expect(own);
        }
    }

    async fn what_is_anothers_cannot_be_referred_to(app: TestApp) {
        let (_, form) = app.form_for("news").await;
        let form = app.api().get(&format!("/v1/forms/{form}")).await.expect(200);
        let (notice, sender) = (form.text("notice_id"), form.text("sender_id"));
        let purpose = app.api().get("/v1/purposes").await.json["items"][0]["id"].clone();
        let version = app.api().get(&format!("/v1/notices/{notice}")).await.text("policy_version_id");
        let (_, other) = app.other_controller("other").await;
        let own = json!({"slug": "news", "label": "news", "description": "News"});
        other.post("/v1/purposes", own).await.expect(201);

        let body = json!({"name": "Mine", "notice_id": notice, "sender_id": sender});
        other.post("/v1/forms", body).await.expect_faults(&["notice_id"]);
        let body = json!({"slug": "s", "wording": wording(&["news"]), "purposes": ["news"], "policy_version_id": version});
        other.post("/v1/notices", body.clone()).await.expect_faults(&["policy_version_id"]);
        let mut foreign = body;
        foreign["purposes"] = json!([purpose]);
        other.post("/v1/notices", foreign).await.expect_faults(&["purposes[0]"]);
    }

    async fn a_token_hands_on_only_what_it_has(app: TestApp) {
        let clerk = app.with_scopes(&[Scope::Tokens, Scope::Consents], None).await;
        clerk.post("/v1/tokens", json!({"name": "Site", "scopes": ["consents"]})).await.expect(201);
        for scopes in [json!(["settings"]), json!(["consents", "exports"]), json!(["operator"])] {
            clerk.post("/v1/tokens", json!({"name": "More", "scopes": scopes})).await.expect_faults(&["scopes"]);
        }
        clerk.post("/v1/tokens", json!({"name": "Odd", "scopes": ["everything"]})).await.expect_faults(&["scopes[0]"]);
        app.api().post("/v1/tokens", json!({"name": "Root", "scopes": ["operator"]})).await.expect_faults(&["scopes"]);
    }
}
