//! Where tokens, codes, states and the app's secret must not be: in the database in the clear, in any answer, in the log.

use std::process::{Command, Stdio};

use reconsent::sandbox::campaign_monitor::{Fault, FaultKind};

use super::*;
use crate::secrecy::{dump, holds};
use crate::support::ROOT_KEY;

both_engines! {
    async fn no_token_stands_in_the_database_or_in_an_answer(app: TestApp) {
        let agency = Agency::open(&app).await;
        let (shop, destination) = agency.shop().await;
        let worker = agency.world.worker();
        agency.confirm(&shop, &["ana@example.org"]).await;
        until(&agency.world, OTHER_LIST, &["ana@example.org"], reconsent::sandbox::campaign_monitor::State::Active).await;
        agency.world.emulator.expire_access_tokens();
        assert_eq!(agency.credential(&destination).await.0, "good");
        worker.stop().await;
        let url = agency.begin_again(&destination).await;
        let back = agency.decide(&url, "allow").await;
        let mut secrets = agency.world.emulator.oauth_secrets();
        assert_eq!(secrets.len(), 3, "two access tokens and a refresh token");
        secrets.extend([query(&back, "state"), query(&back, "code"), APP_SECRET.to_owned()]);
        let bytes = dump(&agency.app).await;
        assert!(holds(&bytes, OTHER_LIST), "what may be read is found");
        for secret in &secrets {
            assert!(secret.len() > 10 && !holds(&bytes, secret), "{} characters of a secret stand there", secret.len());
        }
        let api = agency.app.api();
        let mut answers = String::new();
        for path in ["/v1/destinations".to_owned(), format!("/v1/destinations/{destination}"), format!("/v1/destinations/{destination}/check"),
            format!("/v1/destinations/{destination}/account"), "/v1/outbox/parked".to_owned()] {
            answers += &api.get(&path).await.expect(200).body();
        }
        answers += &agency.press(&back).await.expect(200).body();
        assert!(answers.contains(OTHER_LIST) && secrets.iter().all(|secret| !answers.contains(secret.as_str())));
    }

    async fn a_process_logs_no_token_however_much_it_logs_and_takes_the_apps_secret_from_a_file(app: TestApp) {
        app.clock.follow_the_machine();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut house = app.clone();
        house.base = format!("http://127.0.0.1:{port}");
        let world = world(&house);
        let (log, secret) = (house.folder().join("log.txt"), house.folder().join("secret.txt"));
        std::fs::write(&secret, format!("{APP_SECRET}\n")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_reconsent"))
            .arg("serve")
            .env_clear()
            .env("DATABASE_URL", house.database_url())
            .env("RECONSENT_DATA_DIR", house.folder())
            .env("RECONSENT_ROOT_KEY", ROOT_KEY)
            .env("RECONSENT_BASE_URL", &house.base)
            .env("RECONSENT_LISTEN", format!("127.0.0.1:{port}"))
            .env("RECONSENT_OPS_LISTEN", "127.0.0.1:0")
            .env("RECONSENT_LOG_LEVEL", "trace")
            .env("RECONSENT_CAMPAIGN_MONITOR_BASE_URL", world.emulator.base_url())
            .env("RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_ID", APP)
            .env("RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_SECRET_FILE", &secret)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let _ended = Ended(child);
        house.until_up().await;
        // Another process stands beside it and is not asked.
        let beside = served(app.clone(), TcpListener::bind("127.0.0.1:0").unwrap(), OauthRules::default(), "http://127.0.0.1:9").1;
        let agency = Agency { app: house, world, _door: beside };
        let (_, destination) = agency.shop().await;
        agency.world.emulator.expire_access_tokens();
        assert_eq!(agency.credential(&destination).await.0, "good");
        let mut secrets = agency.world.emulator.oauth_secrets();
        agency.world.emulator.faults().push(Fault { method: None, path: "/oauth/token".to_owned(), times: 1, kind: FaultKind::Html });
        let url = agency.begin_again(&destination).await;
        let back = agency.decide(&url, "allow").await;
        agency.press(&back).await.expect(502);
        agency.world.emulator.revoke_oauth();
        assert_eq!(agency.credential(&destination).await.0, "wrong");
        secrets.extend([query(&back, "state"), query(&back, "code"), APP_SECRET.to_owned()]);
        let written = std::fs::read(&log).unwrap();
        assert!(holds(&written, "connect again") && holds(&written, "tokens were renewed"), "{}", String::from_utf8_lossy(&written));
        for secret in secrets {
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            assert!(!holds(&written, &secret) && !holds(&written, &encoded), "{} characters of a secret are in the log", secret.len());
        }
    }
}

/// A process that ends with the test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
