//! The template engine, held short: embedded templates, no loader, no built-in functions or filters but the
//! few added here, undefined variables are errors, HTML escaping always on, limits on steps, depth and output.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, HtmlEscape, State, UndefinedBehavior};
use serde::Serialize;

use super::stylesheet::stylesheet;
use super::texts;
use crate::domain::time::Timestamp;

/// Every template, by name.
pub(super) const TEMPLATES: [(&str, &str); 26] = [
    ("answer.html", include_str!("templates/answer.html")),
    ("base.html", include_str!("templates/base.html")),
    ("confirm.html", include_str!("templates/confirm.html")),
    ("decided.html", include_str!("templates/decided.html")),
    ("form.html", include_str!("templates/form.html")),
    ("form_done.html", include_str!("templates/form_done.html")),
    ("link_problem.html", include_str!("templates/link_problem.html")),
    ("message.html", include_str!("templates/message.html")),
    ("connect.html", include_str!("templates/connect.html")),
    ("no_preferences.html", include_str!("templates/no_preferences.html")),
    ("move.html", include_str!("templates/move.html")),
    ("move_done.html", include_str!("templates/move_done.html")),
    ("not_me.html", include_str!("templates/not_me.html")),
    ("not_me_done.html", include_str!("templates/not_me_done.html")),
    ("part_change.html", include_str!("templates/part_change.html")),
    ("part_held.html", include_str!("templates/part_held.html")),
    ("part_known.html", include_str!("templates/part_known.html")),
    ("part_name.html", include_str!("templates/part_name.html")),
    ("part_outcomes.html", include_str!("templates/part_outcomes.html")),
    ("part_problems.html", include_str!("templates/part_problems.html")),
    ("part_questions.html", include_str!("templates/part_questions.html")),
    ("part_trap.html", include_str!("templates/part_trap.html")),
    ("policy.html", include_str!("templates/policy.html")),
    ("preferences.html", include_str!("templates/preferences.html")),
    ("withdraw.html", include_str!("templates/withdraw.html")),
    ("withdrawn.html", include_str!("templates/withdrawn.html")),
];

/// Steps of the engine for one page; the longest notice takes less than a tenth.
const FUEL: u64 = 40_000;
/// Threat-model section 5.
const MAX_OUTPUT: usize = 256 * 1024;

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::Html);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(20);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    engine.set_syntax(syntax.expect("the usual delimiters are well formed"));
    engine.add_global("stylesheet", stylesheet().0);
    engine.add_function("t", translate);
    engine.add_function("titled", titled);
    // Only a `Sanitised` is written by it; the tests of the templates hold it to that.
    engine.add_function("sanitised", |html: &str| Value::from_safe_string(html.to_owned()));
    engine.add_function("moment", moment);
    engine.add_function("has_problem", has_problem);
    for (name, source) in TEMPLATES {
        engine.add_template(name, source).expect("embedded, and parsed by the tests");
    }
    engine
});

/// Renders a template. It cannot fail for a context of this module (the tests render each one); should it all the
/// same, the person gets plain words and the log the place, without what was on the page.
pub(super) fn render<C: Serialize>(template: &str, context: &C) -> String {
    match try_render(template, context) {
        Ok(page) => page,
        Err(error) => {
            tracing::error!(template, kind = ?error.kind(), line = error.line(), "a page could not be rendered");
            LAST_RESORT.to_owned()
        }
    }
}

/// As [`render`], with the error.
pub(super) fn try_render<C: Serialize>(template: &str, context: &C) -> Result<String, Error> {
    let page = ENGINE.get_template(template)?.render(Serde(context))?;
    if page.len() > MAX_OUTPUT {
        return Err(Error::new(ErrorKind::InvalidOperation, "the page is too long"));
    }
    Ok(page)
}

const LAST_RESORT: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>This page cannot be shown</title>\
<h1>This page cannot be shown</h1><p>The fault is ours. What you sent may already have been recorded: open the link again \
in a few minutes to see where things stand.</p></html>\n";

fn language(state: &State<'_, '_>) -> Result<Value, Error> {
    state.lookup("frame").unwrap_or_default().get_attr("lang")
}

/// `t("key", name=value)`: the text of the key in the page's language, as HTML. Values that are not HTML yet are escaped.
fn translate(state: &State<'_, '_>, key: &str, values: Kwargs) -> Result<Value, Error> {
    let language = language(state)?;
    let text = texts::text(language.as_str().unwrap_or_default(), key)
        .ok_or_else(|| Error::new(ErrorKind::UndefinedError, format!("no text `{key}`")))?;
    let escaped = HtmlEscape(text).to_string();
    let filled = texts::fill(&escaped, |name| {
        let value: Value = values.get(name).ok()?;
        let value_text = value.as_str()?;
        Some(Cow::Owned(if value.is_safe() { value_text.to_owned() } else { HtmlEscape(value_text).to_string() }))
    });
    values.assert_all_used()?;
    filled
        .map(Value::from_safe_string)
        .ok_or_else(|| Error::new(ErrorKind::UndefinedError, format!("a value is missing in `{key}`")))
}

/// `titled(what, controller)`: what a page is about and whose it is, for its title. A heading that names the controller
/// already says it once, and a page that is nobody's names nobody.
fn titled(state: &State<'_, '_>, what: Value, controller: &str) -> Result<Value, Error> {
    let words = what.as_str().unwrap_or_default();
    let named = words.to_lowercase().contains(&controller.to_lowercase());
    if named {
        return Ok(if what.is_safe() { what } else { Value::from_safe_string(HtmlEscape(words).to_string()) });
    }
    let controller = Value::from(controller);
    translate(state, "title", [("what", what), ("controller", controller)].into_iter().collect())
}

/// `moment(at)`: date and time of day in the page's language, as a `<time>` element.
fn moment(state: &State<'_, '_>, at: &str) -> Result<Value, Error> {
    let fault = |what: &'static str| Error::new(ErrorKind::InvalidOperation, what);
    let at = Timestamp::parse(at).map_err(|_| fault("not a moment"))?;
    let utc = at.calendar().to_zoned(jiff::tz::TimeZone::UTC);
    let language = language(state)?;
    let language = language.as_str().unwrap_or_default();
    let pattern = texts::text(language, "moment").ok_or_else(|| fault("no pattern for moments"))?;
    let month =
        texts::text(language, &format!("month_{}", utc.month())).ok_or_else(|| fault("no name of the month"))?;
    let shown = texts::fill(pattern, |part| match part {
        "day" => Some(utc.day().to_string().into()),
        "month" => Some(month.into()),
        "year" => Some(utc.year().to_string().into()),
        "time" => Some(format!("{:02}:{:02}", utc.hour(), utc.minute()).into()),
        _ => None,
    })
    .ok_or_else(|| fault("the pattern for moments has an unknown part"))?;
    let mut html = String::new();
    write!(html, "<time datetime=\"{}\">{}</time>", utc.strftime("%Y-%m-%dT%H:%M:%SZ"), HtmlEscape(&shown))
        .map_err(|_| fault("a moment cannot be written"))?;
    Ok(Value::from_safe_string(html))
}

/// `has_problem(problems, "email")`: whether one of the problems leads to this field.
fn has_problem(problems: &Value, anchor: &str) -> Result<bool, Error> {
    for problem in problems.try_iter()? {
        if problem.get_attr("anchor")?.as_str() == Some(anchor) {
            return Ok(true);
        }
    }
    Ok(false)
}
