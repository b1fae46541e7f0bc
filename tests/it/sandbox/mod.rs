//! The outside world in a box, over real sockets.

mod campaign_monitor;
mod mail_catcher;
