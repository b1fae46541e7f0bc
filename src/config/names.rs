//! The names of all settings, and the known one nearest to an unknown one.

use super::bounds::{LimitsSettings, OpsSettings, PiecesSettings, ThrottleSettings};
use super::error::{ConfigError, Place, Setting};
use super::section::{Declared, PREFIX};
use super::sections::{
    CampaignMonitorSettings, HttpSettings, LogSettings, OutboxSettings, RulesSettings, ServiceSettings, SmtpSettings,
    StoreSettings,
};

/// All sections: what each is about, and its settings.
pub(super) const SECTIONS: [(&str, &[Declared]); 12] = [
    (ServiceSettings::ABOUT, ServiceSettings::DECLARED),
    (LogSettings::ABOUT, LogSettings::DECLARED),
    (StoreSettings::ABOUT, StoreSettings::DECLARED),
    (HttpSettings::ABOUT, HttpSettings::DECLARED),
    (RulesSettings::ABOUT, RulesSettings::DECLARED),
    (LimitsSettings::ABOUT, LimitsSettings::DECLARED),
    (ThrottleSettings::ABOUT, ThrottleSettings::DECLARED),
    (PiecesSettings::ABOUT, PiecesSettings::DECLARED),
    (OpsSettings::ABOUT, OpsSettings::DECLARED),
    (OutboxSettings::ABOUT, OutboxSettings::DECLARED),
    (SmtpSettings::ABOUT, SmtpSettings::DECLARED),
    (CampaignMonitorSettings::ABOUT, CampaignMonitorSettings::DECLARED),
];

/// The variable that names the settings file. It cannot stand in that file.
pub(super) const CONFIG_ENV: &str = "RECONSENT_CONFIG";
/// The same among the overrides.
pub(super) const CONFIG_KEY: &str = "config";
/// What it takes.
pub(super) const CONFIG_EXPECTED: &str = "the path of a settings file in TOML";

/// What a name has behind the secret's own when it names the secret's file.
const FILE_SUFFIX: &str = "_file";
/// Characters of an unknown name that are shown and compared.
const SHOWN: usize = 80;

/// A setting for the reference that `reconsent` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingDoc {
    /// The section, empty for the service itself.
    pub section: &'static str,
    /// The variable of the environment.
    pub env: &'static str,
    /// The name in the settings file; none for the one that names the file.
    pub toml: Option<String>,
    /// What holds when it is not given, or words for it.
    pub default: Option<&'static str>,
    /// What it is.
    pub doc: &'static str,
    /// What it takes.
    pub expected: &'static str,
    /// Whether its value is never shown.
    pub secret: bool,
    /// Whether the same name with `_FILE` (`_file` in the settings file) may name a file that holds it.
    pub file_variant: bool,
}

/// Every setting there is, section by section.
pub fn describe() -> Vec<SettingDoc> {
    let file = SettingDoc {
        section: "",
        env: CONFIG_ENV,
        toml: None,
        default: Some("DATA_DIR/reconsent.toml, if it exists"),
        doc: "The settings file. The environment outranks it.",
        expected: CONFIG_EXPECTED,
        secret: false,
        file_variant: false,
    };
    std::iter::once(file).chain(declared().map(document)).collect()
}

fn document(declared: &Declared) -> SettingDoc {
    use super::section::Preset;
    SettingDoc {
        section: declared.section,
        env: declared.env,
        toml: Some(declared.toml()),
        default: match declared.default {
            Preset::Fixed(text) | Preset::Found(text) => Some(text),
            Preset::Absent => None,
        },
        doc: declared.doc,
        expected: declared.expected,
        secret: declared.secret,
        file_variant: declared.secret,
    }
}

/// The settings of all sections.
pub(super) fn declared() -> impl Iterator<Item = &'static Declared> {
    SECTIONS.iter().flat_map(|(_, settings)| settings.iter())
}

/// What a written name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// A setting.
    Value(&'static Declared),
    /// The file that holds a secret.
    FileOf(&'static Declared),
    /// The settings file.
    ConfigFile,
}

/// Looks a name up in the spelling of its place; says which known name is nearest when there is none.
pub(super) fn look_up(name: &str, place: &Place) -> Result<Meaning, ConfigError> {
    let known = || {
        let config = (!matches!(place, Place::File(_))).then_some(Meaning::ConfigFile);
        let own = declared().map(Meaning::Value);
        let files = declared().filter(|setting| setting.secret).map(Meaning::FileOf);
        own.chain(files).chain(config)
    };
    if let Some(meaning) = known().find(|meaning| spelling(*meaning, place) == name) {
        return Ok(meaning);
    }
    let shown: String = name.chars().take(SHOWN).collect();
    let wanted = bare(&shown);
    let nearest = known()
        .map(|meaning| spelling(meaning, place))
        .max_by(|a, b| likeness(&bare(a), &wanted).total_cmp(&likeness(&bare(b), &wanted)))
        .unwrap_or_default();
    Err(ConfigError::Unknown { setting: Setting { name: shown, place: place.clone() }, nearest })
}

/// How much a known name is like the wanted one. One that differs in prefix or case only is meant; then one whose
/// section was forgotten; else beginnings weigh more, which names of one section share.
fn likeness(known: &str, wanted: &str) -> f64 {
    let without_section = known.strip_suffix(wanted).is_some_and(|section| section.ends_with('_'));
    match known == wanted {
        true => 2.0,
        false if without_section && !wanted.is_empty() => 1.0,
        false => strsim::jaro_winkler(known, wanted),
    }
}

/// The name as it is written in a place.
pub(super) fn spelling(meaning: Meaning, place: &Place) -> String {
    let in_environment = matches!(place, Place::Environment);
    match meaning {
        Meaning::Value(setting) if in_environment => setting.env.to_owned(),
        Meaning::Value(setting) => setting.toml(),
        Meaning::FileOf(setting) if in_environment => format!("{}{}", setting.env, FILE_SUFFIX.to_ascii_uppercase()),
        Meaning::FileOf(setting) => format!("{}{FILE_SUFFIX}", setting.toml()),
        Meaning::ConfigFile if in_environment => CONFIG_ENV.to_owned(),
        Meaning::ConfigFile => CONFIG_KEY.to_owned(),
    }
}

/// A name without prefix and case, for comparing.
fn bare(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_prefix(&PREFIX.to_ascii_lowercase()).unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn nearest(name: &str, place: Place) -> String {
        match look_up(name, &place) {
            Err(ConfigError::Unknown { nearest, .. }) => nearest,
            other => panic!("{name} is {other:?}"),
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        for (name, near) in [
            ("RECONSENT_DATABASE_URL", "DATABASE_URL"),
            ("RECONSENT_LISTN", "RECONSENT_LISTEN"),
            ("RECONSENT_LOG", "RECONSENT_LOG_LEVEL"),
            ("RECONSENT_ROOTKEY", "RECONSENT_ROOT_KEY"),
            ("RECONSENT_ROOT_KEY_FLIE", "RECONSENT_ROOT_KEY_FILE"),
            ("RECONSENT_CONFIRM_LINK_TTL", "RECONSENT_RULES_CONFIRM_LINK_TTL"),
            ("RECONSENT_SMTP_ULR", "RECONSENT_SMTP_URL"),
            ("RECONSENT_LEVEL", "RECONSENT_LOG_LEVEL"),
            ("RECONSENT_CONFG", "RECONSENT_CONFIG"),
        ] {
            assert_eq!(nearest(name, Place::Environment), near, "{name}");
        }
        for (name, near) in [("DATABASE_URL", "database_url"), ("reconsent_listen", "listen"), ("Smtp_Url", "smtp_url")]
        {
            assert_eq!(nearest(name, Place::File("a.toml".into())), near, "{name}");
        }
    }

    #[test]
    fn some_known_name_is_always_nearest() {
        for name in ["RECONSENT_", "RECONSENT_Q", "RECONSENT_ÄÖ"] {
            assert!(!nearest(name, Place::Environment).is_empty());
        }
        assert!(!nearest("", Place::File("a.toml".into())).is_empty());
    }

    #[test]
    fn a_name_is_its_section_and_its_words() {
        let mut seen = std::collections::BTreeSet::new();
        for setting in declared() {
            assert!(setting.env == "DATABASE_URL" || setting.env.starts_with(PREFIX), "{}", setting.env);
            assert!(setting.toml().starts_with(setting.section), "{}", setting.env);
            assert!(setting.doc.ends_with('.'), "{} is described in a sentence", setting.env);
            assert!(seen.insert(setting.toml()), "{} is named once", setting.env);
        }
        assert!(seen.len() > 60);
    }
}
