//! Mail: from the marketer's words to bytes on a relay's socket.
//!
//! The way of a message through this module:
//!
//! 1. [`template`] checks the marketer's text when a campaign is created, [`lint`] refuses what a
//!    re-permission text must not say (RP-07);
//! 2. [`render`] turns one context into subject, HTML and text ([`markdown`] does the marketer's part,
//!    [`phrases`] holds the fixed words per language); what a round says to all is rendered once ([`Mould`]);
//! 3. [`message`] freezes that into RFC 5322 bytes that are the same on every attempt;
//! 4. [`pool`] keeps a bounded set of relay connections, [`transport`] speaks SMTP on one of them, and
//!    [`outcome`] says what is known afterwards, [`bounce`] what a refusal means for the person (ML-20).
//!
//! It neither stores nor schedules: whether a mail may be sent is the gate's business (RP-05), what happens
//! after an outcome is the worker's.

pub mod address;
pub mod bounce;
mod conversation;
mod default_text;
pub mod lint;
pub mod markdown;
pub mod message;
mod mould;
pub mod outcome;
pub mod phrases;
pub mod pool;
pub mod render;
mod samples;
mod sanitise;
pub mod smtp_reply;
pub mod smtp_url;
pub mod template;
pub mod transport;
pub mod wire;

pub use address::{AddressProblem, Envelope, WireAddress};
pub use bounce::Class;
pub use default_text::default_repermission_template;
pub use message::{Body, Cast};
pub use message::{ComposeError, Kind, Outgoing, compose, message_id};
pub use outcome::{Outcome, SendError, Stage};
pub use pool::{Lease, PoolLimits, RelayPool};
pub use render::{
    AddressChangeContext, ConfirmationContext, Mould, Recipient, RenderError, Rendered, RepermissionContext,
    RepermissionTerms,
};
pub use smtp_url::RelaySettings;
pub use template::{MailTemplate, TemplateProblem, check_template};
pub use transport::{Relay, SmtpConnection};
pub use wire::{WireProblem, check_bytes};
