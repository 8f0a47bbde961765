//! `plasma put`.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use indicatif::ProgressBar;
use ray_common::ObjectId;
use ray_object_manager::plasma::client::{CreateOptions, PlasmaClient};
use serde_json::json;

use super::args::Put;
use super::{connect, progress, write_json, Error, Style};

/// Bytes that are read at once.
const CHUNK: usize = 4 << 20;

/// Puts what the command line names, and prints its id.
pub(super) fn run(
    args: &Put,
    socket: &Path,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut source = Source::open(args.file.as_deref())?;
    let client = connect(socket)?;
    let started = Instant::now();
    let id = args.id.unwrap_or_else(ObjectId::random);
    let mut options = CreateOptions::new(id, source.length).metadata(args.metadata.as_bytes());
    if args.immediately {
        options = options.immediately();
    }
    let fallback = put(&client, &options, &mut source)?;
    if style.json {
        return write_json(
            out,
            &json!({
                "id": id.to_string(),
                "data_size": source.length,
                "metadata_size": args.metadata.len(),
                "fallback": fallback,
                "seconds": started.elapsed().as_secs_f64(),
            }),
        );
    }
    writeln!(out, "{id}")?;
    Ok(())
}

/// Returns whether the object lies on the disk.
fn put(
    client: &PlasmaClient,
    options: &CreateOptions<'_>,
    source: &mut Source,
) -> Result<bool, Error> {
    let bar = progress::bytes(source.length, "put");
    let mut object = client.create(options)?;
    // What is not sealed is given up when it is dropped.
    fill(object.data_mut(), source, &bar)?;
    let fallback = object.is_fallback_allocated();
    object.seal()?;
    bar.finish_and_clear();
    Ok(fallback)
}

fn fill(mut place: &mut [u8], source: &mut Source, bar: &ProgressBar) -> Result<(), Error> {
    let fail = Error::file(&source.name);
    while !place.is_empty() {
        let length = place.len().min(CHUNK);
        match source.reader.read(&mut place[..length]) {
            Ok(0) => {
                let kind = io::ErrorKind::UnexpectedEof;
                return Err(fail(io::Error::new(kind, "it has become shorter meanwhile")));
            }
            Ok(length) => {
                place = &mut place[length..];
                bar.inc(length as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fail(error)),
        }
    }
    Ok(())
}

/// Bytes to be put, whose number is known.
struct Source {
    name: String,
    length: u64,
    reader: Box<dyn Read>,
}

impl Source {
    fn open(path: Option<&Path>) -> Result<Self, Error> {
        match path.filter(|path| *path != Path::new("-")) {
            Some(path) => {
                let name = path.display().to_string();
                let file = File::open(path).map_err(Error::file(&name))?;
                Self::of(file, name)
            }
            None => {
                let name = "standard input".to_owned();
                let input = io::stdin().as_fd().try_clone_to_owned();
                Self::of(File::from(input.map_err(Error::file(&name))?), name)
            }
        }
    }

    /// A file goes straight into the store; what has no length is read first.
    fn of(mut file: File, name: String) -> Result<Self, Error> {
        let about = file.metadata().map_err(Error::file(&name))?;
        if about.is_dir() {
            let error = io::ErrorKind::IsADirectory.into();
            return Err(Error::file(&name)(error));
        }
        // Some files of the operating system claim to be empty.
        if about.is_file() && about.len() > 0 {
            let at = file.stream_position().map_err(Error::file(&name))?;
            let length = about.len().saturating_sub(at);
            return Ok(Self { name, length, reader: Box::new(file) });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::file(&name))?;
        let length = bytes.len() as u64;
        Ok(Self { name, length, reader: Box::new(io::Cursor::new(bytes)) })
    }
}
