//! The scenarios of consent-law section 9.6 that regulators' cases and scanners have taught: each one end to end.

mod machines;
mod stops;
