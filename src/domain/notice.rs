//! A notice: the exact wording shown at the moment of choice. It is written once, checked, and from its publication
//! on never changed (PF-03); a translation is a notice of its own (WC-03).

use serde::{Deserialize, Serialize};

use super::purpose::Purpose;

/// Everything that stands on the page around a choice, word for word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeWording {
    /// BCP 47 language tag, such as `en-GB`.
    pub language: String,
    /// The heading.
    pub title: String,
    /// The text before the choices: who asks, for what, what will be done.
    pub introduction: String,
    /// The label of each purpose, in the order shown: (purpose's slug, wording).
    pub labels: Vec<PurposeLabel>,
    /// The captions of the two answers.
    pub yes: String,
    /// See `yes`.
    pub no: String,
    /// The caption of the button that sends the answer.
    pub send: String,
    /// The controller's name, as shown.
    pub controller_name: String,
    /// Every other controller that relies on the consent, by name; empty when there is none.
    pub third_parties: Vec<String>,
    /// That and how it can be withdrawn.
    pub withdrawal: String,
}

/// The wording of one purpose on a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeLabel {
    /// The purpose's short name.
    pub purpose: String,
    /// What stands beside its two answers.
    pub label: String,
}

/// A fault that keeps a notice from being published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoticeFault {
    /// A part that must be there is not (CV-05).
    #[error("`{0}` must not be empty (CV-05)")]
    Empty(&'static str),
    /// The controller is not named in the text (CV-06).
    #[error("the text does not name the controller `{0}` (CV-06)")]
    ControllerNotNamed(String),
    /// The channel is not named in the text (CV-06).
    #[error("the text does not say that it is about e-mail (CV-06)")]
    ChannelNotNamed,
    /// A purpose without a label, or a label without a purpose (CV-04).
    #[error("the purposes and the labels do not match at `{0}` (CV-04)")]
    Labels(String),
    /// The purpose's name does not occur in the text (CV-06).
    #[error("the text does not name the purpose `{0}` (CV-06)")]
    PurposeNotNamed(String),
    /// A category in place of a name (CV-05).
    #[error("`{0}` is a category, not the name of a controller (CV-05)")]
    Category(String),
    /// The two answers read the same.
    #[error("the captions of yes and no must differ")]
    SameCaptions,
    /// Guilt or pressure in a caption (8.2 "stirring", DK-01).
    #[error("the caption `{0}` presses the reader; say plainly yes and no (DK-01)")]
    Pressing(String),
    /// Too long to be read.
    #[error("`{0}` is longer than {1} characters")]
    TooLong(&'static str, usize),
    /// More purposes than fit on one page (section 8.2 "overloading").
    #[error("a notice has 1 to 6 purposes")]
    TooManyPurposes,
}

/// Words that stand for a category of recipients rather than a name (CV-05, the Join the Triboo case).
const CATEGORIES: &[&str] = &[
    "partner",
    "third part",
    "affiliate",
    "selected compan",
    "other compan",
    "sponsor",
    "advertis",
    "group compan",
    "dritte",
    "werbepartner",
    "unternehmen der",
    "partenaire",
    "socios",
];

/// Captions that make a "no" embarrassing.
const PRESSING: &[&str] = &[
    "i don't like",
    "i do not like",
    "don't care",
    "miss out",
    "no thanks, i",
    "rather pay",
    "hate sav",
    "verzichte auf",
];

impl NoticeWording {
    /// Every fault, in the order of reading; empty when the notice may be published.
    pub fn faults(&self, purposes: &[Purpose]) -> Vec<NoticeFault> {
        let mut faults = Vec::new();
        for (name, text, limit) in [
            ("language", &self.language, 35),
            ("title", &self.title, 200),
            ("introduction", &self.introduction, 4000),
            ("yes", &self.yes, 60),
            ("no", &self.no, 60),
            ("send", &self.send, 60),
            ("controller_name", &self.controller_name, 200),
            ("withdrawal", &self.withdrawal, 1000),
        ] {
            if text.trim().is_empty() {
                faults.push(NoticeFault::Empty(name));
            } else if text.chars().count() > limit {
                faults.push(NoticeFault::TooLong(name, limit));
            }
        }
        if purposes.is_empty() || purposes.len() > 6 {
            faults.push(NoticeFault::TooManyPurposes);
        }
        let labels: String = self.labels.iter().map(|l| l.label.as_str()).collect::<Vec<_>>().join(" ");
        let text = format!("{} {} {labels}", self.title, self.introduction).to_lowercase();
        let controller = self.controller_name.trim().to_lowercase();
        if !controller.is_empty() && !text.contains(&controller) {
            faults.push(NoticeFault::ControllerNotNamed(self.controller_name.clone()));
        }
        if !["e-mail", "email", "mail", "courriel", "correo"].iter().any(|word| text.contains(word)) {
            faults.push(NoticeFault::ChannelNotNamed);
        }
        self.label_faults(purposes, &text, &mut faults);
        for party in &self.third_parties {
            let lower = party.to_lowercase();
            if party.trim().is_empty() || CATEGORIES.iter().any(|word| lower.contains(word)) {
                faults.push(NoticeFault::Category(party.clone()));
            }
        }
        if !self.yes.trim().is_empty() && self.yes.trim().eq_ignore_ascii_case(self.no.trim()) {
            faults.push(NoticeFault::SameCaptions);
        }
        for caption in [&self.yes, &self.no] {
            let lower = caption.to_lowercase();
            if PRESSING.iter().any(|word| lower.contains(word)) {
                faults.push(NoticeFault::Pressing(caption.clone()));
            }
        }
        faults
    }

    fn label_faults(&self, purposes: &[Purpose], text: &str, faults: &mut Vec<NoticeFault>) {
        for purpose in purposes {
            let slug = purpose.slug.as_str();
            match self.labels.iter().filter(|l| l.purpose == slug).count() {
                1 => {}
                _ => faults.push(NoticeFault::Labels(slug.to_owned())),
            }
            if !text.contains(&purpose.label.to_lowercase()) {
                faults.push(NoticeFault::PurposeNotNamed(purpose.label.clone()));
            }
        }
        for label in &self.labels {
            if label.label.trim().is_empty() || !purposes.iter().any(|p| p.slug.as_str() == label.purpose) {
                faults.push(NoticeFault::Labels(label.purpose.clone()));
            }
        }
    }

    /// The bytes that are hashed and kept: the wording as JSON with members in the order of their declaration.
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and lists of strings always serialise")
    }

    /// The label of a purpose.
    pub fn label(&self, slug: &str) -> Option<&str> {
        self.labels.iter().find(|l| l.purpose == slug).map(|l| l.label.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::PurposeId;
    use crate::domain::purpose::{Channel, PurposeKind};
    use crate::domain::slug::Slug;
    use crate::domain::time::Period;

    fn newsletter() -> Purpose {
        Purpose {
            id: PurposeId::from_uuid(uuid::Uuid::nil()),
            slug: Slug::parse("newsletter").unwrap(),
            label: "Newsletter".into(),
            description: "Monthly news".into(),
            channel: Channel::Email,
            kind: PurposeKind::Marketing,
            validity: Period::parse("P24M").unwrap(),
            refresh_window: Period::parse("P60D").unwrap(),
            double_opt_in: true,
            mail_corporate: false,
        }
    }

    fn wording() -> NoticeWording {
        NoticeWording {
            language: "en-GB".into(),
            title: "Stay in touch with Acme Gardens".into(),
            introduction: "Acme Gardens would like to send you its newsletter by e-mail.".into(),
            labels: vec![PurposeLabel { purpose: "newsletter".into(), label: "The monthly newsletter".into() }],
            yes: "Yes".into(),
            no: "No".into(),
            send: "Send my answer".into(),
            controller_name: "Acme Gardens".into(),
            third_parties: vec![],
            withdrawal: "You can stop at any time by the link in each mail.".into(),
        }
    }

    #[test]
    fn a_whole_notice_has_no_faults() {
        assert_eq!(wording().faults(&[newsletter()]), vec![]);
    }

    #[test]
    fn what_the_tribunals_struck_down_is_refused() {
        type Spoil = fn(&mut NoticeWording);
        let cases: &[(Spoil, NoticeFault)] = &[
            (|w| w.withdrawal.clear(), NoticeFault::Empty("withdrawal")),
            (
                |w| {
                    w.title = "I agree to marketing".into();
                    w.introduction = "Newsletter by e-mail".into()
                },
                NoticeFault::ControllerNotNamed("Acme Gardens".into()),
            ),
            (|w| w.introduction = "Acme Gardens has a newsletter.".into(), NoticeFault::ChannelNotNamed),
            (|w| w.labels.clear(), NoticeFault::Labels("newsletter".into())),
            (
                |w| w.labels.push(PurposeLabel { purpose: "offers".into(), label: "Offers".into() }),
                NoticeFault::Labels("offers".into()),
            ),
            (
                |w| w.third_parties.push("our selected partners".into()),
                NoticeFault::Category("our selected partners".into()),
            ),
            (|w| w.no = "yes".into(), NoticeFault::SameCaptions),
            (
                |w| w.no = "No, I don't like saving money".into(),
                NoticeFault::Pressing("No, I don't like saving money".into()),
            ),
        ];
        for (spoil, fault) in cases {
            let mut spoiled = wording();
            spoil(&mut spoiled);
            assert!(
                spoiled.faults(&[newsletter()]).contains(fault),
                "{fault:?} was not found in {:?}",
                spoiled.faults(&[newsletter()])
            );
        }
    }
}
