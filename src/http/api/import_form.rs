//! The parameters of an import: in the query beside a CSV body, or as parts of a form in front of the file.

use actix_multipart::{Field, Multipart};
use futures_util::StreamExt;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::domain::basis::BasisKind;
use crate::domain::list::{Claimed, Declaration, MAX_TEXT};
use crate::domain::name::is_unsafe_in_a_line;
use crate::domain::time::Timestamp;
use crate::http::problem::{Kind, Problem};
use crate::store::rows::ImportKind;
use crate::usecases::Limits;
use crate::usecases::error::FieldFault;
use crate::usecases::imports::NewImport;

/// What an import is, and what its uploader declares for every row that does not say otherwise. What is missing means
/// that there is no evidence, and nobody is mailed on that.
#[derive(Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportFields {
    /// `contacts` or `do-not-mail`.
    kind: Option<String>,
    /// What people call it; default: its kind.
    name: Option<String>,
    /// Short names of purposes, with commas between. Contacts need one; a do-not-mail list without any stops them all.
    purposes: Option<String>,
    /// `consent`, `soft_opt_in`, `charity_soft_opt_in`, `corporate` or `none`.
    basis: Option<String>,
    /// When the details were collected: a date, or RFC 3339.
    collected_at: Option<String>,
    /// The end of the basis; default: the purpose's validity, counted from collection.
    valid_until: Option<String>,
    /// How the details were collected: form, till, phone, event.
    how: Option<String>,
    /// The sale or negotiation (soft opt-in).
    sale_ref: Option<String>,
    /// `yes` or `no`: a simple, free refusal was offered at collection and in each message since (soft opt-ins).
    refusal_offered: Option<String>,
    /// What the marketing is about (soft opt-in).
    similar_products_scope: Option<String>,
    /// The interest or support shown (charity).
    charitable_interest: Option<String>,
    /// What is attested, in the attester's words.
    statement: Option<String>,
    /// Who attests it.
    attester: Option<String>,
}

impl ImportFields {
    fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "kind" => &mut self.kind,
            "name" => &mut self.name,
            "purposes" => &mut self.purposes,
            "basis" => &mut self.basis,
            "collected_at" => &mut self.collected_at,
            "valid_until" => &mut self.valid_until,
            "how" => &mut self.how,
            "sale_ref" => &mut self.sale_ref,
            "refusal_offered" => &mut self.refusal_offered,
            "similar_products_scope" => &mut self.similar_products_scope,
            "charitable_interest" => &mut self.charitable_interest,
            "statement" => &mut self.statement,
            "attester" => &mut self.attester,
            _ => return None,
        })
    }

    /// The same for a list that can only hold contacts.
    pub fn of_contacts(mut self) -> Self {
        self.kind.get_or_insert_with(|| ImportKind::Contacts.name().to_owned());
        self
    }

    /// The fields as types; every fault is named.
    pub fn read(self, limits: &Limits) -> Result<NewImport, Problem> {
        let mut faults = Vec::new();
        let kind = match self.kind.as_deref().map(ImportKind::from_name) {
            Some(Some(kind)) => Some(kind),
            Some(None) | None => {
                faults.push(FieldFault::new("kind", "expected `contacts` or `do-not-mail`"));
                None
            }
        };
        let basis = self.basis.and_then(|text| {
            let kind = BasisKind::from_name(&text.replace('-', "_"));
            if kind.is_none() {
                let expected = "expected consent, soft_opt_in, charity_soft_opt_in, corporate or none";
                faults.push(FieldFault::new("basis", expected));
            }
            kind
        });
        let refusal_offered = self.refusal_offered.and_then(|text| match text.as_str() {
            "yes" | "true" => Some(true),
            "no" | "false" => Some(false),
            _ => {
                faults.push(FieldFault::new("refusal_offered", "expected `yes` or `no`"));
                None
            }
        });
        let mut moment = |field: &str, text: Option<String>| {
            text.and_then(|text| {
                Timestamp::parse(&text).map_err(|error| faults.push(FieldFault::new(field, error))).ok()
            })
        };
        let collected_at = moment("collected_at", self.collected_at);
        let valid_until = moment("valid_until", self.valid_until);
        let mut line = |field: &str, text: Option<String>, most: usize| {
            let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())?;
            let multi_line = field == "statement";
            let unsafe_char = |c: char| is_unsafe_in_a_line(c) && !(multi_line && matches!(c, '\n' | '\r' | '\t'));
            if text.chars().count() > most {
                faults.push(FieldFault::new(field, format!("at most {most} characters")));
            } else if text.chars().any(unsafe_char) {
                faults.push(FieldFault::new(field, "control characters are not allowed"));
            }
            Some(text)
        };
        let claimed = Claimed {
            basis,
            collected_at,
            valid_until,
            refusal_offered,
            how: line("how", self.how, MAX_TEXT),
            sale_ref: line("sale_ref", self.sale_ref, MAX_TEXT),
            similar_products_scope: line("similar_products_scope", self.similar_products_scope, MAX_TEXT),
            charitable_interest: line("charitable_interest", self.charitable_interest, MAX_TEXT),
            evidence: None,
        };
        let declaration = Declaration {
            claimed,
            statement: line("statement", self.statement, limits.import_statement_characters),
            attester: line("attester", self.attester, MAX_TEXT),
            document_sha256: None,
        };
        let name = line("name", self.name, 100);
        match kind {
            Some(kind) if faults.is_empty() => Ok(NewImport {
                kind,
                name: name.unwrap_or_else(|| kind.name().to_owned()),
                purposes: list(self.purposes.as_deref().unwrap_or_default()),
                declaration,
            }),
            _ => Err(Problem::fields(faults)),
        }
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// A form read up to its file.
pub struct FormHead {
    /// What is to be imported.
    pub new: NewImport,
    /// The document that proves it.
    pub document: Option<Vec<u8>>,
    /// The list, not read yet.
    pub file: Field,
}

fn fault(field: &str, message: impl ToString) -> Problem {
    Problem::fields(vec![FieldFault::new(field, message)])
}

/// A form that does not read as one.
pub fn broken() -> Problem {
    Problem::with(Kind::BadRequest, "the form does not read, or broke off")
}

/// Reads a form's parts until the file comes. Everything about the file has to stand before it, as its rows are taken
/// in while they arrive.
pub async fn read_head(limits: &Limits, mut fields: ImportFields, form: &mut Multipart) -> Result<FormHead, Problem> {
    match read_parts(limits, &mut fields, form).await? {
        (document, Some(file)) => Ok(FormHead { new: fields.read(limits)?, document, file }),
        (_, None) => Err(fault("file", "the form has no file")),
    }
}

/// Reads a form that has no file: the list is elsewhere.
pub async fn read_whole(
    limits: &Limits,
    mut fields: ImportFields,
    form: &mut Multipart,
) -> Result<(NewImport, Option<Vec<u8>>), Problem> {
    match read_parts(limits, &mut fields, form).await? {
        (document, None) => Ok((fields.of_contacts().read(limits)?, document)),
        (_, Some(_)) => Err(fault("file", "the list is read at the provider; there is no file")),
    }
}

/// Reads parts up to the file, or to the end.
async fn read_parts(
    limits: &Limits,
    fields: &mut ImportFields,
    form: &mut Multipart,
) -> Result<(Option<Vec<u8>>, Option<Field>), Problem> {
    let mut document = None;
    for _ in 0..limits.import_form_parts {
        let Some(part) = form.next().await else { return Ok((document, None)) };
        let part = part.map_err(|_| broken())?;
        let name = part.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "file" => return Ok((document, Some(part))),
            "document" if document.is_some() => return Err(fault("document", "comes twice")),
            "document" => {
                let bytes = read_part(part, "document", limits.import_document_bytes).await?;
                // A form sends an empty part for a file that was not chosen.
                document = (!bytes.is_empty()).then_some(bytes);
            }
            _ => {
                let Some(slot) = fields.slot(&name) else {
                    return Err(Problem::with(Kind::BadRequest, "the form has an unknown part"));
                };
                if slot.is_some() {
                    return Err(fault(&name, "comes twice"));
                }
                let bytes = read_part(part, &name, limits.import_text_bytes).await?;
                *slot = Some(String::from_utf8(bytes).map_err(|_| fault(&name, "is not UTF-8"))?);
            }
        }
    }
    Err(Problem::with(Kind::BadRequest, format!("more than {} parts", limits.import_form_parts)))
}

async fn read_part(mut part: Field, name: &str, most: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = part.next().await {
        let piece = piece.map_err(|_| broken())?;
        if bytes.len() + piece.len() > most {
            return Err(Problem::with(Kind::TooLarge, format!("{name}: at most {most} bytes")));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
