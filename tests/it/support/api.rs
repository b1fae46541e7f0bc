//! Those who knock: a client with or without a token, and the answers it gets.

use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::Value;

/// A client of the house.
#[derive(Clone)]
pub struct Api {
    client: Client,
    base: String,
    token: Option<String>,
    headers: Vec<(String, String)>,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method and path that were asked, for messages.
    pub asked: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub bytes: Vec<u8>,
    /// The body as JSON; `null` when it is none.
    pub json: Value,
}

impl Api {
    /// A client with this token.
    pub fn new(client: Client, base: &str, token: Option<&str>) -> Self {
        Self { client, base: base.to_owned(), token: token.map(str::to_owned), headers: Vec::new() }
    }

    /// The same, sending one more header with every request.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, with an `Idempotency-Key`.
    pub fn once(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Gets.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(("application/json", body.to_string().into_bytes()))).await
    }

    /// Puts JSON.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(("application/json", body.to_string().into_bytes()))).await
    }

    /// Patches with JSON.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(("application/json", body.to_string().into_bytes()))).await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Posts a body of any kind.
    pub async fn upload(&self, path: &str, media: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send(Method::POST, path, Some((media, body.into()))).await
    }

    /// Posts a form as a browser does.
    pub async fn form(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.upload(path, "application/x-www-form-urlencoded", body).await
    }

    /// Posts JSON to a service that may be dead: the status, or nothing when the connection broke.
    pub async fn try_post(&self, path: &str, body: Value) -> Option<u16> {
        let request = self.client.post(format!("{}{path}", self.base)).json(&body);
        request.send().await.ok().map(|response| response.status().as_u16())
    }

    /// Posts a form to a service that may be dead: the status, or nothing when the connection broke.
    pub async fn try_form(&self, url: &str, pairs: &[(&str, &str)]) -> Option<u16> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let request = self.client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        request.send().await.ok().map(|response| response.status().as_u16())
    }

    /// Gets a page from a service that may be dead: its text, or nothing when that failed.
    pub async fn try_get(&self, url: &str) -> Option<String> {
        let url = if url.starts_with("http") { url.to_owned() } else { format!("{}{url}", self.base) };
        let response = self.client.get(url).send().await.ok()?;
        if response.status().is_success() { response.text().await.ok() } else { None }
    }

    /// Sends anything.
    pub async fn send(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
        let asked = format!("{method} {path}");
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some((media, bytes)) = body {
            request = request.header("content-type", media).body(bytes);
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{asked}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap_or_else(|error| panic!("{asked}: {error:?}")).to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { asked, status, headers, bytes, json }
    }
}

impl Answer {
    /// The answer, which has to have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} answered {}", self.asked, String::from_utf8_lossy(&self.bytes));
        self
    }

    /// The answer, which has to be this problem.
    #[track_caller]
    pub fn expect_problem(self, status: u16, slug: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.json["type"], format!("/problems/{slug}"), "{} answered {}", answer.asked, answer.json);
        assert_eq!(answer.header("content-type"), "application/problem+json; charset=utf-8");
        answer
    }

    /// The answer, which has to find fault with exactly these fields.
    #[track_caller]
    pub fn expect_faults(self, fields: &[&str]) -> Self {
        let answer = self.expect_problem(422, "validation");
        let found = answer.json["fields"].as_array().cloned().unwrap_or_default();
        let found: Vec<&str> = found.iter().filter_map(|fault| fault["field"].as_str()).collect();
        assert_eq!(found, fields, "{} answered {}", answer.asked, answer.json);
        answer
    }

    /// A text in the JSON body.
    #[track_caller]
    pub fn text(&self, field: &str) -> String {
        let value = self.json.get(field).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("{} answered {} without a text `{field}`", self.asked, self.json)).to_owned()
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text.
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
