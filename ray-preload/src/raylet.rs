//! Whether this process is a raylet.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::OnceLock;

use ray_mirror::RayletArguments;

/// How the file of this library is called.
const LIBRARY: &str = "libray_preload.so";

static RAYLET: OnceLock<RayletArguments> = OnceLock::new();

/// What this raylet was told about its store; `None` when this is no raylet.
pub(crate) fn this() -> Option<&'static RayletArguments> {
    RAYLET.get()
}

/// Finds out. Called before the program begins, when there is no other thread.
pub(crate) fn look() {
    let is_raylet = std::fs::read_link("/proc/self/exe")
        .is_ok_and(|program| program.file_name().is_some_and(is_raylets));
    if !is_raylet {
        return;
    }
    remove_from_environment();
    match command_line().map(|arguments| RayletArguments::parse(&arguments)) {
        Ok(Ok(arguments)) => {
            crate::logger::install();
            let _ = RAYLET.set(arguments);
        }
        // `raylet --help`, for one.
        Ok(Err(error)) => eprintln!("the Rust plasma store stays out: {error}"),
        Err(error) => eprintln!("the Rust plasma store cannot read the command line: {error}"),
    }
}

/// Whether a program of this name is a raylet: `raylet`, `raylet.real`, or one that was deleted meanwhile.
fn is_raylets(name: &OsStr) -> bool {
    let rest = name.as_bytes().strip_prefix(b"raylet");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'.' | b' ')))
}

fn command_line() -> std::io::Result<Vec<OsString>> {
    let bytes = std::fs::read("/proc/self/cmdline")?;
    let arguments = bytes.split(|byte| *byte == 0).skip(1);
    Ok(arguments.map(|argument| OsString::from_vec(argument.to_vec())).collect())
}

/// What the raylet starts does not load this library.
fn remove_from_environment() {
    const NAME: &str = "LD_PRELOAD";
    let Some(list) = std::env::var_os(NAME) else {
        return;
    };
    let others: Vec<&[u8]> = list
        .as_bytes()
        .split(|byte| matches!(byte, b':' | b' '))
        .filter(|path| !path.is_empty() && !path.ends_with(LIBRARY.as_bytes()))
        .collect();
    if others.is_empty() {
        std::env::remove_var(NAME);
    } else {
        std::env::set_var(NAME, OsStr::from_bytes(&others.join(&b':')));
    }
}
