//! What is kept beside each event that a list led to: what was declared for the whole list, what the row itself says,
//! and where to find both again.

use serde_json::{Map, Value, json};

use crate::domain::basis::MissingProof;
use crate::domain::ids::ImportId;
use crate::domain::list::{Claimed, Declaration};

/// What holds for all rows of an import.
#[derive(Clone)]
pub(super) struct Evidence {
    whole: Map<String, Value>,
}

impl Evidence {
    pub fn new(import: ImportId, name: &str, declaration: &Declaration) -> Self {
        let mut declared = filled(&declaration.claimed);
        let mut put = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                declared.insert(key.to_owned(), Value::from(value));
            }
        };
        put("statement", declaration.statement.as_deref());
        put("attester", declaration.attester.as_deref());
        put("document_sha256", declaration.document_sha256.map(|d| data_encoding::HEXLOWER.encode(&d)).as_deref());
        let mut whole = Map::new();
        whole.insert("import".to_owned(), json!({ "id": import, "name": name }));
        whole.insert("declared".to_owned(), Value::Object(declared));
        Self { whole }
    }

    /// The evidence for one row.
    pub fn of_row(&self, line: i32, claimed: &Claimed, missing: &[MissingProof]) -> Value {
        let mut evidence = self.whole.clone();
        evidence.insert("line".to_owned(), Value::from(line));
        let row = filled(claimed);
        if !row.is_empty() {
            evidence.insert("row".to_owned(), Value::Object(row));
        }
        if !missing.is_empty() {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            evidence.insert("missing".to_owned(), json!(missing));
        }
        Value::Object(evidence)
    }
}

/// The pieces that are there.
fn filled(claimed: &Claimed) -> Map<String, Value> {
    match serde_json::to_value(claimed) {
        Ok(Value::Object(pieces)) => pieces.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        // A struct of texts and times becomes an object.
        _ => Map::new(),
    }
}
