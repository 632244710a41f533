//! The report as one HTML page: no script, nothing to fetch, readable on paper.

use super::report::{Community, Report};
use super::scenario::Scenario;

const STYLE: &str = include_str!("page.css");
/// The width of the longest bar.
const BAR_WIDTH: u64 = 420;
const ROW_HEIGHT: usize = 26;

/// The whole page.
pub(super) fn render(report: &Report, scenario: &Scenario, repeat: &str) -> String {
    let name = escape(&report.scenario);
    let (class, word) = if report.passed() { ("pass", "Pass") } else { ("fail", "Fail") };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{name}: {word}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{name} <span class=\"{class}\">{word}</span></h1>\n\
         <p>{}</p>\n",
        escape(&scenario.description)
    );
    failures(&mut page, report);
    units(&mut page, report);
    numbers(&mut page, report);
    latency(&mut page, report);
    bars(&mut page, "Refusals by kind", report.refusals.iter());
    bars(&mut page, "Errors by kind", report.error_kinds.iter());
    let repeat = escape(repeat);
    put(&mut page, &format!("<h2>Run it again</h2>\n<pre>{repeat}</pre>\n</main>\n</body>\n</html>\n"));
    page
}

fn failures(page: &mut String, report: &Report) {
    if report.failures.is_empty() {
        return put(page, "<p>Nothing was oversold, lost or made up: the answers and the rows agree.</p>\n");
    }
    put(page, "<ul class=\"failures\">\n");
    for failure in &report.failures {
        put(page, &format!("<li>{}</li>\n", escape(failure)));
    }
    put(page, "</ul>\n");
}

fn units(page: &mut String, report: &Report) {
    let units = report.units;
    let rows = [
        ("On sale at the start", units.total),
        ("Sold", units.sold),
        ("Held", units.held),
        ("Still available", units.available),
        ("Oversold", units.oversold),
    ];
    table(page, "Units", rows.map(|(label, number)| (label, number.to_string())));
}

fn numbers(page: &mut String, report: &Report) {
    let memory = report
        .server_peak_memory_bytes
        .map_or_else(|| "not measured".to_owned(), |bytes| format!("{} MiB", bytes.div_ceil(1024 * 1024)));
    let audit = match report.audit.ok {
        Some(true) => "every invariant holds",
        Some(false) => "broken",
        None => "not asked: only HTTP reached the server",
    };
    let mut rows = vec![
        ("Requests", format!("{} ({} a second)", report.requests, report.requests_per_second)),
        ("Purchases", format!("{} ({} a second)", report.purchases, report.purchases_per_second)),
        ("Errors", report.errors.to_string()),
        ("Time", format!("{} s", report.elapsed_seconds)),
        ("Audit", audit.to_owned()),
        ("Server's peak memory", memory),
        ("Seed", report.seed.to_string()),
    ];
    if let Some(Community { posts, comments, likes, follows }) = report.community {
        let counts = [("Posts", posts), ("Comments", comments), ("Likes", likes), ("Follows", follows)];
        rows.extend(counts.map(|(label, count)| (label, count.to_string())));
    }
    table(page, "Numbers", rows);
}

fn latency(page: &mut String, report: &Report) {
    let latency = report.latency_ms;
    let rows = [
        ("Half of all answers within", latency.p50),
        ("9 of 10 within", latency.p90),
        ("99 of 100 within", latency.p99),
        ("The slowest", latency.max),
    ];
    table(page, "Latency", rows.map(|(label, ms)| (label, format!("{ms:.1} ms"))));
}

fn table<'a>(page: &mut String, title: &str, rows: impl IntoIterator<Item = (&'a str, String)>) {
    put(page, &format!("<h2>{title}</h2>\n<table>\n"));
    for (label, value) in rows {
        put(page, &format!("<tr><th scope=\"row\">{label}</th><td>{}</td></tr>\n", escape(&value)));
    }
    put(page, "</table>\n");
}

/// A bar for each kind, as inline SVG, with the number in words beside it.
fn bars<'a>(page: &mut String, title: &str, kinds: impl Iterator<Item = (&'a String, &'a u64)> + Clone) {
    let Some(most) = kinds.clone().map(|(_, count)| *count).max().filter(|most| *most > 0) else { return };
    let height = kinds.clone().count() * ROW_HEIGHT;
    put(page, &format!("<h2>{title}</h2>\n<svg role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 760 {height}\">\n"));
    for (index, (kind, count)) in kinds.enumerate() {
        let (top, middle) = (index * ROW_HEIGHT + 4, index * ROW_HEIGHT + 18);
        let width = (u128::from(*count) * u128::from(BAR_WIDTH)).div_ceil(u128::from(most));
        let after = 266 + width;
        put(
            page,
            &format!(
                "<text x=\"250\" y=\"{middle}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"258\" y=\"{top}\" width=\"{width}\" height=\"18\"/>\
                 <text x=\"{after}\" y=\"{middle}\">{count}</text>\n",
                escape(kind)
            ),
        );
    }
    put(page, "</svg>\n");
}

fn put(page: &mut String, text: &str) {
    page.push_str(text);
}

/// Text as HTML: a scenario's name is its author's, a refusal's code is the server's.
fn escape(text: &str) -> String {
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
        let mut scenario = Scenario::load("flash-sale").unwrap();
        scenario.description = "<img src=x onerror=alert(1)>".to_owned();
        let mut report = sample(vec!["\"lost\" & <b>".to_owned()]);
        report.scenario = "<script>".to_owned();
        report.refusals.insert("<i>'".to_owned(), 1);
        let page = render(&report, &scenario, "preorder loadtest '<x>'");
        for markup in ["<script", "<img", "<b>", "<i>", "<x>"] {
            assert!(!page.contains(markup), "{markup}");
        }
        assert!(page.contains("&quot;lost&quot; &amp; &lt;b&gt;"));
    }

    #[test]
    fn the_page_needs_nothing_from_outside() {
        let page = render(&sample(Vec::new()), &Scenario::load("flash-sale").unwrap(), "preorder loadtest flash-sale");
        for link in ["http:", "https:", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(link), "{link}");
        }
        assert!(page.contains(">sold_out</text>") && page.contains("99 of 100 within"));
    }
}
