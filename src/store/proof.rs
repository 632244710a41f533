//! Invariants proven from the rows: each is a query that finds what breaks it.

use super::{Conn, StoreError};

/// One invariant: its name, what it says, and a query that finds the rows that break it, as one text column.
pub(crate) type Invariant = (&'static str, &'static str, &'static str);

/// How many offenders a check names.
const NAMED_MAX: usize = 5;

/// One invariant, looked at.
#[derive(Debug, Clone)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// What it says, or the first rows that break it.
    pub detail: String,
}

/// Looks at each invariant.
pub(crate) fn prove(conn: &Conn<'_>, invariants: &[Invariant]) -> Result<Vec<Check>, StoreError> {
    invariants.iter().map(|invariant| check(conn, *invariant)).collect()
}

fn check(conn: &Conn<'_>, (name, says, sql): Invariant) -> Result<Check, StoreError> {
    let broken = conn.rows(&format!("{sql} LIMIT {}", NAMED_MAX + 1), &[], |row| row.text(0))?;
    let ok = broken.is_empty();
    let more = if broken.len() > NAMED_MAX { ", …" } else { "" };
    let named = broken.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let detail = if ok { says.to_owned() } else { format!("broken by {named}{more}; it should hold that {says}") };
    Ok(Check { name, ok, detail })
}
