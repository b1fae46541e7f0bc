//! How a section of settings is written down: once, as a struct whose fields carry their names, kinds, defaults and
//! words. The reader, the reference and the sample file are made from that one place and cannot drift apart.

use std::collections::BTreeMap;

use super::error::{ConfigError, Setting};
use super::kinds::Kind;

/// What comes before the name of each of our variables, save `DATABASE_URL`, which other tools know too.
pub(super) const PREFIX: &str = "RECONSENT_";

/// What holds when a setting is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preset {
    /// This text, read like a given one.
    Fixed(&'static str),
    /// A text that is found out when the settings are loaded; these words describe it.
    Found(&'static str),
    /// Nothing.
    Absent,
}

/// A setting as its section declares it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declared {
    pub(super) section: &'static str,
    pub(super) env: &'static str,
    pub(super) default: Preset,
    pub(super) doc: &'static str,
    pub(super) expected: &'static str,
    pub(super) secret: bool,
}

impl Declared {
    /// The name in the settings file.
    pub(super) fn toml(&self) -> String {
        self.env.strip_prefix(PREFIX).unwrap_or(self.env).to_ascii_lowercase()
    }
}

/// A value as text, and the key it was given by; defaults have none.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) text: String,
    pub(super) setting: Option<Setting>,
}

/// The merged values, by their names in the settings file.
pub(super) struct Values(pub(super) BTreeMap<String, Given>);

impl Values {
    /// Reads one setting as its kind.
    pub(super) fn take<K: Kind>(&self, declared: &Declared) -> Result<K::Value, ConfigError> {
        let expected = K::EXPECTED;
        let Some(given) = self.0.get(&declared.toml()) else {
            return K::absent().ok_or(ConfigError::Missing { name: declared.env, expected });
        };
        K::parse(&given.text).ok_or_else(|| match &given.setting {
            Some(setting) => ConfigError::Invalid { setting: setting.clone(), expected },
            None => ConfigError::Missing { name: declared.env, expected },
        })
    }
}

/// Declares a section: `field: Type as Kind = "NAME" or Preset`.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident, $section:literal;
        $( $(#[doc = $doc:literal])+ $field:ident : $type:ty as $kind:ty = $env:literal or $default:expr; )+
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("\n\n`", $env, "`")]
                pub $field: $type,
            )+
        }

        impl $name {
            pub(super) const ABOUT: &str = concat!($($about),+).trim_ascii();
            pub(super) const DECLARED: &[$crate::config::section::Declared] = &[
                $($crate::config::section::Declared {
                    section: $section,
                    env: $env,
                    default: { #[allow(unused_imports)] use $crate::config::section::Preset::*; $default },
                    doc: concat!($($doc),+).trim_ascii(),
                    expected: <$kind as $crate::config::kinds::Kind>::EXPECTED,
                    secret: <$kind as $crate::config::kinds::Kind>::SECRET,
                },)+
            ];

            /// Reads the section's fields in the order they are declared.
            pub(super) fn read(
                values: &$crate::config::section::Values,
            ) -> Result<Self, $crate::config::ConfigError> {
                let mut declared = Self::DECLARED.iter();
                let mut next = || declared.next().expect("one declaration stands for each field");
                Ok(Self { $($field: values.take::<$kind>(next())?,)+ })
            }
        }
    };
}
pub(super) use section;
