//! What this server is asked, and how that goes: counted at the door for whoever shows it.
//!
//! An answer costs the look-up of its route and four additions to atomics, and nobody ever waits for anybody. What is counted
//! only grows, so that a rate, or the percentiles of the last ten seconds, is the difference of two readings.

use std::array;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::routes::Route;
use super::times::{Times, TimesCounted};
use crate::kernel::histogram::Distribution;

/// Codes of refusals that are told apart; the program has about a hundred.
const CODES_MAX: usize = 512;
/// Statuses that are counted one by one; any other is counted with its class.
const STATUSES: [u16; 34] = [
    101, 200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411,
    413, 414, 415, 416, 417, 422, 429, 431, 500, 503, 504,
];
/// What the classes are called, behind those statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Counters of statuses.
const SLOTS: usize = STATUSES.len() + CLASSES.len();

/// Marks an answer that tells of a refusal, by the refusal's code.
#[derive(Debug, Clone, Copy)]
pub struct Refused(pub &'static str);

/// Everything that was counted since the program began.
#[derive(Default)]
pub struct Traffic {
    /// One list for each door; there is one door, save in tests.
    doors: Mutex<Vec<Arc<[Tally]>>>,
    codes: Codes,
    connections: AtomicUsize,
}

/// A connection that is counted as long as this is there.
pub struct Connected(Arc<Traffic>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
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
    statuses: [AtomicU64; SLOTS],
    times: TimesCounted,
}

impl Tally {
    fn new(route: Option<Route>) -> Self {
        Self { route, statuses: array::from_fn(|_| AtomicU64::new(0)), times: TimesCounted::new() }
    }

    fn read(&self) -> RouteReading {
        let counts = self.statuses.iter().map(|count| count.load(Ordering::Relaxed));
        let statuses = counts.enumerate().filter(|(_, count)| *count > 0).map(|(slot, count)| (status_of(slot), count));
        RouteReading { route: self.route.clone(), statuses: statuses.collect(), times: self.times.distribution() }
    }
}

/// A reading of one route.
#[derive(Debug, Clone)]
pub struct RouteReading {
    /// The route; `None` stands for all that led nowhere.
    pub route: Option<Route>,
    /// Answers by their status, or by the class of a rare one, such as `4xx`; those that there were.
    pub statuses: Vec<(Cow<'static, str>, u64)>,
    /// How long they took until they began, in microseconds.
    pub times: Distribution,
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
        self.doors().iter().flat_map(|door| door.iter().map(Tally::read).collect::<Vec<_>>()).collect()
    }

    /// Counts a connection, until what this gives is dropped.
    #[must_use]
    pub fn connection(self: &Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(self))
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
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

    /// Counts a connection, until what this gives is dropped.
    #[must_use]
    pub fn connection(&self) -> Connected {
        self.traffic.connection()
    }

    /// Counts an answer that took so long to begin.
    pub fn count(&self, Counted(place): Counted, response: &Response, took: Duration) {
        let tally = &self.tallies[place];
        tally.statuses[slot_of(response.status())].fetch_add(1, Ordering::Relaxed);
        tally.times.count(took);
        if let Some(Refused(code)) = response.extensions().get() {
            self.traffic.codes.count(code);
        }
    }
}

/// Where a status is counted.
fn slot_of(status: StatusCode) -> usize {
    const PLACES: [u8; 500] = places();
    let status = usize::from(status.as_u16().clamp(100, 599));
    usize::from(PLACES[status - 100])
}

/// Of each status from 100 to 599, where it is counted.
const fn places() -> [u8; 500] {
    assert!(SLOTS <= u8::MAX as usize);
    let (mut places, mut at) = ([0; 500], 0);
    while at < 500 {
        #[expect(clippy::cast_possible_truncation, reason = "there are fewer slots than that")]
        let of_class = (STATUSES.len() + at / 100) as u8;
        places[at] = of_class;
        at += 1;
    }
    let mut slot = 0;
    while slot < STATUSES.len() {
        #[expect(clippy::cast_possible_truncation, reason = "there are fewer slots than that")]
        let of_status = slot as u8;
        places[STATUSES[slot] as usize - 100] = of_status;
        slot += 1;
    }
    places
}

/// What is counted at a place.
fn status_of(slot: usize) -> Cow<'static, str> {
    match STATUSES.get(slot) {
        Some(status) => status.to_string().into(),
        None => CLASSES[slot - STATUSES.len()].into(),
    }
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

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

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
        let counted = |statuses: &[(&'static str, u64)]| -> Vec<(Cow<'static, str>, u64)> {
            statuses.iter().map(|(status, count)| ((*status).into(), *count)).collect()
        };
        let expected = [
            (counted(&[("200", 1), ("404", 1)]), 2),
            (counted(&[("503", 1)]), 1),
            (counted(&[("200", 1)]), 1),
            (counted(&[("404", 1), ("405", 1)]), 2),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn every_status_has_a_place_that_is_its_own_or_its_class() {
        for status in 100..1_000 {
            let told = status_of(slot_of(StatusCode::from_u16(status).unwrap()));
            let class = format!("{}xx", (status / 100).min(5));
            let expected = if STATUSES.contains(&status) { status.to_string() } else { class };
            assert_eq!(told, expected);
        }
        assert!(STATUSES.is_sorted());
    }

    #[test]
    fn a_connection_is_counted_while_it_is_there() {
        let traffic = Arc::new(Traffic::default());
        let connections = [traffic.connection(), traffic.connection()];
        assert_eq!(traffic.connections(), 2);
        drop(connections);
        assert_eq!(traffic.connections(), 0);
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
