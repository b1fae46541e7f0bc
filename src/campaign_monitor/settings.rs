//! What the client is told before its first call: where, how long, how much, and as whom.
//!
//! The address is checked once here, so that a credential never travels in the clear by
//! accident; later code may rely on a [`ClientSettings`] that [`super::Client::new`] accepted.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use url::{Host, Url};
use zeroize::Zeroizing;

use super::bearer::Bearer;

/// Where the provider is and how patient we are with it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// Scheme, host and optional path in front of `/api/v3.3`.
    pub base_url: String,
    /// How long the connection may take to stand.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long a call may take as a whole. Large imports and pages are slow: ten seconds is too short.
    #[serde(with = "humantime_serde")]
    pub total_timeout: Duration,
    /// The most bytes of an answer we read.
    pub max_response: usize,
    /// What we call ourselves.
    pub user_agent: String,
    /// Allow `http:` to hosts other than this machine (an emulator beside us in a private network).
    pub allow_plaintext: bool,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            base_url: "https://api.createsend.com".to_owned(),
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(120),
            max_response: 10 * 1024 * 1024,
            user_agent: concat!("reconsent/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_plaintext: false,
        }
    }
}

impl ClientSettings {
    /// The root of the API below the configured address.
    pub(super) fn api_root(&self) -> Result<Url, SettingsError> {
        self.below(&["api", "v3.3"])
    }

    /// Where OAuth is, beside the API.
    pub(super) fn oauth_root(&self) -> Result<Url, SettingsError> {
        self.below(&["oauth"])
    }

    fn below(&self, path: &[&str]) -> Result<Url, SettingsError> {
        let mut url = Url::parse(&self.base_url).map_err(|_| SettingsError::BaseUrl)?;
        let bare =
            url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        if !bare {
            return Err(SettingsError::BaseUrl);
        }
        match url.scheme() {
            "https" => {}
            "http" if self.allow_plaintext || is_this_machine(&url) => {}
            "http" => return Err(SettingsError::Plaintext),
            _ => return Err(SettingsError::BaseUrl),
        }
        url.path_segments_mut().map_err(|()| SettingsError::BaseUrl)?.pop_if_empty().extend(path);
        Ok(url)
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Why a client cannot be built from these settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not an address we can put the API's path behind.
    #[error("base_url must be an http(s) address without user, query or fragment")]
    BaseUrl,
    /// A credential would travel unprotected.
    #[error("base_url is plain http to another machine; use https or set allow_plaintext")]
    Plaintext,
    /// The HTTP client refused to start, for example for want of root certificates.
    #[error("the HTTP client could not be built: {0}")]
    Http(String),
}

/// A credential in memory: wiped when dropped, never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Take over the text of a credential.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the header and for sealing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// As whom we call. Match with a wildcard outside this module.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// An account or client API key, sent as the user of HTTP Basic.
    ApiKey(Secret),
    /// An access token of an account that was connected by OAuth.
    Bearer(Bearer),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(base_url: &str) -> ClientSettings {
        ClientSettings { base_url: base_url.to_owned(), ..ClientSettings::default() }
    }

    #[test]
    fn the_api_root_stands_behind_the_base() {
        for (base, root) in [
            ("https://api.createsend.com", "https://api.createsend.com/api/v3.3"),
            ("https://example.com/cm/", "https://example.com/cm/api/v3.3"),
            ("http://127.0.0.1:9/", "http://127.0.0.1:9/api/v3.3"),
            ("http://[::1]:9", "http://[::1]:9/api/v3.3"),
            ("http://localhost:9", "http://localhost:9/api/v3.3"),
        ] {
            assert_eq!(with(base).api_root().map(String::from).as_deref(), Ok(root));
        }
    }

    #[test]
    fn unsafe_or_odd_bases_are_refused() {
        assert_eq!(with("http://example.com").api_root(), Err(SettingsError::Plaintext));
        let open = ClientSettings { allow_plaintext: true, ..with("http://emulator:8080") };
        assert!(open.api_root().is_ok());
        for base in ["", "ftp://x", "https://u:p@x", "https://x/?a=b", "https://x/#f", "mailto:a@b"] {
            assert_eq!(with(base).api_root(), Err(SettingsError::BaseUrl), "{base}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let key = Credentials::ApiKey(Secret::new("0123secret".to_owned()));
        assert_eq!(format!("{key:?}"), "ApiKey(Secret(***))");
        let token = Credentials::Bearer(Bearer::fixed(Secret::new("0123secret".to_owned())));
        assert_eq!(format!("{token:?}"), "Bearer(Bearer(***))");
    }

    #[test]
    fn settings_read_from_text() {
        let read: ClientSettings = serde_json::from_str(r#"{"total_timeout":"90s","max_response":1000}"#).unwrap();
        assert_eq!(read.total_timeout, Duration::from_secs(90));
        assert_eq!(read.connect_timeout, Duration::from_secs(10));
        assert!(serde_json::from_str::<ClientSettings>(r#"{"timeout":"1s"}"#).is_err());
    }
}
