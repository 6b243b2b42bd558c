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
    /// What happens to a row that exists already. Each `?` in it is a value of its own, after those of the rows.
    pub(super) on_conflict: &'static str,
}

impl RowInsert {
    /// Adds `rows` in their order; `on_conflict` has the values for a row that exists already. After an error the
    /// transaction around it must be given up.
    pub(super) async fn run<const COLUMNS: usize>(
        &self,
        on: &mut AnyConnection,
        rows: &[[Value<'_>; COLUMNS]],
        on_conflict: &[Value<'_>],
    ) -> Result<(), StoreError> {
        let mut left = rows;
        while !left.is_empty() {
            let length = LENGTHS.into_iter().find(|length| *length <= left.len()).unwrap_or(1);
            let (now, later) = left.split_at(length);
            left = later;
            let sql = self.sql(COLUMNS, length, on.backend_name());
            let values = now.iter().flatten().chain(on_conflict);
            let query = values.fold(sqlx::query(&sql), |query, value| value.bind_to(query));
            on.execute(query).await?;
        }
        Ok(())
    }

    /// SQLite searches all names for each `$1`, but takes `?` for the next value at once.
    fn sql(&self, columns: usize, rows: usize, backend: &str) -> String {
        let mut sql = format!("{} VALUES ", self.into);
        let mut places = Placeholders { is_numbered: backend != "SQLite", count: 0 };
        for place in 0..columns * rows {
            sql.push_str(match (place, place % columns) {
                (0, _) => "(",
                (_, 0) => "), (",
                _ => ", ",
            });
            places.push_to(&mut sql);
        }
        sql.push_str(") ");
        let mut pieces = self.on_conflict.split('?');
        sql.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            places.push_to(&mut sql);
            sql.push_str(piece);
        }
        sql
    }
}

/// The places of a statement's values, in their order.
struct Placeholders {
    is_numbered: bool,
    count: usize,
}

impl Placeholders {
    fn push_to(&mut self, sql: &mut String) {
        self.count += 1;
        if self.is_numbered {
            // Writing to a String cannot fail.
            let _ = write!(sql, "${}", self.count);
        } else {
            sql.push('?');
        }
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
        let insert = RowInsert { into: "INSERT INTO t (a)", on_conflict: "ON CONFLICT (a) DO UPDATE SET b = ?, c = ?" };
        let expected = "INSERT INTO t (a) VALUES ($1), ($2) ON CONFLICT (a) DO UPDATE SET b = $3, c = $4";
        assert_eq!(insert.sql(1, 2, "PostgreSQL"), expected);
        assert_eq!(
            insert.sql(1, 1, "SQLite"),
            "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET b = ?, c = ?"
        );
    }
}
