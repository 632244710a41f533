//! The report as one HTML page: no script, nothing to fetch, readable on paper.

use std::collections::BTreeMap;

use super::chart::{Chart, Line, columns};
use super::check::Counts;
use super::fairness::Fairness;
use super::load::Load;
use super::machine::Machine;
use super::report::{Community, Report};
use super::timeline::Point;

const STYLE: &str = include_str!("page.css");
/// How many kinds of refusal have a line of their own; the rest share one.
const KINDS_DRAWN: usize = 5;

/// The whole page.
pub(super) fn render(report: &Report) -> String {
    let name = escape(&report.scenario);
    let (class, word) = if report.passed() { ("pass", "Pass") } else { ("fail", "Fail") };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{name}: {word}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{name} <span class=\"{class}\">{word}</span></h1>\n\
         <p>{}</p>\n",
        escape(&report.story.description)
    );
    verdict(&mut page, report);
    numbers(&mut page, report);
    over_time(&mut page, report);
    if let Some(fairness) = &report.fairness {
        order(&mut page, fairness);
    }
    limits(&mut page, &report.load);
    counted(&mut page, "Refusals by kind", &report.refusals);
    counted(&mut page, "Errors by kind", &report.error_kinds);
    machine(&mut page, &report.machine);
    if let Some(settings) = &report.server_settings {
        put(&mut page, "<h2>The temporary server's settings</h2>\n<pre>");
        for (name, value) in settings {
            put(&mut page, &format!("{}={}\n", escape(name), escape(value)));
        }
        put(&mut page, "</pre>\n<p>Everything else is as 'preorder config show' tells without a settings file.</p>\n");
    }
    let (repeat, text) = (escape(&report.story.repeat), escape(&report.story.scenario_text));
    put(
        &mut page,
        &format!(
            "<h2>Run it again</h2>\n<pre>{repeat}</pre>\n<p>The scenario; what the command line says goes before \
             it:</p>\n<pre>{text}</pre>\n</main>\n</body>\n</html>\n"
        ),
    );
    page
}

fn verdict(page: &mut String, report: &Report) {
    if report.failures.is_empty() {
        return put(page, "<p>Nothing was oversold, lost or made up: the answers and the rows agree.</p>\n");
    }
    put(page, "<ul class=\"failures\">\n");
    for failure in &report.failures {
        put(page, &format!("<li>{}</li>\n", escape(failure)));
    }
    put(page, "</ul>\n");
}

fn numbers(page: &mut String, report: &Report) {
    let (units, latency) = (report.units, report.latency_ms);
    let audit = match report.audit.ok {
        Some(true) => "every invariant holds",
        Some(false) => "broken",
        None => "not asked: only HTTP reached the server",
    };
    let memory = report.server_peak_memory_bytes.map_or_else(|| "not measured".to_owned(), mebibytes);
    let rate = |count: u64, per_second: f64| format!("{} ({} a second)", whole(count), tenth(per_second));
    let mut rows = vec![
        ("Units on sale at the start", units.total.to_string()),
        ("Sold", units.sold.to_string()),
        ("Held", units.held.to_string()),
        ("Still available", units.available.to_string()),
        ("Oversold", units.oversold.to_string()),
        ("Audit of the rows", audit.to_owned()),
        ("Requests", rate(report.requests, report.requests_per_second)),
        ("Purchases", rate(report.purchases, report.purchases_per_second)),
        ("Errors", whole(report.errors)),
        ("Half of all answers within", milliseconds(latency.p50)),
        ("9 of 10 within", milliseconds(latency.p90)),
        ("99 of 100 within", milliseconds(latency.p99)),
        ("The slowest", milliseconds(latency.max)),
        ("Time", format!("{} s", report.elapsed_seconds)),
        ("Buyers", whole(report.buyers as u64)),
        ("Server's peak memory", memory),
    ];
    if let Some(Community { posts, comments, likes, follows }) = report.community {
        let counts = [("Posts", posts), ("Comments", comments), ("Likes", likes), ("Follows", follows)];
        rows.extend(counts.map(|(label, count)| (label, count.to_string())));
    }
    table(page, "Numbers", rows);
}

/// The charts whose axis is the time.
fn over_time(page: &mut String, report: &Report) {
    let (points, seconds) = (&report.story.points, report.elapsed_seconds);
    let line = |name: &str, value: &dyn Fn(&Point) -> Option<f64>| {
        let points = points.iter().map(|point| (point.at, value(point))).collect();
        Line { name: name.to_owned(), points }
    };
    let mut answers = vec![
        line("requests", &|point| per_second(point, point.requests)),
        line("refused", &|point| per_second(point, point.refusals.values().sum())),
    ];
    if report.errors > 0 {
        answers.push(line("errors", &|point| per_second(point, point.errors)));
    }
    let latency = [("half within", 0), ("9 of 10 within", 1), ("99 of 100 within", 2)];
    let latency = latency.map(|(name, at)| line(name, &|point| point.latency_ms.map(|latency| latency[at])));
    #[expect(clippy::cast_precision_loss, reason = "units are at most a thousand million")]
    let units = |name: &str, value: fn(&Counts) -> i64| Line {
        name: name.to_owned(),
        points: report.story.units.iter().map(|(at, units)| (*at, Some(value(units) as f64))).collect(),
    };
    let units = vec![
        units("available", |units| units.available),
        units("held", |units| units.held),
        units("sold", |units| units.sold),
    ];
    let kinds = kinds(&report.refusals);
    let refusals = kinds.iter().map(|(name, codes)| {
        let count = |point: &Point| codes.iter().filter_map(|code| point.refusals.get(*code)).sum();
        line(name, &|point| per_second(point, count(point)))
    });
    put(page, "<h2>Over time</h2>\n");
    for (title, caption, lines) in [
        ("Requests a second", "Counted when the answer came.", answers),
        ("Latency in milliseconds", "From when a request was due to its answer's last byte.", latency.into()),
        ("Units", "As the stock page showed them, and at the end as the rows say.", units),
        ("Refusals a second", "Orderly answers that say no.", refusals.collect()),
    ] {
        put(page, &Chart { title, caption, seconds, lines }.figure());
    }
}

/// The kinds that have a line of their own, the most frequent first, and one for the rest; each with its codes.
fn kinds(refusals: &BTreeMap<String, u64>) -> Vec<(String, Vec<&str>)> {
    let mut codes: Vec<_> = refusals.iter().collect();
    codes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let codes: Vec<_> = codes.into_iter().map(|(code, _)| code.as_str()).collect();
    let (own, rest) = codes.split_at(codes.len().min(KINDS_DRAWN));
    let mut kinds: Vec<_> = own.iter().map(|code| ((*code).to_owned(), vec![*code])).collect();
    if !rest.is_empty() {
        kinds.push(("others".to_owned(), rest.to_vec()));
    }
    kinds
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn per_second(point: &Point, count: u64) -> Option<f64> {
    (point.length > 0.0).then(|| count as f64 / point.length)
}

fn order(page: &mut String, fairness: &Fairness) {
    let Fairness { share, by_lot, asked, bought, tenths } = fairness;
    let (share, by_lot) = (percent(*share), percent(*by_lot));
    let caption = format!(
        "{} buyers asked for a unit and would have kept it; {} of them got one. {share} of those were among the first \
         {bought} to arrive: in the order of arrival it would be 100\u{a0}%, by lot about {by_lot}. The columns are tenths of \
         the line, the first to arrive on the left.",
        whole(*asked as u64),
        whole(*bought as u64)
    );
    let labels: Vec<_> = (1..=tenths.len()).map(|nth| nth.to_string()).collect();
    put(page, "<h2>Fairness</h2>\n");
    put(page, &columns("Who got a unit, by the order of arrival", &caption, &labels, tenths));
}

fn limits(page: &mut String, load: &Load) {
    put(page, &format!("<h2>What set the pace</h2>\n<p>{}</p>\n", load.says()));
    let mut rows = Vec::new();
    if let Some(cpu) = load.cpu {
        rows.push(("The crowd's share of all cores", percent(cpu.crowd)));
        let others = if let Some(server) = cpu.server {
            rows.push(("The server's", percent(server)));
            "Other programs'"
        } else {
            "The server's and other programs'"
        };
        rows.push((others, percent(cpu.others)));
    }
    rows.push(("99 of 100 requests were sent, after they were due, within", milliseconds(load.late_ms_p99)));
    rows.push(("All of them within", milliseconds(load.late_ms_max)));
    put_rows(page, rows);
}

fn counted(page: &mut String, title: &str, kinds: &BTreeMap<String, u64>) {
    if !kinds.is_empty() {
        table(page, title, kinds.iter().map(|(kind, count)| (kind.as_str(), whole(*count))));
    }
}

fn machine(page: &mut String, machine: &Machine) {
    let build = if machine.optimised { "" } else { ", a slow build for finding faults" };
    let unknown = || "unknown".to_owned();
    let rows = [
        ("Program", format!("preorder {}{build}", machine.version)),
        ("System", machine.system.clone()),
        ("Processor", machine.cpu.clone().unwrap_or_else(unknown)),
        ("Cores", machine.cores.to_string()),
        ("Memory", machine.memory_bytes.map_or_else(unknown, mebibytes)),
    ];
    table(page, "Machine", rows);
}

fn table<'a>(page: &mut String, title: &str, rows: impl IntoIterator<Item = (&'a str, String)>) {
    put(page, &format!("<h2>{title}</h2>\n"));
    put_rows(page, rows);
}

fn put_rows<'a>(page: &mut String, rows: impl IntoIterator<Item = (&'a str, String)>) {
    put(page, "<table>\n");
    for (label, value) in rows {
        put(page, &format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(label), escape(&value)));
    }
    put(page, "</table>\n");
}

fn put(page: &mut String, text: &str) {
    page.push_str(text);
}

fn mebibytes(bytes: u64) -> String {
    format!("{}\u{a0}MiB", whole(bytes.div_ceil(1024 * 1024)))
}

fn milliseconds(ms: f64) -> String {
    format!("{}\u{a0}ms", tenth(ms))
}

fn percent(share: f64) -> String {
    format!("{:.0}\u{a0}%", share * 100.0)
}

fn whole(count: u64) -> String {
    grouped(&count.to_string())
}

fn tenth(value: f64) -> String {
    grouped(&format!("{value:.1}"))
}

/// A number's text with its thousands apart.
pub(super) fn grouped(text: &str) -> String {
    let digits = text.find('.').unwrap_or(text.len());
    let mut grouped = String::new();
    for (index, c) in text.char_indices() {
        if index > 0 && index < digits && (digits - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(c);
    }
    grouped
}

/// Text as HTML: a scenario's name is its author's, a refusal's code is the server's.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtest::report::tests::sample;

    #[test]
    fn what_others_wrote_is_text_and_never_markup() {
        let mut report = sample(vec!["\"lost\" & <b>".to_owned()]);
        report.story.description = "<img src=x onerror=alert(1)>".to_owned();
        report.story.repeat = "preorder loadtest '<x>'".to_owned();
        report.story.scenario_text = "<u>".to_owned();
        report.scenario = "<script>".to_owned();
        report.refusals.insert("<i>'".to_owned(), 1_000);
        report.server_settings = Some(BTreeMap::from([("<a>".to_owned(), "<a>".to_owned())]));
        let page = render(&report);
        for markup in ["<script", "<img", "<b>", "<i>", "<x>", "<u>", "<a>"] {
            assert!(!page.contains(markup), "{markup}");
        }
        assert!(page.contains("&quot;lost&quot; &amp; &lt;b&gt;"));
    }

    #[test]
    fn the_page_needs_nothing_from_outside() {
        let page = render(&sample(Vec::new()));
        for link in ["http:", "https:", "src=", "href=", "url(", "@import", "<script"] {
            assert!(!page.contains(link), "{link}");
        }
    }

    #[test]
    fn the_page_tells_and_draws_how_the_run_went() {
        let page = render(&sample(Vec::new()));
        for title in ["Requests a second", "Latency in milliseconds", "Units", "Refusals a second"] {
            assert!(page.contains(&format!("<h3>{title}</h3>\n<svg role=\"img\" aria-label=\"{title}. ")), "{title}");
        }
        assert!(page.contains("available: at most 80, at the end 0."), "{page}");
        assert!(
            page.contains("20 buyers asked for a unit and would have kept it; 5 of them got one. 100\u{a0}% of those")
        );
        assert!(page.contains(">sold_out</th><td>900</td>") && page.contains("99 of 100 within"));
        assert!(
            page.contains("preorder loadtest flash-sale --seed 7") && page.contains("name = &quot;flash-sale&quot;")
        );
    }

    #[test]
    fn the_most_frequent_refusals_have_lines_of_their_own() {
        let refusals = (1..=7).map(|count| (format!("r{count}"), count)).collect();
        let kinds = kinds(&refusals);
        let names: Vec<_> = kinds.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["r7", "r6", "r5", "r4", "r3", "others"]);
        assert_eq!(kinds[5].1, ["r2", "r1"]);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(["7", "1234", "123456.7"].map(grouped), ["7", "1,234", "123,456.7"]);
    }
}
