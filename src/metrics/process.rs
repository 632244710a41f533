//! What the system tells about this process. What it does not tell is left out.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// A reading.
#[derive(Debug)]
pub(super) struct Process {
    /// Processor time of all threads.
    pub(super) cpu: Duration,
    pub(super) resident_bytes: Option<u64>,
    pub(super) virtual_bytes: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) open_fds: Option<usize>,
    pub(super) max_fds: Option<u64>,
}

impl Process {
    /// Reads a few lines of `/proc`, and counts a folder there.
    pub(super) fn read() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = Duration::from_secs(u64::try_from(cpu.tv_sec).unwrap_or_default());
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name| number(&status, name).map(|kib| kib * 1_024);
        Self {
            cpu: seconds + Duration::from_nanos(u64::try_from(cpu.tv_nsec).unwrap_or_default()),
            resident_bytes: kib("VmRSS:"),
            virtual_bytes: kib("VmSize:"),
            threads: number(&status, "Threads:"),
            // The folder itself is open while it is read.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|fds| fds.count().saturating_sub(1)),
            max_fds: getrlimit(Resource::Nofile).current,
        }
    }
}

/// The number in a line of `/proc/self/status`.
fn number(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_name() {
        let status = "Name:\tpreorder\nVmSize:\t  123456 kB\nVmRSS:\t    4567 kB\nThreads:\t12\n";
        assert_eq!(
            ["VmSize:", "VmRSS:", "Threads:"].map(|name| number(status, name)),
            [Some(123_456), Some(4_567), Some(12)]
        );
        assert_eq!([number(status, "VmSwap:"), number(status, "Name:")], [None, None]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_open_files() {
        let Process { cpu, resident_bytes, virtual_bytes, threads, open_fds, .. } = Process::read();
        assert!(cpu > Duration::ZERO && resident_bytes > Some(0) && virtual_bytes >= resident_bytes);
        assert!(threads >= Some(1) && open_fds >= Some(1));
    }
}
