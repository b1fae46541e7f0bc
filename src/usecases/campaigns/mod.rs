//! Re-permission rounds (RP-01 to RP-09): who would be asked and why the others would not, the freezing of the audience,
//! and what came of it.
//!
//! ```text
//! create ──> dry_run ──> launch ──> freeze_chunk … ──> (the worker hands mails over) ──> close_due
//! draft      counts      refused    members and mails,  the gate runs again              the silent keep
//!            by reason   if nobody  a piece per commit   for each                        what they had
//! ```
//!
//! Links may also be handed over by others than us; see [`handed`].
//!
//! Nobody here overrides the gate: there is no list of people in a round but the one it makes (RP-03).

mod audience;
mod create;
mod freeze;
pub(in crate::usecases) mod handed;
mod life;
mod preview;
mod results;

pub use audience::{DryRun, dry_run, exclusions};
pub use create::{NewCampaign, create_campaign, find_campaign, find_round_list, list_campaigns};
pub use freeze::freeze_chunk;
pub use handed::{FIELD, LinkLine, LinkPage, RoundStep, begin_links_download, links_page, merge_address, round_step};
pub use life::{act_on_campaign, close_due, launch_campaign};
pub use preview::preview_campaign;
pub use results::{Results, results};
