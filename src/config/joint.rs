//! Values that are allowed one by one, but not together.

use super::load::Fault;
use super::{Config, Limits, SmtpConfig};

/// What does not go together. A key of which `is_sound` does not hold has no value of its own, so nothing is said about it.
pub(super) fn joint_faults(config: &Config, is_sound: impl Fn(&str) -> bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut joint = |keys: &[&str], what: String, hint: String| {
        if keys.iter().all(|key| is_sound(key)) {
            faults.push(Fault::joint(what, hint));
        }
    };
    let Limits { address_per_second, address_burst, account_per_second, account_burst, .. } = config.limits;
    let rates = [("address", address_per_second, address_burst), ("account", account_per_second, account_burst)];
    for (who, per_second, burst) in rates {
        if per_second > 0 && burst == 0 {
            joint(
                &[&format!("limits.{who}_burst"), &format!("limits.{who}_per_second")],
                format!("limits.{who}_burst is 0 while limits.{who}_per_second is {per_second}: nothing could pass."),
                format!("Set limits.{who}_burst to 1 or more, or limits.{who}_per_second to 0 for no limit."),
            );
        }
    }
    let (access_minutes, refresh_hours) = (config.jwt.access_minutes, config.jwt.refresh_hours);
    if u64::from(access_minutes) > u64::from(refresh_hours) * 60 {
        joint(
            &["jwt.access_minutes", "jwt.refresh_hours"],
            format!("jwt.access_minutes ({access_minutes}) is longer than jwt.refresh_hours ({refresh_hours})."),
            "An access token must not outlive its session: shorten the first or lengthen the second.".to_owned(),
        );
    }
    if config.tls.cert_file.is_some() != config.tls.key_file.is_some() {
        joint(
            &["tls.cert_file", "tls.key_file"],
            "Of tls.cert_file and tls.key_file one is set without the other.".to_owned(),
            "Set both to speak TLS, or neither for plain HTTP.".to_owned(),
        );
    }
    let SmtpConfig { user, password, password_file, .. } = &config.mail.smtp;
    let of_smtp = ["mail.smtp.user", "mail.smtp.password", "mail.smtp.password_file"];
    if password.is_some() && password_file.is_some() {
        joint(
            &of_smtp,
            "mail.smtp.password and mail.smtp.password_file are both set.".to_owned(),
            "Set one of them.".to_owned(),
        );
    }
    if !user.is_empty() && password.is_none() && password_file.is_none() {
        joint(
            &of_smtp,
            format!("mail.smtp.user is {user}, and there is no password."),
            "Set mail.smtp.password or mail.smtp.password_file.".to_owned(),
        );
    }
    let (media, backup) = (&config.media, &config.backup);
    for (section, id, secret) in [
        ("media", &media.s3_access_key, &media.s3_secret_key),
        ("backup", &backup.s3_access_key, &backup.s3_secret_key),
    ] {
        if id.is_some() != secret.is_some() {
            joint(
                &[&format!("{section}.s3_access_key"), &format!("{section}.s3_secret_key")],
                format!("Of {section}.s3_access_key and {section}.s3_secret_key one is set without the other."),
                "Set both, or neither for the machine's own role.".to_owned(),
            );
        }
    }
    faults
}
