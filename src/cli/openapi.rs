//! `reconsent openapi`: the document of the API, and nothing around it.

use super::exit::{Failure, print};

pub(super) fn run() -> Result<(), Failure> {
    print(crate::http::routes::document_text().trim_end())
}
