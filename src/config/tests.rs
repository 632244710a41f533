use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::*;

fn sources(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &'static str, &str)]) -> Sources {
    Sources {
        file: Some((PathBuf::from("preorder.toml"), file.to_owned())),
        environment: environment.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect(),
        flags: flags.iter().map(|&(name, key, value)| Flag { name, key, value: value.to_owned() }).collect(),
    }
}

fn faults(file: &str, environment: &[(&str, &str)]) -> Vec<Fault> {
    Settings::load(&sources(file, environment, &[])).unwrap_err().0
}

fn origin(settings: &Settings, key: &str) -> String {
    settings.entries().find(|entry| entry.setting.key == key).unwrap().origin.to_string()
}

#[test]
fn nothing_set_gives_the_defaults() {
    let settings = Settings::load(&Sources::default()).unwrap();
    assert!(settings.entries().all(|entry| entry.value == entry.default && *entry.origin == Origin::Default));
}

#[test]
fn each_layer_covers_the_one_below() {
    let file = "listen = '127.0.0.1:1'\ntarget = 'users'\n[jwt]\naccess_minutes = 1\nrefresh_hours = 2";
    let environment = [("PREORDER_LISTEN", "127.0.0.1:2"), ("PREORDER_JWT_ACCESS_MINUTES", "2")];
    let flags = [("--listen", "listen", "127.0.0.1:3")];
    let settings = Settings::load(&sources(file, &environment, &flags)).unwrap();
    assert_eq!(settings.config.listen.port(), 3);
    assert_eq!(settings.config.jwt.access_minutes, 2);
    assert_eq!(settings.config.jwt.refresh_hours, 2);
    assert_eq!(origin(&settings, "listen"), "--listen");
    assert_eq!(origin(&settings, "jwt.access_minutes"), "PREORDER_JWT_ACCESS_MINUTES");
    assert_eq!(origin(&settings, "target"), "preorder.toml");
    assert_eq!(origin(&settings, "db"), "default");
}

#[test]
fn a_section_may_be_empty() {
    Settings::load(&sources("[jwt]\n[payment.simulated]\n[limits]\n", &[], &[])).unwrap();
}

#[test]
fn every_default_may_be_written_out() {
    let defaults = Config::default();
    for setting in SETTINGS.iter().filter(|setting| !setting.secret) {
        let text = match setting.value(&defaults) {
            Json::String(text) => text,
            other => other.to_string(),
        };
        let mut config = Config::default();
        setting.set(&mut config, &text).unwrap_or_else(|allowed| panic!("{} = {text}: {allowed}", setting.key));
        assert_eq!(setting.value(&config), setting.value(&defaults), "{}", setting.key);
    }
}

#[test]
fn ends_of_a_range_are_in_and_fill_the_field_that_is_read_back() {
    for setting in SETTINGS {
        let Some((min, max)) = setting.allowed().strip_prefix("a whole number from ").and_then(|range| {
            let (min, max) = range.split_once(" to ")?;
            Some((min.parse::<u64>().ok()?, max.parse::<u64>().ok()?))
        }) else {
            continue;
        };
        let mut config = Config::default();
        for end in [min, max] {
            setting.set(&mut config, &end.to_string()).unwrap();
            assert_eq!(setting.value(&config), Json::from(end), "{}", setting.key);
        }
        setting.set(&mut config, &(max + 1).to_string()).unwrap_err();
    }
}

#[test]
fn variables_are_named_after_keys_and_are_all_different() {
    let mut names: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
    assert!(names.contains(&"PREORDER_PAYMENT_SIMULATED_ABANDON_RATE".to_owned()));
    names.sort();
    names.dedup();
    assert_eq!(names.len(), SETTINGS.len());
}

#[test]
fn unknown_keys_are_told_with_the_nearest_known_one() {
    let faults = faults("[jwt]\nacces_minutes = 5\n[nothing]\n", &[("PREORDER_LISTN", "x")]);
    let texts: Vec<_> = faults.iter().map(|fault| format!("{} {}", fault.what, fault.hint)).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].contains("jwt.acces_minutes") && texts[0].contains("mean jwt.access_minutes?"), "{}", texts[0]);
    assert!(texts[1].contains("Unknown setting nothing (from the file preorder.toml)"), "{}", texts[1]);
    assert!(texts[2].contains("mean PREORDER_LISTEN?"), "{}", texts[2]);
}

#[test]
fn bad_values_name_key_value_origin_and_what_is_allowed() {
    let file = "[payment.simulated]\nabandon_rate = 1.5\nlatency_ms = \"0\"";
    let faults = faults(file, &[("PREORDER_LISTEN", "here")]);
    let texts: Vec<_> = faults.iter().map(|fault| fault.what.as_str()).collect();
    assert_eq!(
        texts,
        [
            "Setting payment.simulated.abandon_rate: 1.5 (from the file preorder.toml) is not allowed. \
             Allowed: a number from 0 to 1.",
            "Setting payment.simulated.latency_ms: \"0\" (from the file preorder.toml) is not allowed. \
             Allowed: a whole number from 0 to 600000, without quotes.",
            "Setting listen: \"here\" (from the environment variable PREORDER_LISTEN) is not allowed. \
             Allowed: ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080.",
        ]
    );
}

#[test]
fn a_bad_flag_is_the_command_lines_fault() {
    let error = Settings::load(&sources("", &[], &[("--db", "db", "mysql:x")])).unwrap_err();
    assert!(error.0[0].on_command_line);
    assert!(error.to_string().contains("from the flag --db"), "{error}");
}

#[test]
fn secrets_are_never_told() {
    let secret = "correct horse battery staple, thirty-two";
    let settings = Settings::load(&sources(&format!("jwt.secret = '{secret}'"), &[], &[])).unwrap();
    assert_eq!(settings.config.jwt.secret.as_deref(), Some(secret));
    let shown = settings.entries().find(|entry| entry.setting.key == "jwt.secret").unwrap().value;
    assert_eq!(shown, "(hidden)");
    assert!(!format!("{settings:?}").contains("horse"));

    for file in ["jwt.secret = 'horse'", "jwt.secret = ['horse']", "jwt.secret = 'horse", "jwt.secret = horse"] {
        let text = format!("{:?}", faults(file, &[]));
        assert!(!text.contains("horse"), "{text}");
    }
    let text = format!("{:?}", faults("db = 'postgres://ann:horse@host/shop'", &[]));
    assert!(!text.contains("horse") && text.contains("not in this build yet"), "{text}");
}

#[test]
fn values_must_make_sense_together() {
    let burst = faults("[limits]\naddress_per_second = 5\naddress_burst = 0", &[]);
    assert!(burst[0].what.starts_with("limits.address_burst is 0"), "{burst:?}");
    Settings::load(&sources("[limits]\naddress_per_second = 0\naddress_burst = 0", &[], &[])).unwrap();
    let tokens = faults("[jwt]\naccess_minutes = 61\nrefresh_hours = 1", &[]);
    assert!(tokens[0].what.starts_with("jwt.access_minutes (61)"), "{tokens:?}");
}

#[test]
fn mail_and_images_need_both_halves_of_a_login() {
    for (file, start) in [
        ("mail.smtp.user = 'ann'", "mail.smtp.user is ann"),
        ("[mail.smtp]\nuser = 'ann'\npassword = 'x'\npassword_file = 'y'", "mail.smtp.password and"),
        ("media.s3_access_key = 'AK'", "Of media.s3_access_key"),
        ("media.s3_secret_key = 'horse'", "Of media.s3_access_key"),
        ("mail.from = 'nobody'", "Setting mail.from: \"nobody\""),
        ("mail.smtp.starttls = 'maybe'", "Setting mail.smtp.starttls"),
        ("mail.mode = 'pigeon'", "Setting mail.mode"),
        ("media.s3_endpoint = 'minio:9000'", "Setting media.s3_endpoint"),
    ] {
        let faults = faults(file, &[]);
        // TOML shows a text in the quotes that it stands in.
        let what = faults[0].what.replace('\'', "\"");
        assert!(faults.len() == 1 && what.starts_with(start) && !what.contains("horse"), "{file}: {faults:?}");
    }
    let file = "[mail.smtp]\nuser = 'ann'\npassword_file = '/run/mail'\n[mail]\nmode = 'smtp'";
    let smtp = Settings::load(&sources(file, &[], &[])).unwrap().config.mail.smtp;
    assert_eq!((&*smtp.user, smtp.password_file), ("ann", Some(PathBuf::from("/run/mail"))));
}

#[test]
fn media_addresses() {
    let folder = |path: &str| MediaUrl::Folder(PathBuf::from(path));
    let s3 = |bucket: &str, prefix: &str| MediaUrl::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
    for (text, url) in [
        ("file:a/b", folder("a/b")),
        ("file:/a", folder("/a")),
        ("file:///a", folder("/a")),
        ("s3://shop", s3("shop", "")),
        ("s3://shop/", s3("shop", "")),
        ("s3://shop/a/b/", s3("shop", "a/b")),
    ] {
        let settings = Settings::load(&sources(&format!("media.url = '{text}'"), &[], &[])).unwrap();
        assert_eq!(settings.config.media.url, url, "{text}");
    }
    for text in ["", "data/media", "file:", "s3://", "s3:///a", "s3://a b", "ftp://x"] {
        assert_eq!(faults(&format!("media.url = '{text}'"), &[]).len(), 1, "{text}");
    }
}

#[test]
fn backup_addresses() {
    let backup = |file: &str| Settings::load(&sources(file, &[], &[])).unwrap().config.backup;
    assert_eq!(backup("").url, None);
    assert_eq!(backup("backup.url = ''").url, None);
    assert_eq!(backup("backup.url = 'file:/b'").url, Some(MediaUrl::Folder(PathBuf::from("/b"))));
    let bucket = MediaUrl::S3 { bucket: "shop".to_owned(), prefix: "a".to_owned() };
    assert_eq!(backup("backup.url = 's3://shop/a'").url, Some(bucket));
    for (file, start) in [
        ("backup.url = 'backups'", "Setting backup.url: \"backups\""),
        ("backup.keep = 0", "Setting backup.keep: 0"),
        ("backup.every_minutes = 0", "Setting backup.every_minutes: 0"),
        ("backup.s3_endpoint = 'minio:9000'", "Setting backup.s3_endpoint"),
        ("backup.s3_secret_key = 'horse'", "Of backup.s3_access_key and backup.s3_secret_key one is set"),
    ] {
        let faults = faults(file, &[]);
        let what = faults[0].what.replace('\'', "\"");
        assert!(faults.len() == 1 && what.starts_with(start) && !what.contains("horse"), "{file}: {faults:?}");
    }
}

#[test]
fn sqlite_addresses() {
    for (text, path) in
        [("sqlite:a/b.db", "a/b.db"), ("sqlite:/a.db", "/a.db"), ("sqlite://a.db", "a.db"), ("sqlite:///a.db", "/a.db")]
    {
        let settings = Settings::load(&sources(&format!("db = '{text}'"), &[], &[])).unwrap();
        assert_eq!(settings.config.db, crate::store::Location::Sqlite(PathBuf::from(path)));
    }
    for text in ["", "a.db", "sqlite:", "sqlite::memory:", "mysql://x"] {
        assert_eq!(faults(&format!("db = '{text}'"), &[]).len(), 1, "{text}");
    }
}

#[test]
fn metrics_are_for_a_token_and_for_addresses() {
    let read = |text: &str| Settings::load(&sources(text, &[], &[])).map(|settings| settings.config.metrics);
    let metrics =
        read("[metrics]\ntoken = 'sixteen-letters!'\naddresses = ' 10.1.2.3/8,::1 , ::ffff:192.0.2.1 '").unwrap();
    assert_eq!(metrics.token.as_deref(), Some("sixteen-letters!"));
    assert_eq!(metrics.addresses.len(), 3);
    let holds =
        |address: &str| metrics.addresses.iter().any(|network| network.contains(&address.parse::<IpAddr>().unwrap()));
    assert!(["10.255.0.1", "::1", "192.0.2.1"].into_iter().all(holds));
    assert!(!["11.0.0.1", "::2", "192.0.2.2"].into_iter().any(holds));
    let none = read("[metrics]\ntoken = ''\naddresses = ' '").unwrap();
    assert!(none.token.is_none() && none.addresses.is_empty());
    for bad in ["token = 'fifteen-letters'", "token = 'sixteen letters!'", "token = 'sechzehn-zeichen-ß'"] {
        assert!(!format!("{:?}", read(&format!("[metrics]\n{bad}")).unwrap_err()).contains("letters"), "{bad}");
    }
    for bad in ["10.0.0.0/33", "localhost", "10.0.0.1,,::1", "10.0.0.1;::1", "10.0.0"] {
        read(&format!("[metrics]\naddresses = '{bad}'")).unwrap_err();
    }
}

#[test]
fn a_line_that_is_not_toml_hides_nothing_behind_it() {
    let faults = faults("half a line\nlisten = 'nowhere'\njwt.access_minutes = \njwt.refresh_hours = 0\n", &[]);
    let told: Vec<_> = faults.iter().map(|fault| fault.what.split([':', '(']).next().unwrap().trim()).collect();
    assert_eq!(
        told,
        ["preorder.toml is not TOML", "preorder.toml is not TOML", "Setting jwt.refresh_hours", "Setting listen"]
    );
    assert!(faults[1].what.contains("line 3"), "{}", faults[1].what);
}

#[test]
fn what_does_not_go_together_is_told_beside_other_faults_and_never_of_values_that_are_not_there() {
    let both = faults(
        "colour = 1\ntls.cert_file = 'c.pem'\nlimits.address_burst = 0\nlimits.account_burst = 0\n\
         limits.account_per_second = 'many'\n",
        &[],
    );
    let told = both
        .iter()
        .filter(|fault| fault.what.contains("one is set without") || fault.what.contains("nothing could pass"));
    assert_eq!(told.count(), 2, "{both:?}");
    let hidden = faults("tls.cert_file = 'c.pem'\ntls.key_file = \n", &[]);
    assert_eq!(hidden.len(), 1, "{hidden:?}");
    let hidden = faults("[tls]\ncert_file = 'c.pem'\nkey_file = 'open\n", &[]);
    assert_eq!(hidden.len(), 1, "{hidden:?}");
}

#[test]
fn what_can_change_while_a_server_runs_is_told_apart() {
    let mut running = Config::default();
    let mut new = Config { listen: "127.0.0.1:1".parse().unwrap(), ..Config::default() };
    new.limits.body_bytes = 2_000;
    new.tls.cert_file = Some("c.pem".into());
    new.log.format = LogFormat::Json;
    let changes = running.take_live(&new);
    assert_eq!(changes.live, ["limits.body_bytes = 2000"]);
    assert_eq!(changes.at_restart, ["listen", "tls.cert_file", "log.format"]);
    assert_eq!(running.take_live(&new).live, Vec::<String>::new());
    assert!(SETTINGS.iter().filter(|setting| setting.is_live()).all(|setting| !setting.secret));
}
