//! `demo` and `loadtest` from end to end: the real program, its own server, real HTTP, and the verdict.

use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Stdio;

#[cfg(target_os = "linux")]
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
#[cfg(target_os = "linux")]
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Shell, in_time, seen};

/// The members of the document, in their order; more may follow.
const MEMBERS: [&str; 13] = [
    "scenario",
    "seed",
    "requests",
    "requestsPerSecond",
    "purchases",
    "purchasesPerSecond",
    "refusals",
    "errors",
    "latencyMs",
    "units",
    "audit",
    "verdict",
    "failures",
];

/// Runs a rehearsal that must pass, in an environment with a TMPDIR of its own; gives its document.
#[track_caller]
fn passes(shell: &Shell, line: &str) -> Value {
    let temporary = temporary(shell);
    let output = shell.command(line).env("TMPDIR", &temporary).output().unwrap();
    assert!(output.status.success(), "{}", seen(line, &output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "pass", "{report}");
    assert_eq!((&report["errors"], &report["units"]["oversold"]), (&0.into(), &0.into()), "{report}");
    assert_eq!(entries(&temporary), Vec::<String>::new(), "nothing may stay behind");
    report
}

/// A folder for temporary files, so that one can see what stays behind.
fn temporary(shell: &Shell) -> std::path::PathBuf {
    let folder = shell.path().join("tmp");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn entries(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What somebody sees who asks for a rehearsal that can't be run.
fn refused(shell: &Shell, line: &str) -> String {
    let output = shell.command(line).env("TMPDIR", temporary(shell)).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(entries(&temporary(shell)), Vec::<String>::new());
    seen(line, &output)
}

#[test]
fn a_demo_that_is_watched_waits_before_and_after() {
    let shell = Shell::new();
    let told = shell.typed("demo --buyers 30 --stock 5 --watch", "\n\n");
    let at = |words: &str| told.find(words).unwrap_or_else(|| panic!("no '{words}' in {told}"));
    let (before, after) = (at("press Enter to let the crowd in."), at("Press Enter to stop the server"));
    assert!(before < after, "{told}");
    at("/admin signed in as admin@preorder.example");
    at("PASS:");
}

#[test]
fn a_demo_sells_out_and_nothing_more() {
    let shell = Shell::new();
    let report = passes(&shell, "demo --buyers 300 --stock 20 --json");
    // The names as they stand in the text: a parsed document may sort them.
    let names: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.iter().filter(|name| MEMBERS.contains(name)).count(), MEMBERS.len(), "{names:?}");
    assert_eq!(report["scenario"], "flash-sale");
    assert_eq!(report["purchases"], 20);
    assert_eq!(report["units"], serde_json::json!({"total": 20, "sold": 20, "held": 0, "available": 0, "oversold": 0}));
    assert_eq!(report["audit"], serde_json::json!({"ok": true}));
    assert!(report["refusals"]["sold_out"].as_u64().unwrap() > 0, "{report}");
    for percentile in ["p50", "p90", "p99", "max"] {
        assert!(report["latencyMs"][percentile].as_f64().unwrap() > 0.0, "{report}");
    }
    assert!(!shell.path().join("data").exists(), "a demo leaves the user's own database alone");
}

#[test]
fn the_document_has_the_members_of_the_contract_in_their_order() {
    let shell = Shell::new();
    let line = "demo --buyers 30 --stock 5 --json";
    let text = String::from_utf8(shell.output(line).stdout).unwrap();
    let at = |name: &str| text.find(&format!("\n  \"{name}\":")).unwrap_or_else(|| panic!("no {name} in {text}"));
    assert!(MEMBERS.map(at).is_sorted(), "{text}");
    let first = text.lines().nth(1).unwrap();
    assert_eq!(first, "  \"scenario\": \"flash-sale\",");
}

#[test]
fn people_read_a_table_and_nothing_on_stderr_but_notes() {
    let shell = Shell::new();
    let output = shell.output("demo --buyers 30 --stock 5");
    assert!(output.status.success());
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(stdout.contains("PASS: every answer is in the database"), "{stdout}");
    assert!(stdout.contains("5 = 5 sold + 0 held + 0 available; 0 oversold"), "{stdout}");
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
    let quiet = shell.output("demo --buyers 30 --stock 5 -q");
    assert!(quiet.stderr.is_empty());
}

#[test]
fn a_flash_sale_writes_its_report() {
    let shell = Shell::new();
    let report = passes(&shell, "loadtest flash-sale --users 200 --report sale.html --json");
    assert_eq!(report["purchases"], report["units"]["sold"]);
    let page = std::fs::read_to_string(shell.path().join("sale.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") || page.starts_with("<!doctype html>"), "{}", &page[..50]);
    assert!(page.contains("flash-sale") && page.contains("preorder loadtest flash-sale"));
    for outside in ["<script src", "<link", "http://", "https://"] {
        assert!(!page.replace("http://www.w3.org/", "").contains(outside), "the page must work offline: {outside}");
    }
}

/// Runs a flash sale in a shop with a planted fault, which must fail; gives the reasons.
#[cfg(debug_assertions)]
#[track_caller]
fn failures_with(fault: &str) -> String {
    let shell = Shell::new();
    let line = "loadtest flash-sale --users 250 --json";
    let output = shell.command(line).env("PREORDER_PLANTED_FAULT", fault).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", seen(line, &output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "fail", "{report}");
    assert_eq!(report["serverSettings"]["PREORDER_PLANTED_FAULT"], fault, "the report hides nothing");
    report["failures"].to_string()
}

/// Without the fault the same sale passes: see the test above.
#[cfg(debug_assertions)]
#[test]
fn a_shop_that_oversells_fails() {
    let failures = failures_with("oversell");
    assert!(failures.contains("units were oversold"), "{failures}");
    assert!(failures.contains("the product's counter says 100 sold, its orders say"), "{failures}");
    assert!(failures.contains("the audit found a broken invariant"), "{failures}");
}

#[cfg(debug_assertions)]
#[test]
fn a_shop_that_answers_before_it_has_written_fails() {
    let failures = failures_with("early_answer");
    assert!(failures.contains("orders were answered completed and are not completed in the database"), "{failures}");
    assert!(!failures.contains("audit"), "the rows are in order, only some are missing: {failures}");
}

#[test]
fn faults_are_planted_in_debug_builds_only() {
    let shell = Shell::new();
    let refused = shell.run_with("config check", &[("PREORDER_PLANTED_FAULT", "flood")]);
    if cfg!(debug_assertions) {
        assert!(refused.contains("Allowed: 'oversell' or 'early_answer'."), "{refused}");
    } else {
        assert!(refused.contains("Unknown environment variable PREORDER_PLANTED_FAULT"), "{refused}");
    }
    assert!(!shell.run("config show").contains("planted"), "it is no setting");
}

#[test]
fn an_ordinary_afternoon() {
    let shell = Shell::new();
    // The preset's own limit on latency is for a machine that does nothing else.
    let preset = include_str!("../../loadtest/steady.toml");
    shell.write("afternoon.toml", &preset.replace("p99_ms_max = 250.0", "p99_ms_max = 20000.0"));
    let report = passes(&shell, "loadtest afternoon.toml --users 50 --duration 2s --json");
    assert_eq!((&report["scenario"], &report["seed"]), (&"steady".into(), &1.into()));
    assert!(report["requests"].as_u64().unwrap() > 50, "{report}");
}

#[test]
fn a_community_talks_beside_a_sale() {
    let shell = Shell::new();
    // In small; the preset's own limit on latency is for a machine that does nothing else.
    let preset = include_str!("../../loadtest/community.toml")
        .replace("p99_ms_max = 500.0", "p99_ms_max = 20000.0")
        .replace("posts = 20000", "posts = 100")
        .replace("think_ms = 100", "think_ms = 1");
    shell.write("talk.toml", &preset);
    let report = passes(&shell, "loadtest talk.toml --users 200 --report talk.html --json");
    let names: Vec<_> = report["community"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["posts", "comments", "likes", "follows"]);
    for name in names {
        assert!(report["community"][name].as_u64().unwrap() > 0, "no {name}: {report}");
    }
    assert!(report["purchases"].as_u64().unwrap() > 0, "{report}");
    let page = std::fs::read_to_string(shell.path().join("talk.html")).unwrap();
    assert!(page.contains("<th scope=\"row\">Comments</th>"));
}

#[test]
fn units_that_were_walked_away_from_come_back() {
    let shell = Shell::new();
    let report = passes(&shell, "loadtest abandoners --users 60 --duration 3s --seed 9 --json");
    assert_eq!((&report["scenario"], &report["seed"]), (&"abandoners".into(), &9.into()));
}

#[test]
fn a_stampede_in_small() {
    let shell = Shell::new();
    let preset = include_str!("../../loadtest/stampede.toml").replace("seconds = 80", "seconds = 2");
    shell.write("stampede.toml", &preset.replace("seconds = 10", "seconds = 1"));
    let report = passes(&shell, "loadtest stampede.toml --scale 0.005 --json");
    // 25,000 people in three seconds, who ask five times each, and a two-hundredth of that.
    assert_eq!((&report["requests"], &report["units"]["total"]), (&(125 * 5).into(), &50.into()), "{report}");
    assert_eq!(report["purchases"], 50, "{report}");
}

#[test]
fn a_storm_of_logins() {
    let shell = Shell::new();
    let preset = include_str!("../../loadtest/login-storm.toml")
        .replace("password_queue_length = 64", "password_queue_length = 1");
    shell.write("storm.toml", &preset.replace("seconds = 20", "seconds = 1"));
    let report = passes(&shell, "loadtest storm.toml --users 100 --json");
    assert!(report["refusals"]["login_busy"].as_u64().unwrap() > 0, "{report}");
    assert!(report["purchases"].as_u64().unwrap() > 0, "{report}");
}

#[cfg(target_os = "linux")]
#[test]
fn rate_limits_stop_bots_and_let_people_in() {
    let shell = Shell::new();
    let preset = include_str!("../../loadtest/bots.toml").replace("seconds = 20", "seconds = 1");
    shell.write("bots.toml", &preset);
    let report = passes(&shell, "loadtest bots.toml --users 200 --json");
    assert_eq!(report["sides"]["people"]["rateLimited"], 0, "{report}");
    assert!(report["sides"]["bots"]["rateLimited"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["sides"]["bots"]["rateLimited"], report["refusals"]["rate_limited"], "{report}");

    // Without the limit nobody stops them, and the run says so.
    shell.write("open.toml", &preset.replace("address_per_second = 20", "address_per_second = 0"));
    let output = shell.output("loadtest open.toml --users 100");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("FAIL\n  - rate limits sent bots away with 0.0 % of their requests; at least 50 % must be"),
        "{text}"
    );
}

#[tokio::test]
async fn generated_users_sign_in_at_a_running_server() {
    let shell = Shell::new();
    shell.ok("seed --users 20");
    let server = shell.serve("", &[]).await;
    let preset = include_str!("../../loadtest/login-storm.toml").replace("seconds = 20", "seconds = 1");
    shell.write("storm.toml", &preset);
    let report = passes(&shell, &format!("loadtest storm.toml --users 20 --url {} --json", server.url));
    assert_eq!(report["audit"]["ok"], true);
    // Four more are active, and nobody knows their passwords.
    let line = format!("loadtest storm.toml --users 22 --url {}", server.url);
    insta::assert_snapshot!("loadtest_too_few_to_sign_in", at(&refused(&shell, &line), &server.url));
}

#[test]
fn scenarios_that_cannot_be_run() {
    let shell = Shell::new();
    insta::assert_snapshot!("loadtest_unknown", refused(&shell, "loadtest flash-sail"));
    insta::assert_snapshot!("loadtest_no_file", refused(&shell, "loadtest nowhere.toml"));
    shell.write(
        "bad.toml",
        "name = \"bad\"\n\n[product]\nstock = 0\nprice = 100\ncolour = \"red\"\n\n[crowd]\nbuyers = 10\nconnections = 5\n",
    );
    insta::assert_snapshot!("loadtest_bad_file", refused(&shell, "loadtest bad.toml"));
    shell.write(
        "worse.toml",
        "name = \"\"\n[product]\nstock = 0\nprice = 100\n[crowd]\nbuyers = 10\nconnections = 5\n\n\
         [[journeys]]\nsteps = [\"fly\"]\n\n[payment]\ndecline_rate = 2\n",
    );
    insta::assert_snapshot!("loadtest_bad_values", refused(&shell, "loadtest worse.toml"));
    shell.write(
        "phases.toml",
        "name = \"phases\"\n[product]\nstock = 1\nprice = 100\n\n[[phases]]\nname = \"endless\"\narrivals = \"open\"\n\
         per_second = 5\nconnections = 5\n\n[[phases]]\nname = \"endless\"\narrivals = \"closed\"\nburst = 5\n\
         buyers = 0\nconnections = 5\n\n[[journeys]]\nsteps = [\"buy\"]\n",
    );
    insta::assert_snapshot!("loadtest_bad_phases", refused(&shell, "loadtest phases.toml"));
    insta::assert_snapshot!("loadtest_bad_scale", refused(&shell, "loadtest --scale 0"));
    insta::assert_snapshot!("loadtest_bad_duration", refused(&shell, "loadtest --duration soon"));
    insta::assert_snapshot!("loadtest_no_duration", refused(&shell, "loadtest --duration 0s"));
    insta::assert_snapshot!("loadtest_no_users", refused(&shell, "loadtest --users 0"));
    insta::assert_snapshot!("loadtest_no_buyers", refused(&shell, "demo --buyers 0 --stock -1"));
}

#[test]
fn a_report_that_cannot_be_written_fails_before_the_run() {
    let shell = Shell::new();
    insta::assert_snapshot!("loadtest_report_folder", refused(&shell, "loadtest --report nowhere/sale.html"));
    std::fs::create_dir(shell.path().join("folder")).unwrap();
    insta::assert_snapshot!("loadtest_report_is_folder", refused(&shell, "loadtest --report folder"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn ctrl_c_leaves_no_server_and_no_folder() {
    let shell = Shell::new();
    let temporary = temporary(&shell);
    let mut command = shell.command("loadtest steady --users 50 --duration 60s");
    command.env("TMPDIR", &temporary).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let id = child.id().unwrap();
    let server = in_time(async {
        loop {
            if let Some(server) = children(id).first() {
                return *server;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(entries(&temporary).len(), 1);
    kill_process(Pid::from_raw(id.cast_signed()).unwrap(), Signal::INT).unwrap();
    let status = in_time(child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(1));
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut told = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        told.push(line);
    }
    assert_eq!(told[told.len() - 2..], ["error: Interrupted.", "hint: Nothing is half done; run it again to go on."]);
    assert_eq!(entries(&temporary), Vec::<String>::new());
    in_time(async {
        while lives(server) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_vanishes_midway_is_an_error_and_leaves_no_folder() {
    let shell = Shell::new();
    let temporary = temporary(&shell);
    let mut command = shell.command("loadtest steady --users 50 --duration 60s");
    command.env("TMPDIR", &temporary).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let id = child.id().unwrap();
    let server = in_time(async {
        loop {
            if let Some(server) = children(id).first() {
                return *server;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    kill_process(Pid::from_raw(server).unwrap(), Signal::KILL).unwrap();
    let output = in_time(child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("error: The temporary server ended early"), "{said}");
    assert_eq!(entries(&temporary), Vec::<String>::new());
}

/// Whether a process is at work; one that has ended may wait for its adoptive parent to notice (`proc_pid_stat(5)`).
#[cfg(target_os = "linux")]
fn lives(process: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The processes that `parent` has started (`proc_pid_task_children(5)`).
#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).map(Iterator::flatten);
    let lists =
        threads.into_iter().flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn a_running_server_is_rehearsed_with() {
    let shell = Shell::new();
    shell.ok("seed --users 50");
    let server = shell.serve("", &[]).await;
    let line = format!("loadtest flash-sale --users 40 --url {} --json", server.url);
    let report = passes(&shell, &line);
    assert_eq!(report["audit"]["ok"], true);
    let line = format!("loadtest flash-sale --users 4000 --url {}", server.url);
    insta::assert_snapshot!("loadtest_too_few_users", at(&refused(&shell, &line), &server.url));
}

#[tokio::test]
async fn servers_that_cannot_be_rehearsed_with() {
    let shell = Shell::new();
    shell.ok("seed --users 50");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let line = format!("loadtest --users 40 --url {url}");
    insta::assert_snapshot!("loadtest_dead_port", at(&refused(&shell, &line), &url));

    let other = Shell::new();
    other.ok("seed");
    let server = other.serve("", &[]).await;
    let line = format!("loadtest --users 40 --url {}", server.url);
    insta::assert_snapshot!("loadtest_other_database", at(&refused(&shell, &line), &server.url));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(serve_a_page(listener));
    let line = format!("loadtest --users 40 --url {url}");
    let (seen, url) = tokio::task::spawn_blocking(move || (refused(&shell, &line), url)).await.unwrap();
    insta::assert_snapshot!("loadtest_no_preorder", at(&seen, &url));
    serving.abort();

    let shell = Shell::new();
    insta::assert_snapshot!("loadtest_no_url", refused(&shell, "loadtest --users 40 --url nonsense"));
}

/// Answers every request with the same page, as some other server would.
async fn serve_a_page(listener: tokio::net::TcpListener) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _whatever = client.read(&mut request).await;
        let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 22\r\n\r\n<html>It works!</html>";
        let _gone = client.write_all(answer.as_bytes()).await;
    }
}

/// The text with a server's own address hidden.
fn at(text: &str, url: &str) -> String {
    text.replace(url, "http://SERVER").replace(url.trim_start_matches("http://"), "SERVER")
}

#[test]
fn two_runs_are_compared() {
    let shell = Shell::new();
    let run = shell.output("loadtest --users 30 --json");
    let before = String::from_utf8(run.stdout).unwrap();
    let before: Value = serde_json::from_str(&before).unwrap();
    let mut after = before.clone();
    after["latencyMs"]["p99"] = (before["latencyMs"]["p99"].as_f64().unwrap() * 1.5).into();
    shell.write("a.json", &before.to_string());
    shell.write("b.json", &after.to_string());
    // The flags that work everywhere work here too, wherever they stand.
    for line in ["loadtest compare a.json b.json --json", "loadtest --json compare a.json b.json"] {
        let output = shell.output(line);
        assert_eq!(output.status.code(), Some(1), "{}", seen(line, &output));
        let comparison: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(comparison["regressions"], serde_json::json!(["latencyMs.p99"]));
    }
    assert!(shell.output("loadtest compare a.json b.json --threshold 60%").status.success());
    assert!(shell.output("loadtest compare b.json a.json").status.success(), "faster is no regression");
}

/// A report in few words.
const SMALL: &str = r#"{"scenario": "s", "seed": 1, "requests": 1000, "requestsPerSecond": 500.0, "purchases": 10,
    "purchasesPerSecond": 5.0, "refusals": {"sold_out": 990}, "errors": 0,
    "latencyMs": {"p50": 1.5, "p90": 2.0, "p99": 4.0, "max": 9.0},
    "units": {"total": 10, "sold": 10, "held": 0, "available": 0, "oversold": 0}, "verdict": "pass"}"#;

#[test]
fn people_read_what_changed() {
    let shell = Shell::new();
    shell.write("a.json", SMALL);
    shell.write(
        "b.json",
        &SMALL.replace("500.0", "450.1").replace("\"p99\": 4.0", "\"p99\": 5.0").replace("\"seed\": 1", "\"seed\": 2"),
    );
    shell.write("other.json", &SMALL.replace("\"s\"", "\"t\""));
    shell.write("none.json", "{}");
    let lines = [
        "loadtest compare a.json a.json",
        "loadtest compare a.json b.json",
        "loadtest compare a.json other.json",
        "loadtest compare a.json none.json",
        "loadtest compare a.json nowhere.json",
        "loadtest compare a.json b.json --threshold much",
        "loadtest --users 5 compare a.json b.json",
    ];
    insta::assert_snapshot!("loadtest_compare", shell.runs(lines));
    // Only the bare word is a subcommand.
    shell.write("compare.toml", "name = 'my own'");
    assert!(shell.run("loadtest ./compare.toml").contains("./compare.toml:"), "it is read as a scenario");
}

#[test]
fn presets_are_explained() {
    let shell = Shell::new();
    for line in ["loadtest --help", "loadtest compare --help", "demo --help"] {
        insta::assert_snapshot!(line.replace(" --", "_").replace(' ', "_"), shell.run(line));
    }
}
