//! Writes usage records as log lines, in the format of the other lines.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use humantime::{Rfc3339Timestamp, format_rfc3339_micros};

use super::LineQueue;
use crate::service::meter::usage::{UsageRecord, UsageSink};

/// Sink that writes each usage record to the log. It bypasses `tracing`, whose formatting would be a large part of the
/// cost of a small request.
pub struct UsageLines {
    queue: LineQueue,
    json: bool,
}

impl UsageLines {
    /// `json` chooses JSON lines; otherwise lines are text for people.
    pub fn new(queue: LineQueue, json: bool) -> Self {
        Self { queue, json }
    }
}

impl UsageSink for UsageLines {
    fn record(&self, record: &Arc<UsageRecord>) {
        // The timestamp format of `tracing`, which takes longer to produce it.
        let timestamp = format_rfc3339_micros(SystemTime::now());
        let mut line = if self.json { json_line(&timestamp, record) } else { human_line(&timestamp, record).into() };
        line.push(b'\n');
        self.queue.push(&line);
    }
}

/// The field names are those of `tracing`. The record's fields follow in the same object.
fn json_line(timestamp: &Rfc3339Timestamp, record: &UsageRecord) -> Vec<u8> {
    let mut line = Vec::with_capacity(USUAL_LINE);
    // Writing to a Vec cannot fail, and a record is plain JSON.
    let _ = write!(
        line,
        r#"{{"timestamp":"{timestamp}","level":"INFO","target":"valetkey::usage","message":"Relayed a request","#
    );
    let start = line.len();
    let _ = serde_json::to_writer(&mut line, record);
    line.remove(start);
    line
}

fn human_line(timestamp: &Rfc3339Timestamp, record: &UsageRecord) -> String {
    let tokens = &record.tokens;
    let model = record.model_answered.as_deref().or(record.model_asked.as_deref()).unwrap_or("-");
    let status = record.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let mut line =
        format!("{timestamp}  INFO {} {status} {:?} in {} ms", record.route, record.ended, record.total.as_millis());
    // The model comes from the request: control characters are escaped before they reach a terminal.
    let _ = write!(line, " device={} model={}", record.device, model.escape_debug());
    let _ = write!(
        line,
        " input={} output={} cache_write_5m={} cache_write_1h={} cache_read={} request_id={}",
        tokens.input_tokens,
        tokens.output_tokens,
        tokens.cache_write_5m_tokens,
        tokens.cache_write_1h_tokens,
        tokens.cache_read_tokens,
        record.request_id,
    );
    line
}

/// Capacity that most lines fit into.
const USUAL_LINE: usize = 768;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::service::meter::usage::{CostCertainty, UsageOwner};
    use crate::wire::DeviceId;

    #[test]
    fn a_line_says_how_sure_the_cost_is() {
        let owner = UsageOwner { device: DeviceId::parse("device-0001").unwrap(), org: None, user: None };
        let mut record = UsageRecord::new("req_1".into(), owner, "POST /v1/messages");
        for certainty in CostCertainty::ALL {
            record.cost_certainty = certainty;
            let line = json_line(&format_rfc3339_micros(SystemTime::UNIX_EPOCH), &record);
            let line: Value = serde_json::from_slice(&line).unwrap();
            assert_eq!((&line["request_id"], &line["cost_certainty"]), (&"req_1".into(), &certainty.as_str().into()));
        }
    }
}
