//! The one stylesheet, under a name that changes with its content, so that it may be cached for ever. No picture, no
//! font, no motion: nothing to load, nothing that pulls the eye towards an answer. Its bytes count towards those of each
//! page, so what it has to say about itself stands here: a legend is floated, or a border of the group would begin in the
//! middle of its caption.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};

/// The content.
pub(super) const CSS: &str = include_str!("pages.css");

static PATH: LazyLock<String> = LazyLock::new(|| {
    let hash = digest(&SHA256, CSS.as_bytes());
    format!("/assets/pages-{}.css", data_encoding::HEXLOWER.encode(&hash.as_ref()[..8]))
});

/// The path under which pages expect the stylesheet, and its content.
pub fn stylesheet() -> (&'static str, &'static str) {
    (&PATH, CSS)
}
