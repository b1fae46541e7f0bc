//! One SMTP connection to the relay, spoken by hand.
//!
//! The mail library's own connection is not used for speaking: it writes body and dot apart without TCP_NODELAY (40 ms
//! per mail), cannot pipeline, closes at every refusal, and has one time-out for everything. By hand we send MAIL, RCPT
//! and DATA in one go when the relay announces PIPELINING, keep the connection after a refusal by RSET, and know exactly
//! whether the final dot has left us, which is what tells [`Outcome::NotStarted`] from [`Outcome::Uncertain`].
//!
//! Promises: TLS as the settings demand or no connection; every wait has its time-out; after anything
//! unexpected the connection counts as broken and is not used again. Sharing connections is the pool's business.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{
    address::Envelope,
    bounce::classify,
    conversation::{Conversation, Offers, Socket},
    outcome::{Outcome, SendError, Stage},
    smtp_reply::{Reply, broken, in_time},
    smtp_url::{RelaySettings, TlsMode},
    wire::{check_bytes, dot_stuffed},
};

/// A relay: settings and the TLS trust that goes with them.
#[derive(Clone)]
pub struct Relay {
    settings: Arc<RelaySettings>,
    tls: Arc<ClientConfig>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.settings.fmt(f)
    }
}

impl Relay {
    /// A relay trusted by the system's certificate store. Certificates that cannot be read are skipped: with none
    /// left every handshake fails, which is the safe side.
    ///
    /// # Errors
    /// [`SendError::TlsFailed`] when the TLS library refuses its own defaults.
    pub fn new(settings: RelaySettings) -> Result<Self, SendError> {
        let mut roots = RootCertStore::empty();
        if !matches!(settings.tls, TlsMode::None) {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Self::with_roots(settings, roots)
    }

    /// A relay trusted by these roots alone, for relays with a certificate authority of their own.
    ///
    /// # Errors
    /// [`SendError::TlsFailed`] when the TLS library refuses its own defaults.
    pub fn with_roots(settings: RelaySettings, roots: RootCertStore) -> Result<Self, SendError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| SendError::TlsFailed)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { settings: Arc::new(settings), tls: Arc::new(tls) })
    }

    /// The settings it was made with.
    #[must_use]
    pub fn settings(&self) -> &RelaySettings {
        &self.settings
    }

    /// Opens a connection that is ready for MAIL: greeted, encrypted as demanded, signed in.
    ///
    /// # Errors
    /// [`SendError`] naming the step that failed.
    pub async fn connection(&self) -> Result<SmtpConnection, SendError> {
        let s = &*self.settings;
        let tcp = in_time(s.connect_timeout, async {
            TcpStream::connect((s.host.as_str(), s.port)).await.map_err(|e| SendError::Connect(e.kind()))
        })
        .await?;
        // Without it every small write waits for the other side's delayed acknowledgement.
        tcp.set_nodelay(true).map_err(|e| broken(&e))?;
        let helo = match (&s.helo, tcp.local_addr()) {
            (Some(name), _) => name.clone(),
            (None, Ok(std::net::SocketAddr::V4(a))) => format!("[{}]", a.ip()),
            (None, Ok(std::net::SocketAddr::V6(a))) => format!("[IPv6:{}]", a.ip()),
            (None, Err(_)) => "localhost".to_owned(),
        };

        let mut conversation;
        let mut offers;
        if s.tls == TlsMode::Implicit {
            conversation = Conversation::new(self.secure(tcp).await?, s);
            conversation.greeting().await?;
            offers = conversation.ehlo(&helo).await?;
        } else {
            let mut plain = Conversation::new(tcp, s);
            plain.greeting().await?;
            offers = plain.ehlo(&helo).await?;
            let wanted = matches!(s.tls, TlsMode::Required | TlsMode::Opportunistic);
            if wanted && offers.starttls {
                plain.expect_positive("STARTTLS", "STARTTLS\r\n").await?;
                // Bytes that came along in the clear would be taken for the encrypted relay's words.
                if !plain.inbox.is_empty() {
                    return Err(SendError::Protocol("bytes after the answer to STARTTLS"));
                }
                conversation = Conversation::new(self.secure(plain.socket).await?, s);
                offers = conversation.ehlo(&helo).await?;
            } else if s.tls == TlsMode::Required {
                return Err(SendError::TlsUnavailable);
            } else {
                conversation = plain.boxed();
            }
        }
        if let Some(account) = &s.credentials {
            conversation.sign_in(account, &offers).await?;
        }
        Ok(SmtpConnection {
            conversation,
            offers,
            usable: true,
            final_timeout: s.final_timeout,
            data_timeout: s.data_timeout,
            farewell_timeout: s.farewell_timeout,
        })
    }

    async fn secure(&self, tcp: TcpStream) -> Result<Box<dyn Socket>, SendError> {
        let name = ServerName::try_from(self.settings.host.clone()).map_err(|_| SendError::TlsFailed)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = in_time(self.settings.connect_timeout, async {
            connector.connect(name, tcp).await.map_err(|_| SendError::TlsFailed)
        })
        .await?;
        Ok(Box::new(stream))
    }
}

/// An open connection, ready for MAIL.
pub struct SmtpConnection {
    conversation: Conversation<Box<dyn Socket>>,
    offers: Offers,
    usable: bool,
    final_timeout: Duration,
    data_timeout: Duration,
    farewell_timeout: Duration,
}

impl std::fmt::Debug for SmtpConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpConnection").field("usable", &self.usable).finish_non_exhaustive()
    }
}

impl SmtpConnection {
    /// Whether another mail may be sent on it.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        self.usable
    }

    /// Whether addresses outside ASCII can travel (AD-04).
    #[must_use]
    pub const fn offers_smtputf8(&self) -> bool {
        self.offers.smtputf8
    }

    /// Looks, without waiting, whether an idle relay has hung up or said goodbye; if so the connection is over.
    pub fn still_open(&mut self) -> bool {
        if !self.usable || !self.conversation.inbox.is_empty() {
            self.usable = false;
            return false;
        }
        let mut one = [0];
        let mut buffer = ReadBuf::new(&mut one);
        let mut context = Context::from_waker(Waker::noop());
        let socket = Pin::new(&mut self.conversation.socket);
        // Silence is the only good sign: nothing is due from a relay between mails.
        self.usable = matches!(socket.poll_read(&mut context, &mut buffer), Poll::Pending);
        self.usable
    }

    /// Hands one mail over. `bytes` are the frozen message; dots are protected here.
    pub async fn send(&mut self, envelope: &Envelope, bytes: &[u8]) -> Outcome {
        if !self.usable {
            return Outcome::NotStarted(SendError::Closed);
        }
        if let Err(problem) = self.fits(envelope, bytes) {
            return Outcome::NotStarted(problem);
        }
        // Set back only where the conversation ends in a known state: a dropped future leaves it broken.
        self.usable = false;
        let opened = match self.open(envelope, bytes.len()).await {
            Ok(opened) => opened,
            Err(problem) => return Outcome::NotStarted(problem),
        };
        if let Some((stage, reply)) = opened {
            if reply.code != 421 {
                self.usable = self.conversation.expect_positive("RSET", "RSET\r\n").await.is_ok();
            }
            return refused(stage, &reply);
        }
        if let Err((dot_is_out, problem)) = self.write_message(bytes).await {
            // A relay that tires of a message says why and hangs up while we still write.
            let last_words = self.conversation.inbox.reply(&mut self.conversation.socket, self.farewell_timeout).await;
            return match last_words {
                Ok(reply) if reply.is_refusal() => refused(Stage::Message, &reply),
                _ if dot_is_out => Outcome::Uncertain(problem),
                _ => Outcome::NotStarted(problem),
            };
        }
        let conversation = &mut self.conversation;
        match conversation.inbox.reply(&mut conversation.socket, self.final_timeout).await {
            Ok(reply) if reply.is_positive() => {
                self.usable = true;
                Outcome::Accepted { reply: reply.text() }
            }
            Ok(reply) if reply.is_refusal() => {
                self.usable = reply.code != 421;
                refused(Stage::Message, &reply)
            }
            Ok(_) => Outcome::Uncertain(SendError::Protocol("an answer to the final dot that is neither yes nor no")),
            Err(problem) => Outcome::Uncertain(problem),
        }
    }

    /// Says goodbye without waiting long for the answer.
    pub async fn quit(mut self) {
        if self.usable {
            let farewell = self.conversation.write(b"QUIT\r\n");
            let _ = tokio::time::timeout(self.farewell_timeout / 2, farewell).await;
            let _ = tokio::time::timeout(self.farewell_timeout / 2, self.conversation.socket.shutdown()).await;
        }
    }

    fn fits(&self, envelope: &Envelope, bytes: &[u8]) -> Result<(), SendError> {
        check_bytes(bytes)?;
        if envelope.needs_smtputf8() && !(self.offers.smtputf8 && self.offers.eight_bit) {
            return Err(SendError::EaiUnsupported);
        }
        // Header fields outside ASCII are only allowed under SMTPUTF8 (RFC 6532).
        if !bytes.is_ascii() && !self.offers.smtputf8 {
            return Err(SendError::EaiUnsupported);
        }
        match self.offers.size {
            Some(limit) if bytes.len() > limit => Err(SendError::TooLarge { limit }),
            _ => Ok(()),
        }
    }

    /// MAIL, RCPT, DATA. `None` when the relay waits for the message, else who refused first.
    async fn open(&mut self, envelope: &Envelope, size: usize) -> Result<Option<(Stage, Reply)>, SendError> {
        let mut mail = format!("MAIL FROM:<{}>", envelope.from().as_str());
        if self.offers.size.is_some() {
            mail.push_str(&format!(" SIZE={size}"));
        }
        if envelope.needs_smtputf8() {
            mail.push_str(" BODY=8BITMIME SMTPUTF8");
        }
        mail.push_str("\r\n");
        let rcpt = format!("RCPT TO:<{}>\r\n", envelope.to().as_str());
        let steps = [(Stage::Mail, mail.as_str()), (Stage::Rcpt, &rcpt), (Stage::Data, "DATA\r\n")];

        if !self.offers.pipelining {
            for (stage, line) in steps {
                let reply = self.conversation.command(line).await?;
                if !agrees(stage, &reply)? {
                    return Ok(Some((stage, reply)));
                }
            }
            return Ok(None);
        }
        let all: String = steps.iter().map(|(_, line)| *line).collect();
        self.conversation.write(all.as_bytes()).await?;
        let mut first_refusal = None;
        for (stage, _) in steps {
            let reply = match self.conversation.reply().await {
                Ok(reply) => reply,
                // Said no and hung up before the other answers: the no is what counts.
                // RSET will find the closed socket.
                Err(problem) => {
                    return if first_refusal.is_some() { Ok(first_refusal) } else { Err(problem) };
                }
            };
            let agreed = agrees(stage, &reply)?;
            if stage == Stage::Data && agreed && first_refusal.is_some() {
                // RFC 2920: the relay waits for a message without recipients; an empty one ends it.
                self.conversation.command(".\r\n").await?;
            }
            if !agreed && first_refusal.is_none() {
                let over = reply.code == 421;
                first_refusal = Some((stage, reply));
                if over {
                    break;
                }
            }
        }
        Ok(first_refusal)
    }

    /// Writes the message and its dot. An error comes with whether the dot may have left us.
    async fn write_message(&mut self, bytes: &[u8]) -> Result<(), (bool, SendError)> {
        let wire = dot_stuffed(bytes);
        let socket = &mut self.conversation.socket;
        // From here on the octet of the dot itself may be out, and some relays need no more than that.
        let dot = wire.len() - 3;
        let mut written = 0;
        while let Some(rest) = wire.get(written..).filter(|rest| !rest.is_empty()) {
            let step = in_time(self.data_timeout, async { socket.write(rest).await.map_err(|e| broken(&e)) }).await;
            match step {
                Ok(0) => return Err((written > dot, SendError::Closed)),
                Ok(n) => written += n,
                Err(problem) => return Err((written > dot, problem)),
            }
        }
        in_time(self.data_timeout, async { socket.flush().await.map_err(|e: io::Error| broken(&e)) })
            .await
            .map_err(|problem| (true, problem))
    }
}

/// Whether the relay agreed to this step; an answer that fits neither yes nor no is a protocol error.
fn agrees(stage: Stage, reply: &Reply) -> Result<bool, SendError> {
    let yes = if stage == Stage::Data { reply.is_intermediate() } else { reply.is_positive() };
    if yes {
        Ok(true)
    } else if reply.is_refusal() {
        Ok(false)
    } else {
        Err(SendError::Protocol("an answer that does not fit the command"))
    }
}

fn refused(stage: Stage, reply: &Reply) -> Outcome {
    let enhanced = reply.enhanced();
    Outcome::Refused {
        stage,
        code: reply.code,
        enhanced,
        text: reply.text(),
        class: classify(reply.code, enhanced, stage),
    }
}
