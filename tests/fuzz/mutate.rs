//! Mutations of a corpus, from a seed.

/// The xorshift generator of 64 bits, and what it does to inputs.
pub struct Mutator(u64);

/// Fragments that readers of text tend to trip over.
const FRAGMENTS: &[&str] = &[
    "@",
    ".",
    "..",
    "-",
    "+",
    "=",
    "\0",
    "\r\n",
    " ",
    "\u{a0}",
    "\u{200b}",
    "\u{202e}",
    "\u{301}",
    "\u{338}",
    "\u{212a}",
    "\u{130}",
    "\u{feff}",
    "\u{1f600}",
    "\u{10ffff}",
    "xn--",
    "P",
    "T",
    "W",
    "Z",
    "[",
    "]",
    "\"",
    "9999",
    "-9999",
    "00",
    "1e9",
    ":60",
    "{",
    "}",
    "null",
    "eyJ",
];

impl Mutator {
    pub fn seeded(seed: u64) -> Self {
        Self(seed.max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// One entry of the corpus with one to four changes.
    pub fn next_input(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut input, corpus);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let place = self.below(input.len() + 1);
        match self.below(8) {
            0 if place < input.len() => input[place] ^= 1 << self.below(8),
            1 if place < input.len() => input[place] = self.next() as u8,
            2 if place < input.len() => drop(input.remove(place)),
            3 => input.truncate(place),
            4 => drop(input.splice(place..place, FRAGMENTS[self.below(FRAGMENTS.len())].bytes())),
            5 => {
                // A stretch of the input once more, somewhere else.
                let from = self.below(input.len() + 1);
                let stretch = input[from..(from + self.below(40)).min(input.len())].to_vec();
                drop(input.splice(place..place, stretch));
            }
            6 => {
                // The rest from another entry.
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len() + 1);
                input.truncate(place);
                input.extend_from_slice(&other[from..]);
            }
            _ => input.insert(place, b"@.-+_=/0aZ\x7f\x80\xff "[self.below(14)]),
        }
        input.truncate(4096);
    }
}
