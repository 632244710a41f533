//! Settings of accounts: signing up, mail, images.

use std::path::PathBuf;

use super::keys::{Form, Setting, is_url};
use super::{MailMode, MediaUrl, Secret, StartTls};

/// A text that may be anything.
macro_rules! text {
    ($key:literal, $($field:ident).+, $doc:literal) => {
        Setting { key: $key, doc: $doc, secret: false, form: Form::Text {
            allowed: "a text",
            set: |config, text| {
                text.clone_into(&mut config.$($field).+);
                Ok(())
            },
            get: |config| Some(config.$($field).+.clone()),
        } }
    };
}

/// A file's path, or nothing.
macro_rules! file {
    ($key:literal, $($field:ident).+, $doc:literal) => {
        Setting { key: $key, doc: $doc, secret: false, form: Form::Text {
            allowed: "a file's path",
            set: |config, text| {
                config.$($field).+ = (!text.is_empty()).then(|| PathBuf::from(text));
                Ok(())
            },
            get: |config| Some(config.$($field).+.as_ref().map_or_else(String::new, |path| path.display().to_string())),
        } }
    };
}

/// A text that is never shown.
macro_rules! secret {
    ($key:literal, $($field:ident).+, $doc:literal) => {
        Setting { key: $key, doc: $doc, secret: true, form: Form::Text {
            allowed: "a text",
            set: |config, text| {
                config.$($field).+ = (!text.is_empty()).then(|| Secret::new(text));
                Ok(())
            },
            get: |config| config.$($field).+.as_deref().map(str::to_owned),
        } }
    };
}

pub(super) const ENDPOINT: &str = "http://HOST:PORT or https://HOST, or nothing for Amazon's own";

/// The address of a server that speaks S3, or nothing.
macro_rules! endpoint {
    ($key:literal, $($field:ident).+, $doc:literal) => {
        Setting { key: $key, doc: $doc, secret: false, form: Form::Text {
            allowed: ENDPOINT,
            set: |config, text| {
                if !text.is_empty() && !is_url(text, &["http", "https"]) {
                    return Err(ENDPOINT);
                }
                text.clone_into(&mut config.$($field).+);
                Ok(())
            },
            get: |config| Some(config.$($field).+.clone()),
        } }
    };
}

pub(super) use {endpoint, file, secret, text};

pub(super) const SIGNUP_VERIFIED_EMAIL: Setting = Setting {
    key: "signup.verified_email",
    doc: "Whether only those may sign up who proved by a code that they read the address's mail.",
    secret: false,
    form: Form::Switch {
        set: |config, on| config.signup_verified_email = on,
        get: |config| config.signup_verified_email,
    },
};

pub(super) const MAIL_MODE: Setting = Setting {
    key: "mail.mode",
    doc: "Where mail goes: to the log, for trying things out, or to a mail server.",
    secret: false,
    form: Form::Text {
        allowed: "'log' or 'smtp'",
        set: |config, text| {
            config.mail.mode = match text {
                "log" => MailMode::Log,
                "smtp" => MailMode::Smtp,
                _ => return Err("'log' or 'smtp'"),
            };
            Ok(())
        },
        get: |config| {
            Some(match config.mail.mode {
                MailMode::Log => "log".to_owned(),
                MailMode::Smtp => "smtp".to_owned(),
            })
        },
    },
};

const SENDER: &str = "an address such as shop@example.com, or Shop <shop@example.com>";

pub(super) const MAIL_FROM: Setting = Setting {
    key: "mail.from",
    doc: "Who mail is from.",
    secret: false,
    form: Form::Text {
        allowed: SENDER,
        set: |config, text| {
            text.parse::<lettre::message::Mailbox>().map_err(|_| SENDER)?;
            text.clone_into(&mut config.mail.from);
            Ok(())
        },
        get: |config| Some(config.mail.from.clone()),
    },
};

pub(super) const SMTP_HOST: Setting = text!("mail.smtp.host", mail.smtp.host, "The mail server's name or address.");

const STARTTLS: &str = "'required', 'on' (when the server offers it) or 'off'";

pub(super) const SMTP_STARTTLS: Setting = Setting {
    key: "mail.smtp.starttls",
    doc: "Whether mail goes over TLS.",
    secret: false,
    form: Form::Text {
        allowed: STARTTLS,
        set: |config, text| {
            config.mail.smtp.starttls = match text {
                "required" => StartTls::Required,
                "on" => StartTls::WhenOffered,
                "off" => StartTls::Off,
                _ => return Err(STARTTLS),
            };
            Ok(())
        },
        get: |config| {
            Some(match config.mail.smtp.starttls {
                StartTls::Required => "required".to_owned(),
                StartTls::WhenOffered => "on".to_owned(),
                StartTls::Off => "off".to_owned(),
            })
        },
    },
};

pub(super) const SMTP_CA_FILE: Setting = file!(
    "mail.smtp.ca_file",
    mail.smtp.ca_file,
    "Certificates (PEM) to trust the mail server by, instead of the system's."
);
pub(super) const SMTP_USER: Setting =
    text!("mail.smtp.user", mail.smtp.user, "The user to log in to the mail server as; nobody when it is empty.");
pub(super) const SMTP_PASSWORD: Setting = secret!("mail.smtp.password", mail.smtp.password, "That user's password.");
pub(super) const SMTP_PASSWORD_FILE: Setting = file!(
    "mail.smtp.password_file",
    mail.smtp.password_file,
    "A file that holds that password, in place of mail.smtp.password."
);

const MEDIA_URL: &str = "file:FOLDER, such as file:data/media, or s3://BUCKET or s3://BUCKET/PREFIX";

pub(super) const MEDIA: Setting = Setting {
    key: "media.url",
    doc: "Where profile images are kept. A relative folder starts from the working folder, and is made when it is missing.",
    secret: false,
    form: Form::Text {
        allowed: MEDIA_URL,
        set: |config, text| media_url(text).map(|url| config.media.url = url),
        get: |config| Some(written(&config.media.url)),
    },
};

/// An address as it is written.
pub(super) fn written(url: &MediaUrl) -> String {
    match url {
        MediaUrl::Folder(path) => format!("file:{}", path.display()),
        MediaUrl::S3 { bucket, prefix } if prefix.is_empty() => format!("s3://{bucket}"),
        MediaUrl::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
    }
}

pub(super) const S3_ENDPOINT: Setting =
    endpoint!("media.s3_endpoint", media.s3_endpoint, "The server that speaks S3, when it is not Amazon's.");
pub(super) const S3_REGION: Setting = text!("media.s3_region", media.s3_region, "The region of the S3 bucket.");
pub(super) const S3_ACCESS_KEY: Setting = secret!(
    "media.s3_access_key",
    media.s3_access_key,
    "The access key id for S3; without one, the machine's own role is asked for."
);
pub(super) const S3_SECRET_KEY: Setting =
    secret!("media.s3_secret_key", media.s3_secret_key, "The secret that belongs to the access key.");

/// Reads `file:FOLDER`, `file://FOLDER` and `s3://BUCKET/PREFIX`.
pub(super) fn media_url(text: &str) -> Result<MediaUrl, &'static str> {
    if let Some(place) = text.strip_prefix("s3://") {
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let is_bucket = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if bucket.is_empty() || !bucket.chars().all(is_bucket) {
            return Err(MEDIA_URL);
        }
        return Ok(MediaUrl::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() });
    }
    let path = text.strip_prefix("file:").ok_or(MEDIA_URL)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() { Err(MEDIA_URL) } else { Ok(MediaUrl::Folder(PathBuf::from(path))) }
}
