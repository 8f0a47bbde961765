//! Columns of text.

use std::io::{self, Write};

/// Rows under headings. Columns are as wide as they have to be; those that are numbers end together.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    right: &'static [bool],
}

impl Table {
    /// A table with headings; `right` says which columns end together.
    pub(super) fn new(headings: &[&str], right: &'static [bool]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()], right }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table as lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let length = |cell: Option<&String>| cell.map_or(0, |cell| cell.chars().count());
        let width =
            |column: usize| self.rows.iter().map(|row| length(row.get(column))).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if self.right.get(column).copied().unwrap_or(false) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.lines().iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let mut table = Table::new(&["ID", "SIZE", "WHY"], &[false, true, false]);
        table.row(vec!["1…2".into(), "10 B".into(), "x".into()]);
        table.row(vec!["3".into(), "9 B".into(), String::new()]);
        assert_eq!(table.lines(), ["ID   SIZE  WHY", "1…2  10 B  x", "3     9 B"]);
    }
}
