//! That the harness itself holds: a house of its own for each test, on either engine.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use reconsent::http::HttpSettings;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Answer, RunningServer, TestApp, settings};

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

    async fn a_request_that_dawdles_is_ended_with_an_answer_that_has_all_headers(app: TestApp) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let settings = HttpSettings { deadline: Duration::from_millis(300), ..settings() };
        let _server = RunningServer::start(app.services.clone(), settings, listener);
        let begun = Instant::now();
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /v1/purposes HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: 50\r\n\r\n{{",
            app.token(),
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = socket.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
        assert!(answer.starts_with("http/1.1 408"), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(5));
        for expected in ["/problems/deadline", "content-security-policy: default-src 'none'", "cache-control: no-store"] {
            assert!(answer.contains(expected), "{expected} is not in {answer}");
        }
    }
}
