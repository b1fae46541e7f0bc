//! The shapes that settings share: a line of text, a language, an address on the web, an origin, a provider's id.
//! Each check names the field it speaks of.

use url::{Host, Url};

use crate::domain::ids::{ControllerScope, PurposeId};
use crate::domain::name::DisplayName;
use crate::domain::purpose::Purpose;
use crate::store::ReadTx;

use super::Error;

/// A line that is safe to show and to put into a header, with something in it.
pub fn line(field: &str, text: &str, limit: usize) -> Result<String, Error> {
    let line = DisplayName::parse(text).map_err(|error| Error::field(field, error))?;
    let line = line.ok_or_else(|| Error::field(field, "must not be empty"))?;
    if line.as_str().chars().count() > limit {
        return Err(Error::field(field, format!("at most {limit} characters")));
    }
    Ok(line.as_str().to_owned())
}

/// The form of a BCP 47 tag: a language of two to eight letters and up to four subtags.
pub fn language(field: &str, text: &str) -> Result<String, Error> {
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or_default();
    let first_fits = (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
    let rest_fits =
        subtags.clone().all(|tag| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric()));
    if first_fits && rest_fits && subtags.count() <= 4 && text.len() <= 35 {
        Ok(text.to_owned())
    } else {
        Err(Error::field(field, "expected a BCP 47 language tag such as en-GB"))
    }
}

/// An address on the web, as a browser would follow it: https, or http on this machine; no user, no fragment.
pub fn web_address(field: &str, text: &str) -> Result<String, Error> {
    let fault = || Error::field(field, "expected an https:// address of at most 2,000 characters, without a fragment");
    let url = parse_web(text).ok_or_else(fault)?;
    if url.fragment().is_some() || text.len() > 2000 {
        return Err(fault());
    }
    Ok(text.to_owned())
}

/// The root of an API: as [`web_address`], without a query.
pub fn api_root(field: &str, text: &str) -> Result<String, Error> {
    let address = web_address(field, text)?;
    if address.contains('?') {
        return Err(Error::field(field, "expected an address without a query"));
    }
    Ok(address.trim_end_matches('/').to_owned())
}

/// An origin in the spelling of the `Origin` header, compared byte by byte (AP-09): `https://host[:port]`, or http on
/// this machine.
pub fn origin(field: &str, text: &str) -> Result<String, Error> {
    let same = parse_web(text).is_some_and(|url| url.origin().ascii_serialization() == text);
    if same {
        Ok(text.to_owned())
    } else {
        Err(Error::field(field, "expected an exact origin such as https://www.example.org, without a path or `/`"))
    }
}

fn parse_web(text: &str) -> Option<Url> {
    // The parser drops blanks and line breaks; an address that has some is not exact.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let here = match url.host()? {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        // A browser would look a `*` up like any other name; here it could pass for a pattern.
        Host::Domain(name) if name.contains('*') => return None,
        Host::Domain(name) => name == "localhost",
    };
    let scheme_fits = url.scheme() == "https" || (url.scheme() == "http" && here);
    (scheme_fits && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// An id as the provider writes it: letters and digits.
pub fn provider_id(field: &str, text: &str) -> Result<String, Error> {
    let text = text.trim();
    if (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        Ok(text.to_owned())
    } else {
        Err(Error::field(field, "expected an id of 1 to 64 letters and digits"))
    }
}

/// A purpose by its id or its short name.
pub fn purpose_named<'a>(all: &'a [Purpose], name: &str) -> Option<&'a Purpose> {
    match name.parse::<PurposeId>() {
        Ok(id) => all.iter().find(|purpose| purpose.id == id),
        Err(_) => all.iter().find(|purpose| purpose.slug.as_str() == name),
    }
}

/// Purposes by their ids or short names, in the order given, each once.
pub fn purposes_named(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    field: &str,
    names: &[String],
) -> Result<Vec<Purpose>, Error> {
    let all = tx.purposes(scope)?;
    let mut found: Vec<Purpose> = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let purpose = purpose_named(&all, name)
            .ok_or_else(|| Error::field(format!("{field}[{index}]"), "there is no purpose of this id or short name"))?;
        if found.iter().any(|earlier| earlier.id == purpose.id) {
            return Err(Error::field(format!("{field}[{index}]"), "this purpose was named before"));
        }
        found.push(purpose.clone());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_only_in_the_spelling_of_the_header() {
        for good in ["https://www.example.org", "https://example.org:8443", "http://localhost:3000", "http://127.0.0.1"]
        {
            assert!(origin("origins[0]", good).is_ok(), "{good}");
        }
        for bad in [
            "https://www.example.org/",
            "https://WWW.example.org",
            "https://example.org:443",
            "http://example.org",
            "https://*.example.org",
            "https://user@example.org",
            "null",
            "*",
            "",
            "https://example.org\n",
            "javascript:alert(1)",
        ] {
            assert!(origin("origins[0]", bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn an_address_leads_over_https_or_to_this_machine() {
        assert!(web_address("u", "https://example.org/thanks?x=1").is_ok());
        for bad in ["//example.org", "/thanks", "http://example.org", "https://example.org/#x", "javascript:alert(1)"] {
            assert!(web_address("u", bad).is_err(), "{bad} was taken");
        }
        assert!(web_address("u", &format!("https://example.org/{}", "x".repeat(2000))).is_err());
        assert!(api_root("u", "https://api.example.org/?a=b").is_err());
    }

    #[test]
    fn a_language_has_the_form_of_a_tag() {
        for good in ["en", "en-GB", "zh-Hant-TW", "sl-rozaj-biske-1994"] {
            assert!(language("language", good).is_ok(), "{good}");
        }
        for bad in ["", "e", "en_GB", "en-", "english language", "en-GB\r\n"] {
            assert!(language("language", bad).is_err(), "{bad} was taken");
        }
    }
}
