//! A contestant that answers requests, and the processes that do its work.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::case::Case;

/// One contestant, as the load sees it.
pub struct Target {
    /// Its name in reports.
    pub name: &'static str,
    /// The address for JSON answers.
    pub json: SocketAddr,
    /// The address for event streams; often the same.
    pub stream: SocketAddr,
    /// Credential headers, one for each device; connections use them in turn.
    pub credentials: Vec<String>,
    /// The processes to measure, by part.
    pub parts: Vec<Part>,
}

/// Processes that are measured together.
pub struct Part {
    /// Its name in reports.
    pub name: &'static str,
    pub pids: Vec<u32>,
}

impl Target {
    /// The address for this case.
    pub fn address(&self, case: Case) -> SocketAddr {
        if case.is_stream() { self.stream } else { self.json }
    }

    /// A whole request with `body`, from device number `device`. The headers are those of a coding agent, so that each
    /// contestant has a realistic head to read and to write.
    pub fn request(&self, case: Case, body: &[u8], device: usize) -> Arc<[u8]> {
        let (address, length) = (self.address(case), body.len());
        let credential = &self.credentials[device % self.credentials.len()];
        let head = format!(
            "POST /v1/messages?beta=true HTTP/1.1\r\nhost: {address}\r\nconnection: keep-alive\r\n{credential}\r\n\
             {AGENT_HEADERS}content-length: {length}\r\n\r\n"
        );
        [head.as_bytes(), body].concat().into()
    }
}

const AGENT_HEADERS: &str = "\
accept: application/json\r\n\
accept-encoding: gzip, deflate, br, zstd\r\n\
anthropic-beta: claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14\r\n\
anthropic-dangerous-direct-browser-access: true\r\n\
anthropic-version: 2023-06-01\r\n\
content-type: application/json\r\n\
user-agent: claude-cli/2.1.233 (external, claude-vscode, agent-sdk/0.3.233)\r\n\
x-app: cli\r\n\
x-claude-code-session-id: 5ca1ab1e-0000-4000-8000-000000000001\r\n\
x-stainless-arch: x64\r\n\
x-stainless-lang: js\r\n\
x-stainless-os: Linux\r\n\
x-stainless-package-version: 0.94.0\r\n\
x-stainless-retry-count: 0\r\n\
x-stainless-runtime: node\r\n\
x-stainless-runtime-version: v24.3.0\r\n\
x-stainless-timeout: 600\r\n";
