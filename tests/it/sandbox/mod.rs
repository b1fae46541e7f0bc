//! The outside world in a box, over real sockets.

mod campaign_monitor;
mod command;
mod mail_catcher;
mod oauth;
