//! The machine that a run was made on, and who used its processors: the crowd, the server, or others.
//!
//! Read from `/proc` (`proc(5)`); elsewhere most of it stays unknown.

use std::fs::read_to_string;
use std::time::Duration;

use serde::Serialize;

/// The unit of processor times in `/proc` (`USER_HZ`): a hundredth of a second wherever this program runs.
const TICK: Duration = Duration::from_millis(10);

/// What a run was made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// This program's version.
    pub version: &'static str,
    /// Whether the program was built for speed, or for finding faults.
    pub optimised: bool,
    /// The system and its kernel, such as `linux 6.1.0 (x86_64)`.
    pub system: String,
    /// The processor's model.
    pub cpu: Option<String>,
    /// Processor cores that this program may use.
    pub cores: usize,
    /// Memory in all.
    pub memory_bytes: Option<u64>,
}

impl Machine {
    /// The machine that this program runs on.
    pub(super) fn here() -> Self {
        let first_line = |path| read_to_string(path).ok().map(|text| text.lines().next().unwrap_or("").to_owned());
        let kernel = first_line("/proc/sys/kernel/osrelease").unwrap_or_default();
        let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            optimised: !cfg!(debug_assertions),
            system: format!("{os} {kernel} ({architecture})").replace("  ", " "),
            cpu: read_to_string("/proc/cpuinfo").ok().and_then(|text| field(&text, "model name")),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: read_to_string("/proc/meminfo").ok().and_then(|text| {
                let kib: u64 = field(&text, "MemTotal")?.strip_suffix(" kB")?.parse().ok()?;
                Some(kib * 1024)
            }),
        }
    }
}

/// What stands behind `name` and a colon.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

/// How long processors have worked since they, or the processes, began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cpu {
    /// For this program: the crowd.
    crowd: Duration,
    /// For the temporary server.
    server: Option<Duration>,
    /// For anybody.
    all: Duration,
}

impl Cpu {
    /// Until now; `server` is the temporary server's process.
    pub(super) fn now(server: Option<u32>) -> Option<Self> {
        let of = |process: &str| process_time(&read_to_string(format!("/proc/{process}/stat")).ok()?);
        Some(Self {
            crowd: of("self")?,
            server: server.and_then(|id| of(&id.to_string())),
            all: busy_time(&read_to_string("/proc/stat").ok()?)?,
        })
    }
}

/// The time that a process spent in its own code and in the kernel: fields 14 and 15 of `proc_pid_stat(5)`. The second
/// field, the program's name, may hold anything but ends with the last parenthesis.
fn process_time(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(TICK * (next()? + next()?))
}

/// The time that all processors together were not idle: `proc_stat(5)`, without guests, who count as users already.
fn busy_time(stat: &str) -> Option<Duration> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let times: Vec<u64> = line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen] = times[..] else { return None };
    let ticks = user + nice + system + interrupts + soft_interrupts + stolen;
    Some(Duration::from_millis(ticks * 10))
}

/// Who used the processors during a run, each as a share of all cores, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CpuShares {
    /// The crowd: this program.
    pub crowd: f64,
    /// The temporary server; none for a server that was running already, which is among the others.
    pub server: Option<f64>,
    /// Everybody else on the machine.
    pub others: f64,
}

impl CpuShares {
    /// What was used between two looks that are `elapsed` apart.
    pub(super) fn between(first: Cpu, last: Cpu, elapsed: Duration, cores: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "few machines have 2^52 cores")]
        let whole = elapsed.as_secs_f64() * cores as f64;
        let share = |time: Duration| (time.as_secs_f64() / whole).min(1.0);
        let crowd = last.crowd.saturating_sub(first.crowd);
        let server = last.server.zip(first.server).map(|(last, first)| last.saturating_sub(first));
        let all = last.all.saturating_sub(first.all);
        let others = all.saturating_sub(crowd + server.unwrap_or_default());
        let rounded = |share: f64| (share * 1_000.0).round() / 1_000.0;
        Self {
            crowd: rounded(share(crowd)),
            server: server.map(|time| rounded(share(time))),
            others: rounded(share(others)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_are_read_whatever_a_program_is_called() {
        let stat = "4711 (a) S (b) 3) S 1 4711 4711 0 -1 4194560 9 0 0 0 250 50 7 7 20 0 4 0 100 1 1";
        assert_eq!(process_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(process_time("4711 (a) S 1"), None);
        let stat = "cpu  100 10 50 9000 800 5 15 20 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(busy_time(stat), Some(Duration::from_secs(2)));
        assert_eq!(busy_time("cpu  1 2 3\n"), None);
    }

    #[test]
    fn shares_are_of_all_cores_together() {
        let cpu = |crowd, server, all| Cpu {
            crowd: Duration::from_secs(crowd),
            server: Some(Duration::from_secs(server)),
            all: Duration::from_secs(all),
        };
        let shares = CpuShares::between(cpu(1, 1, 10), cpu(5, 3, 18), Duration::from_secs(10), 2);
        assert_eq!(shares, CpuShares { crowd: 0.2, server: Some(0.1), others: 0.1 });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_everything_about_this_machine() {
        let machine = Machine::here();
        assert!(machine.memory_bytes.is_some_and(|bytes| bytes > 1 << 20) && machine.cores > 0, "{machine:?}");
        let cpu = Cpu::now(Some(std::process::id())).unwrap();
        assert!(cpu.server.is_some() && cpu.all >= cpu.crowd, "{cpu:?}");
    }
}
