//! The simulated provider: buyers who leave, banks that decline, at given rates, drawn from a seed.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::provider::{ChargeRequest, Provider};
use crate::config::SimulatedConfig;
use crate::kernel::ids::OrderId;
use crate::ledger::{Charge, Failure};

/// A provider that charges nobody. The same seed gives the same order the same outcome.
#[derive(Debug, Clone, Copy)]
pub struct Simulated {
    config: SimulatedConfig,
}

impl Simulated {
    /// A provider that behaves as `config` says.
    #[must_use]
    pub fn new(config: SimulatedConfig) -> Self {
        Self { config }
    }

    fn outcome(&self, order: OrderId, may_leave: bool) -> Charge {
        let (high, low) = order.0.as_u64_pair();
        let mut random = StdRng::seed_from_u64(self.config.seed ^ high.rotate_left(32) ^ low);
        // Both lots are always drawn, so that a buyer who stays meets the same bank on either route.
        let (leaves, declined): (f64, f64) = (random.random(), random.random());
        if may_leave && leaves < self.config.abandon_rate {
            Charge::Failed(Failure::Abandoned)
        } else if declined < self.config.decline_rate {
            Charge::Failed(Failure::Declined)
        } else {
            Charge::Paid(format!("sim-{order}"))
        }
    }
}

impl Provider for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn at_once(&self, order: OrderId, may_leave: bool) -> Option<Charge> {
        (self.config.latency_ms == 0).then(|| self.outcome(order, may_leave))
    }

    fn charge(&self, request: ChargeRequest) -> Pin<Box<dyn Future<Output = Charge> + Send + '_>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(self.config.latency_ms)).await;
            self.outcome(request.order, request.may_leave)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulated(abandon_rate: f64, decline_rate: f64) -> Simulated {
        Simulated::new(SimulatedConfig { abandon_rate, decline_rate, latency_ms: 0, seed: 7 })
    }

    #[test]
    fn the_rates_are_kept_and_a_seed_repeats_its_outcomes() {
        let orders: Vec<_> = (0..10_000).map(|_| OrderId::fresh()).collect();
        let provider = simulated(0.2, 0.2);
        let outcomes: Vec<_> = orders.iter().map(|order| provider.outcome(*order, true)).collect();
        let count = |wanted: Failure| outcomes.iter().filter(|o| **o == Charge::Failed(wanted)).count();
        assert!((1_800..2_200).contains(&count(Failure::Abandoned)), "{}", count(Failure::Abandoned));
        assert!((1_400..1_800).contains(&count(Failure::Declined)), "{}", count(Failure::Declined));
        let again: Vec<_> = orders.iter().map(|order| provider.outcome(*order, true)).collect();
        assert_eq!(outcomes, again);
    }

    #[test]
    fn a_buyer_who_confirms_does_not_leave() {
        let provider = simulated(1.0, 0.0);
        assert!(matches!(provider.outcome(OrderId::fresh(), false), Charge::Paid(_)));
        assert_eq!(provider.outcome(OrderId::fresh(), true), Charge::Failed(Failure::Abandoned));
    }
}
