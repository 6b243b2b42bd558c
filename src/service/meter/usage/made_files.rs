//! The files that an answer has made, by the ids in its blocks.
//!
//! The device that gets the answer owns these files, so an id counts only where the API alone writes: in the output of a
//! code execution, and in a block that puts a file into a container. The model writes the inputs of tools, and a server of
//! the client's choosing the results of MCP tools: neither can write such a block.

use memchr::memmem;
use serde::Deserialize;

use super::lenient::{LenientObject, LenientObjects, LenientText};
use super::reference::Reference;

/// The files that the blocks read so far have named, each once.
#[derive(Debug, Default, Clone)]
pub(super) struct MadeFiles(Vec<Reference>);

/// A block of an answer, as far as it can name files.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MakingBlock {
    #[serde(rename = "type")]
    kind: LenientText,
    /// Of an upload.
    file_id: LenientText,
    /// What a code execution returned.
    content: LenientObject<ExecutionResult>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExecutionResult {
    content: LenientObjects<ExecutionOutput>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExecutionOutput {
    #[serde(rename = "type")]
    kind: LenientText,
    file_id: LenientText,
}

impl MadeFiles {
    /// Adds the files that a block names. Returns whether any of them is new.
    pub(super) fn add(&mut self, block: MakingBlock) -> bool {
        let before = self.0.len();
        for file in block.ids().filter_map(Reference::file) {
            if self.0.len() < MOST && !self.0.contains(&file) {
                self.0.push(file);
            }
        }
        self.0.len() > before
    }

    pub(super) fn references(&self) -> impl Iterator<Item = Reference> {
        self.references_after(0)
    }

    /// As [`references`](Self::references), without the first `told`.
    pub(super) fn references_after(&self, told: usize) -> impl Iterator<Item = Reference> {
        self.0.iter().skip(told).cloned()
    }
}

impl MakingBlock {
    fn ids(self) -> impl Iterator<Item = Box<str>> {
        let kind = self.kind.0.unwrap_or_default();
        let upload = self.file_id.0.filter(|_| *kind == *UPLOAD);
        let result = self.content.0.filter(|_| kind.ends_with(RESULT)).unwrap_or_default();
        let outputs = result.content.0.into_iter().filter(|output| output.kind.0.as_deref().is_some_and(is_output));
        upload.into_iter().chain(outputs.filter_map(|output| output.file_id.0))
    }
}

/// Whether the text of a block can name a file. Few blocks do.
pub(super) fn may_name(block: &[u8]) -> bool {
    memmem::find(block, b"\"file_id\"").is_some()
}

fn is_output(kind: &str) -> bool {
    kind.ends_with(OUTPUT)
}

/// The type of a block that puts a file into a container.
const UPLOAD: &str = "container_upload";

/// How the types of blocks end that hold what a code execution returned: `bash_code_execution_tool_result`.
const RESULT: &str = "code_execution_tool_result";

/// How the types of the objects end that name a file which a code execution has made.
const OUTPUT: &str = "code_execution_output";

/// Files of one answer whose owner is remembered.
const MOST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn made(blocks: &[&str]) -> Vec<String> {
        let mut files = MadeFiles::default();
        for block in blocks {
            files.add(serde_json::from_str(block).unwrap());
        }
        files.references().map(|file| file.id.into()).collect()
    }

    #[test]
    fn f82_each_version_of_code_execution_names_the_files_that_it_has_made() {
        let bash = r#"{"type":"bash_code_execution_tool_result","tool_use_id":"srvtoolu_1","content":{
            "type":"bash_code_execution_result","stdout":"\"file_id\"","stderr":"","return_code":0,"content":[
            {"type":"bash_code_execution_output","file_id":"file_1"},{"type":"bash_code_execution_output","file_id":"file_2"}]}}"#;
        let python = r#"{"type":"code_execution_tool_result","content":{"type":"encrypted_code_execution_result",
            "content":[{"file_id":"file_1","type":"code_execution_output","new":{"x":[1]}}]}}"#;
        let upload = r#"{"type":"container_upload","file_id":"file_3"}"#;
        assert_eq!(made(&[bash, python, upload]), ["file_1", "file_2", "file_3"]);
        let mut files = MadeFiles::default();
        let adds = [python, python, upload].map(|block| files.add(serde_json::from_str(block).unwrap()));
        assert_eq!(adds, [true, false, true]);
    }

    #[test]
    fn a61_an_id_that_the_model_or_a_server_of_the_clients_has_written_makes_no_file() {
        let output = r#"{"type":"code_execution_output","file_id":"file_1"}"#;
        let result = format!(r#"{{"type":"code_execution_result","content":[{output}]}}"#);
        for block in [
            format!(r#"{{"type":"text","text":"{}","file_id":"file_1"}}"#, output.replace('"', "\\\"")),
            format!(r#"{{"type":"tool_use","name":"code_execution_tool_result","input":{result},"file_id":"file_1"}}"#),
            format!(r#"{{"type":"server_tool_use","name":"bash_code_execution","input":{{"content":{result}}}}}"#),
            format!(r#"{{"type":"mcp_tool_use","server_name":"x","input":{output}}}"#),
            format!(r#"{{"type":"mcp_tool_result","content":{result}}}"#),
            format!(r#"{{"type":"mcp_tool_result","content":[{output},{result}]}}"#),
            format!(
                r#"{{"type":"web_fetch_tool_result","content":{{"type":"web_fetch_result","content":[{output}]}}}}"#
            ),
            format!(r#"{{"type":"code_execution_tool_result","content":[{output}]}}"#),
            format!(r#"{{"type":"code_execution_tool_result","content":{{"content":{output}}}}}"#),
            format!(r#"{{"type":"code_execution_tool_result","input":{result},"file_id":"file_1"}}"#),
            r#"{"type":"code_execution_tool_result","content":{"content":[{"type":"text","file_id":"file_1"}]}}"#
                .to_owned(),
            result,
            output.to_owned(),
        ] {
            assert!(made(&[&block]).is_empty(), "{block}");
        }
    }

    #[test]
    fn a48_what_cannot_be_a_part_of_a_path_is_no_file_and_an_answer_has_only_so_many() {
        for id in ["", "a/b", "a?b", "..", "a b", "caf\u{e9}", &"x".repeat(Reference::LONGEST_ID + 1)] {
            assert!(made(&[&format!(r#"{{"type":"container_upload","file_id":"{id}"}}"#)]).is_empty(), "{id}");
        }
        for id in ["7", "null", "{}", r#"["file_1"]"#] {
            assert!(made(&[&format!(r#"{{"type":"container_upload","file_id":{id}}}"#)]).is_empty(), "{id}");
        }
        let many = |number: usize| format!(r#"{{"type":"container_upload","file_id":"file_{number}"}}"#);
        let many: Vec<_> = (0..MOST + 10).map(many).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(made(&many).len(), MOST);
    }
}
