//! Mail: written to the log, or handed to a mail server behind the requests' backs.
//!
//! A mail server may be slow, hang or be down, and no request waits for it: letters go into a bounded queue, and when that
//! is full the next one is refused at once. Whoever writes a letter takes a place in the queue first, so nobody promises one
//! that can't be sent.

use std::sync::Arc;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Email;
use crate::config::{MailConfig, MailMode, SmtpConfig, StartTls};
use crate::kernel::error::{Error, Kind, Text};

/// Letters that may wait for the mail server.
const QUEUE_MAX: usize = 1_000;

/// Letters that are on their way at once.
const CARRIERS: usize = 4;

type Server = AsyncSmtpTransport<Tokio1Executor>;

/// A letter to one person, in one language.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) to: Email,
    pub(super) subject: String,
    pub(super) text: String,
}

/// Sends letters.
pub(super) enum Mailer {
    /// Whoever reads the log reads the mail.
    Log,
    /// To those who carry them.
    Smtp(Outbox),
}

/// The letters that wait for those who carry them, and their number.
pub(super) struct Outbox {
    letters: flume::Sender<Waiting>,
    places: Arc<Semaphore>,
    /// Counts the letters that are not sent yet, on their way or not.
    unsent: TaskTracker,
}

struct Waiting {
    letter: Letter,
    /// Free for the next one as soon as this one is carried.
    place: OwnedSemaphorePermit,
    unsent: TaskTrackerToken,
}

/// A place in the queue for one letter.
pub(super) struct Place(Option<(flume::Sender<Waiting>, OwnedSemaphorePermit, TaskTrackerToken)>);

impl Place {
    /// Sends a letter, or rather has it sent: this never waits.
    pub(super) fn send(self, letter: Letter) {
        match self.0 {
            None => {
                tracing::info!(to = %letter.to, subject = letter.subject, text = letter.text, "mail (mail.mode is log)");
            }
            // Nobody is there to take it only when the whole process ends.
            Some((letters, place, unsent)) => drop(letters.send(Waiting { letter, place, unsent })),
        }
    }
}

impl Mailer {
    /// Gets ready to send; the mail server is not asked yet. Must be called inside a tokio runtime. What carries letters
    /// ends with the mailer.
    ///
    /// # Errors
    /// `mail_settings` when a certificate or a password can't be read.
    pub(super) fn start(config: &MailConfig) -> Result<Self, Error> {
        if config.mode == MailMode::Log {
            return Ok(Self::Log);
        }
        let server = server(&config.smtp)?;
        let from: Mailbox =
            config.from.parse().map_err(|error| unusable(&format!("mail.from {}: {error}", config.from)))?;
        let patience = Duration::from_secs(config.smtp.timeout_s);
        let (letters, waiting) = flume::unbounded(); // the places are bounded
        for _ in 0..CARRIERS {
            tokio::spawn(carry(waiting.clone(), server.clone(), from.clone(), patience));
        }
        Ok(Self::Smtp(Outbox { letters, places: Arc::new(Semaphore::new(QUEUE_MAX)), unsent: TaskTracker::new() }))
    }

    /// A place for one more letter.
    ///
    /// # Errors
    /// `503 busy` when too many wait.
    pub(super) fn reserve(&self) -> Result<Place, Error> {
        let Self::Smtp(Outbox { letters, places, unsent }) = self else { return Ok(Place(None)) };
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| too_many())?;
        Ok(Place(Some((letters.clone(), place, unsent.token()))))
    }

    /// How many letters are not sent yet.
    pub(super) fn unsent(&self) -> usize {
        match self {
            Self::Log => 0,
            Self::Smtp(Outbox { unsent, .. }) => unsent.len(),
        }
    }

    /// Waits until every letter is sent, or given up on.
    ///
    /// # Errors
    /// How many were not, when that takes longer than `patience`.
    pub(super) async fn sent(&self, patience: Duration) -> Result<(), usize> {
        let Self::Smtp(Outbox { unsent, .. }) = self else { return Ok(()) };
        unsent.close();
        tokio::time::timeout(patience, unsent.wait()).await.map_err(|_| unsent.len())
    }
}

fn too_many() -> Error {
    Error::busy(60).because("too many letters wait for the mail server")
}

/// Hands letters over, one after the other, as long as there is somebody who sends any.
async fn carry(letters: flume::Receiver<Waiting>, server: Server, from: Mailbox, patience: Duration) {
    while let Ok(Waiting { letter, place, unsent: _until_sent }) = letters.recv_async().await {
        drop(place);
        let Ok(message) = message(letter, from.clone()) else {
            tracing::error!("a letter could not be written");
            continue;
        };
        // The library's own limit is for each step of the conversation; this one is for all of it.
        match tokio::time::timeout(patience, server.send(message)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                // What a mail server says about a letter names its reader.
                let why =
                    error.status().map_or_else(|| error.to_string(), |code| format!("the mail server said {code}"));
                tracing::warn!(why, "a mail was not sent; its reader may ask for another");
            }
            Err(_) => tracing::warn!(?patience, "the mail server took too long; the reader may ask for another mail"),
        }
    }
}

fn message(letter: Letter, from: Mailbox) -> Result<Message, lettre::error::Error> {
    let address = letter.to.as_str().parse().map_err(|_| lettre::error::Error::EmailMissingAt)?;
    Message::builder()
        .from(from)
        .to(Mailbox::new(None, address))
        .subject(letter.subject)
        .header(ContentType::TEXT_PLAIN)
        .body(letter.text)
}

fn server(config: &SmtpConfig) -> Result<Server, Error> {
    let tls = match config.starttls {
        StartTls::Off => Tls::None,
        StartTls::WhenOffered => Tls::Opportunistic(certificates(config)?),
        StartTls::Required => Tls::Required(certificates(config)?),
    };
    let mut builder = Server::builder_dangerous(&config.host)
        .port(config.port)
        .tls(tls)
        .timeout(Some(Duration::from_secs(config.timeout_s)));
    if !config.user.is_empty() {
        builder = builder.credentials(Credentials::new(config.user.clone(), password(config)?));
    }
    Ok(builder.build())
}

fn certificates(config: &SmtpConfig) -> Result<TlsParameters, Error> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.ca_file {
        let pem = std::fs::read(path).map_err(|error| unreadable("mail.smtp.ca_file", path, &error))?;
        builder = builder.certificate_store(CertificateStore::None);
        let trusted = Certificate::from_pem(&pem);
        let trusted = trusted.map_err(|error| unusable(&format!("mail.smtp.ca_file {}: {error}", path.display())))?;
        builder = builder.add_root_certificate(trusted);
    }
    builder.build_rustls().map_err(|error| unusable(&format!("the mail server's certificates: {error}")))
}

fn password(config: &SmtpConfig) -> Result<String, Error> {
    match (&config.password, &config.password_file) {
        (Some(password), _) => Ok(password.to_string()),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| unreadable("mail.smtp.password_file", path, &error))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (None, None) => Ok(String::new()),
    }
}

fn unreadable(key: &str, path: &std::path::Path, error: &std::io::Error) -> Error {
    unusable(&format!("{key} {} can't be read: {error}", path.display()))
}

fn unusable(why: &str) -> Error {
    let detail = Text::made(format!("Mail can't be sent: {why}."), format!("메일을 보낼 수 없습니다: {why}"));
    Error::new(Kind::Conflict, "mail_settings", detail)
}
