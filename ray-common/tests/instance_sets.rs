//! The instances of a node: what may be taken together, and what is refused.

use ray_common::scheduling::instance_table::InstanceError;
use ray_common::scheduling::instances::MAX_INSTANCES;
use ray_common::scheduling::{
    FixedPoint, NodeResourceInstanceSet, NodeResourceSet, ResourceId, ResourceSet,
    TaskResourceInstanceSet,
};

const GPU: ResourceId = ResourceId::GPU;

fn amounts(units: &[f64]) -> Vec<FixedPoint> {
    units.iter().copied().map(FixedPoint::from_f64).collect()
}

fn id(name: &str) -> ResourceId {
    ResourceId::new(name)
}

fn node(instances: &[(&str, &[f64])]) -> NodeResourceInstanceSet {
    let mut node = NodeResourceInstanceSet::new();
    for (name, units) in instances {
        node.edit().set(id(name), &amounts(units)).expect("instances");
    }
    node
}

fn take(
    node: &mut NodeResourceInstanceSet,
    wanted: &[(&str, f64)],
) -> Result<TaskResourceInstanceSet, InstanceError> {
    let wanted: ResourceSet = wanted.iter().map(|&(name, units)| (id(name), units)).collect();
    node.edit().try_allocate(wanted.quantities()).map(Into::into)
}

/// A group of two bundles over three processors.
fn group() -> NodeResourceInstanceSet {
    node(&[
        ("GPU_group_ab", &[1.0, 1.0, 1.0]),
        ("GPU_group_0_ab", &[1.0, 0.0, 0.0]),
        ("GPU_group_1_ab", &[0.0, 1.0, 1.0]),
    ])
}

#[test]
fn a_bundle_and_its_group_give_the_same() {
    let mut node = group();
    let task =
        take(&mut node, &[("GPU_group_ab", 1.0), ("GPU_group_1_ab", 1.0)]).expect("there is one");
    assert_eq!(task.get(id("GPU_group_ab")), task.get(id("GPU_group_1_ab")));
    assert_eq!(node.get(id("GPU_group_ab")), amounts(&[1.0, 0.0, 1.0]));
    assert_eq!(node.get(id("GPU_group_1_ab")), amounts(&[0.0, 0.0, 1.0]));
}

#[test]
fn a_group_alone_takes_the_lowest_bundle_that_has_enough() {
    let mut node = group();
    let task = take(&mut node, &[("GPU_group_ab", 2.0)]).expect("bundle 1 has two");
    assert_eq!(task.get(id("GPU_group_1_ab")), Some(&*amounts(&[0.0, 1.0, 1.0])));
    take(&mut node, &[("GPU_group_ab", 0.5)]).expect("bundle 0 has one");
    assert_eq!(node.get(id("GPU_group_0_ab")), amounts(&[0.5, 0.0, 0.0]));
    let before = node.clone();
    assert_eq!(
        take(&mut node, &[("GPU_group_ab", 1.0)]),
        Err(InstanceError::NotEnough { resource: id("GPU_group_ab") })
    );
    assert_eq!(node, before);
}

#[test]
fn a_removed_bundle_is_not_found() {
    let mut node = group();
    node.edit().remove(id("GPU_group_0_ab"));
    node.edit().remove(id("GPU_group_1_ab"));
    assert!(take(&mut node, &[("GPU_group_ab", 0.5)]).is_err());
}

#[test]
fn what_does_not_fit_together_is_refused_and_changes_nothing() {
    // Only the bundle; only the group; instances of another number; two bundles of one group.
    for (present, wanted) in [
        (&[("X_group_0_ab", &[1.0][..])][..], &[("X_group_ab", 1.0), ("X_group_0_ab", 1.0)][..]),
        (&[("X_group_ab", &[1.0])], &[("X_group_ab", 1.0)]),
        (
            &[("X_group_ab", &[1.0]), ("X_group_0_ab", &[1.0, 1.0])],
            &[("X_group_ab", 1.0), ("X_group_0_ab", 1.0)],
        ),
        (
            &[("X_group_ab", &[0.5]), ("X_group_0_ab", &[1.0])],
            &[("X_group_ab", 1.0), ("X_group_0_ab", 1.0)],
        ),
        (
            &[("X_group_0_ab", &[1.0]), ("X_group_1_ab", &[1.0, 1.0]), ("X_group_ab", &[2.0])],
            &[("X_group_0_ab", 1.0), ("X_group_1_ab", 1.0), ("X_group_ab", 2.0)],
        ),
    ] {
        let mut node = node(present);
        let before = node.clone();
        assert!(take(&mut node, wanted).is_err(), "{before}");
        assert_eq!(node, before);
    }
}

#[test]
fn processors_of_a_group_may_go_below_zero() {
    let mut node = node(&[("CPU_group_ab", &[0.0]), ("CPU_group_0_ab", &[1.0])]);
    take(&mut node, &[("CPU_group_ab", 1.0), ("CPU_group_0_ab", 1.0)])
        .expect("a task that waits lends its own");
    assert_eq!(node.get(id("CPU_group_ab")), amounts(&[-1.0]));
}

#[test]
fn an_implicit_resource_is_there_until_it_is_used() {
    let implicit = "node:__internal_implicit_resource_x";
    let mut node = node(&[]);
    assert_eq!(node.get(id(implicit)), amounts(&[1.0]));
    let task = take(&mut node, &[(implicit, 0.3)]).expect("there is one");
    assert_eq!((node.get(id(implicit)), node.sum(id(implicit))), (&*amounts(&[0.7]), 0.7.into()));
    assert!(node.edit().add(id(implicit), &amounts(&[1.0])).is_err());
    node.edit().free(id(implicit), task.get(id(implicit)).expect("taken")).expect("one instance");
    assert_eq!(node, NodeResourceInstanceSet::new());
}

#[test]
fn instances_are_added_and_taken_away() {
    let mut node = node(&[("GPU", &[1.0])]);
    node.edit().add(GPU, &amounts(&[0.0, 1.0])).expect("a new one");
    node.edit().add(GPU, &amounts(&[-0.5])).expect("to the first");
    assert_eq!(node.get(GPU), amounts(&[0.5, 1.0]));
    let missing = node.edit().subtract(GPU, &amounts(&[1.0, 0.5]), false).expect("two");
    assert_eq!((&*missing, node.get(GPU)), (&*amounts(&[0.5, 0.0]), &*amounts(&[0.0, 0.5])));
    let missing = node.edit().subtract(GPU, &amounts(&[1.0, 0.0]), true).expect("two");
    assert_eq!((&*missing, node.get(GPU)), (&*amounts(&[0.0, 0.0]), &*amounts(&[-1.0, 0.5])));
}

#[test]
fn another_number_of_instances_is_a_mistake() {
    let mut node = node(&[("GPU", &[1.0, 1.0])]);
    let wrong = InstanceError::Count { resource: GPU, present: 2, given: 1 };
    assert_eq!(node.edit().free(GPU, &amounts(&[1.0])), Err(wrong.clone()));
    assert_eq!(node.edit().subtract(GPU, &amounts(&[1.0]), true), Err(wrong));
    assert_eq!(node.edit().set(GPU, &[]), Err(InstanceError::Empty { resource: GPU }));
    assert_eq!(
        node.edit().add(id("nothing"), &[]),
        Err(InstanceError::Empty { resource: id("nothing") })
    );
    assert_eq!(
        node.edit().free(id("nothing"), &[]),
        Err(InstanceError::Empty { resource: id("nothing") })
    );
    assert_eq!(node.get(GPU), amounts(&[1.0, 1.0]));
}

#[test]
fn whole_things_are_an_instance_each() {
    let total = NodeResourceSet::from_iter([(ResourceId::CPU, 2.0), (GPU, 2.5), (id("TPU"), 0.5)]);
    let node = NodeResourceInstanceSet::from_total(&total).expect("few");
    assert_eq!(node.to_string(), "{CPU: [20000], GPU: [10000, 10000]}");
    assert_eq!(node.to_node_resource_set().get(GPU), 2.into());
    let huge = NodeResourceSet::from_iter([(GPU, 1e12)]);
    let error =
        NodeResourceInstanceSet::from_total(&huge).expect_err("nobody has them").to_string();
    assert!(error.contains("GPU") && error.contains(&MAX_INSTANCES.to_string()), "{error}");
    let task = TaskResourceInstanceSet::from_resources(&ResourceSet::from_iter([
        (GPU, 2),
        (ResourceId::CPU, 5),
    ]))
    .expect("few");
    assert_eq!(task.to_string(), "{CPU: [50000], GPU: [10000, 10000]}");
    assert_eq!(task.to_resource_set().get(GPU), 2.into());
    assert_eq!(task.resources().count(), 2);
}
