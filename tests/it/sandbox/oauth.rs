//! The emulator's OAuth over HTTP: the page, the redirect, the token endpoint, and what tokens open.

#![allow(clippy::unwrap_used)]

use reconsent::sandbox::Emulator;
use reconsent::sandbox::campaign_monitor::{ClientSeed, ListSeed, OauthAppSeed};
use reqwest::{Client, Response, Url, redirect};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

const CLIENT: &str = "c0000000000000000000000000000001";
const LIST: &str = "a0000000000000000000000000000001";
const BACK: &str = "http://127.0.0.1:9/back";

struct App {
    emulator: Emulator,
    http: Client,
}

fn app() -> App {
    let emulator = Emulator::builder()
        .client(ClientSeed { id: CLIENT.into(), ..Default::default() })
        .list(ListSeed { client_id: CLIENT.into(), id: LIST.into(), title: "News".into(), ..Default::default() })
        .oauth_app(OauthAppSeed {
            client_id: "77".into(),
            client_secret: "hush".into(),
            name: "Letters & more".into(),
            redirect_uri: BACK.into(),
        })
        .start()
        .unwrap();
    let http = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
    App { emulator, http }
}

fn location(response: &Response) -> Url {
    assert_eq!(response.status(), 302);
    response.headers()["location"].to_str().unwrap().parse().unwrap()
}

fn pairs(url: &Url) -> Value {
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

impl App {
    fn page(&self, query: &[(&str, &str)]) -> Url {
        Url::parse_with_params(&format!("{}/oauth", self.emulator.base_url()), query).unwrap()
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.post_raw(path, Serializer::new(String::new()).extend_pairs(form).finish()).await
    }

    async fn post_raw(&self, path: &str, form: String) -> Response {
        let call = self.http.post(format!("{}{path}", self.emulator.base_url()));
        call.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap()
    }

    async fn decide(&self, decision: &str, scope: &str) -> Url {
        let form = [
            ("type", "web_server"),
            ("client_id", "77"),
            ("redirect_uri", BACK),
            ("scope", scope),
            ("state", "s+/="),
            ("decision", decision),
        ];
        location(&self.post("/oauth", &form).await)
    }

    async fn token(&self, form: &[(&str, &str)]) -> (u16, Value) {
        let answer = self.post("/oauth/token", form).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn allowed(&self, scope: &str) -> Value {
        let back = self.decide("allow", scope).await;
        let code = pairs(&back)["code"].as_str().unwrap().to_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "77"),
            ("client_secret", "hush"),
            ("redirect_uri", BACK),
            ("code", &code),
        ];
        let (status, tokens) = self.token(&form).await;
        assert_eq!(status, 200, "{tokens}");
        tokens
    }

    async fn call(&self, method: &str, path: &str, token: &str) -> (u16, Value) {
        let url = format!("{}/api/v3.3/{path}.json", self.emulator.base_url());
        let call = self.http.request(method.parse().unwrap(), url).bearer_auth(token).body("{}");
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["Code"].clone())
    }
}

#[tokio::test]
async fn what_an_app_may_not_ask_goes_back_as_an_error() {
    let app = app();
    let good =
        [("type", "web_server"), ("client_id", "77"), ("redirect_uri", BACK), ("scope", "ManageLists"), ("state", "x")];
    let page = app.http.get(app.page(&good)).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("form-action 'self' http://127.0.0.1:9"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(page.contains("Letters &amp; more") && page.contains("value=\"deny\""), "{page}");
    for (name, value, error) in [
        ("type", "user_agent", "invalid_request"),
        ("scope", "", "invalid_request"),
        ("scope", "ManageLists,Everything", "unknown_scope"),
        ("client_id", "78", "unknown_client"),
        ("redirect_uri", "http://127.0.0.1:9/other", "invalid_redirect_uri"),
    ] {
        let query = good.map(|(known, usual)| (known, if known == name { value } else { usual }));
        let back = location(&app.http.get(app.page(&query)).send().await.unwrap());
        assert_eq!((pairs(&back), back.path()), (json!({"error": error, "state": "x"}), "/back"), "{name}={value}");
    }
    let nowhere = app.http.get(app.page(&[("client_id", "78")])).send().await.unwrap();
    assert_eq!(nowhere.status(), 400);
    assert_eq!(pairs(&app.decide("deny", "ManageLists").await), json!({"error": "access_denied", "state": "s+/="}));
}

#[tokio::test]
async fn tokens_open_what_was_allowed_until_they_end_or_are_revoked() {
    let app = app();
    let tokens = app.allowed("ManageLists").await;
    assert_eq!(tokens["expires_in"], 1_209_600);
    let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    assert_eq!(app.call("GET", &format!("lists/{LIST}"), access).await.0, 200);
    let import = format!("subscribers/{LIST}/import");
    assert_eq!(app.call("POST", &import, access).await, (401, json!(60)));
    assert_eq!(app.call("GET", "systemdate", "made-up").await, (401, json!(120)));

    app.emulator.expire_access_tokens();
    assert_eq!(app.call("GET", "systemdate", access).await, (401, json!(121)));
    let (status, anew) = app.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    assert_eq!((status, &anew["refresh_token"]), (200, &tokens["refresh_token"]), "the same one by default");
    let access = anew["access_token"].as_str().unwrap();
    assert_eq!(app.call("GET", "systemdate", access).await.0, 200);

    app.emulator.rotate_refresh_tokens(true);
    let (_, rotated) = app.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    assert_ne!(rotated["refresh_token"], tokens["refresh_token"]);
    app.emulator.set_oauth_error_status(200);
    let (status, old) = app.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    assert_eq!((status, &old["error"]), (200, &json!("invalid_grant")));

    app.emulator.revoke_oauth();
    assert_eq!(app.call("GET", "systemdate", access).await, (401, json!(122)));
    app.emulator.set_oauth_error_status(500);
    let refresh = rotated["refresh_token"].as_str().unwrap();
    assert_eq!(app.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await.0, 500);
    let log = app.emulator.requests();
    assert!(
        log.iter().any(|call| call.path == "/oauth/token")
            && log.iter().all(|call| call.body.is_null() || call.body == json!({}))
    );
}

#[tokio::test]
async fn what_was_allowed_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let seed = OauthAppSeed {
        client_id: "77".into(),
        client_secret: "hush".into(),
        name: "App".into(),
        redirect_uri: BACK.into(),
    };
    let start = || Emulator::builder().folder(folder.path()).oauth_app(seed.clone()).start().unwrap();
    let http = app().http;
    let app = App { emulator: start(), http };
    let tokens = app.allowed("ManageLists").await;
    app.emulator.stop().unwrap();
    let app = App { emulator: start(), http: app.http };
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(app.call("GET", "systemdate", access).await.0, 200);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    assert_eq!(app.token(&refresh).await.0, 200);
}

#[tokio::test]
async fn a_refresh_token_has_to_be_encoded_and_to_come_alone() {
    let app = app();
    let tokens = app.allowed("ManageLists").await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let raw = format!("grant_type=refresh_token&refresh_token={refresh}");
    let raw = app.post_raw("/oauth/token", raw).await;
    assert_eq!(raw.json::<Value>().await.unwrap()["error"], "invalid_grant");
    let more = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "77")];
    assert_eq!(app.token(&more).await.1["error"], "invalid_request");
    let wrong = [("grant_type", "authorization_code"), ("client_id", "77"), ("client_secret", "guess"), ("code", "x")];
    assert_eq!(app.token(&wrong).await.1["error"], "invalid_client");
}
