//! One context in, one finished mail out: subject, HTML and text.
//!
//! The layouts beside this file are embedded and rendered by an engine without loader, with strict undefined variables,
//! automatic escaping, and bounds on work, depth and output. The re-permission mail carries the marketer's body
//! inside a frame that always has the answer page, the policy, the reason and the way out; the confirmation mail is
//! neutral and says nothing that a stranger could have typed, except the address (DO-02, DO-04, R-22).

use std::{fmt, sync::LazyLock};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use super::{
    phrases::{Phrases, fill, for_language},
    template::{MAX_BODY, MAX_SUBJECT, TemplateProblem, one_line},
};

/// Personal data is not shown.
macro_rules! silent_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

mod address_change;
mod repermission;

pub use address_change::{AddressChangeContext, address_change};
pub use repermission::{Mould, Recipient, RepermissionContext, RepermissionTerms, repermission};

/// Largest HTML or text part, in octets.
pub const MAX_OUTPUT: usize = 256 * 1024;
/// Longest link, so that no line gets near the wire's bound.
const MAX_LINK: usize = 900;
/// Most purposes in one mail.
const MAX_PURPOSES: usize = 50;
/// Steps that one layout may take; a mail needs a few hundred.
const FUEL: u64 = 50_000;

/// What a double opt-in confirmation says.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ConfirmationContext {
    /// BCP 47 tag; English when unknown.
    pub language: String,
    /// The address that was submitted: the only thing here that the submitter typed.
    pub address: String,
    /// The site where it was submitted, from the controller's settings.
    pub site: String,
    /// The controller's name.
    pub controller: String,
    /// The controller's postal address on one line.
    pub postal: String,
    /// Where a person can write.
    pub reply_address: String,
    /// What was asked for, in words for people.
    pub purposes: Vec<String>,
    /// When, in words ([`Phrases::moment`]).
    pub requested_at: String,
    /// Until when the link works, in words; empty to leave it out.
    pub valid_until: String,
    /// The page where the person confirms.
    pub confirm_link: String,
    /// The page for "not me, never mail me".
    pub not_me_link: String,
    /// The privacy policy.
    pub policy_link: String,
    /// The privacy policy's name.
    pub policy_label: String,
}

/// A finished mail, not yet bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Subject line.
    pub subject: String,
    /// HTML part.
    pub html: String,
    /// Text part.
    pub text: String,
}

silent_debug!(ConfirmationContext, Rendered);

/// Why a mail could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The marketer's text is not fit.
    #[error(transparent)]
    Template(#[from] TemplateProblem),
    /// A link that is not http(s), too long, or with characters that end it early.
    #[error("{0} is not a usable address")]
    BadLink(&'static str),
    /// A required value is empty.
    #[error("{0} is empty")]
    Missing(&'static str),
    /// Too many purposes or more output than the bound.
    #[error("the mail is larger than its bound")]
    TooLarge,
    /// The layout failed: a defect of ours. Names the layout only.
    #[error("the layout {0} failed")]
    Layout(&'static str),
}

/// Renders the neutral confirmation mail of a double opt-in.
///
/// # Errors
/// [`RenderError`] when a value is not fit.
pub fn confirmation(mail: &ConfirmationContext) -> Result<Rendered, RenderError> {
    let links =
        [("confirm_link", &mail.confirm_link), ("not_me_link", &mail.not_me_link), ("policy_link", &mail.policy_link)];
    check_links(&links)?;
    let required = [
        ("controller", &mail.controller),
        ("site", &mail.site),
        ("address", &mail.address),
        ("requested_at", &mail.requested_at),
        ("policy_label", &mail.policy_label),
    ];
    check_present(&required, &mail.purposes)?;

    let words = for_language(&mail.language);
    let (site, controller, address) = (one_line(&mail.site), one_line(&mail.controller), one_line(&mail.address));
    let (when, until) = (one_line(&mail.requested_at), one_line(&mail.valid_until));
    let subject = subject(&fill(words.confirm_subject, &[("site", &site)]))?;
    let filled = context! {
        intro => fill(words.confirm_intro, &[("when", &when), ("site", &site), ("address", &address)]),
        by => fill(words.confirm_by, &[("controller", &controller)]),
        until => if until.is_empty() { String::new() } else { fill(words.confirm_until, &[("until", &until)]) },
    };
    let values = context! { t => phrases(words), c => one_line_each(mail), s => filled, subject => &subject };
    Ok(Rendered {
        html: layout_html("confirmation.html", values.clone())?,
        text: layout_text("confirmation.txt", values)?,
        subject,
    })
}

/// The phrases that the layouts show as they are.
fn phrases(words: &Phrases) -> Value {
    context! {
        language => words.language, answer_button => words.answer_button, answer_note => words.answer_note,
        why_title => words.why_title, withdraw => words.withdraw, questions => words.questions,
        confirm_preheader => words.confirm_preheader, confirm_title => words.confirm_title,
        confirm_button => words.confirm_button, confirm_note => words.confirm_note, ignore => words.ignore,
        not_me => words.not_me, move_preheader => words.move_preheader, move_title => words.move_title,
        move_nothing => words.move_nothing, move_button => words.move_button, move_note => words.move_note,
        move_ignore => words.move_ignore,
    }
}

/// The context for a layout, each text made one harmless line: a name with a line break must not forge a line of the
/// text part.
fn one_line_each<C: Serialize>(context: &C) -> Value {
    fn clean(value: &Value) -> Value {
        if let Some(text) = value.as_str() {
            return Value::from(one_line(text));
        }
        match value.try_iter() {
            Ok(items) => items.map(|item| clean(&item)).collect(),
            Err(_) => value.clone(),
        }
    }
    let value = Value::from(minijinja::value::Serde(context));
    let Ok(keys) = value.try_iter() else {
        return value;
    };
    Value::from_pairs(keys.map(|key| {
        let item = value.get_item(&key).unwrap_or_default();
        (key, clean(&item))
    }))
}

/// Cut to the bound rather than refused: a long name must not keep a person from being asked.
fn subject(text: &str) -> Result<String, RenderError> {
    let line = one_line(text);
    if line.is_empty() {
        return Err(RenderError::Missing("subject"));
    }
    Ok(match line.char_indices().nth(MAX_SUBJECT) {
        None => line,
        Some(_) => line.chars().take(MAX_SUBJECT - 1).chain(['…']).collect(),
    })
}

fn check_links(links: &[(&'static str, &String)]) -> Result<(), RenderError> {
    let good = |link: &str| {
        let scheme = link.starts_with("https://") || link.starts_with("http://");
        let clean = link.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"'`\\(){}".contains(&b));
        scheme && clean && link.len() <= MAX_LINK
    };
    match links.iter().find(|(_, link)| !good(link)) {
        Some((name, _)) => Err(RenderError::BadLink(name)),
        None => Ok(()),
    }
}

fn check_required(required: &[(&'static str, &String)]) -> Result<(), RenderError> {
    if let Some((name, _)) = required.iter().find(|(_, value)| value.trim().is_empty()) {
        return Err(RenderError::Missing(name));
    }
    if required.iter().any(|(_, value)| value.len() > MAX_BODY) { Err(RenderError::TooLarge) } else { Ok(()) }
}

fn check_present(required: &[(&'static str, &String)], purposes: &[String]) -> Result<(), RenderError> {
    check_required(required)?;
    if purposes.is_empty() || purposes.iter().any(|purpose| purpose.trim().is_empty()) {
        return Err(RenderError::Missing("purposes"));
    }
    if purposes.len() > MAX_PURPOSES { Err(RenderError::TooLarge) } else { Ok(()) }
}

/// The engine with every layout. A layout that does not parse is left out here and found by the tests.
static LAYOUTS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.remove_global("debug");
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_recursion_limit(20);
    engine.set_fuel(Some(FUEL));
    engine.set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
    // The engine's own escaping writes `/` as a character reference, which some mail programs do not undo in links.
    engine.set_formatter(|out, state, value| {
        if *state.auto_escape() == AutoEscape::Html && !value.is_safe() {
            return out.write_str(&escape_html(&value.to_string())).map_err(Into::into);
        }
        out.write_str(&value.to_string()).map_err(Into::into)
    });
    for (name, source) in [
        ("frame.html", include_str!("templates/frame.html")),
        ("repermission.html", include_str!("templates/repermission.html")),
        ("repermission.txt", include_str!("templates/repermission.txt")),
        ("confirmation.html", include_str!("templates/confirmation.html")),
        ("confirmation.txt", include_str!("templates/confirmation.txt")),
        ("address_change.html", include_str!("templates/address_change.html")),
        ("address_change.txt", include_str!("templates/address_change.txt")),
    ] {
        let parsed = engine.add_template(name, source);
        debug_assert!(parsed.is_ok(), "{name}: {parsed:?}");
    }
    engine
});

pub(super) fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

fn layout_html(name: &'static str, values: Value) -> Result<String, RenderError> {
    let rendered = LAYOUTS.get_template(name).and_then(|layout| layout.render(values));
    let rendered = rendered.map_err(|_| RenderError::Layout(name))?;
    if rendered.len() > MAX_OUTPUT { Err(RenderError::TooLarge) } else { Ok(rendered) }
}

/// The text layout, with runs of blank lines made one.
fn layout_text(name: &'static str, values: Value) -> Result<String, RenderError> {
    let rendered = layout_html(name, values)?;
    let mut out = String::with_capacity(rendered.len());
    for line in rendered.lines() {
        let line = line.trim_end();
        if !(line.is_empty() && (out.is_empty() || out.ends_with("\n\n"))) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    Ok(out)
}

#[cfg(test)]
mod tests;
