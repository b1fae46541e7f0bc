//! Reading kept messages for the eye: subject, author, text and HTML parts, headers.
//!
//! Promises: never fails, whatever the bytes are; what cannot be decoded is shown as it is. For
//! viewing and for tests only; what is kept and served as `.eml` are the bytes themselves.

use mail_parser::{Message, MessageParser};

/// The two headers the list shows.
pub(super) struct Head {
    pub(super) from: Option<String>,
    pub(super) subject: String,
}

/// The readable parts.
pub(super) struct Body {
    pub(super) text: String,
    pub(super) html: Option<String>,
    pub(super) attachments: usize,
}

pub(super) fn head(raw: &[u8]) -> Head {
    let message = MessageParser::default().parse_headers(raw);
    Head {
        from: message.as_ref().and_then(author),
        subject: message.as_ref().and_then(|message| message.subject()).unwrap_or_default().to_owned(),
    }
}

fn author(message: &Message<'_>) -> Option<String> {
    message.from()?.first()?.address().map(str::to_owned)
}

pub(super) fn body(raw: &[u8]) -> Body {
    let Some(message) = MessageParser::default().parse(raw) else {
        return Body { text: String::from_utf8_lossy(raw).into_owned(), html: None, attachments: 0 };
    };
    // The library offers plain text as HTML too; only a part that is HTML counts here.
    let html =
        message.html_bodies().find(|part| part.is_text_html()).and_then(|part| part.text_contents()).map(str::to_owned);
    Body { text: message.body_text(0).unwrap_or_default().into_owned(), html, attachments: message.attachment_count() }
}

/// Header names and values in their order, values unfolded.
pub(super) fn headers(raw: &[u8]) -> Vec<(String, String)> {
    let head = String::from_utf8_lossy(head_bytes(raw)).into_owned();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    headers
}

fn head_bytes(raw: &[u8]) -> &[u8] {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n");
    &raw[..end.unwrap_or(raw.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALTERNATIVE: &[u8] = b"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.com>\r\n\
        To: anna@example.com\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\r\n =?utf-8?q?_an_alle?=\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"b\"\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        Gr=C3=BC=\r\n=C3=9Fe\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nPHA+R3LDvMOfZTwvcD4=\r\n--b--\r\n";

    #[test]
    fn encoded_words_and_both_parts_are_decoded() {
        let head = head(ALTERNATIVE);
        assert_eq!(head.from.as_deref(), Some("joerg@example.com"));
        assert_eq!(head.subject, "Gr\u{fc}\u{df}e an alle");
        let body = body(ALTERNATIVE);
        assert_eq!(body.text.trim(), "Gr\u{fc}\u{df}e");
        assert_eq!(body.html.as_deref(), Some("<p>Gr\u{fc}\u{df}e</p>"));
    }

    #[test]
    fn folded_headers_are_one_line_in_their_order() {
        let headers = headers(ALTERNATIVE);
        assert_eq!(headers[1], ("To".into(), "anna@example.com".into()));
        assert_eq!(headers[2].1, "=?utf-8?b?R3LDvMOfZQ==?= =?utf-8?q?_an_alle?=");
    }

    #[test]
    fn bytes_that_are_no_mail_are_shown_without_failing() {
        for raw in [&b""[..], b"\xff\xfe\x00", b"no headers at all", b":\r\n:\r\n\r\n"] {
            let _ = (head(raw).subject, body(raw).text, headers(raw));
        }
        assert!(body(b"Subject: x\r\n\r\nplain").html.is_none());
    }
}
