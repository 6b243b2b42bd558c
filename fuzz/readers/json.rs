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
    let payer = scans.payer.expect("an object can be scanned");
    assert_eq!(payer.map(named), PAYER.map(|(_, key)| Named::of(&members, key)));
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
    /// The values of [`PAYER`].
    payer: Result<[Found; 3], JsonError>,
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

fn payer(pieces: &[&[u8]]) -> Result<[Found; 3], JsonError> {
    let mut scanner = MessageScanner::new(MessageDepth::Payer);
    pieces.iter().try_for_each(|piece| scanner.feed(piece, &mut Vec::new()))?;
    Ok(PAYER.map(|(key, _)| scanner.found(key).clone()))
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
    let mut said = Vec::new();
    lists_of(members, Place::Message, LEVELS, &mut said);
    said
}

/// What an object is.
#[derive(Clone, Copy)]
enum Place {
    /// The message, or a fallback of it.
    Message,
    Tool,
    /// A tool of a conversation, or its definition.
    AddedTool,
    Block,
    Beta,
}

impl Place {
    /// What the values of a key are.
    fn below(self, key: &str) -> Option<Self> {
        match (self, key) {
            (Self::Message, "tools") => Some(Self::Tool),
            (Self::Message, "fallbacks") => Some(Self::Message),
            (Self::Message, "messages" | "system") | (Self::Block, "content" | "source" | "tool_changes") => {
                Some(Self::Block)
            }
            (Self::Message, "betas" | "anthropic_beta") => Some(Self::Beta),
            (Self::Block, "tool") | (Self::Tool | Self::AddedTool, "definition") => Some(Self::AddedTool),
            _ => None,
        }
    }

    /// What the object says by itself.
    fn keys(self) -> Vec<(MessageKey, &'static str)> {
        let below =
            |(key, name): (MessageKey, &'static str)| (if key == MODEL { MessageKey::OtherModel } else { key }, name);
        match self {
            Self::Message => MESSAGE.map(below).to_vec(),
            Self::Tool | Self::AddedTool => TOOL.to_vec(),
            Self::Block | Self::Beta => Vec::new(),
        }
    }

    /// What a text in place of the object says.
    fn text(self) -> Option<MessageKey> {
        match self {
            Self::Message | Self::Tool => Some(MessageKey::OtherModel),
            Self::Beta => Some(MessageKey::Beta),
            Self::AddedTool | Self::Block => None,
        }
    }
}

/// Adds what the lists of an object name. Of objects in each other `levels` are read.
fn lists_of(members: &[(String, Node)], place: Place, levels: usize, said: &mut Vec<Said>) {
    for (key, value) in members {
        let Some(below) = place.below(key) else { continue };
        match value {
            Node::List(elements) => elements.iter().for_each(|element| element_of(element, below, true, levels, said)),
            single => element_of(single, below, false, levels, said),
        }
    }
}

/// Adds what an element of a list says, or a value in place of the list.
fn element_of(element: &Node, place: Place, in_list: bool, levels: usize, said: &mut Vec<Said>) {
    match element {
        Node::Object(members) if levels > 0 => {
            lists_of(members, place, levels - 1, said);
            let own = own(members, &place.keys());
            let value = |key: MessageKey| own.iter().find(|(known, _)| *known == key).map(|(_, value)| value);
            let kind = value(MessageKey::ToolType).cloned();
            let null = Named::Once(Node::Plain("null".to_owned()));
            let is_capped = value(MessageKey::MaxTokens).is_some_and(|cap| *cap != null);
            said.extend(own);
            said.extend(kind.filter(|_| !is_capped).map(|kind| (MessageKey::UncappedTool, kind)));
        }
        Node::Text(_) => said.extend(place.text().map(|key| (key, Named::Once(element.clone())))),
        Node::Object(_) => said.push((MessageKey::Unreadable, Named::Nothing)),
        Node::List(_) | Node::Plain(_) if in_list => said.push((MessageKey::Unreadable, Named::Nothing)),
        Node::List(_) | Node::Plain(_) => {}
    }
}

/// What an object says, in the order in which its keys come.
fn own(members: &[(String, Node)], keys: &[(MessageKey, &'static str)]) -> Vec<Said> {
    let mut said: Vec<Said> = Vec::new();
    for (name, _) in members {
        if let Some((key, _)) = keys.iter().find(|(_, wanted)| wanted == name)
            && said.iter().all(|(known, _)| known != key)
        {
            said.push((*key, Named::of(members, name)));
        }
    }
    said
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

const PAYER: [(MessageKey, &str); 3] = [
    (MessageKey::BillingPolicy, "billing_policy"),
    (MessageKey::UserProfile, "user_profile_id"),
    (MessageKey::Workspace, "workspace_id"),
];

const TOOL: [(MessageKey, &str); 3] =
    [(MessageKey::OtherModel, "model"), (MessageKey::ToolType, "type"), (MessageKey::MaxTokens, "max_tokens")];

/// Of objects in each other.
const LEVELS: usize = 8;

const FILE_ID: &str = "file_id";
const FREE: &[&str] = &["input", "input_schema"];

/// As long as the fuzzer's inputs are by itself; each is read about twenty times.
const LONGEST: usize = 4096;
