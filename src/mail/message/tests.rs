//! The bytes of a mail: headers, folding, injection, and the same bytes each time.

use proptest::prelude::*;

use super::*;

fn outgoing() -> Outgoing<'static> {
    Outgoing {
        kind: Kind::Repermission {
            unsubscribe: Unsubscribe {
                https: "https://consent.acme.example/u/AbC",
                mailto: Some("mailto:u+AbC@in.acme.example?subject=unsubscribe"),
            },
            list_id: ListId { phrase: "Acme newsletter", id: "newsletter.list-id.acme.example" },
            feedback_id: Some("c1:t1:repermission:agency"),
        },
        from_name: "Acme, Inc.",
        from_address: "news@acme.example",
        to: "ana@example.org",
        reply_to: Some("hello@acme.example"),
        subject: "May we stay in touch?",
        html: Body::Text("<p>Hello</p>\n.\n<p>Grüße</p>"),
        text: Body::Text("Hello\n.\r\nbye\rbye"),
        date: 1_795_546_000_123_456,
        message_id: "abc@acme.example",
        boundary_seed: b"mail-1",
        smtputf8: false,
    }
}

fn text(mail: &Outgoing<'_>) -> String {
    String::from_utf8(compose(mail).unwrap()).unwrap()
}

#[test]
fn the_header_block_is_exactly_this() {
    let bytes = text(&outgoing());
    let (head, body) = bytes.split_once("\r\n\r\n").unwrap();
    let expected = [
        "Date: Tue, 24 Nov 2026 18:46:40 +0000",
        "From: =?utf-8?b?QWNtZSwgSW5jLg==?= <news@acme.example>",
        "To: ana@example.org",
        "Reply-To: hello@acme.example",
        "Subject: May we stay in touch?",
        "Message-ID: <abc@acme.example>",
        "List-Id: Acme newsletter",
        " <newsletter.list-id.acme.example>",
        "List-Unsubscribe: <https://consent.acme.example/u/AbC>,",
        " <mailto:u+AbC@in.acme.example?subject=unsubscribe>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Feedback-ID: c1:t1:repermission:agency",
        "MIME-Version: 1.0",
        "Content-Type: multipart/alternative;",
    ];
    for (line, wanted) in head.split("\r\n").zip(expected) {
        assert!(line.starts_with(wanted), "{line} / {wanted}");
    }
    assert!(!head.contains("Auto-Submitted"));
    assert!(body.contains("Content-Type: text/plain; charset=utf-8\r\n"));
    assert!(body.contains("Content-Type: text/html; charset=utf-8\r\n"));
    assert!(body.contains("Gr=C3=BC=C3=9Fe"));
    assert!(body.contains("byebye"));
}

#[test]
fn the_same_mail_gives_the_same_bytes_and_another_seed_others() {
    let mut mail = outgoing();
    assert_eq!(compose(&mail), compose(&mail));
    let first = text(&mail);
    mail.boundary_seed = b"mail-2";
    assert_ne!(first, text(&mail));
}

#[test]
fn a_confirmation_has_no_list_headers() {
    let mail = Outgoing { kind: Kind::Confirmation, ..outgoing() };
    let bytes = text(&mail);
    assert!(bytes.contains("\r\nAuto-Submitted: auto-generated\r\n"));
    assert!(!bytes.contains("List-"));
}

#[test]
fn a_long_unsubscribe_address_stays_in_one_piece() {
    let https = format!("https://consent.acme.example/u/{}", "Ab0-_.".repeat(140));
    let mut mail = outgoing();
    let Kind::Repermission { unsubscribe, .. } = &mut mail.kind else { unreachable!() };
    *unsubscribe = Unsubscribe { https: &https, mailto: None };
    let bytes = text(&mail);
    assert!(bytes.contains(&format!("\r\nList-Unsubscribe: <{https}>\r\n")));
    assert_eq!(bytes.matches("\r\nList-Unsubscribe: ").count(), 1);
    assert_eq!(bytes.matches("\r\nList-Unsubscribe-Post: ").count(), 1);

    let too_long = format!("https://consent.acme.example/{}", "x".repeat(900));
    for bad in [
        too_long.as_str(),
        "http://a.example/u",
        "http://localhost.evil.example/u",
        "http://127.0.0.1:80@evil.example/u",
        "https://a.example/u v",
        "https://a.example/>,<x",
        "https://a.example/ü",
    ] {
        let mut mail = outgoing();
        let Kind::Repermission { unsubscribe, .. } = &mut mail.kind else { unreachable!() };
        unsubscribe.https = bad;
        assert!(compose(&mail).is_err(), "{bad}");
    }
}

#[test]
fn a_trial_on_this_machine_may_do_without_tls() {
    for https in ["http://localhost:8080/u/x", "http://127.0.0.1:8080/u/x", "http://[::1]/u/x"] {
        let mut mail = outgoing();
        let Kind::Repermission { unsubscribe, .. } = &mut mail.kind else { unreachable!() };
        *unsubscribe = Unsubscribe { https, mailto: None };
        assert!(text(&mail).contains(&format!("\r\nList-Unsubscribe: <{https}>\r\n")));
    }
}

#[test]
fn addresses_outside_ascii() {
    let mut mail = outgoing();
    mail.to = "jane@Bücher.example";
    assert!(text(&mail).contains("\r\nTo: jane@xn--bcher-kva.example\r\n"));
    mail.to = "用户@example.org";
    assert_eq!(compose(&mail), Err(ComposeError::NeedsSmtpUtf8 { field: "To" }));
    mail.smtputf8 = true;
    assert!(text(&mail).contains("\r\nTo: 用户@example.org\r\n"));
}

#[test]
fn no_header_takes_an_injection() {
    let bad = [
        "a\r\nBcc: x@y",
        "a\nb",
        "a\rb",
        "a\0b",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{2028}b",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\tb",
    ];
    for value in bad {
        for field in 0..9 {
            let mut mail = outgoing();
            match field {
                0 => mail.subject = value,
                1 => mail.from_name = value,
                2 => mail.to = value,
                3 => mail.from_address = value,
                4 => mail.reply_to = Some(value),
                5 => mail.message_id = value,
                _ => {
                    let Kind::Repermission { unsubscribe, list_id, feedback_id } = &mut mail.kind else {
                        unreachable!()
                    };
                    match field {
                        6 => unsubscribe.mailto = Some(value),
                        7 => *feedback_id = Some(value),
                        _ => *list_id = ListId { phrase: value, id: "a.b" },
                    }
                }
            }
            assert!(compose(&mail).is_err(), "{value:?} in field {field}");
        }
    }
    let encoded_word = Outgoing { subject: "=?utf-8?q?=0D=0AX?=", ..outgoing() };
    assert_eq!(compose(&encoded_word), Err(ComposeError::BadValue { field: "Subject" }));
}

#[test]
fn dates_at_the_edges() {
    for (date, fine) in
        [(0, true), (-1, false), (253_402_300_799_999_999, true), (253_402_300_800_000_000, false), (i64::MAX, false)]
    {
        assert_eq!(compose(&Outgoing { date, ..outgoing() }).is_ok(), fine, "{date}");
    }
}

#[test]
fn message_ids_are_keyed_and_opaque() {
    let id = message_id(b"0123456789abcdef0123456789abcdef", &[7; 16], "acme.example");
    let (local, domain) = id.split_once('@').unwrap();
    assert_eq!((local.len(), domain), (26, "acme.example"));
    assert!(local.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    assert_eq!(id, message_id(b"0123456789abcdef0123456789abcdef", &[7; 16], "acme.example"));
    assert_ne!(id, message_id(b"another key", &[7; 16], "acme.example"));
    assert_ne!(id, message_id(b"0123456789abcdef0123456789abcdef", &[8; 16], "acme.example"));
}

proptest! {
    #[test]
    fn any_words_give_clean_bytes_or_a_typed_refusal(name in ".{0,80}", subject in ".{0,220}", body in any::<String>()) {
        let mail = Outgoing { from_name: &name, subject: &subject, text: Body::Text(&body), html: Body::Text(&body), ..outgoing() };
        if let Ok(bytes) = compose(&mail) {
            prop_assert_eq!(check_bytes(&bytes), Ok(()));
            let head_end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
            let head = std::str::from_utf8(&bytes[..head_end]).unwrap();
            let fields = head.split("\r\n").filter(|l| !l.starts_with(' ')).count();
            prop_assert_eq!(fields, 12);
            prop_assert!(head.is_ascii());
            prop_assert!(head.split("\r\n").all(|l| l.len() < 200));
        }
    }

    #[test]
    fn arbitrary_unicode_never_panics(name in any::<String>(), subject in any::<String>(), to in any::<String>()) {
        let mail = Outgoing { from_name: &name, subject: &subject, to: &to, smtputf8: true, ..outgoing() };
        let _ = compose(&mail);
    }
}
