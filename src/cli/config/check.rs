//! `preorder config check`: every mistake at once, those included that only this machine can tell.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

use crate::cli::context::Layers;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::config::{Config, Examined, Fault, MediaUrl, Settings, SettingsError, Sources};
use crate::kernel::clock::{Clock as _, SystemClock};
use crate::server::Prepared;
use crate::store::Location;

/// What to do about a folder or a file that is not as it should be.
const OTHER_PLACE: &str = "Name a place that is there, or can be made, and that the server's user may write to.";

/// Looks at everything.
///
/// # Errors
/// Every fault, at once; or when stdout can't be written.
pub(in crate::cli) fn check(layers: &Layers, output: Output) -> Result<(), Failure> {
    let (sources, unreadable) = Sources::gather_all(layers.file.as_deref(), layers.flags.clone());
    let examined = Settings::examine(&sources);
    let of_machine = machine_faults(&examined);
    let faults: Vec<Fault> = unreadable.into_iter().chain(examined.faults).chain(of_machine).collect();
    if faults.is_empty() {
        return output.answer(&json!({ "ok": true, "faults": [] }), || "The settings are valid.");
    }
    if output.is_json() {
        let told: Vec<_> = faults.iter().map(|fault| json!({ "what": fault.what, "hint": fault.hint })).collect();
        output.answer(&json!({ "ok": false, "faults": told }), String::new)?;
    }
    Err(SettingsError(faults).into())
}

/// What is the matter with the files, folders and addresses that sound settings name.
fn machine_faults(examined: &Examined) -> Vec<Fault> {
    let config = &examined.settings.config;
    let mut faults = Vec::new();
    let mut look = |keys: &[&str], found: Option<Fault>| {
        if keys.iter().all(|key| examined.is_sound(key)) {
            faults.extend(found);
        }
    };
    let Location::Sqlite(database) = &config.db;
    look(&["db"], database_fault(database));
    look(&["listen"], address_fault(config.listen));
    let tls = Prepared::read(&config.tls, SystemClock.now()).err();
    look(&["tls.cert_file", "tls.key_file"], tls.map(|fault| told(fault.what, fault.hint)));
    let smtp = &config.mail.smtp;
    look(&["mail.smtp.ca_file"], smtp.ca_file.as_deref().and_then(authorities_fault));
    look(
        &["mail.smtp.password_file"],
        smtp.password_file.as_deref().and_then(|path| read("mail.smtp.password_file", path).err()),
    );
    for (key, folder) in folders(config) {
        look(&[key], folder_fault(key, &folder));
    }
    faults
}

/// The folders that are written to, beside the database's.
fn folders(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let urls = [("media.url", Some(&config.media.url)), ("backup.url", config.backup.url.as_ref())];
    urls.into_iter()
        .filter_map(|(key, url)| match url {
            Some(MediaUrl::Folder(folder)) => Some((key, folder.clone())),
            _ => None,
        })
        .collect()
}

fn told(what: String, hint: impl Into<String>) -> Fault {
    Fault { what, hint: hint.into(), on_command_line: false }
}

/// A database that is there must be a file that can be read and written; one that is not needs a folder to be made in.
fn database_fault(path: &Path) -> Option<Fault> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Some(told(format!("db: {} is no file.", path.display()), OTHER_PLACE)),
        Ok(_) => access(path, Access::READ_OK | Access::WRITE_OK)
            .err()
            .map(|error| told(format!("db: {} can't be read and written: {error}.", path.display()), OTHER_PLACE)),
        Err(_) => folder_fault("db", path.parent().unwrap_or(Path::new(""))),
    }
}

/// A folder that is there must be one that can be written to; one that is not must be such that it can be made.
fn folder_fault(key: &str, folder: &Path) -> Option<Fault> {
    let nearest = folder.ancestors().find(|path| fs::symlink_metadata(path).is_ok()).unwrap_or(Path::new("."));
    let nearest = if nearest.as_os_str().is_empty() { Path::new(".") } else { nearest };
    let wrong = |why: String| Some(told(format!("{key}: {} {why}.", nearest.display()), OTHER_PLACE));
    match fs::metadata(nearest) {
        Ok(found) if !found.is_dir() => wrong("is no folder".to_owned()),
        Ok(_) => match access(nearest, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => None,
            Err(error) => wrong(format!("can't be written to: {error}")),
        },
        Err(error) => wrong(format!("can't be looked at: {error}")),
    }
}

/// Whether the address is another machine's, or its port somebody else's by right. That another program listens there now is no
/// fault of the settings: it may be the server itself.
fn address_fault(address: SocketAddr) -> Option<Fault> {
    // A port of the system's choice for ordinary ones, so that no client ever meets this.
    let port = if address.port() < 1024 { address.port() } else { 0 };
    let error = TcpListener::bind(SocketAddr::new(address.ip(), port)).err()?;
    let hint = match error.kind() {
        io::ErrorKind::AddrNotAvailable => "Take an address of this machine, or 0.0.0.0 or [::] for all of them.",
        io::ErrorKind::PermissionDenied => "Take a port from 1024 on, or let the service manager grant this one.",
        _ => return None,
    };
    Some(told(format!("listen: {address} can't be listened on: {error}."), hint))
}

fn authorities_fault(path: &Path) -> Option<Fault> {
    let key = "mail.smtp.ca_file";
    let text = match read(key, path) {
        Ok(text) => text,
        Err(fault) => return Some(fault),
    };
    let mut certificates = CertificateDer::pem_slice_iter(&text);
    let is_good = matches!(certificates.next(), Some(Ok(_))) && certificates.all(|one| one.is_ok());
    let hint = "It must hold certificates as PEM.";
    (!is_good).then(|| told(format!("{key}: {} holds no certificate that can be read.", path.display()), hint))
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|error| {
        let hint = "Name a file that is there and that the server's user may read.";
        told(format!("{key}: {} can't be read: {error}.", path.display()), hint)
    })
}
