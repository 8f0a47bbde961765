//! `plasma contains`, `plasma delete`, `plasma debug`.

use std::io::Write;
use std::path::Path;

use ray_common::ObjectId;
use ray_object_manager::plasma::client::Deletion;
use serde_json::json;

use super::ids::{self, IdName};
use super::{connect, write_json, Error, Style};

/// What became of an object: for programs, and for people.
type State = (&'static str, &'static str);

const NOT_THERE: State = ("not_there", "not there");

/// Tells of each object whether it is there.
pub(super) fn contains(
    names: &[IdName],
    socket: &Path,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let ids = ids::resolve(names, socket)?;
    let client = connect(socket)?;
    let there: Vec<bool> = ids.iter().map(|id| client.contains(*id)).collect::<Result<_, _>>()?;
    let state = |there: &bool| if *there { ("there", "there") } else { NOT_THERE };
    tell(&ids, &there.iter().map(state).collect::<Vec<_>>(), style, out)?;
    let missing = there.iter().filter(|there| !**there).count();
    if missing == 0 {
        return Ok(());
    }
    Err(Error::Missing(format!("{missing} of {} not there", ids.len())))
}

/// Deletes objects, and tells of each what became of it.
pub(super) fn delete(
    names: &[IdName],
    socket: &Path,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let ids = ids::resolve(names, socket)?;
    let deletions = connect(socket)?.delete(&ids)?;
    let state = |deletion: &Deletion| match deletion {
        Deletion::Done => ("deleted", "deleted"),
        Deletion::NotFound => NOT_THERE,
        Deletion::NotSealed => {
            ("not_sealed", "not sealed; goes when it is, and nobody uses it any more")
        }
        Deletion::InUse | Deletion::WhenReleased => {
            ("in_use", "in use; goes when nobody uses it any more")
        }
    };
    tell(&ids, &deletions.iter().map(state).collect::<Vec<_>>(), style, out)?;
    let missing = deletions.iter().filter(|deletion| **deletion == Deletion::NotFound).count();
    if missing == 0 {
        return Ok(());
    }
    Err(Error::Missing(format!("{missing} of {} not there", ids.len())))
}

fn tell(
    ids: &[ObjectId],
    states: &[State],
    style: Style,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    if style.json {
        let object = |(id, (state, _)): (&String, &State)| json!({ "id": id, "state": state });
        let objects: Vec<_> = ids.iter().zip(states).map(object).collect();
        return write_json(out, &json!({ "objects": objects }));
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let names = ids::names(&ids, style.full_ids);
    for (name, (_, state)) in names.iter().zip(states) {
        writeln!(out, "{name}  {state}")?;
    }
    Ok(())
}

/// Prints what any store says for debugging.
pub(super) fn debug(socket: &Path, style: Style, out: &mut dyn Write) -> Result<(), Error> {
    let client = connect(socket)?;
    let (text, capacity) = (client.debug_string()?, client.memory_capacity());
    if style.json {
        return write_json(out, &json!({ "capacity": capacity, "debug_string": text }));
    }
    writeln!(out, "capacity: {capacity}\n{}", text.trim_end())?;
    Ok(())
}
