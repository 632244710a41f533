//! Numbers from a seed, for what must come out the same in every version of the program.

/// `SplitMix64` (Steele, Lea and Flood, 2014). Written out, because no library promises that its generators give the same
/// numbers in its next version.
#[derive(Debug, Clone, Copy)]
pub struct SplitMix64(pub u64);

impl SplitMix64 {
    /// The next number.
    #[expect(
        clippy::should_implement_trait,
        reason = "it never ends, so an iterator's Option would only be in the way"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_published_ones() {
        // The first outputs for seed 1234567, as published with the reference implementation (prng.di.unimi.it).
        let mut numbers = SplitMix64(1_234_567);
        assert_eq!([numbers.next(), numbers.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }
}
