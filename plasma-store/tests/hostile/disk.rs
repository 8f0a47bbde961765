//! A file system that becomes full under the store.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{create, creation, id, queued, release, seal, Watched};

/// Runs a command with a file system of 64 MiB on a directory, which nobody else sees; `None` where that is not allowed.
fn with_little_space(directory: &Path) -> Option<impl FnOnce(Command) -> Command> {
    let script = "mount -t tmpfs -o size=64m none \"$0\" && exec \"$@\"";
    let wrapped = ["--mount", "--user --map-root-user --mount"].into_iter().find_map(|isolated| {
        let mut wrapper = Command::new("unshare");
        wrapper.args(isolated.split(' ')).args(["sh", "-c", script]).arg(directory);
        let mut probe = Command::new("unshare");
        probe.args(wrapper.get_args()).arg("true").stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success()).then_some(wrapper)
    });
    wrapped.map(|mut wrapper| {
        move |command: Command| {
            wrapper.arg(command.get_program()).args(command.get_args());
            wrapper.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            wrapper
        }
    })
}

/// To touch a page for which there is no room would end the store.
#[test]
fn a_full_file_system_is_out_of_memory() {
    let place = tempfile::tempdir().unwrap();
    let Some(wrap) = with_little_space(place.path()) else {
        return eprintln!("file systems cannot be mounted here");
    };
    let directory = place.path().to_str().unwrap();
    let arguments = ["--plasma-directory", directory, "--fallback-directory", directory];
    let mut store = Watched::spawn(
        wrap,
        &[&arguments[..], &["--memory", "56MiB", "--disk-threshold", "1"]].concat(),
    );
    let filling = format!("/proc/{}/root{directory}/filling", store.pid());
    let mut file = File::create(&filling).unwrap();
    while file.write(&[1; 1 << 16]).is_ok_and(|written| written > 0) {}
    let mut client = store.talker();
    let large = |number: u32| creation(id(number), 40 << 20);
    assert_eq!(client.ask(&create(&large(1))).error(), 3);
    let mutable = |number| {
        let mut request = large(number);
        request.is_mutable = true;
        create(&request)
    };
    assert_eq!(client.ask(&mutable(1)).error(), 3);
    assert_eq!(client.ask(&queued(id(1), 40 << 20)).error(), 8);
    assert!(client.stands().0);
    drop(file);
    fs::remove_file(&filling).unwrap();
    assert_eq!(client.ask(&mutable(1)).error(), 0);
    client.ask(&seal(id(1)));
    client.say(&release(id(1), false));
    assert_eq!(client.ask(&create(&large(2))).error(), 0);
    drop(client);
    store.is_as_before();
}
