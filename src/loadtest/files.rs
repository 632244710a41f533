//! A look at the limit of open files before a crowd comes: each connection needs one, on both sides.

use crate::kernel::error::{Error, Kind, Text};

/// Files beyond the connections: the database, the log, pipes, the runtime's own.
const SPARE_FILES: u64 = 100;

/// Refuses a run that would run out of open files; says nothing on a system that does not tell the limit.
///
/// # Errors
/// `too_few_files` with what is needed and how to get it.
pub(super) fn check(connections: usize) -> Result<(), Error> {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    enough(connections, soft_limit(&limits))
}

fn enough(connections: usize, limit: Option<u64>) -> Result<(), Error> {
    let needed = connections as u64 + SPARE_FILES;
    match limit {
        Some(limit) if limit < needed => {
            let detail = Text::made(
                format!(
                    "{connections} connections need {needed} open files, and this shell allows {limit}. \
                     Raise the limit with 'ulimit -n {needed}', or lower crowd.connections in the scenario."
                ),
                format!("연결 {connections}개에는 열린 파일 {needed}개가 필요하지만 한도는 {limit}개입니다."),
            );
            Err(Error::new(Kind::Conflict, "too_few_files", detail))
        }
        _ => Ok(()),
    }
}

/// The soft limit in `/proc/self/limits` (`proc_pid_limits(5)`); none when there is no limit or no such file.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read_and_kept() {
        let limits = "Max processes             1                    2     processes\n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit("Max open files            unlimited            unlimited            files"), None);
        assert!(enough(500, Some(1024)).is_ok());
        assert!(enough(500, None).is_ok());
        let error = enough(1_000, Some(1024)).unwrap_err();
        assert!(error.to_string().contains("ulimit -n 1100"), "{error}");
    }
}
