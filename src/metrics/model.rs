//! The list of metrics: names, kinds, labels and help, each once.
//!
//! Names follow Prometheus's advice: base units, `_total` for what only grows. `process_…` are those that every client library
//! gives.

/// Products whose units are told apart: a shop may have more, and a scrape has to end.
pub const PRODUCTS_MAX: usize = 1_000;

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from 0 at the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counters of values up to each bound.
    Histogram,
}

impl Kind {
    /// The word in the text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The labels that each of its series has, besides a histogram's `le`.
    pub labels: &'static [&'static str],
    /// What it tells, in a sentence or two.
    pub help: &'static str,
}

/// Declares metrics, and the list of them.
macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = concat!("The metric `", $name, "`.")]
            pub const $constant: Metric =
                Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };
        )*
        /// Every metric, in the order in which they are told.
        pub static METRICS: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    BUILD: Gauge "preorder_build_info" ["version", "schema"]
        "Always 1; the labels tell the program's version and its database schema's.";

    HTTP_REQUESTS: Counter "preorder_http_requests_total" ["method", "route", "status"]
        "Requests that were answered, by the route's template; what led nowhere has method and route 'other', and a rare status \
         is told by its class, such as 4xx.";
    HTTP_FAILURES: Counter "preorder_http_failures_total" ["status"]
        "Answers of all routes with a status of the server's own fault (500, 504, any other 5xx) or of load put off (503). Unlike \
         the requests' series these are there from the start, so that the first failure is a rise.";
    HTTP_DURATION: Histogram "preorder_http_request_duration_seconds" ["method", "route"]
        "Time until the answer began. The bounds are doublings, at which the server's own counters end exactly.";
    HTTP_REFUSALS: Counter "preorder_http_refusals_total" ["code"]
        "Requests that were refused, by the problem document's code: sold_out, limit_reached, busy, rate_limited and so on.";
    HTTP_CONNECTIONS: Gauge "preorder_http_connections" []
        "Open connections.";
    HTTP_CONNECTIONS_LIMIT: Gauge "preorder_http_connections_limit" []
        "Connections that may be open (limits.connections); further clients wait in the system's queue.";
    STREAMS: Gauge "preorder_streams" ["kind"]
        "Open streams of server-sent events: of live counts (stock), of activities (newsfeed) and of the admin's board (board).";

    QUEUE_LENGTH: Gauge "preorder_queue_length" []
        "Commands that wait for the ledger's next batch.";
    QUEUE_LIMIT: Gauge "preorder_queue_limit" []
        "Commands that may wait (limits.queue_length); more are answered 503 busy.";
    PURCHASES_WAITING: Gauge "preorder_purchases_waiting" []
        "Purchases that have passed the door and wait for their answer.";
    BATCH_SIZE: Histogram "preorder_batch_size" []
        "Commands in a batch of the ledger.";
    BATCH_DURATION: Histogram "preorder_batch_duration_seconds" []
        "Time that a batch took on the writer: load, decide, save, commit.";
    COMMIT_DURATION: Histogram "preorder_commit_duration_seconds" []
        "Time that a batch's commit took, which is the disk's fsync for the most part; batches that change nothing have none.";
    ORDERS: Counter "preorder_orders_total" ["outcome"]
        "Orders by what became of them: completed, refunded, or cancelled for the reason abandoned, payment_declined, expired, \
         by_buyer or by_admin.";
    UNITS: Gauge "preorder_units" ["product", "state"]
        "Units of stock by state (available, held, sold), as of the last commit, of the 1,000 products that moved last.";
    PRODUCTS: Gauge "preorder_products" []
        "Products that are not deleted.";
    PRODUCTS_NOT_SHOWN: Gauge "preorder_products_not_shown" []
        "Products whose units preorder_units leaves out, because 1,000 others moved later.";

    SESSIONS: Gauge "preorder_sessions" []
        "Sessions that have not ended. They are counted every ten seconds at most, more seldom when there are very many.";
    MAIL_WAITING: Gauge "preorder_mail_waiting" []
        "Letters that wait for the mail server, or are on their way to it.";
    CACHE_HITS: Counter "preorder_cache_hits_total" ["cache"]
        "Values that were in memory, or were being loaded for somebody else already.";
    CACHE_MISSES: Counter "preorder_cache_misses_total" ["cache"]
        "Values that had to be read from the database.";

    WEBHOOKS: Gauge "preorder_webhooks" ["state"]
        "Servers that are told of orders: on, or failing when the last attempts failed. Those that are switched off are not counted.";
    WEBHOOK_EVENTS: Gauge "preorder_webhook_events" ["state"]
        "Events that such servers have before them (waiting) or that are tried again (retrying), added up over all of them.";
    WEBHOOK_ATTEMPTS: Counter "preorder_webhook_attempts_total" ["outcome"]
        "Requests to such servers by how they went: delivered or failed.";
    WEBHOOK_GIVEN_UP: Counter "preorder_webhook_events_given_up_total" []
        "Events that were given up after three days of trying.";

    DATABASE_UP: Gauge "preorder_database_up" []
        "Whether the database can be written: 0 when the disk has failed or a newer program has changed the schema.";
    DATABASE_READS: Counter "preorder_database_reads_total" []
        "Reads that the database was asked for.";
    DATABASE_SIZE: Gauge "preorder_database_size_bytes" []
        "Length of the database's file.";
    WAL_SIZE: Gauge "preorder_database_wal_size_bytes" []
        "Length of the write-ahead log beside it. It grows to 128 MiB, is copied and written over, and keeps its length.";
    DISK_FREE: Gauge "preorder_database_disk_free_bytes" []
        "Free space on the disk that the database is on.";

    BACKUP_INTERVAL: Gauge "preorder_backup_interval_seconds" []
        "Time between two backups (backup.every_minutes). None of the backup's metrics is told without backup.url.";
    BACKUPS: Counter "preorder_backups_total" ["outcome"]
        "Backups that the server made by itself (made), and tries that failed, if only in deleting old ones (failed).";
    BACKUP_LAST: Gauge "preorder_backup_last_success_timestamp_seconds" []
        "When the newest backup was begun; 0 when there is none.";
    BACKUP_DURATION: Gauge "preorder_backup_last_duration_seconds" []
        "Time that this process's last backup took, with its proof.";
    BACKUP_SIZE: Gauge "preorder_backup_last_size_bytes" []
        "Length of this process's last backup.";

    PROCESS_CPU: Counter "process_cpu_seconds_total" []
        "Processor time, of all threads.";
    PROCESS_RESIDENT: Gauge "process_resident_memory_bytes" []
        "Memory in use.";
    PROCESS_VIRTUAL: Gauge "process_virtual_memory_bytes" []
        "Address space, used or not.";
    PROCESS_FDS: Gauge "process_open_fds" []
        "Open file descriptors.";
    PROCESS_FDS_MAX: Gauge "process_max_fds" []
        "File descriptors that may be open.";
    PROCESS_THREADS: Gauge "process_threads" []
        "Threads.";
    PROCESS_START: Gauge "process_start_time_seconds" []
        "When the server began, in seconds since 1970.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_the_rules() {
        let names: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len(), "a name is there twice");
        for Metric { name, kind, labels, help } in METRICS {
            let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(word(name) && labels.iter().all(|label| word(label)), "{name}");
            assert!(name.starts_with("preorder_") || name.starts_with("process_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(!["_bucket", "_sum", "_count"].iter().any(|end| name.ends_with(end)), "{name}");
            assert!(!labels.contains(&"le"), "{name}");
            assert!(help.ends_with('.') && !help.contains(['\n', '|']), "{name}");
        }
    }
}
