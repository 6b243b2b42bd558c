//! The scanners of JSON that streams by, beside a parser that has all of it.

use super::node::{Named, Node};
use super::pieces::same_in_pieces;
use crate::service::base::json::{
    Found, JsonError, Mention, MessageDepth, MessageKey, MessageScanner, NamedTexts, ObjectScanner, ReferenceScanner,
    RequestReferences, RequestsScanner,
};

/// Scans the bytes as an answer, as a message and as a batch; true if they are a JSON object.
///
/// The scanners find the same however the bytes are cut. In valid JSON they find what the parser finds, and refuse what is
/// no object or, in a batch, can be read in two ways.
#[must_use]
pub fn read(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let scans = same_in_pieces(bytes, Scans::of);
    let Some(document) = Node::parse(bytes) else { return false };
    assert_eq!(scans.texts.as_ref(), Ok(&texts(&document)), "file ids");
    let Node::Object(members) = document else {
        let all_fail =
            scans.answer.is_err() && scans.message.is_err() && scans.batch.is_err() && scans.references.is_err();
        assert!(all_fail, "{scans:?}");
        return false;
    };
    let answer = scans.answer.expect("an object can be scanned");
    assert_eq!(answer.map(named), ["model", "usage"].map(|key| Named::of(&members, key)));
    let (message, below) = scans.message.expect("an object can be scanned");
    assert_eq!(message.map(named), MESSAGE.map(|(_, key)| Named::of(&members, key)));
    assert_eq!(said(below), below_of(&members));
    assert_eq!(scans.first_model.map(named), Ok(first(&members, "model")));
    assert_eq!(scans.payer.map(named), Ok(Named::of(&members, "billing_policy")));
    let references = scans.references.expect("an object can be scanned");
    assert_eq!(references.map(named), REFERENCES.map(|key| Named::of(&members, key)));
    let batch = scans.batch.ok().map(|(asked, is_complete)| Batch { asked: said(asked), is_complete });
    assert_eq!(batch, Batch::of(&members));
    true
}

/// What each scanner finds.
#[derive(Debug, PartialEq)]
struct Scans {
    answer: Result<[Found; 2], JsonError>,
    /// The values of [`MESSAGE`], and what stands below.
    message: Result<([Found; 8], Vec<Mention>), JsonError>,
    first_model: Result<Found, JsonError>,
    payer: Result<Found, JsonError>,
    batch: Result<(Vec<Mention>, bool), JsonError>,
    /// The values of [`REFERENCES`].
    references: Result<[Found; 3], JsonError>,
    texts: Result<Vec<String>, JsonError>,
}

impl Scans {
    fn of(pieces: &[&[u8]]) -> Self {
        Self {
            answer: answer(pieces),
            message: message(pieces),
            first_model: first_model(pieces),
            payer: payer(pieces),
            batch: batch(pieces),
            references: references(pieces),
            texts: named_texts(pieces),
        }
    }
}

fn answer(pieces: &[&[u8]]) -> Result<[Found; 2], JsonError> {
    let mut scanner = ObjectScanner::new(&["model", "usage"]);
    pieces.iter().try_for_each(|piece| scanner.feed(piece))?;
    Ok([0, 1].map(|index| scanner.found(index).clone()))
}

fn message(pieces: &[&[u8]]) -> Result<([Found; 8], Vec<Mention>), JsonError> {
    let (mut scanner, mut below) = (MessageScanner::new(MessageDepth::Whole), Vec::new());
    pieces.iter().try_for_each(|piece| scanner.feed(piece, &mut below))?;
    Ok((MESSAGE.map(|(key, _)| scanner.found(key).clone()), below))
}

fn first_model(pieces: &[&[u8]]) -> Result<Found, JsonError> {
    let mut scanner = MessageScanner::new(MessageDepth::Price);
    pieces.iter().try_for_each(|piece| scanner.feed_to_model(piece))?;
    Ok(scanner.found(MessageKey::Model).clone())
}

fn payer(pieces: &[&[u8]]) -> Result<Found, JsonError> {
    let mut scanner = MessageScanner::new(MessageDepth::Payer);
    pieces.iter().try_for_each(|piece| scanner.feed(piece, &mut Vec::new()))?;
    Ok(scanner.found(MessageKey::BillingPolicy).clone())
}

fn batch(pieces: &[&[u8]]) -> Result<(Vec<Mention>, bool), JsonError> {
    let (mut scanner, mut asked) = (RequestsScanner::new(MessageDepth::Whole), Vec::new());
    pieces.iter().try_for_each(|piece| scanner.feed(piece, &mut asked))?;
    Ok((asked, scanner.is_complete()))
}

fn references(pieces: &[&[u8]]) -> Result<[Found; 3], JsonError> {
    let (mut scanner, mut found) = (ReferenceScanner::of_message(), Vec::new());
    pieces.iter().try_for_each(|piece| scanner.feed(piece, &mut found))?;
    let RequestReferences { thread, diagnostics, container } = found.pop().unwrap_or_default();
    Ok([thread, diagnostics, container])
}

fn named_texts(pieces: &[&[u8]]) -> Result<Vec<String>, JsonError> {
    let (mut scanner, mut found) = (NamedTexts::new(FILE_ID, FREE), Vec::new());
    pieces.iter().try_for_each(|piece| scanner.feed(piece, &mut found))?;
    Ok(found)
}

/// What a scanner found, as the parser would say it.
fn named(found: Found) -> Named {
    match found {
        Found::Nothing => Named::Nothing,
        Found::Value(raw) => Named::Once(Node::parse(&raw).expect("a value in valid JSON is valid JSON")),
        Found::Repeated => Named::Repeated,
        Found::TooLong => panic!("a value of a short input is too long"),
    }
}

fn said(mentions: Vec<Mention>) -> Vec<Said> {
    mentions.into_iter().map(|mention| (mention.key, named(mention.found))).collect()
}

fn first(members: &[(String, Node)], key: &str) -> Named {
    let value = members.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    value.map_or(Named::Nothing, Named::Once)
}

/// A value below the top level, and what it says.
type Said = (MessageKey, Named);

/// What stands below the top level of a message and can be judged.
fn below_of(members: &[(String, Node)]) -> Vec<Said> {
    let found = members.iter().flat_map(|(key, value)| match key.as_str() {
        "tools" => below(value, &[], &TOOL, Some(MessageKey::OtherModel)),
        "fallbacks" => below(value, &[], &FALLBACK, Some(MessageKey::OtherModel)),
        "messages" => elements(value).iter().flat_map(|turn| inner(turn, "content")).flat_map(blocks).collect(),
        "system" => blocks(value),
        "betas" | "anthropic_beta" => below(value, &[], &[], Some(MessageKey::Beta)),
        _ => Vec::new(),
    });
    found.collect()
}

/// The tools that blocks of a message define.
fn blocks(value: &Node) -> Vec<Said> {
    let members = elements(value).iter().filter_map(Node::members).flatten();
    let found = members.flat_map(|(key, value)| match key.as_str() {
        "tool" => below(value, &["definition"], &TOOL, None),
        "tool_changes" => below(value, &["tool", "definition"], &TOOL, None),
        _ => Vec::new(),
    });
    found.collect()
}

/// What the objects say that a path of keys leads to. `text` is what a text says in place of the first of them.
fn below(value: &Node, path: &[&str], keys: &[(&str, MessageKey)], text: Option<MessageKey>) -> Vec<Said> {
    let Some((key, rest)) = path.split_first() else {
        return elements(value).iter().flat_map(|element| own(element, keys, text)).collect();
    };
    let inner = elements(value).iter().flat_map(|element| inner(element, key));
    inner.flat_map(|value| below(value, rest, keys, None)).collect()
}

/// What one object says, in the order in which its keys come.
fn own(element: &Node, keys: &[(&str, MessageKey)], text: Option<MessageKey>) -> Vec<Said> {
    let mut said: Vec<Said> = Vec::new();
    if let (Node::Text(_), Some(key)) = (element, text) {
        said.push((key, Named::Once(element.clone())));
    }
    let Some(members) = element.members() else { return said };
    for (name, _) in members {
        if let Some((_, key)) = keys.iter().find(|(wanted, _)| wanted == name)
            && said.iter().all(|(known, _)| known != key)
        {
            said.push((*key, Named::of(members, name)));
        }
    }
    said
}

/// The values of a key in an object.
fn inner<'a>(element: &'a Node, key: &str) -> Vec<&'a Node> {
    let members = element.members().into_iter().flatten();
    members.filter(|(name, _)| name == key).map(|(_, value)| value).collect()
}

/// The elements of a list. Another value is an element itself.
fn elements(value: &Node) -> &[Node] {
    match value {
        Node::List(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    }
}

/// What the requests of a batch say.
#[derive(Debug, Default, PartialEq)]
struct Batch {
    asked: Vec<Said>,
    is_complete: bool,
}

impl Batch {
    /// `None` for a batch that must be refused: parsers differ on which of two lists counts.
    fn of(members: &[(String, Node)]) -> Option<Self> {
        let requests = match Named::of(members, "requests") {
            Named::Nothing => return Some(Self::default()),
            Named::Once(Node::List(requests)) => requests,
            Named::Once(_) | Named::Repeated => return None,
        };
        let mut batch = Self { is_complete: true, ..Self::default() };
        for request in &requests {
            let Node::Object(request) = request else { return None };
            let params = match Named::of(request, "params") {
                Named::Nothing => Vec::new(),
                Named::Once(Node::Object(params)) => params,
                Named::Once(_) | Named::Repeated => return None,
            };
            batch.asked.extend(below_of(&params));
            let own = MESSAGE.map(|(key, name)| (key, Named::of(&params, name)));
            batch.asked.extend(own.into_iter().filter(|(key, value)| *key == MODEL || *value != Named::Nothing));
        }
        Some(batch)
    }
}

/// The texts under [`FILE_ID`], at any depth outside of free objects.
fn texts(node: &Node) -> Vec<String> {
    match node {
        Node::Object(members) => {
            let found = members.iter().map(|(key, value)| match value {
                Node::Text(text) if key == FILE_ID => vec![text.clone()],
                Node::Object(_) if FREE.contains(&key.as_str()) => Vec::new(),
                value => texts(value),
            });
            found.flatten().collect()
        }
        Node::List(elements) => elements.iter().flat_map(texts).collect(),
        Node::Text(_) | Node::Plain(_) => Vec::new(),
    }
}

const REFERENCES: [&str; 3] = ["thread", "diagnostics", "container"];

const MODEL: MessageKey = MessageKey::Model;

/// The values at the top level of a message.
const MESSAGE: [(MessageKey, &str); 8] = [
    (MODEL, "model"),
    (MessageKey::MaxTokens, "max_tokens"),
    (MessageKey::Speed, "speed"),
    (MessageKey::InferenceGeo, "inference_geo"),
    (MessageKey::ServiceTier, "service_tier"),
    (MessageKey::Thread, "thread"),
    (MessageKey::Container, "container"),
    (MessageKey::McpServers, "mcp_servers"),
];

const TOOL: [(&str, MessageKey); 3] =
    [("model", MessageKey::OtherModel), ("type", MessageKey::ToolType), ("max_tokens", MessageKey::MaxTokens)];

const FALLBACK: [(&str, MessageKey); 5] = [
    ("model", MessageKey::OtherModel),
    ("max_tokens", MessageKey::MaxTokens),
    ("speed", MessageKey::Speed),
    ("inference_geo", MessageKey::InferenceGeo),
    ("service_tier", MessageKey::ServiceTier),
];

const FILE_ID: &str = "file_id";
const FREE: &[&str] = &["input", "input_schema"];

/// As long as the fuzzer's inputs are by itself; each is read about twenty times.
const LONGEST: usize = 4096;
