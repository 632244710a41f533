//! The tables of a file that most scenarios do without: bots, the temporary server's limits, and the verdict's.

use serde::Deserialize;
use toml::Spanned;

use super::faults::{Faults, Place};
use super::file::{number, share, steps};
use super::{BotTerms, Limits, ServerTerms, count};

/// The most addresses that people come from: as many clients wait for requests.
const ADDRESSES_MAX: i64 = 1_000;
/// How many they are unless the file says.
const ADDRESSES_DEFAULT: usize = 100;
/// The highest rate.
const RATE_MAX: i64 = 1_000_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BotTable {
    share: Spanned<f64>,
    steps: Spanned<Vec<Spanned<String>>>,
    addresses: Option<Spanned<i64>>,
}

impl BotTable {
    pub(super) fn check(self, faults: &mut Faults<'_>) -> BotTerms {
        let addresses = self.addresses.as_ref();
        BotTerms {
            share: share(faults, "bots.share", Some(&self.share)),
            steps: steps("bots.steps", self.steps, faults),
            addresses: addresses
                .map_or(ADDRESSES_DEFAULT, |value| count(number(faults, "bots.addresses", value, 1, ADDRESSES_MAX))),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTable {
    address_per_second: Option<Spanned<i64>>,
    address_burst: Option<Spanned<i64>>,
    account_per_second: Option<Spanned<i64>>,
    account_burst: Option<Spanned<i64>>,
    queue_length: Option<Spanned<i64>>,
    password_threads: Option<Spanned<i64>>,
    password_queue_length: Option<Spanned<i64>>,
}

impl ServerTable {
    pub(super) fn check(&self, faults: &mut Faults<'_>) -> ServerTerms {
        let mut within = |key, value: &Option<Spanned<i64>>, min, max| {
            value.as_ref().map(|value| number(faults, key, value, min, max))
        };
        let address_per_second = within("server.address_per_second", &self.address_per_second, 0, RATE_MAX);
        let address_burst = within("server.address_burst", &self.address_burst, 1, RATE_MAX);
        let account_per_second = within("server.account_per_second", &self.account_per_second, 0, RATE_MAX);
        let account_burst = within("server.account_burst", &self.account_burst, 1, RATE_MAX);
        // A second's worth at once, unless the file says.
        let burst = |burst: Option<i64>, per_second: Option<i64>| burst.or(per_second).unwrap_or_default().max(1);
        ServerTerms {
            address_per_second: address_per_second.unwrap_or_default(),
            address_burst: burst(address_burst, address_per_second),
            account_per_second: account_per_second.unwrap_or_default(),
            account_burst: burst(account_burst, account_per_second),
            queue_length: within("server.queue_length", &self.queue_length, 1, 1_000_000),
            password_threads: within("server.password_threads", &self.password_threads, 1, 256),
            password_queue_length: within("server.password_queue_length", &self.password_queue_length, 1, 1_000_000),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerdictTable {
    error_rate_max: Option<Spanned<f64>>,
    put_off_rate_max: Option<Spanned<f64>>,
    p99_ms_max: Option<Spanned<f64>>,
    requests_per_second_min: Option<Spanned<f64>>,
    purchases_per_second_min: Option<Spanned<f64>>,
    fairness_min: Option<Spanned<f64>>,
    people_limited_rate_max: Option<Spanned<f64>>,
    bots_limited_rate_min: Option<Spanned<f64>>,
}

impl VerdictTable {
    pub(super) fn check(&self, with_bots: bool, faults: &mut Faults<'_>) -> Limits {
        let mut about_bots = |key, value: &Option<Spanned<f64>>| {
            let value = value.as_ref()?;
            if !with_bots {
                faults.add(Place::of(key, value), "there are no [bots] to tell from people");
            }
            Some(share(faults, key, Some(value)))
        };
        let people_limited_rate_max = about_bots("verdict.people_limited_rate_max", &self.people_limited_rate_max);
        let bots_limited_rate_min = about_bots("verdict.bots_limited_rate_min", &self.bots_limited_rate_min);
        let fairness = self.fairness_min.as_ref();
        Limits {
            error_rate_max: share(faults, "verdict.error_rate_max", self.error_rate_max.as_ref()),
            put_off_rate_max: share(faults, "verdict.put_off_rate_max", self.put_off_rate_max.as_ref()),
            p99_ms_max: above_0(faults, "verdict.p99_ms_max", self.p99_ms_max.as_ref()),
            requests_per_second_min: above_0(
                faults,
                "verdict.requests_per_second_min",
                self.requests_per_second_min.as_ref(),
            ),
            purchases_per_second_min: above_0(
                faults,
                "verdict.purchases_per_second_min",
                self.purchases_per_second_min.as_ref(),
            ),
            fairness_min: fairness.map(|value| share(faults, "verdict.fairness_min", Some(value))),
            people_limited_rate_max,
            bots_limited_rate_min,
        }
    }
}

fn above_0(faults: &mut Faults<'_>, key: &'static str, value: Option<&Spanned<f64>>) -> Option<f64> {
    let value = value?;
    let number = *value.get_ref();
    if !(number.is_finite() && number > 0.0) {
        faults.add(Place::of(key, value), &format!("{number} is not allowed; allowed: a number above 0"));
    }
    Some(number)
}
