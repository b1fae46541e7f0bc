//! A re-permission text to start from, in the languages of [`super::phrases`].
//!
//! Neutral as RP-07 wants it: what would be sent, that a no is as welcome as a yes, where to choose, the new policy.

use super::{phrases::for_language, template::MailTemplate};

const ENGLISH: [&str; 3] = [
    "Shall {{ controller }} keep writing to you?",
    "Yes or no is equally fine. Choosing takes a few seconds.",
    "{{ greeting }}

We would love to stay in touch. What we would send you: **{{ purposes }}**.

We only do that if you want it, so we ask you to choose. It takes a few seconds, and a no is as welcome as a yes: \
[open the page and choose]({{ answer_link }}).

We have also renewed our privacy policy. It says what we keep about you, why, and for how long: \
[{{ policy_label }}]({{ policy_link }}).

You can change your mind at any time, with one press on the link that ends each of our mails.

Thank you,\\
{{ controller }}
",
];

const GERMAN: [&str; 3] = [
    "Dürfen wir Ihnen weiter schreiben? {{ controller }}",
    "Ja und nein sind uns gleich recht. Das Wählen dauert nur wenige Sekunden.",
    "{{ greeting }}

wir würden gern mit Ihnen in Kontakt bleiben. Das würden wir Ihnen senden: **{{ purposes }}**.

Das tun wir nur, wenn Sie es möchten. Deshalb bitten wir Sie, zu wählen. Es dauert nur wenige Sekunden, und ein Nein ist \
uns so recht wie ein Ja: [Seite öffnen und wählen]({{ answer_link }}).

Außerdem haben wir unsere Datenschutzerklärung erneuert. Darin steht, was wir über Sie speichern, warum und wie lange: \
[{{ policy_label }}]({{ policy_link }}).

Sie können Ihre Wahl jederzeit ändern, mit einem Druck auf den Link am Ende jeder unserer E-Mails.

Vielen Dank\\
{{ controller }}
",
];

/// The text for a language tag; English when there is none.
#[must_use]
pub fn default_repermission_template(language: &str) -> MailTemplate {
    let [subject, preheader, body] = if for_language(language).language == "de" { GERMAN } else { ENGLISH };
    MailTemplate { subject: subject.to_owned(), preheader: preheader.to_owned(), body: body.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_texts_pass_their_own_checks() {
        for language in ["en", "de", "xx"] {
            let template = default_repermission_template(language);
            assert_eq!(template.check(), Ok(()));
            assert_eq!(super::super::lint::lint(&template), []);
        }
        assert_ne!(default_repermission_template("de"), default_repermission_template("en"));
    }
}
