//! What a run's speed was limited by: a rehearsal on one machine may measure its own crowd instead of the server.
//!
//! The rule, in this order:
//! 1. When all cores were busy ([`BUSY`] of their time or more), it was whoever used most of them.
//! 2. Else, when requests were sent late, it was the crowd: 99 of 100 were sent within the delay that is told, and that
//!    is more than [`LATE_MS`] and more than half of the latency. More connections would have helped.
//! 3. Else it was nobody's processor: the disk, the pauses between steps, or the number of connections.

use std::time::Duration;

use serde::Serialize;

use super::machine::{Cpu, CpuShares};
use super::tally::Log;

/// From which share of their time on cores count as busy; the rest is what the kernel's own bookkeeping misses.
const BUSY: f64 = 0.9;
/// Up to this many milliseconds of delay are the timers' own.
const LATE_MS: f64 = 10.0;
/// Processor times come in hundredths of a second: over less than this they say nothing.
const MEASURED_MIN: Duration = Duration::from_millis(200);

/// How much the run itself had to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Who used the processors; none for a run that was too short to measure, or where the system does not say.
    pub cpu: Option<CpuShares>,
    /// How long after it was due a request was sent, for 99 of 100, in milliseconds.
    pub late_ms_p99: f64,
    /// The same for the one that waited longest.
    pub late_ms_max: f64,
    /// What limited the run; none when nobody knows.
    pub bottleneck: Option<Bottleneck>,
}

/// What limited the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bottleneck {
    /// The crowd: a larger one would not have made the server work harder.
    Crowd,
    /// The server.
    Server,
    /// Other programs on the machine.
    Others,
    /// No processor: the disk, pauses, or the number of connections.
    Nobody,
}

impl Load {
    /// What the log and its looks at the processors say.
    #[expect(clippy::cast_precision_loss, reason = "delays are a few minutes at most")]
    pub(super) fn of(log: &Log, cores: usize) -> Self {
        let ms = |us: u64| us as f64 / 1_000.0;
        let looks = log.timeline.looks(log.elapsed);
        let cpu = looks.first().zip(looks.last()).and_then(|(first, last)| {
            let measured = last.at.saturating_sub(first.at);
            let enough = measured >= MEASURED_MIN;
            first
                .cpu
                .zip(last.cpu)
                .filter(|_| enough)
                .map(|(a, b): (Cpu, Cpu)| CpuShares::between(a, b, measured, cores))
        });
        let (late_ms_p99, late_ms_max) = (ms(log.late_us.value_at_quantile(0.99)), ms(log.late_us.max()));
        let bottleneck = bottleneck(cpu, late_ms_p99, ms(log.latency_us.value_at_quantile(0.99)));
        Self { cpu, late_ms_p99, late_ms_max, bottleneck }
    }

    /// The same in a sentence.
    #[must_use]
    pub fn says(&self) -> &'static str {
        match self.bottleneck {
            None => "The run was too short to tell what limited it.",
            Some(Bottleneck::Crowd) => "The crowd, not the server, was the bottleneck: the server may well do more.",
            Some(Bottleneck::Server) => "The server was the bottleneck.",
            Some(Bottleneck::Others) => "Other programs on this machine were the bottleneck.",
            Some(Bottleneck::Nobody) => {
                "No processor was the bottleneck: the disk, pauses and connections set the pace."
            }
        }
    }
}

fn bottleneck(cpu: Option<CpuShares>, late_ms: f64, latency_ms: f64) -> Option<Bottleneck> {
    let late = late_ms > LATE_MS && late_ms > latency_ms / 2.0;
    let Some(CpuShares { crowd, server, others }) = cpu else { return late.then_some(Bottleneck::Crowd) };
    Some(match server {
        _ if crowd + server.unwrap_or(0.0) + others < BUSY => {
            if late {
                Bottleneck::Crowd
            } else {
                Bottleneck::Nobody
            }
        }
        Some(server) if server >= crowd && server >= others => Bottleneck::Server,
        // A server that was running already is among the others.
        None if others > crowd => Bottleneck::Server,
        _ if crowd >= others => Bottleneck::Crowd,
        _ => Bottleneck::Others,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited_by(crowd: f64, server: Option<f64>, others: f64, late_ms: f64) -> Option<Bottleneck> {
        bottleneck(Some(CpuShares { crowd, server, others }), late_ms, 30.0)
    }

    #[test]
    fn who_used_most_of_busy_cores_was_the_bottleneck() {
        assert_eq!(limited_by(0.5, Some(0.4), 0.1, 0.0), Some(Bottleneck::Crowd));
        assert_eq!(limited_by(0.4, Some(0.5), 0.1, 90.0), Some(Bottleneck::Server), "late, but for want of cores");
        assert_eq!(limited_by(0.2, Some(0.3), 0.5, 0.0), Some(Bottleneck::Others));
        assert_eq!(limited_by(0.3, None, 0.7, 0.0), Some(Bottleneck::Server));
        assert_eq!(limited_by(0.7, None, 0.3, 0.0), Some(Bottleneck::Crowd));
    }

    #[test]
    fn with_cores_to_spare_late_requests_are_the_crowds_doing() {
        assert_eq!(limited_by(0.1, Some(0.1), 0.0, 20.0), Some(Bottleneck::Crowd));
        assert_eq!(limited_by(0.1, Some(0.1), 0.0, 9.0), Some(Bottleneck::Nobody), "within what timers do");
        assert_eq!(limited_by(0.1, Some(0.1), 0.0, 14.0), Some(Bottleneck::Nobody), "less than half of the latency");
        assert_eq!(bottleneck(None, 20.0, 30.0), Some(Bottleneck::Crowd));
        assert_eq!(bottleneck(None, 0.0, 30.0), None);
    }
}
