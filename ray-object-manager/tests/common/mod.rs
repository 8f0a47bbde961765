//! What the property tests share: how long they run, how a failure is repeated, and ids by number.

#![allow(dead_code)] // each test program uses its part

pub(crate) mod allocators;
pub(crate) mod lifecycle_model;

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use ray_common::ObjectId;

/// Operations in one sequence, on average: each has between one and twice as many.
const SEQUENCE: u32 = 2000;

/// How much of the full count of operations is run: `PLASMA_RS_TEST_SCALE`, `full` or a part of 1. By default
/// all in an optimized build, and one in fifty otherwise.
fn scale() -> f64 {
    let default = if cfg!(debug_assertions) { 0.02 } else { 1.0 };
    match std::env::var("PLASMA_RS_TEST_SCALE").as_deref() {
        Err(_) => default,
        Ok("full") => 1.0,
        Ok(part) => part.parse().expect("PLASMA_RS_TEST_SCALE is `full` or a number"),
    }
}

/// Where the random numbers start: `PLASMA_RS_TEST_SEED`, the same in every run by default.
fn seed() -> u64 {
    std::env::var("PLASMA_RS_TEST_SEED")
        .map_or(1, |seed| seed.parse().expect("PLASMA_RS_TEST_SEED is a whole number"))
}

/// Runs `test` on random sequences of operations, about `operations` of them in all. A sequence that
/// fails is made as short as it can be and shown with the seed.
pub(crate) fn hold<O: Debug>(
    name: &str,
    operations: u32,
    operation: impl Strategy<Value = O>,
    test: impl Fn(Vec<O>),
) {
    let seed = seed();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    for (place, letter) in bytes[8..].iter_mut().zip(name.bytes()) {
        *place = letter;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count, rounded
    let cases = (f64::from(operations) * scale() / f64::from(SEQUENCE)).ceil() as u32;
    let config = Config {
        cases: cases.max(1),
        failure_persistence: None,
        max_shrink_iters: 5_000,
        max_shrink_time: 20_000, // milliseconds
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, random).run(
        &vec(operation, 1..2 * SEQUENCE as usize),
        |operations| {
            test(operations);
            Ok::<(), TestCaseError>(())
        },
    );
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, operations)) => panic!(
            "{name} with PLASMA_RS_TEST_SEED={seed}: {reason}\nafter these operations: {operations:#?}"
        ),
        Err(TestError::Abort(reason)) => panic!("{name} with seed {seed}: {reason}"),
    }
}

/// The id of this number.
pub(crate) fn id(number: u16) -> ObjectId {
    let mut bytes = [0x5a; 28];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    bytes[26..].copy_from_slice(&number.to_be_bytes());
    ObjectId::from_bytes(bytes)
}
