//! Certificates, and people who trust them.

use std::path::{Path, PathBuf};

use preorder::config::Config;
use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};
use reqwest::{Certificate, Client, ClientBuilder};
use tempfile::TempDir;

use super::{Asker, Serving, TestApp};

/// A certificate for this machine, and its key, both as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Identity {
    /// One that is good for years.
    pub(crate) fn new() -> Self {
        Self::good_for(2020, 2120)
    }

    /// One that is good from the first of January of a year to that of another.
    pub(crate) fn good_for(from: i32, to: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        params.distinguished_name.push(DnType::CommonName, "shop");
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, key: key.serialize_pem() }
    }

    /// Somebody's browser or program that trusts this and nothing else.
    pub(crate) fn client(&self) -> ClientBuilder {
        Client::builder().tls_certs_only([Certificate::from_pem(self.certificate.as_bytes()).unwrap()])
    }
}

/// A folder with a certificate and its key.
pub(crate) struct TlsFiles {
    folder: TempDir,
}

impl TlsFiles {
    pub(crate) fn with(identity: &Identity) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.put(identity);
        files
    }

    pub(crate) fn put(&self, identity: &Identity) {
        std::fs::write(self.certificate(), &identity.certificate).unwrap();
        std::fs::write(self.key(), &identity.key).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.path().join("key.pem")
    }

    /// The settings that name them.
    pub(crate) fn set(&self, config: &mut Config) {
        config.tls.cert_file = Some(self.certificate());
        config.tls.key_file = Some(self.key());
    }
}

impl TestApp {
    /// Somebody without a token who comes over TLS with a client of their own.
    pub(crate) fn over_tls(&self, client: ClientBuilder) -> Asker {
        Asker { client: client.build().unwrap(), base: format!("https://{}", self.address), token: None }
    }
}

impl Serving {
    /// Somebody without a token who comes over TLS with a client of their own.
    pub(crate) fn over_tls(&self, client: ClientBuilder) -> Asker {
        Asker { client: client.build().unwrap(), base: self.url.clone(), token: None }
    }
}
