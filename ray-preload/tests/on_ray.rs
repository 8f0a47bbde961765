//! A Ray from pip runs a program on our store, with the results that it has on its own.

#[path = "on_ray/run.rs"]
mod run;
#[path = "on_ray/store.rs"]
mod store;

use run::{Outcome, Run};

/// Ray's figures and ours, after each section that has some.
fn same_figures(outcome: &Outcome) {
    assert!(outcome.figures.len() >= 5, "{outcome:?}");
    for (at, rays, ours) in &outcome.figures {
        let ours = ours.as_ref().unwrap();
        let number = |name: &str| rays[name].as_i64().unwrap();
        let of_ours = |path: &str| ours.pointer(path).unwrap().as_i64().unwrap();
        let unsealed = |what: &str| of_ours(&format!("/states/unsealed/{what}"));
        assert_eq!(number("capacity"), of_ours("/capacity"), "{at}: {rays} {ours}");
        assert_eq!(number("used"), of_ours("/states/sealed_bytes"), "{at}: {rays} {ours}");
        assert_eq!(number("fallback"), of_ours("/fallback_allocated"), "{at}: {rays} {ours}");
        let sealed = of_ours("/objects") - unsealed("objects");
        assert_eq!(number("objects"), sealed, "{at}: {rays} {ours}");
        let created = |what: &str| of_ours(&format!("/created_total/{what}"));
        assert_eq!(number("created_objects"), created("objects"), "{at}: {rays} {ours}");
        assert_eq!(number("created_bytes"), created("bytes"), "{at}: {rays} {ours}");
    }
}

#[test]
fn the_same_program_has_the_same_results() {
    let on_ours = Run::new("2.60.0").on_our_store().go();
    assert!(on_ours.store_log.contains("the Rust plasma store serves"), "{on_ours:?}");
    assert!(!on_ours.store_log.contains("ERROR"), "{}", on_ours.store_log);
    same_figures(&on_ours);
    let on_rays = Run::new("2.60.0").go();
    assert!(!on_rays.store_log.contains("Rust"), "{on_rays:?}");
    assert_eq!(on_ours.digests, on_rays.digests);
    assert!(on_ours.digests.len() >= 12, "{on_ours:?}");

    let last = |outcome: &Outcome, name: &str| outcome.figures.last().unwrap().1[name].as_i64();
    for outcome in [&on_ours, &on_rays] {
        assert!(last(outcome, "spilled_objects") > Some(20), "{outcome:?}");
        assert!(last(outcome, "restored_objects") > Some(20), "{outcome:?}");
    }
    assert_eq!(on_ours.left_behind, Vec::<String>::new());
}
