//! A scenario's file as it is written. Values keep their place, so that a fault can name its line.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::faults::{Faults, Place};
use super::{
    BUYERS_MAX, CommunityTerms, CrowdTerms, DURATION_SECONDS_MAX, Journey, Limits, PaymentRates, ProductTerms,
    Scenario, Step, count,
};
use crate::kernel::limits::{HOLD_SECONDS_DEFAULT, HOLD_SECONDS_MAX, STOCK_MAX};
use crate::kernel::money::PRICE_MAX;

/// The most connections at once: one machine has fewer ports towards one address.
const CONNECTIONS_MAX: i64 = 20_000;
/// The longest pause; shorter than the time after which a silent run counts as stuck.
const THINK_MS_MAX: i64 = 10_000;
/// The most posts that are there before anybody comes.
const POSTS_MAX: i64 = 1_000_000;
/// The most weight of one journey.
const WEIGHT_MAX: i64 = 1_000_000;
/// The most steps of one journey.
const STEPS_MAX: usize = 20;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    name: Spanned<String>,
    #[serde(default)]
    description: String,
    product: ProductTable,
    crowd: CrowdTable,
    journeys: Spanned<Vec<JourneyTable>>,
    #[serde(default)]
    community: CommunityTable,
    #[serde(default)]
    payment: PaymentTable,
    #[serde(default)]
    verdict: VerdictTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProductTable {
    stock: Spanned<i64>,
    price: Spanned<i64>,
    per_buyer_limit: Option<Spanned<i64>>,
    hold_seconds: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CrowdTable {
    buyers: Spanned<i64>,
    connections: Spanned<i64>,
    duration_seconds: Option<Spanned<i64>>,
    think_ms: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JourneyTable {
    weight: Option<Spanned<i64>>,
    steps: Spanned<Vec<Spanned<String>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommunityTable {
    posts: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PaymentTable {
    abandon_rate: Option<Spanned<f64>>,
    decline_rate: Option<Spanned<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "they are the keys of the file")]
struct VerdictTable {
    error_rate_max: Option<Spanned<f64>>,
    put_off_rate_max: Option<Spanned<f64>>,
    p99_ms_max: Option<Spanned<f64>>,
}

impl File {
    /// The scenario in the file; what is not allowed goes to `faults`.
    pub(super) fn check(self, faults: &mut Faults<'_>) -> Scenario {
        if self.name.get_ref().trim().is_empty() {
            faults.add(Place::of("name", &self.name), "it is blank; allowed: a short name");
        }
        if self.journeys.get_ref().is_empty() {
            faults.add(Place::of("journeys", &self.journeys), "there is none; allowed: at least one [[journeys]]");
        }
        let product = self.product.check(faults);
        let crowd = self.crowd.check(faults);
        let journeys = self.journeys.into_inner().into_iter().map(|journey| journey.check(faults)).collect();
        let posts = self.community.posts;
        let posts = posts.map_or(0, |value| number(faults, "community.posts", &value, 0, POSTS_MAX));
        let community = CommunityTerms { posts: u32::try_from(posts).unwrap_or_default() };
        let payment = PaymentRates {
            abandon_rate: share(faults, "payment.abandon_rate", self.payment.abandon_rate.as_ref()),
            decline_rate: share(faults, "payment.decline_rate", self.payment.decline_rate.as_ref()),
        };
        let error_rate_max = share(faults, "verdict.error_rate_max", self.verdict.error_rate_max.as_ref());
        let put_off_rate_max = share(faults, "verdict.put_off_rate_max", self.verdict.put_off_rate_max.as_ref());
        let p99_ms_max = self.verdict.p99_ms_max.map(|value| {
            if !(value.get_ref().is_finite() && *value.get_ref() > 0.0) {
                let what = format!("{} is not allowed; allowed: a number above 0", value.get_ref());
                faults.add(Place::of("verdict.p99_ms_max", &value), &what);
            }
            value.into_inner()
        });
        let verdict = Limits { error_rate_max, put_off_rate_max, p99_ms_max };
        let name = self.name.into_inner().trim().to_owned();
        Scenario { name, description: self.description, product, crowd, journeys, community, payment, verdict }
    }
}

impl ProductTable {
    fn check(&self, faults: &mut Faults<'_>) -> ProductTerms {
        let hold = self.hold_seconds.as_ref();
        let limit = self.per_buyer_limit.as_ref();
        ProductTerms {
            stock: number(faults, "product.stock", &self.stock, 1, STOCK_MAX),
            price: number(faults, "product.price", &self.price, 0, PRICE_MAX),
            per_buyer_limit: limit.map(|value| number(faults, "product.per_buyer_limit", value, 1, STOCK_MAX)),
            hold_seconds: hold.map_or(HOLD_SECONDS_DEFAULT, |value| {
                number(faults, "product.hold_seconds", value, 1, HOLD_SECONDS_MAX)
            }),
        }
    }
}

impl CrowdTable {
    fn check(&self, faults: &mut Faults<'_>) -> CrowdTerms {
        let buyers = number(faults, "crowd.buyers", &self.buyers, 1, BUYERS_MAX);
        let connections = number(faults, "crowd.connections", &self.connections, 1, CONNECTIONS_MAX);
        let duration = self.duration_seconds.as_ref();
        let think = self.think_ms.as_ref();
        CrowdTerms {
            buyers: count(buyers),
            connections: count(connections.min(buyers)),
            duration: duration.map(|value| {
                let seconds = number(faults, "crowd.duration_seconds", value, 1, DURATION_SECONDS_MAX);
                Duration::from_secs(seconds.unsigned_abs())
            }),
            think: think.map_or(Duration::ZERO, |value| {
                Duration::from_millis(number(faults, "crowd.think_ms", value, 0, THINK_MS_MAX).unsigned_abs())
            }),
        }
    }
}

impl JourneyTable {
    fn check(self, faults: &mut Faults<'_>) -> Journey {
        let weight = self.weight.map_or(1, |value| number(faults, "journeys.weight", &value, 1, WEIGHT_MAX));
        if !(1..=STEPS_MAX).contains(&self.steps.get_ref().len()) {
            let what = format!("allowed: 1 to {STEPS_MAX} steps");
            faults.add(Place::of("journeys.steps", &self.steps), &what);
        }
        let mut steps = Vec::new();
        for word in self.steps.into_inner() {
            let Some((_, step)) = Step::NAMES.iter().find(|(name, _)| name == word.get_ref()) else {
                let allowed = Step::NAMES.map(|(name, _)| name).join(", ");
                let what = format!("'{}' is no step; allowed: {allowed}", word.get_ref());
                faults.add(Place::of("journeys.steps", &word), &what);
                continue;
            };
            steps.push(*step);
        }
        Journey { weight: weight.unsigned_abs(), steps }
    }
}

fn number(faults: &mut Faults<'_>, key: &'static str, value: &Spanned<i64>, min: i64, max: i64) -> i64 {
    faults.number(Place::of(key, value), *value.get_ref(), min, max)
}

/// A share, 0 when it is not written.
fn share(faults: &mut Faults<'_>, key: &'static str, value: Option<&Spanned<f64>>) -> f64 {
    let Some(value) = value else { return 0.0 };
    let share = *value.get_ref();
    if !(0.0..=1.0).contains(&share) {
        faults.add(Place::of(key, value), &format!("{share} is not allowed; allowed: 0.0 to 1.0"));
    }
    share
}
