//! `preorder db`: the database as a whole.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::output::Table;
use crate::kernel::actor::By;
use crate::kernel::clock::{Clock as _, SystemClock, Timestamp};
use crate::ledger::audit::{Audit, OrderCounts};
use crate::store::{Db, Location, Pace, Pages, SCHEMA_VERSION};
use crate::trail::{Action, Deed, Kind, Thing, Trail};
use crate::upkeep::{self, BackedUp, Checked, Stats};

/// What `db` takes.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// Make the database if it is missing, and bring its schema up to date.
    Migrate,
    /// Make a proven backup in a file, beside a running server.
    Backup {
        /// The file to make.
        file: PathBuf,
        /// Replace the file when it is there already.
        #[arg(long)]
        force: bool,
    },
    /// Put a backup in the place of the database, and keep the old one beside it; no server may run.
    Restore {
        /// The backup.
        file: PathBuf,
    },
    /// Look at every page, index and row, and prove every invariant; exit 1 when something is wrong.
    Check,
    /// Show how large the database is, table by table.
    Stats,
}

/// Runs it.
///
/// # Errors
/// When the database or the backup is not what it should be, or can't be read or written.
pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args {
        Args::Migrate => migrate(context).await,
        Args::Backup { file, force } => backup(context, &file, force).await,
        Args::Restore { file } => restore(context, &file).await,
        Args::Check => check(context).await,
        Args::Stats => stats(context).await,
    }
}

fn path(context: &Context) -> String {
    let Location::Sqlite(path) = &context.config().db;
    path.display().to_string()
}

async fn migrate(context: &Context) -> Result<(), Failure> {
    // Opening is migrating: no part of the program ever works on an older schema.
    drop(context.db().await?);
    let path = path(context);
    context.output().answer(&json!({ "path": path, "schemaVersion": SCHEMA_VERSION }), || {
        format!("The database {path} is up to date, at schema version {SCHEMA_VERSION}.")
    })
}

fn orders_json(orders: OrderCounts) -> serde_json::Value {
    let OrderCounts { held, completed, cancelled, refunded } = orders;
    json!({ "held": held, "completed": completed, "cancelled": cancelled, "refunded": refunded })
}

fn orders_row(orders: OrderCounts) -> String {
    let OrderCounts { held, completed, cancelled, refunded } = orders;
    format!("{held} held, {completed} completed, {cancelled} cancelled, {refunded} refunded")
}

fn rows(rows: impl IntoIterator<Item = (&'static str, String)>) -> Table {
    let mut table = Table::untitled();
    for (name, value) in rows {
        table.row([name.to_owned(), value]);
    }
    table
}

async fn backup(context: &Context, file: &Path, force: bool) -> Result<(), Failure> {
    let made = upkeep::back_up(&context.config().db, file, force, Pace::BesideASale).await?;
    note_backup(context, &made).await;
    let (of, to, seconds) = (path(context), made.path.display().to_string(), made.took.as_secs_f64());
    let document = json!({
        "database": of, "backup": to, "bytes": made.bytes, "schemaVersion": made.schema_version,
        "orders": orders_json(made.orders), "seconds": seconds,
    });
    context.output().answer(&document, || {
        rows([
            ("database", of),
            ("backup", to),
            ("bytes", made.bytes.to_string()),
            ("schema version", made.schema_version.to_string()),
            ("orders", orders_row(made.orders)),
            ("proven", "pages, indexes, foreign keys, audit".to_owned()),
            ("seconds", format!("{seconds:.1}")),
        ])
    })
}

/// Tells the audit log of a backup: whoever has it has everything. An older schema has no such log, and is left as it is; and
/// a backup that was made is no failure because the disk that it was made from can't be written.
async fn note_backup(context: &Context, made: &BackedUp) {
    if made.schema_version != SCHEMA_VERSION {
        return;
    }
    let noted = async {
        let trail = Trail::new(Db::open(&context.config().db).await?, Arc::new(SystemClock));
        let became = json!({ "bytes": made.bytes });
        trail.note(By::Console, Deed::new(Action::DbBackup, Thing::all(Kind::Database), became)).await
    };
    if let Err(error) = noted.await {
        tracing::warn!(%error, "the backup was made, and the audit log could not be told of it");
    }
}

async fn restore(context: &Context, file: &Path) -> Result<(), Failure> {
    let done = upkeep::restore(&context.config().db, file, SystemClock.now()).await?;
    let (from, to, seconds) = (file.display().to_string(), done.path.display().to_string(), done.took.as_secs_f64());
    let kept = done.kept.map(|kept| kept.display().to_string());
    let document = json!({
        "backup": from, "database": to, "bytes": done.bytes, "schemaVersionBefore": done.schema_version_before,
        "schemaVersion": SCHEMA_VERSION, "orders": orders_json(done.orders), "kept": kept, "seconds": seconds,
    });
    context.output().answer(&document, || {
        rows([
            ("backup", from),
            ("database", to),
            ("bytes", done.bytes.to_string()),
            ("schema version", format!("{SCHEMA_VERSION} (was {})", done.schema_version_before)),
            ("orders", orders_row(done.orders)),
            ("old database", kept.unwrap_or_else(|| "there was none".to_owned())),
            ("seconds", format!("{seconds:.1}")),
        ])
    })
}

async fn check(context: &Context) -> Result<(), Failure> {
    let checked = upkeep::check(&context.config().db).await?;
    let pages = checked.pages;
    let audit = checked.audit.as_ref().map(|audit| {
        let broken: Vec<_> = audit.checks.iter().filter(|check| !check.ok).map(|check| check.name).collect();
        json!({ "ok": audit.ok(), "checks": audit.checks.len(), "broken": broken, "orders": orders_json(audit.orders) })
    });
    let document = json!({
        "database": path(context), "ok": checked.ok(), "schemaVersion": checked.schema_version,
        "integrity": checked.faults.integrity, "foreignKeys": checked.faults.foreign_keys, "audit": audit,
        "fileBytes": pages.map(|it| it.file_bytes), "walBytes": pages.map(|it| it.wal_bytes),
        "pages": pages.map(|it| it.pages), "freePages": pages.map(|it| it.free_pages),
    });
    context.output().answer(&document, || checked_for_people(path(context), &checked))?;
    if checked.ok() {
        return Ok(());
    }
    Err(Failure::failed(
        format!("The database {} is damaged; see above.", path(context)),
        "Stop the server, keep a copy of the files as they are, and restore the newest backup: 'preorder db restore FILE'.",
    ))
}

fn checked_for_people(path: String, checked: &Checked) -> String {
    let fine = |faults: &[String]| if faults.is_empty() { "ok".to_owned() } else { "BROKEN".to_owned() };
    let broken = |audit: &Audit| audit.checks.iter().filter(|check| !check.ok).count();
    let audit = match &checked.audit {
        Some(audit) if audit.ok() => format!("ok, {} checks", audit.checks.len()),
        Some(audit) => format!("BROKEN, {} of {} checks", broken(audit), audit.checks.len()),
        None if !checked.faults.integrity.is_empty() => "not run: the file is damaged".to_owned(),
        None => "not run: 'preorder db migrate' brings the schema up to date".to_owned(),
    };
    let mut table = rows([
        ("database", path),
        ("schema version", checked.schema_version.to_string()),
        ("integrity", fine(&checked.faults.integrity)),
        ("foreign keys", fine(&checked.faults.foreign_keys)),
        ("audit", audit),
    ]);
    if let Some(pages) = checked.pages {
        add_pages(&mut table, pages);
    }
    let mut shown = table.to_string();
    let faults = checked.faults.integrity.iter().chain(&checked.faults.foreign_keys).cloned();
    let invariants = checked.audit.iter().flat_map(|audit| &audit.checks).filter(|check| !check.ok);
    for fault in faults.chain(invariants.map(|check| format!("{}: {}", check.name, check.detail))) {
        write!(shown, "\n- {fault}").expect("writing to a String cannot fail");
    }
    shown
}

fn add_pages(table: &mut Table, pages: Pages) {
    table.row(["file bytes".to_owned(), pages.file_bytes.to_string()]);
    table.row(["log bytes".to_owned(), pages.wal_bytes.to_string()]);
    table.row(["pages".to_owned(), format!("{} of {} bytes", pages.pages, pages.page_bytes)]);
    table.row(["free pages".to_owned(), pages.free_pages.to_string()]);
}

async fn stats(context: &Context) -> Result<(), Failure> {
    let stats = upkeep::stats(&context.config().db).await?;
    let pages = stats.pages;
    let tables: Vec<_> = stats.tables.iter().map(|it| json!({ "table": it.table, "rows": it.rows })).collect();
    let time = |pick: fn(&(_, _)) -> Timestamp| stats.orders.as_ref().map(|it| pick(it).to_string());
    let document = json!({
        "database": path(context), "schemaVersion": stats.schema_version, "fileBytes": pages.file_bytes,
        "walBytes": pages.wal_bytes, "pageBytes": pages.page_bytes, "pages": pages.pages,
        "freePages": pages.free_pages, "oldestOrder": time(|it| it.0), "newestOrder": time(|it| it.1), "tables": tables,
    });
    context.output().answer(&document, || stats_for_people(path(context), &stats))
}

fn stats_for_people(path: String, stats: &Stats) -> String {
    let mut about = rows([("database", path), ("schema version", stats.schema_version.to_string())]);
    add_pages(&mut about, stats.pages);
    let (oldest, newest) =
        stats.orders.map_or(("none".to_owned(), "none".to_owned()), |(old, new)| (old.to_string(), new.to_string()));
    about.row(["oldest order".to_owned(), oldest]);
    about.row(["newest order".to_owned(), newest]);
    let mut tables = Table::new(&["table", "rows"]).numbers([1]);
    for table in &stats.tables {
        tables.row([table.table.clone(), table.rows.to_string()]);
    }
    format!("{about}\n\n{tables}")
}
