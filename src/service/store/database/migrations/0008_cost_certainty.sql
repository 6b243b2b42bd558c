-- How sure the cost of a request is.

ALTER TABLE usage_records ADD COLUMN cost_certainty TEXT; -- NULL where an earlier version made the record
