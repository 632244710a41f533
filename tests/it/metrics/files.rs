//! What is made for the metrics: every name and label in the dashboard and in the alerts is one of a server that works.

use std::collections::BTreeSet;
use std::path::Path;

use preorder::metrics::model::{Kind, METRICS};
use serde_json::Value;

use super::metric_of;
use super::scrape::{Labels, Scrape, of_work};
use crate::support::not_tested;

/// Labels that Prometheus adds to every series.
const TARGET: [&str; 2] = ["instance", "job"];

/// A file of the project.
fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The words of an expression, and the signs between them; a text in quotes is one word.
fn words(expression: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => rest[1..].find('"').expect("a text ends") + 2,
            c if c.is_ascii_alphabetic() || c == '_' || c == '$' => {
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '$'))).unwrap_or(rest.len())
            }
            '=' | '!' if rest[1..].starts_with(['~', '=']) => 2,
            c => c.len_utf8(),
        };
        words.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    words
}

/// What is wrong with the names, labels and values of an expression; it names at least one metric.
fn faults(expression: &str, scrape: &Scrape) -> Vec<String> {
    let words = words(expression);
    let mut faults = Vec::new();
    let (mut names, mut grouped) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let list = |at: &mut usize, end: &str| {
            let from = *at + 1;
            *at += words[*at..].iter().position(|word| word == end).expect("a list ends") + 1;
            words[from..*at - 1].to_vec()
        };
        if matches!(word.as_str(), "by" | "without" | "on" | "ignoring" | "group_left") {
            grouped.extend(list(&mut at, ")").into_iter().filter(|word| word != ","));
        } else if word == "up" || word.starts_with("preorder_") || word.starts_with("process_") {
            let matchers = if words.get(at).is_some_and(|next| next == "{") { list(&mut at, "}") } else { Vec::new() };
            names.push(word.clone());
            faults.extend(selector_faults(word, &matchers, scrape));
        }
    }
    if names.is_empty() {
        faults.push("it names no metric".to_owned());
    }
    let labels: BTreeSet<_> =
        names.iter().filter(|name| *name != "up").flat_map(|name| labels_of(name, scrape)).collect();
    faults.extend(grouped.into_iter().filter(|label| !labels.contains(label)).map(|label| format!("no label {label}")));
    faults
}

fn labels_of(name: &str, scrape: &Scrape) -> BTreeSet<String> {
    let samples = scrape.samples.iter().filter(|(it, ..)| it == name);
    samples.flat_map(|(_, labels, _)| labels.keys().cloned()).chain(TARGET.map(str::to_owned)).collect()
}

/// What is wrong with one metric and the labels that it is chosen by.
fn selector_faults(name: &str, matchers: &[String], scrape: &Scrape) -> Vec<String> {
    let mut faults = Vec::new();
    if name != "up" && !scrape.samples.iter().any(|(it, ..)| it == name) {
        faults.push(format!("no metric {name}"));
    }
    for matcher in matchers.split(|word| word == ",") {
        let [label, sign, value] = matcher else {
            if !matcher.is_empty() {
                faults.push(format!("{matcher:?} chooses nothing"));
            }
            continue;
        };
        let value = value.trim_matches('"');
        if name == "up" || TARGET.contains(&label.as_str()) {
            continue;
        }
        if !labels_of(name, scrape).contains(label) {
            faults.push(format!("{name} has no label {label}"));
        }
        // A status that did not occur has no series, but the values of the others do not depend on what was done.
        let has_value =
            |(it, labels, _): &(String, Labels, String)| it == name && labels.get(label).is_some_and(|it| it == value);
        if sign == "=" && label != "status" && !scrape.samples.iter().any(has_value) {
            faults.push(format!("{name} is never with {label}=\"{value}\""));
        }
    }
    faults
}

/// Every expression of a dashboard, and where it stands.
fn expressions(value: &Value, place: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            let place = members.get("title").and_then(Value::as_str).unwrap_or(place);
            for (name, member) in members {
                match (name.as_str(), member.as_str()) {
                    ("expr" | "definition", Some(text)) => found.push((place.to_owned(), text.to_owned())),
                    _ => expressions(member, place, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, place, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_dashboard_names_only_what_there_is() {
    let (_app, scrape) = of_work().await;
    let dashboard: Value = serde_json::from_str(&file("deploy/grafana/preorder.json")).unwrap();
    let mut found = Vec::new();
    expressions(&dashboard, "", &mut found);
    assert!(found.len() > 30, "expressions are found: {}", found.len());
    let wrong: Vec<_> = found
        .iter()
        .map(|(panel, text)| (panel, faults(text, &scrape)))
        .filter(|(_, faults)| !faults.is_empty())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");

    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has a number of its own");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(
        (variables[0]["type"].as_str(), variables[0]["name"].as_str()),
        (Some("datasource"), Some("datasource"))
    );
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
    }
    // What a shop owner looks at on sale day.
    let all: String = found.iter().map(|(_, text)| text.as_str()).collect();
    for wanted in [
        "preorder_orders_total",
        "preorder_http_refusals_total",
        "preorder_http_request_duration_seconds_bucket",
        "preorder_queue_length",
        "preorder_batch_size_sum",
        "preorder_commit_duration_seconds_bucket",
        "preorder_units",
        "preorder_sessions",
        "preorder_streams",
        "process_resident_memory_bytes",
        "preorder_database_wal_size_bytes",
        "status=~\"5..\"",
    ] {
        assert!(all.contains(wanted), "{wanted}");
    }
}

#[tokio::test]
async fn the_alerts_name_only_what_there_is_and_where_help_is() {
    let (_app, scrape) = of_work().await;
    let rules = file("deploy/prometheus/alerts.yml");
    let alerts: Vec<_> = rules.split("- alert: ").skip(1).collect();
    let names: BTreeSet<_> = alerts.iter().map(|alert| alert.lines().next().unwrap()).collect();
    assert_eq!(names.len(), alerts.len());
    assert!(alerts.len() >= 9);
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        let line = |key: &str| {
            let mut found = alert.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
            let value = found.next().unwrap_or_else(|| panic!("{name} has no {key}"));
            value.trim_matches('"').to_owned()
        };
        let found = faults(&line("expr"), &scrape);
        assert!(found.is_empty(), "{name}: {found:?}");
        assert_eq!(line("runbook"), format!("docs/runbook.md#{}", name.to_lowercase()));
        assert!(["critical", "warning", "info"].contains(&line("severity").as_str()), "{name}");
        assert!(!line("summary").is_empty() && !line("description").is_empty());
    }
}

#[test]
fn the_runbook_has_a_place_for_each_alert() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md");
    let Ok(runbook) = std::fs::read_to_string(path) else {
        return not_tested("there is no docs/runbook.md, which the alerts name");
    };
    let headings: BTreeSet<_> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .map(|line| line.trim_start_matches('#').trim())
        .collect();
    let rules = file("deploy/prometheus/alerts.yml");
    let missing: Vec<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .filter(|alert| !headings.contains(alert))
        .collect();
    assert!(missing.is_empty(), "the runbook has no heading for {missing:?}");
}

#[tokio::test]
async fn a_wrong_name_is_noticed() {
    let (_app, scrape) = of_work().await;
    for good in [
        "up{job=\"preorder\"} == 0",
        "sum by (code) (rate(preorder_http_refusals_total{instance=~\"$instance\",code=\"sold_out\"}[5m])) > 0",
        "histogram_quantile(0.5, sum by (le) (rate(preorder_batch_size_bucket[$__rate_interval])))",
    ] {
        assert_eq!(faults(good, &scrape), Vec::<String>::new(), "{good}");
    }
    for bad in [
        "preorder_orders",
        "preorder_http_request_duration_seconds",
        "preorder_orders_total{reason=\"sold_out\"}",
        "preorder_orders_total{outcome=\"sold_out\"}",
        "sum by (code) (preorder_orders_total)",
        "sum(rate(node_load1[5m]))",
    ] {
        assert!(!faults(bad, &scrape).is_empty(), "{bad}");
    }
    assert!(
        METRICS.iter().any(|metric| metric.kind == Kind::Histogram && *metric == *metric_of("preorder_batch_size_sum"))
    );
}
