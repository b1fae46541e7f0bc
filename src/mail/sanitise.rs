//! The net under everything that Markdown was made into: only tags of running text, and links to http, https and mailto
//! (R-80).

use std::collections::HashMap;
use std::sync::LazyLock;

use ammonia::Builder;

/// Inline styles, because many mail programs drop style sheets.
const STYLES: &[(&str, &str)] = &[
    ("p", "margin:0 0 16px"),
    ("h1", "margin:0 0 16px;font-size:24px;line-height:1.3"),
    ("h2", "margin:24px 0 12px;font-size:20px;line-height:1.3"),
    ("h3", "margin:20px 0 8px;font-size:17px;line-height:1.3"),
    ("ul", "margin:0 0 16px;padding-left:24px"),
    ("ol", "margin:0 0 16px;padding-left:24px"),
    ("li", "margin:0 0 6px"),
    ("blockquote", "margin:0 0 16px;padding:0 0 0 16px;border-left:3px solid #9aa5b4"),
    ("a", "color:#1d4ed8;text-decoration:underline"),
    ("pre", "margin:0 0 16px;white-space:pre-wrap"),
    ("hr", "margin:24px 0;border:0;border-top:1px solid #9aa5b4"),
];

static MAIL: LazyLock<Builder<'static>> = LazyLock::new(|| sanitiser(STYLES));
static PAGE: LazyLock<Builder<'static>> = LazyLock::new(|| sanitiser(&[]));

/// HTML for a mail, with inline styles.
pub(super) fn for_mail(html: &str) -> String {
    MAIL.clean(html).to_string()
}

/// HTML for a page that has a stylesheet.
pub(super) fn for_page(html: &str) -> String {
    PAGE.clean(html).to_string()
}

fn sanitiser(styles: &[(&'static str, &'static str)]) -> Builder<'static> {
    let mut builder = Builder::empty();
    builder
        .add_tags([
            "p",
            "br",
            "strong",
            "em",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "ul",
            "ol",
            "li",
            "blockquote",
            "a",
            "code",
            "pre",
            "hr",
        ])
        .add_tag_attributes("a", ["href"])
        .add_tag_attributes("ol", ["start"])
        .add_url_schemes(["http", "https", "mailto"])
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer"));
    let styles = styles.iter().map(|(tag, style)| (*tag, HashMap::from([("style", *style)]))).collect();
    builder.set_tag_attribute_values(styles);
    builder
}
