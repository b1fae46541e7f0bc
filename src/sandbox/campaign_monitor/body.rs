//! Reading request bodies the way the provider does: names without regard to case, strict types.
//!
//! Promises: a wrong type is refused with the field's name; unknown fields are ignored.

use super::call::Version;
use super::error::ApiError;
use serde_json::{Map, Value};

/// A JSON object whose names are matched without regard to case.
pub(super) struct Fields<'a>(&'a Map<String, Value>);

/// One write to a custom field.
#[derive(Clone)]
pub(super) struct FieldWrite {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) clear: bool,
}

/// One person as add, update and import describe them.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) email: String,
    pub(super) name: Option<String>,
    pub(super) mobile: Option<String>,
    pub(super) fields: Vec<FieldWrite>,
    pub(super) consent_to_track: Option<String>,
    pub(super) consent_to_sms: Option<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Self, ApiError> {
        value.as_object().map(Self).ok_or_else(|| ApiError::unreadable("request"))
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0
            .get(name)
            .or_else(|| {
                let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value)
            })
            .filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(ApiError::unreadable(name)),
        }
    }

    /// Booleans may come as strings.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(ApiError::unreadable(name)),
        }
    }

    pub(super) fn items(&self, name: &str) -> Result<&'a [Value], ApiError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(ApiError::unreadable(name)),
        }
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, ApiError> {
        self.items(name)?
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or_else(|| ApiError::unreadable(name))
    }
}

impl Row {
    /// What a version does not know is passed over: before v3.2 a write says nothing about tracking and leaves
    /// it as it is, before v3.3 there is no mobile number.
    pub(super) fn of(value: &Value, version: Version) -> Result<Self, ApiError> {
        let fields = Fields::of(value)?;
        let mobile = |name: &str| if version.knows_joining_and_mobile() { fields.text(name) } else { Ok(None) };
        let mut writes = Vec::new();
        for entry in fields.items("CustomFields")? {
            let entry = Fields::of(entry).map_err(|_| ApiError::unreadable("CustomFields"))?;
            writes.push(FieldWrite {
                key: entry.text("Key")?.unwrap_or_default(),
                value: entry.text("Value")?.unwrap_or_default(),
                clear: entry.flag("Clear")?,
            });
        }
        Ok(Self {
            email: fields.text("EmailAddress")?.unwrap_or_default().trim().to_owned(),
            name: fields.text("Name")?,
            mobile: mobile("MobileNumber")?,
            fields: writes,
            consent_to_track: match version.knows_tracking() {
                true => fields.text("ConsentToTrack")?,
                false => Some("Unchanged".to_owned()),
            },
            consent_to_sms: mobile("ConsentToSendSms")?,
        })
    }

    pub(super) fn key(&self) -> String {
        self.email.to_lowercase()
    }
}

/// Shape of an address as strict as the provider's visible behaviour: a dot in the domain, no blanks.
pub(super) fn is_email(address: &str) -> bool {
    address.len() <= 254
        && address.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !address.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;".contains(c))
                && !local.contains('@')
                && domain.split('.').count() >= 2
                && domain.split('.').all(|label| !label.is_empty())
        })
}

/// E.164 with its plus sign.
pub(super) fn is_mobile(number: &str) -> bool {
    number
        .strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_match_in_any_case_and_wrong_types_are_named() {
        let value = json!({"emailaddress": "a@example.com", "RESUBSCRIBE": "True", "CustomFields": {}});
        let fields = Fields::of(&value).unwrap();
        assert_eq!(fields.text("EmailAddress").unwrap().as_deref(), Some("a@example.com"));
        assert!(fields.flag("Resubscribe").unwrap());
        let refusal = Row::of(&value, Version::V3_3).err().unwrap();
        assert_eq!(refusal.status, 400);
        assert!(refusal.message.contains("CustomFields"));
    }

    #[test]
    fn addresses_need_a_domain_with_a_dot() {
        assert!(is_email("ben+news@example.com"));
        for bad in ["", "carl@example", "@example.com", "a@b@example.com", "a b@example.com", "a@example..com"] {
            assert!(!is_email(bad), "{bad}");
        }
        assert!(is_mobile("+4915112345678") && !is_mobile("015112345678"));
    }
}
