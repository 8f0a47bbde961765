//! Which resources come in whole things is state of the process, so this is a program of its own.

use ray_common::scheduling::ResourceId;

#[test]
fn unit_instances_are_as_configured() {
    assert!(ResourceId::GPU.is_unit_instance() && ResourceId::new("TPU").is_unit_instance());
    assert!(!ResourceId::CPU.is_unit_instance());
    let before = ResourceId::unit_instances();
    let error =
        ResourceId::configure_unit_instances(b"CPU,custom2", b"").expect_err("not predefined");
    assert!(error.to_string().contains("custom2"));
    assert_eq!(ResourceId::unit_instances(), before);
    ResourceId::configure_unit_instances(b"CPU,GPU", b"TPU,,custom1").expect("names");
    assert!(ResourceId::CPU.is_unit_instance() && ResourceId::new("custom1").is_unit_instance());
    assert!(!ResourceId::MEMORY.is_unit_instance());
    ResourceId::set_unit_instances(before);
}
