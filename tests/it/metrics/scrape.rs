//! A scrape, read line by line: what the tests look things up in.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;

use crate::support::{Asker, TestApp, all_pay, reservation};

/// A series' labels.
pub(crate) type Labels = BTreeMap<String, String>;

/// What one scrape told.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    pub(crate) text: String,
    /// Names and kinds, in their order.
    pub(crate) families: Vec<(String, String)>,
    /// Each sample's name, labels and value.
    pub(crate) samples: Vec<(String, Labels, String)>,
}

impl Scrape {
    /// Asks for the metrics, and reads them.
    pub(crate) async fn of(asker: &Asker) -> Self {
        let response = asker.request(Method::GET, "/metrics").send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self::read(response.text().await.unwrap())
    }

    fn read(text: String) -> Self {
        let mut scrape = Self::default();
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                scrape.families.push((name.to_owned(), kind.to_owned()));
            } else if !line.starts_with("# HELP ") {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                scrape.samples.push((name.to_owned(), labels_of(labels.strip_suffix('}').unwrap()), value.to_owned()));
            }
        }
        scrape.text = text;
        scrape
    }

    /// A sample's value as it is written; `None` when there is no such series. Labels are written as in `method=GET,route=/`.
    pub(crate) fn get(&self, name: &str, labels: &str) -> Option<&str> {
        let wanted: Labels = labels
            .split(',')
            .filter_map(|label| label.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut found = self.samples.iter().filter(|(it, labels, _)| it == name && *labels == wanted);
        let value = found.next().map(|(_, _, value)| value.as_str());
        assert!(found.next().is_none(), "{name} {labels} is there twice");
        value
    }

    /// A value that is a whole number.
    #[track_caller]
    pub(crate) fn value(&self, name: &str, labels: &str) -> u64 {
        let value = self.get(name, labels).unwrap_or_else(|| panic!("no {name} with {labels} in {}", self.text));
        value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
    }

    /// Every series, without its value.
    pub(crate) fn series(&self) -> BTreeSet<(String, Labels)> {
        self.samples.iter().map(|(name, labels, _)| (name.clone(), labels.clone())).collect()
    }
}

/// Reads `a="b",c="d"`; what the server's tests sell has no quotes in its name.
fn labels_of(text: &str) -> Labels {
    let pairs = text.split("\",").filter(|pair| !pair.is_empty()).map(|pair| pair.split_once("=\"").unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned())).collect()
}

/// A server that has done some work of each kind, and a scrape of it.
pub(crate) async fn of_work() -> (TestApp, Scrape) {
    let backups = tempfile::tempdir().unwrap();
    // A still one, for the schedule would make a backup of its own.
    let app = TestApp::still(|config| {
        all_pay(config);
        config.backup.url = Some(preorder::config::MediaUrl::Folder(backups.path().join("copies")));
    })
    .await;
    let (ann, nobody) = (app.user("ann").await, app.anonymous());
    app.sell(reservation("100", 4)).await;
    app.app.backups.make_one().await.unwrap();
    for _ in 0..3 {
        ann.buy("100").await.ok(201);
    }
    let held = ann.hold("100").await;
    ann.buy("100").await.refused(409, "sold_out");
    ann.leave(&held).await.ok(200);
    for path in ["/products/100", "/products/100", "/newsfeeds", "/readyz", "/"] {
        nobody.get(path).await;
    }
    let scrape = Scrape::of(&nobody).await;
    (app, scrape)
}
