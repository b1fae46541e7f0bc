//! A cast gives the same mail as rendering it whole, whatever stands in the gaps.

use mail_parser::MessageParser;
use proptest::prelude::*;

use super::super::{Kind, Outgoing, compose};
use super::*;
use crate::mail::default_text::default_repermission_template;
use crate::mail::render::{RepermissionContext, RepermissionTerms};
use crate::mail::template::MailTemplate;

fn bytes(subject: &str, text: Body<'_>, html: Body<'_>) -> Vec<u8> {
    let mail = Outgoing {
        kind: Kind::Confirmation,
        from_name: "Acme",
        from_address: "a@acme.example",
        to: "b@example.org",
        reply_to: None,
        subject,
        html,
        text,
        date: 0,
        message_id: "m@acme.example",
        boundary_seed: b"s",
        smtputf8: false,
    };
    compose(&mail).unwrap()
}

/// Subject, text and HTML as a reader's program sees them.
fn seen(bytes: &[u8]) -> (String, String, String) {
    let mail = MessageParser::default().parse(bytes).unwrap();
    let part = |found: Option<std::borrow::Cow<'_, str>>| found.unwrap().replace("\r\n", "\n");
    (mail.subject().unwrap().to_owned(), part(mail.body_text(0)), part(mail.body_html(0)))
}

fn assert_same(template: &MailTemplate, terms: &RepermissionTerms, to: &Recipient) {
    let mould = Mould::new(template, terms, to.is_named()).unwrap();
    let whole = mould.fill(to).unwrap();
    let cast = Cast::new(mould).fill(to).unwrap();
    let wire = bytes(&cast.subject, cast.text, cast.html);
    let wanted = bytes(&whole.subject, Body::Text(&whole.text), Body::Text(&whole.html));
    assert_eq!(seen(&wire), seen(&wanted));
    let wire = String::from_utf8(wire).unwrap();
    let body = wire.split_once("\r\n\r\n").unwrap().1;
    assert!(body.lines().all(|line| line.len() <= 76), "RFC 2045 6.7 (5)");
}

#[test]
fn a_cast_gives_the_same_mail_as_rendering_it_whole() {
    for RepermissionContext { terms, to } in RepermissionContext::samples() {
        assert_same(&default_repermission_template(&terms.language), &terms, &to);
    }
}

#[test]
fn every_link_of_a_body_leads_where_it_says() {
    let RepermissionContext { terms, to } = RepermissionContext::samples().remove(0);
    let body = "{{ answer_link }}\n\n[stop]({{ withdraw_link }}) [go]({{answer_link}}) `{{ answer_link }}`".to_owned();
    let template = MailTemplate { body, ..default_repermission_template("en") };
    let mould = Mould::new(&template, &terms, true).unwrap();
    let whole = mould.fill(&to).unwrap();
    let to_answer = format!("<a href=\"{}\"", to.answer_link);
    assert_eq!(whole.html.matches(&to_answer).count(), 2, "{}", whole.html);
    assert!(whole.html.contains(&format!("<a href=\"{}\"", to.withdraw_link)));
    assert_eq!(whole.html.matches(&to.answer_link).count(), 5);
    assert!(!whole.html.contains("gap.invalid") && !whole.text.contains("gap.invalid"));
    assert_same(&template, &terms, &to);
}

#[test]
fn a_text_in_another_script_goes_out_as_base64() {
    let RepermissionContext { terms, to } = RepermissionContext::samples().remove(0);
    let body = "Здравствуйте, {{ name }}! ".repeat(200);
    let template = MailTemplate { body, ..default_repermission_template("en") };
    assert_same(&template, &terms, &to);
    let cast = Cast::new(Mould::new(&template, &terms, true).unwrap()).fill(&to).unwrap();
    let Body::Encoded(text) = cast.text else { panic!("a cast gives encoded parts") };
    assert_eq!(text.transfer, ContentTransferEncoding::Base64);
}

#[test]
fn a_piece_that_fills_its_line_leaves_room_for_the_soft_break() {
    for text in ["x".repeat(76), "x".repeat(152), format!("{}é", "x".repeat(70)), "é".repeat(40)] {
        let bytes = [encode_piece(text.clone()), b"=\r\n".to_vec()].concat();
        let lines = String::from_utf8(bytes).unwrap();
        assert!(lines.lines().all(|line| line.len() <= 76), "{lines}");
    }
}

#[test]
fn a_part_that_grows_without_end_is_refused() {
    let RepermissionContext { terms, to } = RepermissionContext::samples().remove(0);
    let template = MailTemplate { body: "{{ answer_link }}\n\n".repeat(200), ..default_repermission_template("en") };
    let long = Recipient { answer_link: format!("https://a.example/{}", "x".repeat(880)), ..to.clone() };
    let cast = Cast::new(Mould::new(&template, &terms, true).unwrap());
    assert!(cast.fill(&to).is_ok());
    assert_eq!(cast.fill(&long).err(), Some(RenderError::TooLarge));
}

proptest! {
    #[test]
    fn whatever_stands_in_the_gaps(
        name in any::<String>(), basis in "\\PC{0,80}x", path in "[a-zA-Z0-9._?=&-]{0,120}",
        before in "[ -|~\\n]{0,80}", after in "[ -|~\\n]{0,80}",
    ) {
        let RepermissionContext { terms, to } = RepermissionContext::samples().remove(0);
        let body = format!("{}{{{{ name }}}}{} {{{{ answer_link }}}}", before.replace('{', "("), after.replace('{', "("));
        let template = MailTemplate { body, ..default_repermission_template("en") };
        prop_assume!(template.check().is_ok());
        let to = Recipient { name, basis, answer_link: format!("https://a.example/{path}"), ..to };
        assert_same(&template, &terms, &to);
    }
}
