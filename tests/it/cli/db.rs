//! `preorder db`: backups, restoring, checks and figures at the console.

use serde_json::Value;

use super::orders::shop_with_orders;
use crate::support::Shell;

/// Lines whose numbers move with every migration, and with the speed of the machine.
const MEASURED: [&str; 8] =
    ["bytes ", "seconds ", "file bytes ", "log bytes ", "pages ", "free pages ", "schema version ", "audit "];

/// The text without those numbers, and without the folder.
fn told(shell: &Shell, text: &str) -> String {
    let text = text.replace(&format!("{}/", shell.path().canonicalize().unwrap().display()), "");
    let mut shown = String::new();
    for line in text.lines() {
        let line = match line.split_once(".before-restore-") {
            Some((before, _)) => format!("{before}.before-restore-<time>"),
            None => line.to_owned(),
        };
        let measured = MEASURED.iter().any(|name| line.starts_with(name));
        let mut digits = false;
        for letter in line.chars() {
            let is_digit = measured && letter.is_ascii_digit();
            if !is_digit {
                shown.push(letter);
            } else if !digits {
                shown.push('#');
            }
            digits = is_digit;
        }
        shown.push('\n');
    }
    shown
}

#[tokio::test]
async fn a_database_is_backed_up_checked_and_restored() {
    let (shell, _) = shop_with_orders().await;
    let text = shell.runs([
        "db check",
        "db backup copy.db",
        "db backup copy.db",
        "db restore copy.db",
        "db restore copy.db --db sqlite:new/shop.db",
        "db restore nowhere.db",
        "db check --db sqlite:nowhere.db",
    ]);
    insta::assert_snapshot!("db_life", told(&shell, &text));
}

#[tokio::test]
async fn documents_for_programs_have_their_members() {
    let (shell, _) = shop_with_orders().await;
    let members = |document: &Value| document.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let lines = ["db backup copy.db", "db check", "db stats", "db restore copy.db"];
    let shown = lines.map(|line| format!("{line}: {}", members(&shell.json(&format!("{line} --json")))));
    insta::assert_snapshot!("db_members", shown.join("\n"));
    let stats = shell.json("db stats --json");
    let rows = |table: &str| {
        let tables = stats["tables"].as_array().unwrap();
        tables.iter().find(|it| it["table"] == table).unwrap()["rows"].clone()
    };
    assert_eq!((rows("orders"), rows("offers")), (4.into(), rows("products")));
    let times = ["oldestOrder", "newestOrder"].map(|name| stats[name].as_str().unwrap().to_owned());
    assert!(times[0] <= times[1], "{times:?}");
    let people = shell.ok("db stats");
    assert!(people.contains("newest order") && people.contains("orders_unfiled"), "{people}");
}
