//! Amounts of resources: whole numbers of ten-thousandths.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// An amount in ten-thousandths of a unit, the precision that Ray counts with.
///
/// Arithmetic is exact on the whole numbers. What would overflow stays at the largest or smallest amount, so that the sign
/// of a sum is never wrong; the C++ header does the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct FixedPoint(i64);

impl FixedPoint {
    /// Parts in a unit.
    pub const SCALE: i32 = 10_000;
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One unit.
    pub const ONE: Self = Self(Self::SCALE as i64);

    /// That many ten-thousandths.
    pub const fn from_raw(parts: i64) -> Self {
        Self(parts)
    }

    /// The ten-thousandths.
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// What is smaller than a ten-thousandth is cut off, towards zero. What does not fit becomes the largest or smallest
    /// amount, and NaN nothing.
    #[allow(clippy::cast_possible_truncation)] // it saturates
    pub fn from_f64(units: f64) -> Self {
        Self((units * f64::from(Self::SCALE)) as i64)
    }

    /// Whole units. By way of the floating-point number, as in Ray: so an amount of bytes is equal to the same number that
    /// came in a protocol buffer, which has only floating-point numbers, also above 2⁵³ parts.
    #[allow(clippy::cast_precision_loss)] // said above
    pub fn from_units(units: i64) -> Self {
        Self::from_f64(units as f64)
    }

    /// In units.
    #[allow(clippy::cast_precision_loss)] // the nearest number, as in Ray
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / f64::from(Self::SCALE)
    }

    /// The whole units in it, and 0 for a negative amount.
    pub fn whole_units(self) -> u64 {
        u64::try_from(self.0 / i64::from(Self::SCALE)).unwrap_or(0)
    }
}

impl From<i32> for FixedPoint {
    fn from(units: i32) -> Self {
        Self(i64::from(units) * i64::from(Self::SCALE))
    }
}

impl From<f64> for FixedPoint {
    fn from(units: f64) -> Self {
        Self::from_f64(units)
    }
}

impl Add for FixedPoint {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for FixedPoint {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for FixedPoint {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl AddAssign for FixedPoint {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for FixedPoint {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for FixedPoint {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl<'a> Sum<&'a FixedPoint> for FixedPoint {
    fn sum<I: Iterator<Item = &'a Self>>(amounts: I) -> Self {
        amounts.copied().sum()
    }
}

/// The ten-thousandths, as Ray prints an amount.
impl fmt::Display for FixedPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `[10000, 5000]`: amounts as Ray prints a list of them.
pub fn list(amounts: &[FixedPoint]) -> String {
    let amounts: Vec<String> = amounts.iter().map(ToString::to_string).collect();
    format!("[{}]", amounts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_cut_off_towards_zero() {
        assert_eq!(FixedPoint::from(0.000_19).raw(), 1);
        assert_eq!(FixedPoint::from(-0.000_19).raw(), -1);
        assert_eq!(FixedPoint::from(0.000_09), FixedPoint::ZERO);
        assert_eq!(FixedPoint::from(1), FixedPoint::ONE);
        assert_eq!(FixedPoint::from_units(-3), FixedPoint::from(-3.0));
    }

    #[test]
    fn ten_tenths_are_one() {
        let tenths = [FixedPoint::from(0.1); 10];
        assert_eq!(tenths.iter().sum::<FixedPoint>(), FixedPoint::ONE);
    }

    #[test]
    fn what_does_not_fit_stays_at_the_end() {
        let largest = FixedPoint::from_raw(i64::MAX);
        let smallest = FixedPoint::from_raw(i64::MIN);
        assert_eq!(FixedPoint::from(1e300), largest);
        assert_eq!(FixedPoint::from(f64::NEG_INFINITY), smallest);
        assert_eq!(FixedPoint::from(f64::NAN), FixedPoint::ZERO);
        assert_eq!(largest + FixedPoint::ONE, largest);
        assert_eq!(smallest - FixedPoint::ONE, smallest);
        assert_eq!(-smallest, largest);
        assert_eq!(FixedPoint::from_units(i64::MAX), largest);
    }

    #[test]
    fn whole_units_are_never_negative() {
        assert_eq!(FixedPoint::from(2.9).whole_units(), 2);
        assert_eq!(FixedPoint::from(-2.9).whole_units(), 0);
    }

    #[test]
    fn it_prints_parts() {
        assert_eq!(list(&[FixedPoint::ONE, FixedPoint::from(0.5)]), "[10000, 5000]");
        assert_eq!(list(&[]), "[]");
    }
}
