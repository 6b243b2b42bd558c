//! Reads what a request for a message says of models and price, while the request streams by.

use super::list::{ObjectList, Path};
use super::walk::Walk;
use super::{Found, JsonError, skim};

/// Reads `model`, `max_tokens`, `speed` and `inference_geo`, and each other place that names a model which may run: a tool
/// can be a model of its own (the advisor), in `tools` or added by a block of a message, and a fallback is one.
pub(crate) struct MessageScanner {
    walk: Walk<8>,
    found: [Found; 4],
    /// The raw text of the value that is being read.
    text: Vec<u8>,
    /// The list that is being read.
    list: Option<Box<ObjectList>>,
}

/// How much of a message is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageDepth {
    Model,
    /// The values that decide the price, too.
    Price,
    /// All models that may run, too.
    AllModels,
}

/// The values of a message that stand at its top level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKey {
    Model,
    MaxTokens,
    Speed,
    InferenceGeo,
}

impl MessageScanner {
    /// Everything beyond `depth` is skipped and costs no memory.
    pub(crate) fn new(depth: MessageDepth) -> Self {
        let keys = [MODEL, "max_tokens", "speed", "inference_geo", "tools", "fallbacks", "messages", "system"];
        let wanted = match depth {
            MessageDepth::Model => 1,
            MessageDepth::Price => VALUES,
            MessageDepth::AllModels => keys.len(),
        };
        let walk = Walk::of_first(wanted, keys);
        Self { walk, found: [const { Found::Nothing }; VALUES], text: Vec::new(), list: None }
    }

    pub(crate) fn found(&self, key: MessageKey) -> &Found {
        &self.found[key as usize]
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.walk.is_over()
    }

    /// Adds the models in `bytes`, but for that of the message, to `others`. After [`JsonError`] the scanner must not be fed
    /// again.
    pub(crate) fn feed(&mut self, bytes: &[u8], others: &mut Vec<Found>) -> Result<(), JsonError> {
        self.feed_while(bytes, others, |_| true)
    }

    /// Reads up to the end of the first `model`.
    pub(crate) fn feed_to_model(&mut self, bytes: &[u8]) -> Result<(), JsonError> {
        self.feed_while(bytes, &mut Vec::new(), |found| found[MessageKey::Model as usize] == Found::Nothing)
    }

    fn feed_while(
        &mut self,
        bytes: &[u8],
        others: &mut Vec<Found>,
        goes_on: impl Fn(&[Found]) -> bool,
    ) -> Result<(), JsonError> {
        let Self { walk, found, text, list } = self;
        let (mut at, mut read) = (0, Ok(()));
        while at < bytes.len() && goes_on(found) {
            at += walk.step(&bytes[at..], |key, part, ended| {
                if key < VALUES {
                    skim::keep_value(text, part);
                    if ended {
                        found[key].add(std::mem::take(text));
                    }
                    return;
                }
                read = list.get_or_insert_with(|| Box::new(ObjectList::new(LISTS[key - VALUES]))).feed(part, others);
                if ended {
                    *list = None;
                }
            })?;
            read?;
        }
        Ok(())
    }
}

const MODEL: &str = "model";

/// How many of the keys have one value.
const VALUES: usize = 4;

/// The way from each other key to the models that it names. A block of a message may define a tool
/// (`{"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {…}}}`, beta of inline tools).
const LISTS: [Path; 4] = [
    Path { keys: &[MODEL], takes_texts: true },
    Path { keys: &[MODEL], takes_texts: true },
    Path { keys: &["content", "tool", "definition", MODEL], takes_texts: false },
    Path { keys: &["tool", "definition", MODEL], takes_texts: false },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str, piece: usize) -> Result<(Found, Vec<String>), JsonError> {
        let (mut scanner, mut others) = (MessageScanner::new(MessageDepth::AllModels), Vec::new());
        text.as_bytes().chunks(piece).try_for_each(|bytes| scanner.feed(bytes, &mut others))?;
        let others = others.into_iter().map(|found| match found {
            Found::Value(raw) => String::from_utf8(raw).unwrap(),
            other => format!("{other:?}"),
        });
        Ok((scanner.found(MessageKey::Model).clone(), others.collect()))
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
            {"content":{"tool":{"definition":{"model":"o"}}},"model":"no","definition":{"model":"no"}},7]}"#;
        let expected: Vec<_> = [r#""s""#, r#""x""#, r#""y""#, "Repeated", r#""l""#, r#""o""#].map(str::to_owned).into();
        for piece in 1..text.len() {
            let found = scan(text, piece);
            assert_eq!(found, Ok((Found::Value(br#""main""#.to_vec()), expected.clone())), "pieces of {piece}");
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
