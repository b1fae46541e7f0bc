//! The marketer's words: subject, preheader and Markdown body with a few named variables.
//!
//! There is no logic in these texts: `{{ name }}` and its like stand for themselves, anything else in braces is a
//! typed problem, found when the campaign is created and not on the day of sending. Values never meet the Markdown
//! parser: each variable becomes one private character first and its value is put in after parsing, so that a name
//! like `[x](http://evil)` can only ever be text.

use super::markdown;
use super::mould::LINK;

/// Longest subject or preheader, in characters.
pub const MAX_SUBJECT: usize = 200;
/// Longest body, in octets.
pub const MAX_BODY: usize = 64 * 1024;
/// Most variables in one text, so that values cannot multiply it without end.
const MAX_VARIABLES: usize = 200;
/// Longest value, in characters.
pub(super) const MAX_VALUE: usize = 1000;
/// The private characters that stand for variables begin here.
const FIRST_MARK: u32 = 0xF_0000;

/// What may stand between the braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variable {
    /// The person's name; may be empty.
    Name,
    /// "Hello Ana," or "Hello,".
    Greeting,
    /// The controller's name.
    Controller,
    /// What is asked for, as a list for people.
    Purposes,
    /// The page where the person chooses.
    AnswerLink,
    /// The page that ends it.
    WithdrawLink,
    /// The privacy policy.
    PolicyLink,
    /// The privacy policy's name.
    PolicyLabel,
    /// The day the round ends.
    Deadline,
}

impl Variable {
    /// Every variable.
    pub const ALL: [Self; 9] = [
        Self::Name,
        Self::Greeting,
        Self::Controller,
        Self::Purposes,
        Self::AnswerLink,
        Self::WithdrawLink,
        Self::PolicyLink,
        Self::PolicyLabel,
        Self::Deadline,
    ];

    /// The word between the braces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Greeting => "greeting",
            Self::Controller => "controller",
            Self::Purposes => "purposes",
            Self::AnswerLink => "answer_link",
            Self::WithdrawLink => "withdraw_link",
            Self::PolicyLink => "policy_link",
            Self::PolicyLabel => "policy_label",
            Self::Deadline => "deadline",
        }
    }

    /// Whether its value is an address.
    #[must_use]
    pub const fn is_link(self) -> bool {
        matches!(self, Self::AnswerLink | Self::WithdrawLink | Self::PolicyLink)
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.name() == word)
    }

    /// The private character that stands for it while Markdown is parsed.
    fn mark(self) -> char {
        let offset = Self::ALL.iter().position(|v| *v == self).unwrap_or_default();
        u32::try_from(offset).ok().and_then(|o| char::from_u32(FIRST_MARK + o)).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    /// The variable that a character stands for.
    pub(super) fn of_mark(c: char) -> Option<Self> {
        let offset = u32::from(c).checked_sub(FIRST_MARK)?;
        Self::ALL.get(usize::try_from(offset).ok()?).copied()
    }
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateProblem {
    /// A name that is not on the list.
    #[error(
        "there is no variable called \"{name}\"; known are name, greeting, controller, purposes, answer_link, withdraw_link, policy_link, policy_label and deadline"
    )]
    UnknownVariable {
        /// What stood between the braces, cut to 60 characters.
        name: String,
    },
    /// `{{` without `}}`.
    #[error("a \"{{{{\" has no \"}}}}\"")]
    Unclosed,
    /// `{%` or `{#`.
    #[error("conditions, loops and comments are not supported in a mail text")]
    Logic,
    /// More than the bound.
    #[error("{field} is longer than {limit}")]
    TooLong {
        /// Subject, preheader or body.
        field: &'static str,
        /// Characters for subject and preheader, octets for the body.
        limit: usize,
    },
    /// Nothing but space.
    #[error("{field} is empty")]
    Empty {
        /// Subject or body.
        field: &'static str,
    },
    /// A personal link in a line that other programs show and log.
    #[error("\"{name}\" may stand in the body only, not in {field}")]
    LinkOutsideBody {
        /// Subject or preheader.
        field: &'static str,
        /// The variable.
        name: &'static str,
    },
    /// A link that is put together from a variable that is no link.
    #[error("\"{name}\" is not an address and cannot be the target of a link")]
    NotALink {
        /// The variable.
        name: &'static str,
    },
    /// A link made of more than the variable.
    #[error("a link variable must be the whole target of its link")]
    MixedLink,
    /// Lists and quotes nested beyond reason.
    #[error("lists, quotes and emphasis are nested too deeply")]
    TooDeep,
    /// More variables than the bound.
    #[error("more than {MAX_VARIABLES} variables in one text")]
    TooManyVariables,
    /// The address that stands in for personal links while a mail is made.
    #[error("{field} holds {LINK}, which stands for personal links here")]
    ReservedAddress {
        /// Subject, preheader or body.
        field: &'static str,
    },
    /// A control, direction override or private-use character.
    #[error("{field} holds a control or invisible character")]
    BadCharacter {
        /// Subject, preheader or body.
        field: &'static str,
    },
}

/// The three texts that a marketer writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailTemplate {
    /// The subject line.
    pub subject: String,
    /// The line that inboxes show after the subject; may be empty.
    pub preheader: String,
    /// The body in Markdown.
    pub body: String,
}

impl MailTemplate {
    /// Checks all three texts.
    ///
    /// # Errors
    /// The first [`TemplateProblem`].
    pub fn check(&self) -> Result<(), TemplateProblem> {
        if self.subject.trim().is_empty() {
            return Err(TemplateProblem::Empty { field: "subject" });
        }
        check_line("subject", &self.subject)?;
        check_line("preheader", &self.preheader)?;
        check_template(&self.body)
    }
}

/// Checks a body: its variables, its bounds and the targets of its links.
///
/// # Errors
/// The first [`TemplateProblem`].
pub fn check_template(body: &str) -> Result<(), TemplateProblem> {
    if body.trim().is_empty() {
        return Err(TemplateProblem::Empty { field: "body" });
    }
    if body.len() > MAX_BODY {
        return Err(TemplateProblem::TooLong { field: "body", limit: MAX_BODY });
    }
    markdown::check_structure(&marked("body", body)?)
}

fn check_line(field: &'static str, text: &str) -> Result<(), TemplateProblem> {
    if text.chars().count() > MAX_SUBJECT {
        return Err(TemplateProblem::TooLong { field, limit: MAX_SUBJECT });
    }
    let marked = marked(field, text)?;
    if marked.contains(['\n', '\t']) {
        return Err(TemplateProblem::BadCharacter { field });
    }
    match marked.chars().filter_map(Variable::of_mark).find(|v| v.is_link()) {
        Some(link) => Err(TemplateProblem::LinkOutsideBody { field, name: link.name() }),
        None => Ok(()),
    }
}

/// The text with each variable replaced by its private character and line ends made LF.
pub(super) fn marked(field: &'static str, text: &str) -> Result<String, TemplateProblem> {
    let private = |c: char| matches!(u32::from(c), 0xE000..=0xF8FF | 0xF_0000..);
    let bad =
        |c: char| private(c) || (super::wire::is_unsafe_in_header(c) && !matches!(c, '\n' | '\r' | '\t' | '\u{ad}'));
    if text.chars().any(bad) {
        return Err(TemplateProblem::BadCharacter { field });
    }
    if text.contains(LINK) {
        return Err(TemplateProblem::ReservedAddress { field });
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut count = 0;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if from.starts_with("{%") || from.starts_with("{#") {
            return Err(TemplateProblem::Logic);
        }
        let Some(inner) = from.strip_prefix("{{") else {
            out.push('{');
            rest = from.get(1..).unwrap_or_default();
            continue;
        };
        let (word, after) = inner.split_once("}}").ok_or(TemplateProblem::Unclosed)?;
        let variable = Variable::parse(word.trim())
            .ok_or_else(|| TemplateProblem::UnknownVariable { name: word.trim().chars().take(60).collect() })?;
        count += 1;
        if count > MAX_VARIABLES {
            return Err(TemplateProblem::TooManyVariables);
        }
        out.push(variable.mark());
        rest = after;
    }
    out.push_str(rest);
    Ok(out.replace("\r\n", "\n").replace('\r', "\n"))
}

/// The values of one mail's variables, made harmless for one line of text.
#[derive(Clone)]
pub(super) struct Values([String; Variable::ALL.len()]);

impl Values {
    /// Takes the value of each variable and strips controls, direction overrides and surplus space.
    pub(super) fn new(value_of: impl Fn(Variable) -> String) -> Self {
        Self(Variable::ALL.map(|variable| one_line(&value_of(variable))))
    }

    /// Takes values that are harmless already, or stand in for such.
    pub(super) fn made(value_of: impl Fn(Variable) -> String) -> Self {
        Self(Variable::ALL.map(value_of))
    }

    pub(super) fn get(&self, variable: Variable) -> &str {
        Variable::ALL.iter().position(|v| *v == variable).and_then(|at| self.0.get(at)).map_or("", String::as_str)
    }

    /// A marked text with the values put in, for places that are plain text.
    pub(super) fn fill(&self, marked: &str) -> String {
        let mut out = String::with_capacity(marked.len());
        for c in marked.chars() {
            match Variable::of_mark(c) {
                Some(variable) => out.push_str(self.get(variable)),
                None => out.push(c),
            }
        }
        out
    }
}

/// Any text as one harmless line: what must not stand in a header becomes a space, an RFC 2047 opening is broken up.
pub(super) fn one_line(text: &str) -> String {
    // Characters of private use stand for variables and gaps.
    lined(text.chars().map(|c| if matches!(u32::from(c), 0xF_0000..) { ' ' } else { c }))
}

/// [`one_line`] of a marked text, whose marks stay.
pub(super) fn one_line_marked(marked: &str) -> String {
    lined(marked.chars())
}

fn lined(text: impl Iterator<Item = char>) -> String {
    let safe = |c| if super::wire::is_unsafe_in_header(c) { ' ' } else { c };
    let mut out = String::new();
    for c in text.take(MAX_VALUE).map(safe) {
        match c {
            _ if c.is_whitespace() => {
                if !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            '?' if out.ends_with('=') => out.push_str(" ?"),
            c => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::{super::default_text::default_repermission_template, *};

    #[test]
    fn problems_are_named() {
        let unknown = |name: &str| TemplateProblem::UnknownVariable { name: name.to_owned() };
        let rows = [
            ("Hi {{ nmae }}", unknown("nmae")),
            ("Hi {{ name | upper }}", unknown("name | upper")),
            ("Hi {{ }}", unknown("")),
            ("Hi {{{ name }}}", unknown("{ name")),
            ("Hi {{ name", TemplateProblem::Unclosed),
            ("{% if name %}x{% endif %}", TemplateProblem::Logic),
            ("{# x #}", TemplateProblem::Logic),
            ("  \n", TemplateProblem::Empty { field: "body" }),
            ("a\u{202e}b", TemplateProblem::BadCharacter { field: "body" }),
            ("a\u{f0000}b", TemplateProblem::BadCharacter { field: "body" }),
            ("[x]({{ name }})", TemplateProblem::NotALink { name: "name" }),
            ("[x](<https://e.example/{{ name }}>)", TemplateProblem::NotALink { name: "name" }),
            ("[x](https://e.example/?u={{answer_link}})", TemplateProblem::MixedLink),
            ("[x]: {{ name }}\n\n[x]", TemplateProblem::NotALink { name: "name" }),
            ("[x](https://gap.invalid/y)", TemplateProblem::ReservedAddress { field: "body" }),
        ];
        for (text, problem) in rows {
            assert_eq!(check_template(text), Err(problem), "{text}");
        }
        for fine in
            ["a { b } }} c", "[x]({{ answer_link }})", "[x](<{{answer_link}}>)", "{{name}}{{ name }}", "\r\nx\r\n"]
        {
            assert_eq!(check_template(fine), Ok(()), "{fine}");
        }
    }

    #[test]
    fn bounds() {
        let mut t = default_repermission_template("en");
        t.subject = "x".repeat(201);
        assert_eq!(t.check(), Err(TemplateProblem::TooLong { field: "subject", limit: 200 }));
        t.subject = "x {{ answer_link }}".to_owned();
        assert_eq!(t.check(), Err(TemplateProblem::LinkOutsideBody { field: "subject", name: "answer_link" }));
        t.subject = "a\nb".to_owned();
        assert_eq!(t.check(), Err(TemplateProblem::BadCharacter { field: "subject" }));
        assert_eq!(
            check_template(&"x".repeat(MAX_BODY + 1)),
            Err(TemplateProblem::TooLong { field: "body", limit: MAX_BODY })
        );
        assert_eq!(check_template(&"{{name}}".repeat(201)), Err(TemplateProblem::TooManyVariables));
    }

    #[test]
    fn each_mark_is_its_own() {
        for variable in Variable::ALL {
            assert_eq!(Variable::of_mark(variable.mark()), Some(variable));
            assert_eq!(Variable::parse(variable.name()), Some(variable));
        }
    }
}
