//! `plasma clients`.

use std::io::Write;
use std::path::Path;

use super::table::Table;
use super::{write_json, Error, Style};
use crate::admin::{Admin, Client};
use crate::values::human_size;

/// Lists who is connected.
pub(super) fn run(socket: &Path, style: Style, out: &mut dyn Write) -> Result<(), Error> {
    let mut admin = Admin::connect(socket)?;
    if style.json {
        let answer = admin.query("clients")?;
        return write_json(out, &answer);
    }
    Ok(table(&admin.clients()?).write(out)?)
}

/// A line for each client.
pub(super) fn table(clients: &[Client]) -> Table {
    let headings = ["CLIENT", "PID", "UID", "USES", "UNSEALED", "WAITING", "FILES", "PROGRAM"];
    let mut table = Table::new(&headings, &[true, true, true, true, true, true, true, false]);
    for client in clients {
        table.row(vec![
            client.id.to_string(),
            client.pid.to_string(),
            client.uid.to_string(),
            client.references.to_string(),
            human_size(client.unsealed_bytes),
            client.requests_in_flight.to_string(),
            client.descriptors.to_string(),
            program(client.pid),
        ]);
    }
    table
}

/// The name of a process, if it can be seen from here.
fn program(pid: i64) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().chars().filter(|sign| !sign.is_control()).collect()
}
