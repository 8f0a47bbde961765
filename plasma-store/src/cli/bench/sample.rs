//! What was measured.

/// Times of one operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) count: usize,
    /// Nanoseconds.
    pub(super) p50: u64,
    /// Nanoseconds.
    pub(super) p99: u64,
    /// Of all clients together, while they do nothing else.
    pub(super) per_second: f64,
}

impl Sample {
    /// Of the nanoseconds that each client took; `None` of none.
    pub(super) fn of(clients: &[Vec<u64>]) -> Option<Self> {
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        let rate =
            |times: &Vec<u64>| times.len() as f64 * 1e9 / times.iter().sum::<u64>().max(1) as f64;
        let per_second = clients.iter().filter(|times| !times.is_empty()).map(rate).sum();
        let mut times: Vec<u64> = clients.concat();
        times.sort_unstable();
        let at = |hundredths: usize| {
            times.get((times.len() * hundredths / 100).min(times.len().checked_sub(1)?)).copied()
        };
        Some(Self { count: times.len(), p50: at(50)?, p99: at(99)?, per_second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_rates() {
        let sample = Sample::of(&[(1..=50).collect(), (51..=100).collect()]).unwrap();
        assert_eq!((sample.count, sample.p50, sample.p99), (100, 51, 100));
        let one = Sample::of(&[vec![1_000_000]]).unwrap();
        assert_eq!((one.p50, one.p99, one.per_second), (1_000_000, 1_000_000, 1000.0));
        let two = Sample::of(&[vec![1_000_000], vec![1_000_000], vec![]]).unwrap();
        assert_eq!(two.per_second, 2000.0);
        assert_eq!(Sample::of(&[vec![]]), None);
    }
}
