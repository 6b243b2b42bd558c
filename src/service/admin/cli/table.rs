//! Formats JSON as tables: the column of each value, and the widths of the columns.

use serde_json::Value;

use super::cell::Shape;

#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    /// JSON pointers (RFC 6901) to the value; the first with a value counts.
    paths: &'static [&'static str],
    shape: Shape,
}

impl Column {
    #[must_use]
    pub(super) const fn new(title: &'static str, paths: &'static [&'static str], shape: Shape) -> Self {
        Self { title, paths, shape }
    }

    fn cell(&self, row: &Value) -> String {
        let mut found = self.paths.iter().filter_map(|path| row.pointer(path)).filter(|value| !value.is_null());
        self.shape.text(found.next().unwrap_or(&Value::Null))
    }
}

/// A line of titles and a line per row. Lines fit into `width` if cutting the ends of texts is enough.
#[must_use]
pub(super) fn table(columns: &[Column], rows: &[Value], width: Option<usize>) -> String {
    let titles: Vec<String> = columns.iter().map(|column| column.title.to_owned()).collect();
    let cells = rows.iter().map(|row| columns.iter().map(|column| column.cell(row)).collect::<Vec<_>>());
    let lines: Vec<Vec<String>> = std::iter::once(titles).chain(cells).collect();
    let widths = widths(columns, &lines, width);
    lines.iter().map(|cells| line(columns, cells, &widths)).collect()
}

#[must_use]
pub(super) fn record(columns: &[Column], value: &Value) -> String {
    let width = columns.iter().map(|column| length(column.title)).max().unwrap_or_default();
    let line = |column: &Column| format!("{:<width$}{GAP}{}\n", column.title, column.cell(value));
    columns.iter().map(line).collect()
}

/// Each column is as wide as its widest cell; if the terminal is too narrow, the widest texts give way.
fn widths(columns: &[Column], lines: &[Vec<String>], most: Option<usize>) -> Vec<usize> {
    let widest = |place: usize| lines.iter().map(|cells| length(&cells[place])).max().unwrap_or_default();
    let mut widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let gaps = GAP.len() * columns.len().saturating_sub(1);
    while most.is_some_and(|most| widths.iter().sum::<usize>() + gaps > most) {
        let can_give = |&place: &usize| columns[place].shape.may_be_cut() && widths[place] > NARROWEST;
        let Some(widest) = (0..columns.len()).filter(can_give).max_by_key(|&place| widths[place]) else { break };
        widths[widest] -= 1;
    }
    widths
}

fn line(columns: &[Column], cells: &[String], widths: &[usize]) -> String {
    let fitted: Vec<_> = columns
        .iter()
        .zip(cells)
        .zip(widths)
        .map(|((column, cell), &width)| fitted(cell, width, column.shape.is_number()))
        .collect();
    fitted.join(GAP).trim_end().to_owned() + "\n"
}

fn fitted(text: &str, width: usize, to_the_right: bool) -> String {
    if length(text) > width {
        let beginning: String = text.chars().take(width.saturating_sub(1)).collect();
        return beginning + "…";
    }
    if to_the_right { format!("{text:>width$}") } else { format!("{text:<width$}") }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

const GAP: &str = "  ";
/// The width that a cut text keeps at least.
const NARROWEST: usize = 8;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::new("DEVICE", &["/device_id"], Shape::Name),
        Column::new("USER", &["/user"], Shape::Text),
        Column::new("MODEL", &["/answered", "/asked"], Shape::Text),
        Column::new("REQUESTS", &["/limits/requests"], Shape::Number),
    ];

    fn rows() -> Vec<Value> {
        vec![
            json!({ "device_id": "device-0001", "user": "müller", "answered": null, "asked": "claude-haiku-4-5",
                "limits": { "requests": 5 } }),
            json!({ "device_id": "device-00000002", "user": null, "answered": "claude-sonnet-5-5", "asked": "x" }),
        ]
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let expected = "\
DEVICE           USER    MODEL              REQUESTS
device-0001      müller  claude-haiku-4-5          5
device-00000002  -       claude-sonnet-5-5         -
";
        assert_eq!(table(&COLUMNS, &rows(), None), expected);
        assert_eq!(table(&COLUMNS, &rows(), Some(52)), expected);
        assert_eq!(table(&COLUMNS, &[], Some(10)), "DEVICE  USER  MODEL  REQUESTS\n");
    }

    #[test]
    fn a_narrow_terminal_cuts_texts_and_never_names() {
        let narrow = table(&COLUMNS, &rows(), Some(44));
        let expected = "\
DEVICE           USER    MODEL      REQUESTS
device-0001      müller  claude-h…         5
device-00000002  -       claude-s…         -
";
        assert_eq!(narrow, expected);
        let narrowest = table(&COLUMNS, &rows(), Some(1));
        assert!(narrowest.contains("device-00000002  -       claude-…  "), "{narrowest}");
    }

    #[test]
    fn a_record_has_a_line_for_each_column() {
        let expected = "\
DEVICE    device-0001
USER      müller
MODEL     claude-haiku-4-5
REQUESTS  5
";
        assert_eq!(record(&COLUMNS, &rows()[0]), expected);
    }
}
