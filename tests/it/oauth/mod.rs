//! Accounts at the provider that are connected by OAuth: clicked through as a person does it, renewed, revoked, connected
//! again; and what nobody can bring about with somebody else's state, code or connection.

mod connecting;
mod misuse;
mod renewing;
mod secrets;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use reconsent::campaign_monitor::{OauthApp, Secret};
use reconsent::sandbox::campaign_monitor::OauthAppSeed;
use reconsent::usecases::Rules;
use reconsent::usecases::oauth::OauthRules;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use crate::remap::{confirmed, purpose_id, until};
use crate::support::world::{CLIENT, OTHER_LIST, Shop, World, eventually};
use crate::support::{Answer, Api, Process, RunningServer, TestApp, settings};

/// The operator's app at the emulator.
const APP: &str = "117";
const APP_SECRET: &str = "hush-hush-app-secret";

/// A house with an app at the provider, and its outside world.
struct Agency {
    app: TestApp,
    world: World,
    _door: RunningServer,
}

impl Agency {
    async fn open(app: &TestApp) -> Self {
        Self::open_with(app, OauthRules::default()).await
    }

    async fn open_with(app: &TestApp, rules: OauthRules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let mut house = app.clone();
        house.base = format!("http://{}", listener.local_addr().unwrap());
        let mut world = world(&house);
        let (house, door) = served(house, listener, rules, world.emulator.base_url());
        world.works_for(&house);
        let agency = Self { app: house, world, _door: door };
        agency.tick(Duration::ZERO);
        agency
    }

    /// Time passes here and at the provider.
    fn tick(&self, by: Duration) {
        self.app.clock.advance(by);
        let now = self.app.services.clock.now().micros();
        self.world.emulator.freeze_clock(Some(jiff::Timestamp::from_microsecond(now).unwrap()));
    }

    /// Begins a connection: its id, and where to allow it.
    async fn begin(&self, api: &Api) -> (String, String) {
        let begun = api.send(Method::POST, "/v1/destinations/oauth", None).await.expect(200);
        (begun.text("connection_id"), begun.text("authorize_url"))
    }

    async fn begin_again(&self, destination: &str) -> String {
        let path = format!("/v1/destinations/{destination}/oauth");
        self.app.api().send(Method::POST, &path, None).await.expect(200).text("authorize_url")
    }

    /// Presses a button of the provider's page: the address to which it leads back.
    async fn decide(&self, authorize_url: &str, decision: &str) -> String {
        let who = self.app.nobody();
        let page = who.get(authorize_url).await.expect(200).body();
        let mut fields: Vec<(String, String)> = hidden(&page);
        assert!(fields.len() == 5 && page.contains(&format!("value=\"{decision}\"")), "{page}");
        fields.push(("decision".to_owned(), decision.to_owned()));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let decided = who.form(&format!("{}/oauth", self.world.emulator.base_url()), &fields).await.expect(302);
        decided.header("location").to_owned()
    }

    /// Allows it there, comes back, and presses the button here.
    async fn allow(&self, authorize_url: &str) -> Answer {
        let back = self.decide(authorize_url, "allow").await;
        let page = self.app.nobody().get(&back).await.expect(200).body();
        assert!(
            page.contains("Connect Campaign Monitor to acme Ltd?") && page.contains("<form method=\"post\">"),
            "{page}"
        );
        self.press(&back).await
    }

    /// Presses the button of our page.
    async fn press(&self, back: &str) -> Answer {
        self.app.nobody().send(Method::POST, back, None).await
    }

    /// A connection that was allowed.
    async fn connection(&self) -> String {
        let (connection, url) = self.begin(&self.app.api()).await;
        let done = self.allow(&url).await.expect(200).body();
        assert!(done.contains("Campaign Monitor is connected") && done.contains("role=\"status\""), "{done}");
        connection
    }

    /// A shop whose newsletter is kept on [`OTHER_LIST`] by a destination that is spoken to by OAuth.
    async fn shop(&self) -> (Shop, String) {
        let shop = Shop::open(&self.app, &self.world).await;
        let connection = self.connection().await;
        let body = json!({ "client_id": CLIENT, "connection_id": connection, "time_zone": "Europe/Amsterdam" });
        let made = self.app.api().post("/v1/destinations", body).await.expect(201);
        assert_eq!(
            (&made.json["credential"], &made.json["base_url"]),
            (&json!("oauth"), &json!(self.world.emulator.base_url()))
        );
        let destination = made.text("id");
        let wanted = json!({ "purpose": "newsletter", "list_id": OTHER_LIST });
        self.app.api().post(&format!("/v1/destinations/{destination}/lists"), wanted).await.expect(200);
        self.world.emulator.forget_requests();
        (shop, destination)
    }

    async fn check(&self, destination: &str) -> Value {
        self.app.api().get(&format!("/v1/destinations/{destination}/check")).await.expect(200).json
    }

    /// What the check says about the credential.
    async fn credential(&self, destination: &str) -> (String, String) {
        let check = self.check(destination).await;
        let found = check["findings"].as_array().unwrap().iter().find(|one| one["matter"] == "credential").unwrap();
        (found["standing"].as_str().unwrap().to_owned(), found["text"].as_str().unwrap().to_owned())
    }

    async fn must_connect_again(&self, destination: &str) -> bool {
        let shown = self.app.api().get(&format!("/v1/destinations/{destination}")).await.expect(200);
        shown.json["connect_again"].as_bool().unwrap()
    }

    /// How many calls the token endpoint got, and how many calls were answered with 401, since the last look.
    fn calls(&self) -> (usize, usize) {
        let log = self.world.emulator.requests();
        self.world.emulator.forget_requests();
        let renewals = log.iter().filter(|call| call.path == "/oauth/token").count();
        (renewals, log.iter().filter(|call| call.status == 401).count())
    }

    async fn confirm(&self, shop: &Shop, people: &[&str]) {
        confirmed(&self.app, shop, &purpose_id(&self.app, "newsletter").await, people).await;
    }

    async fn parked(&self) -> Vec<String> {
        let parked = self.app.api().get("/v1/outbox/parked").await.expect(200).json;
        let all = parked["items"].as_array().unwrap().iter();
        all.map(|task| task["last_error"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// The outside world of a house, with the operator's app at the provider.
fn world(house: &TestApp) -> World {
    let redirect_uri = format!("{}/oauth/campaign-monitor/callback", house.base);
    World::around_with(house, |emulator| {
        emulator.oauth_app(OauthAppSeed {
            client_id: APP.to_owned(),
            client_secret: APP_SECRET.to_owned(),
            name: "Reconsent at the agency".to_owned(),
            redirect_uri,
        })
    })
}

/// Another process of the agency's house, behind a door of its own.
fn instance(agency: &Agency) -> (TestApp, RunningServer) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let mut house = agency.app.clone();
    house.base = format!("http://{}", listener.local_addr().unwrap());
    served(house, listener, OauthRules::default(), agency.world.emulator.base_url())
}

/// Serves a house that has an app at this provider.
fn served(mut house: TestApp, listener: TcpListener, rules: OauthRules, provider: &str) -> (TestApp, RunningServer) {
    let operators = OauthApp { client_id: APP.to_owned(), client_secret: Secret::new(APP_SECRET.to_owned()) };
    let oauth = OauthRules { app: Some(operators), ..rules };
    let provider_base_url = provider.to_owned();
    house.services.rules = Arc::new(Rules { oauth, provider_base_url, ..(*house.services.rules).clone() });
    house.services.base_url = house.base.as_str().into();
    house.services.renewals = Arc::default();
    let door = RunningServer::start(house.services.clone(), settings(), listener);
    (house, door)
}

/// Names and values of a page's hidden fields.
fn hidden(page: &str) -> Vec<(String, String)> {
    let of = |tag: &str, name: &str| {
        let value = tag.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
        Some(value.replace("&#39;", "'").replace("&quot;", "\"").replace("&lt;", "<").replace("&amp;", "&"))
    };
    page.split("<input").skip(1).filter_map(|tag| Some((of(tag, "name")?, of(tag, "value")?))).collect()
}

/// A value of an address's query.
fn query(url: &str, name: &str) -> String {
    let url: Url = url.parse().unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// An address with another value in its query.
fn with_query(url: &str, name: &str, value: &str) -> String {
    let mut url: Url = url.parse().unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().filter(|(known, _)| known != name).collect();
    url.query_pairs_mut().clear().extend_pairs(pairs).append_pair(name, value);
    url.into()
}
