//! A relay for tests that does as its script says.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

const CERTIFICATE: &[u8] = include_bytes!("../fixtures/relay_cert.pem");
const KEY: &[u8] = include_bytes!("../fixtures/relay_key.pem");

/// What the relay does instead of the usual.
#[derive(Clone, Debug)]
pub enum Act {
    Reply(String),
    Slow(Duration, String),
    Close,
    Silence,
}

impl Act {
    pub fn reply(text: &str) -> Self {
        Self::Reply(text.to_owned())
    }
}

/// Called with how often this verb has come and the line; `.` stands for the end of a message.
type Rule = Arc<dyn Fn(usize, &str) -> Option<Act> + Send + Sync>;

#[derive(Clone)]
pub struct Script {
    rule: Rule,
    greeting: String,
    offers: Vec<&'static str>,
    data_without_recipients: bool,
    implicit_tls: bool,
    close_after_mail: Option<&'static str>,
}

impl Script {
    pub fn new(rule: impl Fn(usize, &str) -> Option<Act> + Send + Sync + 'static) -> Self {
        Self {
            rule: Arc::new(rule),
            greeting: "220 relay.test ESMTP".to_owned(),
            offers: vec!["PIPELINING", "SIZE 1000000"],
            data_without_recipients: false,
            implicit_tls: false,
            close_after_mail: None,
        }
    }

    pub fn plain() -> Self {
        Self::new(|_, _| None)
    }

    pub fn greeting(mut self, line: &str) -> Self {
        self.greeting = line.to_owned();
        self
    }

    pub fn offering(mut self, extension: &'static str) -> Self {
        self.offers.push(extension);
        self
    }

    pub fn starttls(self) -> Self {
        self.offering("STARTTLS")
    }

    pub fn implicit_tls(mut self) -> Self {
        self.implicit_tls = true;
        self
    }

    pub fn without_pipelining(mut self) -> Self {
        self.offers.retain(|offer| *offer != "PIPELINING");
        self
    }

    pub fn data_without_recipients(mut self) -> Self {
        self.data_without_recipients = true;
        self
    }

    pub fn closing_after_mail(mut self, farewell: &'static str) -> Self {
        self.close_after_mail = Some(farewell);
        self
    }
}

#[derive(Default)]
struct Record {
    commands: Mutex<Vec<String>>,
    segments: Mutex<Vec<String>>,
    mails: Mutex<Vec<Vec<u8>>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

pub struct TestRelay {
    pub port: u16,
    record: Arc<Record>,
    task: JoinHandle<()>,
}

impl Drop for TestRelay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TestRelay {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let record = Arc::new(Record::default());
        let kept = Arc::clone(&record);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, record) = (script.clone(), Arc::clone(&record));
                tokio::spawn(async move {
                    record.connections.fetch_add(1, Ordering::SeqCst);
                    let open = record.open.fetch_add(1, Ordering::SeqCst) + 1;
                    record.most.fetch_max(open, Ordering::SeqCst);
                    let _ = serve(socket, script, &record).await;
                    record.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, record: kept, task }
    }

    pub fn commands(&self) -> Vec<String> {
        self.record.commands.lock().unwrap().clone()
    }

    pub fn segments(&self) -> Vec<String> {
        self.record.segments.lock().unwrap().clone()
    }

    pub fn mails(&self) -> Vec<Vec<u8>> {
        self.record.mails.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.record.connections.load(Ordering::SeqCst)
    }

    pub fn most_at_once(&self) -> usize {
        self.record.most.load(Ordering::SeqCst)
    }
}

/// The roots that trust the relay's certificate.
pub fn test_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CERTIFICATE).unwrap()).unwrap();
    roots
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(socket: TcpStream, script: Script, record: &Record) -> io::Result<()> {
    socket.set_nodelay(true)?;
    if script.implicit_tls {
        let tls = acceptor().accept(socket).await?;
        Talk::new(tls, &script, record).run(true).await?;
        return Ok(());
    }
    let mut plain = Talk::new(socket, &script, record);
    if plain.run(true).await? {
        let tls = acceptor().accept(plain.socket).await?;
        Talk::new(tls, &script, record).run(false).await?;
    }
    Ok(())
}

struct Talk<'a, S> {
    socket: S,
    inbox: Vec<u8>,
    script: &'a Script,
    record: &'a Record,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Talk<'a, S> {
    fn new(socket: S, script: &'a Script, record: &'a Record) -> Self {
        Self { socket, inbox: Vec::new(), script, record }
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.inbox.windows(2).position(|w| w == b"\r\n") {
                let rest = self.inbox.split_off(end + 2);
                return Ok(std::mem::replace(&mut self.inbox, rest));
            }
            let mut chunk = [0; 8192];
            let n = self.socket.read(&mut chunk).await?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.record.segments.lock().unwrap().push(String::from_utf8_lossy(&chunk[..n]).into_owned());
            self.inbox.extend_from_slice(&chunk[..n]);
        }
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        self.socket.write_all(format!("{text}\r\n").as_bytes()).await?;
        self.socket.flush().await
    }

    /// True when the client asked for TLS.
    async fn run(&mut self, greet: bool) -> io::Result<bool> {
        if greet {
            let greeting = self.script.greeting.clone();
            self.say(&greeting).await?;
        }
        let mut recipients = 0;
        let mut login_steps = 0;
        loop {
            let line = self.line().await?;
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.record.commands.lock().unwrap().push(line.clone());
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_owned();
            if let Some(reply) = self.scripted(&verb, &line).await? {
                self.say(&reply).await?;
                continue;
            }
            if login_steps > 0 {
                login_steps -= 1;
                let reply = if login_steps == 0 { "235 welcome" } else { "334 UGFzc3dvcmQ6" };
                self.say(reply).await?;
                continue;
            }
            match verb.as_str() {
                "EHLO" => {
                    let mut reply = "250-relay.test\r\n".to_owned();
                    for offer in &self.script.offers {
                        reply.push_str(&format!("250-{offer}\r\n"));
                    }
                    self.say(&format!("{reply}250 HELP")).await?;
                }
                "AUTH" if line == "AUTH LOGIN" => {
                    login_steps = 2;
                    self.say("334 VXNlcm5hbWU6").await?;
                }
                "AUTH" => self.say("235 welcome").await?,
                "STARTTLS" => {
                    self.say("220 go").await?;
                    return Ok(true);
                }
                "RCPT" => {
                    recipients += 1;
                    self.say("250 ok").await?;
                }
                "DATA" if recipients == 0 && !self.script.data_without_recipients => {
                    self.say("554 no recipients").await?
                }
                "DATA" => {
                    self.say("354 go on").await?;
                    self.message(recipients).await?;
                    recipients = 0;
                }
                "RSET" => {
                    recipients = 0;
                    self.say("250 ok").await?;
                }
                "QUIT" => {
                    self.say("221 bye").await?;
                    return Ok(false);
                }
                _ => self.say("250 ok").await?,
            }
        }
    }

    async fn message(&mut self, recipients: usize) -> io::Result<()> {
        let mut mail = Vec::new();
        loop {
            let line = self.line().await?;
            if line == b".\r\n" {
                break;
            }
            mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        if recipients == 0 {
            return self.say("554 no recipients").await;
        }
        self.record.mails.lock().unwrap().push(mail);
        let scripted = self.scripted(".", ".").await;
        if matches!(&scripted, Ok(Some(reply)) if reply.starts_with(['4', '5'])) {
            self.record.mails.lock().unwrap().pop();
        }
        let reply = scripted?.unwrap_or_else(|| "250 2.0.0 queued".to_owned());
        self.say(&reply).await?;
        if let Some(farewell) = self.script.close_after_mail {
            self.socket.write_all(farewell.as_bytes()).await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// The scripted reply, if the rule has one.
    async fn scripted(&mut self, verb: &str, line: &str) -> io::Result<Option<String>> {
        let seen = self.record.commands.lock().unwrap().iter().filter(|c| c.starts_with(verb)).count();
        let seen = if verb == "." { self.record.mails.lock().unwrap().len() } else { seen };
        match (self.script.rule)(seen, line) {
            None => Ok(None),
            Some(Act::Reply(text)) => Ok(Some(text)),
            Some(Act::Slow(pause, text)) => {
                tokio::time::sleep(pause).await;
                Ok(Some(text))
            }
            Some(Act::Close) => Err(io::ErrorKind::ConnectionAborted.into()),
            Some(Act::Silence) => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }
}
