//! What a processor can do for tables in memory, and no language says: fetch ahead, and compare a line at once.

/// Has the processor fetch what lies at an address, which may be any, while something else is done.
#[inline(always)]
pub fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which reads nothing and faults nowhere.
    #[allow(unused_unsafe)]
    unsafe {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        _mm_prefetch(address.cast(), _MM_HINT_T0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Which of eight words have this upper half: a bit each, the first word's the lowest.
#[inline(always)]
#[must_use]
pub fn with_upper_half(words: &[u64; 8], half: u32) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has SSE2. The loads read the eight words, which need no alignment.
    unsafe {
        use std::arch::x86_64::{
            __m128, _mm_castps_si128, _mm_castsi128_ps, _mm_cmpeq_epi32, _mm_loadu_ps,
            _mm_movemask_ps, _mm_set1_epi32, _mm_shuffle_ps,
        };
        let start = words.as_ptr().cast::<f32>();
        let wanted = _mm_set1_epi32(half.cast_signed());
        let equal = |low: __m128, high: __m128| {
            let halves = _mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(low, high));
            _mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(halves, wanted))).cast_unsigned()
        };
        let first = equal(_mm_loadu_ps(start), _mm_loadu_ps(start.add(4)));
        let second = equal(_mm_loadu_ps(start.add(8)), _mm_loadu_ps(start.add(12)));
        first | second << 4
    }
    #[cfg(not(target_arch = "x86_64"))]
    words.iter().rev().fold(0, |found, &word| found << 1 | u32::from((word >> 32) as u32 == half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_halves_are_compared() {
        for value in [0, 1, 7, u32::MAX, 1 << 31, 0x7fc0_0000] {
            for which in 0..256_u32 {
                let words = std::array::from_fn(|at| {
                    let upper = if which >> at & 1 == 1 { value } else { !value };
                    u64::from(upper) << 32 | [u64::from(value), 0, u64::from(u32::MAX)][at % 3]
                });
                assert_eq!(with_upper_half(&words, value), which, "{value:x}");
            }
        }
    }
}
