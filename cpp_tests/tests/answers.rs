//! Random values, and what is made of them: by Rust, by the C++ classes over it, and by a Ray from pip.

#[path = "answers/messages.rs"]
mod messages;
#[path = "answers/respondent.rs"]
mod respondent;
#[path = "answers/values.rs"]
mod values;

use std::cell::RefCell;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use messages::{messages, Messages};
use respondent::Respondent;
use values::{values, Pair, Values};

/// `PLASMA_RS_TEST_SCALE=full` tries many more.
fn cases() -> u32 {
    if std::env::var("PLASMA_RS_TEST_SCALE").as_deref() == Ok("full") {
        20_000
    } else {
        500
    }
}

fn try_many<S: Strategy>(values: &S, test: impl Fn(S::Value) -> TestCaseResult) {
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases()) });
    runner.run(values, test).unwrap_or_else(|failure| panic!("{failure}"));
}

fn compare<S: Strategy>(
    respondent: &RefCell<Respondent>,
    values: &S,
    questions: impl Fn(&S::Value) -> Vec<Pair>,
) {
    try_many(values, |values| {
        for (question, expected) in questions(&values) {
            let answer = respondent.borrow_mut().ask(&question);
            proptest::prop_assert_eq!(answer, expected, "to {}", question);
        }
        Ok(())
    });
}

fn cpp() -> RefCell<Respondent> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_answers"));
    // Texts that are no id's are logged.
    command.stderr(Stdio::null());
    RefCell::new(Respondent::start(command))
}

#[test]
fn rust_and_cpp_agree_about_ids() {
    compare(&cpp(), &values(), Values::about_ids);
    compare(&cpp(), &values(), Values::about_parts);
}

#[test]
fn rust_and_cpp_agree_about_what_is_no_id() {
    compare(&cpp(), &values(), Values::about_faults);
}

#[test]
fn rust_and_cpp_agree_about_statuses() {
    compare(&cpp(), &values(), Values::about_statuses);
}

fn ray_from_pip() -> RefCell<Respondent> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let venv = Command::new(folder.join("../tools/ray-venv.sh"))
        .arg("2.60.0")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("the script starts");
    assert!(venv.status.success(), "tools/ray-venv.sh failed: {}", venv.status);
    let venv = String::from_utf8(venv.stdout).expect("a path");
    let mut python = Command::new(Path::new(venv.trim_end()).join("bin/python"));
    python.arg(folder.join("tests/answers.py"));
    RefCell::new(Respondent::start(python))
}

#[test]
fn rust_and_a_ray_from_pip_agree_about_ids() {
    compare(&ray_from_pip(), &values(), Values::about_ids);
}

#[test]
fn rust_and_a_ray_from_pip_write_the_same_messages() {
    compare(&ray_from_pip(), &messages(), Messages::written);
}

#[test]
fn rust_reads_the_messages_of_a_ray_from_pip() {
    let ray = ray_from_pip();
    try_many(&messages(), |messages| messages.read(|question| ray.borrow_mut().ask(question)));
}
