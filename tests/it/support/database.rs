//! A database for one test: a file of its own, or a database of its own on the server that `tests/run` started. It
//! goes when the test ends, however it ends.

use std::sync::atomic::{AtomicU32, Ordering};

use reconsent::store::DatabaseUrl;
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// Which engine a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded one.
    Sqlite,
    /// The server named by `RECONSENT_TEST_POSTGRES`.
    Postgres,
}

/// A database and the folder of the test; both go when this goes.
pub struct Database {
    /// Of which engine.
    pub engine: Engine,
    /// Where it is.
    pub url: DatabaseUrl,
    /// The address as an operator would write it.
    pub text: String,
    /// A folder for this test.
    pub folder: TempDir,
    server: Option<(String, String)>,
}

impl Database {
    /// A new, empty database.
    pub fn create(engine: Engine) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (text, server) = match engine {
            Engine::Sqlite => (format!("sqlite:{}", folder.path().join("reconsent.db").display()), None),
            Engine::Postgres => {
                let server = std::env::var("RECONSENT_TEST_POSTGRES").unwrap_or_else(|_| {
                    panic!(
                        "RECONSENT_TEST_POSTGRES is not set, so this test cannot run on PostgreSQL: run tests/run, \
                         or set it to the address of a superuser, such as postgres://postgres@127.0.0.1:5432/postgres"
                    )
                });
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let count = COUNT.fetch_add(1, Ordering::SeqCst);
                let name = format!("reconsent_test_{}_{count}", std::process::id());
                // What a killed run with the same process id has left behind goes first.
                statements(&server, &[&drop_statement(&name), &format!("CREATE DATABASE {name} TEMPLATE template0")]);
                let mut url: url::Url = server.parse().expect("RECONSENT_TEST_POSTGRES is an address");
                url.set_path(&name);
                // On loopback; and reading this machine's certificates for each connection takes longer than a test.
                url.set_query(Some("sslmode=disable"));
                (url.to_string(), Some((server, name)))
            }
        };
        let url = DatabaseUrl::parse(&text).expect("the address has been put together right");
        Self { engine, url, text, folder, server }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.server {
            statements(server, &[&drop_statement(name)]);
        }
    }
}

fn drop_statement(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
}

/// Runs statements as the server's superuser. On a thread of its own, as the caller may be inside a runtime.
fn statements(server: &str, statements: &[&str]) {
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(async {
                let (client, connection) =
                    tokio_postgres::connect(server, NoTls).await.expect("the test server takes connections");
                let driver = tokio::spawn(connection);
                for statement in statements {
                    client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
                }
                drop(client);
                driver.await.expect("the driver ends").expect("the connection ends well");
            });
        });
    });
}
