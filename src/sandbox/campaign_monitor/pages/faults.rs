//! Fault rules: those that stand, a form for another one, and how rules are written.

use super::super::fault_text::FAULT_RULES;
use super::super::faults::StandingRule;
use super::grouped;
use crate::sandbox::web::Markup;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;

pub(super) fn section(page: &mut Markup, rules: &[StandingRule]) {
    page.raw("<h2 id=\"faults\">Fault rules</h2>");
    if rules.is_empty() {
        page.raw("<p class=\"soft\">No rule stands: every call is answered as it should be.</p>");
    } else {
        page.raw("<ul class=\"cards\">");
        for standing in rules {
            rule(page, standing);
        }
        page.raw("</ul>");
    }
    form(page, "");
}

fn rule(page: &mut Markup, standing: &StandingRule) {
    let text = standing.rule.to_string();
    let number = |count: u64| grouped(usize::try_from(count).unwrap_or(usize::MAX));
    page.raw("<li><div class=\"row\"><code>")
        .text(&text)
        .raw("</code><form method=\"post\" action=\"/faults/")
        .text(&standing.id.to_string())
        .raw("/remove\"><button type=\"submit\" aria-label=\"Remove the rule ")
        .text(&text)
        .raw("\">Remove</button></form></div><p class=\"soft\">")
        .text(&format!("Struck {} of {} calls that fit.", number(standing.struck), number(standing.seen)))
        .raw("</p></li>");
}

fn form(page: &mut Markup, rule: &str) {
    page.raw("<form method=\"post\" action=\"/faults\"><label for=\"rule\">Let calls fail by a rule</label>")
        .raw("<div class=\"inline\"><input id=\"rule\" name=\"rule\" maxlength=\"300\" required autocomplete=\"off\" ")
        .raw("spellcheck=\"false\" placeholder=\"every 7 POST import: 504 after\" value=\"")
        .text(rule)
        .raw("\"><button type=\"submit\">Add the rule</button></div></form>")
        .raw("<details><summary>How rules are written</summary><pre>")
        .text(FAULT_RULES)
        .raw("</pre></details>");
}

/// A rule that was not taken, with what was expected and another try.
pub(in super::super) fn refused_rule(rule: &str, why: &str) -> HttpResponse {
    let mut page = Markup::default();
    page.raw("<header><p><a href=\"/#faults\">All rules</a></p><h1>This rule was not taken</h1></header><main>")
        .raw("<p role=\"alert\">")
        .text(why)
        .raw("</p>");
    form(&mut page, rule);
    page.raw("</main>");
    let mut answer = page.into_page("Rule not taken");
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer
}
