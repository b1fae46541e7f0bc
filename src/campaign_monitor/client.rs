//! Speaking HTTP with the provider: one call, sent once, with bounds on time and size.
//!
//! A [`Client`] holds connections and settings; [`Account`] adds a credential and carries the
//! calls. Nothing here repeats a call, follows a redirect or reads a proxy from the environment.
//! Bodies are never logged: client details carry a live key, everything else carries people.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, redirect, retry};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::error::{CallError, InputError};
use super::layout::{ClientDetails, ClientEntry, ListEntry};
use super::settings::{ClientSettings, Credentials, SettingsError};
use super::wait;

/// A connection to the provider, shared by all accounts.
///
/// How many calls run at once is for the caller to bound: the provider documents no limit and
/// asks for few.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    root: Url,
    oauth: Url,
    max_response: usize,
}

impl Client {
    /// Check the settings and get ready. Nothing is sent.
    pub fn new(settings: &ClientSettings) -> Result<Self, SettingsError> {
        let http = reqwest::Client::builder()
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.total_timeout)
            .user_agent(settings.user_agent.as_str())
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .pool_max_idle_per_host(4)
            .build()
            .map_err(|error| SettingsError::Http(causes(&error)))?;
        let (root, oauth) = (settings.api_root()?, settings.oauth_root()?);
        Ok(Self { http, root, oauth, max_response: settings.max_response })
    }

    /// Call as this credential.
    pub fn account<'a>(&'a self, credentials: &'a Credentials) -> Account<'a> {
        Account { client: self, credentials }
    }
}

/// The calls, made with one credential.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    client: &'a Client,
    credentials: &'a Credentials,
}

/// A call on its way: path segments below the API's root (the last without `.json`), query, body.
pub(super) struct Call<'a> {
    method: Method,
    path: Vec<&'a str>,
    query: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, path: &[&'a str]) -> Self {
        Self { method, path: path.to_vec(), query: Vec::new(), body: Vec::new() }
    }

    pub(super) fn get(path: &[&'a str]) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Self {
        // Plain structs of strings, numbers and lists: there is no way for them not to serialise.
        self.body = serde_json::to_vec(body).expect("our own bodies are plain data");
        self
    }

    /// The address below `root`. Form encoding turns `+` into `%2B`: a raw one would be read as
    /// a blank and name another person.
    fn url(&self, root: &Url) -> Result<Url, InputError> {
        let mut url = root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            for (index, part) in self.path.iter().enumerate() {
                if !is_plain(part) {
                    return Err(InputError::BadId);
                }
                if index + 1 == self.path.len() {
                    segments.push(&format!("{part}.json"));
                } else {
                    segments.push(part);
                }
            }
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

/// Ids are opaque, but none may reach beyond its place in the path.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// An answer of any status. Its bytes are wiped when dropped.
pub(super) struct Answer {
    pub(super) status: u16,
    wait: Option<std::time::Duration>,
    body: Zeroizing<Vec<u8>>,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.body
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn value(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The `Code` of an error body, as a number or as digits.
    pub(super) fn code(&self) -> Option<u32> {
        match self.value()?.get("Code")? {
            Value::Number(number) => number.as_u64()?.try_into().ok(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn error(&self) -> CallError {
        let (status, wait) = (self.status, self.wait);
        match self.code() {
            Some(code) => CallError::Refused { status, code, wait },
            None if self.is_success() => CallError::Unreadable { status },
            None => CallError::Unexplained { status, wait },
        }
    }

    /// The promised body of a success.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        if !self.is_success() {
            return Err(self.error());
        }
        serde_json::from_slice(&self.body).map_err(|_| self.error())
    }

    /// The success of a call that promises no body. Anything that is not JSON, such as a
    /// gateway's page under status 200, is no success; nor is a body that carries a code.
    pub(super) fn empty(&self) -> Result<(), CallError> {
        let blank = self.body.trim_ascii().is_empty();
        let harmless = blank || (self.value().is_some() && self.code().is_none());
        if self.is_success() && harmless { Ok(()) } else { Err(self.error()) }
    }
}

impl Account<'_> {
    /// The account's clock, in the account's zone. Cheap and harmless: the probe for a credential.
    pub async fn system_date(&self) -> Result<String, CallError> {
        #[derive(serde::Deserialize)]
        struct Body {
            #[serde(rename = "SystemDate")]
            system_date: String,
        }
        let body: Body = self.send(Call::get(&["systemdate"])).await?.read()?;
        Ok(body.system_date)
    }

    /// The clients this credential may see.
    pub async fn clients(&self) -> Result<Vec<ClientEntry>, CallError> {
        self.send(Call::get(&["clients"])).await?.read()
    }

    /// A client's basic details, above all its time zone. Not a probe: the answer carries a live
    /// key, which is skipped here and wiped with the answer.
    pub async fn client_details(&self, client_id: &str) -> Result<ClientDetails, CallError> {
        #[derive(serde::Deserialize)]
        struct Body {
            #[serde(rename = "BasicDetails")]
            basic_details: ClientDetails,
        }
        let body: Body = self.send(Call::get(&["clients", client_id])).await?.read()?;
        Ok(body.basic_details)
    }

    /// The lists of a client. Stale for ten seconds and more after a list was made or removed.
    pub async fn client_lists(&self, client_id: &str) -> Result<Vec<ListEntry>, CallError> {
        self.send(Call::get(&["clients", client_id, "lists"])).await?.read()
    }

    /// Send once and read whatever comes, within the bounds; once more if the token had to be replaced.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<Answer, CallError> {
        let url = call.url(&self.client.root)?;
        let request = || self.client.http.request(call.method.clone(), url.clone());
        let bearer = match self.credentials {
            // The provider ignores the password. The library marks the header as sensitive.
            Credentials::ApiKey(key) => return self.once(&call, request().basic_auth(key.expose(), Some("x"))).await,
            Credentials::Bearer(bearer) => bearer,
        };
        let used = bearer.token();
        let answer = self.once(&call, request().bearer_auth(used.expose())).await?;
        let code = if answer.status == 401 { answer.code() } else { None };
        match bearer.instead(used, code).await? {
            Some(fresh) => self.once(&call, request().bearer_auth(fresh.expose())).await,
            None => Ok(answer),
        }
    }

    async fn once(&self, call: &Call<'_>, request: RequestBuilder) -> Result<Answer, CallError> {
        let request = request.header(ACCEPT, "application/json");
        let request = if !call.body.is_empty() {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            request.header(CONTENT_TYPE, json).body(call.body.clone())
        } else if call.method == Method::PUT {
            // A PUT without a body must say so.
            request.header(CONTENT_LENGTH, 0)
        } else {
            request
        };
        self.client.receive(request, self.client.max_response).await
    }
}

impl Client {
    /// Where OAuth is, and below.
    pub(super) fn oauth(&self, path: &[&str]) -> Url {
        let mut url = self.oauth.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        url
    }

    pub(super) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends a request once and reads its answer, up to `limit` bytes of it.
    pub(super) async fn receive(&self, request: RequestBuilder, limit: usize) -> Result<Answer, CallError> {
        let response = request.send().await.map_err(broken)?;
        let status = response.status().as_u16();
        #[allow(
            clippy::disallowed_methods,
            reason = "a date in `Retry-After` is wall-clock time, and only the wait is kept"
        )]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let wait = if response.status().is_success() {
            None
        } else {
            wait::asked(response.headers(), status, now.cast_signed())
        };
        let body = match bounded(response, limit).await {
            // Trouble stays trouble, however long the page that tells of it.
            Err(CallError::TooLarge { .. }) if status == 429 || status >= 500 => Zeroizing::default(),
            body => body?,
        };
        Ok(Answer { status, wait, body })
    }
}

async fn bounded(mut response: Response, limit: usize) -> Result<Zeroizing<Vec<u8>>, CallError> {
    // Reserving beforehand keeps the vector from moving and leaving copies behind.
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(CallError::TooLarge { limit });
    }
    let expected = usize::try_from(announced).unwrap_or(limit).clamp(4096.min(limit), limit);
    let mut body = Zeroizing::new(Vec::with_capacity(expected));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > limit {
            return Err(CallError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a failure below HTTP means. The library's error is not kept: it quotes the address called,
/// and with it a person.
fn broken(error: reqwest::Error) -> CallError {
    if error.is_connect() {
        CallError::Unreachable { detail: causes(&error.without_url()) }
    } else if error.is_timeout() {
        CallError::TimedOut
    } else {
        CallError::LostAnswer
    }
}

/// The causes of an error in one line, without its own text; at most five.
fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(error.source(), |cause| cause.source());
    chain.take(5).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(call: &Call<'_>) -> Result<String, InputError> {
        let root = Url::parse("https://example.com/api/v3.3").expect("a literal");
        call.url(&root).map(String::from)
    }

    #[test]
    fn addresses_are_encoded_in_queries() {
        let call = Call::get(&["subscribers", "0a1b"]).query("email", "ben+news&x=1@example.com");
        assert_eq!(
            url(&call).as_deref(),
            Ok("https://example.com/api/v3.3/subscribers/0a1b.json?email=ben%2Bnews%26x%3D1%40example.com")
        );
    }

    #[test]
    fn no_id_leaves_its_place_in_the_path() {
        for id in ["", "..", "a/b", "a?b", "a%2fb", "a.json", "a b", &"a".repeat(65)] {
            assert_eq!(url(&Call::get(&["lists", id, "webhooks"])), Err(InputError::BadId), "{id}");
        }
    }

    #[test]
    fn what_success_needs() {
        let answer = |status, body: &str| Answer { status, wait: None, body: Zeroizing::new(body.as_bytes().to_vec()) };
        for fine in ["", " \r\n", "\"\"", "true", "{}"] {
            assert_eq!(answer(200, fine).empty(), Ok(()), "{fine}");
        }
        let unreadable = Err(CallError::Unreadable { status: 200 });
        assert_eq!(answer(200, "<html>").empty(), unreadable);
        let refused = |status, code| Err(CallError::Refused { status, code, wait: None });
        assert_eq!(answer(200, r#"{"Code":100}"#).empty(), refused(200, 100));
        assert_eq!(answer(400, r#"{"Code":"203"}"#).empty(), refused(400, 203));
        let bare = Err(CallError::Unexplained { status: 502, wait: None });
        for odd in ["", "<html>", "{}", "[]", r#"{"Code":-1}"#, r#"{"Code":null}"#] {
            assert_eq!(answer(502, odd).empty(), bare, "{odd}");
        }
    }
}
