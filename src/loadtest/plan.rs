//! Who does what, from a seed alone: the same scenario and seed give every buyer the same journey and the same pauses.

use std::time::Duration;

use super::scenario::{BotTerms, Scenario, Step};
use crate::kernel::splitmix::SplitMix64;

/// What every buyer does. Pure: asking twice gives the same answer.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    seed: u64,
    /// The journeys' steps, each with the sum of the weights up to and with it.
    journeys: Vec<(u64, Vec<Step>)>,
    weights: u64,
    bots: Option<BotTerms>,
    /// The phases' pauses, each with the number of the buyer after its last.
    thinks: Vec<(usize, Duration)>,
}

/// The draw that tells bots from people; steps have the small numbers.
const IS_BOT: u64 = u64::MAX;

impl Plan {
    /// The plan of `scenario` under `seed`.
    #[must_use]
    pub(super) fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut weights = 0;
        let mut journeys = Vec::with_capacity(scenario.journeys.len());
        for journey in &scenario.journeys {
            weights += journey.weight;
            journeys.push((weights, journey.steps.clone()));
        }
        let mut thinks = Vec::with_capacity(scenario.phases.len());
        let mut buyers = 0;
        for phase in &scenario.phases {
            buyers += phase.buyers;
            thinks.push((buyers, phase.think));
        }
        Self { seed, journeys, weights, bots: scenario.bots.clone(), thinks }
    }

    /// The steps of a buyer, numbered from 0.
    #[must_use]
    pub(super) fn steps(&self, buyer: usize) -> &[Step] {
        if let Some(bots) = &self.bots
            && self.is_bot(buyer)
        {
            return &bots.steps;
        }
        let draw = self.draw(buyer, 0) % self.weights.max(1);
        self.journeys.iter().find(|(up_to, _)| draw < *up_to).map_or(&[], |(_, steps)| steps)
    }

    /// Whether a buyer is a program.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a draw needs no more than 52 bits")]
    pub(super) fn is_bot(&self, buyer: usize) -> bool {
        self.bots.as_ref().is_some_and(|bots| (self.draw(buyer, IS_BOT) as f64 / u64::MAX as f64) < bots.share)
    }

    /// How long a buyer thinks after step `step`: half to one and a half of the phase's pause. Bots do not.
    #[must_use]
    pub(super) fn think(&self, buyer: usize, step: usize) -> Duration {
        let think = self.thinks.iter().find(|(end, _)| buyer < *end).map_or(Duration::ZERO, |(_, think)| *think);
        if think.is_zero() || self.is_bot(buyer) {
            return Duration::ZERO;
        }
        let permille = 500 + self.draw(buyer, step as u64 + 1) % 1_001;
        think * u32::try_from(permille).unwrap_or(1_000) / 1_000
    }

    /// A lot from 0 to `end - 1` for what a buyer chooses in step `step`; 0 when there is nothing to choose from.
    #[must_use]
    pub(super) fn choice(&self, buyer: usize, step: usize, end: usize) -> usize {
        let lot = mix(self.draw(buyer, step as u64 + 1)) % (end as u64).max(1);
        usize::try_from(lot).unwrap_or_default()
    }

    fn draw(&self, buyer: usize, number: u64) -> u64 {
        mix(mix(self.seed ^ mix(buyer as u64)) ^ number)
    }
}

fn mix(state: u64) -> u64 {
    SplitMix64(state).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64) -> Plan {
        Plan::new(&Scenario::load("abandoners").unwrap(), seed)
    }

    fn journeys(seed: u64) -> Vec<Vec<Step>> {
        let plan = plan(seed);
        (0..2_000).map(|buyer| plan.steps(buyer).to_vec()).collect()
    }

    #[test]
    fn a_seed_repeats_every_journey_and_another_one_does_not() {
        assert_eq!(journeys(7), journeys(7));
        assert_ne!(journeys(7), journeys(8));
        assert_eq!(plan(7).think(3, 1), plan(7).think(3, 1));
    }

    #[test]
    fn weights_are_kept() {
        let vanish = journeys(1).iter().filter(|steps| steps.contains(&Step::EnterVanish)).count();
        assert!((1_300..1_500).contains(&vanish), "7 of 10 of 2,000 is 1,400, not {vanish}");
    }

    #[test]
    fn a_share_of_the_buyers_are_bots_and_do_not_think() {
        let scenario = Scenario::load("bots").unwrap();
        let plan = Plan::new(&scenario, 1);
        let bots: Vec<_> = (0..2_000).filter(|buyer| plan.is_bot(*buyer)).collect();
        assert!((340..460).contains(&bots.len()), "a fifth of 2,000 is 400, not {}", bots.len());
        let terms = scenario.bots.unwrap();
        assert!(bots.iter().all(|bot| plan.steps(*bot) == terms.steps && plan.think(*bot, 1).is_zero()));
        assert!((0..2_000).any(|buyer| !plan.is_bot(buyer) && !plan.think(buyer, 1).is_zero()));
    }

    #[test]
    fn pauses_stay_around_the_scenarios_own() {
        let plan = plan(1);
        for buyer in 0..200 {
            let pause = plan.think(buyer, 0).as_millis();
            assert!((50..=150).contains(&pause), "{pause} ms");
        }
    }
}
