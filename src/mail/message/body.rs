//! The parts of a mail as they go over the wire: quoted-printable, or base64 where that would triple most of a text.
//!
//! The mails of a round have nearly all of their bytes in common. A [`Cast`] encodes these once; for each person only
//! the gaps are encoded, between soft line breaks, which a reader's program takes out again.

use lettre::message::{Body as LibraryBody, header::ContentTransferEncoding};

use super::super::mould::{Fillings, Pattern, Piece};
use super::super::render::{Mould, Recipient, RenderError, escape_html};

/// A part's text, or its bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// To be encoded.
    Text(&'a str),
    /// Encoded.
    Encoded(Encoded),
}

/// Bytes that may go out as they are, and how they were made.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    pub(super) bytes: Vec<u8>,
    pub(super) transfer: ContentTransferEncoding,
}

impl Encoded {
    pub(super) fn of(text: &str) -> Self {
        let text = wire_text(text);
        let transfer = transfer_of(&text);
        Self { bytes: encode(text, transfer), transfer }
    }
}

/// Base64 where quoted-printable would triple most of it.
fn transfer_of(text: &str) -> ContentTransferEncoding {
    let foreign = text.bytes().filter(|b| !b.is_ascii()).count();
    if foreign * 6 > text.len() { ContentTransferEncoding::Base64 } else { ContentTransferEncoding::QuotedPrintable }
}

fn encode(text: String, transfer: ContentTransferEncoding) -> Vec<u8> {
    LibraryBody::new_with_encoding(text, transfer)
        .expect("quoted-printable and base64 take any text; the library refuses only 7bit and 8bit")
        .into_vec()
}

/// Longest line of quoted-printable with its soft line break (RFC 2045 6.7).
const LINE: usize = 76;

/// Quoted-printable that a soft line break may follow: the last line leaves room for its `=`.
fn encode_piece(text: String) -> Vec<u8> {
    let mut bytes = encode(text, ContentTransferEncoding::QuotedPrintable);
    let last = bytes.len() - bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    if last >= LINE {
        let octet = if bytes.len().checked_sub(3).and_then(|at| bytes.get(at)) == Some(&b'=') { 3 } else { 1 };
        let at = bytes.len() - octet;
        bytes.splice(at..at, *b"=\r\n");
    }
    bytes
}

/// CRLF everywhere, bare CR and NUL gone, a line end at the end.
fn wire_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32 + 2);
    for line in text.lines() {
        out.extend(line.chars().filter(|c| !matches!(c, '\r' | '\0')));
        out.push_str("\r\n");
    }
    out
}

/// One part of a [`Cast`].
enum Part {
    /// Pieces that are encoded each by itself.
    QuotedPrintable(Vec<Piece<Vec<u8>>>),
    /// To be encoded when it is whole.
    Base64(Pattern),
}

impl Part {
    fn new(pattern: &Pattern) -> Self {
        // Line ends are made before it is cut: a piece may end within a line.
        let pieces = pattern.clone().map(wire_text_within);
        let same = pieces.pieces().iter().filter_map(|piece| match piece {
            Piece::Same(text) => Some(text.as_str()),
            Piece::Own(_) => None,
        });
        match transfer_of(&same.collect::<String>()) {
            ContentTransferEncoding::Base64 => Self::Base64(pieces),
            _ => Self::QuotedPrintable(
                pieces
                    .pieces()
                    .iter()
                    .map(|piece| match piece {
                        Piece::Same(text) => Piece::Same(encode_piece(text.clone())),
                        Piece::Own(gap) => Piece::Own(*gap),
                    })
                    .collect(),
            ),
        }
    }

    fn fill(&self, own: &Fillings, write: fn(&str) -> String) -> Encoded {
        let pieces = match self {
            Self::Base64(pattern) => return Encoded::of(&pattern.fill(own, write)),
            Self::QuotedPrintable(pieces) => pieces,
        };
        let transfer = ContentTransferEncoding::QuotedPrintable;
        let same = pieces.iter().map(|piece| if let Piece::Same(encoded) = piece { encoded.len() } else { 400 });
        let mut bytes = Vec::with_capacity(same.sum());
        for piece in pieces {
            let value;
            let next: &[u8] = match piece {
                Piece::Same(encoded) => encoded,
                Piece::Own(gap) => {
                    value = encode_piece(write(own.get(*gap)));
                    &value
                }
            };
            // Each piece was encoded as if it began a line.
            if !bytes.is_empty() && !bytes.ends_with(b"\r\n") && !next.starts_with(b"\r\n") {
                bytes.extend_from_slice(b"=\r\n");
            }
            bytes.extend_from_slice(next);
        }
        if !bytes.ends_with(b"\r\n") {
            bytes.extend_from_slice(b"\r\n");
        }
        Encoded { bytes, transfer }
    }
}

/// As [`wire_text`], for a piece that need not end with its line.
fn wire_text_within(text: &str) -> String {
    let mut lines = wire_text(text);
    if !text.ends_with('\n') {
        lines.truncate(lines.len().saturating_sub(2));
    }
    lines
}

/// A [`Mould`] whose common part is encoded.
pub struct Cast {
    mould: Mould,
    text: Part,
    html: Part,
}

/// A mail for one person, before its header.
pub struct Filled<'a> {
    /// Subject line.
    pub subject: String,
    /// Text part.
    pub text: Body<'a>,
    /// HTML part.
    pub html: Body<'a>,
}

impl Cast {
    /// Encodes what is common.
    pub fn new(mould: Mould) -> Self {
        Self { text: Part::new(&mould.text), html: Part::new(&mould.html), mould }
    }

    /// The mail for one person.
    ///
    /// # Errors
    /// [`RenderError`] when a value is not fit.
    pub fn fill(&self, to: &Recipient) -> Result<Filled<'static>, RenderError> {
        let own = self.mould.fillings(to)?;
        let subject = self.mould.subject(&own)?;
        let (text, html) = (self.text.fill(&own, str::to_owned), self.html.fill(&own, escape_html));
        Ok(Filled { subject, text: Body::Encoded(text), html: Body::Encoded(html) })
    }
}

#[cfg(test)]
mod tests;
