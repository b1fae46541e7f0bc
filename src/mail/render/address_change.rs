//! The mail that asks a new mailbox whether it is the person's (DR-05). It asks for nothing else, offers nothing, and names
//! the old address only as far as its holder knows it.

use std::fmt;

use minijinja::context;
use serde::Serialize;

use super::{
    RenderError, Rendered, check_links, check_required, layout_html, layout_text, one_line_each, phrases, subject,
};
use crate::mail::phrases::{fill, for_language};
use crate::mail::template::one_line;

/// What it says.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct AddressChangeContext {
    /// BCP 47 tag; English when unknown.
    pub language: String,
    /// The new address.
    pub address: String,
    /// The address in force, masked.
    pub masked_old: String,
    /// The controller's name.
    pub controller: String,
    /// The controller's postal address on one line.
    pub postal: String,
    /// Where a person can write.
    pub reply_address: String,
    /// When it was asked for, in words.
    pub requested_at: String,
    /// Until when the link works, in words; empty to leave it out.
    pub valid_until: String,
    /// The page where the person decides.
    pub move_link: String,
    /// The privacy policy.
    pub policy_link: String,
    /// The privacy policy's name.
    pub policy_label: String,
}

silent_debug!(AddressChangeContext);

/// Renders it.
///
/// # Errors
/// [`RenderError`] when a value is not fit.
pub fn address_change(mail: &AddressChangeContext) -> Result<Rendered, RenderError> {
    check_links(&[("move_link", &mail.move_link), ("policy_link", &mail.policy_link)])?;
    let required = [
        ("controller", &mail.controller),
        ("address", &mail.address),
        ("masked_old", &mail.masked_old),
        ("requested_at", &mail.requested_at),
        ("policy_label", &mail.policy_label),
    ];
    check_required(&required)?;
    let words = for_language(&mail.language);
    let (controller, address, old) = (one_line(&mail.controller), one_line(&mail.address), one_line(&mail.masked_old));
    let (when, until) = (one_line(&mail.requested_at), one_line(&mail.valid_until));
    let subject = subject(&fill(words.move_subject, &[("controller", &controller)]))?;
    let parts = [("when", &when), ("controller", &controller), ("address", &address), ("old", &old)];
    let filled = context! {
        intro => fill(words.move_intro, &parts.map(|(name, value)| (name, value.as_str()))),
        until => if until.is_empty() { String::new() } else { fill(words.confirm_until, &[("until", &until)]) },
    };
    let values = context! { t => phrases(words), c => one_line_each(mail), s => filled, subject => &subject };
    Ok(Rendered {
        html: layout_html("address_change.html", values.clone())?,
        text: layout_text("address_change.txt", values)?,
        subject,
    })
}
