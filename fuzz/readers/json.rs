//! The scanners of JSON that streams by, beside a parser that has all of it.

use super::node::{Named, Node};
use super::pieces::same_in_pieces;
use crate::service::base::json::{
    Found, JsonError, MessageDepth, MessageKey, MessageScanner, NamedTexts, ObjectScanner, ReferenceScanner,
    RequestModels, RequestReferences, RequestsScanner,
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
    let (message, models) = scans.message.expect("an object can be scanned");
    assert_eq!(message.map(named), MESSAGE.map(|key| Named::of(&members, key)));
    assert_eq!(models.into_iter().map(named).collect::<Vec<_>>(), other_models(&members));
    assert_eq!(scans.first_model.map(named), Ok(first(&members, "model")));
    let references = scans.references.expect("an object can be scanned");
    assert_eq!(references.map(named), REFERENCES.map(|key| Named::of(&members, key)));
    let batch = scans.batch.ok().map(|(asked, is_complete)| Batch {
        models: asked.models.into_iter().map(named).collect(),
        others: asked.others.into_iter().map(named).collect(),
        is_complete,
    });
    assert_eq!(batch, Batch::of(&members));
    true
}

/// What each scanner finds.
#[derive(Debug, PartialEq)]
struct Scans {
    answer: Result<[Found; 2], JsonError>,
    /// The values of [`MESSAGE`], and all other models.
    message: Result<([Found; 4], Vec<Found>), JsonError>,
    first_model: Result<Found, JsonError>,
    batch: Result<(RequestModels, bool), JsonError>,
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
            batch: batch(pieces),
            references: references(pieces),
            texts: named_texts(pieces),
        }
    }
}

fn answer(pieces: &[&[u8]]) -> Result<[Found; 2], JsonError> {
    let mut scanner = ObjectScanner::new(["model", "usage"]);
    pieces.iter().try_for_each(|piece| scanner.feed(piece))?;
    Ok([0, 1].map(|index| scanner.found(index).clone()))
}

fn message(pieces: &[&[u8]]) -> Result<([Found; 4], Vec<Found>), JsonError> {
    let (mut scanner, mut others) = (MessageScanner::new(MessageDepth::AllModels), Vec::new());
    pieces.iter().try_for_each(|piece| scanner.feed(piece, &mut others))?;
    let keys = [MessageKey::Model, MessageKey::MaxTokens, MessageKey::Speed, MessageKey::InferenceGeo];
    Ok((keys.map(|key| scanner.found(key).clone()), others))
}

fn first_model(pieces: &[&[u8]]) -> Result<Found, JsonError> {
    let mut scanner = MessageScanner::new(MessageDepth::Price);
    pieces.iter().try_for_each(|piece| scanner.feed_to_model(piece))?;
    Ok(scanner.found(MessageKey::Model).clone())
}

fn batch(pieces: &[&[u8]]) -> Result<(RequestModels, bool), JsonError> {
    let (mut scanner, mut asked) = (RequestsScanner::new(), RequestModels::default());
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
    let (mut scanner, mut found) = (NamedTexts::new(FILE_ID), Vec::new());
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

fn first(members: &[(String, Node)], key: &str) -> Named {
    let value = members.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    value.map_or(Named::Nothing, Named::Once)
}

/// The models that may run, but for that of the message.
fn other_models(members: &[(String, Node)]) -> Vec<Named> {
    let found = members.iter().flat_map(|(key, value)| match key.as_str() {
        "tools" | "fallbacks" => elements(value).iter().filter_map(model_of).collect(),
        "messages" => models_at(value, &["content", "tool", "definition"]),
        "system" => models_at(value, &["tool", "definition"]),
        _ => Vec::new(),
    });
    found.collect()
}

/// The elements of a list. Another value is an element itself.
fn elements(value: &Node) -> &[Node] {
    match value {
        Node::List(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    }
}

/// The models of the objects that a path of keys leads to.
fn models_at(value: &Node, path: &[&str]) -> Vec<Named> {
    let objects = elements(value).iter().filter_map(|element| match element {
        Node::Object(members) => Some(members),
        _ => None,
    });
    let Some((key, rest)) = path.split_first() else {
        return objects.map(|members| Named::of(members, "model")).filter(|model| *model != Named::Nothing).collect();
    };
    objects.flatten().filter(|(name, _)| name == key).flat_map(|(_, inner)| models_at(inner, rest)).collect()
}

/// The model that a tool or fallback names. A text is a model.
fn model_of(element: &Node) -> Option<Named> {
    match element {
        Node::Object(members) => Some(Named::of(members, "model")).filter(|model| *model != Named::Nothing),
        Node::Text(_) => Some(Named::Once(element.clone())),
        Node::List(_) | Node::Plain(_) => None,
    }
}

/// The models that the requests of a batch name.
#[derive(Debug, Default, PartialEq)]
struct Batch {
    models: Vec<Named>,
    others: Vec<Named>,
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
            match Named::of(request, "params") {
                Named::Nothing => batch.models.push(Named::Nothing),
                Named::Once(Node::Object(params)) => {
                    batch.models.push(Named::of(&params, "model"));
                    batch.others.extend(other_models(&params));
                }
                Named::Once(_) | Named::Repeated => return None,
            }
        }
        Some(batch)
    }
}

/// The texts under [`FILE_ID`], at any depth.
fn texts(node: &Node) -> Vec<String> {
    match node {
        Node::Object(members) => {
            let found = members.iter().map(|(key, value)| match value {
                Node::Text(text) if key == FILE_ID => vec![text.clone()],
                value => texts(value),
            });
            found.flatten().collect()
        }
        Node::List(elements) => elements.iter().flat_map(texts).collect(),
        Node::Text(_) | Node::Plain(_) => Vec::new(),
    }
}

const REFERENCES: [&str; 3] = ["thread", "diagnostics", "container"];

const MESSAGE: [&str; 4] = ["model", "max_tokens", "speed", "inference_geo"];

const FILE_ID: &str = "file_id";

/// As long as the fuzzer's inputs are by itself; each is read about twenty times.
const LONGEST: usize = 4096;
