//! Why a person may be mailed at all, as a list that comes from elsewhere claims it: what was claimed, when it was
//! collected, and what is put forward as proof. What is missing makes the claim `no evidence`, and nobody is mailed
//! on that (RP-01, the Honda case).

use super::coded::coded;
use super::time::{Period, Timestamp};

coded! {
    /// The kinds of basis (PE-02 to PE-06).
    BasisKind {
        /// The person said yes, somewhere else.
        Consent = 1 "consent",
        /// Bought or negotiated to buy; similar products; a refusal offered then and ever since (PE-02).
        SoftOptIn = 2 "soft_opt_in",
        /// Supported or showed interest in a charity's purposes, from 5 February 2026 on (PE-03).
        CharitySoftOptIn = 3 "charity_soft_opt_in",
        /// A UK corporate subscriber (PE-06).
        Corporate = 4 "corporate",
        /// Nothing is claimed.
        None = 5 "none",
    }
}

/// The charity soft opt-in is not retrospective: DUAA 2025 s.114, in force 5 February 2026 (PE-03).
pub const CHARITY_SOFT_OPT_IN_FROM: Timestamp = Timestamp::from_micros(1_770_249_600_000_000);

/// What a list claims for one person, with what is put forward as proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasisClaim {
    /// The kind claimed.
    pub kind: BasisKind,
    /// When the details were collected.
    pub collected_at: Option<Timestamp>,
    /// The end that the list itself states; otherwise the purpose's validity counts from collection.
    pub valid_until: Option<Timestamp>,
    /// How it was collected: form, till, phone, event.
    pub how: Option<String>,
    /// A document, or the statement of someone who attests it, is on file.
    pub attested: bool,
    /// The sale or negotiation (soft opt-in).
    pub sale_ref: Option<String>,
    /// A simple, free refusal was offered at collection and in each message since (soft opt-ins).
    pub refusal_offered: bool,
    /// What the marketing is about, similar to what was bought (soft opt-in).
    pub similar_products_scope: Option<String>,
    /// The interest expressed or support given (charity).
    pub charitable_interest: Option<String>,
}

/// What remains of a claim once it has been looked at; this is what stands on record and what the gate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    /// The kind.
    pub kind: BasisKind,
    /// Whether the proof asked for is there.
    pub evidenced: bool,
    /// When it was collected, if that is known.
    pub collected_at: Option<Timestamp>,
    /// When it ends, if it does.
    pub valid_until: Option<Timestamp>,
}

/// A piece of proof that a claim lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MissingProof {
    /// No basis is claimed.
    #[error("no basis is claimed")]
    Claim,
    /// When was it collected?
    #[error("the collection time is missing")]
    CollectedAt,
    /// A collection time that has not come yet.
    #[error("the collection time lies in the future")]
    CollectedInFuture,
    /// How was it collected?
    #[error("how it was collected is missing")]
    How,
    /// Neither document nor attester.
    #[error("a document, or a statement with the name of who attests it, is missing")]
    Attestation,
    /// Which sale?
    #[error("the sale or negotiation is missing (PE-02)")]
    SaleRef,
    /// Was refusing offered?
    #[error("that a refusal was offered at collection is not stated (PE-02, PE-03)")]
    RefusalOffered,
    /// Which products?
    #[error("the scope of similar products is missing (PE-02)")]
    Scope,
    /// Which interest or support?
    #[error("the interest or support shown is missing (PE-03)")]
    CharitableInterest,
    /// Collected before the law allowed it.
    #[error("a charity's soft opt-in counts only from 5 February 2026 on (PE-03)")]
    BeforeCharityRule,
}

impl BasisClaim {
    /// Everything that the claim lacks; empty when it will do.
    pub fn missing(&self, now: Timestamp) -> Vec<MissingProof> {
        let mut missing = Vec::new();
        let mut need = |there: bool, what: MissingProof| {
            if !there {
                missing.push(what);
            }
        };
        if self.kind == BasisKind::None {
            return vec![MissingProof::Claim];
        }
        need(self.collected_at.is_some(), MissingProof::CollectedAt);
        need(self.collected_at.is_none_or(|at| at <= now), MissingProof::CollectedInFuture);
        need(filled(&self.how), MissingProof::How);
        need(self.attested, MissingProof::Attestation);
        match self.kind {
            BasisKind::Consent | BasisKind::Corporate | BasisKind::None => {}
            BasisKind::SoftOptIn => {
                need(filled(&self.sale_ref), MissingProof::SaleRef);
                need(self.refusal_offered, MissingProof::RefusalOffered);
                need(filled(&self.similar_products_scope), MissingProof::Scope);
            }
            BasisKind::CharitySoftOptIn => {
                need(filled(&self.charitable_interest), MissingProof::CharitableInterest);
                need(self.refusal_offered, MissingProof::RefusalOffered);
                need(
                    self.collected_at.is_none_or(|at| at >= CHARITY_SOFT_OPT_IN_FROM),
                    MissingProof::BeforeCharityRule,
                );
            }
        }
        missing
    }

    /// What goes on record. The end is the list's own, else the purpose's validity counted from collection (EX-02);
    /// a corporate subscriber's basis has no end of its own.
    pub fn assess(&self, validity: Period, now: Timestamp) -> Basis {
        let counted = match self.kind {
            BasisKind::Corporate | BasisKind::None => None,
            _ => self.collected_at.map(|at| validity.after(at)),
        };
        Basis {
            kind: self.kind,
            evidenced: self.missing(now).is_empty(),
            collected_at: self.collected_at,
            valid_until: self.valid_until.or(counted),
        }
    }
}

fn filled(text: &Option<String>) -> bool {
    text.as_deref().is_some_and(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn whole(kind: BasisKind) -> BasisClaim {
        BasisClaim {
            kind,
            collected_at: Some(at("2026-03-01")),
            valid_until: None,
            how: Some("shop till".into()),
            attested: true,
            sale_ref: Some("INV-7".into()),
            refusal_offered: true,
            similar_products_scope: Some("garden tools".into()),
            charitable_interest: Some("gave in 2026".into()),
        }
    }

    #[test]
    fn each_kind_asks_for_its_own_proof() {
        use MissingProof::*;
        let now = at("2026-11-24");
        type Strip = fn(&mut BasisClaim);
        let cases: &[(BasisKind, Strip, &[MissingProof])] = &[
            (BasisKind::Consent, |_| {}, &[]),
            (BasisKind::Consent, |c| c.collected_at = None, &[CollectedAt]),
            (BasisKind::Consent, |c| c.attested = false, &[Attestation]),
            (BasisKind::Consent, |c| c.how = Some("  ".into()), &[How]),
            (BasisKind::Consent, |c| c.sale_ref = None, &[]),
            (BasisKind::Consent, |c| c.collected_at = Some(at("2027-01-01")), &[CollectedInFuture]),
            (BasisKind::SoftOptIn, |c| c.sale_ref = None, &[SaleRef]),
            (BasisKind::SoftOptIn, |c| c.refusal_offered = false, &[RefusalOffered]),
            (BasisKind::SoftOptIn, |c| c.similar_products_scope = None, &[Scope]),
            (BasisKind::CharitySoftOptIn, |c| c.charitable_interest = None, &[CharitableInterest]),
            (BasisKind::CharitySoftOptIn, |c| c.collected_at = Some(at("2026-02-04T23:59:59Z")), &[BeforeCharityRule]),
            (BasisKind::CharitySoftOptIn, |c| c.collected_at = Some(at("2026-02-05")), &[]),
            (BasisKind::Corporate, |_| {}, &[]),
            (BasisKind::None, |_| {}, &[Claim]),
        ];
        for (kind, strip, expected) in cases {
            let mut claim = whole(*kind);
            strip(&mut claim);
            assert_eq!(&claim.missing(now), expected, "{kind}");
            assert_eq!(claim.assess(Period::parse("P24M").unwrap(), now).evidenced, expected.is_empty());
        }
    }

    #[test]
    fn validity_counts_from_collection_unless_the_list_states_an_end() {
        let now = at("2026-11-24");
        let validity = Period::parse("P24M").unwrap();
        assert_eq!(whole(BasisKind::Consent).assess(validity, now).valid_until, Some(at("2028-03-01")));
        let stated = BasisClaim { valid_until: Some(at("2026-12-31")), ..whole(BasisKind::Consent) };
        assert_eq!(stated.assess(validity, now).valid_until, Some(at("2026-12-31")));
        assert_eq!(whole(BasisKind::Corporate).assess(validity, now).valid_until, None);
    }
}
