//! `plasma get`.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use ray_common::ObjectId;
use ray_object_manager::plasma::client::Buffer;
use serde_json::{json, Value};

use super::args::Get;
use super::{connect, ids, progress, write_json, Error, Style};

/// Bytes that are written at once.
const CHUNK: usize = 4 << 20;

/// Gets what the command line names.
pub(super) fn run(
    args: &Get,
    socket: &Path,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let ids = ids::resolve(&args.ids, socket)?;
    let client = connect(socket)?;
    let objects = client.get(&ids, args.timeout)?;
    let missing: Vec<String> = ids
        .iter()
        .zip(&objects)
        .filter(|(_, object)| object.is_none())
        .map(|(id, _)| id.to_string())
        .collect();
    let found: Vec<&Buffer> = objects.iter().flatten().collect();
    let content =
        |object: &Buffer| if args.metadata { object.metadata().len() } else { object.len() } as u64;
    let bar = progress::bytes(found.iter().map(|object| content(object)).sum(), "get");
    let write = |to: &mut dyn Write, object: &Buffer| -> io::Result<()> {
        let bytes = if args.metadata { object.metadata() } else { object.data() };
        for chunk in bytes.chunks(CHUNK) {
            to.write_all(chunk)?;
            bar.inc(chunk.len() as u64);
        }
        to.flush()
    };
    let file_of = |id: &ObjectId| args.directory.as_ref().map(|at| at.join(id.to_string()));
    let to_file = args.output.as_deref().filter(|path| *path != Path::new("-"));
    if let Some(directory) = &args.directory {
        std::fs::create_dir_all(directory).map_err(Error::file(directory.display()))?;
        for object in &found {
            let path = directory.join(object.id().to_string());
            into_file(&path, |file| write(file, object))?;
        }
    } else if missing.is_empty() {
        // One after the other; half of them would be of no use.
        if let Some(path) = to_file {
            into_file(path, |file| found.iter().try_for_each(|object| write(file, object)))?;
        } else if args.output.is_some() || !style.json {
            if args.output.is_none() {
                fit_for_a_terminal(&found, args.metadata)?;
            }
            found.iter().try_for_each(|object| write(out, object))?;
        }
    }
    bar.finish_and_clear();
    if style.json && args.output.as_deref() != Some(Path::new("-")) {
        let file = |id: &ObjectId| file_of(id).or_else(|| to_file.map(PathBuf::from));
        let objects = ids.iter().zip(&objects);
        let about: Vec<Value> =
            objects.map(|(id, object)| description(id, object.as_ref(), file(id))).collect();
        write_json(out, &json!({ "objects": about }))?;
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Missing(format!("not there: {}", missing.join(" "))))
}

fn description(id: &ObjectId, object: Option<&Buffer>, file: Option<PathBuf>) -> Value {
    let Some(object) = object else {
        return json!({ "id": id.to_string(), "found": false });
    };
    json!({
        "id": id.to_string(),
        "found": true,
        "data_size": object.len(),
        "metadata_size": object.metadata().len(),
        "metadata": String::from_utf8_lossy(object.metadata()),
        "fallback": object.is_fallback_allocated(),
        "file": file.map(|file| file.display().to_string()),
    })
}

fn into_file(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), Error> {
    let mut file = File::create(path).map_err(Error::file(path.display()))?;
    write(&mut file).map_err(Error::file(path.display()))
}

/// What is no text leaves a terminal unusable.
fn fit_for_a_terminal(objects: &[&Buffer], metadata: bool) -> Result<(), Error> {
    let text = |object: &&Buffer| {
        let bytes = if metadata { object.metadata() } else { object.data() };
        let control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\n' | b'\t' | b'\r');
        std::str::from_utf8(bytes).is_ok() && !bytes.iter().any(control)
    };
    if !io::stdout().is_terminal() || objects.iter().all(text) {
        return Ok(());
    }
    Err(Error::Usage(
        "this is no text: redirect it, give -o FILE, or -o - to see it all the same".into(),
    ))
}
