//! What several pages share: the frame around the content, the notice, the details held, and what went wrong.
//!
//! None of these types has a `Debug`: some carry what a person typed.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::domain::notice::NoticeWording;
use crate::domain::time::Timestamp;

/// An address that is safe in a link: a path on this host, or http(s). Anything else, `javascript:` above all, has no
/// way in.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Href(String);

impl Href {
    /// Takes a path (`/p/…`, but not `//host`) or an absolute http(s) address.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 2048 || text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return None;
        }
        let is_path = text.starts_with('/') && !text.starts_with("//");
        let is_web = || {
            url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.username().is_empty())
        };
        (is_path || is_web()).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The policy version that was in force, and where its bytes are.
#[derive(Clone, Serialize)]
pub struct PolicyLink {
    /// Where this very version is served, for ever; on our own host, since a page before a decision has no link to
    /// elsewhere (LK-14).
    pub href: Href,
    /// The version's label, such as `2026-09-01`.
    pub version: String,
}

/// What surrounds the content of every page.
#[derive(Clone, Serialize)]
pub struct Frame {
    /// BCP 47 tag; the notice's language where there is a notice (WC-03). Fixed texts follow it as far as there is a
    /// table, otherwise they are English.
    pub lang: String,
    /// The controller's name; empty only where a page cannot or must not say whose it is ([`Frame::neutral`]).
    pub controller: String,
    /// The policy, linked in the same place on every page (WCAG 3.2.6).
    pub policy: Option<PolicyLink>,
}

impl Frame {
    /// The frame of a page around a notice.
    pub fn of(notice: &NoticeWording, policy: PolicyLink) -> Self {
        Self { lang: notice.language.clone(), controller: notice.controller_name.clone(), policy: Some(policy) }
    }

    /// The frame of a page that belongs to nobody in particular.
    pub fn neutral(lang: &str) -> Self {
        Self { lang: lang.to_owned(), controller: String::new(), policy: None }
    }
}

/// One purpose to be answered by yes or no.
#[derive(Clone, Serialize)]
pub struct Question {
    /// The purpose's short name; the fields are called `choice.{slug}`.
    pub slug: String,
    /// The wording beside the two answers.
    pub label: String,
}

/// The wording of a notice, reduced to what a page shows.
#[derive(Clone, Serialize)]
pub struct Notice {
    /// The heading.
    pub title: String,
    /// The text before the choices.
    pub introduction: String,
    /// What is asked, in the order of the notice.
    pub questions: Vec<Question>,
    /// The caption of yes.
    pub yes: String,
    /// The caption of no.
    pub no: String,
    /// The caption of the button.
    pub send: String,
    /// Other controllers, by name.
    pub third_parties: Vec<String>,
    /// That and how it can be withdrawn.
    pub withdrawal: String,
}

impl Notice {
    /// The notice with all its purposes.
    pub fn whole(wording: &NoticeWording) -> Self {
        Self::about(wording, |_| true)
    }

    /// The notice with those purposes only whose short name `asked` accepts.
    pub fn about(wording: &NoticeWording, asked: impl Fn(&str) -> bool) -> Self {
        let questions = wording
            .labels
            .iter()
            .filter(|label| asked(&label.purpose))
            .map(|label| Question { slug: label.purpose.clone(), label: label.label.clone() })
            .collect();
        Self {
            title: wording.title.clone(),
            introduction: wording.introduction.clone(),
            questions,
            yes: wording.yes.clone(),
            no: wording.no.clone(),
            send: wording.send.clone(),
            third_parties: wording.third_parties.clone(),
            withdrawal: wording.withdrawal.clone(),
        }
    }
}

/// The details held about a person, masked (LK-08).
#[derive(Clone, Serialize)]
pub struct Held {
    /// The masked address.
    pub address: String,
    /// The masked name, when one is held.
    pub name: Option<String>,
}

/// Why a page with questions is shown once more. A friendly sentence for each stands in the table of texts. Only what
/// concerns a field of the page belongs on it: the confirmation has neither address nor name.
#[derive(Clone, PartialEq, Eq)]
pub enum Problem {
    /// No address was given.
    EmailMissing,
    /// What was given is not an address.
    EmailInvalid,
    /// The name is too long, or has characters that a name cannot have.
    NameInvalid,
    /// Neither yes nor no was chosen for this purpose (by its short name).
    ChoiceMissing(String),
    /// Neither yes nor no was chosen, on a page with one question.
    AnswerMissing,
    /// It was sent faster than people read, or looked made by a machine (LK-05).
    Again,
    /// The page had been open for too long (LK-04).
    Stale,
}

impl Problem {
    const fn key(&self) -> &'static str {
        match self {
            Self::EmailMissing => "problem_email_missing",
            Self::EmailInvalid => "problem_email_invalid",
            Self::NameInvalid => "problem_name_invalid",
            Self::ChoiceMissing(_) => "problem_choice_missing",
            Self::AnswerMissing => "problem_choice_here",
            Self::Again => "problem_again",
            Self::Stale => "problem_stale",
        }
    }

    /// The id of the field to which the sentence leads; empty when it is about the page.
    fn anchor(&self) -> String {
        match self {
            Self::EmailMissing | Self::EmailInvalid => "email".to_owned(),
            Self::NameInvalid => "name".to_owned(),
            Self::ChoiceMissing(slug) => format!("choice-{slug}"),
            Self::AnswerMissing => "choice".to_owned(),
            Self::Again | Self::Stale => String::new(),
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Problem", 2)?;
        fields.serialize_field("key", self.key())?;
        fields.serialize_field("anchor", &self.anchor())?;
        fields.end()
    }
}

/// What stands on record for one purpose.
#[derive(Clone, Serialize)]
pub struct Outcome {
    /// The purpose, in the words of the notice.
    pub label: String,
    /// What stands.
    pub recorded: Recorded,
    /// Since when.
    pub at: Timestamp,
}

/// What can stand on record, as far as a subject needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// The person said yes.
    Yes,
    /// The person said no.
    No,
    /// The person stopped it.
    Stopped,
    /// It ended by itself or by the controller.
    Ended,
}

#[cfg(test)]
mod tests {
    use super::Href;

    #[test]
    fn only_paths_and_web_addresses_become_links() {
        for good in ["/p/1", "/", "https://acme.example/back?x=1", "http://localhost:8080/"] {
            assert!(Href::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "p/1",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            " https://a.example",
            "data:text/html,x",
            "https://acme.example@evil.example/",
            "mailto:a@b.example",
        ] {
            assert!(Href::parse(bad).is_none(), "{bad}");
        }
    }
}
