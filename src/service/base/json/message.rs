//! Reads what a request for a message says of models, price, features and payer, while the request streams by.

use super::list::ObjectList;
use super::mention::{Mention, MessageKey};
use super::places;
use super::walk::Walk;
use super::wanted::{Lead, Wanted};
use super::{Found, JsonError, skim};

/// Reads the values at the top level, and what the lists below name ([`places`]).
pub(crate) struct MessageScanner {
    wanted: &'static Wanted,
    walk: Walk,
    found: [Found; MessageKey::TOP],
    /// The raw text of the value that is being read.
    text: Vec<u8>,
    /// The list that is being read.
    list: Option<Box<ObjectList>>,
}

/// What is read of a message. Everything else is skipped and costs no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageDepth {
    Model,
    /// The values that decide the price, too.
    Price,
    /// All models that may run and all features, too.
    Whole,
    /// Only who pays.
    Payer,
    /// Only who pays or is meant, in a request of a batch.
    PayerInBatch,
}

impl MessageScanner {
    pub(crate) fn new(depth: MessageDepth) -> Self {
        let wanted = match depth {
            MessageDepth::Model => &places::MODEL,
            MessageDepth::Price => &places::PRICE,
            MessageDepth::Whole => &places::WHOLE,
            MessageDepth::Payer => &places::PAYER,
            MessageDepth::PayerInBatch => &places::PAYER_IN_BATCH,
        };
        let found = [const { Found::Nothing }; MessageKey::TOP];
        Self { wanted, walk: Walk::new(wanted.keys), found, text: Vec::new(), list: None }
    }

    /// The value of a key that can stand at the top level.
    pub(crate) fn found(&self, key: MessageKey) -> &Found {
        &self.found[key as usize]
    }

    /// The values at the top level that are read, those too that have not come.
    pub(crate) fn values(&self) -> impl Iterator<Item = (MessageKey, &Found)> {
        self.wanted.leads.iter().filter_map(|lead| match *lead {
            Lead::Value(key) => Some((key, self.found(key))),
            Lead::Objects(_) => None,
        })
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.walk.is_over()
    }

    /// Adds what the lists in `bytes` name to `below`. After [`JsonError`] the scanner must not be fed again.
    pub(crate) fn feed(&mut self, bytes: &[u8], below: &mut Vec<Mention>) -> Result<(), JsonError> {
        self.feed_while(bytes, below, |_| true)
    }

    /// Reads up to the end of the first `model`.
    pub(crate) fn feed_to_model(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.feed_while(bytes, &mut Vec::new(), |found| found[MessageKey::Model as usize] == Found::Nothing)
    }

    fn feed_while(
        &mut self,
        bytes: &[u8],
        below: &mut Vec<Mention>,
        goes_on: impl Fn(&[Found]) -> bool,
    ) -> Result<(), JsonError> {
        let Self { wanted, walk, found, text, list } = self;
        let (mut at, mut read) = (0, Ok(()));
        while at < bytes.len() && goes_on(found) {
            at += walk.step(&bytes[at..], |key, part, ended| match wanted.leads[key] {
                Lead::Value(key) => {
                    skim::keep_value(text, part);
                    if ended {
                        found[key as usize].add(std::mem::take(text));
                    }
                }
                Lead::Objects(inner) => {
                    read = list.get_or_insert_with(|| Box::new(ObjectList::new(inner))).feed(part, below);
                    if ended {
                        *list = None;
                    }
                }
            })?;
            read?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, piece: usize) -> Result<(Found, Vec<String>), JsonError> {
        let (mut scanner, mut below) = (MessageScanner::new(MessageDepth::Whole), Vec::new());
        text.as_bytes().chunks(piece).try_for_each(|bytes| scanner.feed(bytes, &mut below))?;
        let models = below.into_iter().filter(|mention| mention.key == MessageKey::OtherModel);
        Ok((scanner.found(MessageKey::Model).clone(), models.map(|mention| said(mention.found)).collect()))
    }

    fn said(found: Found) -> String {
        match found {
            Found::Value(raw) => String::from_utf8(raw).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn models_in_tools_and_fallbacks_are_found_however_the_bytes_are_cut() {
        let text = r#"{"tools":[{"name":"a","input_schema":{"properties":{"model":{"type":"string"}}}},
            {"type":"advisor","model":"x"}, 7, {"mod\u0065l":"y","model":"z"}, [{"model":"no"}]],
            "messages":[{"content":[{"input":{"model":"no"},"tools":[{"model":"no"}]}]}],
            "model":"main","fallbacks":[{"model":"f"},"g"],"fallbacks":"default","tools":null,"x":{"model":"no"}}"#;
        let expected: Vec<_> = [r#""x""#, "Repeated", r#""f""#, r#""g""#, r#""default""#].map(str::to_owned).into();
        for piece in 1..text.len() {
            let found = scan(text, piece);
            assert_eq!(found, Ok((Found::Value(br#""main""#.to_vec()), expected.clone())), "pieces of {piece}");
        }
    }

    #[test]
    fn a30_models_of_tools_that_a_message_adds_are_found_however_the_bytes_are_cut() {
        let text = r#"{"model":"main","system":[{"type":"text","text":"x"},{"tool":{"definition":{"model":"s"}}}],
            "messages":[{"role":"user","content":"{\"tool\":{\"definition\":{\"model\":\"no\"}}}"},
            {"role":"user","content":[{"type":"text","text":"model"},
                {"type":"tool_addition","tool":{"type":"tool_definition","definition":{"type":"advisor","model":"x"}}},
                {"type":"tool_use","input":{"model":"no","tool":{"definition":{"model":"no"}}}},
                {"t\u006fol":{"definition":{"m\u006fdel":"y"}},"tool":{"definition":{"model":"z","model":"w"}}},
                {"tool":{"type":"tool_reference","name":"no"}},{"tool":"no"},{"tool":[{"definition":[{"model":"l"}]}]}]},
            {"content":{"tool":{"definition":{"model":"o"}}},"model":"no","definition":{"model":"no"}},7,
            {"content":[{"type":"compaction","tool_changes":[{"tool":{"definition":{"model":"k"}}},{"model":"no"}]}]}]}"#;
        let expected: Vec<_> =
            [r#""s""#, r#""x""#, r#""y""#, "Repeated", r#""l""#, r#""o""#, r#""k""#].map(str::to_owned).into();
        for piece in 1..text.len() {
            let found = scan(text, piece);
            assert_eq!(found, Ok((Found::Value(br#""main""#.to_vec()), expected.clone())), "pieces of {piece}");
        }
    }

    #[test]
    fn a56_features_are_found_wherever_they_may_stand_however_the_bytes_are_cut() {
        use MessageKey::{Beta, Container, MaxTokens, McpServers, OtherModel, ServiceTier, Speed, Thread, ToolType};
        let text = r#"{"tools":[{"type":"web_search_20250305","name":"t"},{"t\u0079pe":"a","type":"b"},{"name":"type"}],
            "fallbacks":[{"model":"f","speed":"fast","max_tokens":9,"service_tier":"auto","type":"no"}],
            "messages":[{"type":"no","content":[{"type":"no","tool":{"type":"no","definition":{"type":"inline"}}},
                {"type":"compaction","tool_changes":[{"type":"no","tool":{"definition":{"type":"kept","model":"m"}}}]}]}],
            "system":[{"tool":{"definition":{"max_tokens":7}}}],"betas":["b-1",7,"b-2"],"anthropic_beta":"b-3",
            "container":{"id":"c"},"mcp_s\u0065rvers":[{}],"thread":{"type":"create"},"service_tier":"auto"}"#;
        let below = [
            (ToolType, r#""web_search_20250305""#),
            (ToolType, "Repeated"),
            (OtherModel, r#""f""#),
            (Speed, r#""fast""#),
            (MaxTokens, "9"),
            (ServiceTier, r#""auto""#),
            (ToolType, r#""inline""#),
            (ToolType, r#""kept""#),
            (OtherModel, r#""m""#),
            (MaxTokens, "7"),
            (Beta, r#""b-1""#),
            (Beta, r#""b-2""#),
            (Beta, r#""b-3""#),
        ];
        let own = [(Container, r#"{"id":"c"}"#), (McpServers, "[{}]"), (Thread, r#"{"type":"create"}"#)];
        for piece in 1..text.len() {
            let (mut scanner, mut found) = (MessageScanner::new(MessageDepth::Whole), Vec::new());
            text.as_bytes().chunks(piece).for_each(|bytes| scanner.feed(bytes, &mut found).unwrap());
            let found: Vec<_> = found.into_iter().map(|mention| (mention.key, said(mention.found))).collect();
            let expected: Vec<_> = below.iter().map(|(key, raw)| (*key, (*raw).to_owned())).collect();
            assert_eq!(found, expected, "pieces of {piece}");
            for (key, raw) in own {
                assert_eq!(said(scanner.found(key).clone()), raw, "pieces of {piece}");
            }
        }
    }

    #[test]
    fn a30_a_list_that_cannot_be_read_is_malformed_however_it_is_cut() {
        for text in [
            r#"{"model":"a","tools":[}"#,
            r#"{"model":"a","tools":[1}"#,
            r#"{"model":"a","tools":[{}}"#,
            r#"{"model":"a","tools":["x"}"#,
            r#"{"model":"a","tools":[:]}"#,
            r#"{"model":"a","tools":[{"\ud800":0,"model":"b"}]}"#,
        ] {
            for piece in 1..text.len() {
                assert_eq!(scan(text, piece), Err(JsonError), "{text} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a33_no_bytes_keep_the_scanner_reading_for_ever() {
        let parts = ["[", "]", "{", "}", ",", ":", "1", "\"", "\\", " ", "\"model\"", "null"];
        for one in parts {
            for two in parts {
                for three in parts {
                    let text = format!("{{\"tools\":{one}{two}{three}");
                    let whole = scan(&text, text.len());
                    let cut = scan(&text, 1);
                    assert_eq!(whole.is_ok(), cut.is_ok(), "{text}");
                }
            }
        }
    }

    #[test]
    fn a30_one_object_in_place_of_a_list_is_read_too() {
        let (_, others) = scan(r#"{"model":"a","fallbacks":{"model":"b"},"tools":7}"#, 3).unwrap();
        assert_eq!(others, [r#""b""#]);
    }

    #[test]
    fn a30_a_list_of_tools_that_comes_again_is_read_again() {
        let (model, others) = scan(r#"{"model":"a","tools":[],"tools":[{"model":"b"}],"model":"c"}"#, 5).unwrap();
        assert_eq!((model, others), (Found::Repeated, vec![r#""b""#.to_owned()]));
    }
}
