//! A disk that is really full: a small file system of its own, which only the programs in this test see.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Serving, Shell, in_time, not_tested, seen};

/// Mounts the disk and goes there; `$SIZE` is its size.
const MOUNT: &str = "mkdir disk && mount -t tmpfs -o size=$SIZE tmpfs disk && cd disk";
const PREORDER: &str = env!("CARGO_BIN_EXE_preorder");

/// A shell script on a small disk, in a mount namespace that ends with it (`unshare(1)`). None where the system lets
/// nobody have one.
fn on_small_disk(shell: &Shell, size: &str, script: &str) -> Option<Command> {
    let ways: [&[&str]; 2] = [&["--map-root-user", "--mount"], &["--mount"]];
    let command = |way: &[&str], script: &str| {
        let mut command = Command::new("unshare");
        command.args(way).args(["sh", "-c", script]).current_dir(shell.path()).env("SIZE", size).stdin(Stdio::null());
        for setting in ["ABANDON_RATE", "DECLINE_RATE"] {
            command.env(format!("PREORDER_PAYMENT_SIMULATED_{setting}"), "0");
        }
        command
    };
    let tried = format!("{MOUNT} && cd .. && umount disk && rmdir disk");
    let works = |way: &&&[&str]| command(way, &tried).stderr(Stdio::null()).status().is_ok_and(|it| it.success());
    let way = ways.iter().find(works);
    if way.is_none() {
        not_tested("A full disk is not tested: 'unshare --mount' gives no file system of one's own here");
    }
    way.map(|way| command(way, &format!("{MOUNT} && {script}")))
}

#[test]
fn a_seeding_that_a_full_disk_stops_goes_on_when_there_is_space() {
    let shell = Shell::new();
    let seed = format!("{PREORDER} seed --users 20000");
    let script = format!(
        "{seed}; echo first $?; {PREORDER} user list --json > ../there.json; mount -o remount,size=64m . && {seed} && {PREORDER} audit -q"
    );
    let Some(mut command) = on_small_disk(&shell, "4m", &script) else { return };
    let output = command.output().unwrap();
    let text = seen("seed", &output);
    assert!(output.status.success(), "{text}");
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(
        stderr,
        "error: The disk is full; what was added before stays.\n\
         hint: Free some space and run it again: what is there is not added twice.\n"
    );
    assert!(stdout.starts_with("first 1\n"), "{text}");
    // What was added before stays, and is not added again.
    let there: serde_json::Value =
        serde_json::from_slice(&std::fs::read(shell.path().join("there.json")).unwrap()).unwrap();
    let there = there["items"].as_array().unwrap().len();
    assert!(there >= 4, "{there} users are there");
    assert!(stdout.contains(&format!("Added 0 products and {} users;", 20_004 - there)), "{text}");
}

/// A server on a small disk, which a file fills but for a little.
async fn small_shop(shell: &Shell) -> Option<(Serving, PathBuf, String)> {
    let script = format!(
        "{PREORDER} seed --users 1 -q > /dev/null && \
         {PREORDER} product add --id p --name P --type reservation --price 1000 --stock 100000 > /dev/null && \
         {PREORDER} user token buyer000001@preorder.example > ../token && \
         head -c 2m /dev/zero > filler && exec {PREORDER} serve --listen 127.0.0.1:0"
    );
    let mut command = on_small_disk(shell, "4m", &script)?;
    command.envs([("PREORDER_LIMITS_ADDRESS_PER_SECOND", "0"), ("PREORDER_LIMITS_ACCOUNT_PER_SECOND", "0")]);
    let server = Serving::start(command, shell.path()).await;
    // The disk as the server sees it (`proc_pid_root(5)`).
    let process = server.child.id().unwrap();
    let disk = Path::new(&format!("/proc/{process}/root")).join(shell.path().strip_prefix("/").unwrap()).join("disk");
    let token = std::fs::read_to_string(shell.path().join("token")).unwrap().trim().to_owned();
    Some((server, disk, token))
}

#[tokio::test]
async fn a_sale_on_a_full_disk_waits_for_space_and_loses_nothing() {
    let shell = Shell::new();
    let Some((server, disk, token)) = small_shop(&shell).await else { return };
    let buyer = server.anonymous().bearer(&token);
    let mut bought = Vec::new();
    let refusal = in_time(async {
        loop {
            let answer = buyer.buy("p").await;
            if answer.status != 201 {
                return answer;
            }
            bought.push(answer.body["id"].as_str().unwrap().to_owned());
        }
    })
    .await;
    let refusal = refusal.refused(503, "storage_full");
    assert!(!bought.is_empty() && !refusal.header("retry-after").is_empty());
    buyer.buy("p").await.refused(503, "storage_full");
    server.anonymous().get("/readyz").await.ok(200);
    let stock = server.anonymous().get("/products/p/stock").await.ok(200);
    assert_eq!(stock["sold"], bought.len(), "who was refused has bought nothing");

    std::fs::remove_file(disk.join("filler")).unwrap();
    bought.push(buyer.buy("p").await.ok(201)["id"].as_str().unwrap().to_owned());
    for order in &bought {
        assert_eq!(buyer.order(order).await["state"], "completed");
    }
    let stock = server.anonymous().get("/products/p/stock").await.ok(200);
    assert_eq!((&stock["sold"], &stock["held"]), (&json!(bought.len()), &json!(0)));
}

#[test]
fn a_backup_and_a_restore_that_the_disk_has_no_room_for_leave_nothing() {
    let shell = Shell::new();
    // The database is elsewhere; what is left on the small disk takes a part of a copy.
    let script = format!(
        "DB=sqlite:../shop.db; {PREORDER} seed --users 20000 -q --db $DB > /dev/null && \
         {PREORDER} db backup ../good.db -q --db $DB > /dev/null && head -c 3m /dev/zero > filler; \
         {PREORDER} db backup copy.db --db $DB; echo backup $?; \
         {PREORDER} db restore ../good.db --db sqlite:shop.db; echo restore $?; ls -A; \
         rm filler && mount -o remount,size=64m . && {PREORDER} db backup copy.db -q --db $DB > /dev/null && \
         {PREORDER} db restore copy.db -q --db sqlite:shop.db > /dev/null && {PREORDER} audit -q --db sqlite:shop.db > /dev/null"
    );
    let Some(mut command) = on_small_disk(&shell, "4m", &script) else { return };
    let output = command.output().unwrap();
    let text = seen("db", &output);
    assert!(output.status.success(), "{text}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "backup 1\nrestore 1\nfiller\nshop.db.server-lock\n",
        "{text}"
    );
    let full = "error: The server's disk is full; nothing was changed. Free some space and try again.\n\
                hint: Free some space and try again.\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), full.repeat(2));
}
