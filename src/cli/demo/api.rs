//! A client of our own API, as a customer would write one: a token, JSON, and no patience beyond a deadline.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::cli::exit::Failure;

/// How often and how long work in the background is looked for.
const LOOKS: usize = 600;
const BETWEEN: Duration = Duration::from_millis(200);

/// One controller's way in.
pub(super) struct Api {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Api {
    pub(super) fn new(base: &str, token: &str) -> Result<Self, Failure> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build();
        Ok(Self { client: client.map_err(Failure::failed)?, base: base.to_owned(), token: token.to_owned() })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(path, self.request(Method::GET, path)).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(path, self.request(Method::POST, path).json(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(path, self.request(Method::PUT, path).json(body)).await
    }

    /// Posts without a body.
    pub(super) async fn ask(&self, path: &str) -> Result<Value, Failure> {
        self.send(path, self.request(Method::POST, path)).await
    }

    /// Uploads a list with its declaration in the query, waits until it has been read, and gives its id.
    pub(super) async fn import(&self, declared: &[(&str, &str)], list: Vec<u8>) -> Result<String, Failure> {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(declared).finish();
        let path = format!("/v1/imports?{query}");
        let upload = self.request(Method::POST, &path).header("content-type", "text/csv").body(list);
        let id = text(&self.send("/v1/imports", upload).await?, "id")?;
        let path = format!("/v1/imports/{id}");
        for _ in 0..LOOKS {
            let standing = self.get(&path).await?;
            match standing["status"].as_str() {
                Some("done") => return Ok(id),
                Some("failed") => {
                    let why = standing["failure"].as_str().unwrap_or("no reason is given");
                    return Err(Failure::failed(format!("the list could not be read: {why}")));
                }
                _ => tokio::time::sleep(BETWEEN).await,
            }
        }
        Err(Failure::failed("the list was not read in time"))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    async fn send(&self, path: &str, request: RequestBuilder) -> Result<Value, Failure> {
        let failure = |why: String| Failure::failed(format!("seeding the demo, {path}: {why}"));
        let answer = request.send().await.map_err(|error| failure(error.without_url().to_string()))?;
        let status = answer.status();
        let body = answer.text().await.map_err(|error| failure(error.without_url().to_string()))?;
        if !status.is_success() {
            return Err(failure(format!("{status} {body}")));
        }
        serde_json::from_str(&body).map_err(|error| failure(error.to_string()))
    }
}

/// A text of an answer.
pub(super) fn text(answer: &Value, field: &str) -> Result<String, Failure> {
    let text = answer[field].as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| Failure::failed(format!("seeding the demo: an answer has no {field}")))
}
