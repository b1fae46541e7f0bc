//! Closed sets that are written down: each member has a stable number (for columns) and a stable name (for the
//! API and for canonical records). A number or name, once released, is never given to another member.

/// Declares an enum together with its numbers and names.
macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every member, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable number, as stored.
            pub const fn code(self) -> i16 { match self { $(Self::$variant => $code),+ } }

            /// The stable name, as shown in the API and written into records.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $text),+ } }

            /// The member with this number, if there is one.
            pub const fn from_code(code: i16) -> Option<Self> { match code { $($code => Some(Self::$variant),)+ _ => None } }

            /// The member with this name, if there is one.
            pub fn from_name(name: &str) -> Option<Self> { match name { $($text => Some(Self::$variant),)+ _ => None } }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.name()) }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Self::from_name(&text).ok_or_else(|| {
                    serde::de::Error::unknown_variant(&text, &[$($text),+])
                })
            }
        }
    };
}

pub(crate) use coded;
