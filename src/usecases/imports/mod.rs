//! Lists that marketers upload. An import never confirms anybody and never writes to a destination: it records what
//! the list claims about each person and what is put forward as proof, or, from a do-not-mail list, a stop.
//!
//! An upload comes in sealed pieces and is nothing until it is whole ([`Upload`]). A worker then reads it batch by
//! batch ([`ImportReading`]): each batch is one commit with its rows of the report and the place to go on from, so
//! that whoever takes over after a crash neither skips nor doubles a row. The bytes go when they are read; an attached
//! document stays, as it is the proof.
//!
//! A list that is at the provider already is fetched from there instead ([`import_from_provider`]).

mod ahead;
mod batch;
mod contacts;
mod evidence;
mod look;
mod pages;
mod provider;
mod provider_words;
mod reading;
mod stopped_there;
mod stops;
mod trial;
mod upload;
mod verdict;

use uuid::Uuid;

use crate::crypto::secret::sha256;
use crate::domain::ids::{ControllerScope, ImportId};
use crate::domain::list::{Declaration, ListKind, ListLimits};
use crate::domain::purpose::Purpose;
use crate::store::ReadTx;
use crate::store::rows::ImportKind;

pub use look::{Standing, find_import, import_document, import_report, list_imports};
pub use pages::{PageStep, ProviderReading};
pub use provider::import_from_provider;
pub use reading::{ImportReading, Step, read_import_chunk};
pub use trial::{Trial, TrialRow, try_import};
pub use upload::{Upload, forget_unfinished};

use super::{Error, Rules};

/// An import to be.
#[derive(Debug, Clone)]
pub struct NewImport {
    /// Contacts or do-not-mail.
    pub kind: ImportKind,
    /// What people call it.
    pub name: String,
    /// The short names of the purposes. Contacts need one; a do-not-mail list without any stops them all.
    pub purposes: Vec<String>,
    /// What the uploader declares for the whole list.
    pub declaration: Declaration,
}

/// How the list is read.
const fn list_kind(kind: ImportKind) -> ListKind {
    match kind {
        ImportKind::Contacts => ListKind::Contacts,
        ImportKind::DoNotMail => ListKind::DoNotMail,
    }
}

const fn limits(rules: &Rules) -> ListLimits {
    ListLimits {
        cell_bytes: rules.limits.import_cell_bytes,
        columns: rules.limits.import_columns,
        rows: rules.import_rows,
        record_bytes: rules.limits.import_record_bytes,
    }
}

/// The purposes with these short names.
fn resolve(tx: &mut ReadTx<'_>, scope: ControllerScope, new: &NewImport) -> Result<Vec<Purpose>, Error> {
    let all = tx.purposes(scope)?;
    let mut found: Vec<Purpose> = Vec::with_capacity(new.purposes.len());
    for slug in &new.purposes {
        let purpose = all.iter().find(|purpose| purpose.slug.as_str() == slug);
        let purpose = purpose.ok_or_else(|| Error::field("purposes", "there is no purpose with one of these names"))?;
        if found.iter().any(|known| known.id == purpose.id) {
            return Err(Error::field("purposes", "one is named twice"));
        }
        found.push(purpose.clone());
    }
    if found.is_empty() && new.kind == ImportKind::Contacts {
        return Err(Error::field("purposes", "contacts need at least one purpose"));
    }
    Ok(found)
}

/// The row that a piece of an upload is sealed to: the upload and the piece's number, so that pieces do not change
/// places.
pub(super) fn chunk_row(import: ImportId, chunk: i32) -> Uuid {
    let mut bytes = import.uuid().as_bytes().to_vec();
    bytes.extend_from_slice(&chunk.to_be_bytes());
    let mut row = [0; 16];
    row.copy_from_slice(&sha256(&bytes)[..16]);
    Uuid::from_bytes(row)
}
