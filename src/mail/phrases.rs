//! The fixed words of the mails, one table per language.
//!
//! English and German now; any other language falls back to English. `{…}` marks are filled by [`fill`] in one pass, so
//! that a value never brings in a mark of its own. Dates are written out, in UTC.

use jiff::{Timestamp, tz::TimeZone};

/// Every fixed sentence of both mails.
#[derive(Debug)]
#[allow(missing_docs, reason = "each name says where its sentence stands")]
pub struct Phrases {
    pub language: &'static str,
    pub hello: &'static str,
    pub hello_name: &'static str,
    pub and: &'static str,
    pub months: [&'static str; 12],
    pub date: &'static str,
    pub answer_button: &'static str,
    pub answer_note: &'static str,
    pub deadline_note: &'static str,
    pub why_title: &'static str,
    pub withdraw: &'static str,
    pub questions: &'static str,
    pub sent_by: &'static str,
    pub move_subject: &'static str,
    pub move_preheader: &'static str,
    pub move_title: &'static str,
    pub move_intro: &'static str,
    pub move_nothing: &'static str,
    pub move_button: &'static str,
    pub move_note: &'static str,
    pub move_ignore: &'static str,
    pub confirm_subject: &'static str,
    pub confirm_preheader: &'static str,
    pub confirm_title: &'static str,
    pub confirm_intro: &'static str,
    pub confirm_by: &'static str,
    pub confirm_button: &'static str,
    pub confirm_note: &'static str,
    pub confirm_until: &'static str,
    pub ignore: &'static str,
    pub not_me: &'static str,
    pub policy: &'static str,
    pub basis_consent: &'static str,
    pub basis_soft_opt_in: &'static str,
    pub basis_charity: &'static str,
    pub basis_corporate: &'static str,
    pub basis_since: &'static str,
}

static ENGLISH: Phrases = Phrases {
    language: "en",
    hello: "Hello,",
    hello_name: "Hello {name},",
    and: "and",
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    date: "{day} {month} {year}",
    answer_button: "Yes or no: choose on the page",
    answer_note: "Opening the page decides nothing. You choose there.",
    deadline_note: "The link works until {deadline}. Not answering is not a yes.",
    why_title: "Why you get this mail",
    withdraw: "Unsubscribe: no more mails like this",
    questions: "Questions? Write to",
    sent_by: "This mail is from {controller}.",
    move_subject: "Is this your new address? {controller}",
    move_preheader: "Nothing changes unless you say so.",
    move_title: "Is this your new address?",
    move_intro: "On {when}, {controller} was asked to write to {address} instead of {old}.",
    move_nothing: "Until you say yes, nothing changes, and nothing else is sent to you here. What you have agreed to, and what you have stopped, stays as it is.",
    move_button: "Open the page and choose",
    move_note: "You choose on the page. Opening it alone changes nothing.",
    move_ignore: "If this is not about you, say no on the page, or do nothing.",
    confirm_subject: "Please confirm your sign-up at {site}",
    confirm_preheader: "Nothing is sent to you unless you confirm.",
    confirm_title: "Please confirm your sign-up",
    confirm_intro: "On {when}, someone asked at {site} for the following to be sent to {address}:",
    confirm_by: "It would come from {controller}.",
    confirm_button: "Open the page to confirm",
    confirm_note: "You confirm on the page. Opening it alone changes nothing.",
    confirm_until: "The link works until {until}.",
    ignore: "If this was not you, ignore this mail. Without your confirmation nothing is sent to you, and the request is deleted.",
    not_me: "This was not me: never mail me",
    policy: "Privacy policy, version {label}",
    basis_consent: "You once agreed to receive mail from {controller}.",
    basis_soft_opt_in: "You bought or asked about something at {controller} and did not say no to mail about similar things.",
    basis_charity: "You supported {controller} or showed interest in its work and did not say no to mail about it.",
    basis_corporate: "{controller} writes to your organisation at this address.",
    basis_since: "On record since {date}.",
};

static GERMAN: Phrases = Phrases {
    language: "de",
    hello: "Guten Tag,",
    hello_name: "Guten Tag {name},",
    and: "und",
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    date: "{day}. {month} {year}",
    answer_button: "Ja oder nein: auf der Seite wählen",
    answer_note: "Das Öffnen der Seite entscheidet nichts. Sie wählen dort.",
    deadline_note: "Der Link gilt bis zum {deadline}. Keine Antwort ist kein Ja.",
    why_title: "Warum Sie diese E-Mail erhalten",
    withdraw: "Abmelden: keine solchen E-Mails mehr",
    questions: "Fragen? Schreiben Sie an",
    sent_by: "Diese E-Mail kommt von {controller}.",
    move_subject: "Ist das Ihre neue Adresse? {controller}",
    move_preheader: "Ohne Ihr Ja ändert sich nichts.",
    move_title: "Ist das Ihre neue Adresse?",
    move_intro: "Am {when} wurde {controller} gebeten, an {address} statt an {old} zu schreiben.",
    move_nothing: "Solange Sie nicht ja sagen, ändert sich nichts, und sonst wird nichts hierher gesendet. Was Sie erlaubt und was Sie beendet haben, bleibt, wie es ist.",
    move_button: "Seite öffnen und wählen",
    move_note: "Sie wählen auf der Seite. Das Öffnen allein ändert nichts.",
    move_ignore: "Wenn es nicht um Sie geht, wählen Sie auf der Seite nein, oder tun Sie nichts.",
    confirm_subject: "Bitte bestätigen Sie Ihre Anmeldung bei {site}",
    confirm_preheader: "Ohne Ihre Bestätigung wird Ihnen nichts gesendet.",
    confirm_title: "Bitte bestätigen Sie Ihre Anmeldung",
    confirm_intro: "Am {when} hat jemand bei {site} darum gebeten, Folgendes an {address} zu senden:",
    confirm_by: "Absender wäre {controller}.",
    confirm_button: "Seite zum Bestätigen öffnen",
    confirm_note: "Sie bestätigen auf der Seite. Das Öffnen allein ändert nichts.",
    confirm_until: "Der Link gilt bis zum {until}.",
    ignore: "Wenn Sie das nicht waren, beachten Sie diese E-Mail nicht. Ohne Ihre Bestätigung wird Ihnen nichts gesendet, und die Anfrage wird gelöscht.",
    not_me: "Das war ich nicht: nie wieder E-Mails an mich",
    policy: "Datenschutzerklärung, Fassung {label}",
    basis_consent: "Sie haben einmal zugestimmt, E-Mails von {controller} zu erhalten.",
    basis_soft_opt_in: "Sie haben bei {controller} etwas gekauft oder angefragt und E-Mails zu Ähnlichem nicht abgelehnt.",
    basis_charity: "Sie haben {controller} unterstützt oder Interesse gezeigt und E-Mails dazu nicht abgelehnt.",
    basis_corporate: "{controller} schreibt Ihrer Organisation an diese Adresse.",
    basis_since: "Vermerkt seit dem {date}.",
};

/// The table for a language tag such as `de-AT`; English when there is none.
#[must_use]
pub fn for_language(tag: &str) -> &'static Phrases {
    let primary = tag.split(['-', '_']).next().unwrap_or_default();
    if primary.eq_ignore_ascii_case("de") { &GERMAN } else { &ENGLISH }
}

/// Fills the `{…}` marks of a phrase. Marks without a value stay as they are.
#[must_use]
pub fn fill(phrase: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(phrase.len() + 32);
    let mut rest = phrase;
    while let Some((before, from)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = from.split_once('}') else {
            out.push('{');
            rest = from;
            continue;
        };
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => out.push_str(value),
            None => out.extend(["{", name, "}"]),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

impl Phrases {
    /// "Hello Ana," or, without a name, "Hello,".
    #[must_use]
    pub fn greeting(&self, name: &str) -> String {
        match name.trim() {
            "" => self.hello.to_owned(),
            name => fill(self.hello_name, &[("name", name)]),
        }
    }

    /// "a, b and c".
    #[must_use]
    pub fn list(&self, items: &[String]) -> String {
        match items {
            [] => String::new(),
            [one] => one.clone(),
            [most @ .., last] => format!("{} {} {last}", most.join(", "), self.and),
        }
    }

    /// The policy version as a link's words.
    #[must_use]
    pub fn policy_version(&self, label: &str) -> String {
        fill(self.policy, &[("label", label)])
    }

    /// Why this person may be written to, as a sentence; `kind` is the basis's stable name.
    #[must_use]
    pub fn basis(&self, kind: &str, controller: &str, since_micros: Option<i64>) -> String {
        let sentence = match kind {
            "soft_opt_in" => self.basis_soft_opt_in,
            "charity_soft_opt_in" => self.basis_charity,
            "corporate" => self.basis_corporate,
            _ => self.basis_consent,
        };
        let why = fill(sentence, &[("controller", controller)]);
        match since_micros.and_then(|micros| self.date(micros)) {
            Some(date) => format!("{why} {}", fill(self.basis_since, &[("date", &date)])),
            None => why,
        }
    }

    /// "24 November 2026", in UTC. `None` when the instant is out of range.
    #[must_use]
    pub fn date(&self, micros: i64) -> Option<String> {
        let at = Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC);
        let month = self.months.get(usize::try_from(at.month()).ok()?.checked_sub(1)?)?;
        let (day, year) = (at.day().to_string(), at.year().to_string());
        Some(fill(self.date, &[("day", &day), ("month", month), ("year", &year)]))
    }

    /// "24 November 2026, 18:46 UTC".
    #[must_use]
    pub fn moment(&self, micros: i64) -> Option<String> {
        let at = Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC);
        Some(format!("{}, {:02}:{:02} UTC", self.date(micros)?, at.hour(), at.minute()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_greetings_lists_and_dates() {
        let (en, de) = (for_language("fr"), for_language("de-AT"));
        assert_eq!((en.language, de.language), ("en", "de"));
        assert_eq!(en.greeting("Ana"), "Hello Ana,");
        assert_eq!(de.greeting(" "), "Guten Tag,");
        let items = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(en.list(&items), "a, b and c");
        assert_eq!(de.list(&items[..2]), "a und b");
        assert_eq!(en.moment(1_795_546_000_000_000).as_deref(), Some("24 November 2026, 18:46 UTC"));
        assert_eq!(de.date(1_795_546_000_000_000).as_deref(), Some("24. November 2026"));
        assert_eq!(en.date(i64::MAX), None);
    }

    #[test]
    fn a_value_brings_no_mark_of_its_own() {
        assert_eq!(fill("{a} {b} {c}{", &[("a", "{b}"), ("b", "x")]), "{b} x {c}{");
    }
}
