//! `plasma stat`.

use std::io::Write;
use std::path::Path;

use super::{write_json, Error, Style};
use crate::admin::{read, Admin, Stat, Tally};
use crate::values::human_size;

/// Tells the store's numbers.
pub(super) fn run(socket: &Path, style: Style, out: &mut dyn Write) -> Result<(), Error> {
    let answer = Admin::connect(socket)?.query("stat")?;
    if style.json {
        return write_json(out, &answer);
    }
    for line in lines(&read(answer)?) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A size that is not negative.
pub(super) fn size(bytes: i64) -> String {
    human_size(u64::try_from(bytes).unwrap_or(0))
}

/// Objects and their bytes.
pub(super) fn tally(tally: Tally) -> String {
    format!("{} ({})", size(tally.bytes), tally.objects)
}

/// Hundredths.
pub(super) fn percent(part: i64, whole: i64) -> i64 {
    part.saturating_mul(100).checked_div(whole).unwrap_or(0)
}

fn lines(stat: &Stat) -> Vec<String> {
    let states = &stat.states;
    let primary = stat.allocated - stat.fallback_allocated;
    let line = |name: &str, value: String| format!("{name:<12}{value}");
    let list = |pairs: Vec<String>| pairs.join(", ");
    let of_gets = stat.get_hits + stat.get_misses;
    let mut lines = vec![
        line(
            "memory",
            format!(
                "{} of {} ({} %)",
                size(primary),
                size(stat.capacity),
                percent(primary, stat.capacity)
            ),
        ),
        line("fallback", size(stat.fallback_allocated)),
        line("objects", format!("{}, {} references", stat.objects, stat.references)),
        line("sealed", size(states.sealed_bytes)),
        line("unsealed", tally(states.unsealed)),
        line("in use", tally(states.in_use)),
        line("evictable", tally(states.evictable)),
        line("spillable", tally(states.spillable)),
        line(
            "from",
            list(
                stat.sources
                    .iter()
                    .map(|(name, bytes)| format!("{} {}", name.replace('_', " "), tally(*bytes)))
                    .collect(),
            ),
        ),
        line(
            "waiting",
            format!(
                "{} creations for {}, {} gets",
                stat.pending_creates,
                human_size(stat.pending_create_bytes),
                stat.pending_gets
            ),
        ),
        line(
            "clients",
            format!(
                "{} now, {} ever, {} expelled",
                stat.clients, stat.clients_total, stat.clients_expelled
            ),
        ),
    ];
    lines.push(line(
        "requests",
        list(stat.requests.iter().map(|(name, count)| format!("{count} {name}")).collect()),
    ));
    lines.push(line("gets found", format!("{} of {of_gets} objects at once", stat.get_hits)));
    lines.push(line(
        "ever",
        format!("created {}, gone {} objects", tally(stat.created_total), stat.objects_gone),
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        let mut stat = Stat { capacity: 10 << 20, allocated: 6 << 20, ..Stat::default() };
        stat.fallback_allocated = 1 << 20;
        stat.states.unsealed = Tally { objects: 2, bytes: 100 };
        stat.requests.insert("get".into(), 7);
        let lines = lines(&stat);
        assert_eq!(lines[0], "memory      5.0 MiB of 10.0 MiB (50 %)");
        assert!(lines.contains(&"unsealed    100 B (2)".to_owned()));
        assert!(lines.contains(&"requests    7 get".to_owned()));
        assert_eq!(percent(1, 0), 0);
    }
}
