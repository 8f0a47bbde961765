//! Runs each GoogleTest program of this package as one test.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

macro_rules! programs {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                run(env!(concat!("CARGO_BIN_EXE_", stringify!($name))));
            }
        )*
    };
}

programs! {
    allocator_test
    bad_input_test
    client_test
    common_test
    connection_test
    create_request_queue_test
    eviction_policy_test
    full_disk_test
    get_request_queue_test
    id_test
    malloc_test
    mutable_object_test
    obj_lifecycle_mgr_parts_test
    obj_lifecycle_mgr_test
    object_store_test
    plasma_allocator_test
    protocol_test
    random_model_test
    scheduling_border_test
    scheduling_labels_test
    scheduling_sets_test
    scheduling_values_test
    standalone_test
    stats_collector_test
    status_test
    store_test
    two_process_test
}

fn run(program: &str) {
    let done = Command::new(program).env("GTEST_COLOR", "no").output().expect("the program starts");
    let output = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success() && output.contains("[  PASSED  ]"),
        "{program}: {}\n{output}\n{errors}",
        done.status
    );
    assert!(!output.contains("[  SKIPPED ]"), "{program} left something out\n{output}");
    let ran = output.lines().find(|line| line.contains("[==========]") && line.contains("ran."));
    println!("{}", ran.unwrap_or("nothing ran"));
}

#[test]
fn every_program_is_run() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found: BTreeSet<String> = directory
        .read_dir()
        .expect("the directory of the package")
        .filter_map(|entry| entry.expect("a readable directory").file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".cc").map(str::to_owned))
        .filter(|name| name.ends_with("_test"))
        .collect();
    let listed: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, listed);
}
