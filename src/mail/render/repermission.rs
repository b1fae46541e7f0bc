//! The re-permission mail: rendered once for all who are asked on the same terms, with gaps for what is each person's own.

use std::fmt;

use minijinja::{Value, context};
use serde::Serialize;

use super::super::markdown;
use super::super::mould::{Fillings, Gap, Pattern};
use super::super::phrases::{fill, for_language};
use super::super::template::{MailTemplate, Values, Variable, marked, one_line, one_line_marked};
use super::{
    MAX_OUTPUT, RenderError, Rendered, check_links, check_present, escape_html, layout_html, layout_text,
    one_line_each, phrases, subject,
};

/// Longest name that a person is greeted with, in characters.
const MAX_NAME: usize = 100;

/// What a re-permission mail says to all who are asked on the same terms.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct RepermissionTerms {
    /// BCP 47 tag; English when unknown.
    pub language: String,
    /// The controller's name.
    pub controller: String,
    /// The controller's postal address on one line.
    pub postal: String,
    /// Where a person can write.
    pub reply_address: String,
    /// What is asked for, in words for people.
    pub purposes: Vec<String>,
    /// The privacy policy.
    pub policy_link: String,
    /// The privacy policy's name.
    pub policy_label: String,
    /// The day the round ends, in words ([`Phrases::date`](super::Phrases::date)); empty when it has none.
    pub deadline: String,
}

/// What a re-permission mail says to one person alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The person's name; may be empty.
    pub name: String,
    /// The page where the person chooses.
    pub answer_link: String,
    /// The page that ends it.
    pub withdraw_link: String,
    /// Why this person may be written to, as a sentence in the mail's language.
    pub basis: String,
}

/// What a re-permission mail says to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct RepermissionContext {
    /// What it says to all.
    pub terms: RepermissionTerms,
    /// What it says to this person alone.
    pub to: Recipient,
}

silent_debug!(Recipient, RepermissionContext, Mould);

impl Recipient {
    /// Whether there is a name to greet them by.
    pub fn is_named(&self) -> bool {
        !one_line(spoken_name(&self.name)).is_empty()
    }

    /// Their values for the gaps.
    fn fillings(&self) -> Result<Fillings, RenderError> {
        check_links(&[("answer_link", &self.answer_link), ("withdraw_link", &self.withdraw_link)])?;
        if self.basis.trim().is_empty() {
            return Err(RenderError::Missing("basis"));
        }
        Ok(Fillings::new(|gap| match gap {
            Gap::Name => spoken_name(&self.name).to_owned(),
            Gap::AnswerLink => self.answer_link.clone(),
            Gap::WithdrawLink => self.withdraw_link.clone(),
            Gap::Basis => self.basis.clone(),
        }))
    }
}

/// The mail that all get who are asked on the same terms, with gaps for what is their own.
#[derive(Clone)]
pub struct Mould {
    pub(in crate::mail) subject: Pattern,
    pub(in crate::mail) html: Pattern,
    pub(in crate::mail) text: Pattern,
}

impl Mould {
    /// Renders what is common; `named` says whether it is for people whose name is known ([`Recipient::is_named`]).
    ///
    /// # Errors
    /// [`RenderError`] when the text or a value is not fit.
    pub fn new(template: &MailTemplate, terms: &RepermissionTerms, named: bool) -> Result<Self, RenderError> {
        check_links(&[("policy_link", &terms.policy_link)])?;
        let required =
            [("controller", &terms.controller), ("postal", &terms.postal), ("policy_label", &terms.policy_label)];
        check_present(&required, &terms.purposes)?;
        template.check()?;

        let words = for_language(&terms.language);
        let name = if named { Gap::Name.stand_in() } else { String::new() };
        let values = Values::made(|variable| match variable {
            Variable::Name => name.clone(),
            Variable::Greeting => words.greeting(&name),
            Variable::Controller => one_line(&terms.controller),
            Variable::Purposes => one_line(&words.list(&terms.purposes)),
            Variable::AnswerLink => Gap::AnswerLink.stand_in(),
            Variable::WithdrawLink => Gap::WithdrawLink.stand_in(),
            Variable::PolicyLink => terms.policy_link.clone(),
            Variable::PolicyLabel => one_line(&terms.policy_label),
            Variable::Deadline => one_line(&terms.deadline),
        });
        let subject = values.fill(&one_line_marked(&marked("subject", &template.subject)?));
        let preheader = values.fill(&one_line_marked(&marked("preheader", &template.preheader)?));
        let body = markdown::render(&marked("body", &template.body)?, &values);
        let (deadline, controller) = (one_line(&terms.deadline), one_line(&terms.controller));
        let filled = context! {
            deadline_note => if deadline.is_empty() { String::new() } else { fill(words.deadline_note, &[("deadline", &deadline)]) },
            sent_by => fill(words.sent_by, &[("controller", &controller)]),
        };
        let own = context! {
            answer_link => Gap::AnswerLink.stand_in(), withdraw_link => Gap::WithdrawLink.stand_in(),
            basis => Gap::Basis.stand_in(), ..one_line_each(terms)
        };
        let layout = |body: Value| {
            context! {
                t => phrases(words), c => own.clone(), s => filled.clone(), subject => &subject, preheader => &preheader, body,
            }
        };
        let pattern = |text: &str| Pattern::new(text).ok_or(RenderError::Layout("of a gap"));
        Ok(Self {
            html: pattern(&layout_html("repermission.html", layout(Value::from_safe_string(body.html)))?)?,
            text: pattern(&layout_text("repermission.txt", layout(Value::from(body.text)))?)?,
            subject: pattern(&subject)?,
        })
    }

    /// A person's values for the gaps.
    pub(in crate::mail) fn fillings(&self, to: &Recipient) -> Result<Fillings, RenderError> {
        let own = to.fillings()?;
        let large = self.html.size(&own).max(self.text.size(&own)) > MAX_OUTPUT;
        if large { Err(RenderError::TooLarge) } else { Ok(own) }
    }

    /// The subject line for one person.
    pub(in crate::mail) fn subject(&self, own: &Fillings) -> Result<String, RenderError> {
        subject(&self.subject.fill(own, str::to_owned))
    }

    /// The mail for one person.
    ///
    /// # Errors
    /// [`RenderError`] when a value is not fit.
    pub fn fill(&self, to: &Recipient) -> Result<Rendered, RenderError> {
        let own = self.fillings(to)?;
        Ok(Rendered {
            subject: self.subject(&own)?,
            html: self.html.fill(&own, escape_html),
            text: self.text.fill(&own, str::to_owned),
        })
    }
}

/// Renders a re-permission mail (or its reminder) for one person.
///
/// # Errors
/// [`RenderError`] when the text or a value is not fit.
pub fn repermission(template: &MailTemplate, mail: &RepermissionContext) -> Result<Rendered, RenderError> {
    Mould::new(template, &mail.terms, mail.to.is_named())?.fill(&mail.to)
}

/// The name as it may be spoken to. Mail programs make links of what looks like an address even in plain text, so a
/// "name" that holds one is an advertisement by whoever filled in the form: it is left out.
fn spoken_name(name: &str) -> &str {
    let lower = name.to_lowercase();
    let advertises = lower.contains("://") || lower.contains("www.") || lower.contains(['@', '<', '>']);
    if advertises || name.chars().count() > MAX_NAME { "" } else { name.trim() }
}
