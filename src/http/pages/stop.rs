//! The pages behind the links that stop: withdrawal (`/u/{token}`) and "this was not me" (`/n/{token}`). One press,
//! no reason asked, nothing typed (WD-01); their forms carry no nonce, since a stop never fails for want of one.

use serde::Serialize;

use super::engine::render;
use super::parts::{Frame, Href};
use crate::domain::time::Timestamp;

/// Two buttons, each a form of its own that sends `stop`: `this` or `all` (WD-05).
#[derive(Clone, Serialize)]
pub struct WithdrawPage {
    /// The frame; names the controller.
    pub frame: Frame,
    /// The masked address; `None` when it has been erased.
    pub address: Option<String>,
    /// What the link stops, in the words of the notice.
    pub purposes: Vec<String>,
}

/// What a withdrawal stopped.
#[derive(Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "what", content = "purposes")]
pub enum Stopped {
    /// These purposes, in the words of the notice.
    These(Vec<String>),
    /// All direct marketing of the controller.
    Everything,
}

/// Plain confirmation (DK-03): what stopped, since when, and one way back, through the full notice.
#[derive(Clone, Serialize)]
pub struct WithdrawnPage {
    /// The frame; names the controller.
    pub frame: Frame,
    /// What stopped.
    pub stopped: Stopped,
    /// Since when; a repeated press shows the first.
    pub since: Timestamp,
    /// The form with the full notice, if there is one.
    pub sign_up: Option<Href>,
    /// Whether the button that stops everything stands below: on the link's page, opened again after its stop.
    pub more: bool,
    /// The controller's page on rights and complaints (DR-09).
    pub rights: Option<Href>,
}

/// One button: "this was not me, never mail me".
#[derive(Clone, Serialize)]
pub struct NotMePage {
    /// The frame; names the controller.
    pub frame: Frame,
    /// The masked address; `None` when it has been erased.
    pub address: Option<String>,
}

/// The page after that button.
#[derive(Clone, Serialize)]
pub struct NotMeDonePage {
    /// The frame; names the controller.
    pub frame: Frame,
    /// The controller's page on rights and complaints (DR-09).
    pub rights: Option<Href>,
}

/// Renders the withdrawal page.
pub fn render_withdraw(page: &WithdrawPage) -> String {
    render("withdraw.html", page)
}

/// Renders the confirmation of a withdrawal.
pub fn render_withdrawn(page: &WithdrawnPage) -> String {
    render("withdrawn.html", page)
}

/// Renders the "not me" page.
pub fn render_not_me(page: &NotMePage) -> String {
    render("not_me.html", page)
}

/// Renders the page after "not me".
pub fn render_not_me_done(page: &NotMeDonePage) -> String {
    render("not_me_done.html", page)
}
