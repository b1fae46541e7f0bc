//! A house for one test: migrated, keyed, with a controller, and open on a port of its own.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use reconsent::crypto::RootKeys;
use reconsent::domain::ids::ControllerScope;
use reconsent::domain::scope::Scope;
use reconsent::domain::slug::Slug;
use reconsent::domain::time::Timestamp;
use reconsent::http::HttpSettings;
use reconsent::store::{Store, StoreSettings};
use reconsent::usecases::setup::{NewController, check_or_set_canary, create_controller, create_token};
use reconsent::usecases::{Rules, Services};
use tokio::runtime::Handle;

use super::database::Database;
use super::ids::SeededIds;
use super::{Api, Engine, FrozenClock};

/// Base64 of 32 equal bytes: a root key for tests alone.
pub const ROOT_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// The house as a test sees it; cloning is cheap.
#[derive(Clone)]
pub struct TestApp {
    /// Which engine it stands on.
    pub engine: Engine,
    /// Its services, for what has no door.
    pub services: Services,
    /// Its clock.
    pub clock: Arc<FrozenClock>,
    /// The first controller.
    pub scope: ControllerScope,
    /// Scheme, host and port.
    pub base: String,
    database: Arc<Database>,
    client: reqwest::Client,
    token: String,
    operator: String,
}

/// Runs a test in a house of its own and takes the house down after it.
pub fn run<F: Future<Output = ()>>(engine: Engine, body: impl FnOnce(TestApp) -> F) {
    let database = Arc::new(Database::create(engine));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    runtime.block_on(async {
        let (app, _server) = TestApp::start(database, Rules::default()).await;
        body(app).await;
    });
    // What still runs belongs to this test alone and may be cut off.
    runtime.shutdown_timeout(Duration::from_secs(5));
}

impl TestApp {
    /// Opens a house on an empty database, under these rules. The server runs until what is given back with it goes.
    pub async fn start(database: Arc<Database>, rules: Rules) -> (Self, RunningServer) {
        let (runtime, listener) = (Handle::current(), TcpListener::bind("127.0.0.1:0").expect("a port is free"));
        let base = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
        let (engine, url) = (database.engine, database.url.clone());
        let store = tokio::task::spawn_blocking(move || {
            Store::migrate(&url).expect("an empty database migrates");
            let settings = StoreSettings {
                url,
                readers: 2,
                writers: 2,
                write_queue: 1000,
                batch: 64,
                read_wait: Duration::from_secs(10),
                write_attempts: 5,
                busy_timeout: Duration::from_secs(10),
            };
            Store::open(&settings, runtime).expect("a migrated database opens")
        })
        .await
        .expect("setting up does not panic");

        let clock = Arc::new(FrozenClock::new());
        let ids = Arc::new(SeededIds::new(Arc::clone(&clock), 0x5eed));
        let root = RootKeys::parse(ROOT_KEY, None).expect("a root key in base64");
        let services = Services::new(store, root, clock.clone(), ids, rules, &base);
        check_or_set_canary(&services).await.expect("the canary is set").expect("the root key fits");
        let operator = create_token(&services, None, "operator", &[Scope::Operator], None).await;
        let operator = operator.expect("an operator's token is made").token;
        let (scope, token) = new_controller(&services, "acme").await;
        let server = RunningServer::start(services.clone(), settings(), listener);
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client is built");
        (Self { engine, services, clock, scope, base, database, client, token, operator }, server)
    }

    /// The first controller's administrator, with every scope.
    pub fn api(&self) -> Api {
        self.with_token(&self.token)
    }

    /// The secret of the first controller's administrator.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The operator.
    pub fn operator(&self) -> Api {
        self.with_token(&self.operator)
    }

    /// Somebody without a token.
    pub fn nobody(&self) -> Api {
        Api::new(self.client.clone(), &self.base, None)
    }

    /// Somebody with this token.
    pub fn with_token(&self, token: &str) -> Api {
        Api::new(self.client.clone(), &self.base, Some(token))
    }

    /// Somebody whose token for the first controller has these scopes, perhaps until some time.
    pub async fn with_scopes(&self, scopes: &[Scope], expires_at: Option<Timestamp>) -> Api {
        let issued = create_token(&self.services, Some(self.scope), "test", scopes, expires_at).await;
        self.with_token(&issued.expect("a token is made").token)
    }

    /// Another controller and its administrator.
    pub async fn other_controller(&self, slug: &str) -> (ControllerScope, Api) {
        let (scope, token) = new_controller(&self.services, slug).await;
        (scope, self.with_token(&token))
    }

    /// Waits until the service at [`Self::base`] answers.
    pub async fn until_up(&self) {
        let started = std::time::Instant::now();
        while self.nobody().try_get("/openapi.json").await.is_none() {
            assert!(started.elapsed() < Duration::from_secs(30), "the service does not come up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The database's address, as an operator would write it.
    pub fn database_url(&self) -> &str {
        &self.database.text
    }

    /// A folder that goes with the house.
    pub fn folder(&self) -> &std::path::Path {
        self.database.folder.path()
    }
}

async fn new_controller(services: &Services, slug: &str) -> (ControllerScope, String) {
    let new = NewController {
        slug: Slug::parse(slug).expect("a short name"),
        name: format!("{slug} Ltd"),
        hold_uncertain: false,
    };
    let controller = create_controller(services, new).await.expect("a controller is made");
    let scope = ControllerScope::granted(controller.id);
    let token = create_token(services, Some(scope), "administrator", Scope::CONTROLLER, None).await;
    (scope, token.expect("a token is made").token)
}

/// The door as a test wants it: few threads, the rest as it comes.
pub fn settings() -> HttpSettings {
    HttpSettings { workers: 2, ..HttpSettings::default() }
}

/// The server, which ends when this goes.
pub struct RunningServer {
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl RunningServer {
    /// Serves on a thread with a system of its own. A test may open a second door to its house, set otherwise.
    pub fn start(services: Services, settings: HttpSettings, listener: TcpListener) -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = reconsent::http::server::serve(services, settings, listener).expect("the server starts");
                tell.send(server.handle()).expect("the test waits for the handle");
                server.await.expect("the server ends well");
            });
        });
        let handle = told.recv().expect("the server starts");
        Self { handle, thread: Some(thread) }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // The order is given by the call; nobody waits for open connections.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server's thread panicked");
        }
    }
}
