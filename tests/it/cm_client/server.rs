//! A server that gives prepared answers in order and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use reconsent::campaign_monitor::{Account, Client, ClientSettings, Credentials, Secret};

/// A prepared answer.
#[derive(Clone, Default)]
pub struct Reply {
    status: u16,
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
    delay: Duration,
}

impl Reply {
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self { status, kind: "application/json; charset=utf-8", body: body.into(), ..Self::default() }
    }

    pub fn empty() -> Self {
        Self::json(200, "")
    }

    pub fn code(status: u16, code: u32) -> Self {
        Self::json(status, format!(r#"{{"Code":{code},"Message":"anna@example.com is odd"}}"#))
    }

    pub fn html(status: u16) -> Self {
        Self { kind: "text/html", ..Self::json(status, "<html><h1>Gateway</h1></html>") }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn slow(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

#[derive(Default)]
struct Book {
    replies: VecDeque<Reply>,
    seen: Vec<Seen>,
}

pub struct Provider {
    book: Arc<Mutex<Book>>,
    client: Client,
    credentials: Credentials,
}

impl Provider {
    /// Answer with these, in this order; anything beyond them is answered with 418.
    pub async fn with(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::patient(replies, Duration::from_secs(10)).await
    }

    pub async fn patient(replies: impl IntoIterator<Item = Reply>, total: Duration) -> Self {
        let book = Arc::new(Mutex::new(Book { replies: replies.into_iter().collect(), seen: vec![] }));
        let shared = web::Data::from(Arc::clone(&book));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::PayloadConfig::new(16 * 1024 * 1024))
                .default_service(web::to(answer))
        })
        .workers(1)
        .bind("127.0.0.1:0")
        .expect("a free port");
        let port = server.addrs()[0].port();
        actix_web::rt::spawn(server.disable_signals().run());
        Self { book, client: client(port, total), credentials: credentials() }
    }

    /// For calls with a credential of the test's own.
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn account(&self) -> Account<'_> {
        self.client.account(&self.credentials)
    }

    /// What was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.book.lock().expect("no test panics while holding it").seen.clone()
    }

    /// Method, path and query of the only request.
    pub fn line(&self) -> String {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "one call is one request");
        seen[0].line.clone()
    }
}

pub fn credentials() -> Credentials {
    Credentials::ApiKey(Secret::new("0123456789abcdef".to_owned()))
}

pub fn client(port: u16, total_timeout: Duration) -> Client {
    let settings = ClientSettings {
        base_url: format!("http://127.0.0.1:{port}"),
        total_timeout,
        max_response: 64 * 1024,
        ..ClientSettings::default()
    };
    Client::new(&settings).expect("good settings")
}

async fn answer(request: HttpRequest, body: web::Bytes, book: web::Data<Mutex<Book>>) -> HttpResponse {
    let headers = request.headers().iter();
    let seen = Seen {
        line: format!("{} {}", request.method(), request.uri()),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let reply = {
        let mut book = book.lock().expect("no test panics while holding it");
        book.seen.push(seen);
        book.replies.pop_front().unwrap_or_else(|| Reply::json(418, ""))
    };
    actix_web::rt::time::sleep(reply.delay).await;
    let status = StatusCode::from_u16(reply.status).expect("a real status");
    let mut response = HttpResponse::build(status);
    for (name, value) in reply.headers {
        response.insert_header((name, value));
    }
    response.content_type(reply.kind).body(reply.body)
}
