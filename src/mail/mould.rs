//! Text with gaps: what all mails of a round have in common is rendered once, and only what is a person's own is put in
//! for each.
//!
//! While the common part is rendered, a private character stands in each gap, which no value can hold: values are made
//! harmless first ([`one_line`](super::template::one_line)), texts with such characters are refused. In the gap of a link
//! it is the end of an address, and may come out of the renderer percent-encoded.

use super::template::one_line;

/// The private characters that stand in gaps begin here, behind those of the variables.
const FIRST_MARK: u32 = 0xF_0100;
/// What comes before the private character of a link, so that it passes for an address until it is filled in.
pub(super) const LINK: &str = "https://gap.invalid/";

/// What is a person's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    Name,
    AnswerLink,
    WithdrawLink,
    Basis,
}

impl Gap {
    const ALL: [Self; 4] = [Self::Name, Self::AnswerLink, Self::WithdrawLink, Self::Basis];

    fn mark(self) -> char {
        char::from_u32(FIRST_MARK + self as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn of_mark(c: char) -> Option<Self> {
        let offset = u32::from(c).checked_sub(FIRST_MARK)?;
        Self::ALL.get(usize::try_from(offset).ok()?).copied()
    }

    /// The stand-in of a link as the target of a link.
    fn in_target(self) -> String {
        let mark = self.mark().to_string();
        mark.bytes().fold(LINK.to_owned(), |target, byte| format!("{target}%{byte:02X}"))
    }

    const fn is_link(self) -> bool {
        matches!(self, Self::AnswerLink | Self::WithdrawLink)
    }

    /// What stands in the gap while the rest is rendered.
    pub(super) fn stand_in(self) -> String {
        if self.is_link() { format!("{LINK}{}", self.mark()) } else { self.mark().to_string() }
    }
}

/// A person's own values, each one harmless line.
pub(super) struct Fillings([String; Gap::ALL.len()]);

impl Fillings {
    pub(super) fn new(value_of: impl Fn(Gap) -> String) -> Self {
        Self(Gap::ALL.map(|gap| one_line(&value_of(gap))))
    }

    pub(super) fn get(&self, gap: Gap) -> &str {
        &self.0[gap as usize]
    }
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<T> {
    Same(T),
    Own(Gap),
}

/// A text with gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece<String>>);

impl Pattern {
    /// Finds the gaps in a rendered text. Nothing if a stand-in would be left in it: nobody is sent one.
    pub(super) fn new(rendered: &str) -> Option<Self> {
        let links = Gap::ALL.into_iter().filter(|gap| gap.is_link());
        let rendered = links.fold(rendered.to_owned(), |text, gap| text.replace(&gap.in_target(), &gap.stand_in()));
        let mut pieces = Vec::new();
        let mut rest = rendered.as_str();
        while let Some((at, c, gap)) = rest.char_indices().find_map(|(at, c)| Some((at, c, Gap::of_mark(c)?))) {
            let before = &rest[..at];
            let before = if gap.is_link() { before.strip_suffix(LINK)? } else { before };
            if !before.is_empty() {
                pieces.push(Piece::Same(before.to_owned()));
            }
            pieces.push(Piece::Own(gap));
            rest = &rest[at + c.len_utf8()..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Same(rest.to_owned()));
        }
        let left = |piece: &Piece<String>| matches!(piece, Piece::Same(text) if text.contains(LINK));
        if pieces.iter().any(left) { None } else { Some(Self(pieces)) }
    }

    /// The same gaps, with what is around them changed.
    pub(super) fn map(self, change: impl Fn(&str) -> String) -> Self {
        let one = |piece: Piece<String>| match piece {
            Piece::Same(text) => Piece::Same(change(&text)),
            Piece::Own(gap) => Piece::Own(gap),
        };
        Self(self.0.into_iter().map(one).collect())
    }

    pub(super) fn pieces(&self) -> &[Piece<String>] {
        &self.0
    }

    /// How long the text for one person is, as its values are.
    pub(super) fn size(&self, values: &Fillings) -> usize {
        let size = |piece: &Piece<String>| match piece {
            Piece::Same(text) => text.len(),
            Piece::Own(gap) => values.get(*gap).len(),
        };
        self.0.iter().map(size).sum()
    }

    /// The text for one person; `write` says how a value is written there.
    pub(super) fn fill(&self, values: &Fillings, write: impl Fn(&str) -> String) -> String {
        let mut out = String::with_capacity(self.0.len() * 64);
        for piece in &self.0 {
            match piece {
                Piece::Same(text) => out.push_str(text),
                Piece::Own(gap) => out.push_str(&write(values.get(*gap))),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_found_and_filled() {
        let rendered = format!(
            "Hello {},\n<{}> {}{}",
            Gap::Name.stand_in(),
            Gap::AnswerLink.stand_in(),
            Gap::WithdrawLink.stand_in(),
            Gap::Basis.stand_in()
        );
        let pattern = Pattern::new(&rendered).unwrap();
        let values = Fillings::new(|gap| format!("[{gap:?}]\r\n"));
        let filled = pattern.fill(&values, str::to_owned);
        assert_eq!(filled, "Hello [Name],\n<[AnswerLink]> [WithdrawLink][Basis]");
        assert_eq!(Pattern::new("a\u{f0000}b").unwrap().pieces().len(), 1);
        let target = Pattern::new(&format!("<a href=\"{}\">", Gap::AnswerLink.in_target())).unwrap();
        assert_eq!(target.fill(&values, str::to_owned), "<a href=\"[AnswerLink]\">");
        assert_eq!(Pattern::new("https://gap.invalid/x"), None);
    }

    #[test]
    fn a_value_cannot_open_a_gap() {
        let values = Fillings::new(|_| Gap::ALL.map(Gap::mark).iter().collect());
        assert_eq!(values.get(Gap::Name), "");
    }

    #[test]
    fn each_mark_is_its_own() {
        for gap in Gap::ALL {
            assert_eq!(Gap::of_mark(gap.mark()), Some(gap));
            assert_eq!(Gap::ALL[gap as usize], gap);
        }
    }
}
