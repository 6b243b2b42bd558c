//! Adds many rows fast, in statements of a few fixed lengths, which the database prepares once for each connection:
//! preparing a statement of many rows takes longer than running it.

use std::fmt::Write as _;

use sqlx::{AnyConnection, Executor};

use super::error::StoreError;
use super::statement::Value;

/// The SQL before and after the rows. It comes from this program alone; values are bound.
pub(super) struct RowInsert {
    /// `INSERT INTO …`, up to the rows.
    pub(super) into: &'static str,
    /// What happens to a row that exists already.
    pub(super) on_conflict: &'static str,
}

impl RowInsert {
    /// Adds `rows` in their order. After an error the transaction around it must be given up.
    pub(super) async fn run<const COLUMNS: usize>(
        &self,
        on: &mut AnyConnection,
        rows: &[[Value<'_>; COLUMNS]],
    ) -> Result<(), StoreError> {
        let mut left = rows;
        while !left.is_empty() {
            let length = LENGTHS.into_iter().find(|length| *length <= left.len()).unwrap_or(1);
            let (now, later) = left.split_at(length);
            left = later;
            let sql = self.sql(COLUMNS, length, on.backend_name());
            let query = now.iter().flatten().fold(sqlx::query(&sql), |query, value| value.bind_to(query));
            on.execute(query).await?;
        }
        Ok(())
    }

    /// SQLite searches all names for each `$1`, but takes `?` for the next value at once.
    fn sql(&self, columns: usize, rows: usize, backend: &str) -> String {
        let mut sql = format!("{} VALUES ", self.into);
        for place in 0..columns * rows {
            sql.push_str(match (place, place % columns) {
                (0, _) => "(",
                (_, 0) => "), (",
                _ => ", ",
            });
            if backend == "SQLite" {
                sql.push('?');
            } else {
                // Writing to a String cannot fail.
                let _ = write!(sql, "${}", place + 1);
            }
        }
        sql + ") " + self.on_conflict
    }
}

/// Rows in one statement: the greatest length that fits comes next.
const LENGTHS: [usize; 5] = [256, 64, 16, 4, 1];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_place_in_both_dialects() {
        let insert = RowInsert { into: "INSERT INTO t (a, b)", on_conflict: "ON CONFLICT DO NOTHING" };
        let expected = "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING";
        assert_eq!(insert.sql(2, 2, "PostgreSQL"), expected);
        assert_eq!(insert.sql(2, 1, "SQLite"), "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT DO NOTHING");
    }
}
