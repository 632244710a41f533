//! A look at the limit of open files before a crowd comes: each connection needs some, on both sides.

use rustix::process::{Resource, getrlimit};

use crate::kernel::error::{Error, Kind, Text};

/// Sockets for each connection of the crowd. When a buyer asks while the connection is still coming back from the one
/// before, the HTTP client opens another one beside it and keeps both.
pub(super) const SOCKETS_PER_CONNECTION: usize = 2;
/// Files beyond the connections: the database, the log, pipes, the runtime's own.
const SPARE_FILES: u64 = 100;

/// Refuses a run that would run out of open files. The program raises its own limit as far as the system lets it when
/// it starts, so what is missing here is for the system's owner to give.
///
/// # Errors
/// `too_few_files` with what is needed and how to get it.
pub(super) fn check(connections: usize) -> Result<(), Error> {
    enough(connections, getrlimit(Resource::Nofile).current)
}

fn enough(connections: usize, limit: Option<u64>) -> Result<(), Error> {
    let needed = (connections * SOCKETS_PER_CONNECTION) as u64 + SPARE_FILES;
    match limit {
        Some(limit) if limit < needed => {
            let detail = Text::made(
                format!("{connections} connections need {needed} open files, and the system allows {limit}."),
                format!("연결 {connections}개에는 열린 파일 {needed}개가 필요하지만 한도는 {limit}개입니다."),
            );
            Err(Error::new(Kind::Conflict, "too_few_files", detail))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_needs_two_sockets() {
        assert!(enough(500, Some(1_100)).is_ok());
        assert!(enough(500, None).is_ok());
        let error = enough(500, Some(1_024)).unwrap_err();
        assert!(error.to_string().contains("need 1100 open files"), "{error}");
    }
}
