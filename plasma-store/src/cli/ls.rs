//! `plasma ls`.

use std::cmp::Reverse;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::args::{Ls, Order};
use super::table::Table;
use super::{ids, write_json, Error, Style};
use crate::admin::{Admin, Object, Objects};
use crate::values::human_size;

/// Lists the objects.
pub(super) fn run(
    args: &Ls,
    socket: &Path,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut all = Admin::connect(socket)?.objects()?;
    sort(&mut all.objects, args.sort);
    all.objects.truncate(args.limit.unwrap_or(usize::MAX));
    if style.json {
        return write_json(out, &json!(all));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for line in lines(&all, style.full_ids, now) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn sort(objects: &mut [Object], order: Order) {
    // So that the order is always the same.
    objects.sort_by(|one, other| one.id.cmp(&other.id));
    match order {
        Order::Id => {}
        Order::Oldest => objects.sort_by_key(|object| object.created),
        Order::Newest => objects.sort_by_key(|object| Reverse(object.created)),
        Order::Largest => objects.sort_by_key(|object| Reverse(object.data_size)),
        Order::MostUsed => objects.sort_by_key(|object| Reverse(object.references)),
    }
}

fn lines(all: &Objects, full_ids: bool, now: Duration) -> Vec<String> {
    let headings = ["ID", "SIZE", "METADATA", "STATE", "USED BY", "WHERE", "FROM", "AGE"];
    let mut table = Table::new(&headings, &[false, true, true, false, true, false, false, true]);
    let ids: Vec<&str> = all.objects.iter().map(|object| object.id.as_str()).collect();
    for (object, name) in all.objects.iter().zip(ids::names(&ids, full_ids)) {
        let size = |bytes: i64| human_size(u64::try_from(bytes).unwrap_or(0));
        let sealed = if object.sealed { "sealed" } else { "unsealed" };
        let created = Duration::from_secs(u64::try_from(object.created).unwrap_or(0));
        table.row(vec![
            name,
            size(object.data_size),
            size(object.metadata_size),
            if object.mutable { format!("{sealed} channel") } else { sealed.to_owned() },
            object.references.to_string(),
            if object.fallback { "disk" } else { "memory" }.to_owned(),
            source(object.source).to_owned(),
            age(now.saturating_sub(created)),
        ]);
    }
    let mut lines = table.lines();
    let more = all.total.saturating_sub(all.objects.len() as u64);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn source(number: i32) -> &'static str {
    match number {
        0 => "worker",
        1 => "restored",
        2 => "received",
        3 => "error",
        _ => "?",
    }
}

/// The largest unit of a time, and the one below it.
fn age(time: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(time.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_object() {
        let object = |byte: &str, data_size, created| Object {
            id: byte.repeat(28),
            data_size,
            created,
            ..Object::default()
        };
        let first = Object { sealed: true, references: 2, ..object("ab", 1 << 20, 10) };
        let second = Object { fallback: true, mutable: true, source: 9, ..object("cd", 5, 3) };
        let mut objects = vec![first, second];
        sort(&mut objects, Order::Oldest);
        let all = Objects { objects, total: 5 };
        let lines = lines(&all, false, Duration::from_secs(100_000));
        assert_eq!(
            lines,
            [
                "ID                    SIZE  METADATA  STATE             USED BY  WHERE   FROM        AGE",
                "cdcdcdcd…cdcdcdcd      5 B       0 B  unsealed channel        0  disk    ?       1day 3h",
                "abababab…abababab  1.0 MiB       0 B  sealed                  2  memory  worker  1day 3h",
                "and 3 more",
            ]
        );
        let mut objects = all.objects;
        sort(&mut objects, Order::Largest);
        assert_eq!(objects[0].data_size, 1 << 20);
        sort(&mut objects, Order::MostUsed);
        assert_eq!(objects[0].references, 2);
    }
}
