//! Who comes, and when, as it is written: `[[phases]]`, or `[crowd]`, which is short for one phase.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::faults::{Faults, Place};
use super::file::number;
use super::{Arrivals, BUYERS_MAX, DURATION_SECONDS_MAX, PhaseTerms, Rate, count};

/// The most connections at once: one machine has fewer ports towards one address.
const CONNECTIONS_MAX: i64 = 20_000;
/// The longest pause; shorter than the time after which a silent run counts as stuck.
const THINK_MS_MAX: i64 = 10_000;
/// The most buyers a second.
const RATE_MAX: f64 = 1_000_000.0;
/// The most phases.
const PHASES_MAX: usize = 100;
/// What the one phase of the short form is called.
const CROWD: &str = "crowd";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CrowdTable {
    buyers: Spanned<i64>,
    connections: Spanned<i64>,
    duration_seconds: Option<Spanned<i64>>,
    think_ms: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PhaseTable {
    name: Spanned<String>,
    arrivals: Spanned<String>,
    connections: Spanned<i64>,
    buyers: Option<Spanned<i64>>,
    seconds: Option<Spanned<i64>>,
    think_ms: Option<Spanned<i64>>,
    per_second: Option<Spanned<f64>>,
    ramp_to: Option<Spanned<f64>>,
    burst: Option<Spanned<i64>>,
}

/// The phases of a file.
pub(super) fn phases(
    crowd: Option<Spanned<CrowdTable>>,
    phases: Option<Spanned<Vec<Spanned<PhaseTable>>>>,
    faults: &mut Faults<'_>,
) -> Vec<PhaseTerms> {
    match (crowd, phases) {
        (Some(crowd), None) => vec![crowd.into_inner().check(faults)],
        (None, Some(phases)) => several(phases, faults),
        (Some(crowd), Some(_)) => {
            let what = "there are [[phases]] as well, and [crowd] is short for one of them; write one or the other";
            faults.add(Place::of("crowd", &crowd), what);
            Vec::new()
        }
        (None, None) => {
            faults.add(Place::whole("phases"), "nobody comes; write [crowd] or at least one [[phases]]");
            Vec::new()
        }
    }
}

fn several(tables: Spanned<Vec<Spanned<PhaseTable>>>, faults: &mut Faults<'_>) -> Vec<PhaseTerms> {
    let place = Place::of("phases", &tables);
    if !(1..=PHASES_MAX).contains(&tables.get_ref().len()) {
        faults.add(place, &format!("allowed: 1 to {PHASES_MAX} [[phases]]"));
    }
    let mut phases: Vec<PhaseTerms> = Vec::new();
    for table in tables.into_inner() {
        let name = Place::of("phases.name", &table.get_ref().name);
        let phase = PhaseTable::check(table, faults);
        if phases.iter().any(|other| other.name == phase.name) {
            faults.add(name, &format!("'{}' is another phase's name; each needs its own", phase.name));
        }
        phases.push(phase);
    }
    let buyers: usize = phases.iter().map(|phase| phase.buyers).fold(0, usize::saturating_add);
    if buyers > count(BUYERS_MAX) {
        faults.add(place, &format!("{buyers} buyers come in all; allowed: {BUYERS_MAX}"));
    }
    phases
}

impl CrowdTable {
    fn check(&self, faults: &mut Faults<'_>) -> PhaseTerms {
        let buyers = number(faults, "crowd.buyers", &self.buyers, 1, BUYERS_MAX);
        let connections = number(faults, "crowd.connections", &self.connections, 1, CONNECTIONS_MAX);
        PhaseTerms {
            name: CROWD.to_owned(),
            arrivals: Arrivals::Closed,
            buyers: count(buyers),
            connections: count(connections.min(buyers)),
            duration: seconds(faults, "crowd.duration_seconds", self.duration_seconds.as_ref()),
            think: think(faults, "crowd.think_ms", self.think_ms.as_ref()),
        }
    }
}

impl PhaseTable {
    fn check(table: Spanned<Self>, faults: &mut Faults<'_>) -> PhaseTerms {
        let place = Place::of("phases", &table);
        let table = table.into_inner();
        if table.name.get_ref().trim().is_empty() {
            faults.add(Place::of("phases.name", &table.name), "it is blank; allowed: a short name");
        }
        let connections = number(faults, "phases.connections", &table.connections, 1, CONNECTIONS_MAX);
        let think = think(faults, "phases.think_ms", table.think_ms.as_ref());
        let length = seconds(faults, "phases.seconds", table.seconds.as_ref());
        let buyers = table.buyers.as_ref();
        let buyers = buyers.map(|value| count(number(faults, "phases.buyers", value, 1, BUYERS_MAX)));
        let (arrivals, buyers, duration) = match table.arrivals.get_ref().as_str() {
            "closed" => (Arrivals::Closed, table.closed(place, buyers, faults), length),
            "open" => {
                let (rate, buyers, length) = table.open(place, (buyers, length), faults);
                (Arrivals::Open(rate), buyers, Some(length))
            }
            other => {
                let what = format!("'{other}' is not allowed; allowed: closed, open");
                faults.add(Place::of("phases.arrivals", &table.arrivals), &what);
                (Arrivals::Closed, 1, None)
            }
        };
        let name = table.name.into_inner().trim().to_owned();
        PhaseTerms { name, arrivals, buyers, connections: count(connections).min(buyers), duration, think }
    }

    /// How many come when each waits for one who leaves.
    fn closed(&self, place: Place, buyers: Option<usize>, faults: &mut Faults<'_>) -> usize {
        let place_of = |key, value: &Option<Spanned<f64>>| value.as_ref().map(|value| Place::of(key, value));
        let burst = self.burst.as_ref().map(|value| Place::of("phases.burst", value));
        let rates = [place_of("phases.per_second", &self.per_second), place_of("phases.ramp_to", &self.ramp_to), burst];
        for place in rates.into_iter().flatten() {
            faults
                .add(place, "closed arrivals have no rate: the next buyer comes when one has left; only open ones do");
        }
        buyers.unwrap_or_else(|| {
            faults.add(place, "closed arrivals need buyers: how many come, each once");
            1
        })
    }

    /// The rate, how many come, and over how long.
    fn open(
        &self,
        place: Place,
        (buyers, length): (Option<usize>, Option<Duration>),
        faults: &mut Faults<'_>,
    ) -> (Rate, usize, Duration) {
        let mut rate_of = |key, value: Option<&Spanned<f64>>| {
            value.map(|value| {
                let rate = *value.get_ref();
                if !(0.0..=RATE_MAX).contains(&rate) {
                    faults.add(Place::of(key, value), &format!("{rate} is not allowed; allowed: 0 to {RATE_MAX}"));
                }
                rate
            })
        };
        let per_second = rate_of("phases.per_second", self.per_second.as_ref()).unwrap_or_default();
        let ramp_to = rate_of("phases.ramp_to", self.ramp_to.as_ref());
        let burst = self.burst.as_ref().map_or(0, |value| number(faults, "phases.burst", value, 1, BUYERS_MAX));
        let rate = Rate { burst: count(burst), per_second, ramp_to: ramp_to.unwrap_or(per_second) };
        if rate.burst == 0 && per_second <= 0.0 && rate.ramp_to <= 0.0 {
            faults.add(place, "nobody comes; open arrivals need per_second, ramp_to or burst");
            return (rate, 1, Duration::ZERO);
        }
        if let (Some(ramp_to), None) = (&self.ramp_to, length) {
            faults.add(Place::of("phases.ramp_to", ramp_to), "a ramp needs seconds, over which it leads there");
            return (rate, 1, Duration::ZERO);
        }
        match (buyers, length) {
            (None, None) if per_second > 0.0 => {
                faults.add(place, "it has no end; write seconds, buyers or both");
                (rate, 1, Duration::ZERO)
            }
            (None, None) => (rate, rate.burst, Duration::ZERO),
            (Some(buyers), None) => {
                let length = rate.length_for(buyers).unwrap_or_else(|| {
                    faults.add(
                        place,
                        &format!("only {burst} of {buyers} buyers ever come; write per_second for the others"),
                    );
                    Duration::ZERO
                });
                (rate, buyers, length)
            }
            (_, Some(length)) => (rate, rate.buyers_within(length).min(buyers.unwrap_or(usize::MAX)).max(1), length),
        }
    }
}

fn seconds(faults: &mut Faults<'_>, key: &'static str, value: Option<&Spanned<i64>>) -> Option<Duration> {
    value.map(|value| Duration::from_secs(number(faults, key, value, 1, DURATION_SECONDS_MAX).unsigned_abs()))
}

fn think(faults: &mut Faults<'_>, key: &'static str, value: Option<&Spanned<i64>>) -> Duration {
    value.map_or(Duration::ZERO, |value| {
        Duration::from_millis(number(faults, key, value, 0, THINK_MS_MAX).unsigned_abs())
    })
}
