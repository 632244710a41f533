//! How often somebody may ask.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// After this many checks, keys whose allowance is full again are forgotten: memory holds those that asked lately and
/// at most this many others.
const CHECKS_PER_SWEEP: u32 = 16_384;

/// A rate for each `K`.
pub(super) struct Rates<K: Hash + Eq + Clone> {
    limiter: Option<DefaultKeyedRateLimiter<K>>,
    clock: DefaultClock,
    checks: AtomicU32,
    /// What it was made of.
    terms: (u32, u32),
}

impl<K: Hash + Eq + Clone> Rates<K> {
    /// `per_second` requests a second and `burst` at once; a rate of 0 limits nothing.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let limiter = NonZeroU32::new(per_second).map(|rate| {
            let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        });
        Self { limiter, clock: DefaultClock::default(), checks: AtomicU32::new(0), terms: (per_second, burst) }
    }

    /// Whether it is what [`Self::new`] makes of these.
    pub(super) fn is_of(&self, per_second: u32, burst: u32) -> bool {
        self.terms == (per_second, burst)
    }

    /// Counts one request of `key`, or says in how many seconds it may come again.
    pub(super) fn check(&self, key: &K) -> Result<(), u32> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_PER_SWEEP == CHECKS_PER_SWEEP - 1 {
            limiter.retain_recent();
        }
        limiter.check_key(key).map_err(|not_until| {
            let wait_ms = not_until.wait_time_from(self.clock.now()).as_millis();
            u32::try_from(wait_ms.div_ceil(1000)).unwrap_or(u32::MAX).max(1)
        })
    }
}

/// What counts as one address: an IPv4 address, or the /64 network that one IPv6 customer gets (RFC 6177).
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_no_more() {
        let rates = Rates::new(1, 3);
        assert_eq!([1, 2, 3].map(|_| rates.check(&"ann")), [Ok(()); 3]);
        assert_eq!(rates.check(&"ann"), Err(1));
        assert_eq!(rates.check(&"bob"), Ok(()));
    }

    #[test]
    fn a_rate_of_0_limits_nothing() {
        let rates = Rates::new(0, 0);
        assert!((0..1000).all(|_| rates.check(&"ann").is_ok()));
    }

    #[test]
    fn keys_that_stopped_asking_are_forgotten() {
        let rates = Rates::new(u32::MAX, 1);
        for key in 0..CHECKS_PER_SWEEP * 3 {
            rates.check(&key).unwrap();
        }
        assert!(rates.limiter.as_ref().unwrap().len() <= CHECKS_PER_SWEEP as usize * 2);
    }

    #[test]
    fn an_ipv6_customer_is_one_address() {
        let one: IpAddr = "2001:db8:1:2:3::4".parse().unwrap();
        let other: IpAddr = "2001:db8:1:2:ffff::1".parse().unwrap();
        assert_eq!(network_of(one), network_of(other));
        assert_eq!(network_of("::ffff:10.0.0.1".parse().unwrap()), "10.0.0.1".parse::<IpAddr>().unwrap());
    }
}
