//! Taking instances of one resource and giving them back: functions on slices, an amount for each instance.

use smallvec::SmallVec;

use super::fixed_point::FixedPoint;

/// Amounts of the instances of a resource; most have one.
pub type Amounts = SmallVec<[FixedPoint; 2]>;

/// So many instances a resource may have. Nobody has as many things; a larger number is a mistake.
pub const MAX_INSTANCES: u64 = 1 << 20;

/// What to take of `available` for a demand, if it is there.
///
/// A resource of one instance gives what is asked for. Of several, a demand takes whole ones that nobody uses, and for a
/// fraction the instance in which the least is left over. So a fraction is never spread over two instances.
pub fn choose(available: &[FixedPoint], demand: FixedPoint) -> Option<Amounts> {
    if let [only] = available {
        return (*only >= demand).then(|| Amounts::from_slice(&[demand]));
    }
    let mut taken = Amounts::from_elem(FixedPoint::ZERO, available.len());
    let mut rest = demand;
    for (taken, _) in taken.iter_mut().zip(available).filter(|(_, &left)| left == FixedPoint::ONE) {
        if rest < FixedPoint::ONE {
            break;
        }
        *taken = FixedPoint::ONE;
        rest -= FixedPoint::ONE;
    }
    if available.is_empty() || rest >= FixedPoint::ONE {
        return None;
    }
    if rest > FixedPoint::ZERO {
        let left = available.iter().zip(&taken).map(|(&available, &taken)| available - taken);
        let (best, _) =
            left.enumerate().filter(|&(_, left)| left >= rest).min_by_key(|&(_, left)| left)?;
        taken[best] = rest;
    }
    Some(taken)
}

/// Adds to each instance. Both have the same number of them.
pub fn add(available: &mut [FixedPoint], amounts: &[FixedPoint]) {
    for (available, &amount) in available.iter_mut().zip(amounts) {
        *available += amount;
    }
}

/// Takes from each instance. Both have the same number of them.
pub fn subtract(available: &mut [FixedPoint], amounts: &[FixedPoint]) {
    for (available, &amount) in available.iter_mut().zip(amounts) {
        *available -= amount;
    }
}

/// Takes from each instance as much as it has, and returns what was not there. An instance that has less than nothing gives
/// nothing and keeps what it has.
pub fn subtract_to_zero(available: &mut [FixedPoint], amounts: &[FixedPoint]) -> Amounts {
    let take = |(available, &amount): (&mut FixedPoint, &FixedPoint)| {
        if *available < FixedPoint::ZERO {
            return amount;
        }
        let left = *available - amount;
        *available = left.max(FixedPoint::ZERO);
        (-left).max(FixedPoint::ZERO)
    };
    available.iter_mut().zip(amounts).map(take).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(units: &[f64]) -> Amounts {
        units.iter().map(|&units| units.into()).collect()
    }

    fn chosen(available: &[f64], demand: f64) -> Option<Amounts> {
        choose(&amounts(available), demand.into())
    }

    #[test]
    fn one_instance_gives_what_it_has() {
        assert_eq!(chosen(&[2.0], 1.5), Some(amounts(&[1.5])));
        assert_eq!(chosen(&[1.0], 1.5), None);
        assert_eq!(chosen(&[], 0.0), None);
    }

    #[test]
    fn whole_ones_first_then_the_tightest_fit() {
        assert_eq!(chosen(&[1.0, 1.0, 0.7, 0.5], 1.2), Some(amounts(&[1.0, 0.0, 0.0, 0.2])));
        assert_eq!(chosen(&[0.5, 1.0, 1.0], 2.0), Some(amounts(&[0.0, 1.0, 1.0])));
        assert_eq!(chosen(&[0.4, 0.4], 0.4), Some(amounts(&[0.4, 0.0])), "the first of equals");
        assert_eq!(chosen(&[0.5, 0.5], 1.0), None, "no whole one");
        assert_eq!(chosen(&[0.5, 0.5], 0.6), None);
        assert_eq!(chosen(&[1.0, 0.1], 1.2), None);
    }

    #[test]
    fn only_what_is_there_is_taken() {
        let mut available = amounts(&[0.5, 1.0, -1.0]);
        let missing = subtract_to_zero(&mut available, &amounts(&[0.7, 0.7, 0.7]));
        assert_eq!((available, missing), (amounts(&[0.0, 0.3, -1.0]), amounts(&[0.2, 0.0, 0.7])));
    }
}
