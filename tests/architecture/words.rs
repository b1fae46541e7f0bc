//! Rust source as words: comments and the insides of literals are blanked, the rest is cut into names, `::` and
//! single signs. Enough to follow paths; not a parser.

/// A name or a sign, and the line it stands in.
pub struct Word {
    /// The name or sign; `r#name` is `name`.
    pub text: String,
    /// Counted from one.
    pub line: usize,
}

/// Whether a letter may be part of a name.
pub fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Cuts blanked source into names, `::` and single signs.
pub fn cut_into_words(source: &str) -> Vec<Word> {
    let letters: Vec<char> = source.chars().collect();
    let (mut words, mut at, mut line) = (Vec::new(), 0, 1);
    while at < letters.len() {
        let start = at;
        match letters[at] {
            '\n' => line += 1,
            letter if letter.is_whitespace() => {}
            // `r#name` is `name`.
            'r' if letters.get(at + 1) == Some(&'#') => {
                at += 2;
                continue;
            }
            letter if is_name(letter) => {
                while at + 1 < letters.len() && is_name(letters[at + 1]) {
                    at += 1;
                }
                words.push(Word { text: letters[start..=at].iter().collect(), line });
            }
            ':' if letters.get(at + 1) == Some(&':') => {
                at += 1;
                words.push(Word { text: "::".into(), line });
            }
            sign => words.push(Word { text: sign.into(), line }),
        }
        at += 1;
    }
    words
}

/// The source with comments and the insides of literals turned into blanks; line breaks stay where they are.
pub fn blank(source: &str) -> String {
    let letters: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < letters.len() {
        let end = match letters[at] {
            '/' if letters.get(at + 1) == Some(&'/') => line_end(&letters, at),
            '/' if letters.get(at + 1) == Some(&'*') => block_comment_end(&letters, at),
            '"' => string_end(&letters, at),
            '\'' => char_end(&letters, at),
            letter if is_name(letter) => {
                let name_end = (at..letters.len()).find(|&i| !is_name(letters[i])).unwrap_or(letters.len());
                let name: String = letters[at..name_end].iter().collect();
                let raw = matches!(name.as_str(), "r" | "br" | "cr");
                match raw.then(|| raw_string_end(&letters, name_end)).flatten() {
                    Some(end) => end,
                    None => {
                        out.push_str(&name);
                        at = name_end;
                        continue;
                    }
                }
            }
            letter => {
                out.push(letter);
                at += 1;
                continue;
            }
        };
        out.extend(letters[at..end].iter().map(|&letter| if letter == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    out
}

fn line_end(letters: &[char], at: usize) -> usize {
    (at..letters.len()).find(|&i| letters[i] == '\n').unwrap_or(letters.len())
}

fn block_comment_end(letters: &[char], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < letters.len() {
        match (letters[at], letters.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn string_end(letters: &[char], at: usize) -> usize {
    let mut at = at + 1;
    while at < letters.len() {
        match letters[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

/// A character literal ends at its quote; a lifetime has none and only its tick is blanked.
fn char_end(letters: &[char], at: usize) -> usize {
    match (letters.get(at + 1), letters.get(at + 2)) {
        (Some('\\'), Some(_)) => {
            (at + 3..letters.len()).find(|&i| letters[i] == '\'').map_or(letters.len(), |end| end + 1)
        }
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}

/// The end of a raw string whose `r` stands before `at`, or nothing when none starts here (`r#name`).
fn raw_string_end(letters: &[char], at: usize) -> Option<usize> {
    let hashes = letters[at..].iter().take_while(|&&letter| letter == '#').count();
    if letters.get(at + hashes) != Some(&'"') {
        return None;
    }
    let closes = |i: usize| letters[i] == '"' && (1..=hashes).all(|h| letters.get(i + h) == Some(&'#'));
    let quote = (at + hashes + 1..letters.len()).find(|&i| closes(i));
    Some(quote.map_or(letters.len(), |quote| quote + hashes + 1))
}
