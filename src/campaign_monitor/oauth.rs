//! OAuth with the provider (reference section 2.2): where a person allows our app, and the tokens that come of it.
//!
//! Promises: one call, sent once, form-encoded, its answer bounded; a refusal is seen at whatever status it comes; no
//! token, code or word of the provider's is printed. Leaves to others: who may connect what, keeping tokens, and when
//! to refresh them.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::client::Client;
use super::error::CallError;
use super::settings::Secret;

/// What our app asks to be allowed: lists with their people, and adding people (reference section 2.2).
pub const SCOPES: [&str; 2] = ["ManageLists", "ImportSubscribers"];

/// The usual life of an access token, taken where an answer names none: fourteen days.
const USUAL_LIFE: Duration = Duration::from_secs(14 * 86_400);
/// The longest life believed: a year.
const LONGEST_LIFE: Duration = Duration::from_secs(366 * 86_400);
/// Most bytes of an answer that holds three short fields.
const MOST_BYTES: usize = 64 * 1024;
/// Longest token taken.
const MOST_TOKEN: usize = 4096;

/// The operator's app at the provider.
#[derive(Clone, Debug)]
pub struct OauthApp {
    /// What it calls itself by.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
}

/// Tokens as the provider gives them.
#[derive(Clone, Debug)]
pub struct TokenGrant {
    /// For calls.
    pub access: Secret,
    /// For the next access token. None in an answer to a refresh: the one that was used stays.
    pub refresh: Option<Secret>,
    /// How long the access token holds from now.
    pub life: Duration,
}

/// Why there are no tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The code or the refresh token is not good, or no longer (`invalid_grant`): a person has to allow it anew.
    #[error("the provider does not take the code or the refresh token")]
    NotGood,
    /// The app itself is refused: its id, secret or address does not fit what is registered.
    #[error("the provider does not take the app: its id, secret or address to return to does not fit")]
    App,
    /// Refused with another word.
    #[error("the provider refused to give tokens (HTTP {status})")]
    Refused {
        /// HTTP status of the answer.
        status: u16,
    },
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl GrantError {
    /// Whether the operator's app is to blame, so that trying again helps nobody.
    pub fn is_about_the_app(&self) -> bool {
        matches!(self, Self::App)
    }
}

impl Client {
    /// Where a person allows `app` to work with their account; they come back to `redirect_uri` with `state`.
    pub fn authorize_url(&self, app: &OauthApp, redirect_uri: &str, state: &str) -> Url {
        let mut url = self.oauth(&[]);
        url.query_pairs_mut()
            .append_pair("type", "web_server")
            .append_pair("client_id", &app.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &SCOPES.join(","))
            .append_pair("state", state);
        url
    }

    /// Exchanges the code that a person came back with. Not repeatable: a code works once.
    pub async fn exchange(&self, app: &OauthApp, redirect_uri: &str, code: &str) -> Result<TokenGrant, GrantError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", app.client_id.as_str()),
            ("client_secret", app.client_secret.expose()),
            ("redirect_uri", redirect_uri),
            ("code", code),
        ];
        let grant = self.grant(&form).await?;
        // Without one the connection would end with the access token and nobody would have been told.
        if grant.refresh.is_none() { Err(CallError::Unreadable { status: 200 }.into()) } else { Ok(grant) }
    }

    /// Gets another access token. The form holds these two fields and nothing else; the provider may answer with the
    /// same refresh token or another one, which then is the only good one.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<TokenGrant, GrantError> {
        self.grant(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose())]).await
    }

    async fn grant(&self, form: &[(&str, &str)]) -> Result<TokenGrant, GrantError> {
        // Refresh tokens hold `+`, `/` and `=`: raw, the provider would read another one.
        let body = Zeroizing::new(Serializer::new(String::new()).extend_pairs(form).finish());
        let request = self
            .http()
            .post(self.oauth(&["token"]))
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.as_bytes().to_vec());
        let answer = self.receive(request, MOST_BYTES).await?;
        match parse_grant(answer.status(), answer.bytes()) {
            Err(GrantError::Call(_)) => Err(GrantError::Call(answer.error())),
            other => other,
        }
    }
}

/// Reads what the token endpoint answers. `error` is looked for at every status, as the provider's refusals come at
/// several (reference section 2.2).
pub fn parse_grant(status: u16, body: &[u8]) -> Result<TokenGrant, GrantError> {
    let unreadable = || match status {
        200..=299 => GrantError::Call(CallError::Unreadable { status }),
        _ => GrantError::Call(CallError::Unexplained { status, wait: None }),
    };
    let answer: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    match answer.get("error").and_then(Value::as_str) {
        None => {}
        Some("invalid_grant" | "access_denied") => return Err(GrantError::NotGood),
        Some("invalid_client" | "unauthorized_client" | "unknown_client" | "invalid_redirect_uri") => {
            return Err(GrantError::App);
        }
        // Their trouble, not an answer to ours.
        Some("server_error" | "temporarily_unavailable") => {
            return Err(CallError::Unexplained { status: status.max(500), wait: None }.into());
        }
        Some(_) => return Err(GrantError::Refused { status }),
    }
    if !(200..300).contains(&status) {
        return Err(unreadable());
    }
    let token = |name: &str| {
        let text = answer.get(name).and_then(Value::as_str)?;
        let fits = (1..=MOST_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Secret::new(text.to_owned()))
    };
    let life = match answer.get("expires_in") {
        None | Some(Value::Null) => USUAL_LIFE,
        Some(Value::Number(seconds)) => Duration::from_secs(seconds.as_u64().ok_or_else(unreadable)?),
        Some(Value::String(text)) => Duration::from_secs(text.trim().parse().map_err(|_| unreadable())?),
        Some(_) => return Err(unreadable()),
    };
    if life.is_zero() {
        return Err(unreadable());
    }
    let refresh = token("refresh_token");
    if refresh.is_none() && answer.get("refresh_token").is_some_and(|value| !value.is_null()) {
        return Err(unreadable());
    }
    Ok(TokenGrant { access: token("access_token").ok_or_else(unreadable)?, refresh, life: life.min(LONGEST_LIFE) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(status: u16, body: &str) -> GrantError {
        parse_grant(status, body.as_bytes()).unwrap_err()
    }

    #[test]
    fn tokens_are_read_and_not_printed() {
        let body = br#"{"access_token":"a+/b==","expires_in":1209600,"refresh_token":"r+/s=="}"#;
        let grant = parse_grant(200, body).unwrap();
        assert_eq!((grant.access.expose(), grant.life), ("a+/b==", USUAL_LIFE));
        assert_eq!(grant.refresh.as_ref().map(Secret::expose), Some("r+/s=="));
        let shown = format!("{grant:?}");
        assert!(!shown.contains("a+/b") && !shown.contains("r+/s"), "{shown}");
        let bare = parse_grant(200, br#"{"access_token":"a","expires_in":"60"}"#).unwrap();
        assert_eq!((bare.life.as_secs(), bare.refresh.is_none()), (60, true));
        assert_eq!(parse_grant(200, br#"{"access_token":"a"}"#).unwrap().life, USUAL_LIFE);
        assert!(parse_grant(200, br#"{"access_token":"a","expires_in":1.5}"#).is_err());
    }

    #[test]
    fn a_refusal_is_seen_at_every_status() {
        for status in [200, 400, 401, 404, 500] {
            let refused = r#"{"error":"invalid_grant","error_description":"Specified refresh_token was invalid"}"#;
            assert_eq!(why(status, refused), GrantError::NotGood, "{status}");
            assert_eq!(why(status, r#"{"error":"invalid_client"}"#), GrantError::App, "{status}");
            assert_eq!(why(status, r#"{"error":"odd"}"#), GrantError::Refused { status }, "{status}");
        }
    }

    #[test]
    fn trouble_is_not_a_refusal() {
        let bare = |status| GrantError::Call(CallError::Unexplained { status, wait: None });
        assert_eq!(why(502, "<html>"), bare(502));
        assert_eq!(why(200, r#"{"error":"server_error"}"#), bare(500));
        let unreadable = GrantError::Call(CallError::Unreadable { status: 200 });
        for odd in [
            "",
            "[]",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":"a b"}"#,
            r#"{"access_token":"a","expires_in":0}"#,
            r#"{"access_token":"a","expires_in":-1}"#,
            r#"{"access_token":"a","refresh_token":7}"#,
        ] {
            assert_eq!(why(200, odd), unreadable, "{odd}");
        }
    }
}
