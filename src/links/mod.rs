//! Signed links: the only credential a person ever holds. A token says that we wrote it, for which act, and until
//! when; it says nothing about anybody (LK-09, R-32). Whose it is, for which purpose and under which notice stands in
//! the record that its `jti` names, and whether the act is still allowed is for the domain to say at the moment of
//! the POST.
//!
//! What is promised: one token has one spelling; one function checks everything, the signature first; an act cannot
//! be had with the token of another (R-31, LK-07); what stops opens for ever and under any standing of the key
//! (LK-06, LK-12). What is left to others: finding the key by `kid` (it names one controller), the record, the single
//! effect, and the neutral page that answers every refusal.

mod claims;
mod keys;
mod token;

pub use crate::domain::link::{KeyStanding, LinkAction as Action};
pub use claims::Claims;
pub use keys::{InvalidKey, SigningKey, VerifyingKey, jwks};
pub use token::{LinkError, MAX_TOKEN, Opened, open, parse_kid};

#[cfg(test)]
mod attack_tests;
#[cfg(test)]
mod tests;
