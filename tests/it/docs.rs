//! Documentation that is made from the program, so that it cannot fall behind.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use preorder::config::{Settings, Sources};
use preorder::metrics::model::{METRICS, Metric};

/// What the page of metrics says before the table.
const METRICS_BEFORE: &str = "\
# Metrics

<!-- Made from the list in src/metrics/model.rs by the test in tests/it/docs.rs. -->

`GET /metrics` answers in Prometheus's text format (version 0.0.4). It is answered also while rate limits refuse others; however many
ask at once, one answer is made at a time, and those who wait share it.

**Who may read them.** Everybody who reaches the server, unless the settings say otherwise: `metrics.token` asks for `Authorization:
Bearer <token>` (401 `metrics_token_required`, `metrics_token_wrong`), `metrics.addresses` for an address or a network (403
`address_not_allowed`), both for both. On a server that the world reaches, set one of them: counts of stock and sales are your own
business.

```yaml
scrape_configs:
  - job_name: preorder            # the example alerts and the dashboard go by this name
    scrape_interval: 5s
    authorization: {credentials_file: /etc/prometheus/preorder-token}
    static_configs: [{targets: [\"127.0.0.1:8080\"]}]
rule_files: [alerts.yml]          # deploy/prometheus/alerts.yml
```

`deploy/grafana/preorder.json` is a dashboard to import (Dashboards, New, Import; then choose the data source). The alerts' `runbook`
annotations name places in `docs/runbook.md`. A test sees to it that both name only what there is.

**What a scrape costs.** Counting is a few additions to atomics for each request and each batch, whether anybody scrapes or not. A scrape
reads them, a few files of `/proc`, and the sizes of the database's files; it takes no lock that a purchase waits for longer than for
choosing 1,000 products. Only sessions are counted in the database, seldom. `cargo bench --bench metrics` measures it.

**Labels are bounded.** `route` is a template of the router's (`/products/{id}`), or `other`; `status` one of a few dozen, or a class such as
`4xx`; `code` a word of the program; `product` one of the 1,000 products that moved last. A series begins when its first value is counted.
All counters begin at 0 with the process.

| metric | kind | labels | what it tells |
| --- | --- | --- | --- |
";

/// And behind it.
const METRICS_AFTER: &str = "
Orders a second: `sum(rate(preorder_orders_total{outcome=\"completed\"}[1m]))`. Time within which 99 of 100 purchases are answered:
`histogram_quantile(0.99, sum by (le) (rate(preorder_http_request_duration_seconds_bucket{method=\"POST\",route=~\"/payments.*\"}[1m])))`.
";

#[test]
fn the_page_of_settings_is_up_to_date() {
    let mut page = String::from(
        "# Settings\n\n\
         <!-- Made from the table in src/config/keys.rs by the test in tests/it/docs.rs. -->\n\n\
         A value comes from the first of these that has one: a flag, an environment variable, the file `preorder.toml` in \
         the working\nfolder (or `--config FILE`), the default. `preorder config show` prints what is in effect and where it \
         comes from.\nKeys with dots may be written as TOML tables. A running server takes what is marked \"on SIGHUP\" when \
         it is sent that signal;\nthe rest waits for a restart.\n\n\
         | key | variable | default | allowed | what it does | when it changes |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for entry in Settings::load(&Sources::default()).unwrap().entries() {
        let setting = entry.setting;
        let (key, variable, allowed, doc) = (setting.key, setting.variable(), setting.allowed(), setting.doc);
        let when = if setting.is_live() { "on SIGHUP" } else { "at a restart" };
        writeln!(page, "| `{key}` | `{variable}` | `{}` | {allowed} | {doc} | {when} |", entry.default).unwrap();
    }
    up_to_date("docs/settings.md", &page);
}

#[test]
fn the_readme_says_the_same_in_both_languages() {
    let [english, korean] = ["README.md", "README.ko.md"].map(|file| {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        Bones::of(&text)
    });
    assert_eq!(english, korean);
}

/// What of a text is the same in every language.
#[derive(Debug, PartialEq, Eq)]
struct Bones {
    headings: usize,
    rows: usize,
    commands: Vec<String>,
    words_of_code: BTreeSet<String>,
    links: BTreeSet<String>,
    numbers: BTreeSet<String>,
}

impl Bones {
    fn of(text: &str) -> Self {
        let blocks: Vec<&str> = text.split("```").collect();
        let prose: String = blocks.iter().step_by(2).copied().collect();
        let commands = blocks.iter().skip(1).step_by(2).filter(|block| !block.contains('▶'));
        let between = |open: &str, close: char| -> BTreeSet<String> {
            prose.split(open).skip(1).filter_map(|rest| rest.split_once(close)).map(|(it, _)| it.to_owned()).collect()
        };
        let is_digit = |letter: char| letter.is_ascii_digit() || ",.".contains(letter);
        Self {
            headings: prose.lines().filter(|line| line.starts_with('#')).count(),
            rows: prose.lines().filter(|line| line.starts_with('|')).count(),
            commands: commands
                .flat_map(|block| block.lines())
                .map(|line| line.split(" # ").next().unwrap_or_default().trim_end().to_owned())
                .collect(),
            words_of_code: prose.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
            links: between("](", ')').into_iter().filter(|link| !link.starts_with("README")).collect(),
            numbers: prose
                .split(|letter| !is_digit(letter))
                .map(|number| number.trim_matches([',', '.']).to_owned())
                .filter(|number| number.len() > 1)
                .collect(),
        }
    }
}

#[test]
fn every_page_that_the_documents_lead_to_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = ["docs", "loadtest"]
        .map(|folder| root.join(folder))
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>());
    let top = ["README.md", "README.ko.md", "SECURITY.md"].map(|file| root.join(file));
    for page in pages.chain(top).filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let told = std::fs::read(&target).unwrap_or_else(|_| panic!("{} leads to {link}", page.display()));
            let told = String::from_utf8_lossy(&told).to_lowercase();
            let headings = told.lines().filter(|line| line.starts_with('#')).map(anchor_of);
            assert!(anchor.is_empty() || headings.into_iter().any(|it| it == anchor), "{}: #{anchor}", page.display());
        }
    }
}

/// A heading's anchor, as code hosts make it.
fn anchor_of(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn the_page_of_metrics_is_up_to_date() {
    let mut page = String::from(METRICS_BEFORE);
    for Metric { name, kind, labels, help } in METRICS {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{name}` | {} | {} | {help} |", kind.as_str(), labels.join(", ")).unwrap();
    }
    page.push_str(METRICS_AFTER);
    up_to_date("docs/metrics.md", &page);
}

/// Writes the file anew when it differs, and fails, so that the change is seen and committed.
fn up_to_date(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::fs::read_to_string(&path).is_ok_and(|current| current == text) {
        return;
    }
    std::fs::write(&path, text).unwrap();
    panic!("{file} was out of date and has been written anew; look at it and commit it");
}
