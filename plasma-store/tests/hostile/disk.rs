//! A file system that becomes full under the store.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{fstat, ftruncate};

use crate::harness::{create, creation, id, queued, release, seal, Came, Watched};

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

/// Every client has the descriptor of the file in which all objects lie.
#[test]
fn a_file_that_a_client_cuts_off_does_not_end_the_store() {
    let mut store = Watched::start(&[]);
    let (mut client, mut other) = (store.talker(), store.talker());
    client.say(&create(&creation(id(1), 1000)));
    let file = loop {
        if let Came::Fd(file) = client.hear() {
            break file;
        }
    };
    let length = u64::try_from(fstat(&file).unwrap().st_size).unwrap();
    ftruncate(&file, 0).unwrap();
    let mut channel = creation(id(2), 1_000_000);
    channel.is_mutable = true;
    assert_eq!(other.ask(&create(&channel)).error(), 0);
    assert_eq!(other.ask(&seal(id(2))).error(), 0);
    assert_eq!(other.stands(), (true, 0));
    // For those who have it mapped it has to be there again.
    ftruncate(&file, length).unwrap();
    drop((client, other, file));
    store.is_as_before();
}
