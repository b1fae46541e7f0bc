//! After a whole life of sign-up, mail, yes, sync and stop, every byte of the database is read: nobody's address, name
//! or network address and no token stands there in the clear (SE-01, R-100 to R-103).

use std::sync::Arc;
use std::time::Duration;

use reconsent::usecases::{Rules, Throttles};
use serde_json::json;

use crate::support::world::{Shop, World, eventually};
use crate::support::{Engine, TestApp, pages};

/// Every byte that the database keeps on disk or gives out.
pub async fn dump(app: &TestApp) -> Vec<u8> {
    let mut bytes = Vec::new();
    match app.engine {
        Engine::Sqlite => {
            for entry in std::fs::read_dir(app.folder()).expect("the folder is read") {
                bytes.extend(std::fs::read(entry.expect("an entry").path()).expect("a file is read"));
            }
        }
        Engine::Postgres => {
            let (client, connection) =
                tokio_postgres::connect(app.database_url(), tokio_postgres::NoTls).await.expect("it connects");
            tokio::spawn(connection);
            let columns = client
                .query(
                    "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns \
                     WHERE table_schema = 'public'",
                    &[],
                )
                .await
                .expect("columns are listed");
            assert!(columns.len() > 200, "there are columns to read: {}", columns.len());
            for column in columns {
                let (table, name, kind): (String, String, String) = (column.get(0), column.get(1), column.get(2));
                if kind == "bytea" {
                    let rows = client.query(&format!("SELECT {name} FROM {table}"), &[]).await.expect("bytes are read");
                    for row in rows {
                        bytes.extend(row.get::<_, Option<Vec<u8>>>(0).unwrap_or_default());
                        bytes.push(b'\n');
                    }
                } else {
                    let rows =
                        client.query(&format!("SELECT {name}::text FROM {table}"), &[]).await.expect("texts are read");
                    for row in rows {
                        bytes.extend(row.get::<_, Option<String>>(0).unwrap_or_default().into_bytes());
                        bytes.push(b'\n');
                    }
                }
            }
        }
    }
    bytes
}

pub fn holds(bytes: &[u8], needle: &str) -> bool {
    let lower = bytes.to_ascii_lowercase();
    let needle = needle.to_ascii_lowercase();
    lower.windows(needle.len()).any(|window| window == needle.as_bytes())
}

both_engines! {
    async fn no_address_name_network_or_token_stands_in_the_database(app: TestApp) {
        let mut app = app;
        let throttles = Throttles { recipient_domain_per_hour: Some(60), ..Throttles::default() };
        app.services.rules = Arc::new(Rules { throttles, ..Rules::default() });
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let worker = world.worker();
        let visitor = app.nobody().header("user-agent", "Zebrafish/1.0");
        visitor.post(&format!("/f/{}", shop.form_key), json!({
            "email": "Quixotica@windmill.example", "name": "Dulcinea Toboso", "choices": { "newsletter": "yes" },
            "fields": { "shoe": "Rocinante-42" }, "page_url": "https://www.acme.example/lamancha",
        })).await.expect(202);
        let mail = world.mail_to("Quixotica@windmill.example").await;
        let link = World::link_in(&mail, "/c/");
        pages::answer(&app, &visitor, &link, &[("choice.newsletter", "yes")]).await.expect(200);
        eventually("the subscriber arrives", async || world.emulator.subscriber(crate::support::world::LIST, "quixotica@windmill.example")).await;
        app.clock.advance(Duration::from_secs(60));
        worker.stop().await;
        let bytes = dump(&app).await;
        assert!(bytes.len() > 5_000, "there is something to read: {} bytes", bytes.len());
        assert!(holds(&bytes, "newsletter"), "what may be read is found");
        let token = link.rsplit('/').next().expect("a token").to_owned();
        for secret in [
            "quixotica", "windmill", "dulcinea", "toboso", "127.0.0.0/24", "zebrafish", "rocinante", "lamancha",
            &token, world.emulator.account_key().as_str(), app.token(),
        ] {
            assert!(!holds(&bytes, secret), "{} characters of a secret stand in the database: {}", secret.len(), &secret[..4]);
        }
    }
}
