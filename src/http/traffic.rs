//! What this server is asked, and how that goes: counted at the door for whoever shows it.
//!
//! An answer costs the look-up of its route and three additions to atomics, and nobody ever waits for anybody. What is counted
//! only grows, so that a rate, or the percentiles of the last ten seconds, is the difference of two readings.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::routes::Route;

/// Buckets of a histogram: below 8 µs one for each, then eight for each doubling, up to 71 minutes. A value is told no more
/// than an eighth too high.
const BUCKETS: usize = 240;
/// The longest time that is told apart, in microseconds.
const MICROS_MAX: u64 = u32::MAX as u64;
/// Codes of refusals that are told apart; the program has about a hundred.
const CODES_MAX: usize = 512;
/// Classes of statuses: 1xx to 5xx.
const CLASSES: usize = 5;

/// Marks an answer that tells of a refusal, by the refusal's code.
#[derive(Debug, Clone, Copy)]
pub struct Refused(pub &'static str);

/// Everything that was counted since the program began.
#[derive(Default)]
pub struct Traffic {
    /// One list for each door; there is one door, save in tests.
    doors: Mutex<Vec<Arc<[Tally]>>>,
    codes: Codes,
}

/// What a door counts with.
pub struct Meter {
    traffic: Arc<Traffic>,
    /// A path's methods, and where each is counted.
    paths: matchit::Router<Vec<(Method, usize)>>,
    /// One for each route, and a last one for what is no route.
    tallies: Arc<[Tally]>,
}

/// Where a request is counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted(usize);

/// What is counted of one route.
struct Tally {
    route: Option<Route>,
    statuses: [AtomicU64; CLASSES],
    times: [AtomicU64; BUCKETS],
}

impl Tally {
    fn new(route: Option<Route>) -> Self {
        Self { route, statuses: array::from_fn(|_| AtomicU64::new(0)), times: array::from_fn(|_| AtomicU64::new(0)) }
    }
}

/// A reading of one route.
#[derive(Debug, Clone)]
pub struct RouteReading {
    /// The route; `None` stands for all that led nowhere.
    pub route: Option<Route>,
    /// Answers by the class of their status, from 1xx to 5xx.
    pub statuses: [u64; CLASSES],
    /// How long they took.
    pub times: Times,
}

impl Traffic {
    /// A meter for a door in front of `routes`.
    #[must_use]
    pub fn meter(self: &Arc<Self>, routes: &[Route]) -> Meter {
        let mut by_path: Vec<(&str, Vec<(Method, usize)>)> = Vec::new();
        for (index, Route { method, path }) in routes.iter().enumerate() {
            let counted = (method.clone(), index);
            match by_path.iter_mut().find(|(known, _)| known == path) {
                Some((_, methods)) => methods.push(counted),
                None => by_path.push((path, vec![counted])),
            }
        }
        let mut paths = matchit::Router::new();
        for (path, methods) in by_path {
            // The rooms' router has taken the path before, and by the same rules.
            drop(paths.insert(path, methods));
        }
        let tallies: Arc<[Tally]> = routes.iter().cloned().map(Some).chain([None]).map(Tally::new).collect();
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tallies));
        Meter { traffic: Arc::clone(self), paths, tallies }
    }

    /// How long all answers took.
    #[must_use]
    pub fn times(&self) -> Times {
        let mut sum = Times::default();
        for tally in self.doors().iter().flat_map(|door| door.iter()) {
            sum.add(&tally.times);
        }
        sum
    }

    /// Every refusal's code, and how many there were.
    #[must_use]
    pub fn refusals(&self) -> Vec<(&'static str, u64)> {
        self.codes.read()
    }

    /// Each route by itself; what led nowhere comes last.
    #[must_use]
    pub fn by_route(&self) -> Vec<RouteReading> {
        let reading = |tally: &Tally| {
            let mut times = Times::default();
            times.add(&tally.times);
            let statuses = array::from_fn(|class| tally.statuses[class].load(Ordering::Relaxed));
            RouteReading { route: tally.route.clone(), statuses, times }
        };
        self.doors().iter().flat_map(|door| door.iter().map(reading).collect::<Vec<_>>()).collect()
    }

    fn doors(&self) -> Vec<Arc<[Tally]>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Meter {
    /// Where a request is counted.
    #[must_use]
    pub fn place(&self, method: &Method, path: &str) -> Counted {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let found = self.paths.at(path).ok().and_then(|found| found.value.iter().find(|(it, _)| it == method));
        Counted(found.map_or(self.tallies.len() - 1, |(_, index)| *index))
    }

    /// The route that is counted there, if it is one.
    #[must_use]
    pub fn route(&self, Counted(place): Counted) -> Option<&Route> {
        self.tallies[place].route.as_ref()
    }

    /// Counts an answer that took so long to begin.
    pub fn count(&self, Counted(place): Counted, response: &Response, took: Duration) {
        let tally = &self.tallies[place];
        tally.statuses[class(response.status())].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tally.times[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        if let Some(Refused(code)) = response.extensions().get() {
            self.traffic.codes.count(code);
        }
    }
}

fn class(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).clamp(1, CLASSES) - 1
}

/// A counter for each code; the place of a code is its for good once it was taken.
struct Codes([(OnceLock<&'static str>, AtomicU64); CODES_MAX]);

impl Default for Codes {
    fn default() -> Self {
        Self(array::from_fn(|_| (OnceLock::new(), AtomicU64::new(0))))
    }
}

impl Codes {
    fn count(&self, code: &'static str) {
        let hash = code.bytes().fold(7_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        for step in 0..CODES_MAX {
            let (name, count) = &self.0[hash.wrapping_add(step) % CODES_MAX];
            if *name.get_or_init(|| code) == code {
                count.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }

    fn read(&self) -> Vec<(&'static str, u64)> {
        self.0.iter().filter_map(|(name, count)| Some((*name.get()?, count.load(Ordering::Relaxed)))).collect()
    }
}

/// Times, as a histogram in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times(Box<[u64]>);

impl Default for Times {
    fn default() -> Self {
        Self(vec![0; BUCKETS].into_boxed_slice())
    }
}

impl Times {
    fn add(&mut self, counted: &[AtomicU64; BUCKETS]) {
        for (sum, counted) in self.0.iter_mut().zip(counted) {
            *sum += counted.load(Ordering::Relaxed);
        }
    }

    /// What has come since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(self.0.iter().zip(&earlier.0).map(|(now, then)| now.saturating_sub(*then)).collect())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The time within which so many of a hundred were, in microseconds; 0 when there are none.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> u64 {
        let wanted = (self.count() * percent).div_ceil(100);
        let mut seen = 0;
        let found = self.0.iter().position(|count| {
            seen += count;
            seen >= wanted && seen > 0
        });
        found.map_or(0, longest_in)
    }
}

/// The bucket of a time.
fn bucket(micros: u64) -> usize {
    let micros = micros.min(MICROS_MAX);
    if micros < 8 {
        return usize::try_from(micros).unwrap_or_default();
    }
    let doublings = micros.ilog2();
    let eighth = (micros >> (doublings - 3)) & 7;
    (doublings as usize - 2) * 8 + usize::try_from(eighth).unwrap_or_default()
}

/// The longest time of a bucket, in microseconds.
fn longest_in(bucket: usize) -> u64 {
    let (group, eighth) = ((bucket / 8) as u64, (bucket % 8) as u64);
    if group == 0 { eighth } else { ((9 + eighth) << (group - 1)) - 1 }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn a_time_is_told_at_most_an_eighth_too_high() {
        for micros in (0..5_000).chain([99_999, 1_000_000, 59_999_999, MICROS_MAX]) {
            let told = longest_in(bucket(micros));
            assert!(told >= micros && told <= micros + micros / 8, "{micros} is told as {told}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_those_of_what_came_since() {
        let traffic = Arc::new(Traffic::default());
        let meter = traffic.meter(&[Route { method: Method::GET, path: "/a" }]);
        let place = meter.place(&Method::GET, "/a");
        let answer = || StatusCode::OK.into_response();
        assert_eq!(traffic.times().percentile(99), 0);
        meter.count(place, &answer(), Duration::from_secs(9));
        let before = traffic.times();
        for micros in 1..=100 {
            meter.count(place, &answer(), Duration::from_micros(micros));
        }
        let times = traffic.times().since(&before);
        assert_eq!(times.count(), 100);
        let told = [50, 90, 99].map(|percent| times.percentile(percent));
        for (told, exact) in told.into_iter().zip([50, 90, 99]) {
            assert!((exact..=exact + exact / 8).contains(&told), "{told} for {exact}");
        }
    }

    #[test]
    fn an_answer_is_counted_under_its_route() {
        let traffic = Arc::new(Traffic::default());
        let route = |method, path| Route { method, path };
        let meter = traffic.meter(&[
            route(Method::GET, "/orders/{id}"),
            route(Method::POST, "/orders/{id}"),
            route(Method::GET, "/orders/mine"),
        ]);
        for (method, path, status) in [
            (Method::GET, "/orders/7", 200),
            (Method::HEAD, "/orders/8", 404),
            (Method::POST, "/orders/7", 503),
            (Method::GET, "/orders/mine", 200),
            (Method::DELETE, "/orders/7", 405),
            (Method::GET, "/nonsense", 404),
        ] {
            let response = StatusCode::from_u16(status).unwrap().into_response();
            meter.count(meter.place(&method, path), &response, Duration::ZERO);
        }
        let read: Vec<_> = traffic.by_route().into_iter().map(|read| (read.statuses, read.times.count())).collect();
        assert_eq!(read, [([0, 1, 0, 1, 0], 2), ([0, 0, 0, 0, 1], 1), ([0, 1, 0, 0, 0], 1), ([0, 0, 0, 2, 0], 2)]);
    }

    #[test]
    fn each_code_has_a_counter_of_its_own() {
        let codes = Codes::default();
        // These two begin at the same place.
        for code in ["Aa", "BB", "sold_out", "Aa"] {
            codes.count(code);
        }
        let mut read = codes.read();
        read.sort_unstable();
        assert_eq!(read, [("Aa", 2), ("BB", 1), ("sold_out", 1)]);
    }
}
