//! Formats JSON as tables: the column of each value, and the widths of the columns.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, Row, Table, TableStyle, Width, presets,
};
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
    pub(super) const fn new(title: &'static str, paths: &'static [&'static str], shape: Shape) -> Self {
        Self { title, paths, shape }
    }

    fn cell(&self, row: &Value) -> String {
        let mut found = self.paths.iter().filter_map(|path| row.pointer(path)).filter(|value| !value.is_null());
        self.shape.text(found.next().unwrap_or(&Value::Null))
    }
}

/// A line of titles and a line per row. Lines fit into `width` if cutting the ends of texts is enough.
pub(super) fn table(columns: &[Column], rows: &[Value], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_delimiter(NO_DELIMITER).set_header(line(columns.iter().map(|column| column.title)));
    table.add_rows(rows.iter().map(|row| line(columns.iter().map(|column| column.cell(row)))));
    for (laid_out, column) in table.column_iter_mut().zip(columns) {
        laid_out.set_padding((0, PADDING));
        if column.shape.is_number() {
            laid_out.set_cell_alignment(CellAlignment::Right);
        }
    }
    if let Some(width) = width {
        fit(&mut table, columns, width);
    }
    table.trim_fmt() + "\n"
}

/// Cuts the ends of texts, the longest first, until a line fits into `width` or no text can give more.
fn fit(table: &mut Table, columns: &[Column], width: u16) {
    // The padding of the last column is trimmed, so it needs no place.
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.saturating_add(PADDING));
    let widest = table.column_max_content_widths();
    for ((laid_out, column), widest) in table.column_iter_mut().zip(columns).zip(widest) {
        laid_out.set_constraint(if column.shape.may_be_cut() {
            ColumnConstraint::LowerBoundary(Width::Fixed(widest.min(NARROWEST) + PADDING))
        } else {
            ColumnConstraint::ContentWidth
        });
    }
}

/// A row on one line: what does not fit is cut off.
fn line<T: ToString>(cells: impl Iterator<Item = T>) -> Row {
    let mut row = Row::from(cells);
    row.max_height(1);
    row
}

pub(super) fn record(columns: &[Column], value: &Value) -> String {
    let width = columns.iter().map(|column| column.title.len()).max().unwrap_or_default();
    let line = |column: &Column| format!("{:<width$}  {}\n", column.title, column.cell(value));
    columns.iter().map(line).collect()
}

/// Columns stand two blanks apart: this junction, and the padding.
const STYLE: TableStyle = presets::NOTHING
    .header_lines(ContentLineStyle::none().junction(' '))
    .content_lines(ContentLineStyle::none().junction(' '));
const PADDING: u16 = 1;
/// Cells are escaped and have no NUL, so a text is cut at the edge of its column and not between words.
const NO_DELIMITER: char = '\0';
/// The width that a cut text keeps at least.
const NARROWEST: u16 = 8;

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
    fn wide_characters_take_two_places() {
        let rows = [json!({ "user": "東京都庁舎", "limits": { "requests": 5 } })];
        let columns = [COLUMNS[1], COLUMNS[3]];
        assert_eq!(table(&columns, &rows, None), "USER        REQUESTS\n東京都庁舎         5\n");
        assert_eq!(table(&columns, &rows, Some(19)), "USER       REQUESTS\n東京都庁…         5\n");
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
