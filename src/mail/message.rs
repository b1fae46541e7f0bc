//! A rendered mail as the exact bytes that go over the wire.
//!
//! Promises: the same [`Outgoing`] gives the same bytes; every line ends in CRLF and has at most 998 octets; no value
//! can start a new header (ML-16); each `List-*` field stands exactly once and only on the kinds that need it (ML-01,
//! ML-08). The header block is written here, in a fixed order, because the unsubscribe address must be neither folded
//! nor encoded and because the mail library's builder reads its own headers back and loses names it cannot parse; the
//! library does the encodings: RFC 2047 words, quoted display names, quoted-printable and base64 bodies.
//!
//! Signing (DKIM) and the envelope are left to others.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use aws_lc_rs::{digest, hmac};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use lettre::{
    Address,
    message::{
        Body as LibraryBody, Mailbox, Mailboxes, MultiPart, SinglePart,
        header::{self, ContentType, HeaderName, HeaderValue, Headers},
    },
};

use super::{
    address::{AddressProblem, WireAddress},
    wire::{WireProblem, check_bytes, is_unsafe_in_header},
};

mod body;

use body::Encoded;
pub use body::{Body, Cast, Filled};

/// Longest subject or display name, in characters.
const MAX_NAME: usize = 200;
/// Longest address inside a header, so that its line stays well under the wire's bound.
const MAX_URL: usize = 900;
/// 9999-12-31T23:59:59Z: the last instant a Date header can name.
const LAST_SECOND: u64 = 253_402_300_799;

/// What one-click needs: an HTTPS address that by itself names person and list (ML-04).
#[derive(Clone, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// The `https://` address, for POST and GET alike; plain `http://` only to this machine itself.
    pub https: &'a str,
    /// A `mailto:` for clients that know no other way (ML-06).
    pub mailto: Option<&'a str>,
}

/// `List-Id` (RFC 2919): a name for people and an identifier that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListId<'a> {
    /// For people; characters other than letters, digits, space and hyphen are dropped.
    pub phrase: &'a str,
    /// For machines, such as `newsletter.list-id.acme.example`.
    pub id: &'a str,
}

/// What kind of mail it is: this alone decides which list headers it carries.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind<'a> {
    /// Re-permission and its reminder: direct marketing, with one-click unsubscribe.
    Repermission {
        /// Where one click ends it.
        unsubscribe: Unsubscribe<'a>,
        /// The list it belongs to.
        list_id: ListId<'a>,
        /// Gmail's aggregate complaint key: opaque ids only.
        feedback_id: Option<&'a str>,
    },
    /// The neutral confirmation mail of a double opt-in: automatic, no list headers (ML-08).
    Confirmation,
}

/// Everything that goes into the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Which list headers it carries.
    pub kind: Kind<'a>,
    /// Display name of the sender.
    pub from_name: &'a str,
    /// Address of the sender, at the controller's domain.
    pub from_address: &'a str,
    /// The person's address as given; written without a name.
    pub to: &'a str,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<&'a str>,
    /// Subject.
    pub subject: &'a str,
    /// HTML part.
    pub html: Body<'a>,
    /// Text part.
    pub text: Body<'a>,
    /// The instant of freezing, in microseconds since 1970 UTC.
    pub date: i64,
    /// From [`message_id`], without angle brackets.
    pub message_id: &'a str,
    /// Seed of the MIME boundary, such as the mail's id.
    pub boundary_seed: &'a [u8],
    /// Whether the relay offers SMTPUTF8.
    pub smtputf8: bool,
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// Why no bytes could be made. Names the field, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// A line break, NUL, control, direction override or other invisible character in a header.
    #[error("{field} holds a character that must not stand in a header")]
    UnsafeHeader {
        /// The field's name.
        field: &'static str,
    },
    /// Empty, too long or in the wrong form.
    #[error("{field} is empty, too long or malformed")]
    BadValue {
        /// The field's name.
        field: &'static str,
    },
    /// An address that cannot be carried.
    #[error("{field}: {problem}")]
    Address {
        /// The field's name.
        field: &'static str,
        /// What is wrong.
        problem: AddressProblem,
    },
    /// The local part needs SMTPUTF8 and the relay does not offer it (AD-04).
    #[error("{field} needs a relay with SMTPUTF8")]
    NeedsSmtpUtf8 {
        /// The field's name.
        field: &'static str,
    },
    /// The finished bytes failed the last check.
    #[error(transparent)]
    Wire(#[from] WireProblem),
}

/// Makes the exact bytes of the message.
///
/// # Errors
/// [`ComposeError`] when any value is unfit; nothing is repaired silently.
pub fn compose(mail: &Outgoing<'_>) -> Result<Vec<u8>, ComposeError> {
    let from = address("From", mail.from_address, mail.smtputf8)?;
    let to = address("To", mail.to, mail.smtputf8)?;
    let reply_to = mail.reply_to.map(|raw| address("Reply-To", raw, mail.smtputf8)).transpose()?;
    let from_name = words("From", mail.from_name)?;
    let subject = words("Subject", mail.subject)?;

    let mut head = Head::default();
    head.block(&date(mail.date)?);
    head.block(&from_header(&from_name, &from)?);
    head.line("To", to.as_str());
    if let Some(reply_to) = &reply_to {
        head.line("Reply-To", reply_to.as_str());
    }
    head.encoded("Subject", subject);
    head.line("Message-ID", &format!("<{}>", token("Message-ID", mail.message_id, MAX_NAME)?));
    match &mail.kind {
        Kind::Repermission { unsubscribe, list_id, feedback_id } => {
            head.line("List-Id", &list_id_value(list_id)?);
            head.line("List-Unsubscribe", &unsubscribe_value(unsubscribe)?);
            head.line("List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
            if let Some(id) = feedback_id {
                head.line("Feedback-ID", token("Feedback-ID", id, MAX_NAME)?);
            }
        }
        Kind::Confirmation => head.line("Auto-Submitted", "auto-generated"),
    }
    head.line("MIME-Version", "1.0");

    let parts = MultiPart::alternative()
        .boundary(boundary(mail.boundary_seed))
        .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
        .singlepart(part(ContentType::TEXT_HTML, &mail.html));
    let mut bytes = head.text.into_bytes();
    bytes.extend_from_slice(&parts.formatted());
    check_bytes(&bytes)?;
    Ok(bytes)
}

/// A Message-ID, without angle brackets, that is the same for every attempt of one mail and tells nobody anything: 128
/// bits of HMAC-SHA-256 over the mail's id.
#[must_use]
pub fn message_id(key: &[u8], mail_id: &[u8; 16], domain: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    // The label keeps this use of the key apart from any other.
    context.update(b"reconsent message-id v1\0");
    context.update(mail_id);
    let tag = context.sign();
    let half = tag.as_ref().get(..16).unwrap_or_default();
    format!("{}@{domain}", BASE32_NOPAD.encode(half).to_ascii_lowercase())
}

/// The header block under construction.
#[derive(Default)]
struct Head {
    text: String,
}

impl Head {
    /// A field whose value is ready for the wire.
    fn line(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        self.text.push_str(": ");
        self.text.push_str(value);
        self.text.push_str("\r\n");
    }

    /// Fields that the library has already written, line end included.
    fn block(&mut self, headers: &Headers) {
        self.text.push_str(&headers.to_string());
    }

    /// A field whose text is folded and, where needed, made into RFC 2047 words.
    fn encoded(&mut self, name: &'static str, text: String) {
        let mut headers = Headers::new();
        headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), text));
        self.block(&headers);
    }
}

/// Human words for a header: checked, runs of spaces made one.
fn words(field: &'static str, text: &str) -> Result<String, ComposeError> {
    if text.chars().any(is_unsafe_in_header) {
        return Err(ComposeError::UnsafeHeader { field });
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // An encoded word would be decoded by the reader's program into characters that were never checked.
    if text.is_empty() || text.chars().count() > MAX_NAME || text.contains("=?") {
        return Err(ComposeError::BadValue { field });
    }
    Ok(text)
}

/// A machine-made value: visible ASCII without spaces or brackets.
fn token<'a>(field: &'static str, text: &'a str, most: usize) -> Result<&'a str, ComposeError> {
    if text.chars().any(is_unsafe_in_header) {
        return Err(ComposeError::UnsafeHeader { field });
    }
    let visible = text.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"(),;".contains(&b));
    if text.is_empty() || text.len() > most || !visible {
        return Err(ComposeError::BadValue { field });
    }
    Ok(text)
}

fn address(field: &'static str, raw: &str, smtputf8: bool) -> Result<WireAddress, ComposeError> {
    if raw.chars().any(is_unsafe_in_header) {
        return Err(ComposeError::UnsafeHeader { field });
    }
    let parsed = WireAddress::parse(raw).map_err(|problem| ComposeError::Address { field, problem })?;
    if parsed.needs_smtputf8() && !smtputf8 {
        return Err(ComposeError::NeedsSmtpUtf8 { field });
    }
    Ok(parsed)
}

fn from_header(name: &str, address: &WireAddress) -> Result<Headers, ComposeError> {
    let bad = |_| ComposeError::Address { field: "From", problem: AddressProblem::LocalPart };
    let email: Address = address.as_str().parse().map_err(bad)?;
    let mut headers = Headers::new();
    headers.set(header::From::from(Mailboxes::from(Mailbox::new(Some(name.to_owned()), email))));
    Ok(headers)
}

fn date(micros: i64) -> Result<Headers, ComposeError> {
    let seconds = u64::try_from(micros).map(|m| m / 1_000_000).ok().filter(|s| *s <= LAST_SECOND);
    let seconds = seconds.ok_or(ComposeError::BadValue { field: "Date" })?;
    let mut headers = Headers::new();
    headers.set(header::Date::new(UNIX_EPOCH + Duration::from_secs(seconds)));
    Ok(headers)
}

/// `<https…>` first: RFC 2369 reads left to right. The only fold stands between the two.
fn unsubscribe_value(unsubscribe: &Unsubscribe<'_>) -> Result<String, ComposeError> {
    let https = token("List-Unsubscribe", unsubscribe.https, MAX_URL)?;
    if !https.starts_with("https://") && !is_on_this_machine(https) {
        return Err(ComposeError::BadValue { field: "List-Unsubscribe" });
    }
    match unsubscribe.mailto {
        None => Ok(format!("<{https}>")),
        Some(mailto) => {
            let mailto = token("List-Unsubscribe", mailto, MAX_URL)?;
            if !mailto.starts_with("mailto:") {
                return Err(ComposeError::BadValue { field: "List-Unsubscribe" });
            }
            Ok(format!("<{https}>,\r\n <{mailto}>"))
        }
    }
}

/// A trial on one machine has no certificate, and its mails go no further than the built-in catcher.
fn is_on_this_machine(url: &str) -> bool {
    let rest = url.strip_prefix("http://").unwrap_or_default();
    ["localhost", "127.0.0.1", "[::1]"]
        .iter()
        .filter_map(|host| rest.strip_prefix(host))
        .any(|rest| rest.starts_with([':', '/']) && !rest.contains('@'))
}

fn list_id_value(list: &ListId<'_>) -> Result<String, ComposeError> {
    let id = token("List-Id", list.id, 200)?;
    let ok = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !id.contains('.') || !id.bytes().all(ok) {
        return Err(ComposeError::BadValue { field: "List-Id" });
    }
    let plain = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-');
    let phrase: String = words("List-Id", list.phrase)?.chars().filter(plain).take(60).collect();
    let mut head = Head::default();
    head.encoded("List-Id", phrase.split_whitespace().collect::<Vec<_>>().join(" "));
    let phrase = head.text.trim_start_matches("List-Id:").trim();
    Ok(if phrase.is_empty() { format!("<{id}>") } else { format!("{phrase}\r\n <{id}>") })
}

/// `=_` cannot occur in quoted-printable or base64, so the boundary never meets the body.
fn boundary(seed: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, &[b"reconsent boundary v1\0", seed].concat());
    format!("=_{}", HEXLOWER.encode(hash.as_ref().get(..16).unwrap_or_default()))
}

/// One part.
fn part(kind: ContentType, body: &Body<'_>) -> SinglePart {
    let Encoded { bytes, transfer } = match body {
        Body::Text(text) => Encoded::of(text),
        Body::Encoded(encoded) => encoded.clone(),
    };
    SinglePart::builder().header(kind).body(LibraryBody::dangerous_pre_encoded(bytes, transfer))
}

#[cfg(test)]
mod tests;
