//! Reading SMTP replies: bounded and tolerant (T-03).
//!
//! Bounds: a line has at most [`MAX_LINE`] octets, a reply at most [`MAX_LINES`] lines. Tolerated, because real relays
//! do it: bare LF, a missing text, bytes that are not UTF-8. Not tolerated: anything that does not begin with a
//! three-digit code from 200 to 599.

use std::{future::Future, io, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::{bounce::EnhancedCode, outcome::SendError};

/// Longest line of a reply, line end included. RFC 5321 says 512; some relays exceed it.
pub const MAX_LINE: usize = 1024;
/// Most lines in a reply.
pub const MAX_LINES: usize = 100;
/// Longest text that is kept of a reply, in characters.
const MAX_TEXT: usize = 512;

/// One whole reply.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The code of the last line.
    pub code: u16,
    /// The text of each line, control characters removed.
    pub lines: Vec<String>,
}

impl Reply {
    /// 2yz
    #[must_use]
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// 3yz
    #[must_use]
    pub fn is_intermediate(&self) -> bool {
        (300..400).contains(&self.code)
    }

    /// 4yz or 5yz
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        (400..600).contains(&self.code)
    }

    /// The enhanced code of the first line that has one of the same class as the reply.
    #[must_use]
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        let found = self.lines.iter().find_map(|line| EnhancedCode::parse(line))?;
        (found.class == 5 || found.class == 4 || self.is_positive()).then_some(found)
    }

    /// All lines as one text, cut to a bound.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join(" ").chars().take(MAX_TEXT).collect()
    }
}

/// Replies may repeat an address, so only the code is shown.
impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("code", &self.code).finish_non_exhaustive()
    }
}

/// One line, split into its code, whether more lines follow, and its text.
fn parse_line(line: &[u8]) -> Result<(u16, bool, String), SendError> {
    let bad = SendError::Protocol("a line without a reply code");
    let (digits, rest) = line.split_at_checked(3).ok_or(bad.clone())?;
    let code = std::str::from_utf8(digits)
        .ok()
        .filter(|d| d.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|d| d.parse().ok())
        .filter(|code| (200..600).contains(code))
        .ok_or(bad.clone())?;
    let more = match rest.first() {
        None | Some(b' ') => false,
        Some(b'-') => true,
        Some(_) => return Err(bad),
    };
    let text = String::from_utf8_lossy(rest.get(1..).unwrap_or_default());
    let text = text.trim().chars().filter(|c| !c.is_control()).collect();
    Ok((code, more, text))
}

/// What has been read from the socket and not yet used.
#[derive(Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    /// Whether bytes wait that no reply has used: before TLS they would be an injection.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Reads one reply.
    pub(super) async fn reply<S>(&mut self, from: &mut S, limit: Duration) -> Result<Reply, SendError>
    where
        S: AsyncRead + Unpin + ?Sized,
    {
        in_time(limit, self.reply_untimed(from)).await
    }

    async fn reply_untimed<S>(&mut self, from: &mut S) -> Result<Reply, SendError>
    where
        S: AsyncRead + Unpin + ?Sized,
    {
        let mut lines = Vec::new();
        loop {
            let line = self.line(from).await?;
            let (code, more, text) = parse_line(&line)?;
            lines.push(text);
            if !more {
                return Ok(Reply { code, lines });
            }
            if lines.len() >= MAX_LINES {
                return Err(SendError::Protocol("a reply with too many lines"));
            }
        }
    }

    /// One line without its end.
    async fn line<S>(&mut self, from: &mut S) -> Result<Vec<u8>, SendError>
    where
        S: AsyncRead + Unpin + ?Sized,
    {
        let mut searched = 0;
        loop {
            if let Some(at) = self.bytes.iter().skip(searched).position(|b| *b == b'\n') {
                let end = searched + at;
                let rest = self.bytes.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.bytes, rest);
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                if line.len() >= MAX_LINE {
                    return Err(SendError::Protocol("a line that is too long"));
                }
                return Ok(line);
            }
            searched = self.bytes.len();
            if searched >= MAX_LINE {
                return Err(SendError::Protocol("a line that is too long"));
            }
            let mut chunk = [0; 1024];
            let read = from.read(&mut chunk).await.map_err(|e| broken(&e))?;
            if read == 0 {
                return Err(SendError::Closed);
            }
            self.bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
        }
    }
}

/// A socket error in our words.
pub(super) fn broken(error: &io::Error) -> SendError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => SendError::Closed,
        kind => SendError::Io(kind),
    }
}

/// Runs `work` for at most `limit`.
pub(super) async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(SendError::TimedOut(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Reply, SendError> {
        Inbox::default().reply(&mut &bytes[..], Duration::from_secs(1)).await
    }

    #[tokio::test]
    async fn replies_of_every_shape() {
        let one = read(b"250 ok\r\n").await.unwrap();
        assert_eq!((one.code, one.text().as_str()), (250, "ok"));
        let many = read(b"250-first\r\n250-PIPELINING\n250 last\r\n").await.unwrap();
        assert_eq!(many.lines, ["first", "PIPELINING", "last"]);
        assert_eq!(read(b"220\r\n").await.unwrap().code, 220);
        assert_eq!(read(b"550 5.1.1 \xff\x07 no\r\n").await.unwrap().enhanced(), Some(EnhancedCode::new(5, 1, 1)));
    }

    #[tokio::test]
    async fn nonsense_is_refused() {
        for bytes in [&b"hello\r\n"[..], b"99 x\r\n", b"199 x\r\n", b"600 x\r\n", b"250x\r\n", b"\r\n"] {
            assert!(matches!(read(bytes).await, Err(SendError::Protocol(_))), "{bytes:?}");
        }
        assert_eq!(read(b"250-half").await, Err(SendError::Closed));
        assert_eq!(read(b"250-half\r\n").await, Err(SendError::Closed));
    }

    #[tokio::test]
    async fn replies_are_bounded() {
        let long = [b"250 ".as_slice(), &[b'x'; 5000], b"\r\n"].concat();
        assert!(matches!(read(&long).await, Err(SendError::Protocol(_))));
        let endless = b"250-more\r\n".repeat(MAX_LINES + 1);
        assert!(matches!(read(&endless).await, Err(SendError::Protocol(_))));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..3000)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _ = runtime.block_on(read(&bytes));
        }
    }
}
