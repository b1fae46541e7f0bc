//! Addresses as they stand on the wire, and the envelope made of two of them.
//!
//! The domain becomes A-labels (AD-01), the local part is never changed. A local part outside ASCII is kept and marked,
//! because it needs SMTPUTF8 on every hop (AD-04). Quoted local parts, address literals, controls and invisible
//! characters are refused. Whether two addresses are the same person is not decided here.

use std::fmt;

use super::wire::is_unsafe_in_header;

/// Why an address cannot be put on the wire. Does not repeat the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// No `@`, or nothing on one side of it.
    #[error("the address has no local part or no domain")]
    Incomplete,
    /// Local part over 64 octets or the whole over 254.
    #[error("the address is too long")]
    TooLong,
    /// A character that has no place in a local part.
    #[error("the local part has a character that is not allowed")]
    LocalPart,
    /// The domain is no valid host name.
    #[error("the domain is not valid")]
    Domain,
}

/// An address in the form in which SMTP and headers carry it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WireAddress {
    text: String,
    local_len: usize,
}

impl WireAddress {
    /// Checks an address and puts its domain into A-labels.
    ///
    /// # Errors
    /// [`AddressProblem`] when it cannot be carried.
    pub fn parse(raw: &str) -> Result<Self, AddressProblem> {
        let (local, domain) = raw.rsplit_once('@').ok_or(AddressProblem::Incomplete)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressProblem::Incomplete);
        }
        if local.len() > 64 || domain.len() > 1024 {
            return Err(AddressProblem::TooLong);
        }
        let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
        if dots || !local.chars().all(is_local_char) {
            return Err(AddressProblem::LocalPart);
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| AddressProblem::Domain)?;
        if domain.is_empty() || domain.ends_with('.') || domain.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(AddressProblem::Domain);
        }
        let text = format!("{local}@{domain}");
        if text.len() > 254 {
            return Err(AddressProblem::TooLong);
        }
        Ok(Self { text, local_len: local.len() })
    }

    /// The address, domain in A-labels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The domain in A-labels.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.text.get(self.local_len + 1..).unwrap_or_default()
    }

    /// Whether it can only travel by SMTPUTF8.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.text.is_ascii()
    }
}

/// Shows the domain alone.
impl fmt::Debug for WireAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WireAddress(***@{})", self.domain())
    }
}

/// The characters of an RFC 5321 dot-atom, and beyond ASCII whatever is visible.
fn is_local_char(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    }
    !is_unsafe_in_header(c) && !c.is_whitespace()
}

/// Who the relay should tell about failure, and the one person the mail is for (R-47: one recipient per mail).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    from: WireAddress,
    to: WireAddress,
}

impl Envelope {
    /// An envelope of two checked addresses.
    #[must_use]
    pub const fn new(from: WireAddress, to: WireAddress) -> Self {
        Self { from, to }
    }

    /// An envelope from text.
    ///
    /// # Errors
    /// [`AddressProblem`] of the first bad address.
    pub fn parse(from: &str, to: &str) -> Result<Self, AddressProblem> {
        Ok(Self::new(WireAddress::parse(from)?, WireAddress::parse(to)?))
    }

    /// The return path.
    #[must_use]
    pub const fn from(&self) -> &WireAddress {
        &self.from
    }

    /// The recipient.
    #[must_use]
    pub const fn to(&self) -> &WireAddress {
        &self.to
    }

    /// Whether it can only travel by SMTPUTF8.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        self.from.needs_smtputf8() || self.to.needs_smtputf8()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_become_a_labels_and_local_parts_stay() {
        let rows = [
            ("jane@Bücher.example", "jane@xn--bcher-kva.example", false),
            ("A.b+tag@Example.ORG", "A.b+tag@example.org", false),
            ("用户@例え.example", "用户@xn--r8jz45g.example", true),
            ("o'hara@localhost", "o'hara@localhost", false),
        ];
        for (raw, wire, utf8) in rows {
            let address = WireAddress::parse(raw).unwrap();
            assert_eq!((address.as_str(), address.needs_smtputf8()), (wire, utf8));
            assert!(!format!("{address:?}").contains("jane"));
        }
    }

    #[test]
    fn what_could_break_a_command_is_refused() {
        let long = format!("{}@example.org", "a".repeat(65));
        let bad = [
            "",
            "a",
            "@example.org",
            "a@",
            "a b@example.org",
            "\"a b\"@example.org",
            "a@[192.0.2.1]",
            "a@192.0.2.1",
            "a\r\nRCPT TO:<b@c>@example.org",
            "a>@example.org",
            "a@exa mple.org",
            "a@example.org>",
            "a@example.org\r\n",
            ".a@example.org",
            "a..b@example.org",
            "a\u{202e}b@example.org",
            "a\u{200b}b@example.org",
            "a\0@example.org",
            "a@example.org.",
            &long,
        ];
        for raw in bad {
            assert!(WireAddress::parse(raw).is_err(), "{raw:?}");
        }
    }
}
