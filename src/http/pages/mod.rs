//! The pages that data subjects see: the sign-up form, the answer to a mail, withdrawal, preferences, and kind
//! words when a link does not work.
//!
//! Each page is a context struct and a `render_*` function that turns it into HTML. What is promised: no script, no
//! inline style, nothing loaded from elsewhere, no pre-selected answer, "no" as prominent as "yes" (CV-01, LK-02,
//! LK-14, DK-01), WCAG 2.2 AA, at most 20 kB with the stylesheet (WC-02). Everything from outside is escaped; a
//! policy in Markdown comes sanitised.
//!
//! What is left to others: who may see a page, status codes and headers, masking (contexts take masked text, LK-08),
//! and the meaning of what a form sends back. Forms have no `action`: they post to the address they were fetched from,
//! so that no page repeats a token. The wording of a notice comes from the context; everything else from the table of
//! texts, one file per language.

mod answer;
mod connect;
mod engine;
mod form;
mod moving;
mod parts;
mod policy;
mod preferences;
#[cfg(test)]
mod samples;
mod stop;
mod stylesheet;
#[cfg(test)]
mod tests;
mod texts;
mod trouble;

pub use answer::{AnswerPage, ConfirmPage, DecidedPage, render_answer, render_confirm, render_decided};
pub use connect::{ConnectPage, ConnectionNews, render_connect};
pub use form::{FormDonePage, FormPage, render_form, render_form_done};
pub use moving::{MoveDonePage, MovePage, Moved, render_move, render_move_done};
pub use parts::{Frame, Held, Href, Notice, Outcome, PolicyLink, Problem, Question, Recorded};
pub use policy::{PolicyPage, Sanitised, render_policy};
pub use preferences::{
    NoPreferencesPage, PreferenceLine, PreferenceNews, PreferenceState, PreferencesPage, render_no_preferences,
    render_preferences,
};
pub use stop::{
    NotMeDonePage, NotMePage, Stopped, WithdrawPage, WithdrawnPage, render_not_me, render_not_me_done, render_withdraw,
    render_withdrawn,
};
pub use stylesheet::stylesheet;
pub use texts::{is_supported, languages, negotiate};
pub use trouble::{LinkProblem, LinkProblemPage, MessagePage, Trouble, render_link_problem, render_message};
