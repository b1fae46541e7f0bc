//! The relay's address and manners, read from one URL (`RECONSENT_SMTP_URL`).
//!
//! `smtp://user:password@host:port?tls=required|opportunistic|none` or `smtps://…` for TLS from the first byte. Further
//! parameters: `helo`, `connect_timeout`, `command_timeout`, `data_timeout`, `final_timeout` (whole seconds).
//!
//! TLS is required unless the relay is on this machine or `tls=none` is written out. Opportunistic TLS off this
//! machine is refused, since whoever sits between can switch it off unseen; so is a password without TLS.

use std::{fmt, net::IpAddr, time::Duration};

use url::{Host, Url};
use zeroize::Zeroizing;

/// How TLS is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// From the first byte (`smtps://`).
    Implicit,
    /// STARTTLS, or no mail.
    Required,
    /// STARTTLS if offered, and then with a valid certificate; loopback only.
    Opportunistic,
    /// None, by explicit choice or on loopback.
    None,
}

/// A relay's account.
#[derive(Clone)]
pub struct Credentials {
    pub(super) user: String,
    pub(super) password: Zeroizing<String>,
}

/// Everything needed to reach a relay.
#[derive(Clone)]
pub struct RelaySettings {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How TLS is used.
    pub tls: TlsMode,
    /// The account, when the relay wants one.
    pub credentials: Option<Credentials>,
    /// The name we greet with; the socket's own address literal when unset.
    pub helo: Option<String>,
    /// For connecting, TLS included.
    pub connect_timeout: Duration,
    /// For the answer to one command.
    pub command_timeout: Duration,
    /// For the relay to take the next piece of the message.
    pub data_timeout: Duration,
    /// For a relay's last words before it hangs up, and for our goodbye.
    pub farewell_timeout: Duration,
    /// For the answer to the final dot: long, because giving up early makes duplicates.
    pub final_timeout: Duration,
}

/// Neither user nor password is shown.
impl fmt::Debug for RelaySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelaySettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("credentials", &self.credentials.as_ref().map(|_| "***"))
            .field("final_timeout", &self.final_timeout)
            .finish_non_exhaustive()
    }
}

/// Why a relay URL is refused. Does not repeat the URL, which may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayUrlProblem {
    /// Not a URL with a host.
    #[error("the relay URL must look like smtp://user:password@host:port")]
    Malformed,
    /// Neither `smtp` nor `smtps`.
    #[error("the relay URL must begin with smtp:// or smtps://")]
    Scheme,
    /// A parameter we do not know, or with a value we cannot read.
    #[error("the relay URL has an unknown parameter or a value out of range (tls, helo, *_timeout from 1 to 3600)")]
    Parameter,
    /// Opportunistic TLS beyond this machine.
    #[error("tls=opportunistic is only for a relay on this machine; use tls=required, or write tls=none out")]
    Opportunistic,
    /// A password that would travel in the clear.
    #[error("a password must not travel without TLS beyond this machine")]
    PasswordInTheClear,
    /// User without password, or the other way round.
    #[error("the relay URL needs both user and password, or neither")]
    HalfCredentials,
}

impl RelaySettings {
    /// Settings for a relay on this machine without TLS or account: the built-in catcher.
    #[must_use]
    pub fn loopback(port: u16) -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port,
            tls: TlsMode::None,
            credentials: None,
            helo: None,
            connect_timeout: Duration::from_secs(30),
            command_timeout: Duration::from_secs(30),
            data_timeout: Duration::from_secs(180),
            farewell_timeout: Duration::from_secs(2),
            final_timeout: Duration::from_secs(600),
        }
    }

    /// Reads the URL.
    ///
    /// # Errors
    /// [`RelayUrlProblem`] when it is malformed or would send mail or a password unprotected.
    pub fn parse(raw: &str) -> Result<Self, RelayUrlProblem> {
        let url = Url::parse(raw.trim()).map_err(|_| RelayUrlProblem::Malformed)?;
        let implicit = match url.scheme() {
            "smtps" => true,
            "smtp" => false,
            _ => return Err(RelayUrlProblem::Scheme),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(RelayUrlProblem::Malformed);
        }
        let host = host_of(&url).ok_or(RelayUrlProblem::Malformed)?;
        let loopback = is_loopback(&host);

        let mut settings = Self::loopback(0);
        settings.credentials = credentials_of(&url)?;
        let mut tls = None;
        for (key, value) in url.query_pairs().take(20) {
            match (key.as_ref(), value.as_ref()) {
                ("tls", "required") => tls = Some(TlsMode::Required),
                ("tls", "opportunistic") => tls = Some(TlsMode::Opportunistic),
                ("tls", "none") => tls = Some(TlsMode::None),
                ("helo", name) => settings.helo = Some(helo_name(name)?),
                ("connect_timeout", n) => settings.connect_timeout = seconds(n)?,
                ("command_timeout", n) => settings.command_timeout = seconds(n)?,
                ("data_timeout", n) => settings.data_timeout = seconds(n)?,
                ("final_timeout", n) => settings.final_timeout = seconds(n)?,
                _ => return Err(RelayUrlProblem::Parameter),
            }
        }
        settings.tls = match (implicit, tls) {
            (true, None | Some(TlsMode::Required)) => TlsMode::Implicit,
            (true, Some(_)) => return Err(RelayUrlProblem::Parameter),
            (false, Some(mode)) => mode,
            // A relay on this machine often has a certificate that nobody vouches for, and nothing leaves the machine.
            (false, None) if loopback => TlsMode::None,
            (false, None) => TlsMode::Required,
        };
        if settings.tls == TlsMode::Opportunistic && !loopback {
            return Err(RelayUrlProblem::Opportunistic);
        }
        if settings.tls == TlsMode::None && !loopback && settings.credentials.is_some() {
            return Err(RelayUrlProblem::PasswordInTheClear);
        }
        let usual = match settings.tls {
            TlsMode::Implicit => 465,
            TlsMode::None | TlsMode::Opportunistic => 25,
            TlsMode::Required => 587,
        };
        settings.port = url.port().unwrap_or(usual);
        settings.host = host;
        Ok(settings)
    }
}

fn host_of(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => {
            let name = percent_decode(name)?;
            if name.parse::<IpAddr>().is_ok() {
                return Some(name);
            }
            idna::domain_to_ascii_strict(&name).ok().filter(|name| !name.is_empty())
        }
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn credentials_of(url: &Url) -> Result<Option<Credentials>, RelayUrlProblem> {
    let user = percent_decode(url.username()).ok_or(RelayUrlProblem::Malformed)?;
    let password = percent_decode(url.password().unwrap_or_default()).ok_or(RelayUrlProblem::Malformed)?;
    let password = Zeroizing::new(password);
    match (user.is_empty(), password.is_empty()) {
        (true, true) => Ok(None),
        // A NUL would end the field inside AUTH PLAIN.
        (false, false) if !user.contains('\0') && !password.contains('\0') => Ok(Some(Credentials { user, password })),
        (false, false) => Err(RelayUrlProblem::Malformed),
        _ => Err(RelayUrlProblem::HalfCredentials),
    }
}

fn helo_name(name: &str) -> Result<String, RelayUrlProblem> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let fits = !name.is_empty() && name.len() <= 253 && name.chars().all(fine);
    fits.then(|| name.to_owned()).ok_or(RelayUrlProblem::Parameter)
}

fn seconds(text: &str) -> Result<Duration, RelayUrlProblem> {
    let n = text.parse().ok().filter(|n| (1..=3600).contains(n));
    n.map(Duration::from_secs).ok_or(RelayUrlProblem::Parameter)
}

/// Undoes `%xx`; `+` stays a plus, unlike in a form. None for a broken escape or text that is not UTF-8.
fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = (char::from(bytes.next()?).to_digit(16)?, char::from(bytes.next()?).to_digit(16)?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_url_means() {
        let rows = [
            ("smtp://relay.example", "relay.example", 587, TlsMode::Required),
            ("smtp://relay.example:25?tls=none", "relay.example", 25, TlsMode::None),
            ("smtps://u:p@relay.example", "relay.example", 465, TlsMode::Implicit),
            ("smtp://localhost:1025", "localhost", 1025, TlsMode::None),
            ("smtp://127.0.0.1:1025?tls=none", "127.0.0.1", 1025, TlsMode::None),
            ("smtp://[::1]:1025?tls=opportunistic", "::1", 1025, TlsMode::Opportunistic),
            ("smtp://u:p@[::1]:1025?tls=none", "::1", 1025, TlsMode::None),
            ("smtp://u:p@relay.example?tls=required", "relay.example", 587, TlsMode::Required),
        ];
        for (raw, host, port, tls) in rows {
            let s = RelaySettings::parse(raw).unwrap();
            assert_eq!((s.host.as_str(), s.port, s.tls), (host, port, tls), "{raw}");
            assert_eq!(s.final_timeout, Duration::from_secs(600));
        }
    }

    #[test]
    fn what_is_refused() {
        let rows = [
            ("relay.example:25", RelayUrlProblem::Scheme),
            ("http://relay.example", RelayUrlProblem::Scheme),
            ("smtp://", RelayUrlProblem::Malformed),
            ("smtp://relay.example/path", RelayUrlProblem::Malformed),
            ("smtp://relay.example?tls=opportunistic", RelayUrlProblem::Opportunistic),
            ("smtp://u:p@relay.example?tls=none", RelayUrlProblem::PasswordInTheClear),
            ("smtp://u@relay.example", RelayUrlProblem::HalfCredentials),
            ("smtp://relay.example?tls=maybe", RelayUrlProblem::Parameter),
            ("smtp://relay.example?final_timeout=0", RelayUrlProblem::Parameter),
            ("smtp://relay.example?helo=a%0D%0Ab", RelayUrlProblem::Parameter),
            ("smtps://relay.example?tls=none", RelayUrlProblem::Parameter),
        ];
        for (raw, problem) in rows {
            assert_eq!(RelaySettings::parse(raw).map(|_| ()), Err(problem), "{raw}");
        }
    }

    #[test]
    fn the_password_is_decoded_and_never_shown() {
        let s = RelaySettings::parse("smtp://me%40acme.example:s%3Acr%2Bt+x@relay.example?command_timeout=5").unwrap();
        let c = s.credentials.clone().unwrap();
        assert_eq!((c.user.as_str(), c.password.as_str()), ("me@acme.example", "s:cr+t+x"));
        let shown = format!("{s:?}");
        assert!(!shown.contains("cr+t") && !shown.contains("acme"), "{shown}");
    }
}
