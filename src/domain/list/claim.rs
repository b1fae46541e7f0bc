//! What is claimed about a person: by the row itself, and for the whole list by whoever uploads it. The row wins,
//! piece by piece; what neither states is missing, and `basis` decides what that means.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::row::ListRow;
use crate::domain::basis::{BasisClaim, BasisKind};
use crate::domain::time::Timestamp;

/// The pieces of a claim, each of which may be absent. Serialised only into the sealed declaration of an import;
/// `Debug` shows which texts are there, not what they say.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Claimed {
    /// The kind of basis.
    pub basis: Option<BasisKind>,
    /// When the details were collected.
    pub collected_at: Option<Timestamp>,
    /// The end that the list states; a bare date ends as that day begins, UTC.
    pub valid_until: Option<Timestamp>,
    /// How they were collected.
    pub how: Option<String>,
    /// The sale or negotiation.
    pub sale_ref: Option<String>,
    /// Whether a refusal was offered then and in each message since.
    pub refusal_offered: Option<bool>,
    /// What the marketing is about.
    pub similar_products_scope: Option<String>,
    /// Interest or support shown to a charity.
    pub charitable_interest: Option<String>,
    /// Where the proof is kept. It helps to find a proof and is none by itself.
    pub evidence: Option<String>,
}

/// What the uploader declares for all rows of a list.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Declaration {
    /// Holds for each row that does not say otherwise.
    pub claimed: Claimed,
    /// What is attested, in the attester's words.
    pub statement: Option<String>,
    /// Who attests it.
    pub attester: Option<String>,
    /// SHA-256 of a document that was uploaded with the list.
    pub document_sha256: Option<[u8; 32]>,
}

impl Declaration {
    /// Whether proof is on file: a document, or a statement together with the name of who makes it. A statement that
    /// nobody stands for is none.
    pub fn attests(&self) -> bool {
        let filled = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
        self.document_sha256.is_some() || (filled(&self.statement) && filled(&self.attester))
    }
}

/// The claim for one row: what the row states, else what the declaration states for the whole list. A row that says
/// `none` stays at none whatever was declared (RP-01).
pub fn claim(row: &ListRow, declaration: &Declaration) -> BasisClaim {
    let (own, whole) = (&row.claimed, &declaration.claimed);
    let text = |own: &Option<String>, whole: &Option<String>| own.as_ref().or(whole.as_ref()).cloned();
    BasisClaim {
        kind: own.basis.or(whole.basis).unwrap_or(BasisKind::None),
        collected_at: own.collected_at.or(whole.collected_at),
        valid_until: own.valid_until.or(whole.valid_until),
        how: text(&own.how, &whole.how),
        attested: declaration.attests(),
        sale_ref: text(&own.sale_ref, &whole.sale_ref),
        refusal_offered: own.refusal_offered.or(whole.refusal_offered).unwrap_or(false),
        similar_products_scope: text(&own.similar_products_scope, &whole.similar_products_scope),
        charitable_interest: text(&own.charitable_interest, &whole.charitable_interest),
    }
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claimed")
            .field("basis", &self.basis)
            .field("collected_at", &self.collected_at.is_some())
            .field("valid_until", &self.valid_until.is_some())
            .field("how", &self.how.is_some())
            .field("sale_ref", &self.sale_ref.is_some())
            .field("refusal_offered", &self.refusal_offered)
            .field("similar_products_scope", &self.similar_products_scope.is_some())
            .field("charitable_interest", &self.charitable_interest.is_some())
            .field("evidence", &self.evidence.is_some())
            .finish()
    }
}

impl fmt::Debug for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declaration")
            .field("claimed", &self.claimed)
            .field("attests", &self.attests())
            .finish_non_exhaustive()
    }
}
