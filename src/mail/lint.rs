//! What a re-permission text must not say (RP-07): no prize, discount or other reward for a yes.
//!
//! A word list in English and German, matched on whole words (German also on the beginning of compounds). It is a net
//! for honest mistakes, not a proof of neutrality; tone is left to people. The links that must be in every mail (answer,
//! withdraw, policy) need no check, because the layout always carries them.

use super::template::MailTemplate;

/// One thing that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands: subject, preheader or body.
    pub field: &'static str,
    /// The word or phrase as written.
    pub words: String,
    /// Why it is refused, for the person who wrote it.
    pub why: &'static str,
}

const WHY: &str = "A mail that asks for consent must not offer a prize, discount or other advantage for it: consent that \
    is rewarded is not freely given, and regulators have fined exactly this (RP-07).";

/// Most findings that are reported.
const MAX_FINDINGS: usize = 20;

/// Whole words that promise an advantage.
const WORDS: &[&str] = &[
    "prize",
    "prizes",
    "discount",
    "discounts",
    "discounted",
    "voucher",
    "vouchers",
    "coupon",
    "coupons",
    "giveaway",
    "giveaways",
    "raffle",
    "sweepstake",
    "sweepstakes",
    "lottery",
    "gift",
    "gifts",
    "reward",
    "rewards",
    "cashback",
    "bonus",
    "freebie",
    "freebies",
    "win",
    "winner",
    "winners",
    "gratis",
    "gewinne",
    "gewinnen",
    "gewinner",
    "gewinn",
    "prämie",
    "prämien",
    "geschenk",
    "geschenke",
    "verlosung",
    "verlosen",
    "tombola",
    "lotterie",
    "rabatt",
    "rabatte",
    "nachlass",
    "vergünstigung",
    "belohnung",
    "promo",
];

/// Beginnings of German compounds that promise an advantage.
const BEGINNINGS: &[&str] = &[
    "gewinnspiel",
    "gutschein",
    "rabatt",
    "preisausschreiben",
    "preisnachlass",
    "verlosung",
    "prämien",
    "geschenk",
    "sonderangebot",
    "willkommensbonus",
    "treuebonus",
    "vorteilscode",
];

/// Phrases of several words.
const PHRASES: &[&str] = &["% off", "percent off", "% rabatt", "free gift", "special offer", "für sie kostenlos dazu"];

/// Looks through all three texts. An empty list means that nothing is refused.
#[must_use]
pub fn lint(template: &MailTemplate) -> Vec<Finding> {
    let fields = [("subject", &template.subject), ("preheader", &template.preheader), ("body", &template.body)];
    let mut findings = Vec::new();
    for (field, text) in fields {
        let lower = text.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let bad = |word: &&str| WORDS.contains(word) || BEGINNINGS.iter().any(|start| word.starts_with(start));
        let spaced = lower.split_whitespace().collect::<Vec<_>>().join(" ");
        let phrases = PHRASES.iter().copied().filter(|phrase| spaced.contains(phrase));
        for found in words.filter(bad).chain(phrases).take(MAX_FINDINGS) {
            let finding = Finding { field, words: found.to_owned(), why: WHY };
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings.truncate(MAX_FINDINGS);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> Vec<String> {
        let template = MailTemplate { subject: "s".to_owned(), preheader: String::new(), body: body.to_owned() };
        lint(&template).into_iter().map(|finding| finding.words).collect()
    }

    #[test]
    fn advantages_are_refused_in_both_languages() {
        for text in [
            "Take part in our PRIZE draw",
            "a £5 voucher",
            "Get 10 % off",
            "10% off today",
            "one **discount**",
            "You can win",
            "Jetzt Gutscheincode sichern",
            "20 % Rabatt",
            "unser Gewinnspiel",
            "Ein Geschenk für Sie",
            "Rabattaktion",
        ] {
            assert!(!found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn ordinary_words_pass() {
        for text in [
            "What a surprise",
            "a window seat",
            "an enterprise",
            "our prices",
            "unsere Preise",
            "a gifted child",
            "Winter",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }
}
