//! Samples of each context: for the tests, which render every layout with every sample, and for previews.

use super::render::{AddressChangeContext, ConfirmationContext, Recipient, RepermissionContext, RepermissionTerms};

/// Short text to owned text.
fn s(text: &str) -> String {
    text.to_owned()
}

impl RepermissionContext {
    /// A plain one, one without name and deadline in German, and one full of characters that mean something elsewhere.
    #[must_use]
    pub fn samples() -> Vec<Self> {
        let terms = RepermissionTerms {
            language: s("en"),
            controller: s("Acme Gardens"),
            postal: s("Acme Gardens Ltd, 1 Green Lane, Leeds LS1 4AP, United Kingdom"),
            reply_address: s("hello@acme.example"),
            purposes: vec![s("our monthly newsletter by e-mail"), s("invitations to open days by e-mail")],
            policy_link: s("https://consent.acme.example/p/acme/3"),
            policy_label: s("Privacy policy of 1 November 2026"),
            deadline: s("15 January 2027"),
        };
        let to = Recipient {
            name: s("Ana"),
            answer_link: s("https://consent.acme.example/a/eyJhbGciOiJFZERTQSJ9.sample.answer"),
            withdraw_link: s("https://consent.acme.example/w/eyJhbGciOiJFZERTQSJ9.sample.withdraw"),
            basis: s("You asked for our newsletter on 3 March 2025 on our website."),
        };
        let german = RepermissionTerms {
            language: s("de"),
            controller: s("Grünwerk GmbH"),
            postal: s("Grünwerk GmbH, Lange Straße 5, 70173 Stuttgart"),
            purposes: vec![s("unser monatlicher Newsletter per E-Mail")],
            policy_label: s("Datenschutzerklärung vom 1. November 2026"),
            deadline: s(""),
            ..terms.clone()
        };
        let nameless = Recipient {
            name: s(""),
            basis: s("Sie haben unseren Newsletter am 3. März 2025 auf unserer Website bestellt."),
            ..to.clone()
        };
        let awkward = RepermissionTerms {
            controller: s("A & B <Sons>, \"Ltd\""),
            purposes: vec![s("news & <offers>"); 5],
            ..terms.clone()
        };
        let odd = Recipient {
            name: s("<b>[x](http://evil.example)</b> \r\n & \"Ann\"\u{202e}"),
            basis: s("You are a customer of A & B <Sons>.\nBcc: x"),
            ..to.clone()
        };
        let of = |terms, to| Self { terms, to };
        vec![of(terms, to), of(german, nameless), of(awkward, odd)]
    }
}

impl ConfirmationContext {
    /// A plain one, one in German, and one full of characters that mean something elsewhere.
    #[must_use]
    pub fn samples() -> Vec<Self> {
        let plain = Self {
            language: s("en"),
            address: s("ana@example.org"),
            site: s("www.acme.example"),
            controller: s("Acme Gardens Ltd"),
            postal: s("1 Green Lane, Leeds LS1 4AP, United Kingdom"),
            reply_address: s("hello@acme.example"),
            purposes: vec![s("Monthly newsletter by e-mail"), s("Invitations to open days by e-mail")],
            requested_at: s("24 November 2026, 18:46 UTC"),
            valid_until: s("1 December 2026"),
            confirm_link: s("https://consent.acme.example/c/eyJhbGciOiJFZERTQSJ9.sample.confirm"),
            not_me_link: s("https://consent.acme.example/n/eyJhbGciOiJFZERTQSJ9.sample.notme"),
            policy_link: s("https://consent.acme.example/p/acme/3"),
            policy_label: s("Privacy policy of 1 November 2026"),
        };
        let german = Self {
            language: s("de-DE"),
            controller: s("Grünwerk GmbH"),
            site: s("grünwerk.example"),
            postal: s(""),
            reply_address: s(""),
            purposes: vec![s("Monatlicher Newsletter per E-Mail")],
            requested_at: s("24. November 2026, 18:46 UTC"),
            valid_until: s(""),
            policy_label: s("Datenschutzerklärung vom 1. November 2026"),
            ..plain.clone()
        };
        let awkward = Self {
            address: s("\"><script>alert(1)</script>@example.org"),
            site: s("a & b\nhttps://evil.example"),
            controller: s("A & B <Sons>"),
            ..plain.clone()
        };
        vec![plain, german, awkward]
    }
}

impl AddressChangeContext {
    /// A plain one, one in German, and one full of characters that mean something elsewhere.
    #[must_use]
    pub fn samples() -> Vec<Self> {
        let plain = Self {
            language: s("en"),
            address: s("ana.new@example.org"),
            masked_old: s("a…@e….com"),
            controller: s("Acme Gardens Ltd"),
            postal: s("1 Green Lane, Leeds LS1 4AP, United Kingdom"),
            reply_address: s("hello@acme.example"),
            requested_at: s("24 November 2026, 18:46 UTC"),
            valid_until: s("1 December 2026, 18:46 UTC"),
            move_link: s("https://consent.acme.example/a/eyJhbGciOiJFZERTQSJ9.sample.move"),
            policy_link: s("https://consent.acme.example/p/acme/3"),
            policy_label: s("Privacy policy of 1 November 2026"),
        };
        let german = Self {
            language: s("de-DE"),
            controller: s("Grünwerk GmbH"),
            postal: s(""),
            reply_address: s(""),
            requested_at: s("24. November 2026, 18:46 UTC"),
            valid_until: s(""),
            policy_label: s("Datenschutzerklärung vom 1. November 2026"),
            ..plain.clone()
        };
        let awkward = Self {
            address: s("\"><script>alert(1)</script>@example.org"),
            masked_old: s("a<b>…@e….com\nBcc: x"),
            controller: s("A & B <Sons>"),
            ..plain.clone()
        };
        vec![plain, german, awkward]
    }
}
