//! One API call taken apart: version, path, query, body.
//!
//! Promises: query names match without regard to case, path pieces are percent-decoded one by one, a
//! body is parsed only when a route asks for it (GET and DELETE bodies are ignored).

use super::error::ApiError;
use serde_json::Value;
use std::collections::HashMap;

/// The versions that still answer, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    V3,
    V3_1,
    V3_2,
    V3_3,
}

impl Version {
    /// From v3.2 on each write has to say whether it consents to tracking, and reads can show it.
    pub(super) fn knows_tracking(self) -> bool {
        self >= Self::V3_2
    }

    /// From v3.3 on there are a date of joining and a mobile number.
    pub(super) fn knows_joining_and_mobile(self) -> bool {
        self >= Self::V3_3
    }
}

/// A call below `/api/`.
pub(super) struct Call {
    pub(super) method: String,
    pub(super) version: Version,
    /// Path pieces behind the version, the last one without `.json`.
    pub(super) path: Vec<String>,
    query: HashMap<String, String>,
    body: Vec<u8>,
}

/// What a successful call answers.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    /// A webhook to try before answering.
    pub(super) test: Option<HookTest>,
}

/// The webhook test call asked for.
pub(super) struct HookTest {
    pub(super) url: String,
    pub(super) list_id: String,
}

impl Reply {
    pub(super) fn read(body: Value) -> Self {
        Self { status: 200, body: Some(body), test: None }
    }

    pub(super) fn created(body: Value) -> Self {
        Self { status: 201, body: Some(body), test: None }
    }

    /// 202, as mails are taken.
    pub(super) fn accepted(body: Value) -> Self {
        Self { status: 202, body: Some(body), test: None }
    }

    /// 200 without a body, as most writes answer.
    pub(super) fn done() -> Self {
        Self { status: 200, body: None, test: None }
    }
}

/// How a path below the root looks to the router.
pub(super) enum Address {
    /// A version 3 path; authentication comes before anything else is looked at.
    Api(Call),
    /// A version 3 that does not exist, or a path without `.json`: refused after authentication.
    Unknown,
    /// Not version 3 at all: not found even without a key.
    Foreign,
}

impl Call {
    pub(super) fn address(method: &str, path: &str, query: &str, body: Vec<u8>) -> Address {
        let mut pieces = path.split('/').filter(|piece| !piece.is_empty()).map(decode);
        if pieces.next().as_deref() != Some("api") {
            return Address::Foreign;
        }
        let version = pieces.next().unwrap_or_default();
        let version = match version.as_str() {
            "v3.3" => Version::V3_3,
            "v3.2" => Version::V3_2,
            "v3.1" => Version::V3_1,
            "v3" => Version::V3,
            other if other.starts_with("v3.") => return Address::Unknown,
            _ => return Address::Foreign,
        };
        let mut path: Vec<String> = pieces.collect();
        // Below `/transactional` a path has no extension (section 1); everywhere else it needs one.
        if path.first().is_none_or(|first| first != "transactional") {
            let last = path.last_mut().and_then(|last| {
                let stem = last.strip_suffix(".json")?.to_owned();
                *last = stem;
                Some(())
            });
            if last.is_none() {
                return Address::Unknown;
            }
        }
        let query = url::form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.to_lowercase(), value.into_owned()))
            .collect();
        Address::Api(Self { method: method.to_owned(), version, path, query, body })
    }

    pub(super) fn is_transactional(&self) -> bool {
        self.path.first().is_some_and(|first| first == "transactional")
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The `email` of the query, Code 1 when missing.
    pub(super) fn email(&self) -> Result<&str, ApiError> {
        self.query("email").map(str::trim).filter(|email| !email.is_empty()).ok_or_else(|| ApiError::input(1))
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(super) fn body(&self) -> Result<Value, ApiError> {
        serde_json::from_slice(&self.body).map_err(|_| ApiError::unreadable("request"))
    }
}

fn decode(piece: &str) -> String {
    // A form decoder reads `+` as a blank; in a path it is a plus sign.
    let pair = format!("={}", piece.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_and_decoded() {
        let Address::Api(call) = Call::address(
            "PUT",
            "/api/v3.3/lists/abc/customfields/%5Bconsent%5D/options.json",
            "PageSize=10&email=a%2Bb%40example.com",
            Vec::new(),
        ) else {
            panic!("a version 3.3 path");
        };
        assert_eq!(call.path, ["lists", "abc", "customfields", "[consent]", "options"]);
        assert_eq!(call.query("pagesize"), Some("10"));
        assert_eq!(call.email(), Ok("a+b@example.com"));
    }

    #[test]
    fn other_versions_and_other_formats_are_told_apart() {
        let kind = |path: &str| Call::address("GET", path, "", Vec::new());
        assert!(matches!(kind("/api/v3.9/clients.json"), Address::Unknown));
        assert!(matches!(kind("/api/v3.3/clients.xml"), Address::Unknown));
        assert!(matches!(kind("/api/v4.0/clients.json"), Address::Foreign));
    }
}
