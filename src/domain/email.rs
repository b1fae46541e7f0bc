//! An address, parsed once at the edge. It is sent to as the person first gave it and matched by its key: the local
//! part lower-cased in ASCII only, and the domain in its ASCII form (architecture section 0, AD-01 to AD-04, R-03).
//! Dots and `+tags` are kept: consent was given for the address given (AD-02).

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// An address that mail can be sent to. Does not print in full: `Debug` masks it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    local: String,
    domain: String,
}

/// Why a text is not an address we write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmail {
    /// Nothing was given.
    #[error("an e-mail address is needed")]
    Empty,
    /// No `@`, or nothing on one side of it.
    #[error("an e-mail address has a name, an @ and a domain")]
    Shape,
    /// Longer than 254 octets, or a local part over 64.
    #[error("an e-mail address has at most 254 characters, 64 of them before the @")]
    TooLong,
    /// Quotes, blanks, invisible or control characters, or dots in the wrong place, before the `@`.
    #[error("the part before the @ has a character or a dot that is not allowed there")]
    Local,
    /// Not a domain name that mail can be routed to.
    #[error("the part after the @ is not a mail domain such as example.org")]
    Domain,
}

impl EmailAddress {
    /// Parses what a person typed. Surrounding ASCII blanks are dropped, the text is brought to NFC, and the domain
    /// to its ASCII form in lower case.
    pub fn parse(raw: &str) -> Result<Self, InvalidEmail> {
        // Length before anything that walks the text; generous, as NFC may shorten it.
        if raw.len() > 1024 {
            return Err(InvalidEmail::TooLong);
        }
        let trimmed = raw.trim_matches(|c: char| c.is_ascii_whitespace());
        if trimmed.is_empty() {
            return Err(InvalidEmail::Empty);
        }
        let text: String = trimmed.nfc().collect();
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail::Shape)?;
        if local.is_empty() || domain.is_empty() {
            return Err(InvalidEmail::Shape);
        }
        if local.len() > 64 {
            return Err(InvalidEmail::TooLong);
        }
        check_local(local)?;
        let domain = ascii_domain(domain)?;
        if local.len() + 1 + domain.len() > 254 {
            return Err(InvalidEmail::TooLong);
        }
        Ok(Self { local: local.to_owned(), domain })
    }

    /// What is written into the envelope and the To field: the local part as given, the domain in ASCII.
    pub fn as_sent(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// What tells one subscriber from another. Lower-casing is ASCII only: Unicode's would turn the Kelvin sign
    /// into `k` and let one person pass for another (R-03, T-38).
    pub fn match_key(&self) -> String {
        format!("{}@{}", self.local.to_ascii_lowercase(), self.domain)
    }

    /// The domain, in ASCII and lower case.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether the local part needs a relay that speaks SMTPUTF8 (AD-04).
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    /// For pages reached by link: enough for the owner to recognise it, too little for a stranger (LK-08).
    pub fn masked(&self) -> String {
        let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
        let (name, rest) = self.domain.rsplit_once('.').unwrap_or((&self.domain, ""));
        format!("{}•••@{}•••.{rest}", first(&self.local), first(name))
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress(***@{})", self.domain)
    }
}

/// Dot-atoms only: no quoted local parts, nothing invisible, no leading hyphen (which a command line could take
/// for an option).
fn check_local(local: &str) -> Result<(), InvalidEmail> {
    let dots_fit = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
    let allowed = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '/' | '=' | '?' | '^' | '_' | '`' | '{' | '|' | '}'
        | '~' | '.' => true,
        _ => !c.is_ascii() && is_visible(c),
    };
    if dots_fit && !local.starts_with('-') && local.chars().all(allowed) { Ok(()) } else { Err(InvalidEmail::Local) }
}

/// Letters, marks and numbers beyond ASCII; nothing that takes no room on a screen.
fn is_visible(c: char) -> bool {
    let invisible = matches!(c,
        '\u{80}'..='\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
        | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{e000}'..='\u{f8ff}');
    !invisible && !c.is_control() && !c.is_whitespace()
}

fn ascii_domain(domain: &str) -> Result<String, InvalidEmail> {
    if domain.ends_with('.') || domain.starts_with('[') || !domain.chars().all(|c| c.is_ascii() || is_visible(c)) {
        return Err(InvalidEmail::Domain);
    }
    let ascii = idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::STD3)
        .map_err(|_| InvalidEmail::Domain)?
        .into_owned();
    let labels: Vec<&str> = ascii.split('.').collect();
    let label_fits = |label: &&str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    let last_is_a_name = labels.last().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()));
    if labels.len() >= 2 && ascii.len() <= 253 && labels.iter().all(label_fits) && last_is_a_name {
        Ok(ascii)
    } else {
        Err(InvalidEmail::Domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_sent_to_as_given_and_matched_by_key() {
        for (raw, sent, key) in [
            ("Jane@Example.COM", "Jane@example.com", "jane@example.com"),
            ("  jane.doe+news@example.org ", "jane.doe+news@example.org", "jane.doe+news@example.org"),
            ("jane@Bücher.example", "jane@xn--bcher-kva.example", "jane@xn--bcher-kva.example"),
            ("jörg@example.de", "jörg@example.de", "jörg@example.de"),
            ("JÖRG@example.de", "JÖRG@example.de", "jÖrg@example.de"),
            ("O'Brien@mail.example.ie", "O'Brien@mail.example.ie", "o'brien@mail.example.ie"),
        ] {
            let address = EmailAddress::parse(raw).unwrap_or_else(|e| panic!("{raw}: {e}"));
            assert_eq!((address.as_sent().as_str(), address.match_key().as_str()), (sent, key));
        }
    }

    #[test]
    fn look_alikes_and_case_tricks_do_not_collide() {
        let key = |raw: &str| EmailAddress::parse(raw).unwrap().match_key();
        assert_eq!(
            EmailAddress::parse("\u{212a}ate@example.org").unwrap().as_sent(),
            "Kate@example.org",
            "AD-01: NFC first"
        );
        assert_ne!(key("\u{0130}nci@example.org"), key("inci@example.org"), "a dotted capital I stays what it is");
        assert_ne!(key("a.b@example.org"), key("ab@example.org"));
        assert_ne!(key("a+x@example.org"), key("a@example.org"));
    }

    #[test]
    fn what_cannot_be_an_address_is_refused_with_the_part_named() {
        use InvalidEmail::*;
        for (raw, why) in [
            ("", Empty),
            ("   ", Empty),
            ("jane", Shape),
            ("@example.org", Shape),
            ("jane@", Shape),
            ("a@localhost", Domain),
            ("-oX@example.org", Local),
            ("\"jane doe\"@example.org", Local),
            ("ja ne@example.org", Local),
            ("jane\u{200b}@example.org", Local),
            ("jane\r\nBcc: x@example.org", Local),
            (".jane@example.org", Local),
            ("ja..ne@example.org", Local),
            ("jane@[127.0.0.1]", Domain),
            ("jane@127.0.0.1", Domain),
            ("jane@example.org.", Domain),
            ("jane@exam\u{200b}ple.org", Domain),
            ("jane@exa_mple.org", Domain),
            ("jane@-example.org", Domain),
        ] {
            assert_eq!(EmailAddress::parse(raw), Err(why), "{raw:?}");
        }
        assert_eq!(EmailAddress::parse(&format!("{}@example.org", "a".repeat(65))), Err(TooLong));
    }

    #[test]
    fn an_address_does_not_print() {
        let address = EmailAddress::parse("jane@example.org").unwrap();
        assert!(!format!("{address:?}").contains("jane"));
        assert_eq!(address.masked(), "j•••@e•••.org");
    }
}
