//! Both mails with every sample, and what must never get into them.

use proptest::prelude::*;

use super::*;
use crate::mail::default_text::default_repermission_template;
use crate::mail::template::MailTemplate;

fn default_mails() -> Vec<Rendered> {
    let mails = RepermissionContext::samples();
    mails.iter().map(|mail| repermission(&default_repermission_template(&mail.terms.language), mail).unwrap()).collect()
}

fn confirmations() -> Vec<Rendered> {
    ConfirmationContext::samples().iter().map(|mail| confirmation(mail).unwrap()).collect()
}

#[test]
fn every_layout_renders_with_every_sample() {
    let changes = AddressChangeContext::samples().iter().map(|mail| address_change(mail).unwrap()).collect();
    let mails = [("repermission", default_mails()), ("confirmation", confirmations()), ("address change", changes)];
    for (kind, mails) in mails {
        for (number, mail) in mails.iter().enumerate() {
            for bad in ["<script>", "<b>[x]", "<Sons>", "{{", "{%", "<img", "src=", "\u{202e}"] {
                assert!(!mail.html.contains(bad), "{kind} {number} holds {bad}");
            }
            assert!(!mail.subject.contains(['\r', '\n']) && !mail.subject.is_empty());
            for line in mail.text.lines().filter(|line| line.contains("https://consent")) {
                assert!(line.starts_with('<') && line.ends_with('>'), "{line}");
            }
            assert!(!mail.text.lines().any(|line| line.starts_with("Bcc:") || line.starts_with("https://evil")));
        }
    }
}

#[test]
fn a_repermission_mail_always_has_its_four_ways() {
    let bare = MailTemplate { subject: "s".to_owned(), preheader: String::new(), body: "b".to_owned() };
    for context in RepermissionContext::samples() {
        let mail = repermission(&bare, &context).unwrap();
        for part in [&mail.html, &mail.text] {
            for wanted in [
                &context.to.answer_link,
                &context.to.withdraw_link,
                &context.terms.policy_link,
                &context.terms.reply_address,
                &context.terms.postal,
            ] {
                assert!(part.contains(wanted), "{wanted}");
            }
        }
    }
}

#[test]
fn the_text_of_a_confirmation_is_exactly_this() {
    let expected = "\
Please confirm your sign-up

On 24 November 2026, 18:46 UTC, someone asked at www.acme.example for the following to be sent to ana@example.org:

- Monthly newsletter by e-mail
- Invitations to open days by e-mail

It would come from Acme Gardens Ltd.

Open the page to confirm:
<https://consent.acme.example/c/eyJhbGciOiJFZERTQSJ9.sample.confirm>

You confirm on the page. Opening it alone changes nothing. The link works until 1 December 2026.

--------------------

If this was not you, ignore this mail. Without your confirmation nothing is sent to you, and the request is deleted.

This was not me: never mail me:
<https://consent.acme.example/n/eyJhbGciOiJFZERTQSJ9.sample.notme>

Privacy policy of 1 November 2026:
<https://consent.acme.example/p/acme/3>

Questions? Write to hello@acme.example

Acme Gardens Ltd
1 Green Lane, Leeds LS1 4AP, United Kingdom
";
    assert_eq!(confirmations()[0].text, expected);
    assert_eq!(confirmations()[0].subject, "Please confirm your sign-up at www.acme.example");
}

#[test]
fn values_that_cannot_be_mailed_are_named() {
    let template = default_repermission_template("en");
    let good = RepermissionContext::samples().remove(0);
    let link = |link: &str| RepermissionContext {
        to: Recipient { answer_link: link.to_owned(), ..good.to.clone() },
        ..good.clone()
    };
    let terms = |terms: RepermissionTerms| RepermissionContext { terms, ..good.clone() };
    for bad in [
        "",
        "javascript:alert(1)",
        "/relative",
        "https://a.example/>x",
        "https://a.example/a b",
        "https://a.example/\r\nX: y",
    ] {
        assert_eq!(repermission(&template, &link(bad)), Err(RenderError::BadLink("answer_link")), "{bad}");
    }
    let nobody = terms(RepermissionTerms { controller: " ".to_owned(), ..good.terms.clone() });
    assert_eq!(repermission(&template, &nobody), Err(RenderError::Missing("controller")));
    let nothing = terms(RepermissionTerms { purposes: Vec::new(), ..good.terms.clone() });
    assert_eq!(repermission(&template, &nothing), Err(RenderError::Missing("purposes")));
    let unknown = MailTemplate { body: "{{ nmae }}".to_owned(), ..template };
    assert!(matches!(repermission(&unknown, &good), Err(RenderError::Template(_))));
}

#[test]
fn undefined_values_and_endless_work_fail() {
    assert!(LAYOUTS.render_str("{{ nothing }}", ()).is_err());
    assert!(LAYOUTS.render_str("{{ debug() }}", ()).is_err());
    assert!(
        LAYOUTS
            .render_str("{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}", ())
            .is_err()
    );
    assert_eq!(LAYOUTS.templates().count(), 7);
}

#[test]
fn a_name_that_advertises_is_left_out() {
    let template = default_repermission_template("en");
    for name in ["http://evil.example", "Buy at WWW.evil.example", "a@evil.example", "<b>", &"x".repeat(101)] {
        let mut context = RepermissionContext::samples().remove(0);
        context.to.name = name.to_owned();
        assert!(repermission(&template, &context).unwrap().text.starts_with("Hello,\n"), "{name}");
    }
}

#[test]
fn nothing_personal_in_debug() {
    let shown = format!("{:?} {:?}", RepermissionContext::samples(), default_mails());
    assert!(!shown.contains("Ana") && !shown.contains("eyJ"));
}

proptest! {
    #[test]
    fn any_name_makes_a_mail_that_composes(name in any::<String>()) {
        use crate::mail::message::{Body, Kind, Outgoing, compose};
        let template = MailTemplate { subject: "{{ name }} {{ greeting }} x".to_owned(), ..default_repermission_template("en") };
        let mut context = RepermissionContext::samples().remove(0);
        context.to.name = name;
        let mail = repermission(&template, &context).unwrap();
        let bytes = compose(&Outgoing {
            kind: Kind::Confirmation, from_name: "Acme", from_address: "a@acme.example", to: "b@example.org", reply_to: None,
            subject: &mail.subject, html: Body::Text(&mail.html), text: Body::Text(&mail.text), date: 0, message_id: "m@acme.example",
            boundary_seed: b"s", smtputf8: false,
        });
        prop_assert!(bytes.is_ok());
    }
}
