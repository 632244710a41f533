//! TLS: certificate and key from files, watched, and exchanged while the server runs.
//!
//! What new files hold is looked at as a whole before it is taken: a certificate that can't be read, has run out or does not
//! belong to its key is refused, and the one that is there goes on. The files are read rather than their times: a link that is
//! put in place of another, as certbot and Kubernetes do, is seen like any other change.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::http::HeaderValue;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore, version};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsConfig;
use crate::kernel::clock::{Clock, Timestamp};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The largest file that is read: a chain has a few kilobytes.
const FILE_BYTES_MAX: u64 = 1_048_576;
/// A certificate that runs out sooner is told about when it is loaded.
const WARN_DAYS: i64 = 14;

/// What a TLS connection may speak, best first.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];
/// HTTP/2 over TLS, as it is agreed upon (RFC 9113, section 3.2).
pub(super) const HTTP_2: &[u8] = b"h2";

/// Why certificate and key are not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// Which file, and what is the matter with it.
    pub what: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// What the server shows and proves to whoever connects.
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    hsts: ArcSwap<Option<HeaderValue>>,
}

struct State {
    files: Files,
    /// What the files held when they were last taken or refused.
    known: [u8; 32],
    /// What they held a look ago, when that was something new.
    changing: Option<[u8; 32]>,
}

/// Where certificate and key are.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// Certificate and key, good as they are, that nobody is shown yet.
pub struct Prepared {
    files: Files,
    key: Arc<CertifiedKey>,
    digest: [u8; 32],
    hsts: Option<HeaderValue>,
}

/// The key of new connections.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Prepared {
    /// Reads what `config` names; `None` when it names nothing.
    ///
    /// # Errors
    /// What is the matter with which file.
    pub fn read(config: &TlsConfig, now: Timestamp) -> Result<Option<Self>, TlsFault> {
        let (Some(certificate), Some(key)) = (&config.cert_file, &config.key_file) else { return Ok(None) };
        let files = Files { certificate: certificate.clone(), key: key.clone() };
        let read = files.read()?;
        let key = files.understand(&read, now)?;
        let hsts = (config.hsts_seconds > 0).then(|| format!("max-age={}", config.hsts_seconds));
        let hsts = hsts.and_then(|value| HeaderValue::try_from(value).ok());
        Ok(Some(Self { digest: read.digest(), files, key: Arc::new(key), hsts }))
    }
}

impl Tls {
    /// TLS with what was read.
    ///
    /// # Errors
    /// When the library can't do what is asked of it.
    pub fn new(prepared: Prepared, clock: Arc<dyn Clock>) -> Result<Arc<Self>, TlsFault> {
        let Prepared { files, key, digest, hsts } = prepared;
        let current = Arc::new(Current(ArcSwap::new(key)));
        let cannot = |error: rustls::Error| TlsFault {
            what: format!("TLS can't be set up: {error}."),
            hint: "Leave tls.cert_file and tls.key_file out, and put a proxy in front.",
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(cannot)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&current));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // Who comes back needs no second handshake, and the server remembers nobody for it.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(cannot)?;
        Ok(Arc::new(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            current,
            clock,
            state: Mutex::new(State { files, known: digest, changing: None }),
            hsts: ArcSwap::from_pointee(hsts),
        }))
    }

    /// What accepts connections.
    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// What answers ask browsers for.
    pub(super) fn hsts(&self) -> Option<HeaderValue> {
        Option::clone(&self.hsts.load())
    }

    /// Shows new connections what was read.
    pub fn take(&self, prepared: Prepared) {
        let Prepared { files, key, digest, hsts } = prepared;
        self.current.0.store(key);
        self.hsts.store(Arc::new(hsts));
        *self.state() = State { files, known: digest, changing: None };
    }

    /// Looks at the files for as long as the server runs, and takes what is new in them once it has stood still for a look:
    /// two files are never exchanged at the same moment.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let tls = Arc::clone(&self);
            // A disk that hangs must not hold a thread that answers.
            if tokio::task::spawn_blocking(move || tls.look()).await.is_err() {
                tracing::error!("looking at the certificate's files failed; looking again");
            }
        }
    }

    fn look(&self) {
        let files = self.state().files.clone();
        let read = files.read();
        let digest = match &read {
            Ok(read) => read.digest(),
            Err(fault) => Sha256::digest(&fault.what).into(),
        };
        let mut state = self.state();
        if state.files != files || state.known == digest {
            state.changing = None;
            return;
        }
        if state.changing.replace(digest) != Some(digest) {
            return;
        }
        state.known = digest;
        state.changing = None;
        match read.and_then(|read| files.understand(&read, self.clock.now())) {
            Ok(key) => {
                self.current.0.store(Arc::new(key));
                tracing::info!(certificate = %files.certificate.display(), "a new certificate is in use");
            }
            Err(fault) => {
                tracing::error!(hint = fault.hint, "{fault} The certificate from before stays in use.");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one provider of cryptography in the program.
fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

/// What the two files hold.
struct Read {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Read {
    /// Tells it from anything else, without keeping the key.
    fn digest(&self) -> [u8; 32] {
        let key: [u8; 32] = Sha256::digest(&self.key).into();
        Sha256::new().chain_update(key).chain_update(&self.certificate).finalize().into()
    }
}

impl Files {
    fn read(&self) -> Result<Read, TlsFault> {
        let file = |setting: &str, path: &Path| {
            read_file(path).map_err(|error| TlsFault {
                what: format!("{setting} {} can't be read: {error}.", path.display()),
                hint: "Name a file that is there and that the server's user may read.",
            })
        };
        Ok(Read { certificate: file("tls.cert_file", &self.certificate)?, key: file("tls.key_file", &self.key)? })
    }

    /// Makes a key for connections of what was read.
    fn understand(&self, read: &Read, now: Timestamp) -> Result<CertifiedKey, TlsFault> {
        let certificate = self.certificate.display();
        let bad_certificate = |what: &str| TlsFault {
            what: format!("tls.cert_file {certificate} {what}."),
            hint: "It must hold the server's certificate first, then those above it, as PEM.",
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&read.certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| bad_certificate("is not PEM that can be read"))?;
        let first = chain.first().ok_or_else(|| bad_certificate("holds no certificate"))?.clone();
        let key = PrivateKeyDer::from_pem_slice(&read.key).map_err(|_| self.bad_key("holds no private key as PEM"))?;
        self.in_force(&first, now)?;
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsFault {
                what: format!(
                    "The key in tls.key_file {} is not that of tls.cert_file {certificate}.",
                    self.key.display()
                ),
                hint: "Take both from the same order; the server's own certificate comes first in its file.",
            },
            rustls::Error::InvalidCertificate(_) => bad_certificate("holds a certificate that can't be read"),
            _ => self.bad_key("holds a key of a kind that can't be used (RSA, ECDSA and Ed25519 can)"),
        })?;
        self.warn_of_readers();
        Ok(key)
    }

    fn bad_key(&self, what: &str) -> TlsFault {
        TlsFault {
            what: format!("tls.key_file {} {what}.", self.key.display()),
            hint: "It must hold the certificate's private key as PEM, without a passphrase.",
        }
    }

    /// Looks at the time for which a certificate is good.
    fn in_force(&self, certificate: &CertificateDer<'_>, now: Timestamp) -> Result<(), TlsFault> {
        let path = self.certificate.display();
        let renew = "Renew it, or look at the machine's clock.";
        let refused = |what: String| TlsFault { what: format!("tls.cert_file {path} {what}."), hint: renew };
        let parsed = ParsedCertificate::try_from(certificate).map_err(|_| TlsFault {
            hint: "It must hold the server's certificate first, then those above it, as PEM.",
            ..refused("holds a certificate that can't be read".to_owned())
        })?;
        match fault_of_time(&parsed, now) {
            Some(Time::RanOut) => return Err(refused(format!("has run out (it is {now})"))),
            Some(Time::NotYet) => return Err(refused(format!("is not good yet (it is {now})"))),
            None => {}
        }
        if fault_of_time(&parsed, now.plus_seconds(WARN_DAYS * 86_400)).is_some() {
            tracing::warn!(certificate = %path, "the certificate runs out within {WARN_DAYS} days");
        }
        Ok(())
    }

    fn warn_of_readers(&self) {
        let path = self.key.display();
        let is_open = fs::metadata(&self.key).is_ok_and(|found| found.permissions().mode() & 0o004 != 0);
        if is_open {
            tracing::warn!(key = %path, "everybody on this machine may read the private key; take that right away (chmod o= FILE)");
        }
    }
}

/// Reads a file that must not be large, and no pipe.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if !found.is_file() || found.len() > FILE_BYTES_MAX {
        return Err(io::Error::other("it is no ordinary file of at most 1 MiB"));
    }
    fs::read(path)
}

enum Time {
    RanOut,
    NotYet,
}

/// What is the matter with a certificate's time. Checked by asking whether nobody vouches for it: its time is looked at first.
fn fault_of_time(certificate: &ParsedCertificate<'_>, at: Timestamp) -> Option<Time> {
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.as_seconds()).unwrap_or_default()));
    let algorithms = provider().signature_verification_algorithms.all;
    match verify_server_cert_signed_by_trust_anchor(certificate, &RootCertStore::empty(), &[], at, algorithms) {
        Err(rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
            Some(Time::RanOut)
        }
        Err(rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => Some(Time::NotYet),
        _ => None,
    }
}
