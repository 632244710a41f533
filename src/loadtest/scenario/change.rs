//! What the command line changes in a scenario.

use std::time::Duration;

use super::faults::{Faults, Place};
use super::{Arrivals, BUYERS_MAX, DURATION_SECONDS_MAX, Scenario, count};
use crate::kernel::error::Error;
use crate::kernel::limits::STOCK_MAX;

/// What the command line changes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overrides {
    /// How many times as many buyers, a second and in all, and units, 0.001 to 100; before everything else.
    pub scale: Option<f64>,
    /// How many buyers come in all, over the same time; never more connections than buyers.
    pub buyers: Option<usize>,
    /// Instead of `product.stock`.
    pub stock: Option<i64>,
    /// When to stop letting buyers in, in place of a single phase's own time.
    pub duration: Option<Duration>,
}

impl Scenario {
    /// The scenario with the command line's changes.
    ///
    /// # Errors
    /// When a change is out of the range that scenarios allow, or leads there.
    pub fn with(mut self, overrides: Overrides) -> Result<Self, Error> {
        let mut faults = Faults::new("command line", "");
        if let Some(scale) = overrides.scale {
            self.scale(scale, &mut faults);
        }
        if let Some(buyers) = overrides.buyers {
            let buyers = i64::try_from(buyers).unwrap_or(i64::MAX);
            self.send(count(faults.number(Place::flag("--users"), buyers, 1, BUYERS_MAX)));
        }
        if let Some(stock) = overrides.stock {
            self.product.stock = faults.number(Place::flag("--stock"), stock, 1, STOCK_MAX);
        }
        if let Some(duration) = overrides.duration {
            let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
            faults.number(Place::flag("--duration"), seconds, 1, DURATION_SECONDS_MAX);
            self.duration = Some(duration);
            if let [phase] = &mut *self.phases
                && phase.arrivals == Arrivals::Closed
            {
                phase.duration = None;
            }
        }
        faults.done().map(|()| self)
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "both have room for the bounds")]
    fn scale(&mut self, scale: f64, faults: &mut Faults<'_>) {
        let flag = Place::flag("--scale");
        if !(0.001..=100.0).contains(&scale) {
            return faults.add(flag, &format!("{scale} is not allowed; allowed: 0.001 to 100"));
        }
        let buyers = (self.buyers() as f64 * scale).round() as i64;
        let stock = (self.product.stock as f64 * scale).round() as i64;
        if buyers > BUYERS_MAX || stock > STOCK_MAX {
            let what = format!(
                "{scale} times as many are {buyers} buyers and {stock} units; allowed: {BUYERS_MAX} and {STOCK_MAX}"
            );
            return faults.add(flag, &what);
        }
        self.send(count(buyers.max(1)));
        self.product.stock = stock.max(1);
    }

    /// Lets `buyers` come in all: as many of them in each phase, of a hundred, as before, and at the same times.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a million buyers at most"
    )]
    fn send(&mut self, buyers: usize) {
        let factor = buyers as f64 / self.buyers() as f64;
        let (mut before, mut sent) = (0, 0);
        for phase in &mut self.phases {
            before += phase.buyers;
            // Rounded over all phases so far, so that they add up.
            let up_to_here = (before as f64 * factor).round() as usize;
            phase.buyers = up_to_here - sent;
            sent = up_to_here;
            phase.connections = phase.connections.min(phase.buyers);
            if let Arrivals::Open(rate) = &mut phase.arrivals {
                rate.burst = ((rate.burst as f64 * factor).round() as usize).min(phase.buyers);
                rate.per_second *= factor;
                rate.ramp_to *= factor;
            }
        }
        self.phases.retain(|phase| phase.buyers > 0);
    }
}
